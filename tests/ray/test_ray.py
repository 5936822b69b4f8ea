"""Sweeps on a real Ray, with what happens there: each ends with the local sweep's bits."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import end, environment, results, start, stored, until
from compared import ALL, SWEEP, ended, gone_on, n_begun, read_until, records
from pids import having, kill, name_of, parent_of
from places import FAULTY

from runner.state.root import Root

pytest_plugins = ("roots", "scenarios")
pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]
#: Both cores, though a node may join a moment later.
ON_RAY = ("hydra/launcher=ray", "hydra.launcher.address=auto", "hydra.launcher.tasks=2")
WORDS = (*SWEEP, *ON_RAY)
AT_A_TIME = ": 2 tasks at a time for 6 runs"
#: As Linux writes them in /proc/net.
ADDRESSES = {
    "0100007F": "127.0.0.1",
    "0000000000000000FFFF00000100007F": "127.0.0.1",
    "00000000000000000000000001000000": "127.0.0.1",
}
#: A model of one's own in two modules, and the sweep of it on the real MNIST where that is.
MINE = {
    "mine.py": """
        import dezero.functions as F
        import dezero.layers as L
        from dezero import Model
        from sizes import WIDTH
        class Net(Model):
            def __init__(self, n_classes=10):
                super().__init__()
                self.fc1, self.out = L.Linear(WIDTH), L.Linear(n_classes)
            def forward(self, x):
                return self.out(F.relu(self.fc1(F.flatten(x))))
        """,
    "sizes.py": "WIDTH = 12",
    "conf/model/net.yaml": "_target_: mine.Net",
}
OF_MINE = ("-m", "model=net", "data=mnist", "train.epochs=1", "seed=0,1")


@pytest.fixture
def begin(ray, root):
    """Call for a command on the cluster that is under way; it ends with the test."""
    begun = []
    ray.gate.unlink(missing_ok=True)

    def command(*words, line=("-m", "runner"), of=WORDS, at=root, **names):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        line = ray.inside(sys.executable, *line, *of, *words, f"runner.root={at}")
        env, cwd = environment(**ray.environment | names), root.parent
        begun.append(subprocess.Popen(line, **pipes, env=env, cwd=cwd, start_new_session=True))
        return begun[-1]

    yield command
    for process in begun:
        process.kill()
        process.communicate()
    until(lambda: not ray.training())


def mid_training(root, kept=2):
    """Until two tasks wait at the gate, and the checkpoints of so many are here."""
    until(lambda: n_begun(root) == 2, seconds=100)
    until(lambda: len(list(root.glob("state/*/attempts/*/checkpoint"))) == kept)


def listening(pids):
    """The addresses at which processes wait for connections."""
    inodes = set()
    for pid in pids:
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(os.readlink(file).removeprefix("socket:[").removesuffix("]"))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                found.add(ADDRESSES.get(words[1].partition(":")[0], words[1]))
    return found


def refused(process):
    told = end(process, 2, timeout=60).err
    assert told.count("\n") == 1
    return told


def test_a_sweep(begin, ray, root, scenario):
    ray.gate.touch()
    sweep = ended(begin())
    assert AT_A_TIME in sweep.out and ALL in sweep.out and sweep.err == ""
    scenario(root)
    assert all(len(record.attempts) == 1 for record in records(root))
    assert {tag.tags["complete"] for tag in stored(Root(root).database)} == {"1"}


def test_a_worker_process_that_is_killed_and_what_trains_for_another(begin, ray, root, scenario):
    sweep = begin()
    mid_training(root)
    first, second = ray.training()
    kill(parent_of(first))
    kill(second)
    until(lambda: name_of(first) is None)
    ray.gate.touch()
    told = ended(sweep)
    assert "Ray lost a task (WorkerCrashedError): " in told.out and "(SIGKILL): " in told.out
    assert ALL in told.out and told.err == ""
    scenario(root)
    assert len(gone_on(root)) == 2


def test_a_node_that_dies_with_its_task(begin, ray, root, scenario):
    sweep = begin()
    mid_training(root)
    ray.kill_node("n1")
    try:
        read_until(sweep, "Ray lost a task (")
        ray.gate.touch()
        told = ended(sweep)
    finally:
        ray.begin_node("n1")
    assert ALL in told.out and told.err == ""
    scenario(root)
    assert len(gone_on(root)) == 1


def test_a_sweep_that_begins_when_a_node_has_just_died(begin, ray, root, scenario):
    """Ray counts a dead node as alive for ten seconds and more."""
    ray.gate.touch()
    ray.kill_node("n1")
    try:
        told = ended(begin())
    finally:
        ray.begin_node("n1")
    assert ALL in told.out and "raylet" not in told.out and told.err == ""
    scenario(root)


def test_a_sweep_that_begins_when_a_node_has_just_come_for_a_dead_one(begin, ray, root, scenario):
    ray.kill_node("n1")
    ray.begin_node("n1")
    sweep = begin()
    mid_training(root)
    ray.gate.touch()
    assert ALL in ended(sweep).out
    scenario(root)


def test_a_driver_that_is_killed_and_the_same_command_again(begin, ray, root, scenario):
    sweep = begin()
    mid_training(root)
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.communicate()
    until(lambda: not ray.training())
    ray.gate.touch()
    told = ended(begin())
    assert AT_A_TIME in told.out and ALL in told.out
    scenario(root)
    assert len(gone_on(root)) == 2


def test_a_first_signal_and_the_same_command_again(begin, ray, root, scenario):
    seldom = tuple(word for word in WORDS if not word.startswith("runner.checkpoint_every_s="))
    sweep = begin("runner.checkpoint_every_s=1000", of=seldom)
    mid_training(root, kept=0)
    os.kill(sweep.pid, signal.SIGINT)
    stopped = end(sweep, 130, timeout=30)
    assert "interrupted" in stopped.err and "go on with: python -m runner -m" in stopped.err
    assert all(f" {word}" in stopped.err for word in ON_RAY)
    ends = [record.end.cause for record in records(root)]
    assert ends == ["asked to stop"] * 2, "the checkpoints that they wrote then are here"
    ray.gate.touch()
    assert ALL in ended(begin()).out
    scenario(root)
    assert len(gone_on(root)) == 2


def test_a_full_disk_and_the_same_command_again(begin, ray, root, scenario):
    disk = root / "state"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=320k", "none", disk], check=True)
    try:
        ray.gate.touch()
        told = ended(begin(), 1).err
        assert re.search(r"runner: .*No space left on device.* bytes free", told)
        assert "what is trained is kept, the same command goes on" in told
        subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
        assert ALL in ended(begin()).out
        scenario(root)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_nodes_that_see_neither_mnist_nor_a_model_of_ones_own(begin, ray, new_root, root, scenario):
    for name, text in MINE.items():
        file = root.parent / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(line.removeprefix(" " * 8) for line in text.splitlines()))
    ray.gate.touch()
    here = new_root("here")
    ended(start(here, *OF_MINE, "runner.workers=2"))
    assert "2 of 2 runs trained and stored" in ended(begin(of=(*OF_MINE, *ON_RAY))).out
    assert results(root) == results(here)
    scenario.row.equal = "yes"


@pytest.mark.parametrize(
    "words, said",
    [
        (
            [*ON_RAY, "device=gpu", "hydra.launcher.gpus=3"],
            "gpus=3 .*no node of this Ray has that; .* 0 GPUs",
        ),
        (
            ["hydra/launcher=ray", "hydra.launcher.address=127.0.0.1:9"],
            "address=127.0.0.1:9: no answer within 15 s; nothing was written",
        ),
        (
            [*ON_RAY, "runner.detach=true"],
            "tasks of hydra/launcher=ray end with the sweep's process",
        ),
    ],
)
def test_what_this_ray_cannot_do_is_refused_in_a_line(begin, tmp_path, words, said):
    assert re.search(said, refused(begin(*words, of=SWEEP, at=tmp_path / "new")))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "other, said",
    [
        ("ray", "Version mismatch: The cluster was started with: Ray: "),
        ("runner", r"127.0.0.1 has version \S+ \(\w{8}\) of this program, here is 0.0.9 "),
    ],
)
def test_another_version_is_refused_in_a_line(begin, tmp_path, other, said):
    code = (
        f"import {other}; {other}.__version__ = '0.0.9'; from runner.__main__ import main; main()"
    )
    assert re.search(said, refused(begin(line=("-c", code), at=tmp_path / "new")))
    assert not (tmp_path / "new").exists()


def test_a_ray_of_its_own_listens_on_loopback_alone_and_ends_with_the_sweep(
    begin, ray, root, scenario
):
    names = {"PYTHONPATH": FAULTY, "GATE": str(ray.gate), "MARK": str(root)}
    words = (*SWEEP, "hydra/launcher=ray", "hydra.launcher.tasks=2")
    # Not in the network of the other one, which has loopback alone.
    env = environment(RAY_AUTH_MODE="token", **names)
    sweep = start(root, *words, env=env)
    mid_training(root)
    ours = having(f"MARK={root}")
    assert listening(ours) and listening(ours) == {"127.0.0.1"}
    ray.gate.touch()
    assert ALL in ended(sweep).out
    scenario(root)
    until(lambda: not having(f"MARK={root}"))
