"""A launcher whose workers train nothing: a sweep then costs what its own process does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher

from runner.state.journal import first_check
from runner.state.records import Record, Start, decode, encode
from runner.state.root import AttemptFolder, RunFolder


@dataclass
class IdleLauncherConfig:
    _target_: str = "hydra_plugins.idle_launcher.IdleLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="idle", node=IdleLauncherConfig)


class IdleLauncher(Launcher):
    """Leaves the journals that workers would have left, and waits for ever.

    The JSON file $IDLE_WORK names `attempt`, the folder of one that trained a run, `done`, the
    folders of runs that get the whole of its journal, and `live`, those of runs that get half of it
    and a process that holds them. Without $IDLE_WORK the launcher returns at once, as if there were
    nothing to do.
    """

    def setup(self, **_: Any) -> None:
        pass

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> list[JobReturn]:
        if path := os.environ.get("IDLE_WORK"):
            launch = dict(word.split("=", 1) for word in job_overrides[0])["worker.launch"]
            for worker in leave(json.loads(Path(path).read_bytes()), launch):
                worker.wait()
        return []


def leave(work: dict[str, Any], launch: str) -> list[subprocess.Popen[bytes]]:
    """Write the journals of a launch; the processes that hold its live runs."""
    template = Path(work["attempt"])
    folder = RunFolder(template.parents[1]).attempt(template.name)
    records, workers = list(_records(folder)), []
    for name in [*work["done"], *work["live"]]:
        run, is_live = RunFolder(Path(name)), name in work["live"]
        if is_live:
            line = [sys.executable, "-I", "-S", "-c", "input()"]
            workers.append(subprocess.Popen(line, stdin=subprocess.PIPE))
        pid = workers[-1].pid if workers else os.getpid()
        start, *others = records
        assert isinstance(start, Start)
        start = replace(start, run_key=run.key, launch=launch, pid=pid)
        _write(run.new_attempt(), [start, *others[: len(others) // 2 if is_live else None]])
    return workers


def _records(folder: AttemptFolder) -> Iterator[Record]:
    check = first_check(folder)
    for line in folder.journal.read_bytes().splitlines():
        record, check = decode(line, check)
        yield record


def _write(folder: AttemptFolder, records: list[Record]) -> None:
    lines, check = [], first_check(folder)
    for record in records:
        line, check = encode(record, check)
        lines.append(line)
    folder.journal.write_bytes(b"".join(lines))
