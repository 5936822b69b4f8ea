"""What a sweep prints before and after: what will be trained, and what is left to do."""

import shlex
from dataclasses import dataclass

from runner import words
from runner.config.schema import KNOBS
from runner.display import designs, looks, margins, table
from runner.display.noticed import noticed
from runner.display.progress import count, duration
from runner.errors import without_password
from runner.prepare import Prepared
from runner.record import FAILED, as_text
from runner.system import limits
from runner.system.command import command_of
from runner.system.language import joined, say
from runner.tracking.store import address, arguments
from runner.work.estimate import Estimate


def announce(prepared: Prepared) -> None:
    """What will be trained, on what, and where it will be kept."""
    plan, root, first = prepared.plan, prepared.root, prepared.plan.runs[0]
    n_trained = len(plan.runs) - len(prepared.to_train)
    data = ", ".join(sorted({f"{run.data_name} ({run.data_sha256[:8]})" for run in plan.runs}))
    store = _store(prepared)
    if plan.single:
        made = (
            "{name}: data {data}{own}, device {device}, engine {engine}, root {root}, MLflow"
            " {store}{trained}"
        )
        own = say(", own {files}", files=" ".join(prepared.own_files))
        trained = say("; already trained") if n_trained else ""
        for n_epochs in prepared.taken_epochs.values():
            goes_on = "; goes on after {epochs} that a run with fewer trained"
            trained = say(goes_on, epochs=count(n_epochs, "epoch"))
        words.tell(
            say(
                made,
                name=first.name,
                data=data,
                own=own if prepared.own_files else "",
                device=first.device,
                engine=first.config.engine.name,
                root=root,
                store=store,
                trained=trained,
            )
        )
        _tell_cards(prepared)
        _tell_fallbacks(prepared)
        _tell_damage(prepared)
        return
    cells, seeds = count(len(plan.cells), "cell"), count(len(plan.seeds), "seed")
    runs = count(len(plan.runs), "run")
    # After the first look only the cells of open claims have all seeds.
    shape = (
        "{cells}, up to {seeds} = {runs}" if len(plan.looks) > 1 else "{cells} x {seeds} = {runs}"
    )
    # The key names this sweep alone, where its name may be that of several.
    name = f"{plan.name} ({plan.sweep_key[:8]})"
    words.tell(joined(": ", [name, say(shape, cells=cells, seeds=seeds, runs=runs)]))
    for line in designs.lines(plan, prepared.config.plan):
        words.tell(line, indent=2)
    for knob, values in plan.swept.items():
        words.tell(f"{knob}: {', '.join(as_text(value) for value in values)}", indent=2)
    if prepared.n_duplicates:
        duplicates = count(prepared.n_duplicates, "duplicate")
        words.tell(say("{duplicates} removed", duplicates=duplicates), indent=2)
    if prepared.own_files:
        words.tell(say("own: {files}", files=", ".join(prepared.own_files)), indent=2)
    for line in looks.announced(plan):
        words.tell(line, indent=2)
    words.tell(say("{n} of {all} already trained", n=n_trained, all=len(plan.runs)), indent=2)
    _tell_kept(prepared)
    _tell_fallbacks(prepared)
    made = "data {data}; device {device}; engine {engine}; {workers}"
    workers, engine = count(prepared.n_workers, "worker"), first.config.engine.name
    made_with = say(made, data=data, device=first.device, engine=engine, workers=workers)
    words.tell(made_with, indent=2)
    _tell_cards(prepared)
    kept = "claims: {n}  root: {root}  MLflow: {store}"
    words.tell(say(kept, n=len(plan.claims), root=root, store=store), indent=2)
    for line in margins.below_an_image(prepared):
        words.tell(line, indent=2)
    _tell_damage(prepared)


def _tell_cards(prepared: Prepared) -> None:
    """What the cards of this machine have answered, if there are any."""
    for line in prepared.cards:
        words.tell(line, indent=2)


def _tell_fallbacks(prepared: Prepared) -> None:
    """Which functions of one's own models no kernel of ours computes, and what that costs."""
    shares: dict[str, float] = {}
    for of_cell in prepared.checked.values():
        for name in of_cell.fallbacks:
            shares[name] = max(of_cell.fallback_shares.get(name, 0.0), shares.get(name, 0.0))
    if shares:
        ordered = sorted(shares.items(), key=lambda of_name: -of_name[1])
        told = [
            say("{name} ({share} of a step)", name=name, share=f"{share:.0%}") if share else name
            for name, share in ordered
        ]
        names = joined(", ", told)
        words.tell(say("computed without kernels of ours: {names}", names=names), indent=2)
    # A function without a kernel is reason enough.
    reasons = {of.not_captured for of in prepared.checked.values() if not of.fallbacks}
    for reason in sorted(reasons - {""}):
        words.tell(say("steps are not captured: {reason}", reason=reason), indent=2)


def _tell_kept(prepared: Prepared) -> None:
    """What goes on from runs of fewer epochs, and whether more epochs can go on from these."""
    taken = prepared.taken_epochs
    if taken:
        shortest, longest = min(taken.values()), max(taken.values())
        epochs = count(longest, "epoch")
        if shortest != longest:
            epochs = say("{least} to {most}", least=shortest, most=epochs)
        go_on = "{n} go on from {epochs} that a run with fewer trained"
        words.tell(say(go_on, n=len(taken), epochs=epochs), indent=2)
    if not prepared.to_train:
        return
    size = prepared.kept_bytes
    space = "" if size is None else say(", {mb} MB", mb=f"{size / 1e6:,.0f}")
    if prepared.plan.runs[0].config.runner.keep == "always":
        kept = "final states are kept{space}: more epochs go on from them (runner.keep)"
        words.tell(say(kept, space=space), indent=2)
    elif prepared.config.runner.keep == "auto":
        lost = "final states are not kept{space}; runner.keep=always keeps them"
        words.tell(say(lost, space=space), indent=2)


def _store(prepared: Prepared) -> str:
    """Where the sweep is tracked, and by which variables of the environment, if by any."""
    uri, experiment = prepared.config.tracking.uri, prepared.config.tracking.experiment
    text = address.shown(uri, prepared.root)
    if uri and KNOBS["tracking.uri"].is_from_variable(uri):
        text += f" ({KNOBS['tracking.uri'].variable})"
    if KNOBS["tracking.experiment"].is_from_variable(experiment):
        text += f", experiment {experiment} ({KNOBS['tracking.experiment'].variable})"
    return text


def _tell_damage(prepared: Prepared) -> None:
    """Say which files do not prove themselves; the runs are trained from what does."""
    for run in prepared.to_train:
        for damage in prepared.journals[run.run_key].damages:
            words.complain(joined(": ", [run.name, damage]))


def announce_time(prepared: Prepared, foreseen: Estimate) -> None:
    """The estimate with its range, and that with all looks."""
    seconds = foreseen.seconds
    told = say("about {time} of training", time=duration(seconds))
    low, high = duration(foreseen.low_s), duration(foreseen.high_s)
    if low != high:
        told = say("{told} ({low} to {high})", told=told, low=low, high=high)
    if foreseen.later_s:
        most = duration(seconds + foreseen.later_s)
        told = say("{told}, at most {most} with all looks", told=told, most=most)
    if not foreseen.by_cell:
        told = say("its time shows as it trains")
    if prepared.plan.single:
        epochs = count(prepared.config.train.epochs, "epoch")
        told = say("{epochs}, {told}", epochs=epochs, told=told)
    words.tell(told, indent=2)


def failures(prepared: Prepared) -> list[str]:
    """One line for each run that failed: its name, its cause, where its traceback is."""
    lines: list[str] = []
    for run in prepared.plan.runs:
        record = prepared.journals[run.run_key]
        if record.end is not None and record.status == FAILED:
            error = prepared.root.run(run.run_key).attempt(record.attempt or "").error
            trace = f" ({error})" if error.exists() else ""
            cause = record.end.cause or ""
            limit = limits.told_address_space() if cause.startswith("out of memory") else ""
            failed = "failed: {name}: {cause}{limit}{trace}"
            lines.append(say(failed, name=run.name, cause=cause, limit=limit, trace=trace))
    return lines


@dataclass(frozen=True)
class Outcome:
    """How the training of a plan ended, apart from what its journals say."""

    #: Names the launch of its workers.
    launch: str
    #: The exit code of a sweep that a signal interrupted; None for one that came to its end.
    interrupted: int | None
    #: What the tracking store lacks, as in `2 runs are`, and why; None when it is in step.
    behind: str | None
    trouble: str | None
    #: Runs whose files are not what they wrote, and which the store does not hold for that reason.
    refused: list[str]


def conclude(prepared: Prepared, outcome: Outcome) -> int:
    """Print the table and what is left to do; the exit code, by the first thing that went wrong."""
    plan, journals = prepared.plan, prepared.journals
    table.print_table(plan, journals, words.said)
    for line in noticed(plan, journals, outcome.launch):
        words.complain(line)
    if outcome.behind:
        _tell_behind(prepared, outcome)
    failed, again = failures(prepared), shlex.join(plan.command)
    for line in [*failed, *outcome.refused]:
        words.complain(line)
    n_trained = sum(journals[run.run_key].trained for run in plan.runs)
    if outcome.interrupted is not None:
        reached = f"; {n_trained} of {len(plan.runs)} runs are trained"
        if plan.single:
            reached = f" after {len(journals[plan.runs[0].run_key].epochs)} whole epochs"
        words.complain(f"interrupted{reached}, nothing is lost; go on with: {again}")
        return outcome.interrupted
    if failed:
        others = "the others are stored; try again with"
        if outcome.behind:
            others = "the others are trained; try again with"
        if n_trained + len(failed) < len(plan.runs):
            why = " (runner.fail_fast)" if prepared.config.runner.fail_fast else ""
            others = f"which stopped the sweep{why}; {n_trained} are trained; go on with"
        words.complain(f"{len(failed)} of {len(plan.runs)} runs failed, {others}: {again}")
        return 1
    if outcome.refused:
        return 1
    if outcome.behind:
        return 4
    stored = "{n} of {all} runs trained and stored. Browse the curves: {command}"
    uri = prepared.config.tracking.uri
    pages = _command(prepared, "runner.ui")
    if uri and address.is_server(uri):
        pages = without_password(uri)
    words.tell(say(stored, n=n_trained, all=len(plan.runs), command=pages))
    if plan.claims:
        answers = _command(prepared, "analysis", plan.sweep_key[:8])
        words.tell(say("The answers to its claims: {command}", command=answers))
    words.tell(say("Change a value and run again: only what is new is trained."))
    return 0


def _command(prepared: Prepared, module: str, *given: str) -> str:
    """The command that finds this sweep's root and store wherever a person types it."""
    config, tracking = prepared.config, prepared.config.tracking
    root = str(prepared.root) if config.runner.root is not None else None
    words_of = arguments.typed(root, tracking.uri, tracking.experiment)
    return f"{command_of(module)} {shlex.join([*given, *words_of])}".rstrip()


def _tell_behind(prepared: Prepared, outcome: Outcome) -> None:
    """Say what MLflow lacks, why, and what to type once that is mended."""
    words.complain(
        f"{outcome.behind} kept in {prepared.root.state} and not in MLflow yet: {outcome.trouble};"
        f" once that is mended: {_sync(prepared)}"
    )


def _sync(prepared: Prepared, *given: str) -> str:
    """The command that brings this sweep's store in step."""
    tracking = prepared.config.tracking
    typed = [*given, "--root", str(prepared.root), "--experiment", tracking.experiment]
    if tracking.uri:
        typed += ["--uri", without_password(tracking.uri)]
    return f"{command_of('runner.sync')} {shlex.join(typed)}"


def tell_left(prepared: Prepared) -> None:
    """What to type about a sweep that was submitted and left."""
    key = prepared.plan.sweep_key[:8]
    status = f"{command_of('runner.status')} {key} --root {shlex.quote(str(prepared.root))}"
    words.tell(say("How far it is: {command}", command=status))
    follow = _sync(prepared, "--follow", key)
    words.tell(say("Into MLflow until its end: {command}", command=follow))
    words.tell(say("The same command without runner.detach waits for it."))
