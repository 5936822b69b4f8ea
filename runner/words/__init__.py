"""The door to whoever reads: a text is told here, in the language that is spoken.

English stands where it is said, and another language has a template for each English one. What a
display tells is made by `runner.system.language.say`, which remembers its template. Errors,
warnings and what journals hold are plain text, and are recognised by their wording. What has no
template is told in English.
"""

import functools
import sys
from typing import TextIO

from runner.errors import without_password
from runner.system.language import (
    AUTO,
    JAPANESE,
    LANGUAGES,
    Translation,
    shown,
    spoken,
)
from runner.words import (
    japanese_cells,
    japanese_clusters,
    japanese_commands,
    japanese_data,
    japanese_plans,
    japanese_refusals,
    japanese_stores,
    japanese_sweeps,
    japanese_workers,
)

#: The Japanese templates by the English ones.
TEMPLATES = {
    **japanese_cells.TEMPLATES,
    **japanese_clusters.TEMPLATES,
    **japanese_commands.TEMPLATES,
    **japanese_data.TEMPLATES,
    **japanese_plans.TEMPLATES,
    **japanese_refusals.TEMPLATES,
    **japanese_stores.TEMPLATES,
    **japanese_sweeps.TEMPLATES,
    **japanese_workers.TEMPLATES,
}
#: Of `runner.language`: one process speaks one language.
_asked = AUTO


def speak(asked: str) -> None:
    """Speak a language from here on, of `LANGUAGES`; until then it is that of the locale."""
    global _asked
    _asked = asked if asked in LANGUAGES else AUTO


def language(stream: TextIO | None = None) -> str:
    """The language that is spoken on a stream, by default on standard output."""
    # A live display puts a stream without an encoding in the place of `sys.stdout`.
    return shown(spoken(_asked), stream or sys.__stdout__ or sys.stdout)


def said(text: str, stream: TextIO | None = None) -> str:
    """A text as it is said on a stream, by default on standard output."""
    if language(stream) != JAPANESE:
        return str(text)
    return _japanese()(text)


def tell(text: str, indent: int = 0) -> None:
    """Print a line on standard output, after so many spaces."""
    print(" " * indent + said(text), flush=True)


def complain(text: str, command: str = "runner") -> None:
    """Print a line about a problem, without passwords: whoever raised it may have quoted one."""
    line = without_password(said(text, sys.__stderr__ or sys.stderr))
    print(f"{command}: {line}", file=sys.stderr, flush=True)


@functools.cache
def _japanese() -> Translation:
    return Translation(TEMPLATES)
