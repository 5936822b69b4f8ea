"""Optimizers on a GPU: rates and decay of each step in graphs, and classes without a kernel."""

import pytest
from gpu_runs import (
    EPOCHS,
    IS_EMULATED,
    assert_close,
    records_of,
    results_of,
    state_bytes,
)
from short_training import resume, save, without_times

from runner.engine.gpu import graph
from runner.engine.protocol import Position
from runner.engine.recipe import Recipe
from runner.state.checkpoint import Checkpoints

pytestmark = pytest.mark.gpu

COSINE = {"kind": "cosine", "warmup_epochs": 1}
STEP = {"kind": "step", "at": [1], "factor": 0.1}


def recipe(of, **settings):
    return Recipe(f"dezero.optimizers.{of}", {"lr": 0.01} | settings, EPOCHS)


DECOUPLED = {"weight_decay": 0.5, "decoupled_decay": True}


@pytest.mark.parametrize(
    "made",
    [
        recipe("Adam", schedule=COSINE, **DECOUPLED),
        recipe("MomentumSGD", schedule=STEP, **DECOUPLED),
        recipe("SGD", schedule={"warmup_epochs": 1}, **DECOUPLED),
        recipe("Adam", schedule=COSINE, weight_decay=1e-3),
    ],
    ids=str,
)
def test_graphs_take_each_step_at_its_rate_and_with_its_decay(made, gpu_run, monkeypatch):
    on_gpu, on_cpu = gpu_run("gpu", recipe=made), gpu_run("cpu", recipe=made)
    assert_close(records_of(on_gpu), records_of(on_cpu))
    assert on_gpu.engine.graph and on_gpu.engine.fallbacks == ()
    one_by_one = results_of(gpu_run(recipe=made, graph=False))
    monkeypatch.setattr(graph, "STEPS_PER_GRAPH", 2)
    assert results_of(gpu_run(recipe=made)) == one_by_one


@pytest.mark.parametrize("of", ["Adam", "AdaGrad"])
@pytest.mark.parametrize("k", [3, 7])
def test_a_run_under_a_schedule_that_is_stopped_ends_with_the_same_bits(
    of, k, gpu_run, tmp_path, monkeypatch
):
    monkeypatch.setattr(graph, "STEPS_PER_GRAPH", 2)
    made = recipe(of, schedule=COSINE, **DECOUPLED)
    expected = results_of(gpu_run(recipe=made))
    run, position, asked = gpu_run(recipe=made), Position(), iter(range(1, 100))
    records = records_of(run, position=position, should_stop=lambda: next(asked) == k)
    assert position.epoch <= EPOCHS
    save(run, Checkpoints(tmp_path, "key"), vars(position))
    resumed = gpu_run(recipe=made)
    records += records_of(resumed, position=resume(resumed, Checkpoints(tmp_path, "key")))
    assert (without_times(records), state_bytes(resumed)) == expected


def test_a_class_without_a_kernel_is_updated_by_itself_and_the_fallbacks_say_so(gpu_run):
    made = recipe("AdaGrad", schedule=STEP, weight_decay=1e-3)
    on_gpu, on_cpu = gpu_run("gpu", recipe=made), gpu_run("cpu", recipe=made)
    assert on_gpu.engine.fallbacks == ("AdaGrad", "no CUDA graph: AdaGrad is updated by itself")
    assert_close(records_of(on_gpu), records_of(on_cpu))


def test_clipping_needs_no_number_on_the_host(gpu_run):
    made = recipe("Adam", weight_decay=1e-3, clip_grad=0.1)
    on_gpu, on_cpu = gpu_run("gpu", recipe=made), gpu_run("cpu", recipe=made)
    # Within a capture, the emulated CuPy has no operations but this project's kernels.
    assert on_gpu.engine.graph != IS_EMULATED
    assert_close(records_of(on_gpu), records_of(on_cpu))
