"""Whatever a model hands on, no kernel reads past an array: it is refused in words before."""

import numpy as np
import pytest

from runner.engine import cpu
from runner.engine.dezero import F, Function, Parameter, Variable
from runner.engine.functions import fused as functions
from runner.errors import ModelError

LABELS = np.array([0, 3, 9, 1], np.uint8)


def scores(n=4, n_classes=10, dtype=np.float32):
    return np.random.default_rng(0).standard_normal((n, n_classes)).astype(dtype)


@pytest.fixture(params=["stock", "fast"])
def loss(request, new_run):
    return new_run(engine=request.param).engine.loss


# =============================================================================
# The loss
# =============================================================================
@pytest.mark.parametrize(
    "y, t, words",
    [
        (scores(16), LABELS, r"16 rows of scores for 4 images .* write F.flatten\(x\)"),
        (scores()[0], LABELS, r"scores of shape \(10,\)"),
        (scores().reshape(4, 10, 1), LABELS, r"scores of shape \(4, 10, 1\)"),
        (scores()[:, :0], LABELS, r"scores of shape \(4, 0\)"),
        (scores().astype(np.int64), LABELS, "int64 scores"),
        (scores().astype(np.complex64), LABELS, "complex64 scores"),
        (scores(), LABELS.reshape(4, 1), r"labels of shape \(4, 1\)"),
        (scores(), LABELS.astype(np.float32), "float32 labels"),
    ],
    ids=["rows", "rank 1", "rank 3", "no classes", "int", "complex", "labels", "float labels"],
)
def test_scores_that_do_not_fit_their_labels_are_refused_by_shape(y, t, words, loss):
    with pytest.raises(ModelError, match=words):
        loss(Variable(y), t)


@pytest.mark.parametrize("labels", [LABELS, LABELS.astype(np.int64) - 1], ids=["above", "below"])
def test_the_kernel_of_the_loss_refuses_a_label_without_a_column(labels):
    n_classes = 5 if labels.min() >= 0 else 10
    with pytest.raises(ModelError, match=f"scores of {n_classes} classes, and the labels go from"):
        functions.SoftmaxCrossEntropy(cpu)(Variable(scores(n_classes=n_classes)), labels)


def test_a_loss_that_is_not_a_number_is_no_matter_of_labels():
    y = scores()
    y[2, 1] = np.nan
    assert np.isnan(functions.SoftmaxCrossEntropy(cpu)(Variable(y), LABELS).data)


def test_a_run_whose_last_layer_is_too_narrow_is_refused_before_its_first_step(
    new_run, few, digits
):
    run = new_run(engine="stock")
    run.model.out.W.data = run.model.out.W.data[:, :5]
    run.model.out.b.data = run.model.out.b.data[:5]
    with pytest.raises(ModelError, match="5 classes, .* 0 to 9; its last layer needs 10 outputs"):
        run.engine.loop(run.model, run.optimizer, few(digits, 20, 20), 10)


@pytest.mark.parametrize("change", [np.asfortranarray, lambda y: np.repeat(y, 2, 1)[:, ::2]])
def test_scores_in_any_order_of_memory_give_the_same_loss(change):
    def results(y):
        y, function = Variable(y), functions.SoftmaxCrossEntropy(cpu)
        loss = function(y, LABELS)
        loss.backward()
        return loss.data.tobytes(), y.grad.data.tobytes(), function.correct.tolist()

    assert results(change(scores())) == results(scores())


# =============================================================================
# Layers
# =============================================================================
def array(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize("name", ["Linear", "LinearRelu"])
@pytest.mark.parametrize(
    "x, W, b, words",
    [
        (array(2, 1, 4, 4), array(16, 3), array(3), r"got \(2, 1, 4, 4\); write x = F.flatten"),
        (array(16), array(16, 3), array(3), r"got \(16,\); write"),
        (array(2, 15), array(16, 3), array(3), "its W takes 16 numbers"),
        (array(2, 16), array(16, 3), array(4), r"b of \(4,\)"),
        (array(2, 16), array(16), array(3), r"W of \(16,\)"),
        (array(2, 16, dtype=np.float64), array(16, 3), array(3), "got float64"),
        (array(2, 16), array(16, 3), array(3, dtype=np.float64), "a float64 bias"),
        (array(2, 16, dtype=np.uint8), array(16, 3), array(3), "got uint8"),
    ],
)
def test_a_linear_layer_takes_what_its_weights_fit(name, x, W, b, words):
    draw = () if name == "Linear" else (None,)
    with pytest.raises(ModelError, match=words):
        getattr(functions, name)(cpu, *draw)(x, Parameter(W), Parameter(b))


@pytest.mark.parametrize("name", ["ConvRelu", "ConvReluPool"])
@pytest.mark.parametrize(
    "x, W, b, words",
    [
        (array(2, 16), array(3, 1, 3, 3), array(3), r"and got \(2, 16\)"),
        (array(2, 2, 4, 4), array(3, 1, 3, 3), array(3), r"got \(2, 2, 4, 4\)"),
        (array(2, 1, 4, 4), array(3, 1, 2, 2), array(3), "an odd k"),
        (array(2, 1, 4, 4), array(3, 1, 3, 5), array(3), r"W of \(3, 1, 3, 5\)"),
        (array(2, 1, 4, 4), array(3, 1, 3, 3), array(2), r"b of \(2,\)"),
        (array(2, 1, 0, 4), array(3, 1, 3, 3), array(3), "at least"),
        (array(2, 1, 4, 4, dtype=np.float64), array(3, 1, 3, 3), array(3), "got float64"),
    ],
)
def test_a_convolution_takes_what_its_weights_fit(name, x, W, b, words):
    with pytest.raises(ModelError, match=words):
        getattr(functions, name)(cpu)(x, Parameter(W), Parameter(b))


class Wrong(Function):
    """A function of a user's whose backward pass gives a gradient of another shape."""

    def forward(self, x):
        return x.sum(axis=1)

    def backward(self, gy):
        return gy


@pytest.mark.parametrize(
    "name, x, W",
    [("Linear", array(2, 16), array(16, 3)), ("ConvRelu", array(2, 1, 4, 4), array(3, 1, 3, 3))],
)
def test_a_gradient_of_another_shape_is_refused(name, x, W):
    y = getattr(functions, name)(cpu)(Variable(x), Parameter(W), Parameter(array(3)))
    loss = F.sum(Wrong()(y))
    with pytest.raises(ModelError, match=r"gradient of shape \(2.* backward\(\) of the function"):
        loss.backward()
