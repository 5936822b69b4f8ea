"""What a fraction of the grid can say of a claim: which effects it takes for one another."""

from collections.abc import Sequence

from analysis.design.cells import Cells
from analysis.read.sweeps import Design
from runner.record import Claim, as_text, short

_WAYS = {2: "two", 3: "three", 4: "four", 5: "five"}


def refusal(claim: Claim, cells: Cells) -> str | None:
    """Why a fraction cannot decide a claim, by the effects that it is aliased with; None if it can.

    A main effect is estimated from all cells. That is right where no effect of two knobs together
    is aliased with it; effects of three and more are taken to be small, as in any fraction. Where
    the claim's `at` holds a knob, its interaction with this one is in what is compared, too, and
    has to be as clear.
    """
    assert cells.design
    knob = claim.knob
    for group, parts in cells.parts.items():
        if claim.knob in parts:
            others = [part for part in parts if part != claim.knob]
            if others:
                return (
                    f"several knobs moved at once: with {claim.knob} moves {', '.join(others)};"
                    f" claim something of {group} instead"
                )
            knob = group
    held = [other for other in claim.at if other in cells.moving]
    if len(held) > 1:
        return (
            f"`at` holds {' and '.join(map(short, held))}, and a fraction tells what a knob does at"
            " one level of one other knob at most; leave `at` out, or sweep the grid"
        )
    with_two = aliased_with(cells.design, [knob])
    if with_two:
        return (
            f"{knob} is aliased with {_named(with_two)} in this fraction, so that its effect cannot"
            " be told from theirs; sweep.resolution=4 or the grid tells them apart"
        )
    for other in held:
        with_others = aliased_with(cells.design, [knob, other])
        if with_others:
            at = f"{short(other)}={as_text(claim.at[other])}"
            return (
                f"what {short(knob)} does at {at} rests on {effect_name([knob, other])}, which is"
                f" aliased with {_named(with_others)} in this fraction; leave `at` out for the"
                " average, or take sweep.resolution=5 or the grid"
            )
    return None


def aliased_with(design: Design, effect: Sequence[str]) -> list[list[str]]:
    """The effects of one knob or two that a fraction cannot tell from this one."""
    for of in design.aliases:
        others = [other for other in of if set(other) != set(effect)]
        if len(others) < len(of):
            return others
    return []


def caveat(design: Design, claim: Claim) -> str:
    """What has to be known of an average over a fraction."""
    n = design.resolution - 1 - bool(claim.at)
    return (
        f"This is the average over the other knobs. The fraction cannot tell it apart from effects"
        f" of {_WAYS.get(n, n)} knobs together, nor say on which knob it depends."
    )


def effect_name(effect: Sequence[str]) -> str:
    """`channels x dropout`."""
    return " x ".join(map(short, effect))


def _named(effects: list[list[str]]) -> str:
    return " and ".join(map(effect_name, effects))
