"""Which claims ask for less than one test image can tell."""

from runner.prepare import Prepared
from runner.record import parse_reduction
from runner.system.language import say

#: Metrics that are shares of the test images.
_OF_TEST_IMAGES = ("test/accuracy", "test_masked/accuracy")


def below_an_image(prepared: Prepared) -> list[str]:
    """A line for each claim whose margin no last accuracy can differ by."""
    n_test = min(prepared.sources.entry(run).n_test for run in prepared.plan.runs)
    lines: list[str] = []
    for name, claim in prepared.plan.claims.items():
        metric = parse_reduction(claim.metric)
        is_share = metric.kind == "final" and metric.curve in _OF_TEST_IMAGES
        if is_share and 0 < claim.margin * n_test < 1:
            lines.append(
                say(
                    "{name}: a margin of {margin} is less than one of {n_test} images",
                    name=name,
                    margin=f"{claim.margin:g}",
                    n_test=f"{n_test:,}",
                )
            )
    return lines
