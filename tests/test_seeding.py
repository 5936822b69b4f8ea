"""Random numbers: the published ones of Philox, and what may and may not change a draw."""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random123 import PHILOX

from runner.seeding import (
    TEST_MASKED,
    TRAIN,
    Masks,
    batch_order,
    batch_order_sha256,
    philox,
    stream,
    word,
)

WHEN_CHANGED = "a draw has changed: if on purpose, pin the new values"


def words(counter, key):
    quads = np.array([counter[0]], dtype=np.uint64)
    return [int(x[0]) for x in philox((quads, *counter[1:]), key)]


@pytest.mark.parametrize("counter, key, expected", PHILOX, ids=["zeros", "ones", "pi"])
def test_philox_gives_the_known_answers_of_random123(counter, key, expected):
    assert " ".join(f"{w:08x}" for w in words(counter, key)) == expected


def philox_on_python_integers(counter, key):
    """The paper's round, said a second time on integers that cannot overflow."""
    c, k = list(counter), list(key)
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c[0], 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c[2], 2**32)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


WORD = st.integers(0, 2**32 - 1)


@given(st.tuples(WORD, WORD, WORD, WORD), st.tuples(WORD, WORD))
def test_philox_equals_a_slow_one_for_any_counter_and_key(counter, key):
    assert words(counter, key) == philox_on_python_integers(counter, key)


def test_an_element_of_a_mask_is_one_philox_word_compared_with_the_ratio():
    seed, n_units = 2**63 - 12345, 7
    masks = Masks(seed)
    masks.evaluation(epoch=5, first_row=3)
    kept = masks.keep("fc1", (2, n_units), 0.3)
    for row, unit in np.ndindex(2, n_units):
        element = (3 + row) * n_units + unit
        counter = (element // 4, 5, word("fc1"), TEST_MASKED)
        drawn = philox_on_python_integers(counter, (seed % 2**32, seed // 2**32))[element % 4]
        assert kept[row, unit] == (drawn / 2**32 >= 0.3)


@given(
    seed=st.integers(0, 2**63 - 1),
    n_units=st.integers(1, 9),
    cuts=st.lists(st.integers(0, 40), max_size=6),
    ratio=st.floats(0, 0.999),
)
def test_a_mask_does_not_depend_on_how_the_images_are_batched(seed, n_units, cuts, ratio):
    masks = Masks(seed)
    masks.evaluation(epoch=2, first_row=0)
    whole = masks.keep("fc1", (40, n_units), ratio)
    edges = [0, *sorted(cuts), 40]
    parts = []
    for first, after in zip(edges, edges[1:], strict=False):
        masks.evaluation(epoch=2, first_row=first)
        parts.append(masks.keep("fc1", (after - first, n_units), ratio))
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.25, 0.5, 0.9, 1 - 2**-53])
def test_the_kept_share_is_that_of_independent_draws(ratio):
    shape = (1000, 1000)
    masks = Masks(seed=3)
    masks.training(step=1)
    n = math.prod(shape)
    n_kept = int(masks.keep("fc1", shape, ratio).sum())
    # Six standard deviations of the binomial distribution: a fair generator fails once in 10^9.
    assert abs(n_kept - n * (1 - ratio)) <= 6 * math.sqrt(n * ratio * (1 - ratio))


@pytest.mark.parametrize(
    "other",
    [
        dict(seed=8),
        dict(seed=7 + 2**32),
        dict(layer="fc2"),
        dict(time=2),
        dict(purpose=TEST_MASKED),
        dict(first_row=1),
    ],
    ids=lambda other: next(iter(other)),
)
def test_masks_of_another_seed_layer_purpose_step_or_row_are_independent(other):
    def kept(layer="fc1", **where):
        return Masks(**{"seed": 7, "time": 1, "purpose": TRAIN} | where).keep(
            layer, (100, 100), 0.5
        )

    # Of 10,000 pairs half agree, give or take 50.
    assert abs(int((kept() == kept(**other)).sum()) - 5000) <= 300


def test_training_and_evaluation_say_what_a_mask_is_for():
    masks = Masks(seed=1)
    masks.evaluation(epoch=3, first_row=200)
    assert (masks.purpose, masks.time, masks.first_row) == (TEST_MASKED, 3, 200)
    masks.training(step=9)
    assert (masks.purpose, masks.time, masks.first_row) == (TRAIN, 9, 0)
    masks.keep("fc1", (1, 1), 0.5)
    assert masks.n_asked == 1


def test_no_draw_touches_or_reads_the_global_generator():
    np.random.seed(1)
    before = np.random.get_state()
    first = (
        Masks(5).keep("fc1", (10, 10), 0.5),
        batch_order(5, 1, 100),
        stream(5, "init", "out/W").random(3),
    )
    assert all(np.array_equal(a, b) for a, b in zip(before, np.random.get_state(), strict=True))
    np.random.seed(2)
    second = (
        Masks(5).keep("fc1", (10, 10), 0.5),
        batch_order(5, 1, 100),
        stream(5, "init", "out/W").random(3),
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@given(seed=st.integers(0, 2**63 - 1), epoch=st.integers(1, 10_000), n_images=st.integers(1, 200))
def test_a_batch_order_visits_every_image_once_and_is_a_function_of_seed_and_epoch(
    seed, epoch, n_images
):
    order = batch_order(seed, epoch, n_images)
    assert np.array_equal(np.sort(order), np.arange(n_images))
    assert np.array_equal(order, batch_order(seed, epoch, n_images))


def test_batch_orders_of_other_seeds_and_epochs_differ():
    orders = {
        batch_order(seed, epoch, 100).tobytes() for seed in range(10) for epoch in range(1, 11)
    }
    assert len(orders) == 100


def test_streams_differ_by_seed_name_and_number_of_names():
    names = [
        (),
        ("init",),
        ("shuffle",),
        ("init", "out/W"),
        ("init", "fc1/linear/W"),
        ("shuffle", 1),
        ("shuffle", 2),
    ]
    draws = {stream(seed, *name).random() for seed in (0, 1, 2**63 - 1) for name in names}
    assert len(draws) == 3 * len(names)


def test_the_hash_of_the_batch_order_is_sha256_of_the_first_epoch_as_little_endian_64_bit():
    content = b"".join(int(i).to_bytes(8, "little") for i in batch_order(4, 1, 50))
    assert batch_order_sha256(4, 50) == hashlib.sha256(content).hexdigest()
    assert batch_order_sha256(4, 50) != batch_order_sha256(5, 50)


GOLDEN = {
    "word": 3406855929,
    "mask": "11001011101101010101100000100110",
    "order": [6, 4, 9, 1, 5, 7, 3, 0, 8, 2],
    "order_sha256": "920d0a1c51ed8e3dff44b2a585f13e1cba7902d58f239b5c7e32641c2b797623",
    "weights": "33f299bf84c648bf8a25e33f",
}


def test_draws_are_the_pinned_ones():
    masks = Masks(seed=1)
    masks.training(step=1)
    masks_of_layer = "".join(map(str, masks.keep("fc1", (4, 8), 0.5).astype(int).ravel()))
    assert word("fc1") == GOLDEN["word"], WHEN_CHANGED
    assert masks_of_layer == GOLDEN["mask"], WHEN_CHANGED
    assert batch_order(0, 1, 10).tolist() == GOLDEN["order"], WHEN_CHANGED
    assert batch_order_sha256(0, 60_000) == GOLDEN["order_sha256"], WHEN_CHANGED
    drawn = stream(0, "init", "fc1/linear/W").standard_normal(3, dtype=np.float32)
    assert drawn.tobytes().hex() == GOLDEN["weights"], WHEN_CHANGED
