"""The command line as real processes: refusals, help, and folders and locales of any kind."""

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from hypothesis import strategies as st
from omegaconf import OmegaConf
from typed import SMOKE, assert_one_line, options, quoted, run_in

from runner import app
from runner.data.catalogue import CATALOGUE
from runner.plan import grid

# Real processes


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["model.chanels=3"], ["did you mean model.channels?"]),
        (["-m", "model.channels=1,0"], ["model.channels=0", "from 1 to 4096"]),
        (["optimizer.lr=nan"], ["optimizer.lr=nan", "at most 100"]),
        (["sweeps=smoke"], ["python -m runner -m sweeps=smoke"]),
        (["train.batch_size=5000"], ["train.batch_size=5000", "1442"]),
        (["-m", "train.batch_size=5000"], ["train.batch_size=5000", "1442"]),
        (["+model._target_=os.system"], ["model._target_"]),
        (["seed=-1"], ["seed=-1"]),
        (["--nonsense"], ["--nonsense"]),
    ],
    ids=str,
)
def test_a_refusal_by_the_real_command(arguments, expected, tmp_path):
    code, out, err = run_in(tmp_path, *options(tmp_path / "out", arguments))
    assert (code, out, list(tmp_path.iterdir())) == (2, "", [])
    assert_one_line(err, *expected)


@pytest.mark.parametrize("arguments", [["seed=-1"], ["-m", "seed=-1"]], ids=str)
def test_a_traceback_is_there_for_who_asks(arguments, tmp_path):
    code, _, err = run_in(tmp_path, *arguments, HYDRA_FULL_ERROR="1")
    assert (
        code != 0
        and "Traceback (most recent call last)" in err
        and "runner.errors.ConfigError: seed=-1" in err
    )


HEAVY = ("dezero", "mlflow", "pandas", "matplotlib", "sklearn", "cupy", "rich")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["-h"],
        ["--cfg", "job"],
        ["--cfg", "hydra", "seed=3"],
        ["--cfg", "job", "-m", "sweeps=smoke"],
    ],
    ids=str,
)
def test_looking_at_the_configuration_imports_nothing_heavy(arguments, tmp_path):
    started = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "runner", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in started.stderr.splitlines()
    }
    assert started.returncode == 0 and {"runner", "argparse", "re"} & imported
    assert not imported & set(HEAVY)
    assert list(tmp_path.iterdir()) == []


def test_the_help_is_the_same_from_anywhere_and_names_the_main_command(tmp_path):
    code, out, err = run_in(tmp_path, "--help")
    assert (code, err) == (0, "")
    assert "python -m runner -m model.channels=1,30 model.dropout=true,false" in out
    assert run_in("/", "--help")[1] == out


def test_the_configuration_of_a_sweep_is_shown_with_what_is_swept(tmp_path):
    words = ["-m", "sweeps=smoke", "model.channels=2,3", "model.blocks=[[8]],null", "seed=7"]
    code, out, err = run_in(tmp_path, "--cfg", "job", *words, "train.epochs=9")
    assert (code, err) == (0, "")
    shown, swept = out.split("# @package hydra.sweeper.params\n")
    assert OmegaConf.create(swept) == {
        "model.dropout": "true,false",
        "seed": "7",
        "model.channels": "2,3",
        "model.blocks": "[[8]],null",
        "train.epochs": "9",
    }
    job = OmegaConf.create(shown)
    assert (job.train.epochs, job.seed, job.model.hidden_size) == (9, 7, 32)
    assert "dropout_slows_learning" in job.claims
    code, out, _ = run_in(tmp_path, "-c", "all", "-m", "model.channels=2,3", "--package", "model")
    assert (code, OmegaConf.create(out).hidden_size) == (0, 100)
    assert "sweeps/nosuch" in run_in(tmp_path, "--cfg", "job", "-m", "sweeps=nosuch")[2]


def test_a_file_that_stands_in_for_a_package_of_the_program_is_told(tmp_path):
    (tmp_path / "analysis.py").touch()
    code, out, err = run_in(tmp_path, "--cfg", "job")
    assert code == 0 and out
    assert_one_line(err, f"{tmp_path / 'analysis.py'}: python -m analysis starts it", "ablation-")
    (tmp_path / "runner.py").touch()
    # As a console script is started: without the folder on the path.
    code, _, err = run_in(tmp_path, "seed=1", PYTHONSAFEPATH="1")
    assert code == 2
    assert_one_line(err, f"{tmp_path / 'runner.py'}: workers would take it", "rename it")


# Trained: the folder, and the key


@hypothesis.settings(max_examples=500)
@hypothesis.given(
    text=st.text("\\'\"${}a =", min_size=1, max_size=8)
    | st.text(st.characters(exclude_categories="C"), min_size=1)
)
def test_a_quoted_text_comes_through_hydra_and_omegaconf_as_it_was(text):
    value = OverridesParser.create().parse_override(f"worker.plan={quoted(text)}").value()
    assert OmegaConf.create({"plan": value}).plan == text


@pytest.fixture(scope="module")
def smoke_key():
    """The run key that SMOKE must have, made in this process."""
    with initialize_config_dir(str(app.FOLDER / "conf"), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        primary = loader.load_configuration("config", SMOKE[1:], RunMode.MULTIRUN)
        cells = grid.compose(loader, primary, dict(primary.hydra.sweeper.params), SMOKE[1:])
    made, _ = grid.plan(
        cells,
        lambda of: ("digits", CATALOGUE["digits"].sha256),
        "cpu",
        [],
    )
    (run,) = made.runs
    return run.run_key


def assert_trained(root, run_key):
    runs = {
        path.name for path in (root / "state").iterdir() if re.fullmatch("[0-9a-f]{64}", path.name)
    }
    assert runs == {run_key}
    with sqlite3.connect(f"{root.as_uri()}/mlflow.db?mode=ro", uri=True) as store:
        complete = store.execute(
            "select count(*) from tags where key='run_key' and value=?", [run_key]
        ).fetchone()
    store.close()
    assert complete == (1,)


@pytest.mark.parametrize(
    ("name", "launcher"),
    [
        pytest.param("with space", "basic", marks=pytest.mark.long),
        ("a=b#c%20d&e?f;g:h,i", "basic"),
        ("q'u\"o`t{e}[s](x)", "basic"),
        pytest.param("$HOME ${seed} $$", "basic", marks=pytest.mark.long),
        pytest.param("back\\slash\\\\", "basic", marks=pytest.mark.long),
        pytest.param("größe 日本 עברית", "basic", marks=pytest.mark.long),
        ("a b=%20#'\"$H ${x}\\é?", "cores"),
        pytest.param("a b=%20#'\"$H ${x}\\é?", "submitit_local", marks=pytest.mark.long),
    ],
)
def test_a_sweep_trains_into_exactly_the_folder_it_was_given(name, launcher, tmp_path, smoke_key):
    root = tmp_path / name
    arguments = [
        *SMOKE,
        f"hydra/launcher={launcher}",
        f"runner.root={quoted(root)}",
        "runner.workers=2",
    ]
    code, out, err = run_in(tmp_path, *arguments)
    assert (code, err) == (0, ""), out + err
    assert list(tmp_path.iterdir()) == [root]
    assert_trained(root, smoke_key)


@pytest.mark.long
def test_a_locale_that_knows_no_umlauts_gives_the_same_key_or_a_refusal(tmp_path, smoke_key):
    c = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    arguments = [*SMOKE, "hydra/launcher=basic"]
    code, out, err = run_in(tmp_path, *arguments, f"runner.root={tmp_path / 'plain'}", **c)
    assert code == 0, out + err
    assert_trained(tmp_path / "plain", smoke_key)
    code, out, err = run_in(tmp_path, *arguments, f"runner.root={tmp_path / 'größe'}", **c)
    if code == 2:
        assert_one_line(err, "runner.root=")
        assert [path.name for path in tmp_path.iterdir()] == ["plain"]
    else:
        assert code == 0, out + err
        assert_trained(tmp_path / "größe", smoke_key)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["-m", "sweeps=smoke"],
            [
                "): 2 cells x 2 seeds = 4 runs",
                "model.dropout: true, false",
                "  what the claims can come to:\n    Dropout slows learning\n      2 cells, 2",
            ],
        ),
        (
            ["-m", "seed=0,0,1", "model.dropout=true"],
            ["1 cell x 2 seeds = 2 runs", "1 duplicate removed"],
        ),
        (["train.epochs=3", "seed=7"], ["seed=7", "3 epochs"]),
    ],
    ids=str,
)
def test_plan_tells_runs_time_and_place_and_writes_nothing(arguments, expected, tmp_path):
    code, out, err = run_in(tmp_path, *options(tmp_path / "out", arguments), "plan=true")
    assert (code, err, list(tmp_path.iterdir())) == (0, "", [])
    for text in (
        *expected,
        "about ",
        f"root {tmp_path / 'out'}".replace("root ", ""),
        "digits",
        "mlflow.db",
    ):
        assert text in out
    assert Path(out.partition("MLflow")[2].strip(": ").splitlines()[0]).parent == tmp_path / "out"


def test_a_config_dir_that_holds_a_whole_machine_or_a_pipe_is_refused_at_once(tmp_path):
    code, _, err = run_in(tmp_path, "--config-dir=/", "data=digits")
    assert code == 2
    assert_one_line(err, "/: holds more than 10000 files; --config-dir is a folder of YAML files")
    os.mkfifo(tmp_path / "pipe.yaml")
    code, _, err = run_in(tmp_path, f"--config-dir={tmp_path}", "data=digits")
    assert code == 2
    assert_one_line(err, "pipe.yaml: not a file")
