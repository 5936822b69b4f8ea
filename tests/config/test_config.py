"""Configuration: every knob is known, commented, checked; every value in YAML is the one that was decided."""

import csv
import math
import re
from pathlib import Path

import hypothesis
import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from hypothesis import strategies as st
from omegaconf import OmegaConf

from runner import app
from runner import help as helps
from runner.config import rules as ranges
from runner.config import schema as config
from runner.errors import ConfigError
from runner.plan import grid

#: The files in which knobs are born; the other files of conf/ give some of them other values.
BIRTHPLACES = {
    "config.yaml": "",
    "model/cnn.yaml": "model.",
    "data/mnist.yaml": "data.",
    "optimizer/adam.yaml": "optimizer.",
    "engine/fast.yaml": "engine.",
}
CONF, SWEEPS = app.FOLDER / "conf", app.FOLDER / "sweeps"


@pytest.fixture(scope="module", autouse=True)
def hydra_is_started():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


@pytest.fixture(scope="module")
def plain(hydra_is_started):
    return OmegaConf.to_container(compose("config"))


def with_value(plain, key, value):
    *sections, name = key.split(".")
    changed = whole = {k: dict(v) if isinstance(v, dict) else v for k, v in plain.items()}
    for section in sections:
        changed = changed[section]
    changed[name] = value
    return OmegaConf.create(whole, flags={"allow_objects": True})


def value_of(checked, key):
    return dict(config.leaves(checked))[key]


def grid_of(*arguments):
    loader = GlobalHydra.instance().config_loader()
    primary = loader.load_configuration("config", list(arguments), RunMode.MULTIRUN)
    return grid.compose(loader, primary, dict(primary.hydra.sweeper.params), list(arguments))


def one_line(error):
    return "\n" not in str(error.value) and str(error.value).isprintable()


# The schema, conf/ and the help


def test_every_leaf_of_the_schema_has_a_rule_and_every_rule_a_leaf(plain):
    assert [key for key, _ in config.leaves(config.checked(OmegaConf.create(plain)))] == list(ranges.ALLOWED)


def knob_lines(file):
    """(line number, key, value) of each knob of a file of conf/, by indentation and not by runner.help."""
    section = ""
    for n, line in enumerate(lines := (CONF / file).read_text(encoding="utf-8").splitlines()):
        if match := re.fullmatch(r"( *)(\w+):(?: (.*))?", line):
            indent, key, value = match.groups()
            section = section if indent else key
            is_section = value is None and n + 1 < len(lines)
            if section not in ("defaults", "hydra") and not is_section:
                yield n, BIRTHPLACES[file] + (f"{section}.{key}" if indent else key), value


def test_every_knob_is_born_in_exactly_one_file_of_conf():
    born = [key for file in BIRTHPLACES for _, key, _ in knob_lines(file)]
    assert sorted(born) == sorted(ranges.ALLOWED)


@pytest.mark.parametrize("file", BIRTHPLACES)
def test_every_knob_has_exactly_one_comment_line_above_it(file):
    lines = (CONF / file).read_text(encoding="utf-8").splitlines()
    for n, key, _ in knob_lines(file):
        assert lines[n - 1].lstrip().startswith("# "), f"{key} has no comment"
        assert n < 2 or not lines[n - 2].lstrip().startswith("#"), f"{key} has more than one line of comment"


@pytest.mark.parametrize("key", [key for key in ranges.ALLOWED if key.partition(".")[0] not in ("worker", "claims")])
def test_the_help_shows_every_knob_with_its_default_and_its_comment(key, plain):
    lines = helps.text(app.FOLDER).splitlines()
    (n,) = [n for n, line in enumerate(lines) if line.startswith(f"  {key}=")]
    shown = yaml.safe_load(lines[n].partition("=")[2])
    assert shown == value_of(config.checked(OmegaConf.create(plain)), key)
    assert len(lines[n + 1].split()) >= 3 and lines[n + 1].startswith("      ")


def test_the_help_shows_claims_and_leaves_the_workers_settings_out():
    text = helps.text(app.FOLDER)
    assert "\n  claims={}\n" in text and "worker.plan" not in text


def test_the_help_lists_every_option_of_every_group():
    text = helps.text(app.FOLDER)
    for group in config.GROUPS:
        options = sorted(file.stem for file in (SWEEPS if group == "sweeps" else CONF / group).glob("*.yaml"))
        assert f"  {group}={'|'.join(options)}\n" in text


def test_defaults_are_those_of_the_design(plain):
    found = dict(config.leaves(config.checked(OmegaConf.create(plain))))
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
        "train.epochs": 5,
        "train.batch_size": 100,
        "tracking.uri": None,
        "runner.root": None,
        "runner.workers": -1,
        "worker.plan": None,
    }
    assert {key: found[key] for key in expected} == expected


# Values

#: key: lowest, highest, the words of the message.
INTEGERS = {
    "seed": (0, 2**63 - 1, "an integer from 0 to 2^63 - 1"),
    "model.channels": (1, 4096, "an integer from 1 to 4096"),
    "model.hidden_size": (1, 65536, "an integer from 1 to 65536"),
    "model.fc_depth": (0, 16, "an integer from 0 to 16"),
    "train.epochs": (1, 10_000, "an integer from 1 to 10000"),
    "train.batch_size": (1, 1_000_000, "an integer from 1 to the number of training images"),
}
ABOVE_0, BELOW_1 = math.nextafter(0, 1), math.nextafter(1, 0)
NUMBERS = {
    "model.dropout_ratio": (0.0, BELOW_1, "a number from 0 to below 1"),
    "optimizer.lr": (ABOVE_0, 100.0, "a number above 0, at most 100"),
    "optimizer.weight_decay": (0.0, 1.0, "a number from 0 to 1"),
    "optimizer.momentum": (0.0, BELOW_1, "a number from 0 to below 1"),
    "runner.checkpoint_every_s": (0.0, 86400.0, "a number of seconds from 0 to 86400"),
    "runner.time_limit_s": (0.0, 1e9, "a number of seconds up to 1e9, or 0 for no limit"),
}
BOOLEANS = ("plan", "progress", "model.dropout", "data.normalize", "data.allow_fallback")
few_examples = hypothesis.settings(max_examples=15)


@pytest.mark.parametrize("key", INTEGERS)
@few_examples
@hypothesis.given(data=st.data())
def test_an_integer_in_its_range_passes(key, data, plain):
    low, high, _ = INTEGERS[key]
    value = data.draw(st.sampled_from([low, high]) | st.integers(low, high))
    assert value_of(config.checked(with_value(plain, key, value)), key) == value


@pytest.mark.parametrize("key", INTEGERS)
@few_examples
@hypothesis.given(data=st.data())
def test_an_integer_outside_its_range_is_refused_with_the_range(key, data, plain):
    low, high, text = INTEGERS[key]
    near = st.sampled_from([low - 1, high + 1])
    value = data.draw(near | st.integers(max_value=low - 1) | st.integers(min_value=high + 1))
    with pytest.raises(ConfigError, match=re.escape(f"{key}={value}"[:40])) as error:
        config.checked(with_value(plain, key, value))
    assert str(error.value).endswith(f"allowed is {text}") and one_line(error)


@pytest.mark.parametrize("key", NUMBERS)
@few_examples
@hypothesis.given(data=st.data())
def test_a_number_in_its_range_passes(key, data, plain):
    low, high, _ = NUMBERS[key]
    value = data.draw(st.sampled_from([low, high]) | st.floats(low, high))
    assert value_of(config.checked(with_value(plain, key, value)), key) == value


@pytest.mark.parametrize("key", NUMBERS)
@few_examples
@hypothesis.given(data=st.data())
def test_a_number_outside_its_range_or_not_finite_is_refused_with_the_range(key, data, plain):
    low, high, text = NUMBERS[key]
    near = st.sampled_from([math.nextafter(low, -1), math.nextafter(high, math.inf), math.nan, math.inf, -math.inf])
    value = data.draw(near | st.floats().filter(lambda v: not low <= v <= high))
    with pytest.raises(ConfigError, match=f"^{re.escape(key)}={re.escape(str(value))}: ") as error:
        config.checked(with_value(plain, key, value))
    assert str(error.value).endswith(f"allowed is {text}")


@pytest.mark.parametrize("key", [*INTEGERS, *NUMBERS])
@pytest.mark.parametrize("value", ["many", None, [1], {"a": 1}], ids=repr)
def test_what_is_no_number_is_refused_with_the_range(key, value, plain):
    with pytest.raises(ConfigError, match=f"^{re.escape(key)}") as error:
        config.checked(with_value(plain, key, value))
    assert {**INTEGERS, **NUMBERS}[key][2] in str(error.value) or value == {"a": 1}
    assert one_line(error)


@pytest.mark.parametrize("key", INTEGERS)
@pytest.mark.parametrize("value", [1.0, "1.0", 2.5, True], ids=repr)
def test_an_integer_knob_refuses_fractions_and_booleans(key, value, plain):
    with pytest.raises(ConfigError, match=f"^{re.escape(key)}.*allowed is an integer"):
        config.checked(with_value(plain, key, value))


@pytest.mark.parametrize("key", BOOLEANS)
@pytest.mark.parametrize("value", [0, 1, 2, "yes", "true", "", None, [True]], ids=repr)
def test_a_boolean_knob_takes_nothing_that_merely_resembles_one(key, value, plain):
    with pytest.raises(ConfigError, match=f"^{re.escape(key)}=.*allowed is true or false"):
        config.checked(with_value(plain, key, value))


@pytest.mark.parametrize("key", BOOLEANS)
@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_knob_takes_true_and_false(key, value, plain):
    assert value_of(config.checked(with_value(plain, key, value)), key) is value


@pytest.mark.parametrize("workers", [-1, 1, 1024])
def test_workers_are_a_number_or_one_a_core(workers, plain):
    assert config.checked(with_value(plain, "runner.workers", workers)).runner.workers == workers


@pytest.mark.parametrize("workers", [0, -2, 1025])
def test_other_numbers_of_workers_are_refused(workers, plain):
    with pytest.raises(ConfigError, match=f"^runner.workers={workers}: allowed is an integer from 1 to 1024, or -1"):
        config.checked(with_value(plain, "runner.workers", workers))


@pytest.mark.parametrize("blocks", [None, [[1]], [[16, 16], [32, 32]], [[4096]] * 8, [[1] * 16]], ids=repr)
def test_blocks_are_lists_of_channel_counts(blocks, plain):
    assert config.checked(with_value(plain, "model.blocks", blocks)).model.blocks == blocks


@pytest.mark.parametrize(
    "blocks",
    [[], [[]], 3, "x", [[0]], [[-1]], [[4097]], [[1.5]], [["a"]], [[None]], [[True]], [[1]] * 9, [[1] * 17]],
    ids=repr,
)
def test_other_blocks_are_refused_with_an_example_of_good_ones(blocks, plain):
    with pytest.raises(ConfigError, match=r"^model\.blocks[=:].*allowed is null, or 1 to 8 blocks.*\[\[16,16\]") as e:
        config.checked(with_value(plain, "model.blocks", blocks))
    assert one_line(e)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("device", "tpu", "auto, cpu, gpu"),
        ("device", "GPU", "auto, cpu, gpu"),
        ("model.kind", "rnn", "cnn, mlp"),
        ("data.name", "cifar10", "mnist, mnist5k, fashion_mnist, digits"),
        ("optimizer.name", "lion", "adam, sgd, momentum"),
        ("engine.name", "quick", "stock"),
        ("runner.root", "", "1 to 500"),
        ("runner.root", "a\nb", "printable"),
        ("data.root", "\x1b[31mred", "printable"),
        ("data.root", "x" * 501, "1 to 500"),
        ("tracking.experiment", "", "1 to 500"),
        ("tracking.experiment", "x" * 5000, "1 to 500"),
        ("tracking.experiment", "a\u202eb", "printable"),
        ("tracking.uri", "ftp://host", "http(s)://HOST:PORT"),
        ("tracking.uri", "mlruns", "sqlite:///FILE"),
        ("model.options", {"a": math.nan}, "finite"),
        ("model.options", {"a": {1: 2}}, "dictionary"),
    ],
)
def test_other_texts_are_refused_with_what_is_allowed(key, value, allowed, plain):
    with pytest.raises(ConfigError, match=f"^{re.escape(key)}=") as error:
        config.checked(with_value(plain, key, value))
    assert allowed in str(error.value).partition("allowed is ")[2] and one_line(error)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("uri", [None, "sqlite:///a.db", "http://127.0.0.1:5000", "https://h", "postgresql+x://u@h/d"])
def test_a_store_is_a_database_or_a_server(uri, plain):
    assert config.checked(with_value(plain, "tracking.uri", uri)).tracking.uri == uri


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("model.chanels", "model.channels"),
        ("train.epoch", "train.epochs"),
        ("optimiser.lr", "optimizer.lr"),
        ("learning.lr", "optimizer.lr"),
        ("sweep", "sweeps"),
    ],
)
def test_a_typo_is_answered_with_the_nearest_knob(key, hint):
    assert f"{key}: there is no such knob; did you mean {hint}?" in config.unknown_key(key)


def test_a_key_like_no_other_gets_no_hint():
    assert "did you mean" not in config.unknown_key("zzzzqqqq")


@pytest.mark.parametrize("key", ["model._target_", "train.x", "x"])
def test_a_key_that_was_added_to_what_hydra_composed_is_refused(key, plain):
    with pytest.raises(ConfigError, match=f"^{re.escape(key)}: there is no such knob"):
        config.checked(with_value(plain, key, "os.system"))


def test_a_knob_without_a_value_is_refused(plain):
    with pytest.raises(ConfigError, match=r"^train\.epochs: has no value; allowed is an integer from 1 to 10000"):
        config.checked(with_value(plain, "train.epochs", "???"))


# Claims

CLAIM = {
    "says": "Dropout helps",
    "knob": "model.dropout",
    "levels": [True, False],
    "metric": "final(test/accuracy)",
    "direction": "greater",
    "margin": 0.002,
}


def with_claim(plain, name="c", **changes):
    return with_value(plain, "claims", {name: {k: v for k, v in (CLAIM | changes).items() if v != "left out"}})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"levels": None, "winner": 30},
        {"levels": None, "winner": False},
        {"levels": None, "slope": True},
        {"metric": "last(3, test/loss)"},
        {"metric": "epochs_to(test_masked/accuracy, 0.97)"},
        {"metric": "auc(train/accuracy)", "minus": "final(test_masked/accuracy)"},
        {"at": {"model.channels": 30}},
        {"knob": "preset"},
        {"direction": "either", "margin": 0},
    ],
    ids=repr,
)
def test_a_good_claim_passes(changes, plain):
    assert config.checked(with_claim(plain, **changes)).claims["c"].says == "Dropout helps"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"levels": None}, "exactly one of levels, winner and slope"),
        ({"winner": 30}, "exactly one of levels, winner and slope"),
        ({"slope": True}, "exactly one of levels, winner and slope"),
        ({"levels": [1]}, r"levels=\[1\]: allowed is a pair"),
        ({"levels": [1, 2, 3]}, "allowed is a pair"),
        ({"levels": [1, 1]}, "different levels"),
        ({"knob": "model.drop_out"}, "did you mean model.dropout"),
        ({"at": {"model.chanels": 1}}, "did you mean model.channels"),
        ({"metric": "test/accuracy"}, r"metric=test/accuracy: allowed is final\(M\)"),
        ({"metric": "final(test/accurcy)"}, "with M one of .*test/accuracy"),
        ({"metric": "final(test/accuracy"}, "allowed is final"),
        ({"metric": "mean(test/accuracy)"}, "allowed is final"),
        ({"metric": "last(0, test/accuracy)"}, "allowed is final"),
        ({"metric": "last(test/accuracy)"}, "allowed is final"),
        ({"metric": "epochs_to(test/accuracy)"}, "allowed is final"),
        ({"metric": "epochs_to(test/accuracy, nan)"}, "allowed is final"),
        ({"metric": "final(test/accuracy)\nx"}, "allowed is final"),
        ({"minus": "test/accuracy"}, "minus=test/accuracy: allowed is final"),
        ({"minus": ""}, "minus=: allowed is final"),
        ({"direction": "more"}, "direction=more: allowed is less, greater or either"),
        ({"margin": -0.1}, "margin=-0.1: allowed is a finite number from 0 on"),
        ({"margin": math.nan}, "margin=nan: allowed is"),
        ({"margin": math.inf}, "margin=inf: allowed is"),
        ({"margin": "wide"}, "margin"),
        ({"margin": "left out"}, "margin"),
        ({"says": "left out"}, "says"),
        ({"says": ""}, "says=: allowed"),
        ({"says": "x" * 5000}, "1 to 500"),
        ({"says": "two\nlines"}, "printable"),
        ({"wins": 30}, "wins"),
        ({"name": "two\nlines"}, "printable"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_bad_claim_is_refused_on_one_line(changes, told, plain):
    with pytest.raises(ConfigError, match=told) as error:
        config.checked(with_claim(plain, **changes))
    assert str(error.value).startswith("claims.") and one_line(error) and len(str(error.value)) < 500


# The sweeps that ship

#: name: how many cells, how many seeds, the swept knobs with their levels.
SHIPPED = {
    "default": (1, 5, {}),
    "dropout_x_channels": (4, 8, {"model.channels": [1, 30], "model.dropout": [True, False]}),
    "hidden_size": (6, 5, {"model.hidden_size": [100, 300, 1000], "model.fc_depth": [1, 2]}),
    "normalization": (
        8,
        5,
        {"data.normalize": [True, False], "model.dropout": [True, False], "model.channels": [1, 30]},
    ),
    "published": (3, 5, {"preset": ["book_mlp", "conv1", "conv30"]}),
    "smoke": (2, 2, {"model.dropout": [True, False]}),
}


def test_every_file_of_sweeps_is_tested_here():
    assert {file.stem for file in SWEEPS.glob("*.yaml")} == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_sweep_has_the_cells_the_seeds_and_the_claims_it_promises(name):
    n_cells, n_seeds, swept = SHIPPED[name]
    found = grid_of(f"sweeps={name}")
    assert (len(found.cells), found.seeds, found.swept) == (n_cells, list(range(n_seeds)), swept)
    assert found.named == (name != "default")
    claims = found.cells[0].config.claims
    assert claims and all(cell.config.claims == claims for cell in found.cells)


def test_the_plain_command_has_five_seeds_and_one_run_has_seed_0(plain):
    assert grid_of().seeds == [0, 1, 2, 3, 4]
    assert plain["seed"] == 0


def test_claims_of_the_default_and_of_the_main_sweep_are_the_same():
    default, main = (grid_of(f"sweeps={name}").cells[0].config.claims for name in ("default", "dropout_x_channels"))
    assert default == main


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_sweep_sets_seeds_claims_and_knobs_that_exist(name):
    file = yaml.safe_load((SWEEPS / f"{name}.yaml").read_text(encoding="utf-8"))
    assert set(file["hydra"]) == {"sweeper"} and set(file["hydra"]["sweeper"]) == {"params"}
    params = file["hydra"]["sweeper"]["params"]
    assert set(params) <= {*ranges.ALLOWED, "preset"} and all(isinstance(value, str) for value in params.values())


PUBLISHED = {
    "book_mlp": {
        "model.kind": "mlp",
        "model.hidden_size": 1000,
        "model.fc_depth": 2,
        "model.dropout": False,
        "data.normalize": True,
        "train.epochs": 5,
    },
    "conv1": {
        "model.kind": "cnn",
        "model.channels": 1,
        "model.blocks": None,
        "model.hidden_size": 1000,
        "model.fc_depth": 2,
        "model.dropout": True,
        "model.dropout_ratio": 0.5,
        "data.normalize": False,
        "train.epochs": 20,
    },
    "conv30": {
        "model.kind": "cnn",
        "model.channels": 30,
        "model.blocks": None,
        "model.hidden_size": 100,
        "model.fc_depth": 1,
        "model.dropout": True,
        "model.dropout_ratio": 0.5,
        "data.normalize": False,
        "train.epochs": 50,
    },
}
IN_ALL_PUBLISHED = {
    "data.name": "mnist",
    "train.batch_size": 100,
    "optimizer.name": "adam",
    "optimizer.lr": 0.001,
    "optimizer.weight_decay": 1e-4,
}


@pytest.mark.parametrize("preset", PUBLISHED)
def test_a_published_preset_has_exactly_the_published_settings(preset):
    cells = {cell.knobs["preset"]: cell.config for cell in grid_of("sweeps=published").cells}
    found = dict(config.leaves(cells[preset]))
    expected = IN_ALL_PUBLISHED | PUBLISHED[preset]
    assert {key: found[key] for key in expected} == expected


def test_what_is_typed_beats_the_preset_and_the_sweep():
    found = grid_of("sweeps=published", "train.epochs=1", "seed=7")
    assert {cell.config.train.epochs for cell in found.cells} == {1}
    assert found.seeds == [7]


def test_the_published_curves_have_every_epoch_of_every_experiment():
    with open(Path(SWEEPS / "published_curves.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 75
    epochs = {}
    for row in rows:
        epochs.setdefault(row["experiment"], []).append(int(row["epoch"]))
        assert 0 <= float(row["train_accuracy"]) <= 1 and 0 <= float(row["test_accuracy"]) <= 1
    expected = {name: list(range(1, knobs["train.epochs"] + 1)) for name, knobs in PUBLISHED.items()}
    assert {name: n for preset in expected for name, n in epochs.items() if name.startswith(preset + "_")} == epochs
    assert sorted(epochs.values()) == sorted(expected.values())
