"""The check of a configuration: every value in its range, everything else refused on one line."""

import math
import re

import hypothesis
import pytest
from configurations import is_one_line, value_of, with_value
from hydra import compose
from hypothesis import strategies as st
from omegaconf import OmegaConf

from runner.config.checks import checked
from runner.config.schema import unknown_key
from runner.errors import ConfigError

pytest_plugins = "composing"

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


@pytest.fixture(scope="module")
def plain(hydra_is_started):
    """A configuration that has every knob of what ships."""
    return OmegaConf.to_container(compose("config", ["optimizer=momentum"]))


@pytest.mark.parametrize("key", INTEGERS)
@few_examples
@hypothesis.given(data=st.data())
def test_an_integer_in_its_range_passes(key, data, plain):
    low, high, _ = INTEGERS[key]
    value = data.draw(st.sampled_from([low, high]) | st.integers(low, high))
    assert value_of(checked(with_value(plain, key, value)), key) == value


@pytest.mark.parametrize("key", INTEGERS)
@few_examples
@hypothesis.given(data=st.data())
def test_an_integer_outside_its_range_is_refused_with_the_range(key, data, plain):
    low, high, text = INTEGERS[key]
    near = st.sampled_from([low - 1, high + 1])
    value = data.draw(near | st.integers(max_value=low - 1) | st.integers(min_value=high + 1))
    with pytest.raises(ConfigError, match=re.escape(f"{key}={value}"[:40])) as error:
        checked(with_value(plain, key, value))
    assert str(error.value).endswith(f"allowed is {text}") and is_one_line(error)


@pytest.mark.parametrize("key", NUMBERS)
@few_examples
@hypothesis.given(data=st.data())
def test_a_number_in_its_range_passes(key, data, plain):
    low, high, _ = NUMBERS[key]
    value = data.draw(st.sampled_from([low, high]) | st.floats(low, high))
    assert value_of(checked(with_value(plain, key, value)), key) == value


@pytest.mark.parametrize("key", NUMBERS)
@few_examples
@hypothesis.given(data=st.data())
def test_a_number_outside_its_range_or_not_finite_is_refused_with_the_range(key, data, plain):
    low, high, text = NUMBERS[key]
    near = st.sampled_from(
        [math.nextafter(low, -1), math.nextafter(high, math.inf), math.nan, math.inf, -math.inf]
    )
    value = data.draw(near | st.floats().filter(lambda v: not low <= v <= high))
    with pytest.raises(ConfigError, match=f"^{re.escape(key)}={re.escape(str(value))}: ") as error:
        checked(with_value(plain, key, value))
    assert str(error.value).endswith(f"allowed is {text}")


@pytest.mark.parametrize("key", [*INTEGERS, *NUMBERS])
@pytest.mark.parametrize("value", ["many", None, [1], {"a": 1}], ids=repr)
def test_what_is_no_number_is_refused_with_the_range(key, value, plain):
    with pytest.raises(ConfigError, match=f"^{re.escape(key)}") as error:
        checked(with_value(plain, key, value))
    is_of_schema = key.partition(".")[0] not in ("data", "model", "optimizer")
    told = {**INTEGERS, **NUMBERS}[key][2] in str(error.value)
    assert told or (value == {"a": 1} and is_of_schema)
    assert is_one_line(error)


@pytest.mark.parametrize("key", INTEGERS)
@pytest.mark.parametrize("value", [1.0, "1.0", 2.5, True], ids=repr)
def test_an_integer_knob_refuses_fractions_and_booleans(key, value, plain):
    with pytest.raises(ConfigError, match=f"^{re.escape(key)}.*allowed is an integer"):
        checked(with_value(plain, key, value))


@pytest.mark.parametrize("key", BOOLEANS)
@pytest.mark.parametrize("value", [0, 1, 2, "yes", "true", "", None, [True]], ids=repr)
def test_a_boolean_knob_takes_nothing_that_merely_resembles_one(key, value, plain):
    with pytest.raises(ConfigError, match=f"^{re.escape(key)}=.*allowed is true or false"):
        checked(with_value(plain, key, value))


@pytest.mark.parametrize("key", BOOLEANS)
@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_knob_takes_true_and_false(key, value, plain):
    assert value_of(checked(with_value(plain, key, value)), key) is value


@pytest.mark.parametrize("workers", [-1, 1, 1024])
def test_workers_are_a_number_or_one_a_core(workers, plain):
    assert checked(with_value(plain, "runner.workers", workers)).runner.workers == workers


@pytest.mark.parametrize("workers", [0, -2, 1025])
def test_other_numbers_of_workers_are_refused(workers, plain):
    with pytest.raises(
        ConfigError, match=f"^runner.workers={workers}: allowed is an integer from 1 to 1024, or -1"
    ):
        checked(with_value(plain, "runner.workers", workers))


@pytest.mark.parametrize(
    "blocks", [None, [[1]], [[16, 16], [32, 32]], [[4096]] * 8, [[1] * 16]], ids=repr
)
def test_blocks_are_lists_of_channel_counts(blocks, plain):
    assert checked(with_value(plain, "model.blocks", blocks)).model["blocks"] == blocks


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [[]],
        3,
        "x",
        [[0]],
        [[-1]],
        [[4097]],
        [[1.5]],
        [["a"]],
        [[None]],
        [[True]],
        [[1]] * 9,
        [[1] * 17],
    ],
    ids=repr,
)
def test_other_blocks_are_refused_with_an_example_of_good_ones(blocks, plain):
    with pytest.raises(
        ConfigError, match=r"^model\.blocks[=:].*allowed is null, or 1 to 8 blocks.*\[\[16,16\]"
    ) as e:
        checked(with_value(plain, "model.blocks", blocks))
    assert is_one_line(e)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("device", "tpu", "auto, cpu, gpu"),
        ("device", "GPU", "auto, cpu, gpu"),
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
    ],
)
def test_other_texts_are_refused_with_what_is_allowed(key, value, allowed, plain):
    with pytest.raises(ConfigError, match=f"^{re.escape(key)}=") as error:
        checked(with_value(plain, key, value))
    assert allowed in str(error.value).partition("allowed is ")[2] and is_one_line(error)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "uri", [None, "sqlite:///a.db", "http://127.0.0.1:5000", "https://h", "postgresql+x://u@h/d"]
)
def test_a_store_is_a_database_or_a_server(uri, plain):
    assert checked(with_value(plain, "tracking.uri", uri)).tracking.uri == uri


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
    assert f"{key}: there is no such knob; did you mean {hint}?" in unknown_key(key)


def test_a_key_like_no_other_gets_no_hint():
    assert "did you mean" not in unknown_key("zzzzqqqq")


@pytest.mark.parametrize("key", ["train.x", "x"])
def test_a_key_that_was_added_to_what_hydra_composed_is_refused(key, plain):
    with pytest.raises(ConfigError, match=f"^{re.escape(key)}: there is no such knob"):
        checked(with_value(plain, key, "os.system"))


@pytest.mark.parametrize("key", ["train.epochs", "model.channels"])
def test_a_knob_without_a_value_is_refused(key, plain):
    with pytest.raises(
        ConfigError, match=f"^{re.escape(key)}: has no value; allowed is {INTEGERS[key][2]}"
    ):
        checked(with_value(plain, key, "???"))
