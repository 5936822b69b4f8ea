"""In which words a reader is told what was found: templates by language, columns, colours.

English stands where it is said, by `runner.system.language.say`; another language has a template
for each English one. What has none there is said in English.
"""

from collections.abc import Callable

from analysis.report.words import japanese, japanese_claims, japanese_reasons
from runner.record import cells_japanese
from runner.system.language import JAPANESE, translated

#: By language: the templates by the English ones.
TEMPLATES = {
    JAPANESE: japanese.TEMPLATES
    | japanese_reasons.TEMPLATES
    | japanese_claims.TEMPLATES
    | cells_japanese.TEMPLATES
}


def speaking(language: str) -> Callable[[str], str]:
    """Says a text in a language."""
    templates = TEMPLATES.get(language)
    return str if templates is None else lambda text: translated(text, templates)
