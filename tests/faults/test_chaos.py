"""The chaos harness itself: that it sees what it is there to see. `make chaos` runs it."""

import shutil
import sqlite3
import subprocess
import sys
from collections import Counter

import pytest
from chaos.figures import Figures, table
from chaos.harness import Harness
from chaos.subjects import FAULTY, Ours
from commands import environment

from runner import faults
from runner.state.root import Root

pytest_plugins = "roots"


@pytest.fixture
def root(main_job, tmp_path):
    """The main job as a sweep under fire might leave it, to be damaged."""
    shutil.copytree(main_job.root, tmp_path / "root")
    return tmp_path / "root"


def looked_at(root, reference=None):
    """The figures and what is wrong, as the harness would have them of this root."""
    subject, figures, wrong = Ours(None), Figures("", 0), []
    subject.n_epochs = 3
    subject.check(root, figures, wrong.append)
    if reference is not None:
        subject.check_end(root, reference, figures, wrong.append)
    return figures, wrong


def change(root, statement):
    with sqlite3.connect(Root(root).database) as file:
        assert file.execute(statement).rowcount > 0
    file.close()


def test_an_undisturbed_sweep_has_nothing_wrong(root):
    figures, wrong = looked_at(root, Ours(None).reference(root))
    assert (wrong, figures.runs_equal, figures.runs_compared, figures.missing_rows) == ([], 8, 8, 0)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "insert into metrics select key, value, timestamp + 1, run_uuid, step, is_nan from metrics where step = 2"
            " and key = 'test/loss' limit 1",
            "rows twice",
        ),
        ("delete from metrics where step = 3 and key = 'test/loss'", "is marked complete with 32 rows"),
        ("update runs set status = 'RUNNING' where status = 'FINISHED'", "is RUNNING"),
        ("delete from tags where key = 'complete'", "complete=None"),
        ("update metrics set value = value + 1e-12 where step = 2", "differs from the undisturbed run"),
        ("update params set value = '2' where key = 'model.channels'", "differs from the undisturbed run"),
        ("update runs set lifecycle_stage = 'deleted' where name like '%seed=1'", "runs in the store"),
    ],
)
def test_what_must_never_be_in_a_store_is_seen(statement, told, root):
    reference = Ours(None).reference(root)
    change(root, statement)
    _, wrong = looked_at(root, reference)
    assert [one for one in wrong if told in one]


def test_a_changed_weight_two_writers_and_files_left_are_seen(root):
    reference = Ours(None).reference(root)
    first, second, *_ = sorted(reference)
    weights = root / "state" / first / "weights.npz"
    content = bytearray(weights.read_bytes())
    content[-30] ^= 1
    weights.write_bytes(content)
    journal = root / "state" / second / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    epochs = [line for line in lines if b'"epoch"' in line[:20]]
    journal.write_bytes(b"".join(lines[:-1]) + epochs[0] + lines[-1])
    (root / "state" / second / ".checkpoint.1.a.tmp").touch()
    figures, wrong = looked_at(root, reference)
    assert f"{first[:8]} differs from the undisturbed run" in wrong and f"two writers on {second[:8]}" in wrong
    assert figures.two_writers == 1 and figures.runs_equal == 6
    assert [path.name for path in Ours(None).left(root)] == [".checkpoint.1.a.tmp"]


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
    env = environment(PYTHONPATH=str(FAULTY), EPOCHS_LOG=str(log))
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert [line[0] for line in log.read_text().splitlines()] == ["+", "+", "!", "-", "+", "+"]


def test_the_figures_of_two_harnesses_side_by_side_are_added():
    one = Figures("us", 3, Counter(parent=2), epochs_needed=5, longest_stop_s=2.0, violations=["a"])
    other = Figures("us", 3, Counter(parent=1, group=1), epochs_needed=7, longest_stop_s=1.0, violations=["b"])
    both = Figures("us", 3, Counter(parent=3, group=1), epochs_needed=12, longest_stop_s=2.0, violations=["a", "b"])
    assert one + other == both


def test_a_violation_ends_the_harness_and_is_counted(tmp_path):
    class Broken(Ours):
        def __init__(self):
            pass

        server = None

        def prepare(self, root, served):
            root.mkdir()

        def line(self, root):
            return ["true"]

        report_line = line

        def check(self, root, figures, wrong):
            wrong("as it was made to be")

        def check_end(self, root, reference, figures, wrong):
            pass

        def n_recorded(self, root):
            return 0

        def reference(self, root):
            return {}

        def report(self, root):
            return {}

    found = Harness(Broken(), tmp_path, seed=0, n_kills=5).run()
    assert found.violations and "as it was made to be" in found.violations[0]
    assert f"| violations | {len(found.violations)} |" in table([found])


def test_a_point_kills_on_the_visit_that_was_asked_for_and_only_once(tmp_path):
    assert len(set(faults.POINTS)) == len(faults.POINTS)
    code = (
        "import sys; from runner.faults import crash_point\n"
        "for n in range(4): print(n, flush=True); crash_point('here')\n"
    )
    once = tmp_path / "died"
    env = environment(RUNNER_KILL_AT="here:3", RUNNER_KILL_ONCE=str(once))
    for code_of_end, visited in ((-9, ["0", "1", "2"]), (0, ["0", "1", "2", "3"])):
        ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
        assert (ended.returncode, ended.stdout.split()) == (code_of_end, visited)
    assert once.exists()
