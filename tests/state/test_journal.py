"""A run's journal: what a crash may leave in it, and what its records say together."""

import dataclasses
import json

import pytest
from journaling import append

from runner.errors import StateError
from runner.state import records
from runner.state.journal import JournalReader, JournalWriter, read_journal
from runner.state.records import Compiling, End, Epoch, Setup, Start
from runner.state.root import Root

KEY = "5" * 64


def start(launch="1-a", pid=1, **others):
    return Start(
        KEY, "c" * 64, {}, {}, {"name": "digits", "sha256": "d"}, "cpu", pid, launch, **others
    )


@pytest.fixture
def journal(tmp_path):
    """The path of a journal that nobody has written to."""
    folder = Root(tmp_path).run(KEY)
    folder.path.mkdir(parents=True)
    return folder.journal


@pytest.fixture
def written(journal):
    """A journal of a run under way: start, setup, two epochs."""
    append(
        journal, start(), Setup(n_parameters=3), *(Epoch(n, {"test/loss": 1 / n}) for n in (1, 2))
    )
    return journal


def test_no_journal_is_a_run_that_has_not_started(journal):
    read = read_journal(journal)
    assert (read.start, read.setup, read.epochs, read.end) == (None, None, {}, None)
    assert not read.trained


def test_a_journal_reads_back_as_it_was_written(written):
    journal = read_journal(written)
    assert journal.start.launch == "1-a" and journal.setup.n_parameters == 3
    assert {number: epoch.metrics for number, epoch in journal.epochs.items()} == {
        1: {"test/loss": 1.0},
        2: {"test/loss": 0.5},
    }
    assert journal.status is None


@pytest.mark.parametrize(
    ("status", "trained"),
    [("done", True), ("diverged", True), ("failed", False), ("killed", False)],
)
def test_only_done_and_diverged_are_trained(written, status, trained):
    append(written, End(status))
    assert read_journal(written).trained is trained


def test_a_run_that_is_started_again_has_not_ended(written):
    append(written, End("failed", "x"))
    append(written, start("2-b", 2))
    journal = read_journal(written)
    assert journal.end is None and journal.start.launch == "2-b" and len(journal.epochs) == 2


def test_of_an_epoch_that_was_written_twice_the_first_counts(written):
    append(written, Epoch(2, {"test/loss": 9.0}))
    assert read_journal(written).epochs[2].metrics == {"test/loss": 0.5}


def test_wherever_the_last_line_is_torn_the_whole_ones_before_it_count_and_writing_goes_on(written):
    content = written.read_bytes()
    last_line = content.rindex(b"\n", 0, -1) + 1
    for length in range(last_line, len(content)):
        written.write_bytes(content[:length])
        assert set(read_journal(written).epochs) == {1}
        append(written, Epoch(2, {"test/loss": 7.0}))
        journal = read_journal(written)
        assert journal.damage is None and journal.epochs[2].metrics == {"test/loss": 7.0}
        assert len(written.read_bytes().splitlines()) == 4


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind": "epo',
        b"\x00" * 40,
        b"[]",
        b"3",
        b'{"kind": "party"}',
        b'{"kind": "epoch"}',
        b"\xff\xfe",
        b"",
    ],
)
def test_a_damaged_line_before_the_last_is_named_and_the_file_is_left_as_it_is(written, line):
    content = written.read_bytes().splitlines(keepends=True)
    content[2] = line + b"\n"
    written.write_bytes(b"".join(content))
    journal = read_journal(written)
    assert journal.damage.startswith(f"{written}: line 3 is damaged")
    assert journal.status == "failed" and not journal.trained and journal.epochs == {}
    assert journal.settled("1-a"), "no worker tries it"
    with pytest.raises(
        StateError, match="line 3 is damaged .* move the folder away to train this run anew"
    ):
        JournalWriter(written)
    assert written.read_bytes() == b"".join(content)


def test_a_reader_follows_a_writer_line_by_line_and_waits_for_half_a_line(journal):
    reader = JournalReader(journal)
    assert not reader.poll()
    writer = JournalWriter(journal)
    writer.write(start())
    assert reader.poll() and reader.journal.start is not None
    whole = json.dumps({"kind": "epoch", "epoch": 1, "time_ms": 1, "metrics": {}}).encode() + b"\n"
    with open(journal, "ab") as file:
        file.write(whole[:9])
        file.flush()
        assert not reader.poll() and reader.journal.epochs == {}
        file.write(whole[9:])
    assert reader.poll() and set(reader.journal.epochs) == {1}
    writer.close()


def test_a_number_that_json_has_no_name_for_is_refused(journal):
    writer = JournalWriter(journal)
    with pytest.raises(ValueError, match="JSON"):
        writer.write(Epoch(1, {"test/loss": float("nan")}))
    writer.close()
    assert read_journal(journal).epochs == {}


def test_a_run_that_failed_is_settled_in_the_launch_it_failed_in_and_tried_again_in_the_next(
    written,
):
    append(written, End("failed", "x"))
    assert read_journal(written).settled("1-a")
    assert not read_journal(written).settled("2-b")


def test_a_run_that_was_killed_is_not_settled(written):
    append(written, End("killed", "asked to stop"))
    assert not read_journal(written).settled("1-a")


def test_a_run_that_was_begun_is_left_alone_by_the_other_workers_of_its_launch_until_it_has_ended(
    written,
):
    assert read_journal(written).taken("1-a")
    assert not read_journal(written).taken("2-b")
    append(written, End("killed", "asked to stop"))
    assert not read_journal(written).taken("1-a")


# Records that can grow.

FIRST_VERSION = (
    b'{"kind": "start", "time_ms": 5, "run_key": "r", "cell_key": "c", "name": "seed=0",'
    b' "knobs": {}, "config": {},'
    b' "data": {"name": "digits", "sha256": "d"}, "device": "cpu", "card": null, "engine":'
    b' "fast", "versions": {},'
    b' "git": {"commit": "1", "dirty": false}, "processor": "p", "threads": {}, "pid": 7,'
    b' "launch": "7-a"}\n'
    b'{"kind": "compiling", "time_ms": 6}\n'
    b'{"kind": "setup", "time_ms": 7, "fallbacks": [], "n_parameters": 3,'
    b' "first_batch_order_sha256": "o"}\n'
    b'{"kind": "epoch", "time_ms": 8, "epoch": 1, "metrics": {"test/accuracy": 0.5}}\n'
    b'{"kind": "end", "time_ms": 9, "status": "failed", "cause": "x"}\n'
)


def test_a_journal_of_the_first_version_is_read_with_defaults_for_what_it_did_not_write(journal):
    journal.write_bytes(FIRST_VERSION)
    read = read_journal(journal)
    assert (read.start.version, read.start.cublas, read.start.pid, read.start.time_ms) == (
        1,
        {},
        7,
        5,
    )
    assert read.setup.goes_on_from_epoch == 1 and read.setup.refused_checkpoints == []
    assert read.end == End("failed", "x", time_ms=9) and read.end.sha256 == {}
    assert read.seconds == 0.0, "its epoch has no times"


def test_a_field_that_a_later_version_adds_is_passed_over(journal):
    lines = FIRST_VERSION.replace(b'"time_ms"', b'"colour": "red", "time_ms"')
    journal.write_bytes(lines)
    assert read_journal(journal).damage is None
    assert read_journal(journal).last == {"test/accuracy": 0.5}


def test_a_journal_of_a_later_version_is_refused_by_its_number(journal):
    append(journal, dataclasses.replace(start(), version=records.VERSION))
    assert read_journal(journal).damage is None
    later = records.VERSION + 1
    content = journal.read_bytes().replace(
        b'"version": %d' % records.VERSION, b'"version": %d' % later
    )
    journal.write_bytes(content)
    assert f"written by version {later} of this format" in read_journal(journal).damage


def test_every_kind_of_record_reads_back_as_it_was_written(journal):
    every = [
        start(card="H100", git={"commit": "1", "dirty": True}, version=2),
        Compiling(),
        Setup(["Tanh"], 3, "o", 2, ["checkpoint"]),
        Epoch(1, {"test/loss": 0.1 + 0.2}),
        End("done", None, {"weights.npz": "w"}, 10),
    ]
    append(journal, *every)
    read = [records.parse(line) for line in journal.read_bytes().splitlines()]
    assert all(record.time_ms > 0 for record in read)
    assert [dataclasses.replace(record, time_ms=0) for record in read] == every
    assert {record.kind for record in every} == set(records.Kind)
