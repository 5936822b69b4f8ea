"""Trainings of a few steps, and the state that two equal ones have in common."""

from dataclasses import replace

import numpy as np

from runner.engine.dezero import named_parameters
from runner.engine.loop import Eager
from runner.engine.protocol import Position
from runner.record import TIMES
from runner.train import epochs as training
from runner.train.assemble import Assembly

# 60 images in batches of 25 are three steps, the last of 10 images. An epoch asks should_stop
# before each, and twice while it evaluates.
N_IMAGES, BATCH, N_STEPS, EPOCHS = 60, 25, 3, 2
N_QUESTIONS = EPOCHS * (N_STEPS + 2)


def assembled(run, data, epochs=EPOCHS, batch_size=BATCH):
    """The parts of a run with its data, for so many epochs."""
    config = replace(
        run.config, train=replace(run.config.train, epochs=epochs, batch_size=batch_size)
    )
    return Assembly(config, run.engine, data, run.model, run.optimizer)


def go_on(run, data, position, should_stop=lambda: False, epochs=EPOCHS):
    return list(training.train(assembled(run, data, epochs), position, should_stop))


def save(run, checkpoints, position):
    """Keep the run, with the position as a dictionary, as training does."""
    checkpoints.save(assembled(run, None).snapshot(), position)


def resume(run, checkpoints):
    """Bring the run to where it was kept; the position there."""
    arrays, position = checkpoints.load()
    assembled(run, None).restore(arrays)
    return Position(**position)


def eager(run, data):
    """The book's loop over the data."""
    return Eager(run.model, run.optimizer, run.engine, data, BATCH)


def weights(run):
    return {name: parameter.data.copy() for name, parameter in named_parameters(run.model).items()}


def everything(run):
    """Weights and the optimizer's state, as bytes."""
    arrays = weights(run) | run.optimizer.state()
    return {name: np.asarray(array).tobytes() for name, array in arrays.items()}


def without_times(records):
    return [
        {m: v for m, v in record.metrics().items() if m not in TIMES} | {"n": record.epoch}
        for record in records
    ]
