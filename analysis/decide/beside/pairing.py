"""What comparing within seeds gained: how alike the two sides of a contrast are, seed by seed."""

from dataclasses import dataclass

import numpy as np

from analysis.decide.decision import Decision
from analysis.decide.evidence import By
from analysis.design.within_seed import Array

#: A variance below this is rounding.
_ROUNDING = 1e-24


@dataclass(frozen=True)
class Pairing:
    """How much the pairing by seed narrowed a contrast."""

    #: Correlation of the two sides over the seeds; nan where a side does not vary.
    rho: float
    #: How many times as many seeds an unpaired comparison would need for the same variance.
    worth: float


def pairing(decision: Decision) -> Pairing | None:
    """The pairing of a claim that was tested; None for any other, or where differences do not vary.

    None, too, for an outcome that a run has or has not, and where a run that diverged has no
    number.

    It describes the runs. That they are compared within seeds is part of the plan, and not a choice
    made after seeing this.
    """
    both = decision.both_sides
    if decision.bounds is None or decision.by is By.SHARE or not np.isfinite(both).all():
        return None
    return worth(both)


def worth(both: Array) -> Pairing | None:
    """The pairing of two sides, as `evidence.sides` gives them.

    None where their differences do not vary or are fewer than 3: the correlation of two pairs is 1
    or -1 in any case.
    """
    first, second = both[:, 0], both[:, 1]
    variances = first.var(ddof=1), second.var(ddof=1)
    paired = float((second - first).var(ddof=1))
    if len(both) < 3 or paired <= _ROUNDING:
        return None
    varies = min(variances) > _ROUNDING
    rho = float(np.corrcoef(first, second)[0, 1]) if varies else float("nan")
    return Pairing(rho, float(sum(variances)) / paired)
