"""A contrast that nobody declared: a question of one's own, computed as a claim's is."""

from typing import Any

from analysis.decide.claims import ALPHA, decide_all
from analysis.decide.decision import Decision
from analysis.decide.study import Study, prepared
from analysis.design.cells import Cells, of_common_seeds
from analysis.design.contrasts import NotTestable, contrasts_of
from runner.record import Claim, as_text, is_metric, parse_reduction


def asked(
    study: Study,
    knob: str,
    metric: str,
    levels: list[Any] | None = None,
    at: dict[str, Any] | None = None,
) -> Decision:
    """The contrast between two levels of a knob, with intervals of 95 % of its own.

    Parameters
    ----------
    metric
        As of a claim: `final(M)`, `last(K, M)`, `auc(M)`, `epochs_to(M, T)` or `diverges`.
    levels
        The level that is compared and the one that it is compared with; None for the larger of two
        numbers against the smaller, and true against false, else the second level against the
        first.
    at
        Levels of other knobs at which it is asked; None for the mean over all their settings.

    Returns
    -------
    Decision
        Its verdict is none: questions that were asked and dropped are not counted, and it has no
        margin.

    Raises
    ------
    ValueError
        For a text that is no metric of these runs, a knob that does not move, no two levels of it,
        or a setting that no two cells have. What the runs do not allow is the decision's reason.
    """
    if curve := parse_reduction(metric).curve:
        check_recorded(study, curve)
    of_two = levels or _two_levels(knob, study.cells)
    claim = Claim("", knob, metric, "either", 0.0, levels=of_two, at=at or {})
    if len(of_two) != 2:
        raise ValueError(f"levels: two are compared, [this, that]; {len(of_two)} came")
    try:
        contrasts_of(claim, study.cells)
    except NotTestable as error:
        raise ValueError(str(error)) from None
    _, epochs = prepared(study.sweep)
    # An interval for a fixed number of seeds is too narrow where looks said how many there are.
    any_looks = bool(study.sweep.looks or study.sweep.planned.looks)
    runs = of_common_seeds(study.sweep.runs)
    (decision,) = decide_all({"": claim}, runs, epochs, study.cells, ALPHA, for_any_looks=any_looks)
    return decision


def check_recorded(study: Study, metric: str) -> None:
    """Refuse a metric that is no column of the epochs.

    Raises
    ------
    ValueError
        With those that there are.
    """
    recorded = [name for name in study.sweep.epochs if is_metric(str(name))]
    if metric not in recorded:
        raise ValueError(f"{metric}: no run recorded it; there are {', '.join(recorded)}")


def _two_levels(knob: str, cells: Cells) -> list[Any]:
    """The levels of a knob that has two, or none where it does not move."""
    known = cells.levels(knob) if knob in cells.values else [None, None]
    if len(known) != 2:
        listed = ", ".join(map(as_text, known))
        raise ValueError(
            f"{knob} has {len(known)} levels ({listed}); say which two: levels=[this, that]"
        )
    if all(isinstance(level, bool | int | float) for level in known):
        return sorted(known, reverse=True)
    return known[::-1]
