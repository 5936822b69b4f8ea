"""How many runs a card is given at a time: doubled for as long as it pays."""

import pytest

from runner.work.concurrent import Number


def settle(number, images_per_s, rounds=200, n_more=lambda: 64):
    """Rounds of half a second, in which so many lanes train as many images a second as the card is said to."""
    seen = [number.runs]
    for _ in range(rounds):
        number.round(number.runs, round(0.5 * images_per_s(number.runs)), 0.5, n_more)
        if number.runs != seen[-1]:
            seen.append(number.runs)
    return seen


@pytest.mark.parametrize(
    "images_per_s, seen",
    [
        (lambda n: 1000, [4, 8, 4]),  # a card that one run fills
        (lambda n: 1000 * min(n, 8), [4, 8, 16, 8]),
        (lambda n: 1000 * n, [4, 8, 16]),  # nothing beyond 16
        (lambda n: 1000 * n**0.2, [4, 8, 16]),  # 15 percent more each time
        (lambda n: 1000 * n**0.1, [4, 8, 4]),  # 7 percent do not pay
    ],
)
def test_the_number_of_runs_doubles_while_it_pays(images_per_s, seen):
    assert settle(Number(0), images_per_s) == seen


def test_a_number_that_the_card_has_no_room_for_is_not_tried():
    assert settle(Number(0), lambda n: 1000 * n, n_more=lambda: 3) == [4]
    assert settle(Number(0), lambda n: 1000 * n, n_more=lambda: 7) == [4, 8]


def test_a_number_that_is_configured_stays():
    assert settle(Number(3), lambda n: 1000 * n) == [3]


def test_the_first_round_and_rounds_with_free_lanes_do_not_count():
    number = Number(0)
    number.round(4, 10**9, 1.0, lambda: 64)  # captures its graphs
    for _ in range(50):
        number.round(0, 10**9, 1.0, lambda: 64)
    assert number.runs == 4
    for _ in range(2):
        number.round(4, 1000, 1.0, lambda: 64)
    assert number.runs == 8


def test_a_card_without_room_is_not_asked_for_more_again():
    number = Number(0)
    number.lower(3)
    assert settle(number, lambda n: 1000 * n) == [3]
    number.lower(0)
    assert number.runs == 1
