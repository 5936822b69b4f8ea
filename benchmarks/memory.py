"""The memory of a worker beside its estimate: `python -m benchmarks.memory`.

Each configuration of a grid is trained by a process of its own, by the parts that a worker trains
with: three steps, the evaluations, a checkpoint. Its peak is VmHWM of /proc (Linux): resident
memory, with the mapped files that workers share. The exit code is 1 when an estimate
(runner/plan/size/memory.py) is off by more than 30 %.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.machine import machine, versions
from benchmarks.processes import environment
from runner import app
from runner.config import parts
from runner.config.schema import Config
from runner.data import catalogue, loading
from runner.data.asked import Asked
from runner.plan.planned import planned_run
from runner.plan.size import memory
from runner.system import sources
from runner.train.check import own_code
from runner.train.sample import Sample

REPO = Path(__file__).resolve().parent.parent
ALLOWED = (0.7, 1.3)
DEEP = "model.blocks=[[16,16],[32,32]]"
GRID = (
    "model.channels=1",
    "model.channels=30",
    "model.channels=64 train.batch_size=1000",
    "model.channels=30 train.batch_size=10000",
    "model.hidden_size=2000",
    DEEP,
    f"{DEEP} train.batch_size=10000",
    "model=mlp model.hidden_size=1000 model.fc_depth=2",
    "model=mlp model.hidden_size=2000 model.fc_depth=2 train.batch_size=10000",
    "model=mlp model.hidden_size=2000 model.fc_depth=2 optimizer=sgd",
    "data=digits model=mlp model.fc_depth=0 train.batch_size=1442",
    "data=digits model.channels=64 train.batch_size=1000",
    "engine=stock model.channels=1",
    "engine=stock model.channels=30",
    "engine=stock model.channels=64 train.batch_size=1000",
    "engine=stock model.channels=4 train.batch_size=10000",
    f"engine=stock {DEEP} train.batch_size=1000",
    "engine=stock model=mlp model.hidden_size=1000 model.fc_depth=2 train.batch_size=10000",
    "engine=stock model=mlp model.hidden_size=2000 model.fc_depth=3 optimizer=momentum",
    "engine=stock data=digits model.channels=30 train.batch_size=1000",
)
#: Models that do not ship, by the folder in which they are found.
OWN_GRID = (
    ("batchnorm_or_dropout", "model=net model.regulariser=batchnorm"),
    ("lstm_over_rows", "model=rows model.hidden_size=200 train.batch_size=1000"),
    ("published_script", "model=published train.batch_size=1000"),
    ("published_script", "engine=stock model=published train.batch_size=1000"),
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for question in ("estimate", "measure"):
        arguments.add_argument(f"--{question}", nargs="+", metavar="OVERRIDE", help="for one row")
    arguments.add_argument("--data", type=Path, help="where its data set is kept")
    given = arguments.parse_args()
    sources.make_folder_importable()
    for answer, words in ((estimated, given.estimate), (trained_briefly, given.measure)):
        if words:
            print(json.dumps(answer(app.compose(*words), given.data)))
            return
    print(f"{machine()['cores']} cores {machine()['processor']}; {versions()}", flush=True)
    print("| configuration | estimated MB | measured MB | ratio | without shared files |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        ratios = [compared(overrides, Path(folder)) for overrides in GRID]
        ratios += [compared(words, Path(folder), REPO / "examples" / of) for of, words in OWN_GRID]
    print(f"{len(ratios)} configurations, ratios from {min(ratios):.2f} to {max(ratios):.2f}")
    sys.exit(not all(ALLOWED[0] <= ratio <= ALLOWED[1] for ratio in ratios))


def compared(overrides: str, data: Path, folder: Path = REPO) -> float:
    """Print a row of the table; the estimate as a share of what was measured."""
    need, measured = (
        _asked(question, overrides, data, folder) for question in ("estimate", "measure")
    )
    ratio: float = need["resident"] / measured["resident"]
    print(
        f"| `{overrides}` | {need['resident'] / 1e6:,.0f} | {measured['resident'] / 1e6:,.0f}"
        f" | {ratio:.2f} | {need['own'] / 1e6:,.0f} of {measured['own'] / 1e6:,.0f} |",
        flush=True,
    )
    return ratio


def _asked(question: str, overrides: str, data: Path, folder: Path) -> dict[str, int]:
    """The answer of a process of its own, started in this folder."""
    line = [sys.executable, "-m", "benchmarks.memory", "--data", str(data), f"--{question}"]
    done = subprocess.run(
        [*line, *overrides.split()],
        cwd=folder, env=environment(1) | {"PYTHONPATH": str(REPO)},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    answer: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return answer


def estimated(config: Config, cache: Path) -> dict[str, int]:
    """What the program would count with, once its data are kept."""
    asked = Asked.of(config.data)
    dataset, _ = loading.prepare(asked.target, cache, asked.arguments)
    seen = None
    if not parts.ships("model", config.model):
        run = planned_run(config, {}, dataset.name, dataset.sha256, "cpu")
        seen = own_code.check_all([(run, Sample.of(run, dataset))])[0].seen
    need = memory.need(config, dataset.entry, measured=seen)
    assert need is not None
    return {"resident": need.resident, "own": need.own}


def trained_briefly(config: Config, cache: Path) -> dict[str, int]:
    """Train three batches, evaluate, and write a checkpoint; this process's peak."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    import runner.work.worker  # noqa: F401  # what a worker has imported
    from runner.engine.protocol import Data, Engine, Position
    from runner.state.checkpoint import Checkpoints
    from runner.train import epochs
    from runner.train.assemble import assemble
    from runner.train.run import train_run  # noqa: F401

    entry = catalogue.find(config.data["name"])
    dataset = loading.load(entry.name, entry.sha256, cache)
    first = {"train": slice(3 * config.train.batch_size), "test": slice(1000)}

    def load(engine: Engine) -> Data:
        parts = {name: first[name.partition("_")[0]] for name in loading.ARRAYS}
        arrays = {name: getattr(dataset, name)[part] for name, part in parts.items()}
        return Data(**arrays, scale=dataset.full_scale)

    config = replace(config, train=replace(config.train, epochs=1))
    with threadpool_limits(limits=1), np.errstate(all="ignore"):
        assembly = assemble(config, "cpu", load)
        assembly.warm_up()
        position = Position()
        list(epochs.train(assembly, position))
        with tempfile.TemporaryDirectory() as folder:
            Checkpoints(Path(folder), "").save(assembly.snapshot(), asdict(position))
    return peak()  # while the data set is mapped


def peak() -> dict[str, int]:
    """Most resident bytes of this process, and those without mapped files, which stay mapped."""
    # Not ru_maxrss: a process inherits that of its parent.
    rows = Path("/proc/self/status").read_text().splitlines()
    bytes_of = {row.split(":")[0]: 1024 * int(row.split()[1]) for row in rows if row.endswith("kB")}
    resident = bytes_of["VmHWM"]
    return {"resident": resident, "own": resident - bytes_of["RssFile"] - bytes_of["RssShmem"]}


if __name__ == "__main__":
    main()
