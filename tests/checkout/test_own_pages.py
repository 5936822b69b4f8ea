"""docs/own.md, predict.md, python.md and examples/: typed to the letter, with the wheel alone."""

import json
import re
import shutil

import pytest
from pages import follow_in
from places import REPO

pytestmark = pytest.mark.long

EXAMPLES = sorted(path.name for path in (REPO / "examples").iterdir() if path.is_dir())


def plans(folder):
    paths = (folder / "state" / "sweeps").glob("*/sweep.json")
    return [json.loads(path.read_text()) for path in paths]


def verdicts(text):
    return re.findall(r"^([A-Z]+(?: [A-Z]+)*)(?: on [^:]+)?: ", text, flags=re.M)


def test_the_page_of_ones_own_is_typed_in_an_empty_folder(bare, tmp_path):
    printed = follow_in("docs/own.md", tmp_path, bare)
    *trained, analysed = printed
    assert all(re.search(r"\d+ of \d+ runs trained and stored", one.stdout) for one in trained)
    assert "own: conf/model/lenet.yaml" in trained[1].stdout
    kinds = {run["config"]["model"]["kind"] for plan in plans(tmp_path) for run in plan["runs"]}
    data = {run["config"]["data"]["name"] for plan in plans(tmp_path) for run in plan["runs"]}
    named = {run["config"]["optimizer"]["name"] for p in plans(tmp_path) for run in p["runs"]}
    assert {"LeNet", "cnn", "mlp"} <= kinds and "load" in data and "AdaGrad" in named
    assert verdicts(analysed.stdout) and "NOT TESTABLE" not in analysed.stdout
    assert "test/f1" in analysed.stdout


def test_the_page_of_predictions_is_typed_in_an_empty_folder(bare, tmp_path):
    _, predicted, exported = follow_in("docs/predict.md", tmp_path, bare)
    assert "DeZero's model: CNN" in predicted.stdout
    assert "written to digits_model" in exported.stdout and exported.stderr == ""
    # Both ways give the scores that the run was measured by.
    code = (
        "import mlflow, numpy as np; from runner import load;"
        "from runner.data import sets; x, t = sets.digits();"
        "a = load('data=digits epochs=3 channels=8 seed=0')(x[:50]);"
        "b = mlflow.pyfunc.load_model('digits_model').predict(x[:50]);"
        "print('equal' if np.array_equal(a, b) else 'differ', (a.argmax(1) == t[:50]).mean())"
    )
    word, share = bare(tmp_path, "-c", code).stdout.split()
    assert word == "equal" and float(share) > 0.5


def test_the_page_of_python_is_typed_in_an_empty_folder(bare, tmp_path):
    (asked,) = follow_in("docs/python.md", tmp_path, bare)
    assert "20 of 20 runs trained and stored" in asked.stdout
    assert "Exploratory: asked after the runs" in asked.stdout
    assert (tmp_path / "curves.png").stat().st_size > 10_000
    assert list(tmp_path.glob("reports/*/report.html"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_ends_in_verdicts(name, bare, tmp_path):
    folder = tmp_path / name
    shutil.copytree(REPO / "examples" / name, folder)
    (sweep,) = (folder / "sweeps").glob("*.yaml")
    bare(folder, "-m", "runner", "-m", f"sweeps={sweep.stem}", "progress=false")
    told = bare(folder, "-m", "analysis", "--details").stdout
    assert verdicts(told) and "NOT TESTABLE" not in told
    (plan,) = plans(folder)
    assert len(verdicts(told)) == len(plan["claims"]) >= 1
