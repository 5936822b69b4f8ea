"""A made-up store is one that the analysis takes for real."""

import pytest
from commands import environment

from benchmarks import stores


def test_a_report_on_a_made_up_store_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("os.environ", environment())
    stores.write(tmp_path, n_cells=2, n_seeds=3, n_epochs=2)
    seconds, gib, cpu_s = stores.timed(tmp_path)
    assert min(seconds, gib, cpu_s) > 0 and len(list(tmp_path.glob("reports/*/report.html"))) == 1


def test_a_report_that_fails_is_no_time(tmp_path):
    with pytest.raises(SystemExit, match="ended with 2"):
        stores.timed(tmp_path)
