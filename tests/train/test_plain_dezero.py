"""Models of one's own train to the numbers of plain DeZero, step by step."""

import math

import numpy as np
import own_models
import pytest
from short_training import BATCH, EPOCHS, N_IMAGES, N_QUESTIONS, N_STEPS, assembled

from runner.engine.dezero import F, dezero, named_parameters
from runner.engine.loop import EVAL_BATCH
from runner.engine.protocol import Position
from runner.seeding import TEST_MASKED, TRAIN, batch_order, philox, word
from runner.train import epochs

NETS = {
    "LSTM": own_models.example("lstm_over_rows"),
    "residual": own_models.RESIDUAL,
    "BatchNorm": own_models.BATCH_NORM,
    "published": own_models.example("published_script"),
}
#: By the name of a file of conf/optimizer: DeZero's class, and a learning rate.
RULES = {
    "adam": (dezero.optimizers.Adam, 1e-3),
    "momentum": (dezero.optimizers.MomentumSGD, 0.1),
}
#: How far the fast engine may come from plain DeZero, in weights and mean losses, which are about 1
#: in size: 16 units of a float32's last place there. The test shows that plain DeZero itself may
#: come so far from the same training in float64.
TOLERANCE = 16 * 2.0**-23


class Drawn:
    """The numbers that the masks of a run are drawn by, for DeZero's dropout."""

    def __init__(self, seed):
        self.seed = seed

    def begin(self, purpose, time, first_row=0):
        self.purpose, self.time, self.first_row, self.n_layers = purpose, time, first_row, 0

    def rand(self, *shape):
        self.n_layers += 1
        start = self.first_row * math.prod(shape[1:])
        end = start + math.prod(shape)
        counters = np.arange(-(-end // 4), dtype=np.uint64)
        layer = word(f"dropout{self.n_layers}")
        words = philox((counters, self.time, layer, self.purpose), (self.seed, 0))
        return (np.stack(words, axis=1).ravel()[start:end] / 2**32).reshape(shape)


class Plain:
    """The loop of the book, from the first weights of a run and with its batches."""

    def __init__(self, run, data, rule, drawn, dtype=np.float32):
        self.seed, self.data, self.drawn, self.dtype = run.seed, data, drawn, dtype
        self.model = type(run.model)()
        with dezero.no_grad(), dezero.test_mode():
            self.scores(data.test_images[:1])  # DeZero makes the weights in a first pass
        for name, array in arrays_of(run.model).items():
            named_parameters(self.model)[name].data = array.astype(dtype)
        make, lr = RULES[rule]
        self.optimizer = make(lr).setup(self.model)
        decay = run.config.optimizer["weight_decay"]
        self.optimizer.add_hook(dezero.optimizers.WeightDecay(decay))
        self.n_steps = 0

    def step(self):
        n_images, (epoch, step) = len(self.data.train_images), divmod(self.n_steps, N_STEPS)
        if step == 0:
            self.loss_sum, self.n_correct = 0.0, 0
        self.n_steps += 1
        rows = batch_order(self.seed, epoch + 1, n_images)[step * BATCH : (step + 1) * BATCH]
        self.drawn.begin(TRAIN, self.n_steps)
        y, t = self.scores(self.data.train_images[rows]), self.data.train_labels[rows]
        loss = F.softmax_cross_entropy(y, t)
        self.model.cleargrads()
        loss.backward()
        self.optimizer.update()
        self.loss_sum += float(loss.data) * len(t)
        self.n_correct += int((y.data.argmax(axis=1) == t).sum())

    def evaluate(self):
        """Mean loss and accuracy on the test images, in the present mode of DeZero."""
        loss_sum, n_correct, labels = 0.0, 0, self.data.test_labels
        for first in range(0, len(labels), EVAL_BATCH):
            rows = slice(first, first + EVAL_BATCH)
            self.drawn.begin(TEST_MASKED, self.n_steps // N_STEPS, first)
            with dezero.no_grad():
                y, t = self.scores(self.data.test_images[rows]), labels[rows]
                loss_sum += float(F.softmax_cross_entropy(y, t).data) * len(t)
            n_correct += int((y.data.argmax(axis=1) == t).sum())
        return loss_sum / len(labels), n_correct / len(labels)

    def scores(self, images):
        return self.model(images.astype(self.dtype) / self.dtype(self.data.scale))


def arrays_of(model):
    """Weights, and the averages of batch normalisation."""
    return {name: parameter.data.copy() for name, parameter in named_parameters(model).items()}


def numbers_of(model, of_epoch):
    """Arrays, and the mean loss of the epoch that is being trained."""
    return arrays_of(model) | {"loss": np.float64(of_epoch.loss_sum / N_IMAGES)}


def distance(numbers, others):
    assert numbers.keys() == others.keys()
    return max(float(abs(array - others[name]).max()) for name, array in numbers.items())


def bits(numbers):
    return {name: (array.dtype, array.tobytes()) for name, array in numbers.items()}


# By Adam a bias whose gradient is nothing but rounding, as before a normalisation, moves by a whole
# step.
@pytest.mark.parametrize(
    ("net", "rule"),
    [(net, rule) for net in NETS for rule in RULES if (net, rule) != ("BatchNorm", "adam")],
)
def test_a_net_of_ones_own_equals_plain_dezero_step_by_step(
    net, rule, engine, new_run, data, tmp_path, monkeypatch
):
    kind = own_models.define(NETS[net], tmp_path, monkeypatch)
    run = new_run(kind=kind, optimizer=rule, lr=RULES[rule][1])
    drawn, position, n_compared = Drawn(run.seed), Position(), 0
    monkeypatch.setattr(np.random, "rand", drawn.rand)
    plain, exact = (Plain(run, data, rule, drawn, dtype) for dtype in (np.float32, np.float64))
    at_first = arrays_of(run.model)

    def look():
        """Compare, and take the step that the run is about to take."""
        nonlocal n_compared
        if position.step:
            ours, dezeros = numbers_of(run.model, position), numbers_of(plain.model, plain)
            assert position.n_correct == plain.n_correct
            assert distance(ours, dezeros) <= TOLERANCE
            assert engine == "fast" or bits(ours) == bits(dezeros)
            assert distance(dezeros, numbers_of(exact.model, exact)) <= TOLERANCE
            n_compared += 1
        if position.step < N_STEPS:
            plain.step()
            exact.step()
        return False

    tolerance = 0 if engine == "stock" else TOLERANCE
    for record in epochs.train(assembled(run, data), position, look):
        has_dropout = drawn.n_layers > 0
        with dezero.test_mode():
            loss, accuracy = plain.evaluate()
        assert record.test_loss == pytest.approx(loss, rel=0, abs=tolerance)
        assert record.test_accuracy == accuracy
        if has_dropout:  # the published script's own measure, with dropout left on
            loss, accuracy = plain.evaluate()
        assert record.test_masked_loss == pytest.approx(loss, rel=0, abs=tolerance)
        assert record.test_masked_accuracy == accuracy
    # An epoch asks before each step, the first of which shows nothing yet, and twice in between.
    assert n_compared == N_QUESTIONS - EPOCHS
    assert distance(at_first, arrays_of(run.model)) > 1000 * TOLERANCE
