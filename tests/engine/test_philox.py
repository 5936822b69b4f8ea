"""The fast engine's random numbers are the stock engine's, bit for bit."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from random123 import PHILOX

from runner import engine as engines
from runner.engine.cpu import philox as kernel
from runner.engine.dezero import dezero
from runner.seeding import WORD, Masks, philox

WORDS = st.integers(0, WORD)
SEEDS = st.integers(0, 2**63 - 1)


# =============================================================================
# Philox
# =============================================================================
def filled(n_quads, counter, key):
    words = np.empty(4 * n_quads, dtype=np.uint32)
    kernel.fill(words, *(np.uint64(w) for w in (*counter, *key)))
    return words


@pytest.mark.parametrize("counter, key, expected", PHILOX, ids=["zeros", "ones", "pi"])
def test_the_kernel_gives_the_known_answers_of_random123(counter, key, expected):
    assert " ".join(f"{w:08x}" for w in filled(1, counter, key)) == expected


@given(
    st.integers(0, 20),
    st.integers(0, WORD - 20),
    st.tuples(WORDS, WORDS, WORDS),
    st.tuples(WORDS, WORDS),
)
def test_the_kernel_gives_the_words_of_seeding(n_quads, first, others, key):
    quads = np.arange(first, first + n_quads, dtype=np.uint64)
    expected = np.stack(philox((quads, *others), key), axis=1).ravel()
    assert filled(n_quads, (first, *others), key).tolist() == expected.tolist()


# =============================================================================
# Dropout
# =============================================================================
def hidden(engine, n_units, ratio, seed, n_in=3):
    """A hidden layer of an engine, with the same weights in both: (masks, layer)."""
    masks = Masks(seed)
    layer = engines.create(engine, masks, "cpu").hidden("fc1", n_units, ratio)
    rng = np.random.default_rng(n_units)
    layer.linear.W.data = rng.standard_normal((n_in, n_units), dtype=np.float32)
    layer.linear.b.data = rng.standard_normal(n_units, dtype=np.float32)
    return masks, layer


@given(
    seed=SEEDS,
    n_rows=st.integers(1, 9),
    n_units=st.sampled_from([1, 2, 3, 4, 7, 10, 16, 1000]),
    ratio=st.sampled_from([0.0, 0.1, 0.5, 0.999]) | st.floats(0, 0.999),
    time=st.integers(0, WORD),
    first_row=st.none() | st.integers(0, 10_000),
)
@example(seed=2**63 - 1, n_rows=3, n_units=7, ratio=0.5, time=WORD, first_row=9_999)
@example(seed=2**32 + 5, n_rows=5, n_units=3, ratio=0.999, time=1, first_row=None)
def test_dropout_keeps_the_units_that_the_stock_engine_keeps(
    seed, n_rows, n_units, ratio, time, first_row
):
    x = np.random.default_rng(n_rows).standard_normal((n_rows, 3), dtype=np.float32)
    by_engine = []
    for engine in ("fast", "stock"):
        masks, layer = hidden(engine, n_units, ratio, seed)
        if first_row is None:
            masks.training(step=time)
        else:
            masks.evaluation(epoch=time, first_row=first_row)
        y = layer(x)
        y.backward()
        by_engine.append((y.data, layer.linear.W.grad.data, layer.linear.b.grad.data))
        assert masks.n_asked == 1
    (y, gW, gb), (stock_y, stock_gW, stock_gb) = by_engine
    # Equal as numbers, not as bits: some of DeZero's zeros are -0.
    assert y.dtype == np.float32 and np.array_equal(y, stock_y)
    np.testing.assert_allclose(gW, stock_gW, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gb, stock_gb, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 0.999])
@pytest.mark.parametrize("n_units", [1, 3, 7, 10, 1000])
def test_the_units_that_dropout_keeps_are_those_of_masks_keep(n_units, ratio):
    masks, layer = hidden("fast", n_units, ratio, seed=2**40 + 1, n_in=1)
    layer.linear.W.data[...], layer.linear.b.data[...] = 0, 1  # every ReLU gives 1
    n_kept = 0
    for first_row in (0, 1, 2, 3, 101):
        masks.evaluation(epoch=2, first_row=first_row)
        kept = masks.keep("fc1", (50, n_units), ratio)
        y = layer(np.ones((50, 1), np.float32)).data
        assert np.array_equal(y, kept / np.float32(1 - ratio))
        n_kept += kept.sum()
    assert n_kept > 0 or (ratio == 0.999 and n_units < 1000)


@pytest.mark.parametrize("ratio", [None, 0.5])
def test_there_is_no_dropout_in_test_mode_or_without_a_ratio(ratio):
    masks, layer = hidden("fast", 7, ratio, seed=1)
    _, plain = hidden("stock", 7, None, seed=1)
    x = np.random.default_rng(0).standard_normal((5, 3), dtype=np.float32)
    with dezero.test_mode():
        y = layer(x).data
    assert masks.n_asked == 0
    assert np.array_equal(y, plain(x).data)
    layer(x)
    assert masks.n_asked == (ratio is not None)
