"""An attempt's journal: what a crash or damage may leave in it, and what its records say."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journaling import append, records_of

from runner.state import records
from runner.state.journal import JournalReader, JournalWriter, write_death
from runner.state.records import Compiling, End, Epoch, Setup, Start
from runner.state.root import BEFORE_ATTEMPTS, Root

KEY = "5" * 64


def start(launch="1-a", pid=1, **others):
    return Start(
        KEY, "c" * 64, {}, {}, {"name": "digits", "sha256": "d"}, "cpu", pid, launch, **others
    )


def read(folder):
    reader = JournalReader(folder)
    reader.poll()
    return reader.attempt


@pytest.fixture
def folder(tmp_path):
    """The folder of an attempt that has written nothing."""
    return Root(tmp_path).run(KEY).new_attempt()


@pytest.fixture
def written(folder):
    """An attempt under way: start, setup, two epochs."""
    append(
        folder, start(), Setup(n_parameters=3), *(Epoch(n, {"test/loss": 1 / n}) for n in (1, 2))
    )
    return folder


def test_no_journal_is_an_attempt_that_has_not_begun(folder):
    attempt = read(folder)
    assert (attempt.start, attempt.setup, attempt.epochs, attempt.end) == (None, None, {}, None)
    assert not attempt.has_ended


def test_a_journal_reads_back_as_it_was_written(folder):
    writer = JournalWriter(folder)
    every = [
        start(card="H100", git={"commit": "1", "dirty": True}, version=2, after="before"),
        Compiling(),
        Setup(["Tanh"], 3, "o", 2, ["checkpoint"]),
        Epoch(1, {"test/loss": 0.1 + 0.2}),
        End("done", None, {"weights.npz": "w"}, 10),
    ]
    for record in every:
        writer.write(record)
    writer.close()
    back = records_of(folder)
    assert all(record.time_ms > 0 for record in back)
    assert [dataclasses.replace(record, time_ms=0) for record in back] == every
    assert {record.kind for record in every} == set(records.Kind)
    attempt = read(folder)
    assert (attempt.start, attempt.setup, attempt.epochs[1], attempt.end) == (
        back[0], back[2], back[3], back[4],
    )  # fmt: skip


def test_a_journal_has_one_writer_ever(written):
    with pytest.raises(FileExistsError):
        JournalWriter(written)


def test_wherever_the_last_line_is_torn_the_whole_ones_before_it_count(written):
    content = written.journal.read_bytes()
    for length in range(content.rindex(b"\n", 0, -1) + 1, len(content)):
        written.journal.write_bytes(content[:length])
        attempt = read(written)
        assert set(attempt.epochs) == {1} and attempt.damage is None


def test_a_reader_follows_a_writer_line_by_line_and_waits_for_half_a_line(written, tmp_path):
    lines = written.journal.read_bytes().splitlines(keepends=True)
    written.journal.unlink()
    reader = JournalReader(written)
    assert not reader.poll()
    with open(written.journal, "ab") as file:
        file.write(b"".join(lines[:2]) + lines[2][:9])
        file.flush()
        assert reader.poll() and reader.attempt.setup is not None and not reader.attempt.epochs
        assert not reader.poll()
        file.write(lines[2][9:])
        file.flush()
    assert reader.poll() and set(reader.attempt.epochs) == {1}


def test_a_number_that_json_has_no_name_for_is_refused(folder):
    writer = JournalWriter(folder)
    writer.write(start())
    with pytest.raises(ValueError, match="JSON"):
        writer.write(Epoch(1, {"test/loss": float("nan")}))
    writer.close()
    assert read(folder).epochs == {} and read(folder).damage is None


# Damage.


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind": "epo',
        b"\x00" * 40,
        b"[]",
        b"3",
        b'{"kind": "party"}',
        b'{"kind": "epoch", "epoch": 1, "metrics": {}}',
        b"\xff\xfe",
        b"",
    ],
)
def test_nothing_counts_from_a_damaged_line_on_and_it_is_named(written, line):
    append(written, End("done"))
    content = written.journal.read_bytes().splitlines(keepends=True)
    content[3] = line + b"\n"
    written.journal.write_bytes(b"".join(content))
    attempt = read(written)
    assert attempt.damage.startswith(f"{written.journal}: line 4 is damaged (")
    assert set(attempt.epochs) == {1} and attempt.end is None and attempt.has_ended


@pytest.mark.parametrize("lost", range(5))
def test_a_line_that_is_lost_doubled_or_moved_is_seen(written, lost):
    append(written, End("done"))
    lines = written.journal.read_bytes().splitlines(keepends=True)
    changed = {
        "lost": lines[:lost] + lines[lost + 1 :],
        "doubled": lines[: lost + 1] + lines[lost:],
        "moved": lines[:lost] + lines[lost + 1 :] + [lines[lost]],
    }
    for how, now in changed.items():
        written.journal.write_bytes(b"".join(now))
        attempt = read(written)
        if (how, lost) == ("lost", 4):
            assert attempt.end is None and attempt.damage is None, "as if it was killed before"
        elif (how, lost) == ("doubled", 4):
            assert attempt.damage and attempt.end.status == "done", "what was proved counts"
        elif (how, lost) != ("moved", 4):
            assert attempt.damage and len(attempt.epochs) <= max(0, lost - 1)


@settings(max_examples=300)
@given(data=st.data())
def test_no_change_of_a_byte_gives_another_number(data, tmp_path_factory):
    folder = Root(tmp_path_factory.mktemp("root")).run(KEY).new_attempt()
    append(folder, start(), Setup(), *(Epoch(n, {"test/loss": 1 / n}) for n in (1, 2, 3)))
    whole, content = records_of(folder), bytearray(folder.journal.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    folder.journal.write_bytes(content)
    attempt = read(folder)
    expected = {epoch.epoch: epoch for epoch in whole[2:]}
    assert attempt.epochs.items() <= expected.items()
    assert attempt.start in (None, whole[0]) and attempt.setup in (None, whole[1])
    assert attempt.damage or len(attempt.epochs) == 2, "all but the line whose end is gone"


def test_a_journal_that_was_put_into_the_folder_of_another_attempt_or_run_does_not_count(written):
    for place in (Root(written.path.parents[3]).run("6" * 64), written):
        other = (
            place.new_attempt()
            if place is not written
            else Root(written.path.parents[3]).run(KEY).new_attempt()
        )
        other.journal.write_bytes(written.journal.read_bytes())
        assert read(other).start is None and "line 1 is damaged" in read(other).damage


def test_a_folder_in_the_place_of_a_journal_is_damage(folder):
    folder.journal.mkdir()
    assert "directory" in read(folder).damage


# A process that died.


def test_what_the_sweeps_process_says_of_a_dead_worker_ends_its_attempt(written):
    reader = JournalReader(written)
    assert reader.poll() and not reader.attempt.has_ended
    write_death(written, End("failed", "its worker died"))
    assert reader.poll() and reader.attempt.end.cause == "its worker died"
    assert not reader.poll(), "it is told once"


def test_an_end_in_the_journal_itself_counts_before_it(written):
    write_death(written, End("failed", "its worker died"))
    append(written, End("done"))
    assert read(written).end.status == "done"


@pytest.mark.parametrize("content", [b"", b"{}\n", b"\x00" * 30])
def test_a_death_that_proves_nothing_says_nothing(written, content):
    written.death.write_bytes(content)
    assert read(written).end is None


# Records that can grow.

FIRST_VERSION = (
    b'{"kind": "start", "time_ms": 5, "run_key": "%b", "cell_key": "c", "name": "seed=0",'
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
) % KEY.encode("ascii")


@pytest.fixture
def first_version(tmp_path):
    """The journal of a run that version 1 left."""
    folder = Root(tmp_path).run(KEY).attempt(BEFORE_ATTEMPTS)
    folder.path.mkdir(parents=True)
    folder.journal.write_bytes(FIRST_VERSION)
    return folder


def test_a_journal_of_the_first_version_is_read_with_defaults_for_what_it_did_not_write(
    first_version,
):
    attempt = read(first_version)
    begun = attempt.start
    assert (begun.version, begun.cublas, begun.pid, begun.time_ms, begun.after) == (
        1, {}, 7, 5, None,
    )  # fmt: skip
    assert attempt.setup.goes_on_from_epoch == 1 and attempt.setup.refused_checkpoints == []
    assert attempt.end == End("failed", "x", time_ms=9) and attempt.end.sha256 == {}


def test_a_journal_of_the_first_version_holds_all_its_attempts(first_version):
    again = FIRST_VERSION.replace(b'"7-a"', b'"8-b"')
    again = again.replace(b'"n_parameters": 3', b'"n_parameters": 4')
    first_version.journal.write_bytes(FIRST_VERSION + again.rpartition(b'{"kind": "end"')[0])
    attempt = read(first_version)
    assert (attempt.start.launch, attempt.setup.n_parameters, attempt.end) == ("8-b", 4, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"epoch": 1', b'"epoch": "1"'),
        (b'"epoch": 1', b'"epoch": true'),
        (b"0.5", b"NaN"),
        (b"0.5", b"null"),
        (b'"pid": 7', b'"pid": 7.5'),
        (b'"fallbacks": []', b'"fallbacks": [3]'),
        (b'"git": {"commit": "1", "dirty": false}', b'"git": 3'),
        (b'"run_key": "5', b'"run_key": "6'),
    ],
)
def test_a_value_of_another_type_than_its_field_is_damage(first_version, old, new):
    assert old in FIRST_VERSION
    first_version.journal.write_bytes(FIRST_VERSION.replace(old, new))
    assert "is damaged" in read(first_version).damage and read(first_version).end is None


def test_a_field_that_a_later_version_adds_is_passed_over(first_version):
    lines = FIRST_VERSION.replace(b'"time_ms"', b'"colour": "red", "time_ms"')
    first_version.journal.write_bytes(lines)
    attempt = read(first_version)
    assert attempt.damage is None and attempt.epochs[1].metrics == {"test/accuracy": 0.5}


def test_a_journal_of_a_later_version_is_refused_by_its_number(folder):
    line, _ = records.encode(start(version=records.VERSION), "")
    later = records.VERSION + 1
    values = json.loads(line)
    del values["check"]
    body = json.dumps(values | {"version": later})[:-1].encode("ascii")
    from runner.state.journal import first_check

    check = records._check(body, first_check(folder))
    folder.journal.write_bytes(body + f', "check": "{check}"}}\n'.encode("ascii"))
    assert f"written by version {later} of this format" in read(folder).of_later_version


def test_a_line_that_did_not_fit_leaves_no_gap_before_the_next(folder, monkeypatch):
    from runner.state import journal as module

    writer = JournalWriter(folder)
    writer.write(start())
    whole = module.write_all

    def half(file, content):
        whole(file, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_all", half)
    with pytest.raises(OSError, match="No space left"):
        writer.write(Epoch(1, {"test/loss": 1.0}))
    monkeypatch.setattr(module, "write_all", whole)
    writer.write(Epoch(1, {"test/loss": 0.5}))
    writer.close()
    assert read(folder).damage is None
    assert read(folder).epochs[1].metrics == {"test/loss": 0.5}
