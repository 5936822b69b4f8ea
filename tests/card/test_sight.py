"""Without a card nothing is asked and nothing said; a card without CuPy is told of."""

import subprocess
import sys

import pytest

from runner.card import ask, choose, sight
from runner.errors import DeviceError


@pytest.fixture
def no_card(monkeypatch, tmp_path):
    monkeypatch.setattr(sight, "_DRIVERS", (str(tmp_path / "no-driver"),))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


@pytest.fixture
def nvidia_smi(no_card):
    """Call with what the driver's command prints, and its exit code."""

    def write(text, code=0):
        file = no_card / "nvidia-smi"
        file.write_text(f"#!/bin/sh\necho '{text}'\nexit {code}\n")
        file.chmod(0o755)

    return write


@pytest.fixture
def nothing_is_started(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)


def test_without_a_card_no_process_is_started_and_nothing_said(no_card, nothing_is_started):
    for device in ("auto", "cpu"):
        assert choose.without_asking(device) == choose.Choice("cpu")
    with pytest.raises(DeviceError, match="^device=gpu: CuPy finds no usable GPU here; install it"):
        choose.without_asking("gpu")


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_cards_that_this_process_may_not_see_are_none(
    hidden, nvidia_smi, monkeypatch, nothing_is_started
):
    nvidia_smi("NVIDIA H100, 580.10")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert choose.without_asking("auto") == choose.Choice("cpu")


def test_of_another_machine_nothing_is_asked(nvidia_smi, nothing_is_started):
    nvidia_smi("NVIDIA H100, 580.10")
    choices = [choose.without_asking(of, is_here=False).device for of in ("auto", "cpu", "gpu")]
    assert choices == ["cpu", "cpu", "gpu"]


@pytest.mark.parametrize(("driver", "extra"), [("575.51.03", "cuda12"), ("580.65", "cuda13")])
def test_a_card_without_cupy_is_told_of_with_what_to_install(
    driver, extra, nvidia_smi, monkeypatch
):
    monkeypatch.setattr(sight, "has_cupy", lambda: False)
    nvidia_smi(f"NVIDIA H100 80GB HBM3, {driver}")
    told = "NVIDIA H100 80GB HBM3 is here, and CuPy, by which it could be used, is not:"
    install = f"pip install '.[{extra}]'"
    assert choose.without_asking("auto").told == [f"card: {told} {install}"]
    with pytest.raises(DeviceError) as refused:
        choose.without_asking("gpu")
    assert str(refused.value) == f"device=gpu: {told} {install}"


@pytest.mark.parametrize("printed", [("No devices were found", 6), ("Failed, badly", 9), ("", 0)])
def test_a_driver_that_finds_no_card_is_as_none(printed, nvidia_smi, monkeypatch):
    monkeypatch.setattr(sight, "has_cupy", lambda: False)
    nvidia_smi(*printed)
    assert choose.without_asking("auto") == choose.Choice("cpu")


def test_a_cupy_that_cannot_be_used_is_named_and_the_cpu_used(monkeypatch, own_module):
    own_module("raise OSError('libnvrtc.so.12: cannot open')", "cupy")
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(DeviceError, match="^looking for cards, the process ended .*libnvrtc.so.12"):
        ask.cards()
