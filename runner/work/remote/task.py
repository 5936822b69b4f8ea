"""A task on another host: trains its runs in a folder of its own, and sends what they write.

The runs have a process of their own, as on a cluster with a shared folder:
`python -m runner.work.remote.task FOLDER PARENT`, with the order on standard input.
"""

import os
import pickle
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from runner.errors import CardLost, RunnerError, short_text
from runner.state.root import Root
from runner.system.sources import make_folder_importable
from runner.work import worker
from runner.work.remote import program
from runner.work.remote.mirror import Mirror
from runner.work.remote.seam import Hello, Order, Over, Parcel
from runner.work.share import Share
from runner.work.stop import Stop, die_with_parent

_LOOK_S = 0.2
_PREFIX = "ablation-task-"
#: Above where a process was that ended itself past its time limit.
_HUNG = "(most recent call first):"
#: Before NumPy is imported, as in runner/__main__.py: OpenBLAS gives other bits with two threads.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def train(
    order: Order, data: Mapping[str, Mapping[str, Any]], is_asked_to_stop: Callable[[], bool]
) -> Iterator[Hello | Parcel | Over]:
    """Train what an order says, and yield what comes of it as it comes.

    Parameters
    ----------
    data
        The files of each data set, by the name of its folder and theirs, as bytes or arrays of
        them.
    is_asked_to_stop
        Whether the runs should write their checkpoints and end.
    """
    yield Hello(platform.node(), program.name())
    if order.program != program.name():
        return
    with _folder() as folder:
        root = Root(folder / "root")
        _unpack(order, data, folder)
        mirror = Mirror(root, [run.run_key for run in order.runs])
        with _training(order, folder) as process:
            while True:
                is_over = process.poll() is not None
                if is_asked_to_stop():
                    _stop_file(folder).touch()
                yield from mirror.parcels()
                if is_over:
                    break
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_S)
        why = _why(process.returncode, folder) if process.returncode else ""
    # Whoever hears it may end this process.
    yield Over(why)


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder of this task alone; those of tasks that were killed are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        if left.stat().st_uid == os.getuid() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(order: Order, data: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    root, code = Root(folder / "root"), folder / "code"
    code.mkdir()
    files: dict[Path, Any] = {root.state / name: of for name, of in order.state.items()}
    files |= {code / name: of for name, of in order.own_code.items()}
    for name, arrays in data.items():
        files |= {root.data / name / array: of for array, of in arrays.items()}
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextmanager
def _training(order: Order, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The process that trains, in the block; it ends with it."""
    line = [sys.executable, "-m", __name__, str(folder), str(os.getpid())]
    environment = os.environ | dict.fromkeys(_THREADS, "1")
    with open(folder / "said", "wb") as said:
        process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment,
            cwd=folder / "code", process_group=0,
        )  # fmt: skip
    try:
        # One that ended at once tells why in its own way.
        with suppress(BrokenPipeError), process.stdin as to:  # type: ignore[union-attr]
            pickle.dump(order, to)
        yield process
    finally:
        process.kill()
        process.wait()


def _why(code: int, folder: Path) -> str:
    """How the process ended that trained, with the last line that it said, or where it hung."""
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    said, _, hung = (folder / "said").read_text(errors="replace").rpartition(_HUNG)
    lines = hung.strip().splitlines()
    return f"{how}: {short_text(lines[0 if said else -1].strip(), 200)}" if lines else how


def _stop_file(folder: Path) -> Path:
    return folder / "stop"


def work(order: Order, folder: Path) -> None:
    """Train the runs of an order below a folder; what is left at its end is sent again."""
    share = Share(order.runs, Root(folder / "root"), order.launch, is_own=True)
    with Stop(_stop_file(folder), of_worker=True) as stop, suppress(CardLost):
        worker.train(share, stop)


def main(folder: Path, parent: int, orders: IO[bytes]) -> None:
    """The process that trains."""
    die_with_parent(parent)
    make_folder_importable()
    try:
        work(pickle.load(orders), folder)
    # Such as a disk on which not even a failure can be written down.
    except (OSError, RunnerError) as error:
        sys.exit(f"runner: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.stdin.buffer)
