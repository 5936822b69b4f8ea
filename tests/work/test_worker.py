"""A worker: what it takes from a plan, and with how many threads it computes."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from commands import end, environment, journals, run, start, stored, until

from runner.engine import COMPILING
from runner.engine.cpu.threads import products, team
from runner.plan import plan as plans
from runner.state.root import Root
from runner.state.run_record import read_run
from runner.train import provenance
from runner.train.run import train_run
from runner.work.launch import new_launch, threads_of
from runner.work.worker import parent_pid, work

pytest_plugins = "roots"


def test_a_launch_is_named_by_its_process():
    assert parent_pid(new_launch()) == os.getpid()
    assert new_launch() != new_launch()


def test_a_worker_that_is_asked_to_stop_before_it_began_trains_nothing(main_job, new_root):
    root = new_root(state=main_job.root)
    for folder in (root / "state").glob("?" * 64):
        shutil.rmtree(folder)
    (folder,) = Root(root).sweeps()
    launch = new_launch()
    folder.stop_file(launch).touch()
    work(folder.plan, launch)
    assert journals(root) == {}


@pytest.mark.long
@pytest.mark.parametrize("how", [("-m", "seed=0,1"), ("seed=0",)], ids=str)
def test_a_time_limit_that_is_over_before_anything_begins_is_the_cause(how, root):
    words = ("data=digits", "model.channels=2", "model.hidden_size=16")
    ended = run(root, *how, *words, "runner.time_limit_s=0.001", code=1)
    late = "timed out: not at its end within 0.001 s (runner.time_limit_s)"
    assert f"seed=0: {late}" in ended.err and "try again with: python -m runner" in ended.err
    for stored_run in stored(Root(root).database):
        assert (stored_run.status, stored_run.tags["cause"]) == ("FAILED", late)


COUNT_THREADS = """
import sys
from pathlib import Path
from runner.state import journal as state
from runner.work import worker
write = state.JournalWriter.write
def counted(self, record):
    if isinstance(record, state.Setup):
        import threadpoolctl
        print(*{pool["num_threads"] for pool in threadpoolctl.threadpool_info()})
    write(self, record)
state.JournalWriter.write = counted
worker.work(Path(sys.argv[1]), sys.argv[2])
"""


def test_a_worker_computes_with_one_thread_wherever_it_was_started(main_job, new_root):
    root = new_root(state=main_job.root)
    (plan,) = (root / "state" / "sweeps").glob("*/sweep.json")
    first = json.loads(plan.read_bytes())["runs"][0]["run_key"]
    shutil.rmtree(Root(root).run(first).attempts)
    # As another machine would start it: without what runner/__main__.py puts into the environment.
    bare = {
        name: value for name, value in environment().items() if not name.endswith("_NUM_THREADS")
    }
    line = [sys.executable, "-c", COUNT_THREADS, plan, new_launch()]
    ended = subprocess.run(line, capture_output=True, text=True, env=bare, timeout=60, check=True)
    assert ended.stdout == "1\n"
    assert journals(root)[first][-1]["status"] == "done"


@pytest.mark.parametrize(
    ("cores", "asked", "n_workers", "expected"),
    [(8, -1, 1, 8), (8, -1, 3, 2), (8, -1, 8, 1), (2, -1, 3, 1), (8, 1, 1, 1), (8, 2, 1, 1)],
)
def test_runs_that_are_fewer_than_cores_share_them(monkeypatch, cores, asked, n_workers, expected):
    monkeypatch.setattr(provenance, "cores", lambda: cores)
    assert threads_of(asked, n_workers) == expected


@pytest.mark.parametrize("how", [(), ("-m",)], ids=["single run", "sweep of one run"])
def test_a_run_alone_is_computed_by_all_cores_with_the_bits_of_one(how, new_root):
    # Its products are large enough to be split.
    of = ("data=digits", "model=mlp", "model.hidden_size=1000", "train.batch_size=500")
    words, found = (*how, *of, "train.epochs=1", "seed=0"), {}
    for asked in (-1, 1):
        root = new_root(str(asked))
        run(root, *words, f"runner.workers={asked}")
        ((begun, *_, end),) = journals(root).values()
        hashes = {name: of for name, of in end["sha256"].items() if name != "config.json"}
        found[asked] = begun["n_threads"], hashes
    assert found[-1] == (provenance.cores(), found[1][1]) and found[1][0] == 1


def test_a_run_records_the_products_that_its_threads_did_not_share(main_job, new_root, monkeypatch):
    root = Root(new_root())
    (folder,) = Root(main_job.root).sweeps()
    shutil.copytree(Root(main_job.root).data, root.data)
    monkeypatch.setattr(team, "LEAST_NS", 1e-9)
    monkeypatch.setattr(products, "_axis", lambda *_: None)
    monkeypatch.setattr(products, "_axes", {})
    for planned, n_threads in zip(plans.read(folder.plan).runs[:2], (2, 1), strict=True):
        for _ in train_run(planned, root, new_launch(), n_threads=n_threads):
            pass
        end = read_run(root.run(planned.run_key)).end
        assert end.status == "done" and bool(end.undivided) == (n_threads == 2)


@pytest.mark.parametrize(
    "how, then",
    [(("seed=0",), "epoch: 1, "), (("-m", "seed=0,1"), "  about ")],
    ids=["single run", "sweep"],
)
def test_the_first_command_on_a_machine_compiles_before_its_work_and_says_how_long(
    how, then, new_root, root, tmp_path
):
    fresh = environment(XDG_CACHE_HOME=str(tmp_path / "cache"))
    fresh.pop("NUMBA_CACHE_DIR", None)
    words = *how, "data=digits", "train.epochs=1"
    ended = run(root, *words, env=fresh)
    said = rf"\n{re.escape(str(COMPILING))}\ncompiled in \d+ s\n{then}"
    assert re.search(said, ended.out) and ended.err == ""
    kinds = {line["kind"] for of_run in journals(root).values() for line in of_run}
    assert "end" in kinds and "compiling" not in kinds
    assert "ompil" not in run(new_root("again"), *words, env=fresh).out


def early_of(process):
    """The workers that a command has started before their work."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            line = Path("/proc", name, "cmdline").read_text()
            found += [int(name)] * (f"--early\0{process.pid}\0" in line)
    return found


def test_an_early_worker_ends_with_a_command_that_is_refused(root):
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:  # it knows no request
        threading.Thread(target=server.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{server.server_port}"
        process = start(root, "data=digits", "train.epochs=1", f"tracking.uri={uri}")
        until(lambda: early_of(process), seconds=20)
        assert f"tracking store {uri}: " in end(process, 2).err
        server.shutdown()
    assert not early_of(process) and not journals(root)


def test_an_early_worker_that_is_killed_is_replaced(root):
    process = start(root, "data=digits", "train.epochs=1")
    until(lambda: early_of(process), seconds=60)
    os.kill(*early_of(process), signal.SIGKILL)
    assert "1 of 1 runs trained and stored" in end(process, 0).out
