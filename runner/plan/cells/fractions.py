"""Regular fractions of a two-level grid: which knob goes with which others, and what that hides.

A knob's column over the cells is a bit mask over the base knobs: the base knobs have a bit each,
and an added knob is at its second level where an odd number of the base knobs of its mask is. An
interaction's column is the exclusive or of those of its knobs, so that effects with equal masks
cannot be told apart. Textbooks write the same as I=ABCDE (Wu and Hamada, Experiments, chapter 5).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product
from math import comb

#: A search that has looked at as many words takes the best fraction so far.
_MOST_WORDS = 1_000_000
#: At this resolution no two of the effects of one knob or two are aliased.
_HIGHEST = 5
#: Of a fraction; more of them have more words than can be searched.
MOST_KNOBS = 20


@dataclass(frozen=True)
class Fraction:
    """A fraction with 2^n_base cells."""

    n_base: int
    #: Of each added knob.
    masks: tuple[int, ...]

    @property
    def columns(self) -> list[int]:
        """The masks of all knobs, the base knobs first."""
        return [*(1 << place for place in range(self.n_base)), *self.masks]

    @property
    def resolution(self) -> int:
        """The fewest knobs whose interaction is aliased with the mean."""
        return min(self.words)

    @property
    def words(self) -> list[int]:
        """How many knobs each word of the defining relation has, the shortest first."""
        words = [(0, 0)]
        for mask in self.masks:
            words += [(base ^ mask, n + 1) for base, n in words]
        return sorted(base.bit_count() + n for base, n in words[1:])

    def cells(self) -> Iterator[tuple[int, ...]]:
        """Each cell as the places of its levels, 0 or 1 a knob; the first has the first of each."""
        for bits in product((0, 1), repeat=self.n_base):
            base = sum(bit << place for place, bit in enumerate(bits))
            yield (*bits, *((base & mask).bit_count() % 2 for mask in self.masks))

    def aliases(self) -> list[list[tuple[int, ...]]]:
        """Sets of effects of one knob or two that cannot be told apart; those alone are left out.

        An effect is the places of its knobs, such as (0, 3).
        """
        columns = self.columns
        by_mask: dict[int, list[tuple[int, ...]]] = {}
        for order in (1, 2):
            for knobs in combinations(range(len(columns)), order):
                mask = 0
                for knob in knobs:
                    mask ^= columns[knob]
                by_mask.setdefault(mask, []).append(knobs)
        return [effects for effects in by_mask.values() if len(effects) > 1]


def smallest(n_knobs: int, resolution: int) -> Fraction | None:
    """The fraction with the fewest cells that has the resolution; None where only the grid has."""
    found = (best(n_knobs, n_base, resolution) for n_base in range(2, n_knobs))
    return next((fraction for fraction in found if fraction), None)


@cache
def best(n_knobs: int, n_base: int, resolution: int) -> Fraction | None:
    """A fraction with 2^n_base cells of the least aberration: the fewest short words.

    None where none has the resolution. Beyond about 64 cells it is the best one of those that were
    looked at.
    """
    # Those of a higher resolution are fewer, and have fewer short words.
    higher = best(n_knobs, n_base, resolution + 1) if resolution < _HIGHEST else None
    if higher or not _may_exist(n_knobs, n_base, resolution):
        return higher
    masks = [m for m in range(1 << n_base) if m.bit_count() >= resolution - 1]
    # Long words first: a good fraction is found early, and worse ones need not be followed.
    masks.sort(key=lambda m: (abs(m.bit_count() - (2 * n_base + 2) // 3), m))
    search = _Search(masks, n_knobs - n_base, n_knobs, resolution)
    search.go(0, [(0, 0)], (), [0] * (n_knobs + 1))
    return Fraction(n_base, search.found) if search.found else None


class _Search:
    """Adds a knob at a time, and goes back where the words are more than those of the best."""

    def __init__(self, masks: Sequence[int], n_added: int, n_knobs: int, resolution: int) -> None:
        self._masks, self._n_added, self._resolution = masks, n_added, resolution
        self._least = [1 << n_added] * (n_knobs + 1)
        self._n_words = 0
        self.found: tuple[int, ...] = ()

    def go(
        self, first: int, words: list[tuple[int, int]], taken: tuple[int, ...], counts: list[int]
    ) -> None:
        """Try each mask from `first` on; `counts` is how many words have each length."""
        for place in range(first, len(self._masks) - self._n_added + len(taken) + 1):
            self._n_words += len(words)
            if self._n_words > _MOST_WORDS:
                return
            mask = self._masks[place]
            new = [(base ^ mask, n + 1) for base, n in words]
            lengths = [base.bit_count() + n for base, n in new]
            if min(lengths) < self._resolution:
                continue
            more = list(counts)
            for length in lengths:
                more[length] += 1
            if more >= self._least:
                continue
            if len(taken) + 1 == self._n_added:
                self._least, self.found = more, (*taken, mask)
            else:
                self.go(place + 1, words + new, (*taken, mask), more)


def _may_exist(n_knobs: int, n_base: int, resolution: int) -> bool:
    """Whether the effects that are to be told apart are fewer than the cells."""
    n_cells = 1 << n_base
    if resolution == 5:
        return 1 + n_knobs + comb(n_knobs, 2) <= n_cells
    return n_knobs <= n_cells // 2 if resolution == 4 else n_knobs < n_cells
