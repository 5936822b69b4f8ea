"""The frames of a report hold the numbers that were decided."""

import pandas as pd
import pytest
from studies import curves, frame, grid, known, study

from analysis.report import cells_table
from analysis.report.write import write


def test_the_numbers_of_the_page_are_those_of_the_claims_frame(tmp_path):
    decided = known()
    folder = write(decided, tmp_path / "out").parent
    page, frame = (folder / "report.html").read_text(), pd.read_parquet(folder / "claims.parquet")
    interval = decided.decisions[0].bounds.interval
    assert frame.loc[0, ["estimate", "low", "high"]].tolist() == [
        interval.estimate,
        interval.low,
        interval.high,
    ]
    # The mean of 0.020, 0.021, 0.022 and 0.023, at both numbers of channels; the noise is the same
    # in both arms.
    assert "\N{MINUS SIGN}2.15 points" in page and frame.loc[0, "estimate"] == pytest.approx(
        -0.0215, abs=1e-12
    )
    epochs = pd.read_csv(folder / "epochs.csv")
    assert epochs["test/accuracy"].to_numpy() == pytest.approx(
        decided.sweep.epochs["test/accuracy"].to_numpy()
    )


def test_the_cells_have_the_last_epochs_means_of_the_runs_that_are_done():
    runs = frame(grid(range(2), model__channels=[1, 30]))
    epochs = curves(runs, lambda run, epoch: epoch + run["seed"])
    failed = runs["model.channels"] == 30
    runs.loc[failed, "state"] = "failed"
    cells = cells_table.cells_frame(study(runs, epochs))
    assert list(cells.index) == ["channels=1", "channels=30"] and list(cells["n"]) == [2, 0]
    assert cells.loc["channels=1", "test/accuracy"] == 3.5
    assert cells.loc["channels=1", "test/accuracy sd"] == pytest.approx(0.5**0.5)
    assert cells.loc["channels=30"].isna().sum() == cells.shape[1] - 4
    assert list(cells["failed"]) == [0, 2] and list(cells["diverged"]) == [0, 0]
    assert not [name for name in cells if name.startswith(("time/", "throughput/"))]
