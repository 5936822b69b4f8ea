"""A step as a list of kernel calls: recorded while DeZero computes it, and replayed without DeZero.

The recorder stands between the functions of a network and the kernels of a device. All that a step
computes passes there, if every function has a kernel; then the same calls on the next batch give
the bits that DeZero would have computed. Anything else that a kernel is handed is refused.
"""

import contextlib
import dataclasses
import math
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from runner.engine.captured import calls
from runner.engine.captured.calls import Call
from runner.engine.device import Array
from runner.engine.dezero import named_parameters
from runner.engine.functions.substitutes import Substitutes
from runner.seeding import Draw, Masks


class Recorder:
    """The kernels of a device, under their names; while it records, each call is noted.

    Parameters
    ----------
    kernels
        `runner.engine.cpu`.
    """

    def __init__(self, kernels: Any) -> None:
        self._tape: Tape | None = None
        for name in kernels.__all__:
            setattr(self, name, self._noted(getattr(kernels, name)))

    @contextlib.contextmanager
    def recording(self, tape: "Tape") -> Iterator[None]:
        """Note the calls of the block on the tape."""
        self._tape = tape
        try:
            yield
        finally:
            self._tape = None

    def _noted(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            result = kernel(*arguments)
            if self._tape is not None:
                self._tape.note(kernel, arguments, result)
            return result

        return call


class _Refused(Exception):
    """Why a step cannot be replayed, in words."""


class Tape:
    """The kernel calls of a step, or of an evaluation's batch, of one size.

    Parameters
    ----------
    substitutes
        Counts the functions that no kernel computes.
    x, t
        The batch with which it is recorded.

    Attributes
    ----------
    why_not
        Why it cannot be replayed; empty when it can.
    """

    def __init__(self, model: Any, substitutes: Substitutes, x: Array, t: Array) -> None:
        self.why_not = ""
        self._substitutes, self._n_left = substitutes, substitutes.n_left
        self._parameters = list(named_parameters(model).values())
        #: What each place holds when a replay begins.
        self._values: list[Any] = []
        self._calls: list[Call] = []
        self._draws: dict[Draw, int] = {}
        #: The arrays that have been seen, by address and shape, and the last one at an address.
        self._seen: dict[tuple[int, tuple[int, ...] | None], _Seen] = {}
        self._outputs: list[int] = []
        for array in (x, t):
            self._place(None, array)
        #: An optimizer may give a parameter another array of the same shape in an update.
        self._weights = [(p, self._place(None, p.data)) for p in self._parameters]
        for parameter in self._parameters:
            if (place := getattr(parameter, "gradient_place", None)) is not None:
                self._place(place, place)

    def note(self, kernel: Callable[..., Any], arguments: tuple[Any, ...], result: Any) -> None:
        """Note a call that has been made."""
        if self.why_not or kernel.__name__ == "is_one":  # the gradient of a loss is one
            return
        try:
            places = tuple(map(self._argument, arguments))
        except _Refused as refused:
            self.why_not = f"{kernel.__name__} got {refused}"
            return
        made = [self._place(None, array) for array in _several(result)]
        put = slice(made[0], made[-1] + 1) if type(result) is tuple else made[0]
        self._calls.append(Call(kernel, places, put))

    def end(self, *outputs: Array) -> bool:
        """End the recording of a step that computed these; whether it can be replayed.

        Every gradient of a parameter must be where the optimizer's kernels look for it.
        """
        if self._substitutes.n_left > self._n_left:
            self.why_not = "DeZero computes a part of it"
        try:
            self._outputs = [self._argument(array) for array in outputs]
        except _Refused as refused:
            self.why_not = self.why_not or f"a result is {refused}"
        for parameter in self._parameters:
            place = getattr(parameter, "gradient_place", None)
            if parameter.grad is not None and parameter.grad.data is not place:
                self.why_not = self.why_not or "a gradient is added up by DeZero"
        self._seen.clear()
        if not self.why_not:
            weights = {place for _, place in self._weights}
            self._calls = calls.fused(
                self._calls, self._values, weights, self._outputs, lambda v: self._place(v, None)
            )
        self._mark_last_uses()
        return not self.why_not

    def replay(self, x: Array, t: Array, masks: Masks) -> list[Any]:
        """What `end` was given, for this batch and the masks of this step."""
        values = self._values.copy()
        values[0], values[1] = x, t
        for parameter, place in self._weights:
            values[place] = parameter.data
        for draw, place in self._draws.items():
            values[place] = dataclasses.replace(draw, time=masks.time, first_row=masks.first_row)
        for call in self._calls:
            values[call.results] = call.kernel(*[values[i] for i in call.arguments])
            for i in call.done:
                values[i] = None
        return [values[i] for i in self._outputs]

    def _argument(self, value: Any) -> int:
        """The place of an argument."""
        if isinstance(value, Draw):
            if value not in self._draws:
                self._draws[value] = self._place(None, None)
            return self._draws[value]
        if not isinstance(value, np.ndarray):
            if type(value) in (bool, int, float, type(None)) or _are_integers(value):
                return self._place(value, None)
            raise _Refused(f"a {type(value).__name__}")
        address = value.__array_interface__["data"][0]
        for key in ((address, value.shape), (address, None)):
            if (seen := self._seen.get(key)) and seen.is_in(value):
                return seen.place if seen.shape == value.shape else self._reshape(seen, value)
        raise _Refused("an array that no kernel made")

    def _reshape(self, seen: "_Seen", view: Array) -> int:
        """The place of another shape of an array."""
        arguments = seen.place, self._place(view.shape, None)
        place = self._place(None, view)
        self._calls.append(Call(np.reshape, arguments, place))
        return place

    def _place(self, value: Any, array: Any) -> int:
        """A new place that holds this value when a replay begins, and may be read as this array."""
        place = len(self._values)
        self._values.append(value)
        if isinstance(array, np.ndarray) and array.size and array.flags.c_contiguous:
            owner = array if array.base is None else array.base
            if isinstance(owner, np.ndarray) and owner.flags.owndata:
                # While it lives, no other array has its memory.
                seen = _Seen(weakref.ref(owner), place, array.shape, array.dtype)
                address = array.__array_interface__["data"][0]
                self._seen[address, array.shape] = self._seen[address, None] = seen
        return place

    def _mark_last_uses(self) -> None:
        made = {0, 1}.union(*(call.made for call in self._calls))
        later = set(self._outputs)
        for call in reversed(self._calls):
            used = (made.intersection(call.arguments) | set(call.made)) - later
            call.done = sorted(used)
            later |= used


@dataclass(frozen=True)
class _Seen:
    """An array that was seen while recording: the owner of its memory, and where it is kept."""

    owner: Any
    place: int
    shape: tuple[int, ...]
    dtype: Any

    def is_in(self, array: Array) -> bool:
        """Whether an array at the same address is this one, or all of it in another shape."""
        return (
            self.owner() is not None
            and bool(array.flags.c_contiguous)
            and (math.prod(self.shape), self.dtype) == (array.size, array.dtype)
        )


def _several(result: Any) -> tuple[Any, ...]:
    return result if type(result) is tuple else (result,)


def _are_integers(value: Any) -> bool:
    """Whether it is a tuple of integers, or of such tuples: a shape, or windows."""
    return type(value) is tuple and all(type(i) is int or _are_integers(i) for i in value)
