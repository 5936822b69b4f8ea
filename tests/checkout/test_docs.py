"""The pages agree with the code: links, commands, metrics, sweeps, the text of --help."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from places import REPO as ROOT

from runner.record import SHIPPED_METRICS

PAGES = [
    ROOT / "README.md",
    ROOT / "README.ja.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.S | re.M
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_to_a_file_resolves(page):
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert missing == []


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "README.ja.md"], ids=lambda p: p.name)
def test_every_make_command_in_the_readme_is_a_target(page):
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), flags=re.M))
    used = set(re.findall(r"\bmake ([a-z-]+)", page.read_text(encoding="utf-8")))
    assert {"sweep", "test"} <= used
    assert used <= targets


def test_make_help_lists_every_target():
    printed = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.M)
    assert phony
    assert [t for t in phony[1].split() if f"make {t} " not in printed] == []


@pytest.mark.parametrize(
    ("target", "typed"),
    [("report", "[-m][analysis][a x b]"), ("sweep", "[-m][runner][-m][sweeps=a x b]")],
)
def test_a_name_with_blanks_reaches_the_command_whole(target, typed):
    words = ["make", "--silent", "--old-file=install", target, "SWEEP=a x b", "venv=printf [%s]"]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.startswith(typed)


def test_every_metric_has_its_row_in_the_metrics_page():
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+/[a-z_]+)` \| (.+?) \|", page, flags=re.M)
    assert [name for name, _ in rows] == list(SHIPPED_METRICS)


def test_the_knobs_page_is_what_the_schema_says():
    from runner.config import help as helps

    assert (ROOT / "docs/knobs.md").read_text(encoding="utf-8") == helps.page(ROOT)


def test_every_sweep_and_every_choice_is_named_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = [f.stem for f in (ROOT / "sweeps").glob("*.yaml")] + [
        f.stem for f in (ROOT / "conf/data").glob("*.yaml")
    ]
    assert [name for name in names if not re.search(rf"[` ]{name}`", readme)] == []


def test_every_override_in_the_readme_names_a_knob_that_exists():
    from runner.config import overrides

    commands = re.findall(
        r"python -m runner +((?:-m )?[a-z][^\n`#]*)",
        (ROOT / "README.md").read_text(encoding="utf-8"),
    )
    assert len(commands) >= 3
    for command in commands:
        words = [word for word in command.split() if "=" in word]
        overrides.check(words, multirun=command.startswith("-m"))


def test_the_published_curves_travel_with_the_package():
    lines = (ROOT / "sweeps/published_curves.csv").read_text().splitlines()
    assert lines[0] == "experiment,epoch,train_loss,train_accuracy,test_loss,test_accuracy"
    epochs: dict[str, list[int]] = {}
    for line in lines[1:]:
        experiment, epoch, *values = line.split(",")
        epochs.setdefault(experiment, []).append(int(epoch))
        assert all(float(value) >= 0 for value in values)
    assert epochs == {
        "book_mlp_1000x2": list(range(1, 6)),
        "conv1_fc1000x2_dropout": list(range(1, 21)),
        "conv30_fc100_dropout": list(range(1, 51)),
    }


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_names_no_address(name):
    lock = (ROOT / name).read_text()
    assert "://" not in lock and "index" not in lock.replace("index-", "")
    pinned = re.findall(r"^([a-z0-9._-]+)==", lock, flags=re.M)
    hashed = re.findall(
        r"^([a-z0-9._-]+)==[^\n]*\\\n    --hash=sha256:[0-9a-f]{64}", lock, flags=re.M
    )
    assert len(pinned) > 50 and pinned == hashed


def test_the_developers_lock_file_holds_the_other_in_the_same_versions():
    runs, develops = (
        set(re.findall(r"^[a-z0-9._-]+==\S+", (ROOT / name).read_text(), flags=re.M))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert len(runs) > 50 and runs < develops


@pytest.mark.long
def test_the_site_is_built_with_all_that_its_pages_need(tmp_path):
    words = [Path(sys.executable).parent / "mkdocs", "build", "--strict", "--site-dir", tmp_path]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stderr
    page = tmp_path / "docs" / "design" / "index.html"
    needed = re.findall(r"""(?:src|href)=["']?([^"'>\s]+\.(?:css|js|png))""", page.read_text())
    assert len(needed) > 3
    assert [name for name in needed if not (page.parent / name).is_file()] == []
