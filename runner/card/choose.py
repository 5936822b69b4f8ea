"""On which device a plan trains: what its cards have answered, and one line that says so."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from runner import words
from runner.card import ask, sight
from runner.card.answers import ON_CPU, Answer, Card
from runner.card.network import Network
from runner.card.report import report
from runner.config.schema import Config
from runner.errors import DeviceError
from runner.system.command import command_of
from runner.system.files import write_whole

_INSIST = "runner.check_card=false trains there all the same"
_NONE_USABLE = (
    "device=gpu: CuPy finds no usable GPU here; install it with pip install '.[cuda12]' or"
    " '.[cuda13]' (the driver's CUDA version: nvidia-smi), or train with device=cpu"
)


@dataclass(frozen=True)
class Choice:
    """Where a plan trains, and in which way."""

    #: "cpu" or "gpu".
    device: str
    #: Lines for the user.
    told: list[str] = field(default_factory=list)
    n_cards: int = 0
    #: The engine, and whether CUDA graphs are used, where they are not as configured.
    engine: str | None = None
    graph: bool | None = None

    def of(self, config: Config) -> Config:
        """The configuration of a run that trains in this way."""
        how = config.engine
        engine = how.name if self.engine is None else self.engine
        graph = how.graph if self.graph is None else self.graph
        return replace(config, engine=replace(how, name=engine, graph=graph))


@dataclass(frozen=True)
class _Proof:
    """A card, and its answer for each network; fewer where one ended the process."""

    card: Card
    answers: list[Answer]
    networks: Sequence[Network]

    @property
    def engine(self) -> str | None:
        """The engine by which the card computes all networks right; None where there is none."""
        engines = {answer.engine for answer in self.answers}
        is_through = len(self.answers) == len(self.networks)
        return engines.pop() if is_through and len(engines) == 1 else None

    @property
    def has_graphs(self) -> bool:
        """Whether CUDA graphs have the bits of single launches, for all networks."""
        return all(answer.graph for answer in self.answers)

    @property
    def first_difference(self) -> str:
        """`cnn ... (engine=fast: step 1, ...)`, of the first network that agrees in no way, or else
        of the first that does not agree in each."""
        wrong = [answer for answer in self.answers if answer.engine is None]
        for answer in [*wrong, *self.answers]:
            for way, why in answer.refused.items():
                return f"{answer.network} ({way}: {why})"
        return "its networks agree with different engines"


def without_asking(device: str, is_here: bool = True) -> Choice | None:
    """Where to train, if no card need be asked; it takes no time where there is none.

    Parameters
    ----------
    device
        As configured: "cpu", "gpu" or "auto".
    is_here
        Whether workers run on this machine: nothing is known of another one's cards.

    Raises
    ------
    DeviceError
        For "gpu" where no card can be used, with what to install.
    """
    if device == "cpu" or not is_here:
        return Choice("gpu" if device == "gpu" else "cpu")
    is_asked = device == "gpu"
    if not sight.in_sight():
        return _none(is_asked)
    return None if sight.has_cupy() else _without_cupy(is_asked)


def choose(device: str, config: Config, networks: Sequence[Network], n_workers: int) -> Choice:
    """Where to train networks, once the cards have proved themselves.

    Parameters
    ----------
    device
        "gpu" or "auto".
    config
        What all runs have in common.
    n_workers
        How many runs the CPU would train side by side.

    Raises
    ------
    DeviceError
        For "gpu" where no card can be used, or none computes right: why, and what to type.
    """
    is_asked = device == "gpu"
    try:
        cards = ask.cards()
    except DeviceError as error:
        if is_asked:
            raise DeviceError(f"device=gpu: {error}; train with device=cpu") from None
        return Choice("cpu", [f"card: {error}: the CPU is used"])
    if not cards:
        return _none(is_asked)
    if not config.runner.check_card:
        return Choice("gpu", ["card: used unchecked, as runner.check_card=false asks"], len(cards))
    proofs = _proofs(cards, networks)
    if any(ON_CPU in answer.refused for proof in proofs for answer in proof.answers):
        # It is not the card that fails: a model of one's own is checked next, and refused.
        return Choice(device if is_asked else "cpu", ["card: not checked"], len(cards))
    return _chosen(proofs, is_asked, n_workers)


def cards_here() -> list[Card | None]:
    """The cards that can be asked.

    Raises
    ------
    DeviceError
        When there is none, with what to install.
    """
    without_asking("gpu")
    if found := ask.cards():
        return [*found]
    raise DeviceError(_NONE_USABLE)


def _none(is_asked: bool) -> Choice:
    if is_asked:
        raise DeviceError(_NONE_USABLE)
    return Choice("cpu")


def _without_cupy(is_asked: bool) -> Choice:
    names, extra = sight.without_cupy()
    if not names:
        return _none(is_asked)
    install = f"CuPy, by which it could be used, is not: pip install '.[{extra}]'"
    if is_asked:
        raise DeviceError(f"device=gpu: {names[0]} is here, and {install}")
    return Choice("cpu", [f"card: {names[0]} is here, and {install}"])


def _proofs(cards: list[Card], networks: Sequence[Network]) -> list[_Proof]:
    proofs = []
    # One after the other: they share the processor, which is timed too.
    for card in cards:
        if unknown := ask.unknown(card, list(networks)):
            what = "1 network" if len(unknown) == 1 else f"{len(unknown)} networks"
            words.tell(f"card: trying {card.name} with {what}, once on this machine")
        proofs.append(_Proof(card, ask.answers(card, list(networks)), networks))
    return proofs


def _chosen(proofs: list[_Proof], is_asked: bool, n_workers: int) -> Choice:
    engines = {proof.engine for proof in proofs}
    engine = next((name for name in ("fast", "stock") if name in engines), None)
    used = [proof for proof in proofs if engine and proof.engine == engine]
    wrong = [proof for proof in proofs if proof not in used]
    networks = proofs[0].networks
    asked = {network.config.engine.name for network in networks}
    # Cells of a sweep over engines stay what they are.
    if not used or (engine not in asked and len(asked) > 1):
        return _refused(wrong[0] if wrong else used[0], is_asked)
    has_graphs = all(proof.has_graphs for proof in used)
    name = f"{len(used)} cards ({used[0].card.name})" if len(used) > 1 else used[0].card.name
    told = f"card: {name} computes what the CPU computes"
    is_otherwise = engine not in asked
    if is_otherwise or (engine == "fast" and not has_graphs and networks[0].config.engine.graph):
        alone = f"engine={engine}" if is_otherwise else "engine.graph=false"
        first = next(proof for proof in used if any(a.refused for a in proof.answers))
        told += f" with {alone} alone: {first.first_difference}{_kept_report(first)}"
    of_cards, of_cores, speeds = _speeds(used, networks, n_workers)
    if of_cards <= of_cores and not is_asked:
        return Choice("cpu", [f"{told}; {speeds}: the CPU is used"])
    lines = [f"{told}; {speeds}: the card is used{'' if of_cards > of_cores else ', as asked'}"]
    for proof in wrong:
        lines.append(
            f"card: {proof.card.name}, number {proof.card.number}, is left out: it does not compute"
            f" what the CPU computes: {proof.first_difference}{_kept_report(proof)}; {_again()}"
        )
    if wrong:
        _show_only([proof.card.number for proof in used])
    return Choice(
        "gpu",
        lines,
        n_cards=len(used),
        engine=engine if is_otherwise else None,
        graph=None if has_graphs else False,
    )


def _refused(proof: _Proof, is_asked: bool) -> Choice:
    is_passing = any(answer.passing for answer in proof.answers)
    verdict = "cannot be tried" if is_passing else "does not compute what the CPU computes"
    told = f"{proof.card.name} {verdict}: {proof.first_difference}{_kept_report(proof)}"
    if is_asked:
        raise DeviceError(f"device=gpu: {told}; {_again()}, {_INSIST}")
    return Choice("cpu", [f"card: {told}; the CPU is used; {_again()}"])


def _speeds(
    used: list[_Proof], networks: Sequence[Network], n_workers: int
) -> tuple[float, float, str]:
    """Images a second of all cards and of all cores on this plan, and how to say it."""
    n_runs = sum(network.n_runs for network in networks)
    n_cards, n_cores = min(len(used), n_runs), min(n_workers, n_runs)
    n_beside = -(-n_runs // n_cards)

    def rate(of: Sequence[float]) -> float:
        """Of runs that take turns, each network with as many runs as the plan has."""
        if not all(of):
            return 0.0
        return n_runs / sum(n.n_runs / speed for n, speed in zip(networks, of, strict=True))

    of_cards = n_cards * min(
        rate([answer.speeds.on_card(n_beside) for answer in proof.answers]) for proof in used
    )
    of_cores = n_cores * rate([answer.speeds.core for answer in used[0].answers])
    cores = f"{n_cores} core{'s' if n_cores > 1 else ''}"
    return of_cards, of_cores, f"{of_cards:,.0f} images/s there, {of_cores:,.0f} on {cores}"


def _kept_report(proof: _Proof) -> str:
    """Keep the card's report; where it lies."""
    folder = ask.kept_folder()
    if folder is None:
        return f"; {command_of('runner.card')} prints a report"
    path = folder / f"report-{proof.card.identity[-8:]}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, report(proof.card, proof.answers, len(proof.networks)).encode())
    except OSError:
        return f"; {command_of('runner.card')} prints a report"
    return f"; report: {path}"


def _again() -> str:
    return f"{command_of('runner.card')} checks again"


def _show_only(numbers: list[int]) -> None:
    """Have workers see these cards alone: they inherit the environment."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = seen.split(",") if seen else None
    shown = [names[number] if names else str(number) for number in numbers]
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(shown)
