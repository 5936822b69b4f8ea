"""The metrics that a configuration may name."""

import numpy as np

from runner.metrics import recall


def test_recall_is_the_share_of_each_classs_images_that_is_right():
    scores = np.eye(4, dtype=np.float32)[[0, 0, 1, 3, 3, 3]]
    labels = np.array([0, 1, 1, 3, 3, 0], np.uint8)
    # No image is of class 2; half of class 0, half of class 1 and all of class 3 are right.
    assert recall(scores, labels) == {"0": 0.5, "1": 0.5, "3": 1.0}


def test_the_first_of_the_largest_scores_counts_as_in_test_accuracy():
    assert recall(np.ones((2, 3), np.float32), np.array([0, 2])) == {"0": 1.0, "2": 0.0}
