"""CUDA graphs of steps: the bits of single launches; models without graphs train too."""

import math
import re

import numpy as np
import pytest
from gpu_runs import BATCH, IS_EMULATED, assert_close, loop_of, records_of, results_of

from runner.engine.dezero import F, Model
from runner.engine.functions import layers
from runner.engine.gpu import graph
from runner.engine.gpu.batches import Phase
from runner.engine.protocol import Position

pytestmark = pytest.mark.gpu


def test_graphs_of_any_length_and_single_launches_give_the_same_bits(gpu_run, monkeypatch):
    results = []
    for steps_per_graph, use_graphs in ((20, True), (2, True), (1, True), (20, False)):
        monkeypatch.setattr(graph, "STEPS_PER_GRAPH", steps_per_graph)
        results.append(results_of(gpu_run(graph=use_graphs)))
    assert all(result == results[0] for result in results[1:])


@pytest.mark.parametrize(
    "knobs, n_kernels",
    [
        # Batch, convolution, product, bias to dropout, last layer, loss; gradients of the last
        # layer and of the ReLU before it, two products, the convolution's gradients, Adam.
        (dict(channels=30, hidden_size=100), 11),
        (dict(fc_depth=2), 16),
        (dict(kind="mlp", fc_depth=2), 13),
        (dict(fc_depth=0), 7),
    ],
    ids=str,
)
def test_a_step_is_so_many_kernels_and_nothing_else(knobs, n_kernels, gpu_run):
    loop = loop_of(gpu_run(n_images=BATCH, **knobs))
    next(loop.epoch(np.arange(BATCH), Position(), lambda: False))
    dot = loop.launcher._graphs[Phase.TRAIN, BATCH, 1].debug_dot_str()
    nodes = re.findall(r'^"graph_\d+_node_\d+"\[.*', dot, re.MULTILINE)
    # The cuBLAS of a GPU may first clear the sum of a product's parts, or add them up in a second
    # kernel.
    n_more = 0 if IS_EMULATED else 3 * (1 + knobs.get("fc_depth", 1))
    assert n_kernels <= len(nodes) <= n_kernels + n_more
    n_other = sum('shape="octagon"' not in node for node in nodes)  # the shape of a kernel
    assert n_other <= n_more


class ChangesInPlace(Model):
    """A model that changes pixels or scores without a DeZero function."""

    def __init__(self, engine, what):
        super().__init__()
        self.conv, self.out, self.what = engine.conv_block([2]), engine.output(10), what

    def forward(self, x):
        if self.what == "pixels":
            x[...] = x * np.float32(0.5)
        h = self.conv(x)
        y = self.out(F.reshape(h, (len(h), -1)))
        if self.what == "scores":
            y.data *= np.float32(0.5)
        return y


@pytest.mark.parametrize("what", ["pixels", "scores"])
def test_a_model_that_changes_arrays_in_place_has_the_losses_of_the_cpu(what, gpu_run, monkeypatch):
    from runner.models import mlp

    monkeypatch.setattr(mlp, "MLP", lambda engine, **knobs: ChangesInPlace(engine, what))
    run, on_cpu = gpu_run("gpu", kind="mlp", epochs=1), gpu_run("cpu", kind="mlp", epochs=1)
    assert_close(records_of(run), records_of(on_cpu))


class CopiesToHost(Model):
    """A model that copies a number to the host, which no graph can contain."""

    def __init__(self, engine):
        super().__init__()
        self.fc = layers.Hidden(engine.kernels, "fc1", 8, None, engine.masks)
        self.out = engine.output(10)

    def forward(self, x):
        h = self.fc(F.reshape(x, (len(x), -1)))
        float(h.data.sum())
        return self.out(h)


def test_a_model_that_cannot_be_captured_trains_without_graphs_and_its_fallbacks_say_so(
    gpu_run, monkeypatch
):
    from runner.models import mlp

    monkeypatch.setattr(mlp, "MLP", lambda engine, **knobs: CopiesToHost(engine))
    run, on_cpu = gpu_run("gpu", kind="mlp", epochs=1), gpu_run("cpu", kind="mlp", epochs=1)
    assert not run.engine.graph and "no CUDA graph: " in run.engine.fallbacks[-1]
    assert_close(records_of(run), records_of(on_cpu))


def test_an_optimizers_hook_that_copies_to_the_host_trains_without_graphs_too(gpu_run):
    def clip(parameters):
        norm = math.sqrt(sum(float((p.grad.data**2).sum()) for p in parameters))
        for parameter in parameters:
            parameter.grad.data *= min(1.0, 0.1 / norm)

    run, on_cpu = gpu_run("gpu", epochs=1, hooks=[clip]), gpu_run("cpu", epochs=1, hooks=[clip])
    assert run.optimizer.rule.t == 0 and "no CUDA graph: " in run.engine.fallbacks[-1]
    assert_close(records_of(run), records_of(on_cpu))


@pytest.mark.skipif(
    not IS_EMULATED, reason="the memory that a graph takes can only be set on the emulated GPU"
)
def test_a_graph_without_memory_is_a_memory_error_and_not_a_model_without_graphs(
    gpu_run, monkeypatch
):
    import cupy

    monkeypatch.setattr(cupy.cuda, "GRAPH_BYTES", 1 << 50)
    with pytest.raises(MemoryError, match="out of memory"):
        gpu_run()
