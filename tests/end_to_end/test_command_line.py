"""The command line: what is wrong is said in one line before anything is written; what is right runs anywhere.

Most refusals are tested in this process, for speed; a dozen, and all that depends on a fresh process, as real ones.
"""

import os
import re
import shlex
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import hypothesis
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from hypothesis import strategies as st
from omegaconf import OmegaConf

from hydra_plugins import plan_sweeper
from runner import __main__ as command
from runner import app
from runner.data import loading as data
from runner.engine import device
from runner.plan import grid

SMOKE = ["-m", "sweeps=smoke", "train.epochs=1", "seed=0", "model.dropout=true", "progress=false"]


def everything_in(folder):
    return {(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}


def quoted(path):
    return plan_sweeper._quoted(str(path))


def run_in(folder, *arguments, **environment):
    """The real command in `folder`; arguments are given as typed."""
    started = subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        cwd=folder,
        env={**os.environ, "HYDRA_FULL_ERROR": "0", **environment},
        capture_output=True,
        timeout=120,
    )
    return started.returncode, started.stdout.decode("utf-8", "replace"), started.stderr.decode("utf-8", "replace")


def assert_one_line(stderr, *told):
    assert stderr.startswith("runner: ") and stderr.count("\n") == 1 and stderr.endswith("\n"), stderr
    assert "Traceback" not in stderr
    assert len(stderr) < 600
    for text in told:
        assert text in stderr, f"{text!r} is not in {stderr!r}"


def options(root, arguments):
    given = {argument.partition("=")[0] for argument in arguments}
    more = {"runner.root": quoted(root), "data": "digits"}
    return [*arguments, *(f"{key}={value}" for key, value in more.items() if key not in given)]


@pytest.fixture
def refused(tmp_path, monkeypatch, capfd):
    """Call with arguments, and texts that the one line must hold; nothing may have been written."""
    monkeypatch.chdir(tmp_path)

    def refuse(arguments, *told, code=2):
        before = everything_in(tmp_path)
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        monkeypatch.setattr(sys, "argv", ["runner", *options(tmp_path / "out", arguments)])
        with pytest.raises(SystemExit) as left:
            command.main()
        out, err = capfd.readouterr()
        assert (left.value.code, everything_in(tmp_path)) == (code, before)
        assert_one_line(err, *told)
        return out, err

    yield refuse
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None


#: What is typed, and what the one line must hold: the key, what came, what is allowed.
BAD_VALUES = [
    ("seed=1.0", "seed", "1.0", "an integer from 0 to 2^63 - 1"),
    ("seed=-1", "seed=-1", "an integer from 0 to 2^63 - 1"),
    (f"seed={2**64}", str(2**64), "an integer from 0 to 2^63 - 1"),
    ("seed=null", "seed", "an integer from 0 to 2^63 - 1"),
    ("seed=", "seed", "an integer from 0 to 2^63 - 1"),
    ("optimizer.lr=nan", "optimizer.lr=nan", "above 0, at most 100"),
    ("optimizer.lr=inf", "optimizer.lr=inf", "above 0, at most 100"),
    ("optimizer.lr=0", "optimizer.lr=0", "above 0, at most 100"),
    ("optimizer.lr=-1", "optimizer.lr=-1", "above 0, at most 100"),
    ("optimizer.lr=1e6", "optimizer.lr=1000000", "above 0, at most 100"),
    ("optimizer.lr=null", "optimizer.lr", "above 0, at most 100"),
    ("optimizer.weight_decay=inf", "optimizer.weight_decay=inf", "from 0 to 1"),
    ("model.channels=0", "model.channels=0", "from 1 to 4096"),
    ("model.channels=-1", "model.channels=-1", "from 1 to 4096"),
    ("model.channels=1000000000", "model.channels=1000000000", "from 1 to 4096"),
    ("model.channels=many", "model.channels", "many", "from 1 to 4096"),
    ("model.channels=${nope}", "model.channels", "nope", "from 1 to 4096"),
    ("model.hidden_size=0", "model.hidden_size=0", "from 1 to 65536"),
    ("model.dropout=2", "model.dropout=2", "true or false"),
    ("model.dropout=yes", "model.dropout=yes", "true or false"),
    ("model.dropout='true'", "model.dropout=true", "true or false"),
    ("model.dropout_ratio=-0.5", "model.dropout_ratio=-0.5", "from 0 to below 1"),
    ("model.dropout_ratio=1.0", "model.dropout_ratio=1.0", "from 0 to below 1"),
    ("model.dropout_ratio=1.5", "model.dropout_ratio=1.5", "from 0 to below 1"),
    ("model.blocks=3", "model.blocks", "null, or 1 to 8 blocks"),
    ("model.blocks=[1,2]", "model.blocks=[1,2]", "null, or 1 to 8 blocks"),
    ("model.blocks=[[1.5]]", "model.blocks", "1.5", "null, or 1 to 8 blocks"),
    ("model.blocks=[[1],[1],[1],[1]]", "model.blocks=[[1], [1], [1], [1]]", "8x8", "at most 3 blocks"),
    ("train.batch_size=0", "train.batch_size=0", "from 1 to the number of training images"),
    ("train.batch_size=-1", "train.batch_size=-1", "from 1 to the number of training images"),
    ("train.batch_size=1443", "train.batch_size=1443", "from 1 to 1442"),
    ("train.epochs=0", "train.epochs=0", "from 1 to 10000"),
    ("train.epochs=-3", "train.epochs=-3", "from 1 to 10000"),
    ("train.epochs=null", "train.epochs", "from 1 to 10000"),
    ("model={channels: 0}", "model.channels=0", "from 1 to 4096"),
    ("runner.workers=0", "runner.workers=0", "from 1 to 1024, or -1"),
    ("device=tpu", "device=tpu", "auto, cpu, gpu"),
    ("engine.name=quick", "engine.name=quick", "one of"),
    ("model=nope", "model/nope", "cnn mlp"),
    ("data=nope", "data/nope", "digits fashion_mnist mnist mnist5k"),
    ("preset=nope", "preset/nope", "book_mlp conv1 conv30"),
    ("model=null", "model=null", "conf/model/"),
    ("model=3", "model=3", "conf/model/"),
    ("preset=null", "preset=null", "conf/preset/"),
    ("tracking.experiment=", "tracking.experiment=", "1 to 500"),
    (f"tracking.experiment={'x' * 5000}", "tracking.experiment=xxx", "1 to 500"),
    ("tracking.uri=ftp://x", "tracking.uri=ftp://x", "http(s)://HOST:PORT"),
    ("hydra/launcher=nope", "hydra/launcher/nope", "basic cores joblib"),
]
BAD_KEYS = [
    ("model.chanels=3", "model.chanels", "did you mean model.channels?"),
    ("model={chanels: 3}", "model.chanels", "did you mean model.channels?"),
    ("epochs=3", "epochs", "did you mean train.epochs?"),
    ("+x=1", "x: there is no such knob"),
    ("++x=1", "x: there is no such knob"),
    ("+model._target_=os.system", "model._target_: there is no such knob"),
    ("+model.channels=3", "+model.channels=3", "write model.channels=3"),
    ("model.options.a=3", "model.options.a", "+model.options.a="),
    ("~model", "~model", "cannot be removed"),
    ("~model.channels", "~model.channels", "cannot be removed"),
    ("~seed=0", "~seed", "cannot be removed"),
    ("++seed=0,1", "++seed=0,1", "write seed=0,1"),
    ("++seed=1", "++seed=1", "write seed=1"),
    ("=3", "=3", "KEY=VALUE"),
    ("nonsense", "nonsense", "missing EQUAL"),
    ("model.channels=[1", "[1"),
    ("--nonsense", "--nonsense", "--help"),
    ("--cfg=nope", "nope", "job"),
    ("worker.plan=x", "worker.plan", "not by hand"),
    ("+claims.x={says: a}", "claims.x", "sweeps/"),
    ("claims.x=1", "claims.x", "sweeps/"),
    ("hydra.run.dir=x", "hydra.run.dir=x", "only hydra/launcher"),
    ("hydra.output_subdir=x", "hydra.output_subdir=x", "only hydra/launcher"),
    ("hydra/sweeper=basic", "hydra/sweeper=basic", "only hydra/launcher"),
    ("hydra.launcher._target_=os.system", "os.system", "only hydra/launcher"),
    ("+hydra.callbacks.x={_target_: pathlib.Path.touch, self: evil}", "+hydra.callbacks.x", "only hydra/launcher"),
    ("hydra={run: {dir: x}}", "hydra=", "only hydra/launcher"),
]


@pytest.mark.parametrize("mode", [[], ["-m"]], ids=["one run", "-m"])
@pytest.mark.parametrize(("typed", "told"), [(b[0], b[1:]) for b in BAD_VALUES], ids=lambda v: str(v)[:40])
def test_a_bad_value_is_refused_with_what_came_and_what_is_allowed(mode, typed, told, refused):
    refused([*mode, typed], *told)


@pytest.mark.parametrize("mode", [[], ["-m"]], ids=["one run", "-m"])
@pytest.mark.parametrize(("typed", "told"), [(b[0], b[1:]) for b in BAD_KEYS], ids=lambda v: str(v)[:40])
def test_a_bad_key_is_refused_with_what_to_type(mode, typed, told, refused):
    refused([*mode, typed], *told)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["optimizer.lr=0.1,nan"], "optimizer.lr=nan"),
        (["model.channels=1,30,0"], "model.channels=0"),
        (["model.blocks=null,[[1],[1],[1],[1]]"], "at most 3 blocks"),
        (["train.batch_size=100,5000"], "train.batch_size=5000"),
        (["seed=0,1,-1"], "seed=-1"),
        (["sweeps=smoke", "model.channels=1,0"], "model.channels=0"),
        (["model=cnn,nope"], "model/nope"),
    ],
    ids=str,
)
def test_one_bad_cell_refuses_the_sweep_before_any_cell_is_trained(typed, told, refused):
    refused(["-m", *typed], told)


@pytest.mark.parametrize(
    "typed",
    [
        ["sweeps=smoke"],
        ["sweeps=published", "train.epochs=1"],
        ["model.channels=1,30"],
        ["model.channels=1,30", "model.dropout=true,false"],
        ["seed=range(0,3)"],
        ["model.blocks=[[1]],[[2]]", "tracking.experiment='two words'"],
    ],
    ids=str,
)
def test_a_sweep_without_m_is_answered_with_the_exact_command(typed, refused, tmp_path):
    _, told = refused(typed, "needs -m", f"type: python -m runner -m {shlex.join(options(tmp_path / 'out', typed))}\n")
    assert shlex.split(told.partition("type: ")[2])[:4] == ["python", "-m", "runner", "-m"]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["sweeps=smoke,published"], ["sweeps=smoke,published", "one sweep at a time"]),
        (["sweeps=nope"], ["sweeps/nope", "default dropout_x_channels"]),
        (["sweeps=null"], ["sweeps=null", "sweeps/"]),
        (["sweeps=[smoke]"], ["sweeps=[smoke]", "sweeps/"]),
        (["sweeps=../conf/preset/conv1"], ["sweeps=../conf/preset/conv1", "sweeps/"]),
        (["seed=interval(0,1)"], ["seed=interval(0,1)", "range(a,b)"]),
        (["model=glob(*)"], ["model=glob(*)", "a,b,c"]),
        (["train.epochs=3", "train.epochs=5"], ["train.epochs", "given twice"]),
        (["seed=1", "+seed=2"], ["seed", "given twice"]),
    ],
    ids=str,
)
def test_a_sweep_that_cannot_be_meant_is_refused(typed, told, refused):
    refused(["-m", *typed], *told)


@pytest.mark.parametrize("flags", [["--experimental-rerun", "x"], ["--config-dir", "nowhere"], ["--config-name", "no"]])
def test_flags_of_hydra_that_lead_nowhere_are_refused_in_one_line_too(flags, refused):
    refused(flags, flags[1] if flags[0] != "--experimental-rerun" else flags[0])


@pytest.mark.skipif(device.gpu_is_available(), reason="there is a GPU")
@pytest.mark.parametrize("mode", [[], ["-m"]], ids=["one run", "-m"])
def test_a_gpu_that_is_not_there_is_refused_with_what_to_install(mode, refused):
    refused([*mode, "engine=stock", "device=gpu"], "device=gpu", "pip install '.[cuda12]'")
    refused([*mode, "device=gpu"], "device=gpu", "pip install '.[cuda12]'")


@pytest.mark.parametrize("mode", [[], ["-m"]], ids=["one run", "-m"])
@pytest.mark.parametrize("root", ["file", "file/below/it"])
def test_a_file_in_the_place_of_the_root_is_refused_and_left_alone(mode, root, refused, tmp_path):
    (tmp_path / "file").write_text("precious")
    refused([*mode, f"runner.root={tmp_path / root}"], f"runner.root={tmp_path / root}", "is not a folder")


@pytest.fixture
def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize("mode", [[], ["-m", "sweeps=smoke"]], ids=["one run", "-m"])
def test_a_server_that_is_not_there_is_noticed_in_seconds_and_its_password_kept_secret(mode, refused, closed_port):
    started = time.monotonic()
    uri = f"tracking.uri=http://user:hunter2@127.0.0.1:{closed_port}"
    out, err = refused([*mode, uri], f"127.0.0.1:{closed_port}", "cannot be reached")
    assert time.monotonic() - started < 15
    assert "hunter2" not in out + err


@pytest.mark.parametrize("uri", ["foo://user:hunter2@host", "http://user:hunt@er2@host/,http://user:hunter2@host2"])
@pytest.mark.parametrize("mode", [[], ["-m"]], ids=["one run", "-m"])
def test_a_password_is_not_repeated_in_a_refusal(mode, uri, refused):
    out, err = refused([*mode, f"tracking.uri={uri}", "sweeps=smoke,smoke"], "runner: ")
    out2, err2 = refused([*mode, f"tracking.uri='{uri.partition(',')[0]}'", "seed=-1"])
    assert not re.search("hunter2|er2", out + err + out2 + err2)


# YAML that should not be read (B15)


def bomb():
    names = "abcdefgh"
    levels = [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip(names, names[1:], strict=False)]
    return "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "\n".join(levels)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("x: !!python/object/apply:pathlib.Path.touch [evil]", "tags are not allowed"),
        ("x: !!python/name:os.system", "tags are not allowed"),
        (bomb(), "anchors"),
        ("# @package _global_\nmodel: &m {channels: 3}\n", "anchors"),
        (None, "larger than"),
        ("model: {channels: [!", "evil.yaml"),
    ],
    ids=["tag that runs", "tag", "bomb", "anchor", "100 MB", "broken"],
)
def test_a_sweep_file_that_does_more_than_give_values_is_refused_at_once(content, told, refused, tmp_path):
    file = tmp_path / "mine" / "sweeps" / "evil.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(content or "")
    if content is None:
        os.truncate(file, 100_000_000)
    started = time.process_time()
    refused(["-m", "--config-dir", str(tmp_path / "mine"), "sweeps=evil"], "evil.yaml", told)
    assert time.process_time() - started < 1


# Real processes


@pytest.mark.parametrize(
    ("arguments", "told"),
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
def test_a_refusal_by_the_real_command(arguments, told, tmp_path):
    code, out, err = run_in(tmp_path, *options(tmp_path / "out", arguments))
    assert (code, out, list(tmp_path.iterdir())) == (2, "", [])
    assert_one_line(err, *told)


@pytest.mark.parametrize("arguments", [["seed=-1"], ["-m", "seed=-1"]], ids=str)
def test_a_traceback_is_there_for_who_asks(arguments, tmp_path):
    code, _, err = run_in(tmp_path, *arguments, HYDRA_FULL_ERROR="1")
    assert code != 0 and "Traceback (most recent call last)" in err and "runner.errors.ConfigError: seed=-1" in err


HEAVY = ("dezero", "mlflow", "pandas", "matplotlib", "sklearn", "cupy", "rich")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--cfg", "job"], ["--cfg", "hydra", "seed=3"]], ids=str)
def test_looking_at_the_configuration_imports_nothing_heavy(arguments, tmp_path):
    started = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "runner", *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in started.stderr.splitlines()}
    assert started.returncode == 0 and {"runner", "argparse", "re"} & imported
    assert not imported & set(HEAVY)
    assert list(tmp_path.iterdir()) == []


def test_the_help_is_the_same_from_anywhere_and_names_the_main_command(tmp_path):
    code, out, err = run_in(tmp_path, "--help")
    assert (code, err) == (0, "")
    assert "python -m runner -m model.channels=1,30 model.dropout=true,false" in out
    assert run_in("/", "--help")[1] == out


# Trained: the folder, and the key


@hypothesis.settings(max_examples=500)
@hypothesis.given(
    text=st.text("\\'\"${}a =", min_size=1, max_size=8) | st.text(st.characters(exclude_categories="C"), min_size=1)
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
        found = grid.compose(loader, primary, dict(primary.hydra.sweeper.params), SMOKE[1:])
    made, _ = grid.plan(found, lambda of: ("digits", data.SHA256["digits"]), device.resolve("auto", {"fast"}), [])
    (run,) = made.runs
    return run.run_key


def assert_trained(root, run_key):
    runs = {path.name for path in (root / "state").iterdir() if re.fullmatch("[0-9a-f]{64}", path.name)}
    assert runs == {run_key}
    with sqlite3.connect(f"{root.as_uri()}/mlflow.db?mode=ro", uri=True) as store:
        complete = store.execute("select count(*) from tags where key='run_key' and value=?", [run_key]).fetchone()
    store.close()
    assert complete == (1,)


@pytest.mark.parametrize(
    ("name", "launcher"),
    [
        ("with space", "basic"),
        ("a=b#c%20d&e?f;g:h,i", "basic"),
        ("q'u\"o`t{e}[s](x)", "basic"),
        ("$HOME ${seed} $$", "basic"),
        ("back\\slash\\\\", "basic"),
        ("größe 日本 עברית", "basic"),
        ("a b=%20#'\"$H ${x}\\é?", "cores"),
        pytest.param("a b=%20#'\"$H ${x}\\é?", "submitit_local", marks=pytest.mark.long),
    ],
)
def test_a_sweep_trains_into_exactly_the_folder_it_was_given(name, launcher, tmp_path, smoke_key):
    root = tmp_path / name
    arguments = [*SMOKE, f"hydra/launcher={launcher}", f"runner.root={quoted(root)}", "runner.workers=2"]
    code, out, err = run_in(tmp_path, *arguments)
    assert (code, err) == (0, ""), out + err
    assert list(tmp_path.iterdir()) == [root]
    assert_trained(root, smoke_key)


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
    ("arguments", "told"),
    [
        (["-m", "sweeps=smoke"], ["smoke: 2 cells x 2 seeds = 4 runs", "model.dropout: true, false"]),
        (["-m", "seed=0,0,1", "model.dropout=true"], ["1 cell x 2 seeds = 2 runs", "1 duplicate removed"]),
        (["train.epochs=3", "seed=7"], ["seed=7", "3 epochs"]),
    ],
    ids=str,
)
def test_plan_tells_runs_time_and_place_and_writes_nothing(arguments, told, tmp_path):
    code, out, err = run_in(tmp_path, *options(tmp_path / "out", arguments), "plan=true")
    assert (code, err, list(tmp_path.iterdir())) == (0, "", [])
    for text in (*told, "about ", f"root {tmp_path / 'out'}".replace("root ", ""), "digits", "mlflow.db"):
        assert text in out
    assert Path(out.partition("MLflow")[2].strip(": ").splitlines()[0]).parent == tmp_path / "out"
