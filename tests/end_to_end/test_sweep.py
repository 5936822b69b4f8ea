"""What a sweep leaves in the store and on the terminal."""

import contextlib
import fcntl
import hashlib
import json
import os
import pty
import re
import statistics
import struct
import termios

import numpy as np
import pytest
from commands import (
    EPOCHS,
    cells_table,
    end,
    environment,
    lines,
    plan_of,
    start,
    stored,
    stored_by_key,
)

from runner.record import METRICS, TIMES, recorded_tags
from runner.state.root import Root
from runner.tracking.store import mlflow_store as store

pytest_plugins = "roots"


def test_the_main_job_is_one_parent_with_eight_nested_runs(main_job):
    (parent,) = stored(Root(main_job.root).database, "sweep")
    runs = stored(Root(main_job.root).database)
    assert parent.name == "channels x dropout"
    assert parent.status == "FINISHED"
    assert [stored_run.tags["mlflow.parentRunId"] for stored_run in runs] == [parent.id] * 8
    assert {stored_run.status for stored_run in runs} == {"FINISHED"}
    assert {stored_run.name for stored_run in runs} == {
        f"channels={channels} dropout={dropout} seed={seed}"
        for channels in (1, 3)
        for dropout in ("true", "false")
        for seed in (0, 1)
    }


def test_every_metric_is_stored_at_every_epoch_once_with_the_journals_value_and_time(main_job):
    epochs = lines(main_job.root, "epoch")
    for key, stored_run in stored_by_key(Root(main_job.root).database).items():
        assert stored_run.rows == sorted(
            (metric, line["epoch"], line["metrics"][metric], line["time_ms"])
            for metric in METRICS
            for line in epochs[key]
        )
        assert [line["epoch"] for line in epochs[key]] == list(range(1, EPOCHS + 1))


def test_without_dropout_the_masked_test_accuracy_is_the_test_accuracy(main_job):
    for stored_run in stored(Root(main_job.root).database):
        values = {(metric, step): value for metric, step, value, _ in stored_run.rows}
        same = [
            values["test_masked/loss", e] == values["test/loss", e] for e in range(1, EPOCHS + 1)
        ]
        assert all(same) if stored_run.params["model.dropout"] == "false" else not any(same)


def test_a_runs_tags_say_what_it_is_and_what_it_was_trained_with(main_job):
    sweep_key = plan_of(main_job.root)["sweep_key"]
    planned = {run["run_key"]: run for run in plan_of(main_job.root)["runs"]}
    starts, setups = lines(main_job.root, "start"), lines(main_job.root, "setup")
    for key, stored_run in stored_by_key(Root(main_job.root).database).items():
        (started,), (setup,) = starts[key], setups[key]
        expected = {
            f"sweep.{sweep_key[:8]}": stored_run.name.partition(" seed=")[0],
            "run_key": key,
            "cell_key": planned[key]["cell_key"],
            "cell": stored_run.name.partition(" seed=")[0],
            "seed": str(planned[key]["config"]["seed"]),
            "data.name": "digits",
            "data.sha256": planned[key]["data_sha256"],
            "first_batch_order.sha256": setup["first_batch_order_sha256"],
            "engine": "fast",
            "engine.fallbacks": "[]",
            "device": "cpu",
            "git.commit": started["git"]["commit"] or "",
            "status": "done",
            "cause": None,
            "complete": "1",
            "version.dezero": "0.0.13",
            "version.numpy": np.__version__,
        }
        tags = recorded_tags(stored_run.tags)
        assert {name: tags.get(name) for name in expected} == expected
        assert stored_run.tags["processor"] and int(stored_run.tags["n_parameters"]) > 0
    by_seed = {
        (stored_run.tags["seed"], stored_run.tags["first_batch_order.sha256"])
        for stored_run in stored(Root(main_job.root).database)
    }
    assert len(by_seed) == 2, "every cell of a seed sees the same batches"


def test_parameters_have_their_hydra_names_and_are_plain_texts_or_json(main_job, from_mlflow):
    for stored_run in from_mlflow(main_job.root):
        texts = ("device", "model.kind", "data.name", "optimizer.name", "engine.name")
        texts += ("optimizer.schedule.kind",)
        values = {
            name: text if name in texts else json.loads(text)
            for name, text in stored_run.data.params.items()
        }
        channels, dropout, seed = [
            word.partition("=")[2] for word in stored_run.info.run_name.split()
        ]
        assert values == {
            "seed": int(seed),
            "device": "cpu",
            "model.kind": "cnn",
            "model.channels": int(channels),
            "model.blocks": None,
            "model.hidden_size": 16,
            "model.fc_depth": 1,
            "model.dropout": dropout == "true",
            "model.dropout_ratio": 0.5,
            "data.name": "digits",
            "data.normalize": True,
            "data.n_train": None,
            "data.label_noise": 0.0,
            "data.validation": 0,
            "data.augment": None,
            "optimizer.name": "adam",
            "optimizer.lr": 0.001,
            "optimizer.weight_decay": 1e-4,
            "optimizer.decoupled_decay": False,
            "optimizer.clip_grad": None,
            "optimizer.schedule.kind": "constant",
            "optimizer.schedule.at": [],
            "optimizer.schedule.factor": 0.1,
            "optimizer.schedule.warmup_epochs": 0.0,
            "optimizer.beta1": 0.9,
            "optimizer.beta2": 0.999,
            "optimizer.eps": 1e-8,
            "engine.name": "fast",
            "engine.graph": True,
            "engine.tf32": False,
            "engine.streams": 0,
            "train.epochs": EPOCHS,
            "train.batch_size": 100,
        }
        assert type(values["model.dropout"]) is bool and type(values["model.channels"]) is int


@pytest.fixture
def from_mlflow():
    """Call for the nested runs as MLflow's own client reads them."""

    def read(root):
        client = store.connect(None, Root(root))
        return client.search_runs(["1"], "tags.kind = 'run'", max_results=100)

    return read


def test_a_runs_artifacts_are_its_configuration_its_weights_and_what_the_test_images_got(main_job):
    (data,) = Root(main_job.root).data.iterdir()
    labels = np.load(data / "test_labels.npy")
    ends = lines(main_job.root, "end")
    for key, stored_run in stored_by_key(Root(main_job.root).database).items():
        folder = Root(main_job.root).artifacts / stored_run.id / "artifacts"
        assert {path.name for path in folder.iterdir()} == {
            "config.json",
            "weights.npz",
            "test_correct.npy",
            "test_predicted.npy",
        }
        hashes = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()
        }
        assert hashes == ends[key][-1]["sha256"]
        bits = np.unpackbits(
            np.load(folder / "test_correct.npy"), count=ends[key][-1]["n_test_images"]
        )
        last = {metric: value for metric, step, value, _ in stored_run.rows if step == EPOCHS}
        assert bits.mean() == last["test/accuracy"]
        predicted = np.load(folder / "test_predicted.npy")
        assert predicted.dtype == np.uint8 and np.array_equal(predicted == labels, bits)
        config = json.loads((folder / "config.json").read_bytes())
        assert config["seed"] == int(stored_run.tags["seed"]) and config["device"] == "cpu"
        with np.load(folder / "weights.npz") as weights:
            assert sum(weights[name].size for name in weights) == int(
                stored_run.tags["n_parameters"]
            )
            assert {weights[name].dtype for name in weights} == {np.dtype("float32")}


def test_the_plan_and_its_claims_were_stored_before_the_first_run_began(main_job):
    (parent,) = stored(Root(main_job.root).database, "sweep")
    plan_file = Root(main_job.root).artifacts / parent.id / "artifacts" / "sweep.json"
    plan = json.loads(plan_file.read_bytes())
    assert plan == plan_of(main_job.root)
    assert parent.tags["claims_sha256"] == plan["claims_sha256"]
    assert parent.tags["sweep_key"] == plan["sweep_key"]
    assert "dropout_slows_learning" in plan["claims"] and len(plan["runs"]) == 8
    first = min(stored_run.started for stored_run in stored(Root(main_job.root).database))
    assert parent.started <= first
    # The store is opened beside the first run: what it has of the claims is what was written first.
    written = Root(main_job.root).sweep(plan["sweep_key"]).plan
    assert plan_file.read_bytes() == written.read_bytes()
    assert written.stat().st_mtime_ns // 1_000_000 == parent.started


def test_the_table_shows_the_means_of_the_last_epoch(main_job):
    expected = []
    for channels in (1, 3):
        for dropout in ("true", "false"):
            keys = [
                run["run_key"]
                for run in plan_of(main_job.root)["runs"]
                if run["knobs"] == {"model.channels": channels, "model.dropout": dropout == "true"}
            ]
            last = [lines(main_job.root, "epoch")[key][-1]["metrics"] for key in keys]
            row = {"channels": str(channels), "dropout": dropout, "n": "2"}
            for heading, name in (
                ("test", "test"),
                ("train", "train"),
                ("masked test", "test_masked"),
            ):
                values = [100 * metrics[f"{name}/accuracy"] for metrics in last]
                mean, sd = statistics.fmean(values), statistics.stdev(values)
                row[f"{heading} acc %"] = f"{mean:.2f} \N{PLUS-MINUS SIGN} {sd:.2f}"
            expected.append(row)
    shown = cells_table(main_job.out)
    assert [{name: row[name] for name in expected[0]} for row in shown] == expected


def test_what_is_printed_around_a_sweep_says_what_where_and_what_next(main_job):
    head = r"channels x dropout \([0-9a-f]{8}\): 4 cells x 2 seeds = 8 runs\n"
    assert re.match(head, main_job.out)
    for text in (
        "0 of 8 already trained",
        "data digits (",
        "device cpu",
        "2 workers",
        str(main_job.root),
    ):
        assert text in main_job.out
    assert "8 of 8 runs trained and stored" in main_job.out
    assert main_job.err == ""


def test_each_finished_run_is_one_plain_line_where_there_is_no_terminal(main_job):
    run_lines = [line for line in main_job.out.splitlines() if line.startswith("[")]
    assert [line.partition("/")[0] for line in run_lines] == [f"[{n}" for n in range(1, 9)]
    assert len({line.partition("]")[2].partition(":")[0] for line in run_lines}) == 8
    assert "\x1b" not in main_job.out


def in_a_terminal(root, *words):
    """What a command shows on a terminal, without control sequences."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    process = start(root, *words, stdout=there, env=environment(TERM="xterm"))
    os.close(there)
    shown = b""
    with contextlib.suppress(OSError):  # what a terminal that nobody has open any more raises
        while read := os.read(here, 65536):
            shown += read
    os.close(here)
    end(process, 0)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_a_terminal_shows_live_what_runs_how_far_it_is_and_how_long_it_will_take(root):
    # engine=stock: the fast engine ends an epoch before the display is drawn again.
    words = (
        "data=mnist5k",
        "model.channels=2,4",
        "model.hidden_size=16",
        "train.epochs=3",
        "seed=0",
        "engine=stock",
    )
    shown = in_a_terminal(root, "-m", *words, "runner.workers=2")
    heads = re.findall(
        r"runs (\d) of 2 +\S+ +epochs (\d) of 6 +left ([\d.]+) s\s+"
        r"(\d) running(?:, ([\d,]+) images/s)?",
        shown,
    )
    assert heads and {n for *_, n, _ in heads} >= {"2"}, "both workers are seen, and the time left"
    done = [int(n) for _, n, *_ in heads]
    assert done == sorted(done) and len(set(done)) > 2, "epochs are counted while they are trained"
    assert max(int(rate.replace(",", "")) for *_, rate in heads if rate) > 100
    assert re.search(r"channels=4 seed=0 +\S+ +epoch 2/3, test \d+\.\d\d % +left [\d.]+ s", shown)
    assert "2 of 2 runs trained and stored" in shown and "[1/2]" not in shown


def test_metrics_that_say_how_long_something_took_are_positive(main_job):
    for epochs in lines(main_job.root, "epoch").values():
        assert all(line["metrics"][name] > 0 for line in epochs for name in TIMES)
