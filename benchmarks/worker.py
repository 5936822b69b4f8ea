"""One contestant in a process of its own: `python -m benchmarks.worker CONTESTANT NET FOLDER
THREADS`.

It builds and warms up, says so, then obeys lines on standard input, `train N` or `evaluate N`
batches, and answers each with one line of JSON. Waiting for a line costs no processor time.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import contestants
from benchmarks.nets import NETS

#: Enough for every compiler and every first allocation to be done.
WARM_UP_STEPS, WARM_UP_EVALUATIONS = 5, 5
#: The last loss is a mean over so many steps: a single batch says little.
LAST_STEPS = 10


def main() -> None:
    name, net_name, folder, threads = sys.argv[1:]
    # Answers alone may go to the pipe; what libraries print goes to standard error.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(**fields: Any) -> None:
        answers.write(json.dumps(fields) + "\n")

    try:
        contestant = contestants.build(name, NETS[net_name], Path(folder), int(threads))
        losses = contestant.train(WARM_UP_STEPS)
        contestant.evaluate(WARM_UP_EVALUATIONS)
    except Exception as error:
        answer(failed=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
        return
    answer(first_loss=losses[0] if losses else None, last_loss=_last(losses))

    for line in sys.stdin:
        task, n = line.split()
        losses, accuracy = [], None
        started = time.perf_counter()
        if task == "train":
            losses = contestant.train(int(n))
        else:
            accuracy = contestant.evaluate(int(n))
        seconds = time.perf_counter() - started
        # A bound may be less than what it takes to measure it.
        seconds = getattr(contestant, "bound_s", seconds)
        answer(seconds=seconds, last_loss=_last(losses), accuracy=accuracy)


def _last(losses: list[float]) -> float | None:
    last = losses[-LAST_STEPS:]
    return sum(last) / len(last) if last else None


if __name__ == "__main__":
    main()
