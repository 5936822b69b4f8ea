"""In which language a person is spoken to, and sentences that can be said in another one."""

import functools
import os
import re
from collections.abc import Mapping, Sequence
from typing import TextIO

ENGLISH, JAPANESE = "en", "ja"
#: The language of the locale.
AUTO = "auto"
#: What a person may ask for.
LANGUAGES = (AUTO, ENGLISH, JAPANESE)
#: Of the locale's variables, the first that is set counts.
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
_FIELD = re.compile(r"\{(\w+)\}")
#: How what is added to a text begins.
_ADDITION = re.compile(r"; |, | \(")


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


class Translation:
    """Says texts in another language; what has no template there stays English.

    A text that is `Said` remembers its template. Errors, and what a journal holds of a run's end,
    are plain text, and are recognised by their wording.

    Parameters
    ----------
    templates
        By the English template, with the same fields.
    """

    def __init__(self, templates: Mapping[str, str]) -> None:
        self._templates = templates
        words = {of: " ".join(literals(of)) for of in templates}
        known = [template for template, of in words.items() if len(re.findall(r"\w+", of)) > 1]
        # What may be made from several templates is made from the one with the most letters.
        self._known = sorted(known, key=lambda template: -len(words[template]))
        self._recognised = functools.lru_cache(maxsize=1024)(self.recognised)

    def __call__(self, text: str) -> str:
        """The text in the other language."""
        said = text if isinstance(text, Said) else self._recognised(text)
        if not isinstance(said, Said):
            return text
        template = self._templates.get(said.template, said.template)
        if not said.values:
            return template
        values = {
            name: self(value) if isinstance(value, str) else value
            for name, value in said.values.items()
        }
        return template.format(**values)

    def recognised(self, text: str) -> str:
        """A plain text as `say` makes it; as it is where no template has its wording.

        A template with one word of its own, or none, would recognise what it does not say.
        """
        if " " not in text:  # such as a number or a name
            return text
        for template in self._known:
            values = _values(template, text)
            if values is not None:
                return say(template, **values)
        return text


def literals(template: str) -> list[str]:
    """What stands around the fields of a template: one text more than it has fields."""
    return _FIELD.split(template)[::2]


def _values(template: str, text: str) -> dict[str, str] | None:
    """What the fields of a template are in a text that was made from it, each as short as can be.

    A field right after another one is an addition, such as `; did you mean ...?`, or nothing.
    """
    parts = _FIELD.split(template)
    first, names, others = parts[0], parts[1::2], parts[2::2]
    if not names:
        return {} if text == template else None
    at, end, values = len(first), len(text) - len(others[-1]), dict[str, str]()
    if at > end or not text.startswith(first) or not text.endswith(others[-1]):
        return None
    for place, name in enumerate(names):
        after = next(filter(None, others[place:-1]), "")
        stop = text.find(after, at, end) if after else end
        if stop < 0:
            return None
        if place + 1 < len(names) and not others[place]:
            addition = _ADDITION.search(text, at, stop)
            stop = addition.start() if addition else stop
        if values.setdefault(name, text[at:stop]) != text[at:stop]:
            return None
        at = stop + len(others[place])
    return values


def spoken(asked: str) -> str:
    """The language to speak, of `LANGUAGES`: that of the locale where none is asked for."""
    if asked != AUTO:
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
