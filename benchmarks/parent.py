"""The share of a core that a large sweep's own process takes: `python -m benchmarks.parent`.

The sweep has 2,000 runs, of which 1,800 are done. The command itself is started on a pseudo
terminal, so that it draws the live table. Its launcher (plugins/hydra_plugins/idle_launcher.py)
trains nothing: it leaves copies of the journal of one trained run, and starts processes that hold
two more. Copies of that run are in MLflow before. Needs Linux, for /proc.
"""

import contextlib
import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parent.parent
PLUGINS = Path(__file__).resolve().parent / "plugins"
N_CELLS, N_SEEDS, N_EPOCHS, N_LIVE, SHARE_DONE = 8, 250, 50, 2, 0.9
WALL_S, PATIENCE_S, SETTLE_S = 30.0, 900.0, 5.0
#: One step and one evaluation an epoch, on 8x8 images.
RUN = ["data=digits", "model=mlp", "model.fc_depth=0", "train.batch_size=1442"]
RUN += [f"train.epochs={N_EPOCHS}"]
RATES = ",".join(f"0.00{n}" for n in range(1, N_CELLS + 1))
SWEEP = ["-m", *RUN, f"optimizer.lr={RATES}", f"seed=range(0,{N_SEEDS})", "hydra/launcher=idle"]


def of_the_parent(root: Path) -> dict[str, float]:
    """The share of a core, and what it was measured on; `root` is an empty folder."""
    run(root, [*RUN, "optimizer.lr=0.001", "seed=0"])
    (template,) = root.glob("state/*/attempts/*/journal.jsonl")
    # Its workers find nothing to do: it writes the plan, and ends before the store is opened.
    run(root, [*SWEEP, "progress=false"])
    line = [sys.executable, "-m", "runner.sync", "--root", str(root)]
    subprocess.run(line, cwd=root, env=command(root, [])["env"], capture_output=True, check=True)
    keys = planned_keys(root)
    trained = template.relative_to(root / "state").parts[0]
    keys.remove(trained)
    n_done = round(SHARE_DONE * N_CELLS * N_SEEDS)
    done, live = keys[: n_done - 1], keys[n_done - 1 : n_done - 1 + N_LIVE]
    synthesise_store(root, trained, done)
    work = root / "work.json"
    folders = {name: [str(root / "state" / key) for key in keys] for name, keys in
               (("done", done), ("live", live))}  # fmt: skip
    work.write_text(json.dumps({"attempt": str(template.parent), **folders}))
    share = measured_share(root, live, work)
    n_runs = N_CELLS * N_SEEDS
    return {"n_runs": n_runs, "n_epochs": N_EPOCHS, "n_done": n_done, "share_of_a_core": share}


def planned_keys(root: Path) -> list[str]:
    """The run keys of the larger plan, in its order: a single run may have a plan, too."""
    plans = [json.loads(path.read_bytes()) for path in root.glob("state/sweeps/*/sweep.json")]
    return max(([run["run_key"] for run in plan["runs"]] for plan in plans), key=len)


def command(root: Path, words: list[str]) -> dict[str, Any]:
    """How `subprocess` starts a command on the root, with the idle launcher among the plugins."""
    path = os.pathsep.join([str(PLUGINS), os.environ.get("PYTHONPATH") or str(REPO)])
    names = {"PYTHONPATH": path, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"}
    line = [sys.executable, "-m", "runner", *words, f"runner.root={root}"]
    return {"args": line, "env": os.environ | names, "cwd": root}


def run(root: Path, words: list[str]) -> None:
    """Run a command to its end, whatever its exit code."""
    subprocess.run(**command(root, words), capture_output=True)


def synthesise_store(root: Path, template: str, keys: list[str]) -> None:
    """Copy the template's run in MLflow for each key, and tie all copies to the sweep.

    Their rows of metrics are left out: nobody reads them while a sweep is under way.
    """
    with contextlib.closing(sqlite3.connect(root / "mlflow.db")) as store, store:

        def value(column: str, key: str, of: str) -> Any:
            other = "value" if column == "run_uuid" else "run_uuid"
            text = f"select {column} from tags where key = ? and {other} = ?"
            return store.execute(text, [key, of]).fetchone()[0]

        parent, original = (
            value("run_uuid", "kind", "sweep"),
            value("run_uuid", "run_key", template),
        )
        link = {f"sweep.{value('value', 'sweep_key', parent)[:8]}": "1"}
        link["mlflow.parentRunId"] = parent
        for key in keys:
            copy = uuid.uuid4().hex
            for table in ("runs", "tags", "params"):
                copy_rows(store, table, original, copy)
            for name, text in (link | {"run_key": key}).items():
                tag = "insert or replace into tags (key, value, run_uuid) values (?, ?, ?)"
                store.execute(tag, [name, text, copy])


def copy_rows(store: sqlite3.Connection, table: str, original: str, copy: str) -> None:
    """Give a copy of a run the rows that the original has in a table."""
    columns = [name for _, name, *_ in store.execute(f"pragma table_info({table})")]
    names, values = ", ".join(columns), ", ".join(columns).replace("run_uuid", "?")
    rows = f"select {values} from {table} where run_uuid = ?"
    store.execute(f"insert into {table} ({names}) {rows}", [copy, original])


def measured_share(root: Path, live: list[str], work: Path) -> float:
    """Start the sweep on a terminal, wait until it has caught up, and measure it."""
    here, there = pty.openpty()
    options = command(root, SWEEP)
    options["env"] |= {"IDLE_WORK": str(work)}
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": there, "stderr": there}
    process = subprocess.Popen(**options, **streams, start_new_session=True)
    os.close(there)
    reader = threading.Thread(target=drain, args=(here,), daemon=True)
    reader.start()
    try:
        wait_until_caught_up(root, live, process)
        began, before_s = time.monotonic(), cpu_s(process.pid)
        time.sleep(WALL_S)
        return (cpu_s(process.pid) - before_s) / (time.monotonic() - began)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join()
        os.close(here)


def wait_until_caught_up(root: Path, live: list[str], process: subprocess.Popen[bytes]) -> None:
    """Return once the live runs are in the store: the MLflow writer has looked at every run."""
    deadline = time.monotonic() + PATIENCE_S
    marks = ", ".join("?" * len(live))
    question = f"select count(*) from tags where key = 'run_key' and value in ({marks})"
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.closing(sqlite3.connect(root / "mlflow.db", timeout=60)) as store:
            if store.execute(question, live).fetchone() == (len(live),):
                time.sleep(SETTLE_S)
                return
        time.sleep(1)
    raise RuntimeError("the sweep did not catch up with its journals")


def drain(terminal: int) -> None:
    """Read what is written on a terminal until nobody has it open any more."""
    with contextlib.suppress(OSError):
        while os.read(terminal, 65536):
            pass


def cpu_s(pid: int) -> float:
    """Seconds of a core that a process and its threads have used, its children left out."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(of_the_parent(Path(folder)), indent=2))
