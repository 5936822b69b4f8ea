"""The sections that name what makes them: their knobs are the arguments of a signature."""

import inspect
import math
import re

import pytest
from configurations import is_one_line
from hydra import compose
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import OmegaConf

from runner.config import overrides, parts
from runner.config.checks import LONGEST_PARAMETER, checked
from runner.config.schema import knobs_of, leaves, options, recorded
from runner.errors import ConfigError

pytest_plugins = ("composing", "own_folder")

LENET = '''
from runner import Model

class LeNet(Model):
    """A net.

    Parameters
    ----------
    width
        Channels of the first convolution.
    """

    def __init__(self, width=6, activation: str = "relu", n_classes=10, engine=None):
        super().__init__()
        self.given = dict(width=width, activation=activation, n_classes=n_classes, engine=engine)
'''


@pytest.fixture(scope="module")
def plain(hydra_is_started):
    return OmegaConf.to_container(compose("config"))


def with_part(plain, section, target, **values):
    """A composed configuration whose section comes from a file of the user's."""
    base = {k: plain[section][k] for k in options(section) if k in plain[section]}
    return OmegaConf.create(plain | {section: base | {parts.TARGET: target} | values})


@pytest.fixture
def lenet(own, plain):
    """Call with the values of conf/model/lenet.yaml for the checked configuration."""
    own("mine.py", LENET)
    return lambda **values: checked(with_part(plain, "model", "mine.LeNet", **values))


@pytest.fixture
def of_signature(own, plain):
    """Call with a signature's parameters, and values that a file gives for them."""

    def make(signature, **values):
        own("mine.py", f"def Net({signature}): pass")
        return checked(with_part(plain, "model", "mine.Net", **values))

    return make


# Names


@pytest.mark.parametrize(
    ("section", "target", "name", "ships"),
    [
        ("model", "runner.models.cnn.CNN", "cnn", True),
        ("model", "runner.models.mlp.MLP", "mlp", True),
        ("model", "mine.LeNet", "LeNet", False),
        ("model", "nets.deep.cnn", "cnn", False),
        ("data", "runner.data.sets.mnist5k", "mnist5k", True),
        ("data", "mine.load", "load", False),
        ("optimizer", "dezero.optimizers.MomentumSGD", "momentum", True),
        ("optimizer", "dezero.optimizers.AdaGrad", "AdaGrad", False),
    ],
)
def test_a_part_has_the_name_of_its_file_or_of_its_class(section, target, name, ships):
    values = {parts.TARGET: target}
    assert (parts.label(section, values), parts.ships(section, values)) == (name, ships)
    assert parts.target_of(section, name) == (target if ships else None) or name == "cnn"


@pytest.mark.parametrize("section", parts.SECTIONS)
def test_what_ships_can_be_imported_and_has_the_arguments_that_its_file_gives(section):
    for target in parts.SECTIONS[section].shipped:
        found = parts.imported(section, target)
        known = parts.signature_of(target)
        assert known.parameters.keys() == inspect.signature(found).parameters.keys()
        assert found.__name__ == target.rpartition(".")[2]


def test_a_part_of_ones_own_has_its_name_its_knobs_and_what_its_source_says_of_them(lenet):
    config = lenet(width=4, activation="tanh")
    values = {n: v for n, v in leaves(config) if n.startswith("model.")}
    assert values == {"model.kind": "LeNet", "model.width": 4, "model.activation": "tanh"}
    assert recorded(config).items() >= values.items()
    known = knobs_of(config)
    assert known["model.width"].comment == "Channels of the first convolution."
    assert known["model.activation"].comment == "Of mine.LeNet (mine.py, line 4)."
    for name in ("model.width", "model.activation"):
        assert known[name].bears_on_numbers and known[name].shown and known[name].is_effective({})


def test_a_parameter_may_not_have_the_key_of_the_name(of_signature):
    with pytest.raises(ConfigError, match=r"^model\.kind: under this key the name of "):
        of_signature("kind='a'", kind="b")


# Arguments


def test_a_part_is_made_with_its_arguments_and_what_the_program_offers(lenet):
    config = lenet(width=4)
    offered = {"engine": "an engine", "n_classes": 3, "other": 1}
    made = parts.make("model", config.model, offered)
    assert made.given == dict(width=4, activation="relu", n_classes=3, engine="an engine")


def test_what_a_signature_has_not_is_not_offered_to_it(of_signature):
    config = of_signature("width", width=3)
    assert parts.make("model", config.model, {"engine": 1, "n_classes": 2}) is None


def test_options_and_names_are_no_arguments(plain):
    config = checked(OmegaConf.create(plain))
    assert parts.arguments("optimizer", config.optimizer, options("optimizer")) == {
        **{"alpha": 0.001, "beta1": 0.9},
        **{"beta2": 0.999, "eps": 1e-8},
    }
    assert parts.arguments("data", config.data, options("data")) == {
        "root": None,
        "allow_fallback": True,
    }
    assert set(parts.arguments("model", config.model, options("model"))) == {
        *("channels", "blocks", "hidden_size", "fc_depth", "dropout", "dropout_ratio")
    }


@pytest.mark.parametrize(
    ("name", "argument"), [("Adam", "alpha"), ("SGD", "lr"), ("AdaGrad", "lr"), ("AdaDelta", None)]
)
def test_the_learning_rate_goes_to_the_argument_that_an_optimizer_has_for_it(name, argument, plain):
    composed = with_part(plain, "optimizer", f"dezero.optimizers.{name}", lr=0.25)
    if argument is None:
        with pytest.raises(ConfigError, match=r"^optimizer\.lr: dezero.* has no lr; it has rho, "):
            checked(composed)
        return
    values = checked(composed).optimizer
    assert parts.arguments("optimizer", values, options("optimizer")) == {argument: 0.25}


def test_one_argument_under_two_names_is_refused(plain):
    composed = with_part(plain, "optimizer", "dezero.optimizers.Adam", lr=0.25, alpha=0.5)
    with pytest.raises(ConfigError, match=r"^optimizer\.alpha: it is optimizer\.lr; give it once$"):
        checked(composed)


def test_of_the_values_of_an_older_plan_a_part_keeps_those_that_it_has():
    values = {"kind": "mlp", "channels": 3, "fc_depth": 2, "options": {}}
    kept = parts.having("model", "runner.models.mlp.MLP", values, options("model"))
    assert kept == {parts.TARGET: "runner.models.mlp.MLP", "kind": "mlp", "fc_depth": 2}
    values = {"name": "adam", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0}
    kept = parts.having("optimizer", "dezero.optimizers.Adam", values, options("optimizer"))
    assert kept == {parts.TARGET: "dezero.optimizers.Adam"} | {
        k: v for k, v in values.items() if k != "momentum"
    }


# Refusals


def refused(make, message, *args, **values):
    with pytest.raises(ConfigError, match=message) as error:
        make(*args, **values)
    assert is_one_line(error) and len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"widht": 3},
            r"^model\.widht: mine\.LeNet \(mine\.py, line 4\) has no widht; did you mean",
        ),
        ({"widht": 3}, r"did you mean model\.width\?$"),
        ({"zzz": 3}, r"has no zzz; it has width, activation$"),
        ({"kind": "other"}, r"^model\.kind=other: it is not given; .* conf/model/: model=NAME$"),
        ({"engine": 3}, r"^model\.engine: it is given by the program, not by hand$"),
        ({"n_classes": 3}, r"^model\.n_classes: it is given by the program, not by hand$"),
        ({"activation": 3}, r"^model\.activation=3: allowed is a printable text of 1 to 500"),
        ({"activation": {"a": 3}}, r"^model\.activation=\{'a': 3\}: allowed is a printable text"),
        ({"width": math.nan}, r"^model\.width=nan: allowed is .* finite number"),
        ({"width": {"a": math.inf}}, r"^model\.width.*inf.*: allowed is .* finite number"),
        ({"width": {1: 2}}, r"^model\.width=\{1: 2\}: allowed is .* dictionary"),
        ({"x\ny": 1}, r"^model\.x.y: mine\.LeNet .* has no"),
    ],
)
def test_what_a_signature_does_not_have_or_may_not_be_is_refused(values, message, lenet):
    refused(lenet, message, **values)


def test_a_required_argument_that_no_file_gives_is_named(of_signature):
    refused(
        of_signature,
        r"^model\.depth: mine\.Net \(mine\.py, line 1\) needs it; .* the file of conf/model/$",
        "depth, width=3",
        width=4,
    )
    assert of_signature("depth, width=3", depth=4).model["depth"] == 4
    assert of_signature("engine, n_classes").model["kind"] == "Net"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere.Net", "nowhere.Net: there is no module nowhere; allowed is the import path"),
        ("mine.Nett", r"mine.Nett: mine\.py has no Nett; allowed is the import path of a class"),
        ("broken.Net", r"broken.Net: broken\.py, line 1: "),
        ("Net", r"needs a line _target_: MODULE\.NAME, .*; there is Net$"),
        ("", r"needs a line _target_: MODULE\.NAME"),
        (None, r"needs a line _target_: MODULE\.NAME, .*; there is None$"),
        (3, r"needs a line _target_: MODULE\.NAME, .*; there is 3$"),
    ],
)
@pytest.mark.parametrize("section", parts.SECTIONS)
def test_a_part_that_cannot_be_found_is_refused(section, target, message, own, plain):
    own("mine.py", "def Net(): pass")
    own("broken.py", "def (")
    refused(checked, f"^{section}[:.].*{message}", with_part(plain, section, target))


def test_a_section_without_a_target_is_refused(plain):
    values = {k: v for k, v in plain["model"].items() if k != parts.TARGET}
    refused(
        checked, "^model: .* needs a line _target_", OmegaConf.create(plain | {"model": values})
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module\ndef Net(): pass", "No module named 'no_such_module'"),
        ("from math import nothing as Net", "cannot import name 'nothing'"),
        ("def Net(): pass\ndel Net", "has no Net"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named_with_the_reason(text, message, own):
    own("mine.py", text)
    refused(parts.imported, rf"^model\._target_=mine\.Net: .*{message}", "model", "mine.Net")


def test_keywords_of_any_name_are_taken_where_the_signature_is_open(of_signature):
    config = of_signature("width=1, **others", width=2, anything=[1, {"a": None}])
    assert config.model["anything"] == [1, {"a": None}]


def test_where_the_source_does_not_tell_a_signature_any_name_is_taken(own, plain):
    own("mine.py", "import functools\nNet = functools.partial(dict, b=2)")
    config = checked(with_part(plain, "model", "mine.Net", a=1))
    assert parts.make("model", config.model, {}) == {"a": 1, "b": 2}


# Types


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("int", [0, -3], [1.0, "1", True, None, [1]]),
        ("float", [0, 1.5, -2], ["1", True, None, math.nan, math.inf]),
        ("bool", [True, False], [0, 1, "true", None]),
        ("str", ["a", "a b"], ["", 1, None, "a\nb", "x" * 501]),
        ("int | None", [3, None], [3.0, "", False]),
        ("float | None", [3, None], ["", False]),
        ("list[int]", [[1], 3, "a", None], [math.nan, [math.inf]]),
        ("Optional[int]", [1, None, "a"], [math.nan]),
        ("int | str", [1, "a"], [math.nan]),
    ],
)
def test_an_annotation_says_what_a_knob_may_be(annotation, good, bad, of_signature):
    for value in good:
        found = of_signature(f"n: {annotation} = 1", n=value).model["n"]
        assert found == value
        is_number = annotation.startswith("float") and value is not None
        assert type(found) is (float if is_number else type(value))
    for value in bad:
        refused(of_signature, r"^model\.n=", f"n: {annotation} = 1", n=value)


def test_a_value_that_mlflow_could_never_store_is_refused_before_it_is_trained(of_signature):
    fits = "x" * (LONGEST_PARAMETER - len('""'))
    of_signature("text", text=fits)
    refused(
        of_signature, "^model.text=.*: has 6001 characters, and MLflow", "text", text=fits + "x"
    )


# What is typed


@pytest.mark.parametrize(
    "typed",
    [
        "model._target_=os.system",
        "model={_target_: os.system}",
        "model.width={_target_: os.system}",
        "model.width=[{a: {_target_: os.system}}]",
        "+model._target_=os.system",
        "model.width={'_target_': os.system}",
        "model=cnn,{_target_: os.system}",
        "data._target_=os.system,os.popen",
        "optimizer.schedule._target_.x=1",
    ],
)
@pytest.mark.parametrize("multirun", [True, False])
def test_an_import_path_is_never_typed(typed, multirun):
    with pytest.raises(ConfigError, match=r"_target_") as error:
        overrides.check([typed], multirun)
    assert is_one_line(error)
    told = str(error.value)
    assert "is given in a file of conf/" in told or "cannot be read as KEY=VALUE" in told


def test_an_import_path_that_is_put_together_is_no_import_path(hydra_is_started):
    """What composition makes of an interpolation within a typed value stays a value."""
    typed = ["model.channels={${oc.decode:_tar}get_: os.system}"]
    with pytest.raises(ConfigError):
        overrides.check(typed, multirun=False)
        checked(compose("config", typed))


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("model.widht=3", r"^model\.widht: mine\.LeNet .* did you mean model\.width\?$"),
        ("model.kind=cnn", r"^model\.kind: it is not given; choose a file of conf/model/"),
        (
            "model.activation=tanh",
            r"does not list it; add activation: VALUE there, and it is a knob",
        ),
        ("model.width=3", None),
    ],
)
def test_a_knob_is_typed_where_the_chosen_file_lists_it(
    typed, message, own, hydra_is_started, monkeypatch
):
    own("mine.py", LENET)
    repo = ConfigStore.instance().repo
    monkeypatch.setitem(repo, "model", dict(repo.get("model", {})))
    ConfigStore.instance().store(
        name="lenet_of_a_test", group="model", node={parts.TARGET: "mine.LeNet", "width": 6}
    )
    words = ["model=lenet_of_a_test", typed]
    overrides.check(words, multirun=False)
    if message is None:
        assert checked(compose("config", words)).model["width"] == 3
        return
    with pytest.raises(HydraException) as error:
        compose("config", words)
    assert re.search(message, overrides.one_line(error.value))
