"""The process in which devices are tried (`runner.card.ask` starts it): it may hang, or end."""

import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from runner.card.answers import Answer, Card
from runner.card.network import Network
from runner.engine import device as devices
from runner.system import apart

#: What is tried: the number of a card, or the CPU.
CPU = -1


def main() -> None:
    """Write a line for each card that is seen, or for each network that is asked for.

    The question is the number of a card (None: look which there are) and the networks.
    """
    with apart.answering() as ((number, networks), write):
        if number is None:
            for card in seen():
                write({"card": asdict(card)})
        else:
            _try(number, networks, write)


def seen() -> list[Card]:
    """The cards that CuPy can use."""
    return [
        Card(
            number=number,
            name=devices.gpu_name(number),
            identity=devices.gpu_uuid(number),
            memory_bytes=devices.gpu_bytes(number),
            versions=_driver() | devices.gpu_versions(),
        )
        for number in range(devices.gpu_count())
    ]


def _driver() -> dict[str, str]:
    """The version of the driver, where the system tells it: that of its CUDA is not all of it."""
    try:
        told = Path("/proc/driver/nvidia/version").read_text("utf-8", "replace")
    except OSError:
        return {}
    found = re.search(r"\s(\d+\.[\d.]+)\s", told)
    return {"driver": found[1]} if found else {}


def _try(number: int, networks: list[Network], write: Callable[[dict[str, Any]], None]) -> None:
    # Imported here: DeZero and the kernels take a second, and to look for cards needs neither.
    from runner.card import judge

    def tell(stage: str) -> None:
        write({"stage": stage})

    for network in networks:
        if number == CPU:
            answer: Answer = judge.on_cpu(network, tell)
        else:
            answer = judge.on_card(network, tell, number)
        write({"answer": asdict(answer)})


if __name__ == "__main__":
    main()
