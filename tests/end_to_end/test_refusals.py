"""A mistake in a command is told in one line before anything is written (in this process)."""

import os
import re
import shlex
import socket
import sys
import time

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from typed import assert_one_line, options

from runner import __main__ as command
from runner.engine import device
from runner.system import streams
from runner.work import stop


def everything_in(folder):
    return {(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}


@pytest.fixture
def refused(tmp_path, monkeypatch, capfd):
    """Call with arguments and texts that the one line must hold; nothing may be written."""
    monkeypatch.chdir(tmp_path)
    # The streams and handlers of this process are pytest's: test_streams.py starts real commands.
    monkeypatch.setattr(streams, "outlast_readers", lambda: None)
    monkeypatch.setattr(stop, "end_at_once_when_asked", lambda: None)

    def refuse(arguments, *expected, code=2):
        before = everything_in(tmp_path)
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        monkeypatch.setattr(sys, "argv", ["runner", *options(tmp_path / "out", arguments)])
        with pytest.raises(SystemExit) as left:
            command.main()
        out, err = capfd.readouterr()
        assert (left.value.code, everything_in(tmp_path)) == (code, before)
        assert_one_line(err, *expected)
        return out, err

    yield refuse
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None


def test_metrics_are_not_typed(refused):
    for word in ("metrics={test/f1:os.system}", "+metrics.test_f1=os.system", "metrics=null"):
        refused([word], "metrics", "in a file of sweeps/ or conf/, not on the command line")


#: What is typed, and texts of the one line: the key, what came, what is allowed.
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
    ("model.blocks=[1,2]", "model.blocks=[1, 2]", "null, or 1 to 8 blocks"),
    ("model.blocks=[[1.5]]", "model.blocks", "1.5", "null, or 1 to 8 blocks"),
    (
        "model.blocks=[[1],[1],[1],[1]]",
        "model.blocks=[[1], [1], [1], [1]]",
        "8x8",
        "at most 3 blocks",
    ),
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
    ("data=nope", "data/nope", "digits fashion_mnist mnist mnist5k spiral"),
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
    ("+model._target_=os.system", "_target_ is given in a file of conf/ and not on"),
    ("+model.channels=3", "+model.channels=3", "write model.channels=3"),
    ("model.options.a=3", "model.options", "runner.models.cnn.CNN (cnn.py, line", "has no options"),
    ("+model.width=3", "+model.width=3", "write model.width=3"),
    ("model.width=3", "model.width: runner.models.cnn.CNN", "it has channels, blocks, hidden_size"),
    ("model.kind=mlp", "model.kind", "choose a file of conf/model/: model=NAME"),
    ("data.name=digits", "data.name", "choose a file of conf/data/: data=NAME"),
    ("optimizer.name=sgd", "optimizer.name", "choose a file of conf/optimizer/: optimizer=NAME"),
    ("optimizer.momentum=0.5", "optimizer.momentum: dezero.optimizers.Adam", "has no momentum"),
    ("~model", "~model", "cannot be removed"),
    ("~model.channels", "~model.channels", "cannot be removed"),
    ("~seed=0", "~seed", "cannot be removed"),
    ("++seed=0,1", "++seed=0,1", "write seed=0,1"),
    ("++seed=1", "++seed=1", "write seed=1"),
    ("=3", "=3", "KEY=VALUE"),
    ("nonsense", "no '=' in 'nonsense'", "allowed is KEY=VALUE"),
    ("model.channels=[1", "[1"),
    ("--nonsense", "--nonsense", "--help"),
    ("--cfg=nope", "nope", "job"),
    ("worker.plan=x", "worker.plan", "not by hand"),
    ("+claims.x={says: a}", "claims.x", "sweeps/"),
    ("claims.x=1", "claims.x", "sweeps/"),
    ("hydra.run.dir=x", "hydra.run.dir=x", "only hydra/launcher"),
    ("hydra.output_subdir=x", "hydra.output_subdir=x", "only hydra/launcher"),
    ("hydra/sweeper=basic", "hydra/sweeper=basic", "only hydra/launcher"),
    ("hydra.launcher._target_=os.system", "os.system", "without _target_"),
    (
        "+hydra.callbacks.x={_target_: pathlib.Path.touch, self: evil}",
        "+hydra.callbacks.x",
        "only hydra/launcher",
    ),
    ("hydra={run: {dir: x}}", "hydra=", "only hydra/launcher"),
    ("hydra.launcher={_target_: os.system}", "hydra.launcher=", "only hydra/launcher"),
    ("hydra.launcher.a={b: {_target_: os.system}}", "without _target_"),
    ("hydra.launcher.a=[{_target_: os.system}]", "without _target_"),
    ("+hydra.launcher.a={'_target_': os.system}", "cannot be read as KEY=VALUE"),
    ("hydra.launcher.a=${oc.create:x}", "plain values"),
    ("hydra.launcher.n_jobs=3", "runner.workers"),
    ("plan", "no '=' in 'plan'", "did you mean plan=true?"),
    ("seed=1,2;3", "seed=1,2;3: cannot be read as KEY=VALUE", "goes in quotes"),
    ("seed=range(1,100000000)", "99,999,999 values", "needs about 1,000.0 GB"),
    ("seed=range(0,10000000000,2)", "5,000,000,000 values", "sweep fewer values"),
    (f"model.blocks={'[' * 400}1{']' * 400}", "nested more than 16 deep"),
    (f"model.kind={'x' * 5000}\x1b[31m", "x..."),
]


def test_what_was_typed_is_quoted_in_200_characters_at_most(refused):
    for typed in (f"model.kind={'x' * 5000}", f"{'x' * 5000}=1", f"seed={'x;' * 2000}", "x" * 999):
        out, err = refused(["-m", typed])
        assert len(err) < 500


def test_a_space_after_a_comma_is_said_to_be_one(refused):
    refused(
        ["-m", "model.channels=1,", "30"],
        "model.channels=1, 30: a space after the comma: type model.channels=1,30",
    )


@pytest.mark.parametrize("mode", [[], ["-m"]], ids=["one run", "-m"])
@pytest.mark.parametrize(
    ("typed", "expected"), [(b[0], b[1:]) for b in BAD_VALUES], ids=lambda v: str(v)[:40]
)
def test_a_bad_value_is_refused_with_what_came_and_what_is_allowed(mode, typed, expected, refused):
    refused([*mode, typed], *expected)


@pytest.mark.parametrize("mode", [[], ["-m"]], ids=["one run", "-m"])
@pytest.mark.parametrize(
    ("typed", "expected"), [(b[0], b[1:]) for b in BAD_KEYS], ids=lambda v: str(v)[:40]
)
def test_a_bad_key_is_refused_with_what_to_type(mode, typed, expected, refused):
    refused([*mode, typed], *expected)


@pytest.mark.parametrize(
    ("typed", "expected"),
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
def test_one_bad_cell_refuses_the_sweep_before_any_cell_is_trained(typed, expected, refused):
    refused(["-m", *typed], expected)


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
    _, printed = refused(
        typed,
        "needs -m",
        f"type: python -m runner -m {shlex.join(options(tmp_path / 'out', typed))}\n",
    )
    assert shlex.split(printed.partition("type: ")[2])[:4] == ["python", "-m", "runner", "-m"]


@pytest.mark.parametrize(
    ("typed", "expected"),
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
def test_a_sweep_that_cannot_be_meant_is_refused(typed, expected, refused):
    refused(["-m", *typed], *expected)


@pytest.mark.parametrize(
    "flags", [["--experimental-rerun", "x"], ["--config-dir", "nowhere"], ["--config-name", "no"]]
)
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
    refused(
        [*mode, f"runner.root={tmp_path / root}"],
        f"runner.root={tmp_path / root}",
        "is not a folder",
    )


@pytest.fixture
def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize("mode", [[], ["-m", "sweeps=smoke"]], ids=["one run", "-m"])
def test_a_server_that_is_not_there_is_noticed_in_seconds_and_its_password_kept_secret(
    mode, refused, closed_port
):
    started = time.monotonic()
    uri = f"tracking.uri=http://user:hunter2@127.0.0.1:{closed_port}"
    out, err = refused([*mode, uri], f"127.0.0.1:{closed_port}", "cannot be reached")
    assert time.monotonic() - started < 15
    assert "hunter2" not in out + err


@pytest.mark.parametrize(
    "uri", ["foo://user:hunter2@host", "http://user:hunt@er2@host/,http://user:hunter2@host2"]
)
@pytest.mark.parametrize("mode", [[], ["-m"]], ids=["one run", "-m"])
def test_a_password_is_not_repeated_in_a_refusal(mode, uri, refused):
    out, err = refused([*mode, f"tracking.uri={uri}", "sweeps=smoke,smoke"], "runner: ")
    out2, err2 = refused([*mode, f"tracking.uri='{uri.partition(',')[0]}'", "seed=-1"])
    assert not re.search("hunter2|er2", out + err + out2 + err2)


# YAML that must not be read.


def bomb():
    names = "abcdefgh"
    levels = [
        f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip(names, names[1:], strict=False)
    ]
    return "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "\n".join(levels)


@pytest.mark.parametrize(
    ("content", "expected"),
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
def test_a_sweep_file_that_does_more_than_give_values_is_refused_at_once(
    content, expected, refused, tmp_path
):
    file = tmp_path / "mine" / "sweeps" / "evil.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(content or "")
    if content is None:
        os.truncate(file, 100_000_000)
    started = time.process_time()
    refused(["-m", "--config-dir", str(tmp_path / "mine"), "sweeps=evil"], "evil.yaml", expected)
    assert time.process_time() - started < 1
