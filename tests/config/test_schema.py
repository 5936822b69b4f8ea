"""The schema: every knob is explained once, has a value once, and an effect where it says so."""

import dataclasses
import re
import subprocess
import sys

import pytest
import yaml
from configs import configured
from configurations import value_of, with_value
from hydra import compose
from omegaconf import OmegaConf
from places import REPO

from runner.config import help as helps
from runner.config import parts, schema
from runner.config.checks import checked
from runner.config.schema import GROUPS, KNOBS, leaves, recorded, without_effect
from runner.system.files import values_folder

pytest_plugins = "composing"

FOLDER = values_folder()
CONF = FOLDER / "conf"
#: The files in which knobs get their values; other files of conf/ give some of them other values.
FIRST_VALUES = {
    "config.yaml": "",
    "options.yaml": "",
    "model/cnn.yaml": "model.",
    "data/mnist.yaml": "data.",
    "optimizer/adam.yaml": "optimizer.",
    "engine/fast.yaml": "engine.",
}


#: Given by the choice of a file.
LABELS = {"data.name", "model.kind", "optimizer.name"}


@pytest.fixture(scope="module")
def defaults(plain):
    return dict(leaves(checked(OmegaConf.create(plain))))


# What each field says


def test_every_field_of_the_schema_is_a_knob_in_the_order_of_a_configuration(defaults):
    assert list(defaults) == [name for name in KNOBS if name != "optimizer.momentum"]
    of_adam = {f"optimizer.{name}" for name in ("beta1", "beta2", "eps")}
    of_momentum = list(dict(leaves(configured(optimizer="momentum", data="mnist"))))
    assert of_momentum == [name for name in KNOBS if name not in of_adam]


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


def test_what_is_recorded_are_the_parameters_that_mlflow_has(plain):
    config = checked(OmegaConf.create(plain))
    sections = (
        "seed",
        "device",
        "model.",
        "optimizer.",
        "engine.",
        "train.",
        *("data.name", "data.normalize", "data.n_train", "data.label_noise", "data.validation"),
        "data.augment",
    )
    expected = {name: value for name, value in leaves(config) if name.startswith(sections)}
    assert recorded(config) == expected


def test_the_report_shows_data_model_optimizer_training_and_engine_in_this_order():
    assert [name for name, knob in KNOBS.items() if knob.shown] == [
        *("data.name", "data.normalize", "data.n_train", "data.label_noise", "data.validation"),
        *("data.augment", "model.kind", "model.channels", "model.blocks"),
        *("model.hidden_size", "model.fc_depth", "model.dropout", "model.dropout_ratio"),
        *("optimizer.name", "optimizer.lr", "optimizer.weight_decay", "optimizer.decoupled_decay"),
        *("optimizer.clip_grad", "optimizer.schedule.kind", "optimizer.schedule.at"),
        *("optimizer.schedule.factor", "optimizer.schedule.warmup_epochs", "optimizer.momentum"),
        *("optimizer.beta1", "optimizer.beta2", "optimizer.eps"),
        *("train.epochs", "train.batch_size", "engine.name", "engine.tf32"),
    ]


# When a knob has an effect

ON_A_CARD = ["engine.streams", "engine.tf32"]
STEPS = ["optimizer.schedule.at", "optimizer.schedule.factor"]


@pytest.mark.parametrize(
    ("changes", "nothing"),
    [
        ({}, []),
        ({"model.blocks": [[30]]}, ["model.channels"]),
        ({"model": "mlp"}, []),
        ({"model.dropout": False}, ["model.dropout_ratio"]),
        ({"model.fc_depth": 0}, ["model.dropout", "model.dropout_ratio", "model.hidden_size"]),
        ({"model": "mlp", "model.dropout": False}, ["model.dropout_ratio"]),
        ({"optimizer": "momentum"}, []),
        ({"optimizer.weight_decay": 0.0}, ["optimizer.decoupled_decay"]),
        ({"model": "mine.LeNet"}, []),
    ],
    ids=repr,
)
def test_a_knob_without_effect_is_named(changes, nothing):
    assert without_effect(configured(changes)) == sorted([*ON_A_CARD, *STEPS, *nothing])


def test_steps_belong_to_the_schedule_that_has_them():
    assert without_effect(configured({"optimizer.schedule.kind": "step"})) == ON_A_CARD


@pytest.mark.parametrize(
    ("device", "engine", "nothing"),
    [
        ("gpu", "fast", []),
        ("gpu", "stock", ["engine.graph", *ON_A_CARD]),
        ("cpu", "fast", ON_A_CARD),
        ("auto", "fast", ON_A_CARD),
    ],
)
def test_streams_and_rounded_products_belong_to_the_fast_engine_on_a_card_and_captured_steps_to_it(
    device, engine, nothing
):
    config = configured({"engine.name": engine}, device=device)
    assert [name for name in without_effect(config) if name.startswith("engine.")] == nothing


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
    kept = {k: v for k, v in values.items() if k not in ("defaults", "hydra", "_target_")}
    yield from names_in(kept, FIRST_VALUES[file])


def names_in(values, prefix):
    for key, value in values.items():
        nested = isinstance(value, dict) and prefix + key not in KNOBS
        yield from names_in(value, f"{prefix}{key}.") if nested else [prefix + key]


def test_every_knob_gets_its_value_in_exactly_one_file_of_conf_that_is_chosen_first():
    with_value = [name for file in FIRST_VALUES for name in values_in(file)]
    assert sorted(with_value) == sorted(set(KNOBS) - LABELS - {"optimizer.momentum"})


@pytest.mark.parametrize(
    "file", sorted(CONF.rglob("*.yaml")), ids=lambda file: file.relative_to(CONF).as_posix()
)
def test_a_file_of_conf_holds_values_and_at_most_one_line_about_them(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if "#" in line and "@package" not in line]) <= 1


def values_of(file):
    return yaml.safe_load((CONF / f"{file}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("section", parts.SECTIONS)
def test_a_file_of_a_part_names_what_makes_it_and_gives_its_arguments(section):
    known = {name: knob for name, knob in KNOBS.items() if name.startswith(f"{section}.")}
    arguments = {name.partition(".")[2] for name, knob in known.items() if knob.is_argument}
    shipped = parts.SECTIONS[section].shipped
    files = {file.stem: values_of(f"{section}/{file.stem}") for file in (CONF / section).iterdir()}
    assert {name: values.pop("_target_") for name, values in files.items()} == {
        name: target for target, name in shipped.items()
    }
    assert all(set(values) <= arguments for values in files.values())


def test_the_engine_stock_and_the_model_mlp_repeat_no_other_value():
    assert set(values_of("engine/stock")) == {"defaults", "name"}
    cnn, mlp = values_of("model/cnn"), values_of("model/mlp")
    assert {name for name in mlp if mlp[name] != cnn[name]} == {"_target_"}


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
def test_the_help_shows_every_knob_with_its_default_and_its_comment(key, defaults):
    lines = helps.text(FOLDER).splitlines()
    (n,) = [n for n, line in enumerate(lines) if line.startswith(f"  {key}=")]
    shown = OmegaConf.create(f"value: {lines[n].partition('=')[2]}")["value"]  # 1e-08 is a number
    assert shown == (0.9 if key == "optimizer.momentum" else defaults[key])
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
        assert f" {group}={' | '.join(options)} " in " ".join(text.split())


@pytest.mark.parametrize("width", [80, 120])
def test_the_help_breaks_no_word_at_the_edge_of_a_terminal(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = helps.text(FOLDER).splitlines()
    assert max(map(len, lines)) <= width
    command = next(line for line in lines if "-m sweeps=published" in line)
    assert ("a named sweep" in command) is (width == 120)


def test_the_help_lists_the_files_of_the_users_own_folder_beside_those_that_ship(tmp_path):
    for place in ("conf/model/lenet", "conf/optimizer/lion", "sweeps/mine"):
        file = tmp_path / f"{place}.yaml"
        file.parent.mkdir(parents=True)
        file.touch()
    text = helps.text(FOLDER, tmp_path)
    assert "\n  model=cnn | lenet | mlp\n" in text and "| screening | smoke\n" in text
    assert "\n  optimizer=adam | lion | momentum | sgd\n" in text and "| mine |" in text
    assert helps.text(FOLDER, FOLDER) == helps.text(FOLDER)


def test_the_help_lists_the_knobs_that_the_users_own_files_bring(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "netsofmine.py").write_text(
        "class LeNet:\n"
        '    """A net.\n\n    Parameters\n    ----------\n    width\n        Units.\n    """\n\n'
        "    def __init__(self, width=6):\n        pass\n"
    )
    model, optimizer = tmp_path / "conf" / "model", tmp_path / "conf" / "optimizer"
    for folder in (model, optimizer):
        folder.mkdir(parents=True)
    (model / "lenet.yaml").write_text("_target_: netsofmine.LeNet\nwidth: 6\n")
    (optimizer / "ada.yaml").write_text(
        "_target_: dezero.optimizers.AdaGrad\nlr: 0.01\nclip_grad: 1.0\n"
    )
    (optimizer / "broken.yaml").write_text("lr: [0.01\n")
    shown = helps.text(FOLDER, tmp_path).partition("Your files")[2].splitlines()[1:]
    assert [line.split("  Of ")[0] for line in shown] == [
        "  model=lenet: netsofmine.LeNet",
        "      model.width=6  Units.",
        "  optimizer=ada: dezero.optimizers.AdaGrad",
        "      optimizer.lr=0.01",
        "      optimizer.clip_grad=1.0  " + KNOBS["optimizer.clip_grad"].comment,
        "  optimizer=broken: while parsing a flow sequence",
    ]


def test_the_help_knows_the_defaults_of_an_option_that_rests_on_another(tmp_path):
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
