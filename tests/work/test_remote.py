"""Runs on hosts that see nothing of the root: what they send, and what is written of it here."""

import itertools
import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from commands import results
from configs import configured
from journaling import append
from places import FAULTY

from runner.data import loading
from runner.errors import ConfigError, RunnerError
from runner.plan.planned import planned_runs
from runner.record import DONE, FAILED, KILLED
from runner.state.checkpoint import Checkpoints
from runner.state.journals import Journals
from runner.state.records import End, Epoch, Setup, Start
from runner.state.root import Root
from runner.state.run_record import read_run
from runner.train.run import train_run
from runner.work.launch import MAX_IDLE_LAUNCHES
from runner.work.launcher import OnRay
from runner.work.remote import orders, program, task
from runner.work.remote.asked import Asked
from runner.work.remote.keeper import BadParcel, Keeper
from runner.work.remote.launch import RemoteLaunch
from runner.work.remote.mirror import Mirror
from runner.work.remote.ray import Ray
from runner.work.remote.seam import Hello, Order, Over, Parcel
from runner.work.share import MAX_WORDLESS
from runner.work.stop import Stop

KEY, LAUNCH = "a" * 64, "7-launch"
START = Start(KEY, "", {}, {}, {}, "cpu", 1, LAUNCH)


@pytest.fixture
def there(tmp_path):
    return Root(tmp_path / "there")


@pytest.fixture
def here(tmp_path):
    return Root(tmp_path / "here")


@pytest.fixture
def attempt(there):
    """An attempt of a task that is under way."""
    return there.run(KEY).attempt("n1-12")


@pytest.fixture
def sent(there, attempt):
    """Call for what the task sends next."""
    mirror = Mirror(there, [KEY])
    return lambda: list(mirror.parcels())


@pytest.fixture
def keeper(here):
    keeper = Keeper(here, [KEY])
    yield keeper
    keeper.close()


def contents(root):
    files = root.state.rglob("*")
    return {file.relative_to(root.path): file.read_bytes() for file in files if file.is_file()}


def test_what_is_written_here_is_what_the_attempt_wrote_there(there, here, attempt, sent, keeper):
    def kept():
        for parcel in sent():
            keeper.keep(parcel)
            keeper.keep(replace(parcel, files={}))  # lines that come twice change nothing
        return contents(here)

    append(attempt, START, Setup())
    assert kept() == contents(there)
    for number in (1, 2):
        append(attempt, Epoch(number, {"train/loss": 0.1 + number}))
        Checkpoints(attempt.path, KEY).save({}, {"epoch": number + 1, "step": 0})
        assert kept().keys() == contents(there).keys()
    attempt.weights.write_bytes(b"weights")
    attempt.final_state(2).write_bytes(b"all of it")
    append(attempt, End(DONE, sha256={attempt.weights.name: "0"}))
    assert kept() == contents(there)
    assert read_run(here.run(KEY)).status == DONE


def test_half_a_line_waits_for_its_other_half(here, attempt, sent, keeper):
    append(attempt, START, Setup())
    whole = attempt.journal.read_bytes()
    attempt.journal.write_bytes(whole[:-20])
    (first,) = sent()
    assert len(first.lines) == 1
    keeper.keep(first)
    assert sent() == []
    attempt.journal.write_bytes(whole)
    (second,) = sent()
    keeper.keep(second)
    assert here.run(KEY).attempt(attempt.id).journal.read_bytes() == whole


def test_a_parcel_never_rests_on_one_that_comes_later(attempt, sent):
    append(attempt, START)
    attempt.weights.write_bytes(b"of a run that has not ended")
    (parcel,) = sent()
    assert parcel.files == {} and len(parcel.lines) == 1


@pytest.mark.parametrize(
    "change, said",
    [
        ({"n_before": 5}, "lines 3 to 5 are missing"),
        ({"lines": [b'{"kind": "end"}']}, "line 3: it has no checksum"),
        ({"run_key": "b" * 64}, "it has files of bbbbbbbb"),
        ({"files": {"../../x": b""}}, "it has files of "),
    ],
)
def test_what_does_not_prove_itself_is_not_kept(here, attempt, sent, keeper, change, said):
    append(attempt, START, Setup())
    keeper.keep(sent()[0])
    before = contents(here)
    append(attempt, Epoch(1, {}))
    with pytest.raises(BadParcel, match=said):
        keeper.keep(replace(sent()[0], **change))
    assert contents(here) == before


class Made:
    """An engine whose tasks send what a test says: for each order, in turn, a list of items."""

    name, asked, words = "ray", "Ray", "made"

    def __init__(self, does):
        self.does, self.orders, self.asked_to_stop = does, [], False
        self.dropped = []

    def start(self, order):
        self.orders.append(order)
        return SimpleHandle(iter(self.does(order, self)))

    def news(self, tasks):
        return [(handle, next(handle.items, Over())) for handle in tasks]

    def free(self):
        return "0 of 2 CPUs free"

    def stop(self):
        self.asked_to_stop = True

    def drop(self, handle):
        self.dropped.append(handle)
        getattr(handle.items, "close", lambda: None)()


class SimpleHandle:
    def __init__(self, items):
        self.items = items


@pytest.fixture
def runs():
    return planned_runs(configured(), range(2), {}, ("digits", "ab" * 32), "cpu")


@pytest.fixture
def launch(here, runs):
    """Call with what each task sends; the launch, its engine, and what it tells."""

    def made(does, of=runs, stop=None):
        engine, told = Made(does), []
        plan = SimpleNamespace(sweep_key="s" * 64, runs=of)
        journals = Journals(here, [run.run_key for run in of])
        args = (plan, journals, stop or Stop(), engine, LAUNCH, told.append)
        return RemoteLaunch(*args), engine, told

    return made


def begun(order, id, *then):
    """A parcel with the beginning of an attempt at the only run of an order."""
    key = order.runs[0].run_key
    root = Root(begun.folder / id)
    attempt = root.run(key).attempt(id)
    append(attempt, Start(key, "", {}, {}, {}, "cpu", 1, order.launch), *then)
    mirror = Mirror(root, [key])
    mirror._before.clear()
    return next(mirror.parcels())


@pytest.fixture(autouse=True)
def places(tmp_path):
    begun.folder = tmp_path / "made"


def hello():
    return Hello("n1", program.name())


def test_tasks_that_die_again_and_again_cost_their_run_alone(here, launch):
    ids = itertools.count()

    def does(order, _):
        id = f"attempt-{next(ids)}"
        yield hello()
        if order.runs[0].config.seed == 0:
            yield begun(order, id)
            yield Over("WorkerCrashedError")
        yield begun(order, id, End("diverged"))

    made, engine, told = launch(does)
    made.until_settled(2)
    first, second = (read_run(here.run(run.run_key)) for run in made.plan.runs)
    assert (first.status, second.status) == (FAILED, "diverged")
    assert "3 times without a word" in first.end.cause
    assert len(engine.orders) == MAX_WORDLESS + 1
    assert sum("Ray lost a task (WorkerCrashedError)" in line for line in told) == MAX_WORDLESS - 1


def test_out_of_memory_is_said_where_ray_says_so(here, launch, runs):
    def does(order, _):
        yield begun(order, "first")
        yield Over("out of memory", is_out_of_memory=True)

    made, *_ = launch(does, runs[:1])
    made.until_settled(1)
    end = read_run(here.run(runs[0].run_key)).end
    assert (end.status, end.cause) == (FAILED, "out of memory (Ray says so)")


def test_tasks_that_come_to_nothing_end_the_launch(launch):
    made, engine, _ = launch(lambda *_: [hello(), Over("exit code 1: runner: no room")])
    with pytest.raises(RunnerError, match="without training anything: Ray says exit code 1: runn"):
        made.until_settled(1)
    assert len(engine.orders) == MAX_IDLE_LAUNCHES


def test_a_host_with_another_program_ends_the_launch(launch):
    made, *_ = launch(lambda *_: [Hello("n7", "0.0.9 (12345678)")])
    with pytest.raises(RunnerError, match="ray: n7 has version 0.0.9 .* here is 0.1.0"):
        made.until_settled(1)


def test_a_stop_waits_for_the_checkpoints_of_those_that_have_begun(here, launch, runs, tmp_path):
    stop = Stop(tmp_path / "stop")

    def does(order, engine):
        if order.runs[0].config.seed:
            return iter(lambda: Parcel(order.runs[0].run_key, "x", 0, [], {}), None)
        return begins(order, engine)

    def begins(order, engine):
        yield hello()
        stop.tell_workers()
        while not engine.asked_to_stop:
            yield hello()
        yield begun(order, "first", End(KILLED, "asked to stop"))

    made, engine, _ = launch(does, stop=stop)
    made.until_settled(2)
    assert read_run(here.run(runs[0].run_key)).end.cause == "asked to stop"
    assert len(engine.orders) == 2 and len(engine.dropped) == 1


def test_a_run_whose_task_is_lost_goes_on_from_its_checkpoint_with_the_same_bits(
    here, launch, tmp_path, monkeypatch
):
    """By the real task in a process of its own, without a Ray."""
    config = configured({"model.hidden_size": 8, "train.epochs": 4, "runner.checkpoint_every_s": 0})
    alone = Root(tmp_path / "alone")
    dataset, _ = loading.prepare("digits", alone.data)
    (run,) = planned_runs(config, [0], {}, (dataset.name, dataset.sha256), "cpu")
    for _ in train_run(run, alone, LAUNCH):
        pass
    monkeypatch.setenv("PYTHONPATH", FAULTY)
    monkeypatch.setenv("EPOCH_SLEEP", "0.5")
    folder = alone.data / f"{dataset.name}-{dataset.sha256[:8]}"
    data = {folder.name: {file.name: file.read_bytes() for file in folder.iterdir()}}
    is_first = itertools.chain([True], itertools.repeat(False))

    def does(order, engine):
        is_lost = next(is_first)
        assert order.data == (folder.name,) and bool(order.state) != is_lost
        for item in task.train(order, data, lambda: engine.asked_to_stop):
            yield item
            if is_lost and isinstance(item, Parcel) and "checkpoint" in item.files:
                yield Over("NodeDiedError")

    made, engine, told = launch(does, [run])
    made.until_settled(1)
    record = read_run(here.run(run.run_key))
    assert len(record.chain) == len(engine.orders) == 2 and record.setup.goes_on_from_epoch > 1
    assert results(here.path) == results(alone.path)
    assert not list(tmp_path.glob("ablation-task-*")) and len(told) == 2


@pytest.mark.long
def test_a_run_that_hangs_in_c_ends_its_task_which_says_where_it_was(here, monkeypatch):
    # Long enough for a process to begin and get there.
    config = configured({"model.hidden_size": 8, "runner.time_limit_s": 5})
    dataset, _ = loading.prepare("digits", here.data)
    (run,) = planned_runs(config, [0], {}, (dataset.name, dataset.sha256), "cpu")
    monkeypatch.setenv("PYTHONPATH", FAULTY)
    monkeypatch.setenv("FAULTS", "0:hang_in_C")
    given = orders.order([run], here, LAUNCH)
    folder = here.data / given.data[0]
    data = {folder.name: {file.name: file.read_bytes() for file in folder.iterdir()}}
    *_, last = task.train(given, data, lambda: False)
    assert last.why.startswith("exit code 1: File ") and last.why.endswith(" in misbehave")


@pytest.mark.parametrize(
    "asked, device, said",
    [
        ({"tasks": -1}, "auto", "hydra.launcher.tasks=-1: allowed are 0 and above"),
        ({"memory": "much"}, "auto", "memory=much: allowed is such as 4G"),
        ({"gpus": 1}, "auto", "with GPUs type device=gpu"),
        ({}, "gpu", "type hydra.launcher.gpus=1, too"),
        ({"address": "ray://h:10001"}, "auto", "type this on a node of the cluster"),
    ],
)
def test_what_cannot_be_meant_is_refused_first(asked, device, said):
    with pytest.raises(ConfigError, match=said):
        Ray(Asked(**asked)).check(device)


def test_memory_is_a_number_of_bytes():
    assert [Asked(memory=of).memory_bytes for of in ("512M", "4G", "4gb", "77", None)] == [
        2**29, 2**32, 2**32, 77, None,
    ]  # fmt: skip


def test_without_ray_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with monkeypatch.context() as kept:
        kept.setattr(os, "environ", dict(os.environ))
        with pytest.raises(ConfigError, match=r"not installed here: pip install '\.\[ray\]'"):
            OnRay(Ray(Asked())).check(configured())


def test_tasks_of_ray_end_with_the_sweep():
    with pytest.raises(ConfigError, match="hydra/launcher=ray end with the sweep's process"):
        OnRay(Ray(Asked())).check(configured({"runner.detach": True}))


def test_an_order_has_the_own_modules_that_its_runs_import(here, tmp_path, monkeypatch):
    from runner.work.remote.orders import order

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("")
    (tmp_path / "mine" / "net.py").write_text("import dezero\nimport of_mine\nNet = dezero.Model\n")
    (tmp_path / "of_mine.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    config = configured(model="mine.net.Net")
    (run,) = planned_runs(config, [0], {}, ("digits", "ab" * 32), "cpu")
    sent = order([run], here, LAUNCH)
    assert isinstance(sent, Order)
    assert sorted(sent.own_code) == ["mine/__init__.py", "mine/net.py", "of_mine.py"]
