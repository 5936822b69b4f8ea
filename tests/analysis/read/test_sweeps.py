"""Which sweep of a store is meant, and what its plan has to be."""

import json
from dataclasses import replace

import pytest
from studies import MadeUpStore, claim, grid, proved

from analysis.decide.study import study
from analysis.read.store import StoredRun
from analysis.read.sweeps import chosen
from analysis.report.words import of_sweep
from runner.errors import StoreError


def made_up(**plan):
    made = MadeUpStore(
        grid(range(2), model__dropout=[True, False]), lambda run, epoch: 0.9, {"helps": claim()}
    )
    made.plan |= plan
    return made


def test_a_start_that_several_keys_have_names_none_of_them():
    first = made_up().stored[0]
    second = replace(first, run_id="second", tags=first.tags | {"sweep_key": "5555" + "6" * 60})
    assert chosen([first, second], "55556") is second
    with pytest.raises(
        StoreError,
        match=r"^5555: is the start of several keys; there are: made up \(55556666\), made up",
    ):
        chosen([first, second], "5555")
    with pytest.raises(StoreError, match="train one first"):
        chosen([], None)


def test_a_plan_of_a_newer_version_is_refused_with_what_to_do():
    with pytest.raises(
        StoreError,
        match="has version 5, and this program reads up to 4; analyse it with the version",
    ):
        made_up(version=5).read()


@pytest.mark.parametrize(
    "part",
    [{"version": 2}, {"version": 2, "knobs": [{}]}, {"claims": {"c": {"new": 1}}}, {"runs": [{}]}],
)
def test_a_plan_that_lacks_a_part_is_refused_by_its_file(part):
    with pytest.raises(
        StoreError,
        match=r"the plan of made up \(/sweep.json\) cannot be read .*runner.sync puts it back",
    ):
        made_up(**part).read()


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"name": "other"}, "it was changed after it was written"),
        ({"claims": {}}, "it was changed after it was written"),
        ({"sha256": None}, "it was changed after it was written"),
        ({"version": 2}, "it is of another sweep"),
        ({"version": 2, "claims": {}}, "its claims are not those that were declared"),
        ({"version": 2, "runs": []}, "it has another key than its runs and claims"),
    ],
    ids=str,
)
def test_a_plan_that_was_changed_or_put_in_anothers_place_is_refused(part, why):
    made = made_up(version=3, knobs=[])
    changed = proved(made.plan) | part
    if why == "it is of another sweep":
        changed |= {"runs": made.plan["runs"][:1]}
        changed = proved(changed)
    if changed["version"] == 2:
        changed.pop("sha256", None)  # it had no seal
    made.artifact = lambda run, name: json.dumps(changed).encode("ascii")
    with pytest.raises(StoreError, match=why):
        made.read()


def with_parents(made, plans):
    """A store with more sweeps: their plans, and when they were recorded, by run id."""
    parent, artifact = made.stored[0], made.artifact
    known = {"parent": made.plan}
    for name, (runs, start_ms) in plans.items():
        known[name] = made.plan | {"runs": runs}
        keys = {tag: proved(known[name])[tag] for tag in ("sweep_key", "claims_sha256")}
        tags = parent.tags | keys | {"last_used": "1"}
        made.stored.append(replace(parent, run_id=name, start_ms=start_ms, tags=tags))

    def of(run, name):
        made.plan = known[run.run_id]
        return artifact(run, name)

    made.artifact = of


def test_a_sweep_that_asked_the_same_of_fewer_seeds_before_the_others_began_is_a_look():
    made = made_up()
    runs = made.plan["runs"]
    # The runs of the second seed began at 2,000 ms and 3,000 ms.
    assert {run["config"]["seed"] for run in runs[:2]} == {0}
    with_parents(made, {
        "before": (runs[:2], 1), "between": (runs[:2], 2500), "after": (runs[:2], 3001),
        "one cell": (runs[:1], 1), "all": (runs, 1),
    })  # fmt: skip
    assert made.read().looks == (1, 1)


def eight_seeds():
    return MadeUpStore(
        grid(range(8), model__dropout=[True, False]),
        lambda row, epoch: 0.9 + 0.001 * row["seed"] + 0.01 * row["model.dropout"],
        {"helps": claim()},
    )


def of_five_seeds(made):
    """The sweep asks for five of the eight; of seed 7 one cell alone was trained."""
    chosen = [run for run in made.plan["runs"] if run["config"]["seed"] in (0, 2, 3, 5, 6)]
    made.plan["runs"] = chosen
    made.stored = [
        run for run in made.stored if (run.tags.get("seed"), run.run_id) != ("7", "run 15")
    ]
    return made


def test_seeds_that_the_store_holds_of_all_cells_are_used_and_told():
    made = eight_seeds()
    assert made.read().further_seeds == made.read().unused_seeds == ()
    # The claims were recorded after all runs had ended: nobody looked at five seeds.
    made.stored[0] = replace(made.stored[0], start_ms=10**6)
    read = of_five_seeds(made).read()
    assert read.further_seeds == (1, 4) and read.unused_seeds == () and read.looks == ()
    decided = study(read, lambda sweep: {})
    assert list(decided.decisions[0].per_seed.index) == [0, 1, 2, 3, 4, 5, 6]
    said = "The store holds seeds 1, 4 of these cells, too, and they are used"
    assert said in of_sweep.declared(decided)
    assert of_sweep.marks(decided, decided.decisions[0]) == []
    assert of_sweep.counted(decided) == "14 of 14 runs done"


def test_who_looked_at_fewer_seeds_before_has_looked_whichever_sweep_is_read():
    made = of_five_seeds(eight_seeds())
    read = made.read()
    # This sweep itself was recorded with five seeds before the others were trained.
    assert read.looks == (5,) and read.further_seeds == (1, 4)


def test_seeds_that_are_to_be_left_out_are_told_on_the_badge():
    read = of_five_seeds(eight_seeds()).read(as_planned=True)
    assert read.unused_seeds == (1, 4) and read.further_seeds == () and read.looks == ()
    decided = study(read, lambda sweep: {})
    said = "The store holds seeds 1, 4 of these cells, too, and they are not used"
    assert said in of_sweep.declared(decided)
    assert of_sweep.marks(decided, decided.decisions[0]) == ["seeds left out"]


def test_the_runs_that_have_read_the_test_images_are_counted_over_all_sweeps_of_the_store():
    made = MadeUpStore(grid(range(2), model__dropout=[True, False]), lambda run, epoch: 0.9)
    assert made.read().test_reads == {"mnist": 4}
    of_others = {"run_key": "of another sweep", "data.sha256": "d" * 64}
    made.stored.append(StoredRun("x", "x", "", 0, 1, of_others))
    other_data = {"run_key": "of other data", "data.sha256": "e" * 64}
    made.stored.append(StoredRun("y", "y", "", 0, 1, other_data))
    # A run that was stored twice is one run.
    made.stored.append(StoredRun("z", "z", "", 0, 1, dict(of_others)))
    assert made.read().test_reads == {"mnist": 5}
