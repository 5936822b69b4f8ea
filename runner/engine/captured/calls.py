"""The kernel calls of a tape, and which of them become one.

A convolution takes the ReLU that follows it along, and a 2x2 max-pool after that; a linear layer
its ReLU and dropout. What lies between them is then neither written nor read again. The numbers are
those of the calls one by one; a zero may have another sign, which no weight shows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runner.engine import cpu
from runner.engine.cpu.images.windows import is_by_two

Kernel = Callable[..., Any]


@dataclass
class Call:
    """A kernel, the places of its arguments, and where its results go."""

    kernel: Kernel
    arguments: tuple[int, ...]
    results: int | slice
    #: Places that no later call reads; their arrays are freed, as DeZero frees them.
    done: list[int] = field(default_factory=list)

    @property
    def made(self) -> range:
        """The places of its results."""
        if isinstance(self.results, slice):
            return range(self.results.start, self.results.stop)
        return range(self.results, self.results + 1)


def fused(
    calls: list[Call],
    values: list[Any],
    weights: set[int],
    outputs: list[int],
    place: Callable[[Any], int],
) -> list[Call]:
    """The calls, fewer where some become one.

    Parameters
    ----------
    values
        What each place holds when a replay begins.
    weights
        The places of the model's weights.
    outputs
        The places that are read at the end.
    place
        Makes a place for a value.
    """
    fusing = _Fusing(list(calls), outputs)
    for call in calls:
        if call.kernel in (cpu.conv, cpu.linear) and call.arguments[2] in weights:
            for relu in fusing.only_readers(call.made[0], cpu.relu):
                if call.kernel is cpu.conv:
                    fusing.convolution(call, relu, values)
                else:
                    fusing.linear(call, relu, place(None))
    return fusing.calls


class _Fusing:
    """Calls that become fewer."""

    def __init__(self, calls: list[Call], outputs: list[int]) -> None:
        self.calls, self._outputs = calls, outputs

    def only_readers(self, place: int, *kernels: Kernel) -> list[Call]:
        """What reads a place, if that is one call of each of these kernels and nothing else."""
        readers = {call.kernel: call for call in self._readers(place)}
        is_all = len(self._readers(place)) == len(kernels) and place not in self._outputs
        return [readers[k] for k in kernels] if is_all and readers.keys() == {*kernels} else []

    def convolution(self, conv: Call, relu: Call, values: list[Any]) -> None:
        """Have a convolution take along its ReLU, and the pool that nothing but that reads."""
        pools = self._pool_and_gradients(relu.made[0])
        if pools and is_by_two(*(values[of] for of in pools[0].arguments[1:])):
            pool, *backward = pools
            self._replace([conv, relu, pool], cpu.conv_then_relu_pool, conv.arguments)
            if backward:
                gy, winners, *how = backward[0].arguments
                both = gy, winners, pool.made[0], *how
                self._replace(backward, cpu.relu_max_pool_gradient, both)
        else:
            self._replace([conv, relu], cpu.conv_then_relu, conv.arguments)

    def linear(self, linear: Call, relu: Call, nothing: int) -> None:
        """Have a linear layer take along its ReLU, and the dropout that nothing but that reads.

        `nothing` is a place that holds None.
        """
        (y,) = relu.made
        forward, draw = [linear, relu], nothing
        backward = [call for call in self._readers(y) if call.kernel is cpu.relu_gradient]
        for call in list(backward):
            backward += self.only_readers(call.made[0], cpu.linear_gradients)
        if dropout := self._dropout_and_gradient(y, backward):
            forward, draw = [*forward, dropout[0]], dropout[0].arguments[1]
            backward = [*dropout[1:], *backward]
        self._replace(forward, cpu.linear_relu, (*linear.arguments, draw))
        if len(backward) > 1:  # with the gradients of the layer
            x, W, _, *others = backward[-1].arguments
            arguments = x, W, forward[-1].made[0], draw, backward[0].arguments[0], *others
            self._replace(backward, cpu.linear_relu_gradients, arguments)

    def _pool_and_gradients(self, y: int) -> list[Call]:
        """The pool that reads a ReLU, and the calls for the gradients of both in a step."""
        if in_test := self.only_readers(y, cpu.max_pool):
            return [] if self._readers(in_test[0].made[1]) else in_test
        if in_step := self.only_readers(y, cpu.max_pool, cpu.relu_gradient):
            pool, backward = in_step
            for before in self.only_readers(pool.made[1], cpu.max_pool_gradient):
                if self.only_readers(before.made[0], cpu.relu_gradient) == [backward]:
                    return [pool, before, backward]
        return []

    def _dropout_and_gradient(self, y: int, backward: list[Call]) -> list[Call]:
        """The dropout that reads a ReLU, and that of the gradient in a step.

        `backward` are the calls for the gradients of the ReLU and of the layer before it.
        """
        if not backward:
            return self.only_readers(y, cpu.dropout)
        dropout = self.only_readers(y, cpu.dropout, cpu.relu_gradient)[:1]
        before = [call for call in self.calls if backward[0].arguments[0] in call.made]
        of_both = dropout + before if len(backward) == 2 else []
        return of_both if len(of_both) == 2 and self._are_of_one_draw(*of_both) else []

    def _are_of_one_draw(self, dropout: Call, before: Call) -> bool:
        """Whether a call is the dropout of the gradient, for one ReLU alone."""
        return (
            before.kernel is cpu.dropout
            and before.arguments[1] == dropout.arguments[1]
            and bool(self.only_readers(before.made[0], cpu.relu_gradient))
        )

    def _readers(self, place: int) -> list[Call]:
        return [call for call in self.calls if place in call.arguments]

    def _replace(self, chain: list[Call], kernel: Kernel, arguments: tuple[int, ...]) -> None:
        """Put one call in the place of a chain's last, with the results of that."""
        *others, last = chain
        self.calls[self.calls.index(last)] = Call(kernel, arguments, last.results)
        self.calls = [call for call in self.calls if call not in others]
