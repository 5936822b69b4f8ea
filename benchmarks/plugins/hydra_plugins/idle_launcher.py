"""A launcher whose workers train nothing: a sweep then costs what its own process does."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher


@dataclass
class IdleLauncherConfig:
    _target_: str = "hydra_plugins.idle_launcher.IdleLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="idle", node=IdleLauncherConfig)


class IdleLauncher(Launcher):
    """Leaves the journals that workers would have left, and waits for ever.

    The JSON file $IDLE_WORK names `journal`, the journal of a trained run, `done`, the folders of
    runs that get the whole of it, and `live`, those of runs that get half of it and a process that
    holds them. Without $IDLE_WORK the launcher returns at once, as if there were nothing to do.
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
    first, *others = Path(work["journal"]).read_bytes().splitlines(keepends=True)
    start, workers = json.loads(first), []
    for name in [*work["done"], *work["live"]]:
        folder, is_live = Path(name), name in work["live"]
        if is_live:
            line = [sys.executable, "-I", "-S", "-c", "input()"]
            workers.append(subprocess.Popen(line, stdin=subprocess.PIPE))
        pid = workers[-1].pid if workers else os.getpid()
        start |= {"run_key": folder.name, "launch": launch, "pid": pid}
        lines = others[: len(others) // 2] if is_live else others
        folder.mkdir()
        content = b"".join([json.dumps(start).encode() + b"\n", *lines])
        (folder / "journal.jsonl").write_bytes(content)
    return workers
