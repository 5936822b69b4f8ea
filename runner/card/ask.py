"""Asks another process what a card is and computes, within a time limit, and keeps the answers.

This process never touches a card: it has no CUDA context that its children could not use, and a
card that hangs or kills its process gives an answer too.
"""

import contextlib
import json
from dataclasses import asdict
from pathlib import Path

from runner.card.answers import Answer, Card
from runner.card.network import Network
from runner.card.process import CPU
from runner.errors import DeviceError
from runner.plan.fingerprint import code_fingerprint
from runner.system import apart
from runner.system.files import cache_folder, is_whole, sealed, sha256, write_whole
from runner.train import provenance

#: Seconds that a look for cards may take, that a process may take before its first network (it may
#: have to compile), and each network after that.
LOOK_S, START_S, NETWORK_S = 60.0, 120.0, 60.0
_PROCESS = "runner.card.process"


def cards(limit_s: float = LOOK_S) -> list[Card]:
    """The cards that CuPy can use, as another process sees them.

    Raises
    ------
    DeviceError
        When that process did not come to its end.
    """
    found, ended = apart.ask(_PROCESS, (None, []), limit_s)
    if ended:
        raise DeviceError(f"looking for cards, the process {ended}")
    return [Card(**line["card"]) for line in found]


def unknown(card: Card, networks: list[Network]) -> list[Network]:
    """The networks for which no answer of the card is kept."""
    return [network for network in networks if _kept(card, network) is None]


def answers(
    card: Card | None,
    networks: list[Network],
    anew: bool = False,
    limit_s: float = START_S,
    network_s: float = NETWORK_S,
) -> list[Answer]:
    """What a card, or the CPU, makes of each network; fewer where one ended the process.

    Parameters
    ----------
    card
        None: the fast engine on the CPU is held against the stock one.
    anew
        Whether what is kept is not read.
    limit_s, network_s
        Seconds that the process may take, and those for each network beside that.
    """
    known = {} if anew else {n.key: kept for n in networks if (kept := _kept(card, n))}
    asked = [network for network in networks if network.key not in known]
    if asked:
        number = CPU if card is None else card.number
        limit_s += network_s * len(asked)
        found, ended = apart.ask(_PROCESS, (number, asked), limit_s)
        given = [Answer.of(line["answer"]) for line in found if "answer" in line]
        if ended:
            stage = next((line["stage"] for line in reversed(found) if "stage" in line), "starting")
            network = asked[len(given)]
            refused = {"the process": f"it {ended} while {stage}"}
            given.append(Answer(network.name, network.batch_size, refused=refused))
        for network, answer in zip(asked, given, strict=False):
            known[network.key] = answer
            if not answer.passing:
                _keep(card, network, answer)
    return [known[network.key] for network in networks if network.key in known]


# =============================================================================
# What is kept, in the user's cache: one file an answer
# =============================================================================
def kept_folder() -> Path | None:
    """Where answers and reports are kept; None for an account without a home."""
    cache = cache_folder()
    return cache / "cards" if cache else None


def _file(card: Card | None, network: Network) -> Path | None:
    folder = kept_folder()
    if folder is None:
        return None
    of_card = [card.identity, card.name, card.versions] if card else provenance.versions()
    code = code_fingerprint("gpu" if card else "cpu")
    of = sha256([of_card, provenance.processor(), code, network.key])
    return folder / f"{of[:16]}.json"


def _kept(card: Card | None, network: Network) -> Answer | None:
    file = _file(card, network)
    try:
        values = json.loads(file.read_bytes()) if file else None
        if not isinstance(values, dict) or not is_whole(values):
            return None
        answer = Answer.of(values["answer"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    # A plan of one run measured no others beside it.
    is_short = bool(answer.engine) and card is not None and network.n_runs > 1
    return None if is_short and len(answer.speeds.side_by_side) < 2 else answer


def _keep(card: Card | None, network: Network, answer: Answer) -> None:
    if file := _file(card, network):
        with contextlib.suppress(OSError):  # it is asked again
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, json.dumps(sealed({"answer": asdict(answer)})).encode("ascii"))
