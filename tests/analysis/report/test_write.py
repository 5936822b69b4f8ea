"""The report: whole or not at all, the same bytes, and as a browser shows it."""

import base64
import csv
import io
import multiprocessing
import re
import shutil
import time

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from studies import claim, known

from analysis.report import tables
from analysis.report.write import write
from runner.errors import StoreError

BROWSER, DRIVER = (
    shutil.which("chromium") or shutil.which("google-chrome"),
    shutil.which("chromedriver"),
)
HOSTILE = (
    "=cmd|' /C calc'!A1 <script>document.title='gone'</script> \u202egnol $x_1$ | `a` " + "x" * 5000
)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_study_gives_the_same_bytes_and_replaces_the_report_before(tmp_path):
    first = contents(write(known(), tmp_path / "a").parent)
    second = contents(write(known(), tmp_path / "b").parent)
    assert first == second
    assert {
        "report.html",
        "report.md",
        "runs.csv",
        "epochs.parquet",
        "figures/forest.svg",
    } <= first.keys()
    write(known(seeds=range(3)), tmp_path / "a")
    assert b"n = 3 seeds" in (tmp_path / "a" / "report.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"], (
        "nothing is left beside them"
    )


def test_what_goes_wrong_leaves_the_report_before_as_it_was(tmp_path, monkeypatch):
    folder = write(known(), tmp_path / "out").parent
    before = contents(folder)

    def full(frame):
        raise OSError("no space left")

    monkeypatch.setattr(tables, "_plain", full)
    with pytest.raises(OSError, match="no space left"):
        write(known(seeds=range(2)), folder)
    assert contents(folder) == before and list(tmp_path.iterdir()) == [folder]


def test_a_report_that_is_killed_at_any_moment_leaves_the_old_one_or_the_new_one(tmp_path):
    old, new = known(seeds=[0]), known(seeds=[0, 1], states="failed")
    folder = tmp_path / "out"
    begun = time.monotonic()
    first = contents(write(old, folder).parent)
    took = time.monotonic() - begun
    second = contents(write(new, tmp_path / "other").parent)
    shutil.rmtree(tmp_path / "other")
    forked, seen = multiprocessing.get_context("fork"), []
    for place in range(10):
        process = forked.Process(target=write, args=(new if place % 2 else old, folder))
        process.start()
        process.join(took * (place + 1) / 8)
        process.kill()
        process.join()
        seen.append(process.exitcode)
        # Between the two renames the old report lies under a name beside it.
        (there,) = [folder] if folder.exists() else tmp_path.glob(".out.*.old")
        assert contents(there) in (first, second)
    assert -9 in seen, "none was killed while it wrote"
    write(new, folder)
    assert contents(folder) == second
    assert list(tmp_path.iterdir()) == [folder], "what the killed ones left is gone"


def test_a_folder_that_is_no_report_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(
        StoreError, match="there is something that is no report; give another folder by --out"
    ):
        write(known(), tmp_path)
    assert contents(tmp_path) == {"thesis.txt": b"mine"}


def test_hostile_names_stay_text_in_page_markdown_and_csv(tmp_path):
    claims = {HOSTILE: claim(says=HOSTILE)}
    folder = write(known(HOSTILE, claims=claims), tmp_path / "out").parent
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
    page = write(known(states=state), tmp_path / "out").read_text()
    assert f"0 of 16 runs done (16 {state})" in page and "NOT TESTABLE" in page
    assert "channels=1 dropout=true seed=3" in page


def test_one_seed_and_no_claim_make_a_report(tmp_path):
    assert (
        "one seed (0) says nothing about other seeds"
        in write(known(seeds=[0]), tmp_path / "one").read_text()
    )
    assert "No claim was declared" in write(known(claims={}), tmp_path / "none").read_text()


@pytest.fixture(scope="module")
def browser():
    if not (BROWSER and DRIVER):
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["made up", HOSTILE])
def test_a_browser_shows_the_report_and_asks_nobody(width, name, browser, tmp_path):
    study = known(name)
    page = write(study, tmp_path / "out")
    browser.get_log("performance")
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())
    assert browser.get_log("browser") == []
    sent = [
        line["message"]
        for line in browser.get_log("performance")
        if 'Network.requestWillBeSent"' in line["message"]
    ]
    assert sent and all(page.as_uri() in line or '"url":"data:' in line for line in sent)
    shown = browser.find_element("tag name", "body").text
    assert study.decisions[0].verdict in shown and "points" in shown and "n = 4 seeds" in shown
    # What is wider than the screen scrolls in a frame of its own.
    sizes = browser.execute_script(
        "document.querySelectorAll('details').forEach(folded => folded.open = true);"
        "return [...document.images].map("
        "i => [i.naturalWidth, (i.closest('.scroll') || i).clientWidth])"
    )
    assert len(sizes) == len(list((page.parent / "figures").glob("*.svg"))) == 6
    assert all(natural > 0 and 0 < client <= width for natural, client in sizes)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert "gone" != browser.title


@pytest.mark.browser
def test_figures_follow_dark_mode_and_paper_has_few_pages(browser, tmp_path):
    browser.get(write(known(), tmp_path / "out").as_uri())
    shades = []
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        figure = browser.find_element("css selector", "#curves + figure img")
        shown = imread(io.BytesIO(figure.screenshot_as_png))[..., :3]
        ink = shown.min() if scheme == "light" else shown.max()
        shades.append((np.median(shown), ink))
    (paper, ink), (dark_paper, light_ink) = shades
    assert paper > 0.9 and ink < 0.2 and dark_paper < 0.2 and light_ink > 0.8
    printed = base64.b64decode(browser.print_page())
    assert len(re.findall(rb"/Type /Page\b", printed)) <= 3
