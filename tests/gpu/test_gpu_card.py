"""A card proves itself: a right one is trusted, and whatever is wrong with another one is found."""

import os
import subprocess
import sys

import pytest
from card_networks import NETWORKS, define_own, network_of
from commands import environment, run
from gpu_runs import IS_EMULATED

from runner.card import ask, choose, judge
from runner.card.answers import Way
from runner.card.trial import trial
from runner.engine.gpu.module import SOURCE

pytestmark = pytest.mark.gpu
emulated = pytest.mark.skipif(
    not IS_EMULATED, reason="faults can only be set on an emulated card (make test-card)"
)
CPU, EAGER = Way("fast", "cpu"), Way("fast", "gpu", graph=False)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", os.environ.get("NUMBA_CACHE_DIR") or _compiled())


def _compiled():
    import numba

    return numba.config.CACHE_DIR


@pytest.fixture
def fault(monkeypatch):
    """Call with a fault: the emulated card of this process, and of those it starts, has it."""

    def have(text, card=""):
        import cupy

        monkeypatch.setattr(cupy.faults, "fault", text)
        monkeypatch.setenv("EMULATED_FAULT", text)
        monkeypatch.setenv("EMULATED_FAULT_CARD", card)

    return have


def launched_by(network):
    import cupy

    cupy.faults.launched.clear()
    trial(network, EAGER)
    return sorted(cupy.faults.launched)


# =============================================================================
# What is right, and what is not
# =============================================================================
@emulated
@pytest.mark.parametrize("name", NETWORKS)
def test_an_error_of_a_thousandth_in_any_kernel_is_found(
    name, digits, fault, tmp_path, monkeypatch
):
    define_own(tmp_path, monkeypatch)
    network = network_of(name, digits)
    agreed = judge.reference(network, CPU)
    kernels = launched_by(network)
    assert agreed.difference(trial(network, EAGER, by_step=True)) is None
    # One image channel and ten classes: all layers of this one have kernels of their own.
    products = [] if name == "linear" else ["product"]
    for kernel in [*kernels, *products]:
        fault(f"wrong:{kernel}")
        assert agreed.difference(trial(network, EAGER, by_step=True)), kernel
        fault("")


@emulated
def test_these_networks_use_all_kernels(digits, tmp_path, monkeypatch):
    import build

    define_own(tmp_path, monkeypatch)
    used = {kernel for name in NETWORKS for kernel in launched_by(network_of(name, digits))}
    assert used == set(build.kernels(SOURCE.read_text()))


@pytest.mark.parametrize("name", ["cnn", "deep", "mlp"])
def test_no_right_card_is_refused_in_fifty_seeds(name, digits):
    for seed in range(50):
        network = network_of(name, digits, seed=seed)
        found = trial(network, EAGER, by_step=True)
        assert judge.reference(network, CPU).difference(found) is None, seed


def test_a_right_card_agrees_with_graphs_and_without(digits):
    stages = []
    answer = judge.on_card(network_of("mlp", digits, n_runs=5), stages.append)
    assert (answer.engine, answer.graph, answer.refused) == ("fast", True, {})
    assert stages[-1] == "measuring speeds" and answer.speeds.core > 0
    assert set(answer.speeds.side_by_side) == {"1", "4"} and answer.speeds.run_bytes > 0


@pytest.mark.parametrize("knobs", [{"engine.graph": False}, {"engine": "stock"}], ids=str)
def test_a_plan_without_graphs_or_the_engine_is_tried_without(knobs, digits):
    answer = judge.on_card(network_of("mlp", digits, **knobs), lambda stage: None)
    engine = knobs.get("engine", "fast")
    assert (answer.engine, answer.refused) == (engine, {})
    assert answer.graph == (engine == "stock")


@pytest.mark.parametrize("optimizer", ["dezero.optimizers.AdaGrad"])
def test_an_optimizer_that_no_card_captures_is_no_fault_of_this_one(optimizer, digits):
    network = network_of("mlp", digits, optimizer=optimizer)
    assert not network.ships and trial(network, Way("fast", "gpu")).fallbacks
    answer = judge.on_card(network, lambda stage: None)
    assert (answer.engine, answer.graph, answer.refused) == ("fast", True, {})


# =============================================================================
# Faults that another process meets
# =============================================================================
FAULTS = [
    ("wrong:momentum", "engine=fast, engine.graph=false", "step 4, loss: ", ("stock", True)),
    (
        "restless:narrow_linear",
        "engine=fast, engine.graph=false",
        "a second time, ",
        ("stock", True),
    ),
    ("no_capture", "engine=fast", "no CUDA graph: cudaErrorStreamCapture", ("fast", False)),
    ("graphs:momentum", "engine=fast", "with CUDA graphs, ", ("fast", False)),
    ("memory", "its memory", "the card says that its free memory is ", (None, True)),
    ("lost", "engine=fast, engine.graph=false", "CUDARuntimeError: cudaErrorIlleg", (None, True)),
    ("crash", "the process", "it ended (signal SIGABRT", (None, True)),
    ("hang", "the process", "it was not through after 20 s while training with", (None, True)),
]


@emulated
@pytest.mark.parametrize(("text", "way", "told", "expected"), FAULTS, ids=lambda f: str(f)[:20])
def test_each_fault_is_found_and_named(text, way, told, expected, digits, fault):
    fault(text)
    (card,) = ask.cards()
    limits = dict(limit_s=20.0, network_s=0.0) if text == "hang" else {}
    network = network_of("mlp", digits)
    (answer,) = ask.answers(card, [network], **limits)
    assert answer.refused[way].startswith(told)
    assert (answer.engine, answer.graph) == expected
    # It is kept, whatever it is.
    fault("")
    assert ask.answers(card, [network]) == [answer]
    if text == "lost":
        (answer,) = ask.answers(card, [network], anew=True)
        assert (answer.engine, answer.refused) == ("fast", {})


@emulated
def test_memory_that_others_hold_is_no_answer_for_good(digits, monkeypatch):
    (card,) = ask.cards()
    network = network_of("mlp", digits)
    short = {"0": "its memory", "60000000": "its memory", "90000000": "engine=fast"}
    for n_bytes, way in short.items():
        monkeypatch.setenv("EMULATED_BYTES", n_bytes)
        monkeypatch.setenv("EMULATED_GRAPH_BYTES", "60000000")
        (answer,) = ask.answers(card, [network])
        assert answer.passing and list(answer.refused) == [way]
        assert answer.refused[way].startswith("out of memory (")
    monkeypatch.delenv("EMULATED_BYTES")
    monkeypatch.delenv("EMULATED_GRAPH_BYTES")
    (answer,) = ask.answers(card, [network])
    assert answer.engine == "fast" and not answer.refused


@emulated
def test_of_two_cards_the_wrong_one_is_left_out(digits, fault, monkeypatch):
    monkeypatch.setenv("EMULATED_GPUS", "2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    network = network_of("mlp", digits)
    fault("crash", card="0")
    choice = choose.choose("gpu", network.config, [network], n_workers=1)
    assert (choice.device, choice.n_cards, os.environ["CUDA_VISIBLE_DEVICES"]) == ("gpu", 1, "1")
    assert "card: emulated card, number 0, is left out: it does not compute" in choice.told[1]


# =============================================================================
# From the command line
# =============================================================================
SMALL = ("data=digits", "model=mlp", "model.hidden_size=12", "train.batch_size=100")


@emulated
def test_a_wrong_card_is_not_used_refused_or_used_if_one_insists(tmp_path):
    wrong = environment(EMULATED_FAULT="memory")
    root, short = tmp_path / "root", (*SMALL, "train.epochs=1")
    ended = run(root, *short, "device=gpu", code=2, env=wrong)
    told = "emulated card does not compute what the CPU computes: mlp hidden_size=12 fc_depth=1"
    assert ended.err.startswith(f"runner: device=gpu: {told}")
    assert "python -m runner.card checks again, runner.check_card=false trains there" in ended.err
    (report,) = (tmp_path / "cache/ablation-runner/cards").glob("report-*.txt")
    assert f"report: {report}" in ended.err and not root.exists()
    assert "its memory: the card says that its free memory is" in report.read_text()

    ended = run(root, *short, env=wrong)
    assert f"  card: {told}" in ended.out and "; the CPU is used; " in ended.out
    assert "device cpu" in ended.out

    ended = run(root, *short, "device=gpu", "runner.check_card=false", env=wrong)
    assert "card: used unchecked, as runner.check_card=false asks" in ended.out
    assert "device gpu" in ended.out


@emulated
def test_by_hand_the_check_prints_a_report_and_says_how_it_came_out(tmp_path):
    line = [sys.executable, "-m", "runner.card", *SMALL]
    for fault, code, last in (("", 0, "all computes right"), ("crash", 1, "something differs: ")):
        env = environment(EMULATED_FAULT=fault)
        ended = subprocess.run(line, capture_output=True, text=True, env=env, cwd=tmp_path)
        assert ended.returncode == code, ended.stderr
        assert ended.stdout.startswith("card        emulated card, 1024 GiB\n")
        assert ended.stdout.splitlines()[-1].startswith(last)
        assert str(tmp_path) not in ended.stdout


@emulated
def test_the_process_of_the_command_never_imports_cupy(digits, tmp_path):
    code = (
        "import sys; from configs import configured; from runner.prepare import prepare;"
        "from runner.plan import grid;"
        "config = configured({'model': 'mlp', 'model.hidden_size': 12, 'device': 'gpu',"
        " 'train.epochs': 1, 'runner.root': sys.argv[1]});"
        "prepared = prepare(grid.of_one(config, []), ['x']);"
        "assert prepared.plan.runs[0].device == 'gpu', prepared;"
        "assert 'cupy' not in sys.modules"
    )
    path = os.pathsep.join([os.environ["PYTHONPATH"], *sys.path])
    env = environment(PYTHONPATH=path)
    line = [sys.executable, "-c", code, str(tmp_path / "root")]
    ended = subprocess.run(line, capture_output=True, text=True, env=env)
    assert ended.returncode == 0, ended.stderr
