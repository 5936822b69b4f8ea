"""One reader for the journals of many runs."""

import itertools
import threading

import pytest
from journaling import append

from runner.state import journal as journal_module
from runner.state.journals import Journals
from runner.state.records import End, Epoch, Start
from runner.state.root import Root

KEYS = ("a" * 64, "b" * 64, "c" * 64)


@pytest.fixture
def root(tmp_path):
    return Root(tmp_path)


def attempt(root, key, id="first"):
    return root.run(key).attempt(id)


def start(key, launch="1-a", pid=7, after=None):
    data = {"name": "digits", "sha256": "d"}
    return Start(key, "c" * 64, {}, {}, data, "cpu", pid, launch, after=after)


def test_runs_that_nobody_has_begun_are_empty_and_cost_no_look_into_their_folders(
    root, monkeypatch
):
    journals = Journals(root, KEYS)
    opened = []

    def noted(path, *how, **options):
        opened.append(path)
        return open(path, *how, **options)

    monkeypatch.setattr(journal_module, "open", noted, raising=False)
    assert all(journals.look(max_age_s=0)[key].start is None for key in KEYS)
    append(attempt(root, KEYS[1]), start(KEYS[1]))
    opened.clear()
    journals.look(max_age_s=0)
    assert opened == [attempt(root, KEYS[1]).journal]


def test_each_byte_is_read_once_and_a_trained_run_not_again(root, monkeypatch):
    append(attempt(root, KEYS[0]), start(KEYS[0]), Epoch(1, {"test/loss": 1.0}))
    append(attempt(root, KEYS[1]), start(KEYS[1]), End("done"))
    read = []
    decode = journal_module.decode
    monkeypatch.setattr(
        journal_module, "decode", lambda line, before: read.append(line) or decode(line, before)
    )
    journals = Journals(root, KEYS)
    for n in (2, 3):
        journals.look(max_age_s=0)
        journals.read(KEYS[0])
        append(attempt(root, KEYS[0]), Epoch(n, {"test/loss": 1.0}))
        append(attempt(root, KEYS[1]), End("failed"))
    journals.look(max_age_s=0)
    assert len(read) == len(set(read)) == 2 + 2 + 2, "each line once"
    assert journals[KEYS[1]].trained and set(journals[KEYS[0]].epochs) == {1, 2, 3}
    journals.look(max_age_s=0)
    assert len(read) == 6


def test_a_look_so_soon_after_another_reads_nothing(root):
    journals = Journals(root, KEYS).look()
    append(attempt(root, KEYS[0]), start(KEYS[0]))
    assert journals.look(max_age_s=60)[KEYS[0]].start is None
    assert journals.look(max_age_s=0)[KEYS[0]].start is not None


def test_whoever_asks_is_told_of_each_change_once(root):
    journals = Journals(root, KEYS)
    assert journals.look(max_age_s=0).changed_since(0) == ([], 0)
    append(attempt(root, KEYS[2]), start(KEYS[2]))
    journals.look(max_age_s=0)
    append(attempt(root, KEYS[2]), Epoch(1, {}))
    append(attempt(root, KEYS[0]), start(KEYS[0]))
    journals.look(max_age_s=0)
    changed, position = journals.changed_since(0)
    assert sorted(changed) == [KEYS[0], KEYS[2]]
    assert journals.changed_since(position) == ([], position)
    append(attempt(root, KEYS[0]), End("killed"))
    journals.look(max_age_s=0)
    assert journals.changed_since(position)[0] == [KEYS[0]]


def test_under_way_are_the_runs_that_this_launch_began_and_nobody_ended(root):
    append(attempt(root, KEYS[0]), start(KEYS[0], pid=3))
    append(attempt(root, KEYS[1]), start(KEYS[1]), End("killed"))
    append(attempt(root, KEYS[2]), start(KEYS[2], launch="2-b"))
    assert Journals(root, KEYS).look().under_way("1-a") == {KEYS[0]: 3}


def test_a_run_that_was_killed_is_followed_into_its_next_start(root):
    append(attempt(root, KEYS[0]), start(KEYS[0]), End("killed"))
    journals = Journals(root, KEYS).look()
    assert journals[KEYS[0]].status == "killed"
    again = start(KEYS[0], "2-b", after="first")
    append(attempt(root, KEYS[0], "second"), again, Epoch(1, {}), End("done"))
    assert journals.look(max_age_s=0)[KEYS[0]].trained


def test_several_threads_may_look_while_a_writer_writes(root):
    journals, done, errors = Journals(root, KEYS), threading.Event(), []

    def follow():
        position = 0
        while not done.is_set():
            try:
                journals.look(max_age_s=0)
                keys, position = journals.changed_since(position)
                for key in keys:
                    assert list(journals[key].epochs) == sorted(journals[key].epochs)
                journals.under_way("1-a")
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=follow) for _ in range(4)]
    for thread in threads:
        thread.start()
    for key in KEYS:
        append(attempt(root, key), start(key))
    for n, key in itertools.product(range(1, 60), KEYS):
        append(attempt(root, key), Epoch(n, {"test/loss": 1.0}))
    done.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(len(journals.look(max_age_s=0)[key].epochs) == 59 for key in KEYS)
