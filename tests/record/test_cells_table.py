"""The table of cells: whole numbers in as many columns as a terminal has room for."""

import re

import pytest
from rich.cells import cell_len

from runner.record.cell_runs import CellRuns, EndedRun, short_names, shown_metrics, written
from runner.record.cells_table import lines
from runner.system.language import Translation
from runner.words import japanese_cells

SEVEN = {
    "channels": "30", "hidden_size": "200", "fc_depth": "2", "dropout": "true", "lr": "0.002",
    "weight_decay": "0.0001", "batch_size": "100",
}  # fmt: skip
LONG = {"blocks": "[[16,16],[32,32],[64,64]]", "name": "mine:a_network_with_a_name_of_many_words"}


def made(knobs, accuracies=(0.5, 0.7), masked=0.0, state="done", **more):
    runs = [
        EndedRun(
            seed,
            state,
            {
                "test/accuracy": value,
                "train/accuracy": value,
                "test_masked/accuracy": value - masked,
                "train/loss": 0.25,
                "test/loss": 0.5,
            }
            | more,
            10.0,
        )
        for seed, value in enumerate(accuracies)
    ]
    return CellRuns(knobs, runs)


ja = Translation(japanese_cells.TEMPLATES)


def others_of(knobs):
    return [made({knob: "9" for knob in knobs}, masked=0.1), made(knobs, masked=0.1)]


@pytest.mark.parametrize("to", [str, ja], ids=["english", "japanese"])
@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("knobs", [{"dropout": "true"}, SEVEN, LONG], ids=["one", "seven", "long"])
def test_a_table_fits_and_every_number_in_it_is_whole(knobs, width, to):
    table = lines("a sweep", others_of(knobs), width, to=to)
    assert max(map(cell_len, table)) <= width
    # Mean and spread of 50 % and 70 %.
    assert sum("60.00 ± 14.14" in line for line in table) == 2
    assert "…" not in "".join(table)
    assert all(text in " ".join(table) for text in knobs.values())


def test_a_wide_terminal_shows_what_a_narrow_one_names():
    narrow, wide = (" ".join(lines("s", others_of(SEVEN), width)) for width in (80, 140))
    assert "no room here for: train acc %, masked test acc %" in narrow
    assert "no room" not in wide and "masked test acc %" in wide
    assert "s/run" not in narrow and "s/run" in wide


def test_the_table_of_two_cells():
    cells = [made({"dropout": "true"}, masked=0.1), made({"dropout": "false"}, (0.5, 0.5))]
    assert lines("dropout", cells, 70) == [
        "dropout: mean ± sd over seeds, last epoch",
        "dropout  n     test acc %    train acc %  masked test acc %  s/run",
        "─" * 66,
        "true     2  60.00 ± 14.14  60.00 ± 14.14      50.00 ± 14.14   10.0",
        "false    2   50.00 ± 0.00   50.00 ± 0.00       50.00 ± 0.00   10.0",
    ]


def test_failed_and_diverged_runs_have_columns_where_there_are_any():
    cells = [made({"lr": "1"}), made({"lr": "2"}, state="diverged")]
    head, _, one, two = lines("lr", cells, 80)[1:]
    assert "diverged" in head and "failed" not in head
    assert one.split()[:3] == ["1", "2", "0"] and two.split()[:4] == ["2", "0", "2", "-"]


def test_the_masked_accuracy_is_shown_where_it_differs_alone():
    assert "test_masked/accuracy" not in shown_metrics([made({})])
    assert "test_masked/accuracy" in shown_metrics([made({}), made({}, masked=0.1)])


def test_a_metric_of_ones_own_comes_before_the_losses():
    metrics = shown_metrics([made({}, **{"test/f1": 0.5, "val/accuracy": 0.5})])
    assert metrics == [
        "test/accuracy", "train/accuracy", "val/accuracy", "test/f1", "train/loss", "test/loss",
    ]  # fmt: skip


def test_around_a_base_each_cell_is_what_differs():
    base = {"dropout": "true", "fc_depth": "2"}
    cells = [made(base), made(base | {"dropout": "false"}, (0.4, 0.7, 0.9))]
    title, around, head, _, first, second = lines("s", cells, 100, base)
    assert around == "  base: dropout=true fc_depth=2"
    assert re.match(r"cell +n +test acc % +points vs base", head)
    assert first.startswith("base ") and first.split()[5] == "-"
    # Of the seeds that both have: -10 and 0 points.
    assert second.startswith("dropout=false ") and second.split()[5] == "-5.00"


def test_what_all_cells_share_is_said_once():
    cells = [made({"lr": lr, "dropout": "true"}) for lr in "12"]
    table = lines("s", cells, 80)
    assert table[1] == "  in all cells: dropout=true" and table[2].startswith("lr  n ")


def test_one_seed_has_no_spread_and_no_seed_no_number():
    assert written("test/accuracy", [0.5]) == "50.00"
    assert written("test/loss", [0.5, 0.5]) == "0.5000 ± 0.0000"
    assert written("test/loss", []) == "-"
    assert lines("s", [made({"lr": "1"}, ()), made({"lr": "2"}, ())], 80)[3:] == [
        "1   0      -", "2   0      -",
    ]  # fmt: skip


def test_a_terminal_without_the_signs_has_others():
    assert "".join(lines("s", [made({})], 80, is_ascii=True)).isascii()


def test_two_knobs_with_one_last_part_have_their_whole_names():
    named = short_names(["data.name", "model.name", "optimizer.lr"])
    assert list(named.values()) == ["data.name", "model.name", "lr"]
