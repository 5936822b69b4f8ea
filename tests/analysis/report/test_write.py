"""The report: whole or not at all, the same bytes, text that stays text, and as a browser shows it."""

import csv
import multiprocessing
import shutil
import time

import numpy as np
import pandas as pd
import pytest
import studies

from analysis.decide.study import study
from analysis.read.runs import Sweep
from analysis.report import figures, folders
from analysis.report import write as report
from runner.errors import StoreError

BROWSER, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
HOSTILE = "=cmd|' /C calc'!A1 <script>document.title='gone'</script> \u202egnol $x_1$ | `a` " + "x" * 5000


def made_up(name="made up", seeds=range(4), claims=None, states=None):
    """A study whose numbers are known: dropout costs seed s 0.02 + 0.001 s, 30 channels bring 0.05."""
    frame = studies.frame(studies.grid(seeds, model__channels=[1, 30], model__dropout=[True, False]))
    frame["state"] = states or "done"
    frame["cause"], frame["n_epochs"], frame["artifact_uri"] = "", 3, None

    def value(run, epoch):
        noise = np.random.default_rng([run["seed"], epoch, run["model.channels"]]).normal(0, 0.001)
        dropout = (0.02 + 0.001 * run["seed"]) * run["model.dropout"]
        return 0.8 + 0.02 * epoch - dropout + 0.05 * (run["model.channels"] == 30) + noise

    claims = claims or {
        "dropout_slows": studies.claim(says="Dropout slows", metric="auc(test/accuracy)", direction="less")
    }
    sweep = Sweep(
        "k" * 64, name, "id", {}, claims, "h" * 64, 0, {}, "python -m runner", frame, studies.curves(frame, value)
    )
    return study(sweep, lambda sweep: {})


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_study_gives_the_same_bytes_and_replaces_the_report_before(tmp_path):
    first = contents(report.write(made_up(), tmp_path / "a").parent)
    second = contents(report.write(made_up(), tmp_path / "b").parent)
    assert first == second
    assert {"report.html", "report.md", "runs.csv", "epochs.parquet", "figures/forest.svg"} <= first.keys()
    report.write(made_up(seeds=range(3)), tmp_path / "a")
    assert b"n = 3 seeds" in (tmp_path / "a" / "report.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"], "nothing is left beside them"


def test_the_numbers_of_the_page_are_those_of_the_claims_frame(tmp_path):
    found = made_up()
    folder = report.write(found, tmp_path / "out").parent
    page, frame = (folder / "report.html").read_text(), pd.read_parquet(folder / "claims.parquet")
    interval = found.decisions[0].bounds.interval
    assert frame.loc[0, ["estimate", "low", "high"]].tolist() == [interval.estimate, interval.low, interval.high]
    # The mean of 0.020, 0.021, 0.022 and 0.023, at both numbers of channels; the noise is the same in both arms.
    assert "\N{MINUS SIGN}2.15 points" in page and frame.loc[0, "estimate"] == pytest.approx(-0.0215, abs=1e-12)
    epochs = pd.read_csv(folder / "epochs.csv")
    assert epochs["test/accuracy"].to_numpy() == pytest.approx(found.sweep.epochs["test/accuracy"].to_numpy())


def test_what_goes_wrong_leaves_the_report_before_as_it_was(tmp_path, monkeypatch):
    folder = report.write(made_up(), tmp_path / "out").parent
    before = contents(folder)

    def full(frame):
        raise OSError("no space left")

    monkeypatch.setattr(report, "_plain", full)
    with pytest.raises(OSError, match="no space left"):
        report.write(made_up(seeds=range(2)), folder)
    assert contents(folder) == before and list(tmp_path.iterdir()) == [folder]


def test_a_report_that_is_killed_at_any_moment_leaves_the_old_one_or_the_new_one(tmp_path):
    old, new = made_up(seeds=[0]), made_up(seeds=[0, 1], states="failed")
    folder = tmp_path / "out"
    begun = time.monotonic()
    first = contents(report.write(old, folder).parent)
    took = time.monotonic() - begun
    second = contents(report.write(new, tmp_path / "other").parent)
    shutil.rmtree(tmp_path / "other")
    forked, seen = multiprocessing.get_context("fork"), []
    for place in range(10):
        process = forked.Process(target=report.write, args=(new if place % 2 else old, folder))
        process.start()
        process.join(took * (place + 1) / 8)
        process.kill()
        process.join()
        seen.append(process.exitcode)
        assert contents(folder) in (first, second)
    assert -9 in seen, "none was killed while it wrote"
    report.write(new, folder)
    assert contents(folder) == second
    assert list(tmp_path.iterdir()) == [folder], "what the killed ones left is gone"


def test_two_processes_that_write_one_report_do_not_disturb_each_other(tmp_path):
    with folders.replaced(tmp_path / "out") as one, folders.replaced(tmp_path / "out") as other:
        (one / "page").write_text("one")
        (other / "page").write_text("other")
    assert contents(tmp_path) == {"out/page": b"one"}, "the one that ends last"


def test_a_system_that_cannot_exchange_two_names_renames_them_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_SWAPS", {})
    for text in ("old", "new"):
        with folders.replaced(tmp_path / "out") as beside:
            (beside / "page").write_text(text)
    assert contents(tmp_path) == {"out/page": b"new"}


def test_a_folder_that_is_no_report_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="there is something that is no report; give another folder by --out"):
        report.write(made_up(), tmp_path)
    assert contents(tmp_path) == {"thesis.txt": b"mine"}


def test_hostile_names_stay_text_in_page_markdown_and_csv(tmp_path):
    claims = {HOSTILE: studies.claim(says=HOSTILE)}
    folder = report.write(made_up(HOSTILE, claims=claims), tmp_path / "out").parent
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    assert "<script" not in markdown.replace("\\<script", "")
    with (folder / "claims.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["says"] == "'" + HOSTILE
    assert pd.read_parquet(folder / "claims.parquet").loc[0, "says"] == HOSTILE


@pytest.mark.parametrize("state", ["failed", "diverged", "missing", "running"])
def test_only_runs_that_are_not_done_make_a_report_that_says_so(state, tmp_path):
    page = report.write(made_up(states=state), tmp_path / "out").read_text()
    assert f"0 of 16 runs done (16 {state})" in page and "NOT TESTABLE" in page
    assert "channels=1 dropout=true seed=3" in page


def test_one_seed_and_no_claim_make_a_report(tmp_path):
    assert "one seed (0) says nothing about the next" in report.write(made_up(seeds=[0]), tmp_path / "one").read_text()
    whole = made_up()
    bare = study(Sweep(**(vars(whole.sweep) | {"claims": {}})), lambda sweep: {})
    assert "No claim was declared" in report.write(bare, tmp_path / "none").read_text()


def test_the_published_curve_is_drawn_beside_ours_in_test_mode_and_with_the_masks_on(tmp_path):
    frame = studies.frame(studies.grid(range(3), model__dropout=[True, False]))
    frame["cell"] = ["preset=conv1" if dropout else "preset=book_mlp" for dropout in frame["model.dropout"]]
    frame["cause"], frame["n_epochs"], frame["artifact_uri"] = "", 3, None

    def value(run, epoch):
        accuracy = 0.95 + 0.01 * epoch + 0.001 * run["seed"]
        masked = accuracy - 0.1 * run["model.dropout"]
        return {"test/accuracy": accuracy, "test_masked/accuracy": masked, "train_eval/accuracy": 0.9, "train/loss": 1}

    sweep = Sweep("k" * 64, "published", "id", {}, {}, "h" * 64, 0, {}, "", frame, studies.curves(frame, value))
    curves = pd.DataFrame({"experiment": ["conv1_fc1000x2_dropout"] * 3 + ["book_mlp_1000x2"] * 3,
                           "epoch": [1, 2, 3] * 2, "test_accuracy": [0.8, 0.85, 0.87] * 2})  # fmt: skip
    found = study(sweep, lambda sweep: {})
    conv1, book = figures.published(found, curves).axes
    drawn = {line.get_label(): line.get_ydata() for line in conv1.get_lines()}
    assert list(drawn) == ["preset=conv1 in test mode (n = 3)", "preset=conv1 masks on (n = 3)",
                           "published: conv1_fc1000x2_dropout"]  # fmt: skip
    assert drawn["preset=conv1 masks on (n = 3)"] == pytest.approx([0.861, 0.871, 0.881])
    assert drawn["published: conv1_fc1000x2_dropout"] == pytest.approx([0.8, 0.85, 0.87])
    assert [line.get_label() for line in book.get_lines()] == ["preset=book_mlp (n = 3)", "published: book_mlp_1000x2"]
    assert conv1.get_ylim()[1] <= 1
    page = report.write(found, tmp_path / "out", curves).read_text()
    assert "published test accuracy" in page and "No claim was declared" in page


def test_knobs_that_moved_together_and_every_contrast_are_on_the_page(tmp_path):
    whole = report.write(made_up(), tmp_path / "whole").read_text()
    assert "can be told from that of the others" in whole and "cannot be told" not in whole
    assert "channels=30 minus channels=1" in whole and "None of these is a verdict" in whole
    contrasts = pd.read_csv(tmp_path / "whole" / "contrasts.csv")
    row = contrasts[(contrasts["contrast"] == "channels=30 minus channels=1") & (contrasts["kind"] == "main effect")]
    assert row["estimate"].to_numpy() == pytest.approx([0.05, 0.05], abs=0.002)
    moved = studies.frame([{"model.channels": c, "optimizer.lr": lr, "seed": s} for s in range(2)
                           for c, lr in ((1, 0.1), (30, 0.2))])  # fmt: skip
    moved["cause"], moved["n_epochs"], moved["artifact_uri"] = "", 3, None
    sweep = Sweep("k" * 64, "moved", "id", {}, {}, "h" * 64, 0, {}, "", moved, studies.curves(moved, lambda *_: 0.5))
    page = report.write(study(sweep, lambda sweep: {}), tmp_path / "moved").read_text()
    assert page.count("cannot be told from that of the others: they moved together") == 2


@pytest.fixture(scope="module")
def browser():
    if not (BROWSER and DRIVER):
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["made up", HOSTILE])
def test_a_browser_shows_the_report_and_asks_nobody(width, name, browser, tmp_path):
    found = made_up(name)
    page = report.write(found, tmp_path / "out")
    browser.get_log("performance")
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())
    assert browser.get_log("browser") == []
    sent = [
        line["message"] for line in browser.get_log("performance") if 'Network.requestWillBeSent"' in line["message"]
    ]
    assert sent and all(page.as_uri() in one or '"url":"data:' in one for one in sent)
    shown = browser.find_element("tag name", "body").text
    assert found.decisions[0].verdict in shown and "points" in shown and "n = 4 seeds" in shown
    sizes = browser.execute_script("return [...document.images].map(i => [i.naturalWidth, i.clientWidth])")
    assert len(sizes) == len(list((page.parent / "figures").glob("*.svg"))) == 8
    assert all(natural > 0 and 0 < client <= width for natural, client in sizes)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert "gone" != browser.title
