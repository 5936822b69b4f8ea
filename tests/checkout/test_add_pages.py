"""docs/add_*.md: each is followed in a copy, and what it adds is there, and nowhere else."""

import json
import re

import pytest
from pages import follow, typed

pytestmark = pytest.mark.long


def lines(folder):
    """Every journal line of the copy's root."""
    paths = sorted((folder / "out" / "state").rglob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def epochs(folder):
    return [line["metrics"] for line in lines(folder) if line["kind"] == "epoch"]


def test_the_page_about_an_optimizer_adds_one_to_one_engine_and_not_to_the_other(tmp_path):
    (trained,) = follow("docs/add_an_optimizer.md", tmp_path)
    assert "trained" in trained.out
    first, last = epochs(tmp_path)
    assert last["train/loss"] < first["train/loss"]
    (start,) = (line for line in lines(tmp_path) if line["kind"] == "start")
    assert start["config"]["optimizer"]["name"] == "adagrad" and start["engine"] == "stock"

    words = (
        "python",
        "-m",
        "runner",
        "engine=fast",
        "optimizer.name=adagrad",
        "data=digits",
        "train.epochs=2",
    )
    refused = typed(tmp_path, *words, code=2)
    assert (
        "optimizer.name=adagrad: allowed with engine=fast is one of adam, sgd, momentum"
        in refused.err
    )
    assert len(epochs(tmp_path)) == 2


def test_the_page_about_a_data_set_adds_one_and_refuses_files_with_another_content(tmp_path):
    made, trained = follow("docs/add_a_data_set.md", tmp_path)
    catalogue = (tmp_path / "runner/data/catalogue.py").read_text()
    hashes = re.findall(r"^([0-9a-f]{64}) \S+$", made.out, flags=re.M)
    assert len(hashes) == 4 and all(f'"{sha256}"' in catalogue for sha256 in hashes)
    assert "trained" in trained.out and len(epochs(tmp_path)) == 2
    (start,) = (line for line in lines(tmp_path) if line["kind"] == "start")
    assert start["data"]["name"] == "stripes"

    labels = bytearray((tmp_path / "t10k-labels-idx1-ubyte").read_bytes())
    labels[-1] ^= 1
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(labels)
    words = (
        "python",
        "-m",
        "runner",
        "data=stripes",
        "data.root=.",
        "train.batch_size=20",
        "seed=1",
    )
    assert hashes[3] in typed(tmp_path, *words, code=3).err


def test_the_page_about_a_metric_adds_one_that_is_recorded_and_decides_a_claim(tmp_path):
    (trained,) = follow("docs/add_a_metric.md", tmp_path)
    assert "6 of 6 runs trained" in trained.out and len(epochs(tmp_path)) == 6 * 2
    for metrics in epochs(tmp_path):
        recalls = [metrics[f"test/recall/{label}"] for label in range(10)]
        assert all(0 <= value <= 1 for value in (metrics["test/f1"], *recalls))
    report = typed(tmp_path, "python", "-m", "analysis", "--root", "out").out
    assert "final(test/f1), channels=4 minus channels=1: " in report
