"""The Markdown beside the JSON: the targets, a line for each comparison, and everything that was
measured."""

from collections.abc import Iterable
from statistics import median
from typing import Any

from benchmarks import contestants
from benchmarks.measure import TASKS, Entry, NetResult
from benchmarks.summary import MODES, Row, Spread, candidates, images_per_s, inverse

_TASK_TITLES = {"train": "training", "evaluate": "evaluation"}


def markdown(report: dict[str, Any], results: list[NetResult], rows: list[Row], cores: int) -> str:
    """The whole file. `report` is what the JSON holds."""
    parts = [
        _head(report),
        "## Targets",
        _targets(report["targets"]),
        "## Comparison",
        _comparison(rows),
    ]
    for result in results:
        parts += [f"## {result.net}", _details(result, cores), _losses(result)]
        parts += [
            f"{contestants.TITLES[name]} is missing: {why}." for name, why in result.failed.items()
        ]
    return "\n\n".join(parts) + "\n"


def _head(report: dict[str, Any]) -> str:
    machine, settings = report["machine"], report["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines = [
        f"# {machine['processor']}, {machine['cores']} cores",
        "",
        f"{machine['system']}, {machine['memory_gib']} GiB; {report['date']};"
        f" {settings['rounds']} rounds of"
        f" {settings['seconds']:g} s a timing. {versions}.",
        _environment("PyTorch", report["pytorch_versions"], report["pytorch_missing"]),
        _environment("JAX", report["jax_versions"], report["jax_missing"]),
        "",
        "Written by `make bench`; benchmarks/README.md says what is measured. Figures are the"
        " median over the rounds,"
        " with the smallest and the largest in brackets; ratios are taken within a round.",
    ]
    return "\n".join(lines)


def _environment(name: str, versions: dict[str, str], missing: str | None) -> str:
    if missing:
        return f"{name} was left out: {missing}."
    return f"{name}'s environment: {', '.join(' '.join(pair) for pair in versions.items())}."


_TARGET_TITLES = {
    "best_peer": "training: at least {:g} times the best peer",
    "blas_and_copies": "training: at most {:g} times the time of OpenBLAS and copies",
    "evaluation": "evaluation of 10,000 images: at most {:.0%} of the time of training 60,000",
}


def _targets(targets: list[dict[str, Any]]) -> str:
    lines = []
    for target in targets:
        measured = Spread(**target["measured"]) if target["measured"] else None
        share = target["of"] == "evaluation"
        lines.append(
            [
                target["net"],
                target["mode"],
                _TARGET_TITLES[target["of"]].format(target["bound"]),
                ("not measured" if measured is None else (_percent if share else _times)(measured)),
                {True: "yes", False: "no", None: ""}[target["reached"]],
            ]
        )
    return _table(["net", "mode", "target", "measured", "reached"], lines)


def _comparison(rows: list[Row]) -> str:
    lines = []
    for ours in (row for row in rows if row.group == "ours"):
        beside = {
            r.group: r for r in rows if (r.net, r.task, r.mode) == (ours.net, ours.task, ours.mode)
        }
        cells = [ours.net, _TASK_TITLES[ours.task], ours.mode, f"{ours.images_per_s.median:,.0f}"]
        cells.append(f"{ours.step_ms.median:.2f}")
        for group in ("dezero_as_shipped", "dezero_float32", "best_peer"):
            row = beside.get(group)
            cells.append(_times(row.ours_over_it) if row and row.ours_over_it else "")
        for group in ("blas_and_copies", "fma_and_bandwidth"):
            row = beside.get(group)
            cells.append(_times(inverse(row.ours_over_it)) if row and row.ours_over_it else "")
        peer = beside.get("best_peer")
        cells.append(contestants.TITLES[peer.entry.setting.contestant] if peer else "")
        lines.append(cells)
    titles = [
        "net",
        "task",
        "mode",
        "images/s",
        "ms a step",
        "times DeZero as shipped",
        "times DeZero in float32",
        "times the best peer",
        "time over OpenBLAS and copies",
        "time over FMA peak and bandwidth",
        "the best peer",
    ]
    return _table(titles, lines)


def _details(result: NetResult, cores: int) -> str:
    lines = []
    for task in TASKS:
        for mode in MODES:
            for entry in candidates(result, task, mode, cores):
                lines.append([_TASK_TITLES[task], mode, *_measured(result, entry)])
    titles = ["task", "mode", "contestant", "processes x threads", "images/s", "ms a step"]
    return _table(titles, lines)


def _measured(result: NetResult, entry: Entry) -> list[str]:
    rates = images_per_s(result, entry)
    step_ms = median(m.step_ms for m in result.measurements if m.entry == entry)
    return [
        contestants.TITLES[entry.setting.contestant],
        f"{entry.n_processes} x {entry.setting.threads}",
        f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})",
        f"{step_ms:.2f}",
    ]


def _losses(result: NetResult) -> str:
    shown = [
        f"{label} {loss['first']:.2f} to {loss['last']:.3f}"
        for label, loss in result.losses.items()
        if loss["first"] is not None
    ]
    return "Loss from the first step to the last ones of the last round: " + "; ".join(shown) + "."


def _times(ratio: Spread) -> str:
    return f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def _percent(share: Spread) -> str:
    return f"{share.median:.1%} ({share.low:.1%} to {share.high:.1%})"


def _table(titles: list[str], lines: Iterable[list[str]]) -> str:
    rule = ["---"] * len(titles)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [titles, rule, *lines])
