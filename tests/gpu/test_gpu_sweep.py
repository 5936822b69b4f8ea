"""A sweep on a GPU: concurrent runs have the bits of single ones, and give way without memory."""

import contextlib
import os
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from commands import environment, lines, results, run
from gpu_runs import IS_EMULATED
from places import FAULTY

from runner.data import loading
from runner.state.root import Root
from runner.train import device_data
from runner.work import worker

pytestmark = pytest.mark.gpu

NETS = ("model.channels=1,2", "model.dropout=true,false", "model.hidden_size=8")
#: Of a sweep itself; tests/gpu/test_gpu_proof.py checks cards.
UNCHECKED = ("device=gpu", "runner.check_card=false", "data=digits")
SHORT = (*UNCHECKED, "seed=0", *NETS, "train.epochs=2", "train.batch_size=500")
#: Bytes of the emulated GPU's memory. A run takes 36 MB, most of it the workspace of cuBLAS.
TWO_RUNS, NO_RUN = 90_000_000, 30_000_000
emulated = pytest.mark.skipif(
    not IS_EMULATED, reason="memory, number and faults can only be set on emulated GPUs"
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    root = tmp_path_factory.mktemp("alone") / "root"
    run(root, "-m", *SHORT, "engine.streams=1")
    return results(root)


@pytest.mark.parametrize("streams", ["engine.streams=3", "engine.graph=false"])
def test_concurrent_runs_have_the_bits_that_each_has_alone(streams, alone, tmp_path):
    ended = run(tmp_path / "root", "-m", *SHORT, streams, env=environment(NVIDIA_TF32_OVERRIDE="0"))
    assert results(tmp_path / "root") == alone and len(alone) == 4
    assert "4 of 4 runs trained and stored" in ended.out
    for (start,) in lines(tmp_path / "root", "start").values():
        assert (start["device"], start["engine"]) == ("gpu", "fast") and start["card"]
        assert start["cublas"]["NVIDIA_TF32_OVERRIDE"] == "0"


@emulated
def test_a_run_that_does_not_fit_beside_others_gives_way_and_is_trained_later(alone, tmp_path):
    ended = run(
        tmp_path / "root",
        "-m",
        *SHORT,
        "engine.streams=4",
        env=environment(EMULATED_BYTES=str(TWO_RUNS)),
    )
    assert "killed (out of memory beside other runs; it goes on beside fewer)" in ended.out
    assert results(tmp_path / "root") == alone


@emulated
def test_a_run_whose_graphs_do_not_fit_beside_others_gives_way_too(alone, tmp_path):
    # The arrays of two runs fit, but not all of their graphs, about ten each.
    env = environment(EMULATED_BYTES=str(2 * TWO_RUNS), EMULATED_GRAPH_BYTES="12000000")
    ended = run(tmp_path / "root", "-m", *SHORT, "engine.streams=2", env=env)
    assert "killed (out of memory beside other runs; it goes on beside fewer)" in ended.out
    assert results(tmp_path / "root") == alone


@emulated
def test_a_run_that_does_not_fit_alone_fails_and_says_so(tmp_path):
    env = environment(EMULATED_BYTES=str(NO_RUN))
    ended = run(tmp_path / "root", "-m", *SHORT, "engine.streams=2", code=1, env=env)
    assert ended.out.count("failed (out of memory (Out of memory allocating") == 4


@emulated
def test_a_card_whose_memory_others_hold_is_told_in_a_line(tmp_path):
    env = environment(EMULATED_BYTES="0")
    ended = run(tmp_path / "root", "-m", *SHORT, code=1, env=env)
    assert "device=gpu: others hold all memory of emulated card: cudaErrorMem" in ended.err
    assert "what is trained is kept, the same command goes on" in ended.err


def faulty(**variables):
    """An environment in which the run of seed 1 makes its GPU unusable for the process."""
    path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(FAULTY)])
    return environment(PYTHONPATH=path, FAULTS="1:lost_card", **variables)


LOST = (
    *UNCHECKED,
    "seed=0,1,2",
    "model.channels=1",
    "model.hidden_size=8",
    "train.epochs=3",
    "train.batch_size=500",
)


@pytest.mark.parametrize("n_gpus", ["1", pytest.param("2", marks=emulated)])
def test_a_run_that_loses_its_gpu_fails_alone_and_another_process_goes_on(n_gpus, tmp_path):
    # With two GPUs the launcher ends the other worker too, whose run must not fail.
    ended = run(
        tmp_path / "root", "-m", *LOST, "engine.streams=2", code=1, env=faulty(EMULATED_GPUS=n_gpus)
    )
    assert "1 of 3 runs failed" in ended.err and "illegal memory access" in ended.err
    statuses = [ends[-1]["status"] for ends in lines(tmp_path / "root", "end").values()]
    assert sorted(statuses) == ["done", "done", "failed"]


def test_without_another_process_the_next_command_goes_on(tmp_path):
    words = (
        "-m",
        *LOST,
        "engine.streams=2",
        "hydra/launcher=basic",
    )  # the worker is the sweep's own process
    ended = run(tmp_path / "root", *words, code=1, env=faulty())
    assert "1 of 3 runs failed, which stopped the sweep; 0 are trained; go on with" in ended.err
    assert "3 of 3 runs trained" in run(tmp_path / "root", *words).out


def test_runs_of_a_process_read_the_images_once_and_the_card_keeps_the_last_data_set(
    tmp_path, monkeypatch
):
    import cupy

    device_data.release()  # another test of this process may have left its images
    engine, root = SimpleNamespace(asarray=cupy.asarray), Root(tmp_path)
    sha256 = {name: loading.prepare(name, root.data)[0].sha256 for name in ("digits", "mnist5k")}
    reads, load = [], loading.load
    monkeypatch.setattr(
        loading, "load", lambda name, *rest: (reads.append(name), load(name, *rest))[1]
    )

    def images(name, **part):
        config = SimpleNamespace(data={"_target_": f"runner.data.sets.{name}", **part})
        planned = SimpleNamespace(
            device="gpu", config=config, data_name=name, data_sha256=sha256[name]
        )
        return device_data.load(planned, root, engine)

    digits = images("digits")
    assert images("digits") is digits and reads == ["digits"]
    np.testing.assert_array_equal(
        digits.test_images.get(), load("digits", sha256["digits"], root.data).test_images
    )
    assert (digits.scale, images("mnist5k").scale) == (16.0, 255.0)
    assert images("digits") is not digits and reads == ["digits", "mnist5k"]
    few = images("digits", n_train=100, validation=20)
    assert len(few.train_images) == 100 and len(few.val_images) == len(few.val_labels) == 20
    assert images("digits", n_train=100, validation=20) is few
    assert len(images("digits").train_images) == 1442 and reads == ["digits", "mnist5k"]
    device_data.release()
    kept = weakref.ref(images("digits"))
    assert kept() is not None
    device_data.release()
    assert kept() is None


@emulated
def test_workers_share_gpus_evenly_whatever_numbers_they_see_them_by(tmp_path, monkeypatch):
    import cupy

    assert cupy.cuda.N_CONNECTIONS == 32  # before CuPy was first imported
    monkeypatch.setenv("EMULATED_GPUS", "2")
    with contextlib.ExitStack() as stack:
        taken = []
        for _ in range(5):
            stack.enter_context(worker._card(Root(tmp_path), "gpu"))
            taken.append(cupy.cuda.Device().id)
        assert taken == [0, 1, 0, 1, 0]
        # The same GPUs by other numbers.
        monkeypatch.setattr(
            cupy.cuda.Device, "pci_bus_id", property(lambda card: f"0000:0{2 - card.id}:00.0")
        )
        stack.enter_context(worker._card(Root(tmp_path), "gpu"))
        assert cupy.cuda.Device().id == 0
    with worker._card(Root(tmp_path), "gpu"):
        assert cupy.cuda.Device().id == 0  # given back


def test_a_run_that_exceeds_its_time_limit_fails_between_two_epochs(tmp_path):
    words = (
        "device=gpu",
        "data=digits",
        "seed=0",
        "model.channels=1",
        "model.hidden_size=8",
        "train.batch_size=500",
    )
    ended = run(
        tmp_path / "root", "-m", *words, "train.epochs=10000", "runner.time_limit_s=1", code=1
    )
    assert "failed (timed out: not at its end within 1 s (runner.time_limit_s))" in ended.out
