"""A plan whose seeds come until its claims are decided: its looks, its key, what it grows to."""

import dataclasses
import json

import pytest
from configurations import grid_of

from runner.errors import ConfigError, StateError
from runner.plan import grid, growth, identity, looks, plan
from runner.plan.looks import Look
from runner.state.root import Root
from runner.system.files import SEAL, sealed

pytest_plugins = "composing"
pytestmark = pytest.mark.usefixtures("hydra_is_started")

TWO_CELLS = ("model.dropout=true,false", "sweep.seeds=until_decided")


def planned(*arguments):
    data_of = lambda of: (of.data["name"], "ab" * 32)  # noqa: E731
    return grid.plan(grid_of(*arguments), data_of, "cpu", ["python", *arguments])[0]


def kept(made, tmp_path):
    root = Root(tmp_path)
    plan.write(made, root)
    return root, root.sweep(made.sweep_key).plan


def test_the_seeds_double_from_look_to_look_and_none_is_above_the_most():
    assert looks.sizes(5, 40) == [5, 10, 20, 40] and looks.sizes(5, 39) == [5, 10, 20]
    assert looks.next_seeds([Look([7, 2, 3])]) == [8, 9, 10]
    of = [Look([0, 1, 2]), Look([3, 4, 5])]
    assert looks.next_seeds(of) == [6, 7, 8, 9, 10, 11]
    assert looks.label(of, 40) == "look 2 of 4: 6 seeds" and looks.label([], 40) == ""


def test_the_key_is_that_of_the_first_look_and_another_than_that_of_fixed_seeds():
    made, fixed = planned(*TWO_CELLS), planned(TWO_CELLS[0])
    assert fixed.looks == [] and made.looks == [Look([0, 1, 2, 3, 4])]
    assert [run.run_key for run in made.runs] == [run.run_key for run in fixed.runs]
    assert made.claims_sha256 == fixed.claims_sha256 and made.sweep_key != fixed.sweep_key
    keys = [run.run_key for run in made.runs]
    assert fixed.sweep_key == identity.sweep_key(keys, made.claims), "as it has always been"
    more = planned(*TWO_CELLS, "sweep.max_seeds=80", "sweep.max_minutes=3")
    assert more.sweep_key == made.sweep_key, "a larger limit goes on in the same sweep"


def test_a_plan_that_has_grown_comes_back_from_its_file_and_is_resumed_by_the_first_look(tmp_path):
    made = planned(*TWO_CELLS)
    first, second = made.cells
    name = next(iter(made.claims))
    grown = growth.further(growth.decided(made, {name: "SUPPORTED"}, 1), [second])
    assert [run.config.seed for run in grown.cells[second]] == list(range(10))
    assert [run.config.seed for run in grown.cells[first]] == list(range(5))
    assert grown.looks == [Look([0, 1, 2, 3, 4], {name: "SUPPORTED"}), Look([5, 6, 7, 8, 9])]
    root, path = kept(grown, tmp_path)
    assert plan.read(path) == grown
    assert growth.resumed(made, root) == grown
    # A process that is behind does not take back what another one has come to.
    assert plan.write(made, root) is None
    assert plan.read(path) == grown


def test_a_run_of_a_later_look_is_the_one_that_its_seed_alone_would_plan():
    made = planned(*TWO_CELLS)
    grown = growth.further(growth.decided(made, {}, 1), list(made.cells))
    alone = planned("model.dropout=true,false", "seed=5,6,7,8,9")
    assert [run.run_key for run in grown.runs[10:]] == [run.run_key for run in alone.runs]


FIVE = [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("seeds", "decided", "why"),
    [
        ([[0, 1, 2, 3, 4, 5]], [None], "looks without runs"),
        ([[0, 1, 2, 3]], [None], "runs that are of no look"),
        ([], [], "another key"),
        ([FIVE], [{"nothing": "SUPPORTED"}], "claims that were not open"),
        ([FIVE, [5, 6, 7]], [{}, None], "not those that double"),
        ([FIVE, [5, 6, 7, 8, 9]], [None, None], "was begun before"),
    ],
    ids=["more seeds", "fewer", "fixed", "no claim", "not doubled", "not decided"],
)
def test_looks_that_do_not_follow_from_the_first_are_refused(seeds, decided, why, tmp_path):
    _, path = kept(planned(*TWO_CELLS), tmp_path)
    values = json.loads(path.read_bytes())
    del values[SEAL]
    of = [{"seeds": s, "decided": d} for s, d in zip(seeds, decided, strict=True)]
    path.write_text(json.dumps(sealed(values | {"looks": of})))
    with pytest.raises(StateError, match=why):
        plan.read(path)


def test_a_damaged_plan_is_begun_anew_from_the_first_look(tmp_path):
    made = planned(*TWO_CELLS)
    root, path = kept(growth.further(growth.decided(made, {}, 1), list(made.cells)), tmp_path)
    path.write_text(path.read_text().replace('"seeds"', '"seed"', 1))
    assert growth.resumed(made, root) == made
    assert "it was written anew" in plan.write(made, root)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("seed=0,1", *TWO_CELLS), "2 seeds decide nothing; leave seed= out, or give 3 seeds"),
        (("sweep.max_seeds=9", *TWO_CELLS), "has 5 seeds, and the second 10; give 10 or more"),
        (("seed=0,1,2", TWO_CELLS[1]), "no claim to decide; sweep a knob"),
        ((f"seed={2**63 - 3},{2**63 - 2},{2**63 - 1}", *TWO_CELLS), "there are no 3 seeds after"),
    ],
    ids=["two seeds", "one look", "no claim", "no seeds left"],
)
def test_looks_that_cannot_be_are_refused_with_what_to_type(arguments, why):
    with pytest.raises(ConfigError, match=why):
        planned(*arguments)


def test_the_default_sweep_has_fixed_seeds_and_a_plan_of_before_has_no_looks():
    made = planned("model.dropout=true,false")
    assert (made.looks, made.max_seeds, made.seeds) == ([], 0, [0, 1, 2, 3, 4])
    values = dataclasses.asdict(made)
    assert values["looks"] == []
