"""What is noticed about trained runs is told: knobs without effect, products of one thread."""

from types import SimpleNamespace

import pytest

from runner.display.noticed import noticed, unchanged
from runner.record import WEIGHTS


def told(weights, **swept):
    """The lines for a grid of two seeds; a run's weights are a function of seed and knobs."""
    runs, journals = [], {}
    combinations = [{}]
    for knob, values in swept.items():
        name = knob.replace("__", ".")
        combinations = [knobs | {name: value} for knobs in combinations for value in values]
    for seed in (0, 1):
        for knobs in combinations:
            key = f"{seed} {knobs}"
            runs.append(
                SimpleNamespace(run_key=key, knobs=knobs, config=SimpleNamespace(seed=seed))
            )
            hashes = weights(seed, *knobs.values())
            end = None if hashes is None else SimpleNamespace(sha256={WEIGHTS: hashes})
            journals[key] = SimpleNamespace(end=end)
    plan = SimpleNamespace(
        runs=runs, swept={name.replace("__", "."): v for name, v in swept.items()}
    )
    return unchanged(plan, journals)


@pytest.mark.parametrize(
    "weights, lines",
    [
        (lambda seed, width, rate: f"{seed} {width} {rate}", []),
        (
            lambda seed, width, rate: f"{seed} {rate}",
            ["width changed nothing: 8 and 9 ended with equal weights in each run;"],
        ),
        (
            lambda seed, width, rate: f"{seed} {rate} {width if rate > 1 else 0}",
            ["width changed nothing: 8 and 9 ended with equal weights in 2 of 4 runs;"],
        ),
        (lambda seed, width, rate: None, []),  # nothing has ended
        (lambda seed, width, rate: f"{width} {rate}", []),  # equal in two seeds is another matter
    ],
)
def test_values_of_a_knob_with_equal_weights_are_named(weights, lines):
    result = told(weights, model__width=[8, 9], optimizer__lr=[1, 2])
    assert [line[: len(expected)] for line, expected in zip(result, lines, strict=True)] == lines


@pytest.mark.parametrize("launch, n_lines", [("1-now", 1), ("1-earlier", 0)])
def test_products_that_one_of_several_threads_computed_are_told_once(launch, n_lines):
    def trained(undivided):
        end = SimpleNamespace(sha256={}, undivided=undivided)
        start = SimpleNamespace(launch="1-now")
        return SimpleNamespace(start=start, end=end, setup=None, is_mixed=False)

    records = {"a": trained(["5x4 by 4x3"]), "b": trained(["5x4 by 4x3", "5x3 by 3x2"])}
    records |= {"c": trained([])}
    runs = [SimpleNamespace(run_key=name, name=name, knobs={}) for name in records]
    lines = noticed(SimpleNamespace(runs=runs, swept={}), records, launch)
    assert len(lines) == n_lines
    assert all("the products 5x4 by 4x3, 5x3 by 3x2: NumPy's" in line for line in lines)
