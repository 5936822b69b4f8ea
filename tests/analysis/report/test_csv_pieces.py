"""CSV files are written in pieces, as they would be at once."""

import numpy as np
import pandas as pd
import pytest

from analysis.report import tables


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7])
def test_pieces_are_what_pandas_writes_at_once(n, monkeypatch):
    # What a piece alone would take for whole numbers, or for True and False, is mixed further on.
    frame = pd.DataFrame(
        {
            "number": np.arange(7) / 3,
            "whole": range(7),
            "flag": [True, True, None, False, True, None, True],
            "level": pd.Series([4, 5, None, 6, 7, 8, 9], dtype=object),
            "text": ["a,b", 'with "quotes"', "", None, "é\n", "plain", "0.10"],
        }
    ).iloc[:n]
    monkeypatch.setattr(tables, "_ROWS_A_PIECE", 2)
    assert len(list(tables.csv_pieces(frame))) == max(1, -(-n // 2))
    assert tables.csv_text(frame) == frame.to_csv(index=False, lineterminator="\n")


def test_a_text_that_a_spreadsheet_would_compute_is_text_in_every_piece(monkeypatch):
    monkeypatch.setattr(tables, "_ROWS_A_PIECE", 1)
    frame = pd.DataFrame({"model": ["=1+1", "plain", "-2"], "gain": [-1.0, -2.0, -3.0]})
    assert tables.csv_text(frame) == "model,gain\n'=1+1,-1.0\nplain,-2.0\n'-2,-3.0\n"
