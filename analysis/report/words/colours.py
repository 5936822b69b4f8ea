"""The colour of an answer, on a terminal that has colours; the word says it all the same."""

import os
import sys
from collections.abc import Callable
from typing import TextIO

from analysis.decide import verdicts

_STYLES = {
    verdicts.SUPPORTED: "bold green",
    verdicts.DIRECTION: "bold green",
    verdicts.NEGLIGIBLE: "bold cyan",
    verdicts.EQUIVALENT: "bold cyan",
    verdicts.REFUTED: "bold red",
    verdicts.DEPENDS: "bold yellow",
    verdicts.INCONCLUSIVE: "bold yellow",
    verdicts.NOT_TESTABLE: "dim",
}


def painter(stream: TextIO = sys.stdout) -> Callable[[str, str], str]:
    """Gives a word the colour of a verdict, where the stream is a terminal with colours.

    `NO_COLOR`, `TERM=dumb` and `FORCE_COLOR` are followed as Rich follows them.
    """
    plain = lambda word, verdict: word  # noqa: E731
    if not stream.isatty() and not os.environ.get("FORCE_COLOR"):
        return plain
    from rich.console import Console
    from rich.style import Style

    console = Console(file=stream)
    if console.no_color or console.color_system is None:
        return plain
    system = console._color_system
    return lambda word, verdict: Style.parse(_STYLES[verdict]).render(word, color_system=system)
