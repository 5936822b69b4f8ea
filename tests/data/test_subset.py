"""Which training images are trained on, held out and mislabelled: nested, spread, and fixed."""

import heapq
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from configs import configured

from runner.data import loading
from runner.data.asked import Asked
from runner.data.subset import check, fixed_order, n_left, parts
from runner.errors import ConfigError

#: Of four classes, one of them rare, one label missing.
LABELS = np.repeat([0, 1, 3, 4], [50, 30, 15, 5]).astype(np.uint8)


@pytest.fixture
def dataset():
    images = np.arange(100, dtype=np.uint8)[:, None]  # an image says which row it was
    labels = np.random.default_rng(1).permutation(LABELS)
    return loading.Dataset("load", "ab" * 32, images, labels, images[:5], labels[:5])


def asked(**options):
    return Asked("mine.load", {}, **options)


def rows(part):
    return part.train_images[:, 0].tolist()


def wrong(part, dataset):
    """The rows of images with a wrong label, and those labels."""
    true = dataset.train_labels[rows(part)]
    at = np.flatnonzero(part.train_labels != true)
    return dict(zip(np.array(rows(part))[at].tolist(), part.train_labels[at].tolist(), strict=True))


def test_where_nothing_is_cut_the_arrays_stay_as_they_are_mapped(tmp_path):
    mapped, _ = loading.prepare("digits", tmp_path)
    for options in ({}, {"n_train": 1442}):
        part = parts(asked(**options), mapped)
        assert part.train_images is mapped.train_images
        np.testing.assert_array_equal(part.train_labels, mapped.train_labels)
        assert part.val_images is None and part.val_labels is None
    noisy = parts(asked(label_noise=0.5), mapped)
    assert noisy.train_images is mapped.train_images


@pytest.mark.parametrize("validation", [0, 20])
def test_more_images_hold_all_of_fewer_ones(dataset, validation):
    before = []
    for n in range(1, 101 - validation):
        part = parts(asked(n_train=n, validation=validation), dataset)
        if n < 100:  # the whole is in the order of the data set
            assert rows(part)[: n - 1] == before
        assert len(set(rows(part))) == n
        np.testing.assert_array_equal(part.train_labels, dataset.train_labels[rows(part)])
        before = rows(part)


def test_held_out_images_are_trained_on_by_nobody_and_are_nested_too(dataset):
    before = set()
    for n in range(1, 100):
        part = parts(asked(validation=n), dataset)
        held_out = part.val_images[:, 0].tolist()
        assert len(held_out) == n and sorted(held_out + rows(part)) == list(range(100))
        np.testing.assert_array_equal(part.val_labels, dataset.train_labels[held_out])
        assert before < set(held_out)
        before = set(held_out)


def test_a_subset_is_the_same_whether_others_are_held_out_or_not(dataset):
    assert rows(parts(asked(n_train=30), dataset)) == rows(
        parts(asked(n_train=30, validation=70), dataset)
    )


def sainte_lague(n_images, n_seats):
    """Seats of each party with so many votes, by the highest of its quotients."""
    seats = dict.fromkeys(n_images, 0)
    queue = [(-Fraction(n, 1), label) for label, n in n_images.items()]
    heapq.heapify(queue)
    for _ in range(n_seats):
        _, label = heapq.heappop(queue)
        seats[label] += 1
        heapq.heappush(queue, (-Fraction(n_images[label], 2 * seats[label] + 1), label))
    return seats


@pytest.mark.parametrize("counts", [(50, 30, 15, 5), (97, 1, 1, 1), (25, 25, 25, 25), (7, 11, 61)])
def test_every_stretch_has_each_class_by_its_share(counts):
    labels = np.random.default_rng(0).permutation(np.repeat(range(len(counts)), counts))
    order = fixed_order(labels, "cd" * 32)
    assert sorted(order) == list(range(len(labels)))
    for n in range(len(labels) + 1):
        found = np.bincount(labels[order[:n]], minlength=len(counts))
        # Ties may go either way: quotients are compared and not seats.
        expected = sainte_lague(dict(enumerate(counts)), n)
        quotients = [sorted(_taken(seats, counts)) for seats in (found, expected.values())]
        assert quotients[0] == quotients[1]
        assert all(abs(f - n * c / len(labels)) < 1.5 for f, c in zip(found, counts, strict=True))


def _taken(seats, counts):
    return [Fraction(2 * k + 1, c) for s, c in zip(seats, counts, strict=True) for k in range(s)]


def test_few_of_many_equal_classes_are_equally_many(tmp_path):
    mnist5k, _ = loading.prepare("mnist5k", tmp_path, write=False)
    for n in (10, 100, 1000):
        part = parts(asked(n_train=n), mnist5k)
        assert set(np.bincount(part.train_labels, minlength=10)) == {n // 10}


def test_another_hash_and_only_that_gives_other_images_and_other_labels(dataset):
    given = asked(n_train=50, label_noise=0.3)
    first, again = parts(given, dataset), parts(given, dataset)
    other = parts(given, replace(dataset, sha256="cd" * 32))
    assert rows(first) == rows(again) and wrong(first, dataset) == wrong(again, dataset)
    assert rows(first) != rows(other) and set(wrong(first, dataset)) != set(wrong(other, dataset))


@pytest.mark.parametrize("options", [{}, {"n_train": 50}, {"validation": 30}])
def test_the_share_of_wrong_labels_is_exact_and_a_larger_one_holds_all_of_a_smaller(
    dataset, options
):
    before = {}
    for share in (0.0, 0.01, 0.1, 0.25, 0.5, 1.0):
        part = parts(asked(label_noise=share, **options), dataset)
        now = wrong(part, dataset)
        assert len(now) == round(share * len(rows(part)))
        assert before.items() <= now.items()
        assert set(part.train_labels.tolist()) <= {0, 1, 3, 4}
        if part.val_labels is not None:
            held_out = part.val_images[:, 0]
            np.testing.assert_array_equal(part.val_labels, dataset.train_labels[held_out])
        before = now


def test_each_other_class_is_as_likely_as_the_next():
    labels = np.repeat(np.array([2, 5, 9], np.uint16), 20_000)
    images = np.zeros((60_000, 1), np.uint8)
    many = loading.Dataset("load", "ab" * 32, images, labels, images[:1], labels[:1])
    given = parts(asked(label_noise=1.0), many).train_labels
    assert given.dtype == np.uint16
    for true, others in ((2, (5, 9)), (5, (2, 9)), (9, (2, 5))):
        counts = [(given[labels == true] == other).sum() for other in others]
        # Binomial with n = 20,000 and p = 1/2: five standard deviations.
        assert sum(counts) == 20_000 and abs(counts[0] - 10_000) < 5 * np.sqrt(20_000) / 2


REFUSED = [
    ({"n_train": 101}, "n_train=101: allowed is an integer from 1 to 100, the training images"),
    (
        {"n_train": 81, "validation": 20},
        "n_train=81: allowed is an integer from 1 to 80, the training images that"
        " data.validation=20 leaves",
    ),
    ({"n_train": 0}, "n_train=0: allowed is an integer from 1 to 100, the training images"),
    (
        {"validation": 100},
        "validation=100: allowed is an integer from 0 to 99, of 100 training images",
    ),
    ({"validation": -1}, "validation=-1: allowed is an integer from 0 to 99, of 100 training"),
    ({"label_noise": 1.5}, "label_noise=1.5: allowed is a number from 0 to 1"),
    ({"label_noise": float("nan")}, "label_noise=nan: allowed is a number from 0 to 1"),
]


@pytest.mark.parametrize(("options", "text"), REFUSED, ids=str)
def test_more_than_there_is_is_refused_with_numbers(dataset, options, text):
    for refuse in (check, parts):
        with pytest.raises(ConfigError, match=f"^data.{text}"):
            refuse(asked(**options), dataset)


def test_labels_of_one_class_cannot_be_wrong(dataset):
    alone = replace(dataset, train_labels=np.zeros(100, np.uint8))
    with pytest.raises(ConfigError, match="of one class, so that there is no wrong one"):
        check(asked(label_noise=0.1), alone)


def test_what_a_file_asks_for_is_told_apart_from_the_arguments_of_its_function():
    given = {"_target_": "mine.load", "name": "load", "path": "f.npz", "normalize": False}
    found = Asked.of(given | {"n_train": None, "validation": 5, "augment": "mine.flip"})
    assert (found.target, found.arguments) == ("mine.load", {"path": "f.npz"})
    assert found == Asked(
        "mine.load", {"path": "f.npz"}, normalize=False, validation=5, augment="mine.flip"
    )
    assert found.source == Asked.of(given).source != Asked.of(given | {"path": "g"}).source
    assert n_left(found, 10) == 5


def test_a_section_of_one_that_ships_gives_its_function_what_that_takes():
    digits, mnist = (configured(data=name).data for name in ("digits", "mnist"))
    assert Asked.of(digits) == Asked("runner.data.sets.digits", {})
    changed = {"root": "d", "allow_fallback": False}
    assert Asked.of(mnist | changed | {"normalize": False}) == Asked(
        "runner.data.sets.mnist", changed, normalize=False
    )
