"""`python -m runner.card`: whether the cards here, or the fast engine on the CPU, compute right."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.card.network import Network

# Before NumPy is imported, as in runner/__main__.py.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

#: Checked where nothing is typed: networks that use all kernels of those that ship.
NETWORKS = (
    ("model.channels=30",),
    ("model.channels=1", "model.dropout=false", "optimizer=momentum"),
    ("model.blocks=[[8,8],[16]]", "optimizer=sgd"),
    ("model=mlp", "model.fc_depth=2"),
)
#: A word of a data set that every machine has.
_DATA = "data=mnist5k"


def main() -> None:
    """The command line: 0 where all computes right, 1 where not all does, 2 without a card."""
    from runner import words
    from runner.errors import RunnerError
    from runner.system import sources, streams
    from runner.system.command import command_of, parser_of

    parser = parser_of("runner.card", __doc__)
    parser.add_argument("--cpu", action="store_true", help="hold engine=fast against engine=stock")
    parser.add_argument("overrides", nargs="*", help=f"a network, as for {command_of('runner')}")
    given = parser.parse_args()
    streams.outlast_readers()
    sources.make_folder_importable()
    try:
        sys.exit(check(given.cpu, given.overrides))
    except RunnerError as error:
        words.complain(str(error), "runner.card")
        sys.exit(error.exit_code)


def check(on_cpu: bool, typed: list[str]) -> int:
    """Print the report of each card, or of the CPU; the exit code."""
    from runner import words
    from runner.card import ask, choose
    from runner.card.report import report

    cards = [None] if on_cpu else choose.cards_here()
    tried = _networks(typed)
    code = 0
    for card in cards:
        answers = ask.answers(card, tried, anew=True)
        print(report(card, answers, len(tried)), flush=True)
        is_right = len(answers) == len(tried) and all(a.engine and not a.refused for a in answers)
        code = code if is_right else 1
    words.tell("something differs: see above" if code else "all computes right")
    return code


def _networks(typed: list[str]) -> "list[Network]":
    from runner.app import compose
    from runner.card.network import networks
    from runner.prepare import Sources
    from runner.state.root import Root

    words = [typed] if typed else [[_DATA, *network] for network in NETWORKS]
    configs = [compose(*of) for of in words]
    sources = Sources(Root.of(configs[0].runner.root), write=False)
    return networks([(config, sources.of(config)) for config in configs], n_seeds=4)


if __name__ == "__main__":
    main()
