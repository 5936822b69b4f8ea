"""What a sweep prints before and after: what will be trained, and what is left to do."""

import shlex
import sys
from dataclasses import dataclass

from runner.config.schema import KNOBS
from runner.display import designs, looks, margins, table, words
from runner.display.progress import count, duration
from runner.display.unchanged import unchanged
from runner.errors import without_password
from runner.plan.plan import Plan
from runner.prepare import Prepared
from runner.record import FAILED, as_text
from runner.state.journals import Journals
from runner.system import limits
from runner.system.command import command_of
from runner.system.language import say
from runner.tracking.store import address
from runner.work.estimate import Estimate


def announce(prepared: Prepared) -> None:
    """What will be trained, on what, and where it will be kept."""
    plan, root, first = prepared.plan, prepared.root, prepared.plan.runs[0]
    n_trained = len(plan.runs) - len(prepared.to_train)
    data = ", ".join(sorted({f"{run.data_name} ({run.data_sha256[:8]})" for run in plan.runs}))
    store = _store(prepared)
    if plan.single:
        device, engine = f"device {first.device}", f"engine {first.config.engine.name}"
        trained = "; already trained" if n_trained else ""
        for n_epochs in prepared.taken_epochs.values():
            trained = f"; goes on after {count(n_epochs, 'epoch')} that a run with fewer trained"
        places = f"root {root}, MLflow {store}"
        own = f", own {' '.join(prepared.own_files)}" if prepared.own_files else ""
        print(f"{first.name}: data {data}{own}, {device}, {engine}, {places}{trained}", flush=True)
        _tell_cards(prepared)
        _tell_fallbacks(prepared)
        _tell_damage(prepared)
        return
    to = words.speaking(prepared.config)
    cells, seeds = count(len(plan.cells), "cell"), count(len(plan.seeds), "seed")
    runs = count(len(plan.runs), "run")
    # After the first look only the cells of open claims have all seeds.
    shape = (
        "{cells}, up to {seeds} = {runs}" if len(plan.looks) > 1 else "{cells} x {seeds} = {runs}"
    )
    # The key names this sweep alone, where its name may be that of several.
    print(
        f"{plan.name} ({plan.sweep_key[:8]}): {to(say(shape, cells=cells, seeds=seeds, runs=runs))}"
    )
    for line in designs.lines(plan, prepared.config.plan):
        print(f"  {line}")
    for knob, values in plan.swept.items():
        print(f"  {knob}: {', '.join(as_text(value) for value in values)}")
    if prepared.n_duplicates:
        duplicates = count(prepared.n_duplicates, "duplicate")
        print("  " + to(say("{duplicates} removed", duplicates=duplicates)))
    if prepared.own_files:
        print(f"  own: {', '.join(prepared.own_files)}")
    for line in looks.announced(plan):
        print(f"  {line}")
    print("  " + to(say("{n} of {all} already trained", n=n_trained, all=len(plan.runs))))
    _tell_kept(prepared)
    _tell_fallbacks(prepared)
    made = "data {data}; device {device}; engine {engine}; {workers}"
    workers, engine = count(prepared.n_workers, "worker"), first.config.engine.name
    made_with = say(made, data=data, device=first.device, engine=engine, workers=workers)
    print("  " + to(made_with))
    _tell_cards(prepared)
    kept = "claims: {n}  root: {root}  MLflow: {store}"
    print("  " + to(say(kept, n=len(plan.claims), root=root, store=store)))
    for line in margins.below_an_image(prepared):
        print(f"  {line}")
    _tell_damage(prepared)


def _tell_cards(prepared: Prepared) -> None:
    """What the cards of this machine have answered, if there are any."""
    for line in prepared.cards:
        print(f"  {line}", flush=True)


def _tell_fallbacks(prepared: Prepared) -> None:
    """Which functions of one's own models no kernel of ours computes, and what that costs."""
    shares: dict[str, float] = {}
    for of_cell in prepared.checked.values():
        for name in of_cell.fallbacks:
            share = of_cell.fallback_shares.get(name, 0.0)
            shares[name] = max(share, shares.get(name, 0.0))
    if shares:
        ordered = sorted(shares.items(), key=lambda of_name: -of_name[1])
        told = [f"{name} ({share:.0%} of a step)" if share else name for name, share in ordered]
        print(f"  computed without kernels of ours: {', '.join(told)}")


def _tell_kept(prepared: Prepared) -> None:
    """What goes on from runs of fewer epochs, and whether more epochs can go on from these."""
    taken, to = prepared.taken_epochs, words.speaking(prepared.config)
    if taken:
        shortest, longest = min(taken.values()), max(taken.values())
        epochs = count(longest, "epoch")
        if shortest != longest:
            epochs = say("{least} to {most}", least=shortest, most=epochs)
        go_on = "{n} go on from {epochs} that a run with fewer trained"
        print("  " + to(say(go_on, n=len(taken), epochs=epochs)))
    if not prepared.to_train:
        return
    size = prepared.kept_bytes
    space = "" if size is None else f", {size / 1e6:,.0f} MB"
    if prepared.plan.runs[0].config.runner.keep == "always":
        kept = "final states are kept{space}: more epochs go on from them (runner.keep)"
        print("  " + to(say(kept, space=space)))
    elif prepared.config.runner.keep == "auto":
        lost = "final states are not kept{space}; runner.keep=always keeps them"
        print("  " + to(say(lost, space=space)))


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
    sys.stdout.flush()
    for run in prepared.to_train:
        for damage in prepared.journals[run.run_key].damages:
            _complain(f"{run.name}: {damage}")


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
    print("  " + words.speaking(prepared.config)(told), flush=True)


def failures(prepared: Prepared) -> list[str]:
    """One line for each run that failed: its name, its cause, where its traceback is."""
    lines = []
    for run in prepared.plan.runs:
        record = prepared.journals[run.run_key]
        if record.end is not None and record.status == FAILED:
            error = prepared.root.run(run.run_key).attempt(record.attempt or "").error
            trace = f" ({error})" if error.exists() else ""
            cause = record.end.cause or ""
            if cause.startswith("out of memory"):
                cause += limits.told_address_space()
            lines.append(f"failed: {run.name}: {cause}{trace}")
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
    to = words.speaking(prepared.config)
    table.print_table(plan, journals, to)
    _tell_passed_over(plan, journals, outcome.launch)
    for line in unchanged(plan, journals):
        _complain(line)
    if outcome.behind:
        _tell_behind(prepared, outcome)
    failed, again = failures(prepared), shlex.join(plan.command)
    for line in [*failed, *outcome.refused]:
        _complain(line)
    n_trained = sum(journals[run.run_key].trained for run in plan.runs)
    if outcome.interrupted is not None:
        reached = f"; {n_trained} of {len(plan.runs)} runs are trained"
        if plan.single:
            reached = f" after {len(journals[plan.runs[0].run_key].epochs)} whole epochs"
        _complain(f"interrupted{reached}, nothing is lost; go on with: {again}")
        return outcome.interrupted
    if failed:
        others = f"the others are {'trained' if outcome.behind else 'stored'}; try again with"
        if n_trained + len(failed) < len(plan.runs):
            why = " (runner.fail_fast)" if prepared.config.runner.fail_fast else ""
            others = f"which stopped the sweep{why}; {n_trained} are trained; go on with"
        _complain(f"{len(failed)} of {len(plan.runs)} runs failed, {others}: {again}")
        return 1
    if outcome.refused:
        return 1
    if outcome.behind:
        return 4
    stored = "{n} of {all} runs trained and stored. Browse the curves: {command}"
    print(to(say(stored, n=n_trained, all=len(plan.runs), command=command_of("runner.ui"))))
    print(to(say("Change a value and run again: only what is new is trained.")))
    return 0


def _tell_passed_over(plan: Plan, journals: Journals, launch: str) -> None:
    """Say which runs of a launch could not use their newest checkpoint, and which are mixed."""
    for run in plan.runs:
        record = journals[run.run_key]
        start, setup = record.start, record.setup
        if start and record.is_mixed and start.launch == launch:
            _complain(
                f"{run.name}: attempts on processors of two families gave other last bits; the run"
                " is marked as mixed"
            )
        if start and setup and setup.refused_checkpoints and start.launch == launch:
            _complain(
                f"{run.name}: {' and '.join(setup.refused_checkpoints)} could not be used"
                " (damaged, or another"
                f" run's); it went on from epoch {setup.goes_on_from_epoch}"
            )


def _tell_behind(prepared: Prepared, outcome: Outcome) -> None:
    """Say what MLflow lacks, why, and what to type once that is mended."""
    _complain(
        f"{outcome.behind} kept in {prepared.root.state} and not in MLflow yet: {outcome.trouble};"
        f" once that is mended: {_sync(prepared)}"
    )


def _sync(prepared: Prepared, *words: str) -> str:
    """The command that brings this sweep's store in step."""
    tracking = prepared.config.tracking
    typed = [*words, "--root", str(prepared.root), "--experiment", tracking.experiment]
    if tracking.uri:
        typed += ["--uri", without_password(tracking.uri)]
    return f"{command_of('runner.sync')} {shlex.join(typed)}"


def tell_left(prepared: Prepared) -> None:
    """What to type about a sweep that was submitted and left."""
    to, key = words.speaking(prepared.config), prepared.plan.sweep_key[:8]
    status = f"{command_of('runner.status')} {key} --root {shlex.quote(str(prepared.root))}"
    print(to(say("How far it is: {command}", command=status)))
    print(to(say("Into MLflow until its end: {command}", command=_sync(prepared, "--follow", key))))
    print(to(say("The same command without runner.detach waits for it.")))


def _complain(line: str) -> None:
    print(f"runner: {line}", file=sys.stderr)
