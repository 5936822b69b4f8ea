"""A run on a GPU, for every test of this folder."""

import pytest

pytest.register_assert_rewrite("gpu_runs")

from gpu_runs import IMAGES, TEST_IMAGES  # noqa: E402

from runner.train import epochs as training  # noqa: E402


@pytest.fixture
def gpu_run(new_run, digits, few):
    """Call for a run on a device and its images, after its warm-up."""

    def build(on="gpu", n_images=IMAGES, graph=True, hooks=(), **knobs):
        run = new_run(engine="fast", device=on, **(dict(channels=2, hidden_size=12) | knobs))
        if on == "gpu":
            run.engine.graph = graph
        for hook in hooks:
            run.optimizer.add_hook(hook)
        run.data = few(digits, n_images, TEST_IMAGES, resident=run.engine.resident)
        training.warm_up(run.model, run.optimizer, run.engine, run.data)
        return run

    return build
