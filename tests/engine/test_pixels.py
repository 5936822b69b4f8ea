"""A batch of the fast engine holds the stock engine's pixels, bit for bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runner import engine as engines
from runner.seeding import Masks


@given(
    shape=st.lists(st.integers(1, 6), min_size=2, max_size=5).map(tuple),
    dtype=st.sampled_from([np.uint8, np.float32]),
    scale=st.sampled_from([1.0, 16.0, 255.0]) | st.floats(1, 1000),
    data=st.data(),
)
def test_pixels_are_the_images_of_the_rows_divided_by_the_scale(shape, dtype, scale, data):
    rows = np.array(
        data.draw(st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=8)), dtype=np.int64
    )
    images = np.random.default_rng(sum(shape)).integers(0, 256, shape).astype(dtype)
    engine = engines.create("fast", Masks(0), "cpu")
    batch = engine.pixels(images, rows, scale)
    expected = images[rows].astype(np.float32) / np.float32(scale)
    assert batch.dtype == np.float32 and batch.shape == expected.shape
    assert batch.tobytes() == expected.tobytes()


def test_every_value_of_a_pixel_is_divided_as_numpy_does():
    images = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    fast, stock = (engines.create(name, Masks(0), "cpu") for name in ("fast", "stock"))
    for scale in (1.0, 16.0, 255.0, 3.0, 0.7):
        assert (
            fast.pixels(images, np.array([0]), scale).tobytes()
            == stock.pixels(images, [0], scale).tobytes()
        )


def test_pixels_of_a_file_that_is_mapped_read_only_are_the_same(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 7, 5)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    engine = engines.create("fast", Masks(0), "cpu")
    mapped = engine.asarray(np.load(tmp_path / "images.npy", mmap_mode="r"))
    assert type(mapped) is np.ndarray and not mapped.flags.writeable and not mapped.flags.owndata
    rows = np.array([19, 0, 3, 3])
    for part in (slice(None), slice(4, None)):
        batch = engine.pixels(mapped[part], rows[1:], 255.0)
        assert batch.flags.writeable
        assert batch.tobytes() == engine.pixels(images[part], rows[1:], 255.0).tobytes()
    assert np.array_equal(engine.pixels(mapped, rows, 1.0), images[rows])
