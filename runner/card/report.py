"""What a check found, as text that can be sent to somebody: it holds no name, path or address."""

import re
from collections.abc import Sequence
from importlib import metadata

from runner.card.answers import Answer, Card, Way
from runner.plan.fingerprint import code_fingerprint
from runner.train import provenance

#: The folders of a path.
_FOLDERS = re.compile(r"(?<![\w.])~?(?:/[^/\s'\":,;()]+)+/")


def report(card: Card | None, answers: Sequence[Answer], n_networks: int) -> str:
    """The report of one card, or of the CPU, some lines of text."""
    device, shown = ("gpu", card.name) if card else ("cpu", "none: engine=fast on the CPU")
    # Numba compiles the CPU's kernels, with which a card is compared.
    versions = provenance.versions() | {"numba": metadata.version("numba")}
    versions |= card.versions if card else {}
    lines = [
        f"card        {shown}" + (f", {card.memory_bytes / 2**30:.0f} GiB" if card else ""),
        f"processor   {provenance.processor()}, {provenance.cores()} cores",
        f"versions    {', '.join(f'{name} {version}' for name, version in versions.items())}",
        f"code        {code_fingerprint(device)[:16]}",
    ]
    for answer in answers:
        lines += ["", answer.network, *_lines(answer, device)]
    if len(answers) < n_networks:
        lines += ["", f"{n_networks - len(answers)} more networks were not tried"]
    return _FOLDERS.sub("", "\n".join(lines)) + "\n"


def _lines(answer: Answer, device: str) -> list[str]:
    if answer.engine is None:
        lines = ["  agrees      no way"]
    else:
        graphs = " with CUDA graphs" if device == "gpu" and answer.engine == "fast" else ""
        way = Way(answer.engine, device, answer.graph)
        lines = [f"  agrees      {way}{graphs if answer.graph else ''}"]
    lines += [f"  differs     {way}: {why}" for way, why in answer.refused.items()]
    speeds, size = answer.speeds, answer.batch_size
    if speeds.core:
        core = "one core" if device == "gpu" else "engine=stock"
        lines += [f"  speed       {core}: {_speed(speeds.core, size)}"]
    for n, rate in speeds.side_by_side.items():
        name = f"{n} run{'' if n == '1' else 's'} on the card" if device == "gpu" else "engine=fast"
        lines += [f"  speed       {name}: {_speed(rate, size) if rate else 'do not fit'}"]
    if device == "gpu" and speeds.side_by_side:
        told = f"{speeds.run_bytes / 2**20:.0f} MiB a run" if speeds.run_bytes else "not known"
        lines += [f"  memory      {told}"]
    return lines


def _speed(images_per_s: float, batch_size: int) -> str:
    return f"{images_per_s:,.0f} images/s, {images_per_s / batch_size:,.1f} steps/s"
