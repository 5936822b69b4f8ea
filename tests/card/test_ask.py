"""The fast engine on the CPU proves itself against DeZero, in a process whose answers are kept."""

import json
import subprocess
import sys

import pytest
from card_networks import network_of
from commands import environment

from runner.card import ask, judge
from runner.engine import cpu
from runner.system import apart


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    import numba

    from runner.engine.cpu import jit  # noqa: F401  # says where compiled kernels are kept

    monkeypatch.setenv("NUMBA_CACHE_DIR", numba.config.CACHE_DIR)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.long
def test_an_answer_is_kept_until_it_is_damaged_or_asked_anew(digits, tmp_path, monkeypatch):
    network, runs = network_of("mlp", digits), []
    run = apart.ask

    def counted(*of):
        runs.append(of)
        return run(*of)

    monkeypatch.setattr(apart, "ask", counted)
    (answer,) = ask.answers(None, [network])
    assert (answer.engine, answer.refused) == ("fast", {}) and answer.speeds.core > 0
    assert ask.answers(None, [network, network]) == [answer, answer] and len(runs) == 1
    (file,) = (tmp_path / "ablation-runner/cards").iterdir()
    values = json.loads(file.read_bytes())
    values["answer"]["refused"] = {"x": "y"}
    file.write_text(json.dumps(values))
    assert ask.answers(None, [network])[0].refused == {} and len(runs) == 2


@pytest.mark.long
@pytest.mark.parametrize(("name", "kernel", "array"), [("mlp", "momentum", 0), ("cnn", "adam", 2)])
def test_a_wrong_kernel_of_the_cpu_is_found(name, kernel, array, digits, monkeypatch):
    network, shipped = network_of(name, digits), getattr(cpu, kernel)
    assert judge.on_cpu(network, lambda stage: None).engine == "fast"

    def wrong(*arguments, **named):
        shipped(*arguments, **named)
        arguments[array][...] *= 1.001

    monkeypatch.setattr(cpu, kernel, wrong)
    answer = judge.on_cpu(network, lambda stage: None)
    assert answer.engine is None and answer.refused["engine=fast"].startswith("step ")


def test_make_test_holds_the_fast_engine_against_dezero(tmp_path):
    words = ("data=digits", "model.channels=2", "model.hidden_size=12", "train.batch_size=25")
    line = [sys.executable, "-m", "runner.card", "--cpu", *words]
    ended = subprocess.run(
        line, capture_output=True, text=True, env=environment(), cwd=tmp_path, timeout=200
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "\n  agrees      engine=fast\n" in ended.stdout
    assert ended.stdout.endswith("all computes right\n") and str(tmp_path) not in ended.stdout
