"""Identity: the same numbers have the same key, other numbers another, and nothing else matters."""

import copy
import hashlib

import hypothesis
import pytest
from configs import configured, section_of_its_own, set_knob
from hydra import compose
from hypothesis import strategies as st

from runner.config.checks import checked
from runner.config.schema import KNOBS, leaves
from runner.plan import fingerprint, identity
from runner.record import CODE_OF_VERSION_1, Claim

pytest_plugins = "composing"

DATA = ("digits", "ab" * 32)
CLAIM = Claim("a", "model.dropout", "final(test/accuracy)", "less", 0.1, levels=[True, False])


@pytest.fixture(scope="module")
def plain(hydra_is_started):
    return checked(compose("config"))


def changed(base, **values):
    """The configuration with other values, `model__channels` for `model.channels`, and files.

    What the chosen file has not is left out.
    """
    made = copy.deepcopy(base)
    for section in ("model", "optimizer"):
        if section in values:
            setattr(made, section, getattr(configured({section: values.pop(section)}), section))
    for key, value in values.items():
        name = key.replace("__", ".")
        if name in dict(leaves(made)) or not KNOBS[name].is_argument:
            set_knob(made, name, value)
    return made


def with_own(base, section, target, **arguments):
    """The configuration with a part of the user's own."""
    made = copy.deepcopy(base)
    section_of_its_own(made, section, target, **arguments)
    return made


def of(made, device="cpu", data=DATA):
    return identity.identity(made, *data, device)


def key(made, **where):
    return identity.run_key(of(made, **where))


#: Result-bearing knobs, and values that a configuration may have.
EFFECTIVE = {
    "seed": st.integers(0, 2**63 - 1),
    "model": st.sampled_from(["cnn", "mlp"]),
    "model__channels": st.integers(1, 4096),
    "model__blocks": st.none()
    | st.lists(st.lists(st.integers(1, 64), min_size=1, max_size=3), min_size=1, max_size=3),
    "model__hidden_size": st.integers(1, 65536),
    "model__fc_depth": st.integers(0, 16),
    "model__dropout": st.booleans(),
    "model__dropout_ratio": st.floats(0, 1, exclude_max=True).filter(lambda v: v >= 0),
    "data__normalize": st.booleans(),
    "data__n_train": st.none() | st.integers(1, 60_000),
    "data__label_noise": st.floats(0, 1),
    "data__validation": st.integers(0, 60_000),
    "optimizer": st.sampled_from(["adam", "sgd", "momentum"]),
    "optimizer__lr": st.floats(0, 100, exclude_min=True),
    "optimizer__weight_decay": st.floats(0, 1),
    "optimizer__decoupled_decay": st.booleans(),
    "optimizer__clip_grad": st.none() | st.floats(0, 100, exclude_min=True),
    "optimizer__schedule__kind": st.sampled_from(["constant", "step", "cosine"]),
    "optimizer__schedule__at": st.lists(st.integers(1, 9), unique=True).map(sorted),
    "optimizer__schedule__factor": st.floats(0, 1, exclude_min=True),
    "optimizer__schedule__warmup_epochs": st.floats(0, 100),
    "optimizer__momentum": st.floats(0, 1, exclude_max=True),
    "optimizer__beta1": st.floats(0, 1, exclude_max=True),
    "optimizer__beta2": st.floats(0, 1, exclude_max=True),
    "optimizer__eps": st.floats(0, 1, exclude_min=True),
    "train__epochs": st.integers(1, 10_000),
    "train__batch_size": st.integers(1, 1_000_000),
}
#: Knobs that no number depends on, given the data and the device that are really used.
INDIFFERENT = {
    "device": st.sampled_from(["auto", "cpu", "gpu"]),
    "plan": st.booleans(),
    "progress": st.booleans(),
    "claims": st.sampled_from([{}, {"c": CLAIM}]),
    "data__name": st.sampled_from(["mnist", "digits"]),
    "data__root": st.none() | st.text(min_size=1),
    "data__allow_fallback": st.booleans(),
    "tracking__uri": st.none() | st.text(min_size=1),
    "tracking__experiment": st.text(min_size=1),
    "runner__root": st.none() | st.text(min_size=1),
    "runner__workers": st.integers(1, 1024),
    "runner__check_card": st.booleans(),
    "runner__language": st.sampled_from(["auto", "en", "ja"]),
    "runner__checkpoint_every_s": st.floats(0, 86400),
    "runner__time_limit_s": st.floats(0, 1e9),
    "runner__fail_fast": st.booleans(),
    "runner__detach": st.booleans(),
    "runner__keep": st.sampled_from(["auto", "always", "never"]),
    "sweep__design": st.sampled_from(["grid", "one_at_a_time", "fraction"]),
    "sweep__around": st.none() | st.just({"model.channels": 1}),
    "sweep__cells": st.none() | st.just([{"model.channels": 1}]),
    "sweep__resolution": st.integers(3, 5),
    "sweep__n_cells": st.none() | st.sampled_from([8, 16]),
    "sweep__seeds": st.sampled_from(["fixed", "until_decided"]),
    "sweep__max_seeds": st.integers(10, 1000),
    "sweep__max_minutes": st.floats(0, 1000),
    "worker__plan": st.none() | st.text(),
    "worker__launch": st.none() | st.text(),
    "worker__threads": st.integers(1, 4096),
    "engine__graph": st.booleans(),
    "engine__streams": st.integers(0, 64),
}


def test_every_knob_either_bears_on_results_or_does_not():
    files = {"model": "model.kind", "optimizer": "optimizer.name"}
    names = [files.get(name, name.replace("__", ".")) for name in (*EFFECTIVE, *INDIFFERENT)]
    of_their_own = {"engine.name", "engine.tf32", "data.augment", "metrics"}
    assert of_their_own.union(names) == set(KNOBS)


@hypothesis.given(
    values=st.fixed_dictionaries(EFFECTIVE), others=st.fixed_dictionaries(INDIFFERENT)
)
def test_the_key_does_not_depend_on_what_no_number_depends_on(values, others, plain):
    made = changed(plain, **values)
    assert key(changed(made, **others)) == key(made)


def effect(values):
    """What a network and its training are made of, written down without runner.plan.identity."""
    v = {name.rpartition("__")[2]: value for name, value in values.items()}
    blocks = None if v["model"] == "mlp" else (v["blocks"] or [[v["channels"]]])
    dropout = v["dropout_ratio"] if v["dropout"] and v["fc_depth"] else None
    return (
        *(
            v["seed"],
            v["model"],
            blocks,
            v["fc_depth"],
            v["hidden_size"] if v["fc_depth"] else None,
            dropout,
        ),
        *(
            v["normalize"],
            v["n_train"],
            v["label_noise"],
            v["validation"],
            v["optimizer"],
            v["lr"],
            v["weight_decay"],
            v["decoupled_decay"] and v["weight_decay"] > 0,
            v["clip_grad"],
            v["momentum"] if v["optimizer"] == "momentum" else None,
            [v["beta1"], v["beta2"], v["eps"]] if v["optimizer"] == "adam" else None,
        ),
        *(v["kind"], [v["at"], v["factor"]] if v["kind"] == "step" else None, v["warmup_epochs"]),
        *(v["epochs"], v["batch_size"]),
    )


@hypothesis.settings(max_examples=300)
@hypothesis.given(values=st.fixed_dictionaries(EFFECTIVE), data=st.data())
def test_the_key_changes_exactly_when_a_knob_that_has_an_effect_changes(values, data, plain):
    name = data.draw(st.sampled_from(sorted(EFFECTIVE)))
    others = values | {name: data.draw(EFFECTIVE[name])}
    same = effect(values) == effect(others)
    assert (key(changed(plain, **values)) == key(changed(plain, **others))) is same


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 1),
        ("model", "mlp"),
        ("model__channels", 29),
        ("model__blocks", [[30], [30]]),
        ("model__hidden_size", 101),
        ("model__fc_depth", 2),
        ("model__dropout", False),
        ("model__dropout_ratio", 0.25),
        ("data__normalize", False),
        ("data__n_train", 100),
        ("data__label_noise", 0.1),
        ("data__validation", 1),
        ("data__augment", "mine.flipped"),
        ("metrics", {"test/f1": "mine.f1"}),
        ("optimizer", "sgd"),
        ("optimizer__lr", 0.002),
        ("optimizer__weight_decay", 0.0),
        ("optimizer__decoupled_decay", True),
        ("optimizer__clip_grad", 1.0),
        ("optimizer__schedule__kind", "cosine"),
        ("optimizer__schedule__warmup_epochs", 1.0),
        ("optimizer__beta1", 0.8),
        ("optimizer__beta2", 0.99),
        ("optimizer__eps", 1e-7),
        ("train__epochs", 6),
        ("train__batch_size", 50),
        ("engine__name", "another"),
    ],
)
def test_each_knob_alone_makes_another_run(name, value, plain):
    assert key(changed(plain, **{name: value})) != key(plain)


def test_other_data_and_another_kind_of_device_make_another_run(plain):
    keys = {
        key(plain),
        key(plain, device="gpu"),
        key(plain, data=("mnist", DATA[1])),
        key(plain, data=("digits", "0")),
    }
    assert len(keys) == 4


def test_rounded_products_make_another_run_where_there_are_any(plain):
    assert key(changed(plain, engine__tf32=True), device="gpu") != key(plain, device="gpu")
    assert key(changed(plain, engine__tf32=True)) == key(plain)
    stock = changed(plain, engine__name="stock")
    assert key(changed(stock, engine__tf32=True), device="gpu") == key(stock, device="gpu")


def test_other_code_makes_another_run(plain, monkeypatch):
    keys = set()
    for name in (CODE_OF_VERSION_1, "ab" * 32, "cd" * 32):
        monkeypatch.setattr(fingerprint, "code_name", lambda device, name=name: name)
        keys.add(key(plain))
    assert len(keys) == 3


def test_the_code_of_version_1_stands_in_a_key_as_it_stood_in_version_1(plain, monkeypatch):
    monkeypatch.setattr(fingerprint, "code_name", lambda device: CODE_OF_VERSION_1)
    assert of(plain)["training_version"] == 1 and "code" not in of(plain)
    monkeypatch.setattr(fingerprint, "code_name", lambda device: "ab" * 32)
    assert of(plain)["code"] == "ab" * 32 and "training_version" not in of(plain)


def test_the_code_of_a_device_is_that_device_s(plain, monkeypatch):
    monkeypatch.setattr(fingerprint, "code_name", lambda device: f"the code for {device}")
    assert [of(plain, device=device)["code"] for device in ("cpu", "gpu")] == [
        "the code for cpu",
        "the code for gpu",
    ]


@pytest.mark.parametrize("section", ["model", "optimizer"])
def test_the_code_of_a_part_of_ones_own_counts_for_that_part(section, plain, monkeypatch):
    own, keys = with_own(plain, section, "mine.Own"), []
    for name in ("ab" * 32, "cd" * 32):
        monkeypatch.setattr(fingerprint, "own_fingerprint", lambda targets, name=name: name)
        keys.append((key(plain), key(own)))
    (shipped, first), (shipped_still, second) = keys
    assert shipped == shipped_still and first != second


def test_data_of_ones_own_count_by_their_bytes_and_not_by_the_code_that_reads_them(
    plain, monkeypatch
):
    own = with_own(plain, "data", "mine.load", path="faces.npz")
    first = key(own)
    monkeypatch.setattr(fingerprint, "own_fingerprint", lambda targets: "ab" * 32)
    assert key(own) == first != key(own, data=(DATA[0], "cd" * 32))


@pytest.mark.parametrize(
    ("values", "absent"),
    [
        ({}, ["channels"]),
        ({"model": "mlp"}, ["channels", "blocks"]),
        ({"model__dropout": False}, ["channels", "dropout_ratio"]),
        ({"model__fc_depth": 0}, ["channels", "hidden_size", "dropout", "dropout_ratio"]),
    ],
)
def test_a_knob_without_effect_is_null(values, absent, plain):
    model = of(changed(plain, **values))["model"]
    assert [name for name, value in model.items() if value is None and name != "options"] == absent


@pytest.mark.parametrize(
    ("optimizer", "momentum"), [("adam", None), ("sgd", None), ("momentum", 0.9)]
)
def test_momentum_counts_for_the_optimizer_that_has_it(optimizer, momentum, plain):
    assert of(changed(plain, optimizer=optimizer))["optimizer"]["momentum"] == momentum


@pytest.mark.parametrize("section", ["data", "model", "optimizer"])
def test_every_knob_of_a_part_of_ones_own_counts_and_so_does_its_import_path(section, plain):
    given = {"width": 3, "sizes": [1, 2], "deep": {"a": 1, "b": {"c": None}}}
    others = [
        ("mine.Own", given),
        ("mine.Other", given),
        ("other.Own", given),
        ("mine.Own", given | {"width": 4}),
        ("mine.Own", given | {"width": None}),
        ("mine.Own", given | {"sizes": [2, 1]}),
        ("mine.Own", given | {"deep": {"a": 1, "b": {"c": 2}}}),
        ("mine.Own", given | {"one": "more"}),
    ]
    keys = [key(with_own(plain, section, target, **values)) for target, values in others]
    assert len(set(keys)) == len(others)
    assert key(with_own(plain, section, *others[0][:1], **dict(reversed(given.items())))) == keys[0]


def test_a_knob_with_the_name_of_one_that_ships_counts_for_a_model_of_ones_own(plain):
    keys = {
        key(with_own(plain, "model", "mine.Own", fc_depth=0, dropout=dropout, channels=n))
        for dropout in (True, False)
        for n in (1, 2)
    }
    assert len(keys) == 4


@hypothesis.given(seeds=st.lists(st.integers(0, 2**63 - 1), min_size=2, max_size=2, unique=True))
def test_the_cell_is_the_run_without_its_seed(seeds, plain):
    one, two = (of(changed(plain, seed=seed)) for seed in seeds)
    assert identity.cell_key(one) == identity.cell_key(two)
    assert identity.run_key(one) != identity.run_key(two)
    assert identity.cell_key(one) != identity.cell_key(of(changed(plain, train__epochs=1)))


def test_the_order_in_which_a_dictionary_was_filled_does_not_matter(plain):
    found = of(plain)
    assert identity.run_key(dict(reversed(found.items()))) == identity.run_key(found)


@pytest.mark.parametrize("name", ["optimizer__weight_decay", "model__dropout_ratio"])
def test_minus_zero_is_zero(name, plain):
    assert key(changed(plain, **{name: -0.0})) == key(changed(plain, **{name: 0.0}))


SPELLINGS = [
    "optimizer.lr=0.001",
    "model.channels=30",
    "train.epochs=5",
    "model.dropout=true",
    "data=digits",
]
OTHER_SPELLINGS = [
    "optimizer.lr=1e-3",
    "model={channels: 30}",
    "train={epochs: 5}",
    "model.dropout=True",
    "data=digits",
]


@hypothesis.settings(max_examples=10)
@hypothesis.given(
    order=st.permutations(range(5)), other=st.lists(st.booleans(), min_size=5, max_size=5)
)
def test_the_order_and_the_spelling_of_what_was_typed_do_not_matter(order, other, plain):
    typed = [(OTHER_SPELLINGS if other[n] else SPELLINGS)[n] for n in order]
    assert key(checked(compose("config", typed))) == key(plain)


@pytest.mark.parametrize(
    "typed",
    [
        ["optimizer=adam"],
        ["sweeps=smoke", "data=mnist", "model.channels=30"],
        ["progress=false", "seed=0"],
    ],
)
def test_what_was_typed_for_nothing_does_not_matter(typed, plain):
    made = checked(compose("config", typed))
    same = changed(
        plain, model__hidden_size=made.model["hidden_size"], train__epochs=made.train.epochs
    )
    assert key(made) == key(same)


def test_a_key_is_the_sha256_of_canonical_json():
    # Pinned bytes: another way of writing them would orphan everything that was ever trained.
    canonical = b'{"a":"\\u00fc","b":[1,2.5,null]}'
    assert (
        identity.run_key({"b": [1, 2.5, None], "a": "\u00fc"})
        == hashlib.sha256(canonical).hexdigest()
    )
