"""In which language a person is spoken to, and sentences that can be said in another one."""

import os
from collections.abc import Mapping, Sequence
from typing import TextIO

ENGLISH, JAPANESE = "en", "ja"
#: What a person may ask for; auto is the language of the locale.
LANGUAGES = ("auto", ENGLISH, JAPANESE)
#: Of the locale's variables, the first that is set counts.
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


class Said(str):
    """An English text that knows what it was made from: a template, and values for its fields."""

    template: str
    values: Mapping[str, object]

    def capitalised(self) -> "Said":
        """The same as the beginning of an English sentence; a value keeps its spelling."""
        first = self.template[:1]
        text = str(self)
        return _said(first.upper() + text[1:] if first != "{" else text, self.template, self.values)


def say(template: str, **values: object) -> Said:
    """An English text that another language may have another template for.

    Parameters
    ----------
    template
        With fields in braces, as of `str.format`; without values it is taken as it is.
    values
        Texts and numbers; those that are `Said` are said in the other language, too.
    """
    return _said(template.format(**values) if values else template, template, values)


def joined(separator: str, texts: Sequence[str]) -> Said:
    """Texts in a row, each of which keeps what it was made from."""
    fields = {f"_{place}": text for place, text in enumerate(texts)}
    return say(separator.join(f"{{{name}}}" for name in fields), **fields) if fields else say("")


def translated(text: str, templates: Mapping[str, str]) -> str:
    """A text in another language; what has no template there stays English.

    Parameters
    ----------
    templates
        By the English template, with the same fields.
    """
    if not isinstance(text, Said):
        return text
    template = templates.get(text.template, text.template)
    if not text.values:
        return template
    values = {
        name: translated(value, templates) if isinstance(value, str) else value
        for name, value in text.values.items()
    }
    return template.format(**values)


def spoken(asked: str) -> str:
    """The language to speak, of `LANGUAGES`: that of the locale where none is asked for."""
    if asked != "auto":
        return asked
    locale = next((os.environ[name] for name in _VARIABLES if os.environ.get(name)), "")
    return JAPANESE if locale.startswith(JAPANESE) else ENGLISH


def shown(language: str, stream: TextIO) -> str:
    """The language in which a stream can show a text: English where it has no such letters."""
    letters = "\N{HIRAGANA LETTER A}\N{IDEOGRAPHIC FULL STOP}"
    return language if has_letters(stream, letters) else ENGLISH


def has_letters(stream: TextIO, letters: str) -> bool:
    """Whether the encoding of a stream has these letters; one without an encoding has all."""
    try:
        letters.encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _said(text: str, template: str, values: Mapping[str, object]) -> Said:
    said = Said(text)
    said.template, said.values = template, values
    return said
