"""How many workers train side by side: no more than there is memory for."""

from collections.abc import Callable, Sequence

from runner.errors import ConfigError
from runner.plan.plan import PlannedRun
from runner.plan.size.memory import Need
from runner.system import limits

#: Bytes that a sweep's own process takes beside its workers, most of them MLflow's; measured.
_COMMAND = 250_000_000


def that_fit(
    n: int,
    is_asked: bool,
    to_train: Sequence[PlannedRun],
    need: Callable[[PlannedRun], Need | None],
) -> tuple[int, list[str]]:
    """The number of workers, and a line for the user where it is less than n.

    Parameters
    ----------
    n
        How many there would be with memory for all.
    is_asked
        Whether the user gave this number, so that no other is right.
    need
        The memory of a run's worker; one that is not known counts as none.

    Raises
    ------
    ConfigError
        When not even one worker fits, or not as many as were asked for.
    """
    known = [(run, need(run)) for run in to_train]
    needs = [of_run for _, of_run in known if of_run is not None]
    if not needs:
        return n, []
    _check_addresses([(run, of_run) for run, of_run in known if of_run is not None])
    # The largest may come together, whatever the order of the plan.
    needs.sort(key=lambda of_run: of_run.own, reverse=True)
    free = limits.free_memory()
    # Of runs on a card all that is known here is what one of them does on the CPU.
    side_by_side = 1 if to_train[0].device == "gpu" else min(n, len(to_train))
    fitting = side_by_side
    while fitting and _together(needs[:fitting]) > free:
        fitting -= 1
    if fitting == side_by_side:
        return n, []
    told = f"about {_gib(_together(needs[:side_by_side]))} GiB, and {_gib(free)} GiB is free"
    largest = next(run for run, of_run in known if of_run is needs[0])
    if not fitting:
        told = f"about {_gib(_together(needs[:1]))} GiB, and {_gib(free)} GiB is free"
        raise ConfigError(f"{largest.name}: training it needs {told}; {_lower(largest)}")
    told = f"the {side_by_side} largest runs need together {told}"
    if is_asked:
        raise ConfigError(
            f"runner.workers={n}: {told}; {fitting} fit: runner.workers={fitting}, or"
            f" {_lower(largest)}"
        )
    return fitting, [f"{fitting} of {n} workers are started: {told}"]


def _together(needs: list[Need]) -> int:
    return _COMMAND + sum(need.own for need in needs) + max(need.shared for need in needs)


def _check_addresses(known: list[tuple[PlannedRun, Need]]) -> None:
    """Refuse a run for which `ulimit -v` leaves its worker too little: each process has its own."""
    limit = limits.address_space()
    run, need = max(known, key=lambda pair: pair[1].addresses)
    if limit is not None and need.addresses > limit:
        raise ConfigError(
            f"{run.name}: its worker needs about {_gib(need.addresses)} GiB of addresses, and"
            f" ulimit -v {limit // 1024} leaves it {_gib(limit)}: ulimit -v"
            f" {need.addresses // 1024}, or more, or {_lower(run)}"
        )


def _lower(run: PlannedRun) -> str:
    """What may be smaller: the batch, and the knobs of the model that are sizes."""
    sizes = [f"model.{k}" for k, v in run.config.model.items() if type(v) in (int, list)]
    return f"lower {' or '.join(['train.batch_size', *sizes])}"


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f}"
