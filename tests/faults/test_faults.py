"""A run that hangs or exits, a locked store and a failing server cost no other run."""

import contextlib
import http.client
import socket
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from commands import (
    MAIN,
    end,
    environment,
    journals,
    lines,
    query,
    results,
    run,
    start,
    stored,
    stored_by_key,
    sync,
    until,
)
from places import FAULTY

from runner.record import METRICS
from runner.state.root import Root

pytest_plugins = "roots"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        sys.platform != "linux", reason="signals, limits and /proc as Linux has them"
    ),
]

TINY = ("data=digits", "model.channels=2", "model.hidden_size=16")
SMALL = (*TINY, "train.epochs=2")
LATE = "timed out: not at its end within 5 s (runner.time_limit_s)"


def faulty(**by_seed):
    """The environment in which these seeds misbehave."""
    faults = " ".join(f"{seed.removeprefix('seed')}:{fault}" for seed, fault in by_seed.items())
    return environment(PYTHONPATH=FAULTY, FAULTS=faults)


def causes(root):
    """Seed -> the status of its run at its last end, and the cause."""
    starts, ends = lines(root, "start"), lines(root, "end")
    return {
        starts[key][-1]["config"]["seed"]: (records[-1]["status"], records[-1]["cause"])
        for key, records in ends.items()
        if records
    }


def test_every_way_for_a_run_to_go_wrong_costs_that_run_alone_and_is_told_by_its_cause(root):
    seeds = "seed=0,1,2,3,4,5,6,7,8"
    env = faulty(
        seed1="hang", seed2="sys.exit=0", seed3="sys.exit=3", seed4="os._exit", seed5="MemoryError",
        seed6="OutOfMemoryError", seed8="hang_in_C",
    )  # fmt: skip
    ended = run(
        root, "-m", *SMALL, seeds, "runner.workers=2", "runner.time_limit_s=5", code=1, env=env
    )
    ended_by_seed = causes(root)
    assert {seed: status for seed, (status, _) in ended_by_seed.items()} == {
        seed: "done" if seed in (0, 7) else "failed" for seed in range(9)
    }
    cause_of = {seed: cause for seed, (_, cause) in ended_by_seed.items()}
    assert cause_of[1] == cause_of[8] == LATE
    assert (cause_of[2], cause_of[3]) == ("SystemExit: 0", "SystemExit: 3")
    assert cause_of[4].startswith("its worker died (process ")
    assert (cause_of[5], cause_of[6]) == (
        "out of memory (asked for 5 TB)",
        "out of memory (asked for 80 GB of 78)",
    )
    assert (
        "7 of 9 runs failed, the others are stored; try again with: python -m runner -m"
        in ended.err
    )
    for seed, cause in cause_of.items():
        assert cause is None or f"seed={seed}: {cause}" in ended.err
    by_seed = {stored_run.tags["seed"]: stored_run for stored_run in stored(Root(root).database)}
    assert {seed for seed, stored_run in by_seed.items() if stored_run.status == "FINISHED"} == {
        "0",
        "7",
    }
    assert "RUNNING" not in {stored_run.status for stored_run in by_seed.values()}
    assert by_seed["1"].tags["cause"] == LATE and "complete" not in by_seed["2"].tags

    again = run(root, "-m", *SMALL, seeds, "runner.workers=2")
    assert "2 of 9 already trained" in again.out and "9 of 9 runs trained and stored" in again.out


@pytest.mark.parametrize("fault", ["hang", "hang_in_C", "MemoryError", "sys.exit=0"])
def test_a_single_run_that_goes_wrong_is_told_by_its_cause_too(fault, root):
    cause = {
        "hang": LATE,
        "hang_in_C": LATE,
        "MemoryError": "out of memory (asked for 5 TB)",
        "sys.exit=0": "SystemExit: 0",
    }[fault]
    ended = run(root, *SMALL, "seed=1", "runner.time_limit_s=5", code=1, env=faulty(seed1=fault))
    assert f"seed=1: {cause}" in ended.err and "try again with: python -m runner" in ended.err
    (stored_run,) = stored(Root(root).database)
    assert (stored_run.status, stored_run.tags["cause"]) == ("FAILED", cause)
    assert "1 of 1 runs trained and stored" in run(root, *SMALL, "seed=1").out


def test_the_first_failure_stops_a_sweep_that_is_told_to_fail_fast(root):
    words = ("-m", *SMALL, "seed=0,1,2,3", "hydra/launcher=basic", "runner.fail_fast=true")
    ended = run(root, *words, code=1, env=faulty(seed1="exception"))
    assert (
        "1 of 4 runs failed, which stopped the sweep (runner.fail_fast); 1 are trained; go on with"
        in ended.err
    )
    assert set(causes(root)) == {0, 1} and causes(root)[1] == (
        "failed",
        "ValueError: the model's own ?[31mfault?",
    )
    assert "\x1b" not in ended.err + ended.out
    assert "4 of 4 runs trained" in run(root, *words).out


# A locked store.

#: Every epoch sleeps for a quarter of a second, so that a store can go and come meanwhile.
SLOW = {"PYTHONPATH": FAULTY, "EPOCH_SLEEP": "0.25"}


def n_epochs(root):
    return sum(map(len, lines(root, "epoch").values()))


@contextlib.contextmanager
def locked(database):
    """Nobody else reads or writes the store."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as file:
        file.execute("begin exclusive")
        yield
        file.execute("rollback")


def test_a_store_that_is_locked_for_seconds_is_not_noticed(root):
    process = start(root, "-m", *TINY, "seed=0,1,2,3", "train.epochs=6", env=environment(**SLOW))
    until(lambda: n_epochs(root) or process.poll() is not None)
    with locked(Root(root).database):
        time.sleep(2)
    ended = end(process, 0)
    assert "4 of 4 runs trained and stored" in ended.out and "behind" not in ended.out
    assert all(
        len(stored_run.rows) == 6 * len(METRICS) for stored_run in stored(Root(root).database)
    )


def test_a_store_that_is_locked_for_long_holds_no_training_up_and_is_filled_as_soon_as_it_can_be(
    root,
):
    words = ("-m", *TINY, "seed=0,1", "train.epochs=40", "runner.workers=2")
    slow = environment(PYTHONPATH=FAULTY, EPOCH_SLEEP="1")
    process = start(root, *words, env=slow)
    until(lambda: n_epochs(root) or process.poll() is not None)
    with locked(Root(root).database):
        before = n_epochs(root)
        time.sleep(25)
        assert n_epochs(root) - before > 2 * 15, "an epoch a second in each of two workers"
    ended = end(process, 0)
    assert (
        "MLflow is behind, results are safe in state/: " in ended.out
        and "database is locked" in ended.out
    )
    assert "2 of 2 runs trained and stored" in ended.out
    assert all(
        len(stored_run.rows) == 40 * len(METRICS) for stored_run in stored(Root(root).database)
    )


def test_a_store_that_stays_locked_is_said_so_and_filled_later(root):
    process = start(root, "-m", *TINY, "seed=0,1", "train.epochs=6", env=environment(**SLOW))
    until(lambda: n_epochs(root) or process.poll() is not None)
    with locked(Root(root).database):
        ended = end(process, 4)
    assert "2 runs are kept in" in ended.err and "database is locked" in ended.err
    sync(root, *ended.err.partition("python -m runner.sync ")[2].split())
    assert all(
        len(stored_run.rows) == 6 * len(METRICS) for stored_run in stored(Root(root).database)
    )
    assert [stored_run.status for stored_run in stored(Root(root).database, "sweep")] == [
        "FINISHED"
    ]


# The time of day.


def test_a_clock_that_jumps_changes_nothing_but_time_stamps(root, main_job):
    words = ("-m", *MAIN, "seed=0,1", "runner.workers=2")
    ended = run(root, *words, env=environment(PYTHONPATH=FAULTY, CLOCK="jumps"))
    assert "8 of 8 runs trained and stored" in ended.out
    assert results(root) == results(main_job.root)
    for key, stored_run in stored_by_key(Root(root).database).items():
        journaled = journals(root)[key]
        times = [line["time_ms"] for line in journaled]
        assert times != sorted(times), "the clock did jump"
        steps = [step for metric, step, *_ in stored_run.rows if metric == "test/accuracy"]
        assert steps == [1, 2, 3] and len(stored_run.rows) == 3 * len(METRICS)
    assert all(
        line["metrics"]["time/train_s"] > 0
        for epochs in lines(root, "epoch").values()
        for line in epochs
    )
    before = journals(root)
    assert "8 of 8 already trained" in run(root, *words).out
    assert journals(root) == before


# A server that fails in every way a network can.


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a server; on demand it loses replies, answers 503, or is slow."""

    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), Handler)
        self.port_behind = port
        #: The end of a path -> how many more replies are lost after the server has acted.
        self.lose = {}
        self.refuse = 0
        self.slow = 0
        #: The ends of paths to which the server answered.
        self.answered = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def pass_on(self):
        proxy = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = self.path.partition("?")[0].rpartition("/mlflow/")[2]
        if proxy.slow > 0:
            proxy.slow -= 1
            time.sleep(3)
        if proxy.refuse > 0 and name != "health":
            proxy.refuse -= 1
            self.answer(503, b"{}")
            return
        try:
            with contextlib.closing(
                http.client.HTTPConnection("127.0.0.1", proxy.port_behind, timeout=30)
            ) as behind:
                headers = {
                    k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")
                }
                behind.request(self.command, self.path, body, headers)
                reply = behind.getresponse()
                content = reply.read()
        except OSError:
            self.answer(502, b"{}")
            return
        if reply.status == 200:
            proxy.answered.append(name)
        if proxy.lose.get(name, 0) > 0:
            proxy.lose[name] -= 1
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.answer(reply.status, content, reply.getheader("Content-Type", "application/json"))

    def answer(self, status, content, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = pass_on


def test_lost_replies_refusals_and_an_outage_leave_every_run_once_and_the_password_nowhere(
    root, server, new_root
):
    proxy = Proxy(int(server.uri.rpartition(":")[2]))
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    # The sweep is opened in at most three tries; the first two lose a reply.
    proxy.lose = {"runs/create": 2, "runs/log-batch": 1}
    uri = f"http://somebody:hunter2-secret@127.0.0.1:{proxy.server_port}"
    words = ("-m", *TINY, "train.epochs=8", "seed=0,1,2,3", "runner.workers=2")
    env = environment(**SLOW, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    process = start(root, *words, f"tracking.uri={uri}", env=env)
    until(lambda: query(server.database, "select 1 from metrics") or process.poll() is not None)
    proxy.lose |= {"runs/log-batch": 2, "runs/update": 2}
    proxy.refuse, proxy.slow = 3, 1
    server.kill()
    time.sleep(2)
    server.begin()
    out, err = process.communicate(timeout=120)
    assert process.returncode in (0, 4) and "Traceback" not in err, err
    if process.returncode == 4:
        sync(root, "--uri", f"http://127.0.0.1:{proxy.server_port}")
    proxy.shutdown()
    proxy.server_close()
    assert not any(proxy.lose.values()), "each reply that was to be lost was"
    assert proxy.answered.count("runs/create") == 5, (
        "what was made though its reply was lost is found, not made again"
    )
    by_key = stored_by_key(server.database)
    assert len(by_key) == 4
    epochs = lines(root, "epoch")
    for key, stored_run in by_key.items():
        assert (stored_run.status, stored_run.tags["complete"]) == ("FINISHED", "1")
        assert stored_run.rows == sorted(
            (metric, line["epoch"], line["metrics"][metric], line["time_ms"])
            for metric in METRICS
            for line in epochs[key]
        )
    assert len(stored(server.database, "sweep")) == 1
    assert "hunter2-secret" not in out + err
    written = [
        path for folder in (root, server.log.parent) for path in folder.rglob("*") if path.is_file()
    ]
    assert written and not [path for path in written if b"hunter2-secret" in path.read_bytes()]
