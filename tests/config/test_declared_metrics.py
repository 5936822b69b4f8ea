"""The check of metrics that a configuration names, and what they make another run."""

import pytest
from configurations import grid_of, is_one_line, with_value

from runner.config.checks import checked
from runner.config.schema import recorded
from runner.errors import ConfigError
from runner.plan import identity
from runner.plan.kept import config_from
from runner.plan.planned import planned_run

pytest_plugins = "composing"

CLAIM = {
    "says": "Dropout helps",
    "knob": "model.dropout",
    "levels": [True, False],
    "direction": "greater",
    "margin": 0.002,
}


@pytest.mark.parametrize("name", ["test/f1", "train_eval/A", "test_masked/top_5", "val/ECE"])
@pytest.mark.parametrize("path", ["mine.f1", "pkg.mod.f_1", "runner.metrics.recall"])
def test_a_metric_of_ones_own_passes(name, path, plain):
    assert checked(with_value(plain, "metrics", {name: path})).metrics == {name: path}


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"test/accuracy": "mine.f1"}, "metrics.test/accuracy: every run records it"),
        ({"val/loss": "mine.f1"}, "metrics.val/loss: every run records it"),
        (
            {"f1": "mine.f1"},
            "metrics.f1: allowed is EVALUATION/NAME, train_eval, test, test_masked",
        ),
        ({"train/f1": "mine.f1"}, "allowed is EVALUATION/NAME"),
        ({"test/": "mine.f1"}, "allowed is EVALUATION/NAME"),
        ({"test/1st": "mine.f1"}, "allowed is EVALUATION/NAME"),
        ({"test/f1/3": "mine.f1"}, "allowed is EVALUATION/NAME"),
        ({"test/" + "x" * 61: "mine.f1"}, "a name of up to 60 letters"),
        ({"test/f1\n": "mine.f1"}, "allowed is EVALUATION/NAME"),
        ({"test/f1": "f1"}, "metrics.test/f1=f1: allowed is the import path of a function"),
        ({"test/f1": "mine."}, "allowed is the import path"),
        ({"test/f1": "mine.py f1"}, "allowed is the import path"),
        ({"test/f1": "mine.class"}, "allowed is the import path"),
        ({"test/f1": "../mine.f1"}, "allowed is the import path"),
        ({f"test/m{n}": "mine.f1" for n in range(21)}, "metrics: 21 are more than 20"),
        ({"test/f1": ["mine.f1"]}, "metrics"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_any_other_is_refused_on_one_line(metrics, expected, plain):
    with pytest.raises(ConfigError, match=expected) as error:
        checked(with_value(plain, "metrics", metrics))
    assert str(error.value).startswith("metrics") and is_one_line(error)


def test_a_claim_may_name_the_metrics_of_its_configuration_and_no_other(plain):
    metrics = {"test/f1": "mine.f1", "test/recall": "mine.recall"}
    config = with_value(plain, "metrics", metrics)
    for metric in ("final(test/f1)", "auc(test/recall/3)", "final(val/accuracy)"):
        config.claims = {"c": CLAIM | {"metric": metric}}
        assert checked(config).claims["c"].metric == metric
    for metric in ("final(test/f2)", "final(train_eval/f1)"):
        config.claims = {"c": CLAIM | {"metric": metric}}
        with pytest.raises(ConfigError, match="with M one of train/loss, .*, test/f1, test/recall"):
            checked(config)


def planned(plain, metrics):
    return planned_run(
        checked(with_value(plain, "metrics", metrics)), {}, "digits", "d" * 64, "cpu"
    )


def test_another_metric_is_another_run_and_none_is_the_run_that_it_was(plain):
    none, one = planned(plain, {}), planned(plain, {"test/f1": "mine.f1"})
    other = planned(plain, {"test/f1": "mine.f2"})
    assert len({run.run_key for run in (none, one, other)}) == 3
    of = identity.identity(none.config, "digits", "d" * 64, "cpu")
    assert "metrics" not in of, "keys of runs from before there were any stay"


def test_mlflow_has_them_as_a_parameter_where_there_are_any(plain):
    metrics = {"test/f1": "mine.f1"}
    assert "metrics" not in recorded(planned(plain, {}).config)
    assert recorded(planned(plain, metrics).config)["metrics"] == metrics


def test_a_run_from_before_there_were_any_has_none(plain):
    import dataclasses

    kept = dataclasses.asdict(checked(with_value(plain, "claims", {})))
    del kept["metrics"]
    assert config_from(kept).metrics == {}


def test_the_seeds_and_cells_of_a_sweep_share_its_metrics(plain):
    grid = grid_of("model.channels=1,2", "data=digits")
    assert [cell.config.metrics for cell in grid.cells] == [{}, {}]
