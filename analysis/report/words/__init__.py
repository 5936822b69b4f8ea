"""In which words a reader is told what was found: those of `runner.words`, and those below."""

import functools
from collections.abc import Callable

from analysis.report.words import (
    japanese,
    japanese_claims,
    japanese_plans,
    japanese_reasons,
    japanese_stores,
)
from runner import words
from runner.system.language import JAPANESE, Translation

#: The Japanese templates by the English ones.
TEMPLATES = {
    **words.TEMPLATES,
    **japanese.TEMPLATES,
    **japanese_claims.TEMPLATES,
    **japanese_plans.TEMPLATES,
    **japanese_reasons.TEMPLATES,
    **japanese_stores.TEMPLATES,
}


def speaking(language: str) -> Callable[[str], str]:
    """Says a text in a language."""
    return _japanese() if language == JAPANESE else str


@functools.cache
def _japanese() -> Translation:
    return Translation(TEMPLATES)
