"""A launch that waits for the next one, whose kernel may do the work of both."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Waiting:
    """What a run's kernels have promised and not launched: at most one output.

    Attributes
    ----------
    is_allowed
        Whether anything may wait. Only where nobody but kernels reads an output: it holds nothing yet.
    trial
        Called with an output that waits, so that a trial can fill it with what nobody can take for a result.
    """

    def __init__(self) -> None:
        self.is_allowed = False
        self.trial: Callable[[Any], None] | None = None
        self._output: Any = None
        self._inputs: tuple[Any, ...] = ()
        self._launch: Callable[[], None] | None = None

    def put(self, output: Any, inputs: tuple[Any, ...], launch: Callable[[], None]) -> None:
        """Have `launch`, which computes `output` from `inputs`, wait, if that is allowed."""
        if not self.is_allowed:
            launch()
            return
        if self.trial:
            self.trial(output)
        self._output, self._inputs, self._launch = output, inputs, launch

    def take(self, output: Any) -> tuple[Any, ...] | None:
        """The inputs of this very output, which whoever takes them computes; None: it is computed."""
        if self._launch is None or output is not self._output:
            self.launch()
            return None
        inputs = self._inputs
        self.forget()
        return inputs

    def launch(self) -> None:
        """Nothing waits any longer."""
        launch = self._launch
        self.forget()
        if launch:
            launch()

    @contextmanager
    def none_after(self) -> Iterator[None]:
        """Nothing waits after the block."""
        try:
            yield
            self.launch()
        finally:
            self.forget()

    def forget(self) -> None:
        """What waits is wanted by nobody."""
        self._output, self._inputs, self._launch = None, (), None


def after_waiting(method: Any) -> Any:
    """A method of an object with a `waiting`, before which what waits is launched."""

    @functools.wraps(method)
    def launched(self: Any, *args: Any, **more: Any) -> Any:
        self.waiting.launch()
        return method(self, *args, **more)

    return launched
