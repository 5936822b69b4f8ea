"""`python -m analysis [SWEEP]`: what a sweep's claims earned, on the terminal and as a report."""

import gc

# pandas, SciPy and matplotlib make hundreds of thousands of objects that live to the end. Searching
# them for garbage, during the imports and afterwards, takes a tenth of a report's time.
gc.disable()

import io  # noqa: E402
import os  # noqa: E402
import shlex  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Collection  # noqa: E402
from pathlib import Path  # noqa: E402

from analysis.decide.study import Study, study  # noqa: E402
from analysis.read import runs  # noqa: E402
from analysis.report import answers, cells_table, paper_table, sentences, words, write  # noqa: E402
from analysis.report.paper_table import FORMS  # noqa: E402
from analysis.report.pictures import formats  # noqa: E402
from analysis.report.words import colours, of_sweep  # noqa: E402
from runner.errors import RunnerError, printable  # noqa: E402
from runner.record import FAILED  # noqa: E402
from runner.state.root import Root  # noqa: E402
from runner.system import language, streams  # noqa: E402
from runner.system.command import command_of, parser_of  # noqa: E402
from runner.system.language import say  # noqa: E402
from runner.tracking.store import arguments  # noqa: E402
from runner.words.columns import wrapped  # noqa: E402

gc.freeze()
gc.enable()

#: Lines are not longer, however wide the terminal is.
_WIDEST = 100
#: For whoever has never seen an answer.
_HOW_TO_READ = (
    "A point is one in a hundred images. What is said surely, and every YES or NO, is wrong in at"
    " most one sweep of twenty. What matters is what the claims declared before. More:"
    " docs/conclusions.md"
)


def main() -> None:
    """The command line."""
    parser = parser_of("analysis", __doc__)
    parser.add_argument(
        "sweep",
        nargs="?",
        help="a sweep's name, the start of its key, or its run id (default: the latest)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of the report (default: reports/<sweep key> under the root)",
    )
    parser.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help=f"the table of the cells for a paper, too: a file's name in {', '.join(FORMS)}",
    )
    parser.add_argument(
        "--figures",
        action="append",
        choices=list(formats.FORMATS),
        default=[],
        help="also write the figures in this format, for one column and for two of a paper",
    )
    parser.add_argument(
        "--details",
        action="store_true",
        help="the verdicts with intervals, p values and other ways to compute them",
    )
    parser.add_argument(
        "--as-planned",
        action="store_true",
        help="leave out seeds that other sweeps trained of the same cells",
    )
    parser.add_argument(
        "--language",
        choices=language.LANGUAGES,
        default="auto",
        help="of the answers, here and on the report's page (default: auto, that of the locale)",
    )
    arguments.add(parser)
    given = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal without a minus sign shows its name instead of `?`.
        sys.stdout.reconfigure(errors="namereplace")
    streams.outlast_readers()
    try:
        if given.table:
            paper_table.check(given.table)
        root = Root.of(given.root)
        read = runs.read(
            given.uri or runs.local_uri(root.path), given.experiment, given.sweep, given.as_planned
        )
        decided = study(read, runs.correct)
        if given.table:
            paper_table.write(decided, given.table)
        chosen = [given.sweep] if given.sweep else []
        chosen += arguments.typed(given.root, given.uri, given.experiment)
        code = report(
            decided, root, given.out, given.details, given.language, given.figures, chosen
        )
    except RunnerError as error:
        _complain(error, given.language)
        sys.exit(error.exit_code)
    except OSError as error:
        # Python must not try again at exit what could not be printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _complain(error, given.language)
        sys.exit(1)
    sys.exit(code)


def _complain(error: Exception, asked: str) -> None:
    to = words.speaking(language.shown(language.spoken(asked), sys.stderr))
    print(f"analysis: {printable(to(str(error)))}", file=sys.stderr)


def report(
    decided: Study,
    root: Root,
    out: Path | None = None,
    with_details: bool = False,
    asked: str = "auto",
    figures: Collection[str] = (),
    chosen: Collection[str] = (),
) -> int:
    """Write the report of a sweep whose claims are decided, and print the verdicts.

    Parameters
    ----------
    root
        Below it the report is written, unless `out` is given.
    asked
        The language of the answers, of `language.LANGUAGES`.
    figures
        As of `write.write`.
    chosen
        The words of the command line that chose the sweep.

    Returns
    -------
    int
        The exit code: 1 when a run of the sweep failed, else 0.
    """
    spoken = language.spoken(asked)
    address = write.report(decided, root, out, spoken, figures)
    shown = language.shown(spoken, sys.stdout)
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    to = words.speaking(shown)
    said = lines(decided, with_details, width, to, colours.painter(sys.stdout))
    table = cells_table.lines(decided, shutil.get_terminal_size().columns, to, sys.stdout)
    more = [to(say("Report: {address}", address=printable(str(address))))]
    if not with_details:
        command = f"{command_of('analysis')} {shlex.join([*chosen, '--details'])}"
        more.append(to(say("All numbers: {command}", command=printable(command))))
    if figures:
        drawn = say("Figures: {address}", address=printable(str(address.parent / "figures")))
        more.append(to(drawn))
    print("\n".join([*said, "", *map(printable, table), "", *more]), flush=True)
    return 1 if decided.states.get(FAILED) else 0


def lines(
    decided: Study,
    with_details: bool,
    width: int,
    to: Callable[[str], str] = str,
    painted: Callable[[str, str], str] = lambda word, verdict: word,
) -> list[str]:
    """The answers, a word and a line or two each; or the verdicts in sentences with all numbers.

    Parameters
    ----------
    to, painted
        As of `answers.lines`.
    """

    def said(text: str) -> str:
        return printable(" ".join(to(text).split()))

    sweep, answered = decided.sweep, []
    head = [
        f"{sweep.name} ({sweep.key[:8]}): {to(of_sweep.counted(decided))}",
        to(of_sweep.declared(decided)),
    ]
    head += [to(said_of)] if (said_of := of_sweep.designed(decided)) else []
    under = to(say("Under: {conditions}.", conditions=of_sweep.conditions(decided)))
    details: list[str] = []
    for decision in decided.decisions:
        marks = of_sweep.marks(decided, decision)
        shown = [mark for mark in marks if mark != of_sweep.DEFAULT]
        answered.append((answers.answer(decided, decision), shown))
        if with_details:
            claim = sentences.claim_text(decided, decision)
            details += ["", claim.headline + "".join(f" [{mark}]" for mark in marks)]
            details += [f"  {line}" for line in (claim.finding, *claim.details)]
    if with_details:
        reads = of_sweep.test_reads(decided)
        return [printable(line) for line in (*head, *details, "", *filter(None, (under, reads)))]
    text = [line for long in head for line in wrapped(said(long), width)]
    text += answers.lines(answered, width, said, painted)
    for long in (under, *([say(_HOW_TO_READ)] if answered else [])):
        text += ["", *wrapped(said(long), width)]
    return text


if __name__ == "__main__":
    main()
