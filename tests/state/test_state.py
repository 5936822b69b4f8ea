"""A run's folder: what a crash may leave in a journal, and who holds the lock."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from commands import environment, journals, until

from runner.errors import StateError
from runner.state.journal import JournalReader, JournalWriter, RunFolder, read_journal, settled, taken
from runner.work.launch import new_launch
from runner.work.stop import Stop
from runner.work.worker import parent_pid, stop_file, work

pytest_plugins = "roots"

KEY = "5" * 64


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "state", KEY)
    folder.path.mkdir(parents=True)
    return folder


@pytest.fixture
def written(folder):
    """A journal of a run under way: start, setup, two epochs."""
    writer = JournalWriter(folder.journal)
    writer.write("start", launch="1-a", pid=1)
    writer.write("setup", n_parameters=3)
    for epoch in (1, 2):
        writer.write("epoch", epoch=epoch, metrics={"test/loss": 1 / epoch})
    writer.close()
    return folder.journal


def append(journal, kind, **content):
    writer = JournalWriter(journal)
    writer.write(kind, **content)
    writer.close()


def test_what_a_killed_holder_left_half_written_is_gone_for_the_next(folder):
    left = folder.path / ".checkpoint.123.0f0f0f0f.tmp"
    left.write_bytes(b"half")
    (folder.path / "checkpoint").write_bytes(b"whole")
    with folder.locked() as ours:
        assert ours and not left.exists()
        assert (folder.path / "checkpoint").read_bytes() == b"whole"
        left.write_bytes(b"being written by the holder")
        with RunFolder(folder.path.parent, KEY).locked() as another:
            assert not another and left.exists()


# The journal.


def test_a_folder_is_named_by_its_key_alone(tmp_path):
    folder = RunFolder(tmp_path, KEY)
    assert folder.path == tmp_path / KEY
    files = (folder.journal, folder.weights, folder.test_correct, folder.config, folder.error)
    assert {path.parent for path in files} == {folder.path}
    assert not folder.path.exists(), "looking makes nothing"


def test_no_journal_is_a_run_that_has_not_started(folder):
    journal = read_journal(folder.journal)
    assert (journal.start, journal.setup, journal.epochs, journal.end) == (None, None, {}, None)
    assert not journal.trained


def test_a_journal_reads_back_as_it_was_written(written):
    journal = read_journal(written)
    assert journal.start["launch"] == "1-a" and journal.setup["n_parameters"] == 3
    assert {epoch: line["metrics"] for epoch, line in journal.epochs.items()} == {
        1: {"test/loss": 1.0},
        2: {"test/loss": 0.5},
    }
    assert journal.status is None


@pytest.mark.parametrize(
    ("status", "trained"), [("done", True), ("diverged", True), ("failed", False), ("killed", False)]
)
def test_only_done_and_diverged_are_trained(written, status, trained):
    append(written, "end", status=status, cause=None)
    assert read_journal(written).trained is trained


def test_a_run_that_is_started_again_has_not_ended(written):
    append(written, "end", status="failed", cause="x")
    append(written, "start", launch="2-b", pid=2)
    journal = read_journal(written)
    assert journal.end is None and journal.start["launch"] == "2-b" and len(journal.epochs) == 2


def test_of_an_epoch_that_was_written_twice_the_first_counts(written):
    append(written, "epoch", epoch=2, metrics={"test/loss": 9.0})
    assert read_journal(written).epochs[2]["metrics"] == {"test/loss": 0.5}


def test_wherever_the_last_line_is_torn_the_whole_ones_before_it_count_and_writing_goes_on(written):
    content = written.read_bytes()
    last_line = content.rindex(b"\n", 0, -1) + 1
    for length in range(last_line, len(content)):
        written.write_bytes(content[:length])
        assert set(read_journal(written).epochs) == {1}
        append(written, "epoch", epoch=2, metrics={"test/loss": 7.0})
        journal = read_journal(written)
        assert journal.damage is None and journal.epochs[2]["metrics"] == {"test/loss": 7.0}
        assert len(written.read_bytes().splitlines()) == 4


@pytest.mark.parametrize(
    "line", [b'{"kind": "epo', b"\x00" * 40, b"[]", b"3", b'{"kind": "party"}', b'{"kind": "epoch"}', b"\xff\xfe", b""]
)
def test_a_damaged_line_before_the_last_is_named_and_the_file_is_left_as_it_is(written, line):
    content = written.read_bytes().splitlines(keepends=True)
    content[2] = line + b"\n"
    written.write_bytes(b"".join(content))
    journal = read_journal(written)
    assert journal.damage.startswith(f"{written}: line 3 is damaged")
    assert journal.status == "failed" and not journal.trained and journal.epochs == {}
    assert settled(journal, "1-a"), "no worker tries it"
    with pytest.raises(StateError, match="line 3 is damaged .* move the folder away to train this run anew"):
        JournalWriter(written)
    assert written.read_bytes() == b"".join(content)


def test_a_reader_follows_a_writer_line_by_line_and_waits_for_half_a_line(folder):
    reader = JournalReader(folder.journal)
    assert reader.poll().start is None
    writer = JournalWriter(folder.journal)
    writer.write("start", launch="1-a")
    assert reader.poll().start is not None
    whole = json.dumps({"kind": "epoch", "epoch": 1, "time_ms": 1, "metrics": {}}).encode() + b"\n"
    with open(folder.journal, "ab") as file:
        file.write(whole[:9])
        file.flush()
        assert reader.poll().epochs == {}
        file.write(whole[9:])
    assert set(reader.poll().epochs) == {1}
    writer.close()


def test_a_number_that_json_has_no_name_for_is_refused(folder):
    writer = JournalWriter(folder.journal)
    with pytest.raises(ValueError, match="JSON"):
        writer.write("epoch", epoch=1, metrics={"test/loss": float("nan")})
    writer.close()
    assert read_journal(folder.journal).epochs == {}


# The lock.

HOLD = """
import sys, time
from pathlib import Path
from runner.state.journal import RunFolder
with RunFolder(Path(sys.argv[1]), sys.argv[2]).locked() as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(folder):
    """A process that holds the lock of the folder."""
    line = [sys.executable, "-c", HOLD, folder.path.parent, KEY]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment())
    assert process.stdout.readline() == "True\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_lock_keeps_every_other_process_out_until_its_holder_is_gone_even_by_kill_9(folder, holder):
    with folder.locked() as mine:
        assert mine is False
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with folder.locked() as mine:
        assert mine is True
    with folder.locked() as mine:
        assert mine is True, "and it is given back"


# Stopping and settling.


def test_a_run_that_failed_is_settled_in_the_launch_it_failed_in_and_tried_again_in_the_next(written):
    append(written, "end", status="failed", cause="x")
    assert settled(read_journal(written), "1-a")
    assert not settled(read_journal(written), "2-b")


def test_a_run_that_was_killed_is_not_settled(written):
    append(written, "end", status="killed", cause="asked to stop")
    assert not settled(read_journal(written), "1-a")


def test_a_run_that_was_begun_is_left_alone_by_the_other_workers_of_its_launch_until_it_has_ended(written):
    assert taken(read_journal(written), "1-a")
    assert not taken(read_journal(written), "2-b")
    append(written, "end", status="killed", cause="asked to stop")
    assert not taken(read_journal(written), "1-a")


def test_a_launch_is_named_by_its_process():
    assert parent_pid(new_launch()) == os.getpid()
    assert new_launch() != new_launch()


def test_a_stop_file_stops_whoever_looks_for_it(tmp_path):
    stop = Stop(tmp_path / "1-a.stop")
    assert not stop()
    (tmp_path / "1-a.stop").touch()
    until(stop, seconds=2)
    assert stop.signal is None, "no signal came to this process"


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_reaches_the_stops_of_a_sweep_and_of_a_worker_in_the_same_process(tmp_path, number):
    file = tmp_path / "1-a.stop"
    with Stop(file) as sweep:
        with Stop(file, of_worker=True) as worker:
            send(number)
            assert worker() and sweep()
        assert sweep.exit_code == 143 and file.exists()
    assert signal.getsignal(number) is signal.SIG_DFL, "and the handlers are as they were"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_to_a_worker_stops_that_one_alone_however_often_it_comes(tmp_path, number):
    before = signal.getsignal(number)
    with Stop(tmp_path / "1-a.stop", of_worker=True) as worker:
        send(number)
        send(number)
        assert worker()
    assert not worker.file.exists()
    assert signal.getsignal(number) is before


@pytest.fixture
def heard():
    """What the handlers of somebody else's have been called for."""
    heard, numbers = [], (signal.SIGTERM, signal.SIGUSR2)
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in numbers}
    yield heard
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_handler_that_was_there_before_is_called_when_the_run_is_in_its_checkpoint(tmp_path, heard):
    with Stop(tmp_path / "1-a.stop", of_worker=True) as worker:
        for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGUSR2):
            send(number)
        assert worker() and heard == []
    assert heard == [signal.SIGTERM, signal.SIGUSR2]
    send(signal.SIGUSR2)
    assert heard[2:] == [signal.SIGUSR2], "and is put back"


def test_handlers_are_set_in_the_main_thread_alone(tmp_path):
    def other():
        with Stop(tmp_path / "1-a.stop"):
            found.append(signal.getsignal(signal.SIGTERM))

    found = []
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]


def test_a_second_signal_ends_at_once(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), Stop(tmp_path / "1-a.stop"):
        send(signal.SIGINT)
        send(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_worker_that_is_asked_to_stop_before_it_began_trains_nothing(main_job, new_root):
    root = new_root(state=main_job.root)
    for folder in (root / "state").glob("?" * 64):
        for path in folder.iterdir():
            path.unlink()
    (plan,) = (root / "state" / "sweeps").glob("*/sweep.json")
    launch = new_launch()
    stop_file(plan, launch).touch()
    work(plan, launch)
    assert journals(root) == {}


COUNT_THREADS = """
import sys
from pathlib import Path
from runner.state import journal as state
from runner.work import worker
write = state.JournalWriter.write
def counted(self, kind, **content):
    if kind == "setup":
        import threadpoolctl
        print(*{pool["num_threads"] for pool in threadpoolctl.threadpool_info()})
    write(self, kind, **content)
state.JournalWriter.write = counted
worker.work(Path(sys.argv[1]), sys.argv[2])
"""


def test_a_worker_computes_with_one_thread_wherever_it_was_started(main_job, new_root):
    root = new_root(state=main_job.root)
    (plan,) = (root / "state" / "sweeps").glob("*/sweep.json")
    first = json.loads(plan.read_bytes())["runs"][0]["run_key"]
    (root / "state" / first / "journal.jsonl").unlink()
    # As another machine would start it: without what runner/__main__.py puts into the environment.
    bare = {name: value for name, value in environment().items() if not name.endswith("_NUM_THREADS")}
    line = [sys.executable, "-c", COUNT_THREADS, plan, new_launch()]
    ended = subprocess.run(line, capture_output=True, text=True, env=bare, timeout=60, check=True)
    assert ended.stdout == "1\n"
    assert journals(root)[first][-1]["status"] == "done"
