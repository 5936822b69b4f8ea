"""Signals and stop files: who is asked to stop, and who hears of it."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from commands import until

from runner.work.stop import Stop


def test_a_stop_file_stops_whoever_looks_for_it(tmp_path):
    stop = Stop(tmp_path / "1-a.stop")
    assert not stop()
    (tmp_path / "1-a.stop").touch()
    until(stop, seconds=2)
    assert stop.signal is None, "no signal came to this process"


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_reaches_the_stops_of_a_sweep_and_of_a_worker_in_the_same_process(
    tmp_path, number
):
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
    before = {
        number: signal.signal(number, lambda number, _: heard.append(number)) for number in numbers
    }
    yield heard
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_handler_that_was_there_before_is_called_when_the_run_is_in_its_checkpoint(
    tmp_path, heard
):
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


#: A callback of a weak reference is one; an import makes many.
ASKED_IN_A_CALLBACK = """
import os, sys, time, weakref
from runner.work import stop

class Gone: pass

stop.end_at_once_when_asked()
gone = Gone()
reference = weakref.ref(gone, lambda _: os.kill(os.getpid(), int(sys.argv[1])))
try:
    del gone
    time.sleep(30)
except KeyboardInterrupt as stopped:
    sys.exit(stop.exit_code(getattr(stopped, "number", 2)))
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGUSR1, 143)]
)
def test_a_request_is_not_lost_in_a_callback(number, code):
    line = [sys.executable, "-c", ASKED_IN_A_CALLBACK, str(int(number))]
    ended = subprocess.run(line, capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stderr) == (code, "")
