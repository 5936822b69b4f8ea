"""What is done, and said, for each answer of the cards."""

import os
import re
from dataclasses import replace

import pytest
from card_networks import network_of

from runner.card import ask
from runner.card.answers import ON_CPU, Answer, Card, Speeds
from runner.card.choose import Choice, choose
from runner.card.report import report
from runner.errors import DeviceError

FAST, SLOW = Speeds(1000.0, {"1": 5000.0, "4": 9000.0}, 34 << 20), Speeds(1000.0, {"1": 900.0})
CARD = Card(0, "NVIDIA H100", "0" * 31 + "1", 80 << 30, {"CuPy": "14.2.0", "driver": "575.51"})
RIGHT = Answer("mlp", 10, "fast", speeds=FAST)
PLAIN = "engine=fast, engine.graph=false"
WHY = {PLAIN: "step 1, gradient of out/W: off by 1.0e-03 of the largest (1e-05 allowed)"}
WRONG = Answer("mlp", 10, refused=WHY)
NO_GRAPHS = replace(RIGHT, graph=False, refused={"engine=fast": "no CUDA graph: not permitted"})
STOCK = replace(RIGHT, engine="stock", refused=WHY)


@pytest.fixture
def decided(digits, tmp_path, monkeypatch):
    """Call with the answers of each card; what is chosen for eight runs on two cores."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")

    def decide(*of_cards, device="auto", **knobs):
        cards = [replace(CARD, number=i, identity=str(i) * 8) for i in range(len(of_cards))]
        monkeypatch.setattr(ask, "cards", lambda: cards)
        monkeypatch.setattr(ask, "unknown", lambda card, networks: networks[1:])
        monkeypatch.setattr(ask, "answers", lambda card, networks: of_cards[card.number])
        network = network_of("mlp", digits, n_runs=8, **knobs)
        networks = [replace(network, key=str(i)) for i in range(max(map(len, of_cards), default=1))]
        return choose(device, network.config, networks, n_workers=2)

    return decide


HERE = "card: NVIDIA H100 computes what the CPU computes"
SPEEDS = "9,000 images/s there, 2,000 on 2 cores"


def test_a_card_that_agrees_and_is_faster_is_used(decided):
    assert decided([RIGHT]) == Choice("gpu", [f"{HERE}; {SPEEDS}: the card is used"], n_cards=1)


def test_a_card_whose_memory_others_hold_is_not_said_to_be_wrong(decided):
    full = Answer("mlp", 10, refused={"its memory": "out of memory (1 MiB free)"}, passing=True)
    told = "NVIDIA H100 cannot be tried: mlp (its memory: out of memory (1 MiB free)); report: "
    assert decided([full]).told[0].startswith(f"card: {told}")
    with pytest.raises(DeviceError, match=re.escape(f"device=gpu: {told}")):
        decided([full], device="gpu")


def test_what_takes_some_seconds_is_told_before(decided, capsys):
    decided([RIGHT])
    assert capsys.readouterr().out == ""
    decided([RIGHT, RIGHT, RIGHT])
    told = "card: trying NVIDIA H100 with 2 networks, once on this machine\n"
    assert capsys.readouterr().out == told


def test_a_card_that_agrees_and_is_slower_is_used_only_if_asked(decided):
    slow, speeds = replace(RIGHT, speeds=SLOW), "900 images/s there, 2,000 on 2 cores"
    assert decided([slow]) == Choice("cpu", [f"{HERE}; {speeds}: the CPU is used"])
    asked = [f"{HERE}; {speeds}: the card is used, as asked"]
    assert decided([slow], device="gpu") == Choice("gpu", asked, n_cards=1)


def test_a_card_without_right_graphs_is_used_without(decided, tmp_path, digits):
    choice = decided([NO_GRAPHS])
    (told,) = choice.told
    alone = f"{HERE} with engine.graph=false alone: mlp (engine=fast: no CUDA graph: not permitted)"
    place = tmp_path / "ablation-runner/cards/report-00000000.txt"
    assert told == f"{alone}; report: {place}; {SPEEDS}: the card is used"
    config = network_of("mlp", digits).config
    assert choice.of(config).engine == replace(config.engine, graph=False)
    assert "agrees      engine=fast, engine.graph=false\n" in place.read_text()


def test_a_card_on_which_the_stock_engine_alone_is_right_is_used_with_it(decided, digits):
    choice = decided([STOCK])
    assert choice.told[0].startswith(f"{HERE} with engine=stock alone: mlp ({PLAIN}: step 1, grad")
    config = network_of("mlp", digits).config
    assert choice.of(config).engine == replace(config.engine, name="stock")


@pytest.mark.parametrize(
    "answers",
    [
        [WRONG],
        [WRONG, RIGHT],
        [RIGHT, STOCK],
        [replace(WRONG, refused={"the process": "it ended"})],
    ],
    ids=["wrong", "one of two networks", "no engine for both", "ended"],
)
def test_a_card_that_does_not_agree_is_refused_with_what_to_type(answers, decided):
    choice = decided(answers)
    assert (choice.device, choice.n_cards) == ("cpu", 0)
    (told,) = choice.told
    assert told.startswith("card: NVIDIA H100 does not compute what the CPU computes: mlp (")
    assert told.endswith(".txt; the CPU is used; python -m runner.card checks again")
    with pytest.raises(DeviceError, match="^device=gpu: NVIDIA H100 does not compute") as refused:
        decided(answers, device="gpu")
    insist = "python -m runner.card checks again, runner.check_card=false trains there all the same"
    assert str(refused.value).endswith(insist)


def test_a_wrong_card_among_several_is_left_out_for_the_workers_too(decided):
    choice = decided([WRONG], [RIGHT])
    assert (choice.device, choice.n_cards, os.environ["CUDA_VISIBLE_DEVICES"]) == ("gpu", 1, "5")
    assert choice.told[0] == f"{HERE}; {SPEEDS}: the card is used"
    assert choice.told[1].startswith("card: NVIDIA H100, number 0, is left out: it does not")


def test_right_cards_share_the_runs(decided):
    (told,) = decided([RIGHT], [RIGHT]).told
    assert "2 cards (NVIDIA H100)" in told and "; 18,000 images/s there, 2,000 on 2" in told
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,5"


def test_who_insists_gets_any_card_unasked(decided):
    told = ["card: used unchecked, as runner.check_card=false asks"]
    choice = decided([WRONG], **{"runner.check_card": False})
    assert choice == Choice("gpu", told, n_cards=1)


def test_what_the_cpu_cannot_train_is_no_fault_of_the_card(decided):
    broken = replace(WRONG, refused={ON_CPU: "ModelError: no gradient"}, passing=True)
    assert decided([broken], device="gpu").device == "gpu"
    assert decided([broken]).device == "cpu"


def test_a_report_holds_nothing_private(tmp_path):
    why = f"ModelError: {tmp_path}/mine.py:3: no gradient of ~/study/me/x.npy"
    text = report(CARD, [replace(WRONG, refused={PLAIN: why}), RIGHT], 3)
    assert "mine.py:3: no gradient of x.npy" in text and str(tmp_path) not in text
    assert CARD.identity not in text and "1 more networks were not tried" in text
    for line in ("card        NVIDIA H100, 80 GiB", "  memory      34 MiB a run"):
        assert line in text.splitlines()
    assert "  speed       4 runs on the card: 9,000 images/s, 900.0 steps/s" in text
