"""How many workers train side by side: no more than there is memory for."""

from collections.abc import Callable, Sequence

from runner.data.catalogue import Entry
from runner.errors import ConfigError
from runner.plan import memory
from runner.plan.memory import Need
from runner.plan.plan import PlannedRun
from runner.system import limits

#: Bytes that a sweep's own process takes beside its workers, most of them MLflow's; measured.
_COMMAND = 250_000_000
_LOWER = "lower model.channels, model.blocks, model.hidden_size or train.batch_size"


def that_fit(
    n: int,
    is_asked: bool,
    to_train: Sequence[PlannedRun],
    entry: Callable[[PlannedRun], Entry],
) -> tuple[int, list[str]]:
    """The number of workers, and a line for the user where it is less than n.

    The memory of a model that does not ship is not known, and counts as none.

    Parameters
    ----------
    n
        How many there would be with memory for all.
    is_asked
        Whether the user gave this number, so that no other is right.
    entry
        What is known of the data that a run reads.

    Raises
    ------
    ConfigError
        When not even one worker fits, or not as many as were asked for.
    """
    known = [(run, memory.need(run.config, entry(run), run.device)) for run in to_train]
    needs = [need for _, need in known if need is not None]
    if not needs:
        return n, []
    _check_addresses([(run, need) for run, need in known if need is not None])
    # The largest may come together, whatever the order of the plan.
    needs.sort(key=lambda need: need.own, reverse=True)
    free = limits.free_memory()
    # Of runs on a card all that is known here is what one of them does on the CPU.
    side_by_side = 1 if to_train[0].device == "gpu" else min(n, len(to_train))
    fitting = side_by_side
    while fitting and _together(needs[:fitting]) > free:
        fitting -= 1
    if fitting == side_by_side:
        return n, []
    told = f"about {_gib(_together(needs[:side_by_side]))} GiB, and {_gib(free)} GiB is free"
    if not fitting:
        largest = next(run for run, need in known if need is needs[0])
        told = f"about {_gib(_together(needs[:1]))} GiB, and {_gib(free)} GiB is free"
        raise ConfigError(f"{largest.name}: training it needs {told}; {_LOWER}")
    told = f"the {side_by_side} largest runs need together {told}"
    if is_asked:
        raise ConfigError(
            f"runner.workers={n}: {told}; {fitting} fit: runner.workers={fitting}, or {_LOWER}"
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
            f" {need.addresses // 1024}, or more, or {_LOWER}"
        )


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f}"
