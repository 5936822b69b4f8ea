"""The frames of a report hold the numbers that were decided."""

import pandas as pd
import pytest
from studies import known

from analysis.report.write import write


def test_the_numbers_of_the_page_are_those_of_the_claims_frame(tmp_path):
    study = known()
    folder = write(study, tmp_path / "out").parent
    page, frame = (folder / "report.html").read_text(), pd.read_parquet(folder / "claims.parquet")
    interval = study.decisions[0].bounds.interval
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
        study.sweep.epochs["test/accuracy"].to_numpy()
    )
