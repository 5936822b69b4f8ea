"""The schema: every knob is explained once, has a value once, and an effect where it says so."""

import dataclasses
import re
import subprocess
import sys

import pytest
import yaml
from configurations import value_of, with_value
from hydra import compose
from omegaconf import OmegaConf
from places import REPO

from runner.config import help as helps
from runner.config import schema
from runner.config.checks import checked
from runner.config.schema import GROUPS, KNOBS, leaves, recorded, without_effect
from runner.system.files import values_folder

pytest_plugins = "composing"

FOLDER = values_folder()
CONF = FOLDER / "conf"
#: The files in which knobs get their values; other files of conf/ give some of them other values.
FIRST_VALUES = {
    "config.yaml": "",
    "model/cnn.yaml": "model.",
    "data/mnist.yaml": "data.",
    "optimizer/adam.yaml": "optimizer.",
    "engine/fast.yaml": "engine.",
}


@pytest.fixture(scope="module")
def defaults(plain):
    return dict(leaves(checked(OmegaConf.create(plain))))


# What each field says


def test_every_field_of_the_schema_is_a_knob_in_the_order_of_a_configuration(defaults):
    assert list(defaults) == list(KNOBS)


@pytest.mark.parametrize("name", KNOBS)
def test_every_knob_has_one_line_that_explains_it(name):
    comment = KNOBS[name].comment
    assert re.fullmatch(r"\S.*\S\.", comment) and len(comment.split()) >= 2
    assert len(comment) <= 100 and comment.isprintable()


def test_a_default_is_allowed(defaults):
    assert [name for name, value in defaults.items() if not KNOBS[name].allowed.test(value)] == []


def test_what_bears_on_numbers_is_recorded_and_what_is_shown_bears_on_numbers():
    for knob in KNOBS.values():
        assert knob.recorded or not knob.bears_on_numbers
        assert knob.bears_on_numbers or not knob.shown


def test_what_is_recorded_are_the_parameters_that_mlflow_has_always_had(plain):
    config = checked(OmegaConf.create(plain))
    sections = (
        "seed",
        "device",
        "model.",
        "optimizer.",
        "engine.",
        "train.",
        "data.name",
        "data.normalize",
    )
    expected = {name: value for name, value in leaves(config) if name.startswith(sections)}
    assert recorded(config) == expected


def test_the_report_shows_data_model_optimizer_training_and_engine_in_this_order():
    assert [name for name, knob in KNOBS.items() if knob.shown] == [
        *("data.name", "data.normalize", "model.kind", "model.channels", "model.blocks"),
        *(
            "model.hidden_size",
            "model.fc_depth",
            "model.dropout",
            "model.dropout_ratio",
            "model.options",
        ),
        *("optimizer.name", "optimizer.lr", "optimizer.weight_decay", "optimizer.momentum"),
        *("train.epochs", "train.batch_size", "engine.name", "engine.tf32"),
    ]


# When a knob has an effect

ON_A_CARD = ["engine.graph", "engine.streams", "engine.tf32"]


@pytest.mark.parametrize(
    ("changes", "nothing"),
    [
        ({}, ["model.options", "optimizer.momentum"]),
        ({"model.blocks": [[30]]}, ["model.channels", "model.options", "optimizer.momentum"]),
        (
            {"model.kind": "mlp"},
            ["model.blocks", "model.channels", "model.options", "optimizer.momentum"],
        ),
        ({"model.dropout": False}, ["model.dropout_ratio", "model.options", "optimizer.momentum"]),
        (
            {"model.fc_depth": 0},
            [
                "model.dropout",
                "model.dropout_ratio",
                "model.hidden_size",
                "model.options",
                "optimizer.momentum",
            ],
        ),
        ({"optimizer.name": "momentum"}, ["model.options"]),
        (
            {
                "model.kind": "own",
                "model.fc_depth": 0,
                "model.dropout": False,
                "model.blocks": [[1]],
            },
            ["optimizer.momentum"],
        ),
    ],
    ids=repr,
)
def test_a_knob_without_effect_is_named(changes, nothing, defaults):
    assert without_effect(defaults | changes) == sorted([*ON_A_CARD, *nothing])


@pytest.mark.parametrize(
    ("device", "engine", "nothing"),
    [
        ("gpu", "fast", []),
        ("gpu", "stock", ON_A_CARD),
        ("cpu", "fast", ON_A_CARD),
        ("auto", "fast", ON_A_CARD),
    ],
)
def test_graphs_streams_and_rounded_products_belong_to_the_fast_engine_on_a_card(
    device, engine, nothing, defaults
):
    values = defaults | {"device": device, "engine.name": engine}
    assert [name for name in without_effect(values) if name.startswith("engine.")] == nothing


def test_every_condition_is_said_in_words_and_without_docstrings_too():
    conditions = {knob.has_effect for knob in KNOBS.values() if knob.has_effect}
    assert all(re.match("with |where |on ", condition.words) for condition in conditions)
    line = [sys.executable, "-OO", "-m", "runner.config.help"]
    page = subprocess.run(line, capture_output=True, text=True, check=True, cwd=REPO).stdout
    assert page == (REPO / "docs" / "knobs.md").read_text(encoding="utf-8")


# Values


def values_in(file):
    """The dotted names of the values of a file of conf/."""
    values = yaml.safe_load((CONF / file).read_text(encoding="utf-8"))
    for section, value in values.items():
        prefix = FIRST_VALUES[file]
        if section in ("defaults", "hydra"):
            continue
        nested = isinstance(value, dict) and prefix + section not in KNOBS
        yield from (f"{section}.{name}" for name in value) if nested else [prefix + section]


def test_every_knob_gets_its_value_in_exactly_one_file_of_conf():
    assert sorted(name for file in FIRST_VALUES for name in values_in(file)) == sorted(KNOBS)


@pytest.mark.parametrize(
    "file", sorted(CONF.rglob("*.yaml")), ids=lambda file: file.relative_to(CONF).as_posix()
)
def test_a_file_of_conf_holds_values_and_at_most_one_line_about_them(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if "#" in line and "@package" not in line]) <= 1


def test_options_that_change_the_name_alone_do_not_repeat_the_other_values():
    for option in ("engine/stock", "data/digits", "optimizer/sgd", "model/mlp"):
        values = yaml.safe_load((CONF / f"{option}.yaml").read_text(encoding="utf-8"))
        assert set(values) <= {"defaults", "name", "kind", "lr"}


def test_defaults_are_those_of_the_design(defaults):
    expected = {
        "seed": 0,
        "device": "auto",
        "plan": False,
        "model.kind": "cnn",
        "model.channels": 30,
        "model.blocks": None,
        "model.hidden_size": 100,
        "model.fc_depth": 1,
        "model.dropout": True,
        "model.dropout_ratio": 0.5,
        "data.name": "mnist",
        "data.normalize": True,
        "data.allow_fallback": True,
        "optimizer.name": "adam",
        "optimizer.lr": 0.001,
        "optimizer.weight_decay": 1e-4,
        "engine.name": "fast",
        "engine.graph": True,
        "engine.tf32": False,
        "engine.streams": 0,
        "train.epochs": 5,
        "train.batch_size": 100,
        "tracking.uri": None,
        "runner.root": None,
        "runner.workers": -1,
        "worker.plan": None,
    }
    assert {key: defaults[key] for key in expected} == expected


def test_the_stock_engine_differs_from_the_fast_one_in_its_name_alone(defaults, hydra_is_started):
    stock = dict(leaves(checked(compose("config", ["engine=stock"]))))
    assert stock == defaults | {"engine.name": "stock"}


# The help


@pytest.mark.parametrize(
    "key", [key for key in KNOBS if key.partition(".")[0] not in ("worker", "claims")]
)
def test_the_help_shows_every_knob_with_its_default_and_its_comment(key, plain):
    lines = helps.text(FOLDER).splitlines()
    (n,) = [n for n, line in enumerate(lines) if line.startswith(f"  {key}=")]
    shown = yaml.safe_load(lines[n].partition("=")[2])
    assert shown == value_of(checked(OmegaConf.create(plain)), key)
    explained = []
    for line in lines[n + 1 :]:
        if not line.startswith("      "):
            break
        explained.append(line.strip())
    assert " ".join(explained).startswith(
        f"{KNOBS[key].comment} Allowed: {KNOBS[key].allowed.text}."
    )


def test_the_help_shows_claims_and_leaves_the_workers_settings_out():
    text = helps.text(FOLDER)
    assert "\n  claims={}\n" in text and "worker.plan" not in text


def test_the_help_lists_every_option_of_every_group():
    text = helps.text(FOLDER)
    for group in GROUPS:
        folder = FOLDER / "sweeps" if group == "sweeps" else CONF / group
        options = sorted(file.stem for file in folder.glob("*.yaml"))
        assert f"  {group}={'|'.join(options)}\n" in text


def test_the_help_knows_the_defaults_of_an_option_that_rests_on_another(tmp_path, plain):
    files = {
        "config.yaml": "defaults: [schema, {data: digits}, _self_, {preset: null}]\nseed: 3",
        "data/digits.yaml": "defaults: [mnist, _self_]\nname: digits",
        "data/mnist.yaml": "name: mnist\nnormalize: true",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert helps._values(tmp_path / "config.yaml") == {
        "data": {"name": "digits", "normalize": True},
        "seed": 3,
    }


def test_a_knob_that_nobody_explains_is_no_part_of_the_schema():
    @dataclasses.dataclass
    class Section:
        width: int

    with pytest.raises(KeyError, match="knob"):
        dict(schema._knobs(Section))


def test_a_changed_value_is_what_a_check_gives_back(plain):
    assert value_of(checked(with_value(plain, "train.epochs", 7)), "train.epochs") == 7
