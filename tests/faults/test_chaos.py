"""The chaos harness, which `make chaos` runs, sees what must never happen."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from chaos import __main__ as chaos
from chaos import checker
from chaos import harness as harnesses
from chaos.checker import Evidence, Undisturbed
from chaos.figures import Figures, table
from chaos.harness import Harness
from chaos.nemesis import Nemesis
from chaos.subjects import Runner, StoredRun
from commands import attempt_of, environment
from places import FAULTY

from runner.state.root import Root
from runner.system import faults

pytest_plugins = "roots"


@pytest.fixture
def root(main_job, tmp_path):
    """The main job as a sweep under fire might leave it, to be damaged."""
    shutil.copytree(main_job.root, tmp_path / "root")
    return tmp_path / "root"


def judged(root, results=None):
    """The figures and the violations that the harness would report of this root."""
    evidence = Evidence(Runner(None, n_epochs=3), root, Figures("", 0))
    invariants = checker.AT_REST
    if results is not None:
        evidence.undisturbed = Undisturbed(results)
        # Without the first, which counts the lines of a log that this root does not have.
        invariants = (*checker.AT_REST, *checker.AT_THE_END[1:], *checker.LEFT)
    return evidence.figures, checker.judge(evidence, invariants)


def results_of(root):
    return Runner(None).results(root)


def change(root, statement):
    with sqlite3.connect(Root(root).database) as file:
        assert file.execute(statement).rowcount > 0
    file.close()


def test_an_undisturbed_sweep_has_nothing_wrong(root):
    figures, violations = judged(root, results_of(root))
    assert (violations, figures.runs_equal, figures.runs_compared, figures.missing_rows) == (
        [],
        8,
        8,
        0,
    )


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "insert into metrics select key, value, timestamp + 1, run_uuid, step, is_nan from"
            " metrics where step = 2"
            " and key = 'test/loss' limit 1",
            "rows twice",
        ),
        (
            "delete from metrics where step = 3 and key = 'test/loss'",
            "is marked complete with 32 rows",
        ),
        ("update runs set status = 'RUNNING' where status = 'FINISHED'", "is RUNNING"),
        ("delete from tags where key = 'complete'", "complete=False"),
        (
            "update metrics set value = value + 1e-12 where step = 2",
            "differs from the undisturbed run",
        ),
        (
            "update params set value = '2' where key = 'model.channels'",
            "differs from the undisturbed run",
        ),
        (
            "update runs set lifecycle_stage = 'deleted' where name like '%seed=1'",
            "runs in the store",
        ),
        (
            "update tags set value = '' where key = 'n_parameters'",
            "runs_are_told_by_the_attempt_that_counts: channels=1",
        ),
        ("update tags set value = 'numpy=0' where key = 'versions'", "version.numpy=0"),
    ],
)
def test_what_must_never_be_in_a_store_is_seen(statement, expected, root):
    undisturbed = results_of(root)
    change(root, statement)
    _, violations = judged(root, undisturbed)
    assert [violation for violation in violations if expected in violation]


def test_a_changed_weight_two_writers_and_files_left_are_seen(root):
    undisturbed = results_of(root)
    first, second, *_ = sorted(undisturbed)
    weights = attempt_of(root, first).weights
    content = bytearray(weights.read_bytes())
    content[-30] ^= 1
    weights.write_bytes(content)
    journal = attempt_of(root, second).journal
    lines = journal.read_bytes().splitlines(keepends=True)
    epochs = [line for line in lines if b'"epoch"' in line[:20]]
    journal.write_bytes(b"".join(lines[:-1]) + epochs[0] + lines[-1])
    journal.with_name(".checkpoint.1.a.tmp").touch()
    journal.with_name("error.txt").touch()
    figures, violations = judged(root, undisturbed)
    assert (
        f"runs_equal_the_undisturbed_ones: {first[:8]} differs from the undisturbed run"
        in violations
    )
    assert f"journals_have_one_writer_at_a_time: two writers on {second[:8]}" in violations
    (left,) = [violation for violation in violations if violation.startswith("no_file_is_left")]
    assert ".checkpoint.1.a.tmp" in left and "error.txt" in left
    assert figures.two_writers == 1 and figures.runs_equal == 6


def test_a_second_process_at_a_run_is_seen_while_the_first_is_alive(tmp_path):
    log = tmp_path / "epochs"
    code = (
        "import os, subprocess, sys, sitecustomize\n"
        "other = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
        "sitecustomize.write(f'+ run {other.pid}')\n"
        "sitecustomize.note('+', 'run'); sitecustomize.note('-', 'run')\n"
        "other.communicate()\n"
        "sitecustomize.note('+', 'run'); sitecustomize.note('+', 'another')\n"
    )
    env = environment(PYTHONPATH=FAULTY, EPOCHS_LOG=str(log))
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert [line[0] for line in log.read_text().splitlines()] == ["+", "+", "!", "-", "+", "+"]


def test_the_figures_of_two_harnesses_side_by_side_are_added():
    first = Figures(
        "us",
        3,
        Counter(parent=2),
        epochs_needed=5,
        longest_stop_s=Counter(parent=2.0, SIGINT=0.5),
        violations=["a"],
    )
    second = Figures(
        "us",
        3,
        Counter(parent=1, group=1),
        epochs_needed=7,
        longest_stop_s=Counter(parent=1.0),
        violations=["b"],
    )
    both = Figures(
        "us",
        3,
        Counter(parent=3, group=1),
        epochs_needed=12,
        longest_stop_s=Counter(parent=2.0, SIGINT=0.5),
        violations=["a", "b"],
    )
    assert first + second == both
    assert "| longest stop | parent 2.0 s, SIGINT 0.5 s |" in table([both])


def test_a_start_that_finds_no_compiled_kernels_is_killed_before_it_trains(tmp_path):
    class Compiling(Runner):
        n_looks = 0

        def n_started(self, root):
            self.n_looks += 1
            return self.n_looks > 2

    nemesis = Nemesis(Compiling(None), seed=0, n_cold=3)
    kills = [nemesis.draw() for _ in range(4)]
    assert [kill.is_cold for kill in kills] == [True, True, True, False]
    assert {kill.kind for kill in kills[:3]} == {"worker", "group", "parent"}
    alive = SimpleNamespace(poll=lambda: None)
    nemesis.wait(replace(kills[0], after_s=0), tmp_path, alive, look=None)
    assert nemesis.subject.n_looks == 3


def test_a_start_that_finds_other_packages_trains_nothing_however_fast_it_compiles(tmp_path):
    runner, root = Runner(None), tmp_path / "root"
    fast = {name: value for name, value in runner.cold(root).items() if name != "NUMBA_CACHE_DIR"}
    line = [word.replace("channels=1,2,3", "channels=1") for word in runner.cold_line(root)]
    said = subprocess.run(
        line, env=runner.environment(root) | fast, cwd=tmp_path, capture_output=True, text=True
    )
    assert said.returncode == 1 and said.stderr.count("timed out") == 2, said.stderr
    assert runner.n_recorded(root) == 0


def test_the_end_of_a_sweep_that_goes_on_without_a_worker_is_no_stop(tmp_path):
    harness = Harness(Runner(None), tmp_path, seed=0, n_kills=1)
    harness.evidence = Evidence(None, tmp_path, harness.figures)
    ended = subprocess.Popen(["true"])
    harness._reap([ended], [], None)
    assert not harness.figures.longest_stop_s
    harness._reap([ended], [], "SIGINT")
    assert list(harness.figures.longest_stop_s) == ["SIGINT"]


def test_what_ends_soon_after_a_command_is_not_left_however_long_that_took(tmp_path, monkeypatch):
    monkeypatch.setattr(harnesses, "_REAP_S", 0.6)
    harness = Harness(Runner(None), tmp_path, seed=0, n_kills=1)
    harness.evidence = Evidence(None, tmp_path, harness.figures)
    command, tracker = (subprocess.Popen(["sleep", seconds]) for seconds in ("0.7", "1"))
    harness._reap([command], [tracker.pid], None)
    assert harness.evidence.left_processes == []
    tracker.wait()


def test_commands_do_not_inherit_that_an_interrupt_is_ignored(monkeypatch):
    seen, before = (
        [],
        signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # as in a script's `make chaos &`
    monkeypatch.setattr(sys, "argv", ["make chaos"])
    monkeypatch.setattr(chaos, "make_store", lambda folder: None)

    def under_fire(*_):
        seen.append(signal.getsignal(signal.SIGINT))
        return Figures("", 0)

    monkeypatch.setattr(chaos, "under_fire", under_fire)
    try:
        with pytest.raises(SystemExit, match="0|False"):
            chaos.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.default_int_handler]


def test_a_violation_ends_the_harness_and_is_counted(tmp_path):
    class Broken(Runner):
        def prepare(self, root, served):
            root.mkdir()

        def line(self, root):
            return ["true"]

        report_line = line

        def stored(self, root):
            return [StoredRun("a run", "its key", "FINISHED", True, [])]

        def n_recorded(self, root):
            return 0

        def results(self, root):
            return {}

        def report(self, root):
            return {}

    figures = Harness(Broken(None), tmp_path, seed=0, n_kills=5).run()
    assert (
        "runs_marked_complete_are_whole: a run is marked complete with 0 rows"
        in figures.violations[0]
    )
    assert f"| violations | {len(figures.violations)} |" in table([figures])


@pytest.mark.parametrize(
    ("invariant", "seen", "expected"),
    [
        (checker.exit_code_says_how_it_ended, {"exit_code": 3}, ["exit code 3"]),
        (checker.exit_code_says_how_it_ended, {"exit_code": 1}, []),
        (checker.no_process_is_left, {"left_processes": [7]}, ["process 7 is left"]),
        (
            checker.kills_cost_an_epoch_a_worker,
            {"may_repeat": 1},
            ["2 epochs were computed again for no reason"],
        ),
        (checker.kills_cost_an_epoch_a_worker, {"may_repeat": 3}, []),
        (checker.runs_have_one_process_at_a_time, {}, ["two processes were at one run"]),
        (
            checker.nothing_is_computed_again,
            {"n_epochs_before": 8, "exit_code": 0},
            ["a third run computed 1 epochs"],
        ),
        (
            checker.report_equals_the_undisturbed_one,
            {},
            ["the report differs from that of the undisturbed sweep"],
        ),
    ],
)
def test_what_must_never_happen_is_seen(invariant, seen, expected, tmp_path):
    runner = Runner(None, n_epochs=1)
    runner.report = lambda root: {"claims.csv": b"other"}
    (tmp_path / "root.epochs").write_bytes(b"+ run 1\n! run\n" + b"0 1\n" * 9)
    evidence = Evidence(
        runner, tmp_path / "root", Figures("", 0), Undisturbed({}, {"claims.csv": b""}), **seen
    )
    assert [*invariant(evidence)] == expected


def test_a_point_kills_on_the_visit_that_was_asked_for_and_only_once(tmp_path):
    assert len(set(faults.POINTS)) == len(faults.POINTS)
    code = (
        "import sys; from runner.system.faults import crash_point\n"
        "for n in range(4): print(n, flush=True); crash_point('here')\n"
    )
    once = tmp_path / "died"
    env = environment(RUNNER_KILL_AT="here:3", RUNNER_KILL_ONCE=str(once))
    for code_of_end, visited in ((-9, ["0", "1", "2"]), (0, ["0", "1", "2", "3"])):
        ended = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True
        )
        assert (ended.returncode, ended.stdout.split()) == (code_of_end, visited)
    assert once.exists()
