"""The runs and knobs of a plan, from the configurations that were asked for."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from runner.config.schema import KNOBS, Config, knobs_of, leaves, without_effect
from runner.plan import fingerprint, identity, kept
from runner.plan.plan import PlannedKnob, PlannedRun


def planned_run(
    config: Config, knobs: dict[str, Any], data_name: str, data_sha256: str, device: str
) -> PlannedRun:
    """The run that a checked configuration asks for; as `planned_runs`, with its seed alone."""
    return planned_runs(config, [config.seed], knobs, (data_name, data_sha256), device)[0]


def planned_runs(
    config: Config, seeds: Iterable[int], knobs: dict[str, Any], data: tuple[str, str], device: str
) -> list[PlannedRun]:
    """The runs of a cell, in the order of their seeds.

    Parameters
    ----------
    config
        Checked.
    knobs
        Value of each swept or typed knob, for the runs' names.
    data
        Name and SHA-256 of the data really used, after any fallback.
    device
        "cpu" or "gpu", after `auto`.
    """
    data_name, data_sha256 = data
    # What is kept is what really happens. The store's address may hold a password, and workers do
    # not need it; which cells there are is the plan's.
    ours = replace(
        config,
        device=device,
        data=config.data | {"name": data_name},
        tracking=replace(config.tracking, uri=None),
        sweep=kept.whole_grid(),
        claims={},
    )
    own_code = fingerprint.own_code(ours)
    of = identity.identity(ours, data_name, data_sha256, device, own_code=own_code)
    cell = PlannedRun(
        run_key="",
        cell_key=identity.cell_key(of),
        knobs=knobs,
        config=ours,
        data_name=data_name,
        data_sha256=data_sha256,
        device=device,
        without_effect=without_effect(ours),
        code=fingerprint.code_name(device),
        own_code=own_code,
    )
    return [
        replace(
            cell,
            run_key=identity.run_key(of | {"seed": seed}),
            config=replace(ours, seed=seed),
        )
        for seed in seeds
    ]


def planned_knobs(configs: Iterable[Config], swept: Iterable[str]) -> list[PlannedKnob]:
    """The recorded knobs that any of the configurations has, as a plan keeps them.

    A group that is swept, such as `model=cnn,mlp`, is a knob too, whose levels are its files. An
    option that came later is shown where a run has it at another value than that of before.
    """
    configs = list(configs)
    known = {name: knob for config in configs for name, knob in knobs_of(config).items()}
    used = {
        name
        for config in configs
        for name, value in leaves(config)
        if not (known[name].came_later and value == known[name].before)
    }
    sections = list(dict.fromkeys(name.partition(".")[0] for name in KNOBS))
    places = {name: n for n, name in enumerate(KNOBS)}
    # Of a part of the user's own, knobs stay in their order, after those of the schema.
    ordered = sorted(
        known, key=lambda n: (sections.index(n.partition(".")[0]), places.get(n, len(places)))
    )
    groups = [PlannedKnob(key, True, True) for key in swept if key not in known]
    return groups + [
        PlannedKnob(name, known[name].bears_on_numbers, known[name].shown and name in used)
        for name in ordered
        if known[name].recorded
    ]
