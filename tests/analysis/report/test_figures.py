"""What the figures draw."""

import pandas as pd
import pytest
from studies import curves, frame, grid, study

from analysis.report.pictures.figures import published
from analysis.report.write import write


def test_the_published_curve_is_drawn_beside_the_runs_in_test_mode_and_with_the_masks_on(tmp_path):
    runs = frame(grid(range(3), model__dropout=[True, False]))
    runs["cell"] = [
        "preset=conv1" if dropout else "preset=book_mlp" for dropout in runs["model.dropout"]
    ]

    def value(run, epoch):
        accuracy = 0.95 + 0.01 * epoch + 0.001 * run["seed"]
        masked = accuracy - 0.1 * run["model.dropout"]
        return {
            "test/accuracy": accuracy,
            "test_masked/accuracy": masked,
            "train_eval/accuracy": 0.9,
            "train/loss": 1,
        }

    decided = study(runs, curves(runs, value), name="published")
    experiments = ["conv1_fc1000x2_dropout"] * 3 + ["book_mlp_1000x2"] * 3
    accuracies = [0.8, 0.85, 0.87] * 2
    recorded = pd.DataFrame(
        {"experiment": experiments, "epoch": [1, 2, 3] * 2, "test_accuracy": accuracies}
    )
    conv1, book = published(decided, recorded).axes
    drawn = {line.get_label(): line.get_ydata() for line in conv1.get_lines()}
    assert list(drawn) == ["preset=conv1 in test mode (n = 3)", "preset=conv1 masks on (n = 3)",
                           "published: conv1_fc1000x2_dropout"]  # fmt: skip
    assert drawn["preset=conv1 masks on (n = 3)"] == pytest.approx([0.861, 0.871, 0.881])
    assert drawn["published: conv1_fc1000x2_dropout"] == pytest.approx([0.8, 0.85, 0.87])
    assert [line.get_label() for line in book.get_lines()] == [
        "preset=book_mlp (n = 3)",
        "published: book_mlp_1000x2",
    ]
    assert conv1.get_ylim()[1] <= 1
    page = write(decided, tmp_path / "out", recorded).read_text()
    assert "published test accuracy" in page and "No claim was declared" in page
