"""What the pages quote is what the commands printed: blocks, tables and figures.

`docs/screens/` holds what commands printed, `benchmarks/results/` what was measured.
"""

import re
from pathlib import Path

import pytest
from places import REPO as ROOT

SCREENS = ROOT / "docs/screens"
READMES = [ROOT / "README.md", ROOT / "README.ja.md"]
PAGES = [*READMES, ROOT / "docs/findings.md"]
#: A block of a file or of what is typed; every other one is what a command printed.
WRITTEN = {"sh", "python", "yaml"}
FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)^```$", flags=re.M)
TABLE = re.compile(r"(?:^\|.*\n)+", flags=re.M)
SOURCE = re.compile(r"\]\((?:\.\./)*((?:docs/screens|benchmarks/results)/[^)]+)\)")
#: A number with a unit, or with decimals. Versions have none: `Python 3.11`, `NumPy 2.4.6`.
FIGURE = re.compile(
    r"\d[\d,.]* ?(?:%|s\b|min\b|h\b|ms\b|µs\b|[MG]B\b|points|times|percent|秒|分|時間|ポイント|倍)"
    r"|(?<![\w.])(?<!Python )\d+\.\d+(?![\w.]|\.\d)"
)
by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
of_readmes = pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def one_line(text: str) -> str:
    """Without the breaks of lines; between Japanese letters there is no space either."""
    return re.sub(r"\s+", "", text)


def cells_of(row: str) -> list[str]:
    return [re.sub(r"[`*]", "", cell).strip() for cell in row.strip().strip("|").split("|")]


def rows_of(table: str) -> list[str]:
    """The rows below the heading."""
    return table.splitlines()[2:]


def answers_of(screen: str) -> list[str]:
    return [one_line(answer) for answer in screen.split("\n\n")]


def tables(page: Path) -> list[tuple[str, str]]:
    """Each table, and the paragraph below it, which names the source of its figures."""
    text = FENCE.sub("", text_of(page))
    found = []
    for match in TABLE.finditer(text):
        below = text[match.end() :].strip().split("\n\n")[0]
        found.append((match[0], below))
    return found


@by_name
def test_every_block_is_what_a_command_printed(page):
    blocks = [(kind.split(), block) for kind, block in FENCE.findall(text_of(page))]
    quoted = [(kind, block) for kind, block in blocks if not kind or kind[0] not in WRITTEN]
    assert quoted
    for kind, block in quoted:
        assert kind[:1] == ["text"] and len(kind) == 2, f"no screen is named above\n{block}"
        assert f"\n{block}" in "\n" + text_of(SCREENS / f"{kind[1]}.txt")


@of_readmes
def test_every_row_of_a_table_with_figures_stands_in_its_source(page):
    n_rows = 0
    for table, below in tables(page):
        for row in rows_of(table):
            sources = SOURCE.findall(row) or SOURCE.findall(below)
            if not sources:
                said = [cell for cell in cells_of(row)[1:] if re.match(r"\d", cell)]
                assert said + FIGURE.findall(re.sub(r"`.*?`", "", row)) == []
                continue
            n_rows += 1
            if sources[0].startswith("docs/screens/") and SOURCE.search(row):
                check_answer(row, text_of(ROOT / sources[0]))
            else:
                check_figures(row, "".join(text_of(ROOT / source) for source in sources))
    assert n_rows > 10


def check_answer(row: str, screen: str) -> None:
    """The sentence, the word and what was found stand in one answer of the screen."""
    said, n_seeds = cells_of(row)[:-2], cells_of(row)[-2]
    parts = [one_line(part) for cell in said for part in cell.split("<br>") if part != "—"]
    assert len(parts) >= 3
    assert any(all(part in answer for part in parts) for answer in answers_of(screen)), row
    assert n_seeds == seeds_of(cells_of(row)[-1])


def seeds_of(command: str) -> str:
    """How many seeds the sweep of a row's command has."""
    name = re.findall(r"[\w]+", command.split("](")[0])[-1]
    for file in (ROOT / f"sweeps/{name}.yaml", ROOT / "sweeps/default.yaml"):
        if seeds := re.search(r'^ +seed: "([\d,]+)"', file.read_text(), flags=re.M):
            return str(len(seeds[1].split(",")))
    raise AssertionError(f"{name} has no seeds")


def check_figures(row: str, source: str) -> None:
    """The cells with figures stand in one line of what was measured."""
    figures = {cell for cell in cells_of(row)[1:] if re.search(r"\d", cell)}
    assert figures
    assert any(figures <= set(cells_of(line)) for line in source.splitlines()), row


@of_readmes
def test_no_figure_stands_between_the_tables(page):
    prose = re.sub(r"`.*?`", "", TABLE.sub("", FENCE.sub("", text_of(page))))
    assert FIGURE.findall(prose) == []


def test_what_the_findings_say_in_short_was_printed():
    page = text_of(ROOT / "docs/findings.md")
    printed = re.findall(r"\d+\.\d+", "".join(block for _, block in FENCE.findall(page)))
    rounded = {f"{float(number):.{n}f}" for number in printed for n in (0, 1, 2)}
    prose = FIGURE.findall(re.sub(r"`.*?`", "", FENCE.sub("", page)))
    said = [re.search(r"[\d.]*\d", figure)[0] for figure in prose]
    assert said
    assert [figure for figure in said if figure not in rounded] == []


def test_the_readme_is_short_and_its_first_screen_is_read_in_a_minute():
    lines = text_of(ROOT / "README.md").splitlines()
    assert len(lines) <= 210
    assert len(" ".join(lines[:40]).split()) <= 220
