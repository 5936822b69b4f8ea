"""What is said of a sweep: how many runs it has, when its claims were written, what was fixed."""

from analysis.decide.decision import Decision
from analysis.decide.looks import place
from analysis.decide.study import Study
from analysis.read.sweeps import FRACTION, ONE_AT_A_TIME
from runner.record import DONE, as_text, short
from runner.system.language import Said, joined, say

#: As many seeds that are not of the plan are named.
_N_SEEDS = 10
#: Said with all numbers alone: such a claim was recorded as any other.
DEFAULT = say("default claim")
_ORIGINS = {"default": DEFAULT, "generated": say("generated claim")}


def conditions(study: Study) -> Said:
    """The fixed values under which everything holds, and where one of them has no effect.

    Those that are part of a group that moves are said with it.
    """
    cells, parts = study.cells, []
    of_groups = {knob for of in cells.parts.values() for knob in of}
    for knob in [knob.name for knob in study.sweep.knobs if knob.shown and not knob.is_group]:
        if knob not in of_groups and cells.fixed.get(knob) is not None:
            part = f"{knob}={as_text(cells.fixed[knob])}"
            n_idle, n_all = cells.n_without_effect[knob], len(cells.names)
            if n_idle:
                idle = "{part} (without effect in {n} of {all} cells)"
                part = say(idle, part=part, n=n_idle, all=n_all)
            parts.append(part)
    return joined(", ", parts)


def counted(study: Study) -> Said:
    """How many of the planned runs are done, and the states of the others."""
    n_done, n_all = study.states.get(DONE, 0), len(study.sweep.runs)
    text = say("{n} of {all} runs done", n=n_done, all=n_all)
    others = [
        say("{n} {state}", n=n, state=say(state))
        for state, n in study.states.items()
        if state != DONE
    ]
    return say("{text} ({others})", text=text, others=joined(", ", others)) if others else text


def declared(study: Study) -> Said:
    """Whether the claims were recorded before the runs, and decided before with fewer seeds."""
    if not study.decisions:
        return say("No claim was declared for this sweep.")
    n_before, n_begun = study.n_declared_before, study.n_begun
    said = [
        say("Its claims were recorded before {n} of {all} runs began.", n=n_before, all=n_begun)
    ]
    if n_before < n_begun:
        said.append(
            say("What was written after runs were seen is a question for new seeds, not an answer.")
        )
    if study.sweep.looks:
        seeds = joined(" and ", [str(n) for n in sorted(set(study.sweep.looks))])
        said.append(
            say(
                "An earlier sweep decided them with {seeds} seeds: adding seeds until a claim holds"
                " leads to wrong verdicts in more than 5 % of sweeps, so what is read here are"
                " wider intervals, which hold for any number of looks.",
                seeds=seeds,
            )
        )
    if study.sweep.further_seeds:
        said.append(
            say(
                "The store holds seeds {listed} of these cells, too, and they are used"
                " (--as-planned leaves them out).",
                listed=_listed(study.sweep.further_seeds),
            )
        )
    if study.sweep.unused_seeds:
        said.append(
            say(
                "The store holds seeds {listed} of these cells, too, and they are not used: what is"
                " chosen among seeds that were seen is wrong far more often than 5 %.",
                listed=_listed(study.sweep.unused_seeds),
            )
        )
    return joined(" ", said)


def test_reads(study: Study) -> Said:
    """How many runs of the store were evaluated on the sweep's test images."""
    said = []
    for name, n in study.sweep.test_reads.items():
        read = "The test images of {name} have been read by {n} runs of this store."
        if n == 1:
            read = "The test images of {name} have been read by {n} run of this store."
        said.append(say(read, name=name, n=f"{n:,}"))
    return joined(" ", said)


def designed(study: Study) -> Said | None:
    """What is not known because not all cells of the grid were trained; None for the grid."""
    design = study.cells.design
    if design is None:
        return None
    if design.kind == FRACTION:
        return say(
            "Its {n} cells are a fraction of the grid: each answer is an average over the other"
            " knobs, and on which of them it depends is not known.",
            n=len(study.cells.names),
        )
    if design.kind == ONE_AT_A_TIME:
        base = ", ".join(f"{short(k)}={as_text(level)}" for k, level in design.around.items())
        around = "Each knob was moved alone around {base}: elsewhere the answers may be others."
        return say(around, base=base)
    return say("Its cells are those that its file lists: what differs in one knob is compared.")


def marks(study: Study, decision: Decision) -> list[str]:
    """What is to be seen beside a verdict at first sight."""
    origin = study.sweep.claims_origin.get(decision.name, "declared")
    made: list[str] = [_ORIGINS[origin]] if origin in _ORIGINS else []
    if decision.look:
        made.append(place(study.sweep.planned, decision))
        recorded = (study.sweep.planned.looks[decision.look - 1].decided or {}).get(decision.name)
        if recorded not in (None, decision.verdict):
            made.append(say("recorded: {verdict}", verdict=recorded))
    made += [say("after an unplanned extension")] * (decision.fixed is not None)
    return made + [say("seeds left out")] * bool(study.sweep.unused_seeds)


def _listed(seeds: tuple[int, ...]) -> str:
    listed = ", ".join(map(str, seeds[:_N_SEEDS]))
    return f"{listed}, ..." if len(seeds) > _N_SEEDS else listed
