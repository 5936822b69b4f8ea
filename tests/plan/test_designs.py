"""Designs that have not all cells of the grid: which cells they have, and what is refused."""

import dataclasses
import json
from types import SimpleNamespace

import pytest
from configurations import is_one_line
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from runner.config import overrides
from runner.display import designs as display
from runner.errors import ConfigError, StateError
from runner.plan import grid, kept
from runner.plan import plan as plans
from runner.plan.cells import designs
from runner.plan.cells.designs import Design, spelled
from runner.state.root import Root
from runner.system.files import sealed

pytest_plugins = "composing"
pytestmark = pytest.mark.usefixtures("hydra_is_started")

TWO = ["model.channels=1,30", "model.dropout=true,false"]
THREE = [*TWO, "model.fc_depth=1,2"]
SEVEN = [
    *THREE,
    "model.hidden_size=50,100",
    "data.normalize=true,false",
    "optimizer.lr=0.001,0.003",
    "optimizer.weight_decay=1e-4,0",
]


def grid_of(*arguments, **section):
    """The grid of typed overrides, and of values of `sweep` that a sweep's file gives."""
    overrides.check(arguments, multirun=True)
    loader = GlobalHydra.instance().config_loader()
    primary = loader.load_configuration("config", list(arguments), RunMode.MULTIRUN)
    for key, value in section.items():
        OmegaConf.update(primary, f"sweep.{key}", value)
    return grid.compose(loader, primary, {"seed": "0,1"}, list(arguments))


def planned(*arguments, **section):
    found, _ = grid.plan(
        grid_of(*arguments, **section), lambda of: (of.data["name"], "ab" * 32), "cpu", ["python"]
    )
    return found


def levels(found):
    return [tuple(cell.knobs.values()) for cell in found.cells]


def test_one_at_a_time_has_the_base_and_each_other_level_alone():
    found = grid_of("model.channels=1,8,30", *THREE[1:], "sweep.design=one_at_a_time")
    assert levels(found) == [
        (1, True, 1),
        (8, True, 1),
        (30, True, 1),
        (1, False, 1),
        (1, True, 2),
    ]
    assert found.design == Design("one_at_a_time", {**found.cells[0].knobs})


def test_around_moves_the_base():
    found = grid_of(
        *TWO, "sweep.design=one_at_a_time", "sweep.around={model.channels:30,model.dropout:false}"
    )
    assert levels(found) == [(30, False), (1, False), (30, True)]
    assert levels(grid_of(*TWO, design="one_at_a_time", around={"model.channels": 30})) == [
        (30, True),
        (1, True),
        (30, False),
    ]


def test_groups_are_levels_too():
    found = grid_of(
        "model=cnn,mlp",
        "model.dropout=true,false",
        "sweep.design=one_at_a_time",
        "sweep.around={model:mlp}",
    )
    assert levels(found) == [("mlp", True), ("cnn", True), ("mlp", False)]


def test_with_one_knob_one_at_a_time_is_the_grid():
    alone, whole = (planned(TWO[0], *more) for more in (["sweep.design=one_at_a_time"], []))
    assert alone.design is None
    assert alone.sweep_key == whole.sweep_key


def test_cells_of_a_file_are_those_cells_times_what_is_swept():
    listed = [{"model.channels": 1, "model.dropout": False}, {"model.blocks": [[2, 2], [4]]}]
    found = grid_of("model.fc_depth=1,2", cells=listed)
    assert list(found.swept) == [
        "model.channels",
        "model.dropout",
        "model.blocks",
        "model.fc_depth",
    ]
    assert levels(found) == [
        (1, False, None, 1),
        (1, False, None, 2),
        (30, True, [[2, 2], [4]], 1),
        (30, True, [[2, 2], [4]], 2),
    ]


def test_cells_may_name_groups_and_leave_them_out():
    listed = [{"preset": "conv1"}, {"optimizer": "sgd", "optimizer.lr": 0.1}, {"model": "mlp"}]
    found = grid_of(cells=listed)
    assert [cell.knobs["preset"] for cell in found.cells] == ["conv1", None, None]
    assert [cell.knobs["optimizer"] for cell in found.cells] == ["adam", "sgd", "adam"]
    assert [cell.config.optimizer["lr"] for cell in found.cells] == [0.001, 0.1, 0.001]
    assert [cell.config.model["hidden_size"] for cell in found.cells] == [1000, 100, 100]


@pytest.mark.parametrize(
    "value", [1, -0.5, 1e-4, True, None, "a word", "it's", "true", "cnn", "1", [[2, 2], [4]], ""]
)
def test_a_value_of_a_file_is_spelled_so_that_hydra_reads_it_back(value):
    (override,) = overrides.parse([f"key={spelled(value)}"])
    assert override.value() == value
    assert type(override.value()) is type(value)


def test_a_fraction_is_small_and_balanced():
    found = grid_of(*THREE, "train.batch_size=50,100", "sweep.design=fraction")
    assert (len(found.cells), found.design.resolution, len(found.design.aliases)) == (8, 4, 3)
    for knob, (first, second) in found.swept.items():
        at = [cell.knobs[knob] for cell in found.cells]
        assert (at[0], at.count(first), at.count(second)) == (first, 4, 4)


def design_of(*arguments, **section):
    """The design of typed overrides and how many cells it has, before any cell is composed."""
    given = {o.key_or_group: grid._levels(o) for o in overrides.parse(arguments)}
    design, n_cells, _ = designs.combinations(
        dataclasses.replace(kept.whole_grid(), **section), given
    )
    return design, n_cells


def test_a_fraction_has_the_cells_or_the_resolution_that_is_asked_for():
    for asked, resolution, n_cells in [
        ({}, 4, 16),
        (dict(resolution=5), 7, 64),
        (dict(n_cells=32), 4, 32),
        (dict(resolution=3), 3, 8),
    ]:
        design, n = design_of(*SEVEN, design="fraction", **asked)
        assert (design.resolution, n) == (resolution, n_cells)


REFUSED = {
    "three levels": (["model.channels=1,2,4", *THREE[1:], "sweep.design=fraction"], {},
                     "model.channels=1,2,4: with sweep.design=fraction a knob has two levels"),
    "all cells": ([*THREE, "sweep.design=fraction"], {},
                  "sweep.resolution=4 needs all 8 cells of these 3 knobs; leave sweep.design out"),
    "too few cells": ([*SEVEN, "sweep.design=fraction", "sweep.n_cells=8"], {},
                      "do not reach sweep.resolution=4 in 8 cells, the fewest are 16"),
    "too many cells": ([*THREE, "sweep.design=fraction", "sweep.n_cells=8"], {},
                       "these 3 knobs have 8 cells in all"),
    "no power of two": ([*SEVEN, "sweep.design=fraction", "sweep.n_cells=12"], {},
                        "sweep.n_cells=12: allowed is null or a power of two"),
    "a fraction of one knob": ([TWO[0], "sweep.design=fraction"], {},
                               "allowed are 3 to 20 knobs of two levels, and not 1"),
    "nothing is swept": (["sweep.design=one_at_a_time"], {}, "no knob is swept"),
    "not swept": ([*TWO, "sweep.design=one_at_a_time", "sweep.around={model.channel:1}"], {},
                  "sweep.around: model.channel is not swept; .*did you mean model.channels?"),
    "no such level": ([*TWO, "sweep.design=one_at_a_time", "sweep.around={model.channels:7}"], {},
                      r"sweep.around: model.channels=7 is none of the levels swept \(1, 30\)"),
    "true is not 1": ([*TWO, "sweep.design=one_at_a_time", "sweep.around={model.channels:true}"],
                      {}, "model.channels=true is none of the levels"),
    "around in dots": ([*TWO, "sweep.design=one_at_a_time", "sweep.around.model.channels=30"], {},
                       "type 'sweep.around={model.channels:LEVEL}'"),
    "around a grid": ([*TWO, "sweep.around={model.channels:30}"], {},
                      "allowed with sweep.design=one_at_a_time alone, and it is grid"),
    "cells of no fraction": ([*TWO, "sweep.n_cells=4"], {},
                             "sweep.n_cells=4: allowed with sweep.design=fraction alone"),
    "cells typed": (["sweep.cells=[{model.channels:1}]"], {},
                    "sweep.cells is given in a file of sweeps/ and not on the command line"),
    "cells typed in a dictionary": (["sweep={cells:[{model.channels:1}]}"], {},
                                    "sweep.cells is given in a file of sweeps/"),
    "cells and a design": (TWO, dict(cells=[{"model.channels": 1}], design="fraction"),
                           "sweep.design=fraction: sweep.cells lists the cells already"),
    "cells and their knob": (TWO, dict(cells=[{"model.channels": 1}]),
                             r"model.channels: sweep.cells\[0\] gives it, and it is given for all"),
    "a cell with an unknown knob": ([], dict(cells=[{"model.channels": 1}, {"modle.blocks": 1}]),
                                    r"sweep.cells\[1\]: modle.blocks: there is no such knob"),
    "a cell with a seed": ([], dict(cells=[{"seed": 1}]), r"sweep.cells\[0\]: seed=1: allowed are"),
    "no list": ([], dict(cells=[1]), "sweep.cells=.*allowed is null or, in a file of sweeps/"),
    "a swept design": ([*TWO, "sweep.design=grid,fraction"], {}, "is not swept; give one value"),
    "an unknown design": ([*TWO, "sweep.design=some"], {},
                          "sweep.design=some: allowed is one of grid, one_at_a_time, fraction"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_by_name(case):
    arguments, section, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message) as error:
        grid_of(*arguments, **section)
    assert is_one_line(error)


def test_a_design_is_a_sweeps():
    with pytest.raises(ConfigError, match="needs -m; type: python -m runner -m sweep.design=grid"):
        overrides.check(["sweep.design=grid"], multirun=False)


@pytest.mark.parametrize(
    ("swept", "message"),
    [
        ("model.dropout_ratio=0.3,0.5", "model.dropout_ratio: has no effect in the cell .*dropout"),
        ("optimizer.lr=0.1,0.10", "optimizer.lr: both of its levels are 0.1;"),
    ],
)
def test_a_fraction_needs_an_effect_of_each_knob_in_each_cell(swept, message):
    with pytest.raises(ConfigError, match=message):
        planned(*TWO, swept, "sweep.design=fraction", "sweep.resolution=3")


def test_a_plan_keeps_its_design_and_proves_it(tmp_path):
    asked = ["sweep.design=fraction", "sweep.resolution=3"]
    made, root = planned(*THREE, *asked), Root(tmp_path)
    plans.write(made, root)
    path = root.sweep(made.sweep_key).plan
    assert plans.read(path) == made
    # A design is what claims are decided by, so that another one is another sweep.
    other = dataclasses.replace(made.design, aliases=[])
    changed = dataclasses.asdict(dataclasses.replace(made, design=other))
    path.write_text(json.dumps(sealed(changed)))
    with pytest.raises(StateError, match="another key than its runs and claims"):
        plans.read(path)


def test_runs_of_a_design_are_those_of_the_grid():
    alone, whole = planned(*TWO, "sweep.design=one_at_a_time"), planned(*TWO)
    assert {run.run_key for run in alone.runs} < {run.run_key for run in whole.runs}
    assert {run.config.sweep.design for run in alone.runs} == {"grid"}
    assert whole.design is None


def test_what_is_announced_fits_80_columns():
    def told(**section):
        design, n_cells = design_of(*SEVEN, **section)
        swept = {o.key_or_group: o.value().list for o in overrides.parse(SEVEN)}
        plan = SimpleNamespace(design=design, cells=range(n_cells), swept=swept)
        return display.lines(plan, with_aliases=True)

    four, three, five, alone = (
        told(design="fraction"),
        told(design="fraction", resolution=3),
        told(design="fraction", resolution=5),
        told(design="one_at_a_time"),
    )
    assert four[:4] == [
        "a fraction of resolution 4: 16 of 128 cells",
        "the effect of each knob is clear of those of any two others together",
        "of two knobs together, these cannot be told apart:",
        "  channels x dropout = fc_depth x normalize = hidden_size x lr",
    ]
    assert three[1].startswith("the effects of these knobs cannot be told from those of two")
    assert three[2].startswith("  channels = ")
    assert five[1:] == [
        "the effect of each knob is clear of those of any two others together",
        "the effect of any two knobs together is clear of those of any other two",
    ]
    assert alone[0].startswith("one at a time around channels=1 dropout=true fc_depth=1")
    assert alone[-1].endswith(": 8 of 128 cells")
    assert max(map(len, [*four, *three, *five, *alone])) <= 78
