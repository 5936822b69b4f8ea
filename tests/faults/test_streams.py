"""Closed terminals, closed streams, and signals from the first moment: the exit code is right."""

import os
import shlex
import signal
import subprocess
import sys

import pytest
from commands import end, environment, lines, quoted, results, run, start, stored, until
from places import FAULTY

from runner.state.root import Root

pytest_plugins = "roots"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals as Linux has them")

WORDS = ("data=digits", "model.channels=2", "model.hidden_size=16", "train.epochs=6")
SWEEP = ("-m", *WORDS, "seed=0,1", "runner.workers=2")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    root = tmp_path_factory.mktemp("undisturbed")
    run(root, *SWEEP, "hydra/launcher=basic")
    return results(root)


def slowly():
    return environment(PYTHONPATH=FAULTY, EPOCH_SLEEP="0.5")


def in_training(root):
    until(lambda: any(lines(root, "epoch").values()))


@pytest.mark.long
def test_a_sweep_whose_terminal_is_closed_stops_and_goes_on_to_the_same_numbers(undisturbed, root):
    process = start(root, *SWEEP, env=slowly())
    in_training(root)
    os.killpg(process.pid, signal.SIGHUP)
    ended = end(process, 129, timeout=20)
    assert "0 of 2 runs are trained, nothing is lost; go on with: python -m runner -m" in ended.err
    assert {run.status for run in stored(Root(root).database)} == {"KILLED"}
    run(root, *SWEEP)
    assert results(root) == undisturbed


@pytest.mark.long
def test_a_sweep_under_nohup_outlasts_its_terminal(undisturbed, root):
    ignored = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    process = start(root, *SWEEP, env=slowly(), **ignored)
    in_training(root)
    os.killpg(process.pid, signal.SIGHUP)
    assert "2 of 2 runs trained and stored" in end(process, 0).out
    assert results(root) == undisturbed


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGHUP, 129),
        (signal.SIGUSR1, 143),
        pytest.param(signal.SIGUSR2, 143, marks=pytest.mark.long),
    ],
)
def test_a_command_that_is_asked_to_end_before_it_trains_says_so(number, code, root):
    process = start(root, *SWEEP)

    def is_caught():
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            (caught,) = (line.split()[1] for line in status if line.startswith("SigCgt"))
        return int(caught, 16) >> (number - 1) & 1

    until(is_caught)
    os.kill(process.pid, number)
    assert end(process, code, timeout=20).err == (
        "runner: interrupted; what is trained is kept, the same command goes on\n"
    )


def shell(root, form, *words, **options):
    """A command line of the shell's, in which `{}` is the sweep."""
    line = shlex.join([sys.executable, "-m", "runner", *words, f"runner.root={quoted(root)}"])
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", form.format(line)],
        cwd=root.parent,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=90,
        **options,
    )


@pytest.mark.parametrize(
    "form",
    [
        "{} | head -n 1",
        pytest.param("{} >&-", marks=pytest.mark.long),
        pytest.param("{} >&- 2>&- <&-", marks=pytest.mark.long),
        pytest.param("{} > /dev/null 2>&-", marks=pytest.mark.long),
    ],
)
def test_streams_that_nobody_reads_change_no_exit_code_and_no_file(form, undisturbed, root):
    ended = shell(root, form, *SWEEP)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert results(root) == undisturbed


@pytest.mark.long
def test_a_sweep_that_fails_says_so_by_its_exit_code_though_nobody_reads(root):
    assert shell(root, "{} >&- 2>&-", *SWEEP, "optimizer.lr=-1").returncode == 2
    env = environment(PYTHONPATH=FAULTY, FAULTS="1:exception")
    process = start(root, *SWEEP, env=env)
    process.stdout.close()
    process.stderr.close()
    assert process.wait(timeout=60) == 1


def test_a_full_disk_under_what_is_printed_is_an_error(root):
    ended = shell(root, "{} > /dev/full", *WORDS, "plan=true")
    assert ended.returncode == 1 and "No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.long
def test_the_analysis_and_sync_end_as_they_would_though_nobody_reads(main_job):
    for module in ("analysis", "runner.sync"):
        words = [sys.executable, "-m", module, "--root", str(main_job.root)]
        out = ["--out", str(main_job.root.parent / "report")] if module == "analysis" else []
        for form in ("{} >&- 2>&- <&-", "{} | head -n 0"):
            line = form.format(shlex.join([*words, *out]))
            ended = subprocess.run(
                ["bash", "-o", "pipefail", "-c", line],
                env=environment(), capture_output=True, text=True, timeout=90,
            )  # fmt: skip
            assert (ended.returncode, ended.stderr) == (0, ""), line
