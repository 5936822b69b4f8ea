"""A model of one's own is checked when a command is typed, before anything is written."""

import own_models
import pytest
from configs import configured

from runner.errors import ModelError
from runner.plan.grid import Cell, Grid
from runner.prepare import prepare

NOT_FLAT = own_models.net("", "h = self.fc1(x)\nreturn self.out(h)")
NOT_USED = own_models.net("self.old = L.Linear(3)")


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Call with a net: a sweep of it and of a model that ships, prepared for training."""

    def run(source):
        own = own_models.define(source, tmp_path, monkeypatch)
        knobs = {"runner.root": str(tmp_path / "out"), "runner.workers": 1}
        cells = [
            Cell({"model": name}, configured(knobs, model=model, seed=seed))
            for name, model in (("own", own), ("mlp", "mlp"))
            for seed in (0, 1)
        ]
        return prepare(Grid("model", False, {"model": ["own", "mlp"]}, cells, [0, 1]), ["runner"])

    return run


def test_a_mistake_is_refused_with_exit_code_2_and_leaves_nothing_behind(prepared, tmp_path):
    with pytest.raises(ModelError) as refused:
        prepared(NOT_FLAT)
    line = own_models.line_of(NOT_FLAT, "h = self.fc1")
    assert str(refused.value).startswith(f"{line}: a linear layer got (1, 1, 8, 8)")
    assert "\n" not in str(refused.value) and refused.value.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_what_a_step_showed_is_known_of_the_cells_whose_model_does_not_ship(prepared, capsys):
    ready = prepared(NOT_USED)
    (key,) = ready.checked
    assert key in {run.cell_key for run in ready.to_train if run.knobs["model"] == "own"}
    assert ready.checked[key].fallbacks == []
    err = capsys.readouterr().err
    assert err.count("no gradient reaches old/W, old/b") == 1 and "(model=own)" in err
