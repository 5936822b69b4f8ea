"""Checkpoints: the newest whole one comes back, whatever happened to the files."""

import dataclasses
import hashlib

import numpy as np
import pytest

from runner.engine.protocol import Position
from runner.state.checkpoint import Checkpoints


def arrays(n):
    """Checkpoint number n: every number in it says which one it is."""
    return {"weights/out/W": np.full((3, 4), n, np.float32), "optimizer/t": np.int64(n)}


@pytest.fixture
def two_generations(tmp_path):
    checkpoints = Checkpoints(tmp_path, "key")
    for n in (1, 2):
        checkpoints.save(arrays(n), {"epoch": n})
    return checkpoints


def generation(checkpoints):
    """Which whole checkpoint `load` gives; None for none. Anything mixed or changed fails."""
    found = checkpoints.load()
    if found is None:
        return None
    loaded, position = found
    expected = arrays(position["epoch"])
    assert sorted(loaded) == sorted(expected)
    for name, array in expected.items():
        assert loaded[name].dtype == array.dtype and np.array_equal(loaded[name], array)
    return position["epoch"]


def test_the_newest_checkpoint_comes_back_bit_for_bit_with_its_position(tmp_path):
    checkpoints = Checkpoints(tmp_path, "key")
    odd = np.array([np.nan, -0.0, np.inf, 1e-45], np.float32)
    position = dataclasses.asdict(Position(3, 7, 0.1 + 0.2, 12, 1 / 3))
    checkpoints.save({"weights/out/W": odd, "optimizer/t": np.int64(5)}, position)
    loaded, where = Checkpoints(tmp_path, "key").load()
    assert loaded["weights/out/W"].tobytes() == odd.tobytes() and loaded["optimizer/t"] == 5
    assert where == position


def test_there_is_nothing_to_load_before_the_first_save_and_after_delete(tmp_path, two_generations):
    assert Checkpoints(tmp_path / "elsewhere", "key").load() is None
    assert generation(two_generations) == 2
    two_generations.delete()
    assert two_generations.load() is None and list(tmp_path.iterdir()) == []
    two_generations.delete()


def test_two_generations_are_kept_and_no_more(tmp_path, two_generations):
    two_generations.save(arrays(3), {"epoch": 3})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint", "checkpoint.previous"]
    assert generation(two_generations) == 3
    two_generations.newest.unlink()
    assert generation(two_generations) == 2


def test_a_truncated_checkpoint_gives_way_to_the_previous_one(two_generations):
    content = two_generations.newest.read_bytes()
    for length in range(0, len(content), 97):
        two_generations.newest.write_bytes(content[:length])
        assert generation(two_generations) == 1
    two_generations.newest.write_bytes(content + b"\0")
    assert generation(two_generations) == 1
    two_generations.newest.write_bytes(content)
    assert generation(two_generations) == 2


def test_a_checkpoint_with_a_flipped_bit_gives_way_to_the_previous_one(two_generations):
    content = two_generations.newest.read_bytes()
    for bit in np.random.default_rng(0).integers(8 * len(content), size=200):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << (bit % 8)
        two_generations.newest.write_bytes(damaged)
        assert generation(two_generations) == 1


def test_two_damaged_checkpoints_are_none(two_generations):
    for path in (two_generations.newest, two_generations.previous):
        path.write_bytes(path.read_bytes()[:-1])
    assert generation(two_generations) is None


def test_saving_over_a_damaged_checkpoint_keeps_the_whole_previous_one(
    two_generations, monkeypatch
):
    two_generations.newest.write_bytes(b"damaged")
    assert generation(two_generations) == 1

    def power_cut(path, content, before):
        raise OSError("power cut")

    monkeypatch.setattr("runner.state.checkpoint.write_whole", power_cut)
    with pytest.raises(OSError, match="power cut"):
        two_generations.save(arrays(3), {"epoch": 3})
    assert generation(two_generations) == 1


def test_a_save_that_fails_leaves_the_last_checkpoint(two_generations, monkeypatch):
    def full(path, content, before):
        raise OSError("no space left")

    monkeypatch.setattr("runner.state.checkpoint.write_whole", full)
    with pytest.raises(OSError, match="no space left"):
        two_generations.save(arrays(3), {"epoch": 3})
    assert generation(two_generations) == 2


def test_a_checkpoint_of_another_run_is_refused(tmp_path, two_generations):
    assert Checkpoints(tmp_path, "other key").load() is None
    assert generation(two_generations) == 2


def test_pickled_objects_are_refused_even_under_a_right_hash(tmp_path, two_generations):
    Checkpoints(tmp_path, "key").save({"weights/out/W": np.array([{}], dtype=object)}, {"epoch": 3})
    content = two_generations.newest.read_bytes()
    payload = content[content.index(b"PK") :]
    assert hashlib.sha256(payload).digest() in content
    # The checkpoint before it, which is now the previous one.
    assert generation(two_generations) == 2
