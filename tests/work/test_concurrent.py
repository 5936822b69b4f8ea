"""The number of concurrent runs on a GPU doubles as long as this pays."""

import contextlib
from types import SimpleNamespace

import pytest

from runner.errors import TimedOut
from runner.work.concurrent import ConcurrencySearch, ConcurrentRun


def settle(search, images_per_s, rounds=200, room_for=lambda: 64):
    """The numbers that a search tries, when so many runs train so many images per second."""
    numbers = [search.n_runs]
    for _ in range(rounds):
        search.record_round(search.n_runs, round(0.5 * images_per_s(search.n_runs)), 0.5, room_for)
        if search.n_runs != numbers[-1]:
            numbers.append(search.n_runs)
    return numbers


@pytest.mark.parametrize(
    "images_per_s, numbers",
    [
        (lambda n: 1000, [4, 8, 4]),  # one run keeps the GPU busy
        (lambda n: 1000 * min(n, 8), [4, 8, 16, 8]),
        (lambda n: 1000 * n, [4, 8, 16]),  # 16 is the most
        (lambda n: 1000 * n**0.2, [4, 8, 16]),  # 15 percent more each time
        (lambda n: 1000 * n**0.1, [4, 8, 4]),  # 7 percent do not pay
    ],
)
def test_the_number_of_runs_doubles_while_it_pays(images_per_s, numbers):
    assert settle(ConcurrencySearch(0), images_per_s) == numbers


def test_a_number_that_does_not_fit_into_memory_is_not_tried():
    assert settle(ConcurrencySearch(0), lambda n: 1000 * n, room_for=lambda: 3) == [4]
    assert settle(ConcurrencySearch(0), lambda n: 1000 * n, room_for=lambda: 7) == [4, 8]


def test_a_configured_number_stays():
    assert settle(ConcurrencySearch(3), lambda n: 1000 * n) == [3]


def test_the_first_round_and_rounds_of_another_number_do_not_count():
    search = ConcurrencySearch(0)
    search.record_round(4, 10**9, 1.0, lambda: 64)  # captures graphs
    for _ in range(50):
        search.record_round(0, 10**9, 1.0, lambda: 64)
    assert search.n_runs == 4
    for _ in range(2):
        search.record_round(4, 1000, 1.0, lambda: 64)
    assert search.n_runs == 8


def test_a_limit_by_memory_ends_the_search():
    search = ConcurrencySearch(0)
    search.limit(3)
    assert settle(search, lambda n: 1000 * n) == [3]
    search.limit(0)
    assert search.n_runs == 1


def test_a_run_is_not_late_before_its_journal_has_begun():
    begun = []

    def records():
        begun.append("its first line")
        yield None
        yield None

    config = SimpleNamespace(runner=SimpleNamespace(time_limit_s=1e-9))
    run = ConcurrentRun(SimpleNamespace(config=config), records(), contextlib.ExitStack())
    run.advance()
    assert begun and not run.ended
    with pytest.raises(TimedOut, match="not at its end within 1e-09 s"):
        run.advance()
