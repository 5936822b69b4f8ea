"""docs/add_*.md: each is followed in a copy, and what it adds is there, and nowhere else."""

import json

import pytest
from pages import follow, typed

pytestmark = pytest.mark.long


def lines(folder):
    """Every journal line of the copy's root."""
    paths = sorted((folder / "out" / "state").rglob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def epochs(folder):
    return [line["metrics"] for line in lines(folder) if line["kind"] == "epoch"]


def test_the_page_about_a_metric_adds_one_that_is_recorded_and_decides_a_claim(tmp_path):
    (trained,) = follow("docs/add_a_metric.md", tmp_path)
    assert "6 of 6 runs trained" in trained.out and len(epochs(tmp_path)) == 6 * 2
    for metrics in epochs(tmp_path):
        recalls = [metrics[f"test/recall/{label}"] for label in range(10)]
        assert all(0 <= value <= 1 for value in (metrics["test/f1"], *recalls))
    report = typed(tmp_path, "python", "-m", "analysis", "--details", "--root", "out").out
    assert "final(test/f1), channels=4 minus channels=1: " in report
