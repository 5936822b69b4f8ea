"""Lines of a terminal: how many columns a text takes, and where it may be broken."""

import re
import unicodedata
from collections.abc import Iterator

#: What takes two columns.
_WIDE = ("W", "F")
#: What does not begin a line, and what does not end one.
_NOT_FIRST = "、。，．・：；！？）」』】〉》〕｝…ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ〜％])"
_NOT_LAST = "（「『【〈《〔｛[("
#: Belongs to the unit after it.
_NUMBER = re.compile(r"[\d.,]+ ?")


def width_of(text: str) -> int:
    """The columns that a text takes."""
    return sum(_columns(letter) for letter in text)


def padded(text: str, width: int) -> str:
    """A text with spaces up to a number of columns."""
    return text + " " * (width - width_of(text))


def wrapped(text: str, width: int, first: str = "", others: str = "") -> list[str]:
    """A text as lines of at most `width` columns.

    It is broken at spaces and between letters that take two columns, but neither before a full stop
    nor after an opening bracket, nor between a number and its unit. A word that is longer than a
    line has one of its own.

    Parameters
    ----------
    first, others
        What stands before the text in its first line, and in those below.
    """
    lines, line, has_text = [], first, False
    for piece in _pieces(text):
        fits = width_of(line) + width_of(piece.rstrip()) <= width
        if has_text and not fits:
            lines.append(line.rstrip())
            line = others
        line += piece
        has_text = True
    return [*lines, line.rstrip()]


def _columns(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in _WIDE else 1


def _pieces(text: str) -> Iterator[str]:
    """What is never broken, with the spaces after it."""
    piece = ""
    for letter in " ".join(text.split()):
        if piece and not _NUMBER.fullmatch(piece) and _may_break(piece[-1], letter):
            yield piece
            piece = ""
        piece += letter
    if piece:
        yield piece


def _may_break(before: str, after: str) -> bool:
    if before == " " or after == " ":
        return before == " "
    if before in _NOT_LAST or after in _NOT_FIRST:
        return False
    return 2 in (_columns(before), _columns(after))
