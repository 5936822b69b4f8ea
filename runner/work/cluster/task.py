"""A task of a cluster: trains its share, and is started again where it was stopped.

`python -m runner.work.cluster.task SUBMISSION INDEX`, on any host that sees the root.
"""

import signal
import sys
from pathlib import Path

from runner.errors import CardLost, RunnerError
from runner.plan import plan as plans
from runner.system.sources import make_folder_importable
from runner.work import worker
from runner.work.cluster import slurm, submission
from runner.work.share import Share
from runner.work.stop import Stop


def work(path: Path, index: int) -> bool:
    """Train the share of a task; whether it has to be started again to go on.

    A SIGTERM ends it for good, or the cluster starts it again by itself (preemption). The warning
    comes before its time is over.
    """
    given = submission.read(path)
    given.say_hello(index)
    make_folder_importable()
    plan = plans.read(given.plan)
    planned = {run.run_key: run for run in plan.runs}
    runs = [planned[key] for key in given.shares[index]]
    share = Share(runs, given.root, given.launch, is_own=True, n_threads=slurm.n_cpus())
    stop_file = given.root.sweep(plan.sweep_key).stop_file(given.launch)
    with Stop(stop_file, of_worker=True) as stop:
        try:
            worker.train(share, stop)
        except CardLost:
            return True
    return stop.signal == signal.SIGUSR1


def main() -> None:
    """The command line."""
    try:
        if work(Path(sys.argv[1]), int(sys.argv[2])):
            slurm.requeue()
    # Such as a disk on which not even a failure can be written down.
    except (OSError, RunnerError) as error:
        sys.exit(f"runner: {error}")


if __name__ == "__main__":
    main()
