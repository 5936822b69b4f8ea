"""Python imports this file first in a command under test that has its folder on PYTHONPATH.

FAULTS (`1:hang 2:os._exit`) says by seed or run key which runs misbehave, and how. EPOCHS_LOG=FILE
counts: every epoch that is computed adds a line with its seed and number, and every process that
begins or leaves a run adds one (`+ KEY PID`, `- KEY PID`), with `! KEY` where another process was
still training it. EPOCH_SLEEP=SECONDS makes every epoch longer, so that a test can kill in its
middle; GATE=FILE has every epoch wait at its end until the file is there or the run is to stop.
LOCKS=none makes every lock succeed. CLOCK=jumps sets the time of day an hour back and a day
forward, in turn, at every reading. VERSIONS=other gives packages that take part in numbers other
versions.
"""

import importlib.abc
import importlib.machinery
import os
import signal
import sys
import time
from collections import Counter

FAULTS = dict(word.split(":") for word in os.environ.get("FAULTS", "").split())
EPOCHS_LOG = os.environ.get("EPOCHS_LOG")
EPOCH_SLEEP = float(os.environ.get("EPOCH_SLEEP", "0"))
GATE = os.environ.get("GATE")


class OutOfMemoryError(Exception):
    """Named as CuPy names its own."""


def misbehave(fault):
    if fault == "hang":
        time.sleep(1e6)
    elif fault == "hang_in_C":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(1e6)
    elif fault.startswith("sys.exit"):
        sys.exit(int(fault.removeprefix("sys.exit=")))
    elif fault == "os._exit":
        os._exit(0)
    elif fault == "MemoryError":
        raise MemoryError("asked for 5 TB")
    elif fault == "OutOfMemoryError":
        raise OutOfMemoryError("asked for 80 GB of 78")
    elif fault == "lost_card":
        lose_card()
    elif fault == "exception":
        raise ValueError("the model's\nown \x1b[31mfault\x07")


def lose_card():
    """Have the GPU refuse this process: what a kernel that writes where nothing is leads to."""
    import cupy

    if "emulated" in cupy.__file__:
        cupy.cuda.is_lost = True
        raise cupy.cuda.runtime.CUDARuntimeError(700)
    code = 'extern "C" __global__ void lose() { *(volatile int*)8 = 1; }'
    cupy.RawKernel(code, "lose")((1,), (1,), ())
    cupy.cuda.runtime.deviceSynchronize()


def write(line):
    if EPOCHS_LOG:
        with open(EPOCHS_LOG, "ab") as log:
            log.write(f"{line}\n".encode("ascii"))


def note(what, key):
    """Who begins with a run and leaves it; who is killed says nothing, and is not alive any more
    for the next."""
    if key is None or not EPOCHS_LOG:
        return
    write(f"{what} {key} {os.getpid()}")
    with open(EPOCHS_LOG, encoding="ascii") as log:
        lines = [line.split() for line in log if f" {key} " in line]
    begun = Counter(line[2] for line in lines if line[0] == "+")
    at_it = begun - Counter(line[2] for line in lines if line[0] == "-")
    if what == "+" and any(pid != str(os.getpid()) and is_alive(pid) for pid in at_it):
        write(f"! {key}")


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Patched(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports runner.train.epochs and wraps its loop."""

    def find_spec(self, name, path, target=None):
        if name != "runner.train.epochs":
            return None
        self.real = importlib.machinery.PathFinder.find_spec(name, path)
        return importlib.machinery.ModuleSpec(name, self, origin=self.real.origin)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        self.real.loader.exec_module(module)
        train = module.train

        def faulty(assembly, *how):
            # The estimate of a sweep's time trains a little, too: no run of anybody's.
            if sys._getframe(1).f_globals["__name__"] == "runner.train.pace":
                return train(assembly, *how)
            return watched(assembly, *how)

        def watched(assembly, *how):
            seed = assembly.config.seed
            key = getattr(sys._getframe(1).f_locals.get("planned"), "run_key", None)
            for name in (str(seed), str(key)):
                if name in FAULTS:
                    misbehave(FAULTS[name])
            note("+", key)
            try:
                for record in train(assembly, *how):
                    if record is not None:  # else a card is at work
                        time.sleep(EPOCH_SLEEP)
                        write(f"{seed} {record.epoch}")
                    yield record
                    while GATE and not os.path.exists(GATE) and not how[1]():
                        time.sleep(0.05)
            finally:
                note("-", key)

        module.train = faulty


if os.environ.get("VERSIONS") == "other":
    import importlib.metadata

    version = importlib.metadata.version

    def other(package):
        # Another's own look at a version must not be misled.
        is_ours = sys._getframe(1).f_globals.get("__name__") == "runner.train.provenance"
        return version(package) + ("+other" if is_ours else "")

    importlib.metadata.version = other

if os.environ.get("CLOCK") == "jumps":
    time_ns, looks = time.time_ns, []

    def jumping():
        looks.append(None)
        return time_ns() + (-3600, 86400)[len(looks) % 2] * 10**9

    time.time_ns, time.time = jumping, lambda: jumping() / 1e9

if os.environ.get("LOCKS") == "none":
    import filelock

    class Unlocked:
        """A lock that always succeeds, as where locks do not reach from host to host."""

        def __init__(self, *_, **__):
            pass

        def acquire(self, **_):
            return self

        def release(self):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    filelock.FileLock = Unlocked

if FAULTS or EPOCHS_LOG or EPOCH_SLEEP or GATE:
    sys.meta_path.insert(0, Patched())
