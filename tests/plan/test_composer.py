"""Cells that share a composition are what Hydra composes of each, whatever overrides they have."""

import contextlib
import itertools

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.types import RunMode
from omegaconf import OmegaConf

from runner import app
from runner.config.checks import checked
from runner.errors import ConfigError
from runner.plan.cells import composer
from runner.plan.cells.composer import N_COMPARED, Composer

pytest_plugins = "own_folder"

NET = """
    class Net:
        def __init__(self, width, depth=1, name="a"):
            pass
"""


class Loader(ConfigLoaderImpl):
    """Hydra's, which keeps what it composed of each cell."""

    def __init__(self):
        super().__init__(create_config_search_path(str(app.FOLDER / "conf")))
        self.composed = {}

    def load_sweep_config(self, master_config, sweep_overrides):
        config = super().load_sweep_config(master_config, sweep_overrides)
        choices = OmegaConf.to_container(config.hydra.runtime.choices)
        with contextlib.suppress(ConfigError):
            self.composed[tuple(sweep_overrides)] = choices, checked(config)
        return config


class Sweep:
    """The cells of a grid of spellings, and what Hydra composes of each."""

    def __init__(self, *grid, cells=None):
        self.loader = Loader()
        self.primary = self.loader.load_configuration("config", [], RunMode.MULTIRUN)
        self.spelled = cells or [
            {word.partition("=")[0].lstrip("+~"): word for word in words}
            for words in itertools.product(*grid)
        ]
        swept = [k for k in self.spelled[0] if len({of.get(k) for of in self.spelled}) > 1]
        self.composer = Composer(self.loader, self.primary, 3, swept)

    def made(self):
        return self.composer.cells(self.spelled)

    def by_hydra(self, spelled):
        """The options that Hydra chose for a cell, and its configuration."""
        words = (*spelled.values(), "seed=3")
        if words not in self.loader.composed:
            self.loader.load_sweep_config(self.primary, list(words))
        return self.loader.composed[words]

    def check(self, n_choices):
        """Each cell is Hydra's, and Hydra composed each choice once, and a sample."""
        made, n_by_hydra = self.made(), self.composer.n_by_hydra
        for of, spelled in zip(made, self.spelled, strict=True):
            choices, config = self.by_hydra(spelled)
            # Types, too: true is no 1, and 5 is no 5.0.
            assert (of.choices, repr(of.config)) == (choices, repr(config))
        assert [of.is_shared for of in made].count(False) == n_choices
        assert n_by_hydra == n_choices + min(N_COMPARED, len(made) - n_choices)
        return made


def words(key, *values):
    return [f"{key}={value}" for value in values]


CHANNELS = words("model.channels", 1, 30)
DROPOUT = words("model.dropout", "true", "false")


#: A grid, and how many choices it has.
GRIDS = {
    "integers and booleans": ([CHANNELS, DROPOUT], 1),
    "numbers": ([words("optimizer.lr", "1e-3", "0.001", "1", "2")], 1),
    "a type of the schema": ([words("runner.time_limit_s", "5", "5.0", "0")], 1),
    "null": ([words("data.n_train", "null", "50", "null")], 1),
    "texts": ([words("runner.root", "a", "'b c'", '"d=e,f"')], 1),
    "a number in quotes": ([words("train.epochs", "'2'", "3")], 1),
    "a nested knob": ([words("optimizer.schedule.warmup_epochs", "0", "1.5", "2")], 1),
    "a knob that a variable gives": ([words("tracking.uri", "null", "sqlite:///a.db")], 1),
    "options of a group": ([words("model", "cnn", "mlp"), DROPOUT], 2),
    "a value before an option": ([words("model.fc_depth", 1, 2), words("model", "cnn", "mlp")], 2),
    "presets, with a value over them": (
        [words("preset", "conv30", "book_mlp"), words("model.hidden_size", 5, 6)],
        2,
    ),
    "lists": ([words("model.blocks", "null", "[[4]]", "[[4],[8,8]]"), DROPOUT], 3),
    "dictionaries": ([words("optimizer.schedule", "{kind:cosine}", "{kind:step,at:[2]}")], 2),
    "a dictionary, then a value in it": ([words("model", "{channels:5}"), CHANNELS], 2),
    "a value, then a dictionary over it": ([CHANNELS, words("model", "{channels:5}")], 2),
    "a dictionary beside a value": ([words("optimizer", "{lr:0.5}"), CHANNELS], 1),
    "+": ([["+metrics={val/f1:mine.f1}"], CHANNELS], 1),
    "++": ([["++model.channels=1", "++model.channels=2"], DROPOUT], 2),
    "~": ([["~claims.thirty_channels_win"], CHANNELS], 1),
    "an interpolation": ([words("runner.workers", "${train.epochs}", 2), DROPOUT], 3),
    "an escaped interpolation": ([words("runner.root", r"'\${x}'", "y")], 2),
}


@pytest.mark.parametrize("name", GRIDS)
def test_cells_are_those_of_hydra_and_it_composes_each_choice_once(name):
    grid, n_choices = GRIDS[name]
    Sweep(*grid).check(n_choices)


def test_listed_cells_that_give_values_to_other_keys_share_nothing():
    cells = [{"model.channels": "model.channels=4"}, {"optimizer.lr": "optimizer.lr=0.1"}]
    cells += [{"model.channels": "model.channels=5"}, {}, {"preset": "preset=conv1"}]
    made = Sweep(cells=cells).check(n_choices=4)
    assert [of.config.model["channels"] for of in made] == [4, 30, 5, 30, 1]
    assert made[1].config.optimizer["lr"] == 0.1 and made[2].config.optimizer["lr"] == 0.001


def test_hundreds_of_cells_are_composed_once_for_each_choice():
    grid = [words("model", "cnn", "mlp"), words("model.hidden_size", *range(1, 101)), DROPOUT]
    sweep = Sweep(*grid)
    made = sweep.made()
    assert sweep.composer.n_by_hydra == 2 + N_COMPARED
    assert [(of.knobs["model"], of.config.model["hidden_size"]) for of in made[::2]] == [
        (model, size) for model in ("cnn", "mlp") for size in range(1, 101)
    ]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ([words("model.channels", 1, 0)], r"^model\.channels=0: allowed is an integer from 1 "),
        ([words("train.epochs", 1, "a")], r"^train\.epochs: .* 'a' .*; allowed is an integer "),
        ([words("model.chanels", 1, 2)], "did you mean model.channels"),
        ([words("optimizer.schedule", "1", "2")], r"^optimizer\.schedule=1: allowed are "),
        ([words("optimizer.schedule.kind", "cosine", "step")], r"^optimizer\.schedule\.at=\[\]"),
        ([words("model.kind", "a", "b")], "choose a file of conf/model/"),
        ([words("train.epochs", 1, "???")], "^train.epochs: has no value"),
    ],
)
def test_a_value_that_may_not_be_is_refused_as_in_a_cell_of_hydras(grid, message):
    with pytest.raises(ConfigError, match=message):
        Sweep(*grid).made()


def test_a_model_of_ones_own_has_its_knobs_set_and_what_depends_on_them_is_composed(own):
    own("mine.py", NET)
    own("conf/model/plain.yaml", "{_target_: mine.Net, width: '???', name: a}")
    own("conf/model/tied.yaml", "{_target_: mine.Net, width: 2, depth: '${.width}'}")
    own("conf/model/far.yaml", "{_target_: mine.Net, width: 2, depth: '${train.epochs}'}")
    widths = words("model.width", 4, 6, 8)
    Sweep(["model=plain"], widths[:2], words("model.name", "x", "1")).check(n_choices=1)
    tied = Sweep(["model=tied"], widths).check(n_choices=3)
    far = Sweep(["model=far"], words("train.epochs", 1, 2)).check(n_choices=2)
    mixed = Sweep(words("model", "plain", "tied"), widths).check(n_choices=4)
    assert [of.config.model["depth"] for of in tied] == [4, 6, 8]
    assert [of.config.model["depth"] for of in far] == [1, 2]
    assert [of.is_shared for of in mixed] == [False, True, True, False, False, False]


def test_where_the_sample_differs_every_cell_is_composed(monkeypatch):
    monkeypatch.setattr(composer, "_with", lambda whole, key, value: whole)  # sets nothing
    made = Sweep(CHANNELS, DROPOUT).made()
    assert not any(of.is_shared for of in made)
    assert [of.config.model["channels"] for of in made] == [1, 1, 30, 30]
