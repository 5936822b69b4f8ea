"""A run on a GPU, for every test of this folder."""

import os

import pytest

pytest.register_assert_rewrite("gpu_runs")

from gpu_runs import BATCH, EPOCHS, IMAGES, IS_EMULATED, TEST_IMAGES  # noqa: E402
from places import EMULATED  # noqa: E402
from short_training import assembled  # noqa: E402

if IS_EMULATED:  # by its nvidia-smi a command sees that there is a card
    os.environ["PATH"] = f"{EMULATED}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def gpu_run(new_run, digits, few):
    """Call for a run on a device with its images, after its warm-up."""

    def build(on="gpu", n_images=IMAGES, epochs=EPOCHS, graph=True, hooks=(), recipe=None, **knobs):
        small = {"cnn": dict(channels=2, hidden_size=12), "mlp": dict(hidden_size=12)}
        knobs = small.get(knobs.get("kind", "cnn"), {}) | knobs
        run = new_run(engine="fast", device=on, **knobs)
        if on == "gpu":
            run.engine.graph = graph
        if recipe:
            run.optimizer = run.engine.optimizer(recipe, run.model)
        for hook in hooks:
            run.optimizer.hooks.append(hook)
        data = few(digits, n_images, TEST_IMAGES, None, run.engine.asarray)
        run = assembled(run, data, epochs, BATCH)
        run.warm_up()
        return run

    return build
