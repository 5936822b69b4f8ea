"""A sweep's description in MLflow, Markdown: what it asks, what is answered, its cells."""

import re
import statistics
from collections.abc import Iterator, Mapping

from runner.plan.plan import Plan
from runner.record import DONE, as_text, short
from runner.state.run_record import RunRecord
from runner.system.command import command_of
from runner.tracking.mlflow_view import page, view_id

#: What a tag of a run takes.
_LONGEST = 8000
#: Of it, what is kept for the lines around the table.
_RESERVED = 100
#: Columns of the table: the mean over seeds of the last epoch.
_METRICS = ("test/accuracy", "test/loss", "train_eval/accuracy", "train/loss")


def note(
    plan: Plan, experiment_id: str, records: Mapping[str, RunRecord], answers: str | None
) -> str:
    """The description of a sweep.

    Parameters
    ----------
    records
        Of its runs by run key; empty before the first has trained.
    answers
        Markdown, as the latest report has it; None where there is none yet.
    """
    key = plan.sweep_key[:8]
    first = _claims(plan, answers, key)
    last = ["", "### How to go on", "", *_links(plan, experiment_id), *_commands(plan, key)]
    room = _LONGEST - _RESERVED - sum(len(line) + 1 for line in [*first, *last])
    table = _table(plan, records)
    shown = _fitting(table, room)
    told = ["", "### Its cells, mean over seeds of the last epoch", "", *shown] if table else []
    if len(shown) < len(table):
        told += ["", f"And {len(table) - len(shown)} more cells."]
    return "\n".join([*first, *told, *last])[:_LONGEST]


def plain(text: str) -> str:
    """A text that stays text in Markdown, and is one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$!])", r"\\\1", " ".join(text.split()))


def _links(plan: Plan, experiment_id: str) -> Iterator[str]:
    id = view_id(plan.sweep_key)
    runs, curves = (page(experiment_id, id, charts) for charts in (False, True))
    yield f"- [Its {len(plan.runs)} runs]({runs}) by cell, and [their curves]({curves}), with those"
    yield "  that other sweeps trained first."


def _claims(plan: Plan, answers: str | None, key: str) -> list[str]:
    if answers:
        return [_cut(answers, _LONGEST // 2)]
    asked = [f"- {plain(claim.says)}" for claim in plan.claims.values()] or ["No claim."]
    ui, sync, analysis = map(command_of, ("runner.ui", "runner.sync", "analysis"))
    here = f"`{ui}` and `{sync}` then bring answers and report here"
    return ["Not answered yet:", "", *asked, "", f"`{analysis} {key}` answers; {here}."]


def _cut(text: str, n: int) -> str:
    """As many whole lines as fit."""
    if len(text) <= n:
        return text
    return text[:n].rpartition("\n")[0] + "\n\nMore in the artifact report.html."


def _commands(plan: Plan, key: str) -> list[str]:
    typed = " ".join(plan.command)
    return [
        f"- `{typed.replace('`', '')[:1000]}` trains what is missing; with another value, only that"
        " value.",
        f"- `python -m analysis {key} --details` prints all numbers and writes the report.",
    ]


def _table(plan: Plan, records: Mapping[str, RunRecord]) -> list[str]:
    """A heading, a rule and a line a cell; empty before a run is done."""
    done = {key: record for key, record in records.items() if record.status == DONE}
    if not done:
        return []
    knobs, metrics = list(plan.swept), [m for m in _METRICS if _has(done, m)]
    heading = [*(short(knob) for knob in knobs or ["cell"]), "runs done", *metrics]
    rows = [_row(heading), _row(["---"] * len(heading))]
    for runs in plan.cells.values():
        of_cell = [done[run.run_key] for run in runs if run.run_key in done]
        values = [plain(as_text(runs[0].knobs[knob])) for knob in knobs] or ["all"]
        values.append(f"{len(of_cell)} of {len(runs)}")
        for metric in metrics:
            values.append(_spread([r.last[metric] for r in of_cell if metric in r.last]))
        rows.append(_row(values))
    return rows


def _has(records: Mapping[str, RunRecord], metric: str) -> bool:
    return any(metric in record.last for record in records.values())


def _spread(values: list[float]) -> str:
    """`0.9861 ± 0.0004`: mean and standard deviation over seeds."""
    if not values:
        return "-"
    mean = f"{statistics.fmean(values):.4f}"
    return f"{mean} ± {statistics.stdev(values):.4f}" if len(values) > 1 else mean


def _row(values: list[str]) -> str:
    return f"| {' | '.join(values)} |"


def _fitting(lines: list[str], room: int) -> list[str]:
    kept = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return kept
