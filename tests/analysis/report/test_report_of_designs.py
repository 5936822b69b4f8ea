"""What the terminal and the page say of a sweep that has not all cells of the grid."""

from studies import MadeUpStore, claim, grid

from analysis.__main__ import lines
from analysis.decide import verdicts
from analysis.decide.study import study as decide
from analysis.report import page, sentences
from analysis.report.words import of_sweep
from runner.plan.cells.fractions import smallest

KNOBS = {
    "model.dropout": [True, False],
    "model.channels": [1, 30],
    "model.fc_depth": [1, 2],
    "optimizer.lr": [0.001, 0.002],
}


def value(row, epoch):
    return 0.8 + (0.02 + 0.001 * row["seed"]) * row["model.dropout"] + 0.001 * row["seed"]


def stored(rows, design, **claims):
    """A sweep of such cells with five seeds, read from a store whose plan has the design."""
    whole = [row | {"seed": seed} for seed in range(5) for row in rows]
    made = MadeUpStore(whole, value, claims)
    made.plan["design"] = design
    return decide(made.read(), lambda sweep: {})


def of_fraction(resolution):
    found, knobs = smallest(4 if resolution == 4 else 3, resolution), list(KNOBS)
    rows = [
        {knob: KNOBS[knob][place] for knob, place in zip(knobs, places, strict=False)}
        for places in found.cells()
    ]
    aliases = [[[knobs[n] for n in effect] for effect in of] for of in found.aliases()]
    design = dict(kind="fraction", around={}, resolution=resolution, aliases=aliases)
    return stored(rows, design, helps=claim())


def page_of(decided):
    return page.pages(decided, [])["report.md"]


def test_a_fraction_is_told_as_an_average_with_its_alias_table():
    decided = of_fraction(4)
    (decision,) = decided.decisions
    assert decision.verdict == verdicts.SUPPORTED
    told = lines(decided, with_details=False, width=80)
    assert max(map(len, told)) <= 80
    assert "each answer is an average over the other knobs" in " ".join(told)
    text = sentences.claim_text(decided, decision)
    assert text.details[0].startswith("This is the average over the other knobs. The fraction can")
    assert "effects of three knobs together" in text.details[0]
    shown = page_of(decided).replace("\\", "")
    assert "| dropout x channels = fc_depth x lr | two knobs together: which" in shown
    assert f"| optimizer.lr | 0.001, 0.002 | {page.ALONE} |" in shown


def test_a_fraction_of_resolution_3_says_which_effects_it_takes_for_one_another():
    decided = of_fraction(3)
    (decision,) = decided.decisions
    assert decision.verdict == verdicts.NOT_TESTABLE
    assert decision.reason == (
        "model.dropout is aliased with channels x fc_depth in this fraction, so that its effect"
        " cannot be told from theirs; sweep.resolution=4 or the grid tells them apart"
    )
    shown = page_of(decided).replace("\\", "")
    assert f"| dropout = channels x fc_depth | {page.ALIASED_MAIN} |" in shown
    assert f"| model.dropout | true, false | {page.ALIASED_MAIN} |" in shown


def test_one_at_a_time_says_around_what():
    base = {"model.channels": 30, "model.dropout": True}
    rows = [base, base | {"model.channels": 1}, base | {"model.dropout": False}]
    design = dict(kind="one_at_a_time", around=base, resolution=0, aliases=[])
    decided = stored(rows, design, helps=claim())
    (decision,) = decided.decisions
    assert decision.verdict == verdicts.SUPPORTED
    assert of_sweep.designed(decided) in page_of(decided)
    assert of_sweep.designed(decided) == (
        "Each knob was moved alone around channels=30, dropout=true: elsewhere the answers may be"
        " others."
    )
    assert "These effects cannot be told apart" not in page_of(decided)


def test_of_a_grid_nothing_is_said():
    rows = grid([0], model__channels=[1, 30], model__dropout=[True, False])
    decided = stored([{k: v for k, v in row.items() if k != "seed"} for row in rows], None)
    assert of_sweep.designed(decided) is None
