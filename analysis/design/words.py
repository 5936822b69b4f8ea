"""Which cells a claim asked for, and why two of them cannot be compared, in words for a message."""

from analysis.design.cells import NO_EFFECT, Cells, same
from runner.record import Claim, as_text, short


def held(claim: Claim) -> str:
    """What the claim's `at` holds, for a message: ` at model.dropout=true`."""
    return "".join(f" at {knob}={as_text(value)}" for knob, value in claim.at.items())


def also_moved(knob: str, cells: Cells, cell_a: str, cell_b: str) -> str:
    """Why two cells cannot be compared: which other knobs differ between them."""
    row_a, row_b = cells.rows[cell_a], cells.rows[cell_b]
    moved = [
        f"{other} {as_text(row_b[other])} -> {as_text(row_a[other])}"
        for other in cells.moving
        if other != knob
        and NO_EFFECT not in (row_a[other], row_b[other])
        and not same(row_a[other], row_b[other])
    ]
    cells_in_words = [
        f"{cells.names[cell]} ({short(knob)}={as_text(cells.rows[cell][knob])})"
        for cell in (cell_b, cell_a)
    ]
    return (
        f"several knobs moved at once: between {' and '.join(cells_in_words)} also"
        f" {', '.join(moved)};"
        " their effects cannot be told apart"
    )
