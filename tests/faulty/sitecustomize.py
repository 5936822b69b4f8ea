"""On the path of a command under test: runs misbehave by seed, as FAULTS says (`1:hang 2:os._exit`), or are counted.

With EPOCHS_LOG=FILE each epoch that is computed adds a line with its seed and number, whatever becomes of it;
EPOCH_SLEEP=SECONDS makes each longer, so that there is a middle to be killed in. CLOCK=jumps sets the time of day back
an hour and on a day, in turn, at every look.
"""

import importlib.abc
import importlib.machinery
import os
import signal
import sys
import time

FAULTS = dict(word.split(":") for word in os.environ.get("FAULTS", "").split())
EPOCHS_LOG = os.environ.get("EPOCHS_LOG")
EPOCH_SLEEP = float(os.environ.get("EPOCH_SLEEP", "0"))


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
    elif fault == "exception":
        raise ValueError("the model's\nown \x1b[31mfault\x07")


class Patched(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports runner.training and wraps its loop."""

    def find_spec(self, name, path, target=None):
        if name != "runner.training":
            return None
        self.real = importlib.machinery.PathFinder.find_spec(name, path)
        return importlib.machinery.ModuleSpec(name, self, origin=self.real.origin)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        self.real.loader.exec_module(module)
        train = module.train

        def faulty(model, optimizer, engine, data, seed, *more):
            # The estimate of a sweep's time trains a little, too: no run of anybody's.
            if sys._getframe(1).f_globals["__name__"] == "runner.estimate":
                return train(model, optimizer, engine, data, seed, *more)
            return watched(model, optimizer, engine, data, seed, *more)

        def watched(model, optimizer, engine, data, seed, *more):
            if str(seed) in FAULTS:
                misbehave(FAULTS[str(seed)])
            for record in train(model, optimizer, engine, data, seed, *more):
                time.sleep(EPOCH_SLEEP)
                if EPOCHS_LOG:
                    with open(EPOCHS_LOG, "ab") as log:
                        log.write(f"{seed} {record.epoch}\n".encode("ascii"))
                yield record

        module.train = faulty


if os.environ.get("CLOCK") == "jumps":
    time_ns, looks = time.time_ns, []

    def jumping():
        looks.append(None)
        return time_ns() + (-3600, 86400)[len(looks) % 2] * 10**9

    time.time_ns, time.time = jumping, lambda: jumping() / 1e9

if FAULTS or EPOCHS_LOG or EPOCH_SLEEP:
    sys.meta_path.insert(0, Patched())
