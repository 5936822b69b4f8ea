"""The report depends on a sweep's runs, not on their order or on what else the store holds."""

import functools
import re
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import studies
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.__main__ import lines
from analysis.decide.study import study
from analysis.read.store import StoredRun
from analysis.report import tables
from analysis.report.write import texts

SEEDS = range(3)
CLAIMS = {
    "dropout": studies.claim(),
    "channels": studies.claim(knob="model.channels", levels=[30, 1]),
}


def value(row, epoch):
    """Values whose sum differs in the last bit when their order changes."""
    noise = 1e-3 * ((7 * row["seed"] + 3 * epoch + row["model.channels"]) % 11) / 3
    return (
        0.8
        + 0.02 * epoch
        - row["model.dropout"] * (0.02 + noise)
        + 0.01 * (row["model.channels"] == 30)
        + noise / 7
    )


def made_up():
    rows = studies.grid(SEEDS, model__channels=[1, 30], model__dropout=[True, False])
    return studies.MadeUpStore(rows, value, CLAIMS)


def contents(sweep):
    """Every text of the report but figures, what the terminal shows, and the exact frames."""
    results = study(sweep, lambda sweep: {})
    frames = tables.frames(results)
    exact = {name: (list(frame), frame.to_dict("tight")) for name, frame in frames.items()}
    return repr((studies.whole(texts(results, frames, [])), lines(results, True, 100), exact))


def decided(sweep):
    """The claims, the contrasts and the lines, without frames of runs."""
    results = study(sweep, lambda sweep: {})
    return repr(
        [tables.frames(results)[name].to_dict("tight") for name in ("claims", "contrasts")]
    ), lines(results, True, 100)


@functools.cache
def undisturbed(of):
    """What `contents` or `decided` makes of the store as it is."""
    return of(made_up().read())


#: Tags of a run that another sweep trained, or that a complete run of the same key replaces.
FOREIGN = {
    "without tags": lambda place: {},
    "of another sweep": lambda place: {
        "run_key": f"another {place}",
        "status": "done",
        "complete": "1",
    },
    "a spare, for its reply was lost": lambda place: {
        "run_key": f"key {place}",
        "status": "running",
    },
    "a sweep": lambda place: {
        "sweep_key": f"{place}" * 32,
        "claims_sha256": "9" * 64,
        "last_used": "3",
    },
}


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sets(st.tuples(st.sampled_from(sorted(FOREIGN)), st.integers(0, 11)), max_size=6),
)
def test_neither_the_order_of_a_store_nor_foreign_runs_change_a_byte(order, others):
    made, random = made_up(), Random(order)
    for kind, place in sorted(others):
        run = StoredRun(
            f"{kind} {place}", "x", "/nowhere", place % 3, None, dict(FOREIGN[kind](place))
        )
        made.stored.append(run)
        made.sent += [
            (run.run_id, metric, 1, 1, 0.123)
            for metric in ("test/accuracy", "a metric of their own")
        ]
    for run in made.stored:
        tags = random.sample(list(run.tags.items()), len(run.tags))
        run.tags.clear()
        run.tags.update(tags)
    random.shuffle(made.stored)
    random.shuffle(made.sent)
    assert contents(made.read()) == undisturbed(contents)


def test_of_two_runs_that_are_there_by_mistake_the_same_one_counts_in_any_order():
    made = made_up()
    first = made.stored[1]
    first.tags.update(complete="0", cause="one")
    made.stored.append(replace(first, run_id="other", tags=first.tags | {"cause": "other"}))
    there = contents(made.read())
    made.stored.reverse()
    assert contents(made.read()) == there


@settings(max_examples=12, deadline=None)
@given(st.permutations(range(4 * len(SEEDS))), st.integers(0, 2**32 - 1))
def test_the_order_of_runs_and_seeds_changes_no_byte_of_claims_contrasts_and_sentences(
    places, order
):
    sweep = made_up().read()
    # Cells keep the order in which they were typed: others are compared with a knob's first level.
    cells = list(dict.fromkeys(sweep.runs["cell_key"]))
    runs = sweep.runs.iloc[places]
    runs = runs.iloc[np.argsort([cells.index(cell) for cell in runs["cell_key"]], kind="stable")]
    epochs = sweep.epochs.sample(frac=1, random_state=order)
    assert decided(replace(sweep, runs=runs, epochs=epochs)) == undisturbed(decided)


#: The status of a run and whether it is complete; None for a run that the store lacks.
STATES = {
    "done": ("done", True),
    "diverged": ("diverged", True),
    "failed": ("failed", False),
    "killed": ("killed", False),
    "running": ("running", False),
    "done, and its last write has not arrived": ("done", False),
    "missing": None,
}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(sorted(STATES)), min_size=4 * len(SEEDS), max_size=4 * len(SEEDS)))
def test_the_runs_shown_in_each_state_are_those_that_were_planned(states):
    made = made_up()
    for run, state in zip(made.stored[1:], states, strict=True):
        if STATES[state] is None:
            made.stored.remove(run)
        else:
            status, whole = STATES[state]
            run.tags.update(status=status, complete=str(int(whole)))
    expected = Counter("running" if state.startswith("done, ") else state for state in states)
    results = study(made.read(), lambda sweep: {})
    frames = tables.frames(results)
    files = studies.whole(texts(results, frames, []))

    total = re.match(
        r"made up \(.*\): (\d+) of (\d+) runs done(?: \((.*)\))?$", lines(results, True, 100)[0]
    )
    others = dict(reversed(part.split(" ")) for part in (total[3] or "").split(", ") if part)
    counted = {"done": total[1], **others}
    assert {state: int(n) for state, n in counted.items() if n != "0"} == expected
    assert sum(map(int, counted.values())) == int(total[2]) == len(states)
    for text in (files["report.html"], files["report.md"]):
        assert total[0].partition(": ")[2] in text.replace("\\", "")

    assert Counter(frames["runs"]["state"]) == expected
    page = files["report.html"]
    rows = re.findall(
        r"<tr><td><bdi>(.*)</bdi></td><td>(\w+)</td><td>\S*</td><td>\S*</td><td>", page
    )
    assert Counter(state for _, state in rows) == expected and len(
        {name for name, _ in rows}
    ) == len(states)
    not_done = re.findall(r"<li><bdi>.*</bdi>: (\w+) after", page)
    assert Counter(not_done) == expected - Counter(done=expected["done"])
    table = page.partition('<table class="numbers">')[2].partition("</table>")[0]
    heads = re.findall(r"<th>(.*?)</th>", table)
    rows = [
        dict(zip(heads, re.findall(r"<td><(?:bdi|b)>(.*?)</(?:bdi|b)></td>", row), strict=True))
        for row in table.split("<tr>")[2:]
    ]
    for column, state in (("n", "done"), ("failed", "failed"), ("diverged", "diverged")):
        assert sum(int(row.get(column, "0")) for row in rows) == expected[state]
