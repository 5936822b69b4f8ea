"""Random numbers that are not the run's are found in the warm-up, with the line that draws."""

import random
import sys

import numpy as np
import own_models
import pytest
from short_training import assembled

from runner.errors import ModelError
from runner.train import global_random


def source_of(line):
    return own_models.net(
        head="import random\n\n\n",
        forward=f"h = F.relu(self.fc1(F.flatten(x)))\n{line}\nreturn self.out(h)",
    )


@pytest.mark.parametrize(
    "line, generator",
    [
        ("h = h + np.random.randn(*h.shape).astype(np.float32)", "numpy.random"),
        ("h = h * float(np.random.rand() > 0.5)", "numpy.random"),
        ("h = h * random.random()", "random"),
    ],
)
def test_a_draw_from_a_shared_generator_is_refused_with_its_line(
    line, generator, new_run, data, tmp_path, monkeypatch
):
    source = source_of(line)
    run = assembled(new_run(kind=own_models.define(source, tmp_path, monkeypatch)), data)
    with pytest.raises(ModelError) as refused:
        run.warm_up()
    text = str(refused.value)
    assert text.startswith(f"{own_models.line_of(source, line)}: the model draws from {generator} ")
    assert "For dropout write F.dropout(x, ratio)" in text
    assert sys.gettrace() is None


@pytest.mark.parametrize("source", [own_models.PUBLISHED, own_models.BATCH_NORM])
def test_a_model_without_such_a_draw_is_warmed_up(source, new_run, data, tmp_path, monkeypatch):
    run = assembled(new_run(kind=own_models.define(source, tmp_path, monkeypatch)), data)
    before = np.random.get_state()[1].tolist(), random.getstate()
    run.warm_up()
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before


def test_a_draw_that_no_line_of_the_users_makes_is_refused_without_one():
    with pytest.raises(ModelError, match="^.*the model draws from numpy.random in a step"):
        global_random.refuse_drawing(np.random.rand)
