"""Sweeps made up for the tests of the analysis: frames and stores with known numbers."""

import contextlib
import itertools
import json
from dataclasses import asdict
from unittest import mock

import numpy as np
import pandas as pd

from analysis.decide.study import study as decide
from analysis.design.cells import cells_of, distinct
from analysis.read import runs, version1
from analysis.read.runs import Sweep
from analysis.read.store import StoredRun
from analysis.read.sweeps import Knob
from runner.record import METRICS, Claim, as_text, cell_name
from runner.system.files import sealed, sha256

FIXED = {
    "model.kind": "cnn",
    "model.channels": 30,
    "model.blocks": None,
    "model.hidden_size": 100,
    "model.fc_depth": 1,
    "model.dropout": True,
    "model.dropout_ratio": 0.5,
    "model.options": {},
    "data.name": "mnist",
    "data.normalize": True,
    "optimizer.name": "adam",
    "optimizer.lr": 0.001,
    "optimizer.weight_decay": 0.0001,
    "optimizer.momentum": 0.9,
    "engine.name": "fast",
    "train.epochs": 3,
    "train.batch_size": 100,
    "device": "cpu",
}
#: What a row may name besides these knobs.
GROUPS = ("preset", "model", "optimizer", "data")
RECORDED = {
    "data.sha256": "d" * 64,
    "engine": "fast",
    "card": "NVIDIA H100",
    "processor": "Intel Xeon",
    "code": "f" * 64,
    "git.commit": "c" * 40,
    "version.numpy": "2.4.6",
    "first_batch_order.sha256": "",
    "n_parameters": 28938,
    "state": "done",
}


def claim(**fields):
    """A claim about dropout's final test accuracy, unless told otherwise."""
    given = dict(says="Dropout helps", knob="model.dropout", metric="final(test/accuracy)")
    given |= dict(direction="greater", margin=0.002)
    if not fields.keys() & {"winner", "slope"}:
        given["levels"] = [True, False]
    return Claim(**(given | fields))


def grid(seeds=range(5), **knobs):
    """Rows of a full grid of cells x seeds; knobs are `model__channels=[1, 30]`.

    A level that is a dictionary of knobs is an option of a group: `model=[{"model": "cnn", ...}]`.
    """
    names = [name.replace("__", ".") for name in knobs]
    rows = [
        dict(zip(names, levels, strict=True)) | {"seed": seed}
        for seed in seeds
        for levels in itertools.product(*knobs.values())
    ]
    for row in rows:
        for option in [row[name] for name in names if name in GROUPS]:
            row |= option
    return rows


def frame(rows):
    """The runs frame of such rows: configuration, what was recorded, and keys."""
    swept = [name for name in rows[0] if name in FIXED or name in GROUPS]
    runs = []
    for place, row in enumerate(rows):
        cell = cell_name({name: row[name] for name in swept})
        run = FIXED | RECORDED | {
            "cell": cell,
            "cell_key": cell,
            "name": f"{cell} seed={row['seed']}",
            "run_key": json.dumps([row.get("cell_key", cell), row["seed"]]),
            "first_batch_order.sha256": f"order of seed {row['seed']}",
            "run_id": f"run {place}",
            "start_ms": 1000 * place,
            "end_ms": 1000 * place + 1000,
            "without_effect": version1.without_effect(nested(FIXED | row)),
        }  # fmt: skip
        runs.append(run | row)
    return pd.DataFrame(runs).set_index("run_key", drop=False)


def curves(runs, value, n_epochs=3):
    """The epochs frame: `value(run, epoch)` is that of every metric, or a dictionary by metric."""
    rows = []
    for run in runs.to_dict("records"):
        for epoch in range(1, n_epochs + 1):
            named = {"run_key": run["run_key"], "epoch": epoch}
            rows.append(named | dict.fromkeys(METRICS, np.nan) | by_metric(value(run, epoch)))
    return pd.DataFrame(rows)


def by_metric(value):
    return value if isinstance(value, dict) else dict.fromkeys(METRICS, value)


def groups(runs):
    return {name: distinct(runs[name]) for name in GROUPS if name in runs}


def cells(runs):
    return cells_of(runs, FIXED, groups(runs))


KNOBS = [Knob(**knob) for knob in version1.KNOBS]


def sweep(runs, epochs, claims=None, name="made up", **fields):
    """A sweep of such frames, as `analysis.read.runs` gives it."""
    runs = pd.DataFrame({"cause": "", "n_epochs": 3, "artifact_uri": None} | dict(runs))
    knobs = [*(Knob(group, True, True, is_group=True) for group in groups(runs)), *KNOBS]
    given = dict(
        key="k" * 64, name=name, run_id="id", swept=groups(runs), claims=claims or {},
        knobs=knobs, claims_sha256="h" * 64, declared_ms=0,
        claims_origin={}, command="python -m runner", runs=runs, epochs=epochs,
    )  # fmt: skip
    return Sweep(**(given | fields))


def study(*frames, **fields):
    """The study of such a sweep; which test images its runs classified right is not at hand."""
    return decide(sweep(*frames, **fields), lambda sweep: {})


def known(name="made up", seeds=range(4), claims=None, states="done"):
    """A study of known effects: dropout costs 0.02 + 0.001 * seed, 30 channels bring 0.05."""
    runs = frame(grid(seeds, model__channels=[1, 30], model__dropout=[True, False]))
    runs["state"] = states

    def value(run, epoch):
        noise = np.random.default_rng([run["seed"], epoch, run["model.channels"]]).normal(0, 0.001)
        dropout = (0.02 + 0.001 * run["seed"]) * run["model.dropout"]
        return 0.8 + 0.02 * epoch - dropout + 0.05 * (run["model.channels"] == 30) + noise

    if claims is None:
        claims = {
            "dropout_slows": claim(
                says="Dropout slows", metric="auc(test/accuracy)", direction="less"
            )
        }
    return study(runs, curves(runs, value), claims=claims, name=name)


#: Six seeds' noise with mean 0 and standard deviation 1: a t interval of 95 % is 0 +- 1.0494 of it.
SEEDS = range(6)
NOISE = np.array([-1.2, 1.1, -0.5, 0.4, -0.9, 1.1])
NOISE = (NOISE - NOISE.mean()) / (NOISE - NOISE.mean()).std(ddof=1)


def with_effect(effect, sd=0.001, **knobs):
    """Runs and epochs with a final test accuracy of 0.9 + 0.01 * seed + `effect(run)`.

    With dropout `sd * NOISE` comes to it, by seed. The knobs are dropout alone unless given.
    """
    runs = frame(grid(SEEDS, **(knobs or dict(model__dropout=[True, False]))))

    def value(run, epoch):
        noise = sd * NOISE[run["seed"]] if run["model.dropout"] else 0.0
        return 0.9 + 0.01 * run["seed"] + effect(run) + noise - 0.001 * (3 - epoch)

    return runs, curves(runs, value)


def proved(plan):
    """A plan with the keys of what it holds, and sealed; as it is where it lacks a part."""
    try:
        keys = sorted(run["run_key"] for run in plan["runs"])
    except KeyError:
        return plan
    claims_sha256 = sha256(plan["claims"])
    design = [plan["design"]] if plan.get("design") else []
    key = sha256([keys, claims_sha256, *design])
    return sealed(plan | {"claims_sha256": claims_sha256, "sweep_key": key})


class MadeUpStore:
    """A store that holds one made-up sweep, as `analysis.read.runs` asks for it.

    It is made of `grid`'s rows, with `value` as in `curves`. A test may change `plan`, `stored`
    (the sweep's parent run, then its runs) and `sent` (the rows of their metrics).
    """

    def __init__(self, rows, value, claims=None, name="made up"):
        swept = {knob: [] for knob in rows[0] if knob != "seed"}
        for knob, levels in swept.items():
            levels += {as_text(row[knob]): row[knob] for row in rows}.values()
        self.plan = {
            "sweep_key": "5" * 64,
            "name": name,
            "swept": swept,
            "claims": {name: asdict(claim) for name, claim in (claims or {}).items()},
            "claims_sha256": "c" * 64,
            "claims_origin": {},
            "command": ["python -m runner"],
            "runs": [],
        }
        tags = {"sweep_key": "5" * 64, "claims_sha256": "c" * 64, "last_used": "5"}
        self.stored, self.sent = [StoredRun("parent", name, "", 0, None, tags)], []
        for place, row in enumerate(rows):
            self._add(f"run {place}", f"key {place}", 1000 * place, row)
            for epoch in (1, 2, 3):
                metrics = by_metric(value(row, epoch))
                self.sent += [
                    (f"run {place}", name, epoch, epoch, x) for name, x in metrics.items()
                ]

    def _add(self, run_id, key, start_ms, row):
        knobs = {knob: level for knob, level in row.items() if knob != "seed"}
        planned = {"run_key": key, "cell_key": f"cell {list(knobs.values())}", "knobs": knobs}
        self.plan["runs"].append(planned | {"config": nested(FIXED | row), "device": "cpu"})
        tags = {tag: str(value) for tag, value in RECORDED.items() if tag != "state"}
        tags |= {
            "first_batch_order.sha256": f"order of seed {row['seed']}",
            "version.python": "3.11",
        }
        tags |= {"cell_key": planned["cell_key"], "seed": str(row["seed"])}
        tags |= {"run_key": key, "status": "done", "complete": "1", "cause": ""}
        self.stored.append(StoredRun(run_id, key, "", start_ms, start_ms + 1000, tags))

    def tagged(self, tag):
        return [run for run in self.stored if tag in run.tags]

    def rows(self, runs):
        return self.sent

    def artifact(self, run, name):
        if name != "sweep.json":
            raise FileNotFoundError(name)
        return json.dumps(proved(self.plan)).encode("ascii")

    def read(self, **how):
        """The sweep, as from a real store."""
        plan = proved(self.plan)
        for run in self.stored:
            if run.run_id == "parent":
                run.tags.update({tag: plan[tag] for tag in ("sweep_key", "claims_sha256")})
        with mock.patch.object(
            runs, "_opened", lambda uri, experiment: contextlib.nullcontext(self)
        ):
            return runs.read("made up", **how)


def nested(knobs):
    """A configuration of dotted knobs, as a plan holds it."""
    config = {}
    for knob, value in knobs.items():
        if knob in GROUPS:
            continue
        part, _, name = knob.rpartition(".")
        (config.setdefault(part, {}) if part else config)[name] = value
    return config


def whole(texts):
    """The texts of a report by their names, each of its pieces joined."""
    return {name: "".join(pieces) for name, pieces in texts.items()}
