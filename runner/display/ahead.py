"""What each claim of a planned sweep can come to; the analysis knows, in a process of its own."""

import shutil

from runner import words
from runner.plan.plan import content
from runner.prepare import Prepared
from runner.system import apart
from runner.system.language import say

#: The analysis reads the store's plans, and one or two sweeps; a server may be slow.
_LIMIT_S = 120.0
_MARGIN, _WIDEST = 4, 100


def tell(prepared: Prepared, seconds: dict[str, float]) -> None:
    """Print what each claim can come to.

    Parameters
    ----------
    seconds
        That each cell's untrained runs will take, by cell key.
    """
    plan, tracking = prepared.plan, prepared.config.tracking
    if not plan.claims:
        return
    question = {
        "plan": content(plan),
        "root": prepared.root.path,
        "uri": tracking.uri,
        "experiment": tracking.experiment,
        "minutes": {cell: of_cell / 60 for cell, of_cell in seconds.items()},
        "width": min(shutil.get_terminal_size().columns, _WIDEST) - _MARGIN,
        "language": words.language(),
    }
    words.tell(say("what the claims can come to:"), indent=2)
    lines, ended = apart.ask("analysis.ahead", question, _LIMIT_S)
    for line in lines:
        words.tell(line["line"], indent=_MARGIN)
    if ended:
        words.tell(say("not known: analysis.ahead {ended}", ended=ended), indent=_MARGIN)
