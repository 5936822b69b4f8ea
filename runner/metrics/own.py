"""A user's own metrics: functions that are found by their import path and called after each epoch.

A function gets the scores of an evaluation, float32 (n, n_classes), and the labels, (n,), neither
of which it may change. It returns a finite number, or a dictionary of such numbers by keys.
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.engine.device import to_numpy
from runner.engine.protocol import Data, Measured
from runner.errors import MetricError, TimedOut, short_text
from runner.system import user_code

_KEY = re.compile(r"\w{1,60}", re.ASCII)


@dataclass(frozen=True)
class OwnMetric:
    """A metric and its function."""

    #: Such as `test/f1`.
    name: str
    #: Such as `mine.f1`.
    path: str
    function: Callable[[NDArray[np.float32], NDArray[Any]], Any]

    @property
    def evaluation(self) -> str:
        """The evaluation of whose scores it is computed: one of `runner.record.EVALUATIONS`."""
        return self.name.partition("/")[0]

    def values(self, scores: NDArray[np.float32], labels: NDArray[Any]) -> dict[str, float]:
        """What it says of some images, under the names that are recorded.

        Raises
        ------
        MetricError
            When the function raises, or returns anything but finite numbers.
        """
        try:
            returned = self.function(_read_only(scores), _read_only(labels))
        except TimedOut:
            raise
        except (Exception, SystemExit) as error:
            raise self.failed(f"raised {user_code.raised(error)}") from error
        if not isinstance(returned, Mapping):
            return {self.name: self._number(returned)}
        for key in returned:
            if not _KEY.fullmatch(str(key)):
                allowed = "keys are of 1 to 60 letters, digits and _"
                raise self.failed(f"returned the key {short_text(key)!r}; {allowed}")
        return {f"{self.name}/{key}": self._number(value) for key, value in returned.items()}

    def _number(self, value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise self.failed(f"returned {short_text(value)}")
        return number

    def failed(self, why: str) -> MetricError:
        """The error that says so, by the metric's name."""
        return MetricError(f"metric {self.name} ({self.path}): {why}")


def load(paths: Mapping[str, str]) -> list[OwnMetric]:
    """The metrics of a configuration, their modules imported.

    Parameters
    ----------
    paths
        `Config.metrics`: import paths by the metrics' names.

    Raises
    ------
    MetricError
        For a module that cannot be imported, or has no such function.
    """
    return [OwnMetric(name, path, _function(name, path)) for name, path in paths.items()]


def _function(name: str, path: str) -> Callable[..., Any]:
    try:
        function = user_code.find(path)
    except user_code.NotFound as error:
        raise MetricError(f"metric {name} ({path}): {error}") from error
    if not callable(function):
        raise MetricError(f"metric {name} ({path}): it is no function")
    try:
        inspect.signature(function).bind("scores", "labels")
    except TypeError as error:
        raise MetricError(
            f"metric {name} ({path}): called with scores and labels: {error}"
        ) from None
    except ValueError:  # of a function in C nothing is known
        pass
    return function  # type: ignore[no-any-return]


class Measure:
    """Computes the metrics of a run from the evaluations after an epoch."""

    def __init__(self, metrics: list[OwnMetric], data: Data) -> None:
        self._metrics, self._is_first = metrics, True
        labels = {
            "train_eval": data.train_labels,
            "test": data.test_labels,
            "test_masked": data.test_labels,
        }
        if data.val_labels is not None:
            labels["val"] = data.val_labels
        for metric in metrics:
            if metric.evaluation not in labels:
                raise metric.failed("there are no validation images")
        self._labels = {
            metric.evaluation: to_numpy(labels[metric.evaluation]) for metric in metrics
        }

    def of(self, measured: Measured) -> dict[str, float]:
        """The values of an epoch, by the names that are recorded.

        Raises
        ------
        MetricError
        """
        values: dict[str, float] = {}
        for metric in self._metrics:
            scores = getattr(measured, metric.evaluation).scores
            # Of the training images the first ones are evaluated.
            labels = self._labels[metric.evaluation][: len(scores)]
            found = metric.values(scores, labels)
            if self._is_first and (again := metric.values(scores, labels)) != found:
                told = " and ".join(str(list(of.values())[0]) for of in (found, again))
                raise metric.failed(f"gave {told} for the same scores: may it draw random numbers?")
            values |= found
        self._is_first = False
        return values


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
