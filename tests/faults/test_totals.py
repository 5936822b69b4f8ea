"""A sweep's exit code and totals agree with its journals and the store; nothing trains here."""

import contextlib
import io
import re
import signal
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from commands import cells_table
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from hypothesis import example, given, settings
from hypothesis import strategies as st
from journaling import append
from mlflow.store.entities import PagedList

from runner import app, orchestrator
from runner.data.catalogue import CATALOGUE
from runner.display import summary
from runner.display.table import print_table
from runner.plan import grid
from runner.plan import plan as plans
from runner.prepare import Prepared
from runner.record import METRICS
from runner.state.journals import Journals
from runner.state.records import End, Epoch, Setup, Start
from runner.state.root import Root
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.work import launcher, processes, stop

WORDS = ["data=digits", "model.dropout=true,false", "seed=0,1,2", "progress=false"]
N_RUNS = 6
#: How a run may have ended; None for one that no worker began.
ENDS = ("done", "diverged", "failed", "killed", None)


@pytest.fixture(scope="module")
def cells():
    with initialize_config_dir(str(app.FOLDER / "conf"), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        primary = loader.load_configuration("config", WORDS, RunMode.MULTIRUN)
        return grid.compose(loader, primary, dict(primary.hydra.sweeper.params), WORDS)


class Client:
    """MLflow's client as the tracker uses it, on a dictionary; it refuses some runs."""

    def __init__(self):
        self.runs, self.refused = {}, set()

    def search_runs(self, _, query, max_results=1000, page_token=None):
        name, value = re.fullmatch("tags.`?(.*?)`? (?:=|LIKE) '(.*)'", query).groups()
        tags = {id: run.data.tags.get(name) for id, run in self.runs.items()}
        ids = [id for id, tag in tags.items() if tag == value or (tag and value == "%")]
        return PagedList([self.runs[id] for id in ids], token=None)

    def create_run(self, _, tags, run_name, start_time=None):
        if run_name in self.refused:
            raise ConnectionError("not this one")
        info = SimpleNamespace(
            run_id=str(len(self.runs)), status="RUNNING", start_time=1, end_time=None,
            artifact_uri="",
        )  # fmt: skip
        data = SimpleNamespace(tags=dict(tags), params={})
        run = SimpleNamespace(info=info, data=data, inputs=None)
        self.runs[info.run_id] = run
        return run

    def get_run(self, run_id):
        return self.runs[run_id]

    def log_batch(self, run_id, metrics=(), params=(), tags=()):
        self.runs[run_id].data.tags.update({tag.key: tag.value for tag in tags})

    def set_tag(self, run_id, name, value):
        self.runs[run_id].data.tags[name] = value

    def set_terminated(self, run_id, status, end_time=None):
        info = self.runs[run_id].info
        info.status, info.end_time = status, end_time

    def update_run(self, run_id, status):
        self.runs[run_id].info.status = status

    def log_artifact(self, *_):
        pass

    def log_inputs(self, *_):
        pass

    def get_experiment(self, _):
        return SimpleNamespace(tags={})

    def set_experiment_tag(self, *_):
        pass


def journal(run, root, launch, end):
    """What a worker would have written."""
    data = {"name": run.data_name, "sha256": run.data_sha256}
    append(
        root.run(run.run_key).attempt("first"),
        Start(run.run_key, run.cell_key, run.knobs, {}, data, "cpu", 1, launch),
        Setup(),
        Epoch(1, dict.fromkeys(METRICS, 0.5)),
        End(end, None if end == "done" else f"made up: {end}"),
    )


def swept(cells, ends, refused, interrupted):
    """A sweep whose runs end so, according to their journals; they have no files."""
    client = Client()
    with tempfile.TemporaryDirectory() as folder:
        root = Root(Path(folder))
        plan, _ = grid.plan(
            cells, lambda of: ("digits", CATALOGUE["digits"].sha256), "cpu", ["the command"]
        )
        client.refused = {plan.runs[place].name for place in refused}

        def workers(path, launch, n_workers):
            for run, end in zip(plan.runs, ends, strict=True):
                if end:
                    root.run(run.run_key).path.mkdir()
                    journal(run, root, launch, end)
            if interrupted:
                signal.raise_signal(interrupted)
            else:  # by runner.fail_fast
                root.sweep(plan.sweep_key).stop_file(launch).touch()
            return []

        def tracker_of(prepared):
            tracker = MlflowTracker(client, "1", root)
            plans.write(plan, root)
            tracker.open_sweep(plan)
            return lambda: tracker

        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.object(orchestrator, "tracker_of", tracker_of),
            # No process is started, so that none has to be guarded or waited for.
            mock.patch.object(launcher, "guarded", contextlib.nullcontext),
            mock.patch.object(processes, "_LOOK_S", 0.001),
            mock.patch.object(stop, "_POLL_S", 0.0),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            root.state.mkdir()
            journals = Journals(root, [run.run_key for run in plan.runs])
            prepared = Prepared(
                cells.cells[0].config, root, plan, 0, journals, None, 2, plan.runs, {}, None
            )
            code = summary.conclude(
                prepared, orchestrator.train(prepared, launcher.Local(workers), {})
            )
    parent, *runs = sorted(client.runs.values(), key=lambda run: run.data.tags["kind"] != "sweep")
    return SimpleNamespace(
        code=code, out=out.getvalue(), err=err.getvalue(), parent=parent, runs=runs
    )


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.sampled_from(ENDS), min_size=N_RUNS, max_size=N_RUNS),
    st.sets(st.integers(0, N_RUNS - 1)),
    st.sampled_from([None, signal.SIGINT, signal.SIGTERM]),
)
@example(["done"] * 5 + ["failed"], {0, 1}, None)
@example(["done"] * 6, set(), None)
@example(["done"] * 6, {3}, None)
def test_exit_code_and_totals_are_those_of_the_journals_and_of_the_store(
    cells, ends, refused, interrupted
):
    if interrupted is None and "failed" not in ends:
        ends = ["done" if end in ("killed", None) else end for end in ends]
    ended, n = swept(cells, ends, refused, interrupted), Counter(ends)
    n_trained = n["done"] + n["diverged"]
    n_complete = sum(run.data.tags.get("complete") == "1" for run in ended.runs)
    n_behind = n_trained - n_complete

    code = 128 + interrupted if interrupted else 1 if n["failed"] else 4 if n_behind else 0
    assert ended.code == code
    assert (code == 0) <= (n_complete == N_RUNS)
    states = {"done": "FINISHED", "diverged": "FAILED", "failed": "FAILED", "killed": "KILLED"}
    for run in ended.runs:
        assert run.info.status == states[run.data.tags["status"]]
        assert (run.data.tags.get("complete") == "1") == (
            run.data.tags["status"] in ("done", "diverged")
        )
    assert Counter(run.data.tags["status"] for run in ended.runs) <= n
    if not refused:
        assert Counter(run.data.tags["status"] for run in ended.runs) == n - Counter({None: N_RUNS})
        assert ended.parent.info.status == (
            "KILLED" if interrupted else "FAILED" if n["failed"] else "FINISHED"
        )

    rows = cells_table(ended.out)
    for column, state in (("n", "done"), ("failed", "failed"), ("diverged", "diverged")):
        # A column of those only where there are any.
        assert sum(int(row.get(column, "0")) for row in rows) == n[state]
    assert ended.err.count("runner: failed: ") == n["failed"]
    which = (
        f"{n_behind} runs are" if n_behind > 1 else "1 run is" if n_behind else "how it ended is"
    )
    is_behind = any(ends[place] for place in refused)
    assert (
        is_behind
        == (f"runner: {which} kept in " in ended.err)
        == ("not in MLflow yet" in ended.err)
    )
    if interrupted:
        assert f"interrupted; {n_trained} of {N_RUNS} runs are trained" in ended.err
    elif n["failed"]:
        assert f"{n['failed']} of {N_RUNS} runs failed" in ended.err
        assert (n_trained + n["failed"] < N_RUNS) == (
            f"stopped the sweep; {n_trained} are" in ended.err
        )
    assert (f"{n_trained} of {N_RUNS} runs trained and stored" in ended.out) == (code == 0)
    assert ("are stored" in ended.err) <= (n_behind == 0)


def test_a_value_that_a_terminal_or_rich_would_obey_is_text_in_what_a_sweep_prints(
    cells, tmp_path, capsys
):
    made, _ = grid.plan(cells, lambda of: ("digits", CATALOGUE["digits"].sha256), "cpu", [])
    knob, value = "model.name", "\x1b[31m[/b] [red]:smile:"
    plan = replace(
        made, swept={knob: [value]}, runs=[replace(run, knobs={knob: value}) for run in made.runs]
    )
    journals = Journals(Root(tmp_path), [run.run_key for run in plan.runs])
    config, sources = cells.cells[0].config, SimpleNamespace(entry=lambda run: CATALOGUE["digits"])
    summary.announce(
        Prepared(config, journals.root, plan, 0, journals, sources, 1, plan.runs, {}, None)
    )
    print_table(plan, journals)
    said = capsys.readouterr().out
    # Once as it is announced, once above the table: all cells have it.
    assert said.count("?[31m[/b] [red]:smile:") == 2 and "\x1b" not in said
    assert plan.runs[0].name == "name=?[31m[/b] [red]:smile: seed=0"
