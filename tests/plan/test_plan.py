"""A planned run, and sweep.json: what is kept, and what this and other versions read."""

import dataclasses
import json
import os
from pathlib import Path

import pytest
from configurations import grid_of
from hydra import compose

from runner.config.checks import checked
from runner.config.schema import KNOBS
from runner.errors import StateError
from runner.plan import fingerprint, grid, kept, plan
from runner.plan.planned import planned_run
from runner.record import CODE_OF_VERSION_1
from runner.state.root import Root
from runner.system.files import sealed

pytest_plugins = "composing"
pytestmark = pytest.mark.usefixtures("hydra_is_started")

#: Written by version 1, with the command that it holds.
OF_VERSION_1 = Path(__file__).with_name("sweep_of_version_1.json")


def planned(*arguments):
    data_of = lambda of: (of.data["name"], "ab" * 32)  # noqa: E731
    return grid.plan(grid_of(*arguments), data_of, "cpu", ["python", *arguments])


# A planned run


def test_a_plan_holds_what_really_happens_and_not_what_was_asked():
    found = grid_of("data=mnist", "device=auto", "seed=0")
    made, _ = grid.plan(found, lambda of: ("mnist5k", "cd" * 32), "gpu", [])
    (run,) = made.runs
    assert (run.config.device, run.device) == ("gpu", "gpu")
    assert (run.config.data["name"], run.data_name, run.data_sha256) == (
        "mnist5k",
        "mnist5k",
        "cd" * 32,
    )
    assert found.cells[0].config.data["name"] == "mnist"


def test_a_planned_run_holds_no_password_no_claims_and_its_configuration_is_left_alone():
    config = checked(compose("config", ["tracking.uri='http://me:secret@host'", "device=gpu"]))
    before = dataclasses.asdict(config)
    run = planned_run(config, {"model.channels": 30}, "digits", "cd" * 32, "cpu")
    assert (run.config.tracking.uri, run.config.claims, run.config.device) == (None, {}, "cpu")
    assert (run.config.data["name"], run.data_name, run.data_sha256) == (
        "digits",
        "digits",
        "cd" * 32,
    )
    assert run.name == "channels=30 seed=0" and before["claims"]
    assert dataclasses.asdict(config) == before


#: What only a schedule with steps reads.
STEPS = ["optimizer.schedule.at", "optimizer.schedule.factor"]


@pytest.mark.parametrize(
    ("typed", "device", "nothing"),
    [
        (
            [],
            "cpu",
            [
                "engine.streams",
                "engine.tf32",
                *STEPS,
            ],
        ),
        (["optimizer=momentum"], "gpu", STEPS),
        (["optimizer.weight_decay=0"], "gpu", ["optimizer.decoupled_decay", *STEPS]),
        (["optimizer.schedule={kind: step, at: [3]}"], "gpu", []),
        (
            ["model.dropout=false", "optimizer=momentum"],
            "gpu",
            ["model.dropout_ratio", *STEPS],
        ),
    ],
)
def test_a_planned_run_names_its_knobs_without_effect(typed, device, nothing):
    run = planned_run(checked(compose("config", typed)), {}, "digits", "cd" * 32, device)
    assert run.without_effect == nothing


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_a_planned_run_names_the_code_that_trains_it(device, monkeypatch):
    monkeypatch.setattr(fingerprint, "code_name", lambda of: f"the code for {of}")
    run = planned_run(checked(compose("config")), {}, "digits", "cd" * 32, device)
    assert run.code == f"the code for {device}"


# sweep.json

MANY = (
    "model.blocks=null,[[1],[2,2]]",
    "optimizer=adam,sgd",
    "optimizer.lr=0.1,1e-5",
    "seed=0,9223372036854775807",
)
GROUPS = ("model=cnn,mlp", "data=mnist,digits", "seed=0")


@pytest.mark.parametrize(
    "arguments",
    [MANY, GROUPS, ("sweeps=smoke",), ("sweeps=published",), ()],
    ids=["many", "groups", "s", "p", ""],
)
def test_a_plan_comes_back_from_its_file_as_it_was(arguments, tmp_path):
    made, _ = planned(*arguments)
    plan.write(made, Root(tmp_path))
    path = Root(tmp_path).sweep(made.sweep_key).plan
    assert plan.read(path) == made
    assert [file.name for file in path.parent.iterdir()] == ["sweep.json"]


def test_a_configuration_of_before_a_knob_existed_comes_back_with_what_it_was_trained_with():
    values = dataclasses.asdict(planned("seed=0")[0].runs[0].config)
    now = kept.config_from(values)
    for part, names in (
        ("engine", ("graph", "tf32", "streams")),
        ("runner", ("time_limit_s", "fail_fast")),
    ):
        for name in names:
            del values[part][name]
    assert kept.config_from(values) == now


def test_a_plan_that_is_to_be_run_otherwise_is_written_anew_and_stays_as_old_as_it_was(tmp_path):
    made, otherwise = (planned("seed=0", f"runner.time_limit_s={limit}")[0] for limit in (1, 60))
    assert made.sweep_key == otherwise.sweep_key
    plan.write(made, Root(tmp_path))
    file = Root(tmp_path).sweep(made.sweep_key).plan
    os.utime(file, (1_000, 1_000))
    assert plan.write(otherwise, Root(tmp_path)) is None, "nothing is to be trained"
    assert plan.read(file) == dataclasses.replace(made, version=plan.VERSION)
    assert plan.write(otherwise, Root(tmp_path), otherwise.runs) is None
    assert {run.config.runner.time_limit_s for run in plan.read(file).runs} == {60.0}
    assert file.stat().st_mtime == 1_000, "sweeps are told to a store in the order of their plans"


def test_a_plan_that_is_kept_already_stays_as_it_is(tmp_path):
    made, _ = planned("seed=0")
    plan.write(made, Root(tmp_path))
    path = Root(tmp_path).sweep(made.sweep_key).plan
    before = path.stat()
    plan.write(made, Root(tmp_path))
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_a_text_from_any_language_survives_in_a_plan(tmp_path):
    made, _ = planned("seed=0")
    odd = dataclasses.replace(
        made, name="größe\n<script>\u202e", command=["=cmd|", "\udcff", "../../x"]
    )
    plan.write(odd, Root(tmp_path))
    assert plan.read(Root(tmp_path).sweep(odd.sweep_key).plan) == odd


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"runs": []}', b'{"runs": [{}], "claims": {}}', b"\xff"],
    ids=repr,
)
def test_a_file_that_is_no_plan_is_named_in_one_line(content, tmp_path):
    path = tmp_path / "sweep.json"
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"sweep\.json: not a plan that this version can read"):
        plan.read(path)


def test_a_plan_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StateError, match=r"sweep\.json: there is no such plan"):
        plan.read(tmp_path / "sweep.json")


OF_ADAM = ("optimizer.beta1", "optimizer.beta2", "optimizer.eps")


def test_a_plan_lists_the_recorded_knobs_in_the_order_of_the_schema():
    made, _ = planned("optimizer=momentum", "seed=0")
    values = json.loads(json.dumps(dataclasses.asdict(made)))
    assert values["version"] == 4
    assert values["knobs"] == [
        {
            "name": name,
            "bears_on_numbers": knob.bears_on_numbers,
            "shown": knob.shown and not knob.came_later,
        }
        for name, knob in KNOBS.items()
        if knob.recorded and name not in OF_ADAM
    ]
    assert {"name": "model.channels", "bears_on_numbers": True, "shown": True} in values["knobs"]
    assert {"name": "seed", "bears_on_numbers": True, "shown": False} in values["knobs"]


def test_a_plan_lists_the_knobs_that_any_of_its_runs_has_and_its_swept_groups_first():
    made, _ = planned("model=mlp,cnn", "optimizer=sgd", "seed=0")
    names = [knob.name for knob in made.knobs]
    assert names[0] == "model" and made.knobs[0] == plan.PlannedKnob("model", True, True)
    recorded = [name for name, knob in KNOBS.items() if knob.recorded]
    assert names[1:] == [n for n in recorded if n not in ("optimizer.momentum", *OF_ADAM)]
    assert {"model.channels", "model.hidden_size"} <= set(names)


def test_what_came_later_is_shown_where_a_run_has_another_value_than_that_of_before():
    made, _ = planned("data.label_noise=0.0,0.2", "optimizer.schedule.kind=cosine", "seed=0")
    later = {name for name, knob in KNOBS.items() if knob.came_later}
    shown = {knob.name for knob in made.knobs if knob.shown}
    assert shown & later == {"data.label_noise", "optimizer.schedule.kind"}


def test_a_plan_of_version_1_is_read_as_what_it_was():
    made = plan.read(OF_VERSION_1)
    assert (made.version, made.single, made.knobs) == (1, False, [])
    assert [run.name for run in made.runs] == [
        f"optimizer={o} seed={s}" for s in (0, 1) for o in ("adam", "momentum")
    ]
    assert {(run.code, tuple(run.without_effect)) for run in made.runs} == {(CODE_OF_VERSION_1, ())}
    assert (made.runs[0].config.engine.graph, made.runs[0].config.runner.fail_fast) == (True, False)


def test_the_runs_of_a_plan_of_version_1_keep_their_keys_where_the_code_equals_that_of_version_1(
    monkeypatch,
):
    monkeypatch.setattr(fingerprint, "code_name", lambda device: CODE_OF_VERSION_1)
    old = plan.read(OF_VERSION_1)
    typed = old.command[old.command.index("-m", 2) + 1 :]
    sha256 = old.runs[0].data_sha256
    made, _ = grid.plan(grid_of(*typed), lambda of: (of.data["name"], sha256), "cpu", old.command)
    assert [run.run_key for run in made.runs] == [run.run_key for run in old.runs]
    assert [run.cell_key for run in made.runs] == [run.cell_key for run in old.runs]
    assert (made.sweep_key, made.claims_sha256) == (old.sweep_key, old.claims_sha256)
    for run in old.runs:
        plan.check_code(run)


def test_a_plan_of_a_later_version_is_refused_with_both_versions(tmp_path):
    path = tmp_path / "sweep.json"
    path.write_text(json.dumps({"version": plan.VERSION + 1, "jobs": []}))
    with pytest.raises(
        StateError,
        match=r"sweep\.json: a plan of version 5, and .* up to version 4; use the program",
    ):
        plan.read(path)


def test_fields_that_a_later_program_added_to_a_plan_are_ignored(tmp_path):
    made, _ = planned("model.dropout=true,false", "seed=0")
    plan.write(made, Root(tmp_path))
    path = Root(tmp_path).sweep(made.sweep_key).plan
    values = json.loads(path.read_bytes())
    config = values["runs"][0]["config"]
    for record in (
        *(values, values["knobs"][0], values["runs"][0], next(iter(values["claims"].values()))),
        *(config, config["model"]),
    ):
        record["added_later"] = [1]
    del values["sha256"]
    path.write_text(json.dumps(sealed(values)))
    assert plan.read(path) == made


def of_version_2(values):
    """A plan without a seal, as version 2 wrote it."""
    return {name: value for name, value in values.items() if name != "sha256"} | {"version": 2}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("runs", 0, "config", "optimizer", "lr"), 0.009),
        (("runs", 0, "config", "seed"), 7),
        (("runs", 0, "run_key"), "0" * 64),
        (("runs", 0, "cell_key"), "0" * 64),
        (("runs", 0, "data_sha256"), "0" * 64),
        (("runs", 0, "device"), "gpu"),
        (("sweep_key",), "0" * 64),
        (("claims", "dropout_slows", "margin"), 0.5),
    ],
    ids=str,
)
@pytest.mark.parametrize("version", [2, 3])
def test_a_plan_whose_keys_are_not_those_of_what_it_holds_is_refused(
    place, value, version, tmp_path
):
    made, _ = planned("model.dropout=true,false", "seed=0")
    plan.write(made, Root(tmp_path))
    path = Root(tmp_path).sweep(made.sweep_key).plan
    values = json.loads(path.read_bytes())
    part = values
    for name in place[:-1]:
        part = part[name] if name != "dropout_slows" else next(iter(part.values()))
    part[place[-1]] = value
    path.write_text(json.dumps(values if version == 3 else of_version_2(values)))
    why = "it was changed after it was written" if version == 3 else "has another key than its"
    with pytest.raises(StateError, match=f"not a plan that this version can read .*{why}"):
        plan.read(path)


def test_a_plan_that_lost_its_version_is_no_plan_of_before(tmp_path):
    made, _ = planned("seed=0")
    plan.write(made, Root(tmp_path))
    path = Root(tmp_path).sweep(made.sweep_key).plan
    values = json.loads(path.read_bytes())
    del values["version"]
    path.write_text(json.dumps(values))
    with pytest.raises(StateError, match="it was changed after it was written"):
        plan.read(path)


def test_a_damaged_plan_is_named_and_written_anew_by_the_same_command(tmp_path):
    made, _ = planned("seed=0")
    assert plan.write(made, Root(tmp_path)) is None and plan.write(made, Root(tmp_path)) is None
    path = Root(tmp_path).sweep(made.sweep_key).plan
    path.write_bytes(path.read_bytes().replace(b"0.001", b"0.009"))
    damage = plan.write(made, Root(tmp_path))
    assert damage.startswith(f"{path}: not a plan") and damage.endswith("; it was written anew")
    assert plan.read(path) == made


def test_the_plan_of_a_later_version_is_left_alone_by_the_same_command(tmp_path):
    made, _ = planned("seed=0")
    plan.write(made, Root(tmp_path))
    path = Root(tmp_path).sweep(made.sweep_key).plan
    values = json.loads(path.read_bytes()) | {"version": plan.VERSION + 1}
    path.write_text(json.dumps(values))
    with pytest.raises(StateError, match="use the program that wrote it"):
        plan.write(made, Root(tmp_path))
    assert json.loads(path.read_bytes()) == values
