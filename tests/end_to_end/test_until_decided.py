"""Seeds that come until the claims are decided, by real processes: killed, typed again, gone on."""

import json
import os
import signal
import subprocess
import sys

import pytest
from commands import (
    end,
    environment,
    journal_files,
    lines,
    plan_of,
    results,
    start,
    until,
)

pytest_plugins = "roots"
pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

#: The learning rate makes a difference that five seeds show; the seventeenth unit does not.
SWEEP = """# @package _global_
hydra:
  sweeper:
    params: {optimizer.lr: "0.00001,0.01", model.hidden_size: "16,17", seed: "0,1,2,3,4"}
claims:
  rate:
    {says: A larger rate learns more, knob: optimizer.lr, levels: [0.01, 0.00001],
     at: {model.hidden_size: 16}, metric: final(test/accuracy), direction: greater, margin: 0.01}
  unit:
    {says: A seventeenth unit helps, knob: model.hidden_size, levels: [17, 16],
     at: {optimizer.lr: 0.01}, metric: final(test/accuracy), direction: either, margin: 0.0001}
"""
WORDS = ("-m", "sweeps=two_claims", "data=digits", "model=mlp", "train.epochs=8",
         "sweep.seeds=until_decided", "sweep.max_seeds=10",
         "runner.workers=2")  # fmt: skip


#: Two trainings and the analysis between them take their time where other work has the cores.
LONGEST_S = 280


def typed(root, *words, code=0):
    return end(start(root, *words), code, timeout=LONGEST_S)


@pytest.fixture
def two_claims(tmp_path, new_root):
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "two_claims.yaml").write_text(SWEEP)
    return new_root


def claims_of(root):
    """claims.csv of the report, and what is said on the terminal."""
    line = [sys.executable, "-m", "analysis", "--root", str(root), "--out", str(root / "report")]
    said = subprocess.run(line, env=environment(), cwd=root.parent, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return (root / "report" / "claims.csv").read_text(), said.stdout


def seeds_by_cell(root):
    cells = {}
    for planned in plan_of(root)["runs"]:
        name = planned["knobs"]["optimizer.lr"], planned["knobs"]["model.hidden_size"]
        cells.setdefault(name, []).append(planned["config"]["seed"])
    return cells


def n_ended(root):
    return sum(map(len, lines(root, "end").values())) if journal_files(root) else 0


def test_a_sweep_that_is_killed_in_its_second_look_goes_on_in_it_and_ends_alike(two_claims):
    whole, killed = two_claims("whole"), two_claims("killed")
    out = typed(whole, *WORDS).out
    assert "look 1 of 2: 5 seeds: 1 of 2 claims open" in out
    assert "YES: A larger rate learns more" in out and "2 cells go on to 10 seeds: 10 runs" in out
    assert "no further look: sweep.max_seeds=10; sweep.max_seeds=20 goes on" in out
    assert [of["decided"] for of in plan_of(whole)["looks"]] == [{"rate": "SUPPORTED"}, {}]
    # Only the cells of the claim that was open have ten seeds.
    assert {cell: len(seeds) for cell, seeds in seeds_by_cell(whole).items()} == {
        (0.00001, 16): 5, (0.00001, 17): 5, (0.01, 16): 10, (0.01, 17): 10,
    }  # fmt: skip

    process = start(killed, *WORDS)
    until(lambda: n_ended(killed) >= 22, LONGEST_S)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = plan_of(killed)
    assert len(before["looks"]) == 2 and before["looks"][1]["decided"] is None
    again = typed(killed, *WORDS).out
    assert "look 2 of 2: 10 seeds; 1 of 2 claims open" in again
    first, second = plan_of(whole), plan_of(killed)
    assert first["sweep_key"] == second["sweep_key"] == before["sweep_key"]
    keys = [[planned["run_key"] for planned in plan["runs"]] for plan in (first, second)]
    assert (first["looks"], keys[0]) == (second["looks"], keys[1])
    assert results(whole) == results(killed)
    (frame, said), (frame_again, _) = claims_of(whole), claims_of(killed)
    assert frame == frame_again
    assert "[decided at look 1 of 2, 5 seeds]" in " ".join(said.split())
    assert "[open after look 2 of 2, 10 seeds]" in " ".join(said.split())

    # A larger limit goes on in the same sweep; what was decided stays as it was.
    larger = [word.replace("max_seeds=10", "max_seeds=20") for word in WORDS]
    more = typed(killed, *larger).out
    assert "look 2 of 3: 10 seeds; 1 of 2 claims open" in more
    assert "2 cells go on to 20 seeds: 20 runs more" in more
    assert plan_of(killed)["sweep_key"] == first["sweep_key"]
    row = frame.splitlines()[1]
    assert row.startswith("rate,") and row in claims_of(killed)[0]


def test_a_new_store_is_told_the_looks_and_gives_the_same_verdicts(two_claims):
    root = two_claims()
    typed(root, *WORDS)
    frame, _ = claims_of(root)
    other = two_claims("other", state=root)
    line = [sys.executable, "-m", "runner.sync", "--root", str(other)]
    subprocess.run(line, check=True, env=environment(), cwd=root.parent, timeout=LONGEST_S)
    assert claims_of(other)[0] == frame
    (told,) = (other / "mlartifacts").glob("**/sweep.json")
    assert json.loads(told.read_text()) == plan_of(root)


def test_a_look_that_cannot_be_decided_says_why_and_the_same_command_goes_on(two_claims):
    root = two_claims()
    broken = root.parent / "broken" / "scipy"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no scipy here')")
    process = start(root, *WORDS, env=environment(PYTHONPATH=str(broken.parent)))
    out, err = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 1 and "Traceback" not in err
    why = "ended (exit code 1: ImportError: no scipy here)"
    assert f"look 1 could not be decided: {why}; all that is trained" in err
    assert "[20/20]" in out and plan_of(root)["looks"][0]["decided"] is None
    assert "20 of 20 already trained" in typed(root, *WORDS).out


def test_the_looks_and_their_cost_are_told_before_anything_is_trained(two_claims):
    root = two_claims()
    words = [word for word in WORDS if "max_seeds" not in word]
    out = typed(root, *words, "plan=true").out
    assert "looks at 5, 10, 20, 40 seeds, until its claims are decided: at most 160 runs" in out
    assert "with all looks" in out and not (root / "state").exists()
    refused = typed(root, "data=digits", "sweep.seeds=until_decided", code=2).err
    assert "sweep.seeds=until_decided is about a sweep and needs -m; type:" in refused
    stopped = typed(root, *words, "sweep.max_minutes=0.0001").out
    assert "no further look: it takes about" in stopped and "sweep.max_minutes=0.0001" in stopped
    assert len(plan_of(root)["looks"]) == 1 and len(plan_of(root)["runs"]) == 20
