"""Any text stays text on the page, in Markdown, in CSV and on a terminal; what a page shows."""

import csv
import functools
import io
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import pandas as pd
import pytest
import studies
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from analysis.__main__ import lines
from analysis.decide.study import study
from analysis.report import answers, tables
from analysis.report.pictures.drawings import Drawing, drawings
from analysis.report.write import texts, write
from runner.record import UI_PORT

#: What means something somewhere.
MARKS = (
    "<script>", "</bdi>", "</title>", "<!--", "]]>", "&amp;", "&#x41;", '"', "' onload='",
    "{{ 7 * 7 }}", "{% if %}", "\\", "`", "|", "*", "__", "~~", "$", "![", "](javascript:x)",
    "<a:b>", "\n\n# ", "\n- ", "1. ", "+ ", "---", "\n===\n", "\n    ", "  \n", "=1+1", "@", "\t",
    "\r", "\r\n", ",", "\x00", "\x1b[31m", "\x85", "\u2028", "\u202e", "\u200f", "\ufeff", "\ufffe",
    "\ud800", "\udcff",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(MARKS) | st.text(st.characters(), max_size=4), max_size=8).map(
    "".join
)
TEXTS = TEXTS.filter(lambda text: whole(text).strip() not in ("", "plain"))


def made_up(name, level, says, cause):
    """A study with given texts as its name and command, a knob's level, a claim and a cause.

    Without a cause nothing failed, and the claim is tested.
    """

    def value(row, epoch):
        return 0.8 + 0.02 * epoch - (0.02 + 0.001 * row["seed"]) * (row["data.name"] == "plain")

    rows = studies.grid(range(2), data__name=[level, "plain"])
    claims = {says: studies.claim(says=says, knob="data.name", levels=[level, "plain"])}
    made = studies.MadeUpStore(rows, value, claims, name)
    made.plan["command"] = [name]
    if cause is not None:
        # JSON spells lone surrogates, a store of tags does not. In its pages anybody can edit a
        # tag.
        made.stored[1].tags.update(status="failed", cause=whole(cause))
        made.stored[3].tags.update(status=whole(cause))
    return study(made.read(), lambda sweep: {})


def shown(*given):
    """All that is shown of such a study but its figures (test_write.py draws some)."""
    return shown_of(made_up(*given))


def shown_of(decided):
    """All that is shown of a study but its figures."""
    caption = f"{decided.decisions[0].name}: every seed"
    drawn = [Drawing("claim-1-seeds", caption, b"", None)]
    files = studies.whole(texts(decided, tables.frames(decided), drawn))
    return SimpleNamespace(
        files=files,
        page=Page(files["report.html"]),
        markdown=parsed(files["report.md"]),
        said=lines(decided, True, 100),
        verdict=decided.decisions[0].verdict,
        word=answers.WORDS[decided.decisions[0].verdict],
    )


@functools.cache
def plain(failed):
    """The same of texts that mean nothing anywhere."""
    return shown("a", "b", "c", "d" if failed else None)


# What is replaced, by design.


def whole(text):
    """A lone surrogate is no character: it becomes `?` where the plan is read."""
    return text.encode("utf-8", "replace").decode()


def inert(text):
    """In a file so does a control character but for tab and line break."""
    return "".join(
        "?" if unicodedata.category(letter) == "Cc" and letter not in "\t\n" else letter
        for letter in whole(text)
    )


def on_one_line(text):
    """In Markdown white space is one space: a heading and a cell of a table end with their line."""
    return inert(" ".join(whole(text).split()))


def in_csv(text):
    """What a spreadsheet would take for a formula has an apostrophe before it."""
    return "'" + inert(text) if text[0] in "=+-@\t" else inert(text)


def on_a_terminal(text):
    """There, and in the name of a run, whatever does not print is `?`."""
    return "".join(letter if letter.isprintable() else "?" for letter in whole(text))


# Readers of each.


class Page(HTMLParser):
    """Elements and attributes in their order, and the texts of `bdi`, `title` and `alt`."""

    def __init__(self, text):
        super().__init__()
        self.shape, self.texts, self.captions, self.title, self._within = [], [], [], "", ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.shape.append((tag, [name for name, _ in attributes]))
        self.captions += [value for name, value in attributes if name == "alt"]
        self.texts += [""] if tag == "bdi" else []
        self._within = tag

    def handle_endtag(self, tag):
        self.shape.append(tag)
        self._within = ""

    def handle_data(self, data):
        if self._within == "bdi":
            self.texts[-1] += data
        if self._within == "title":
            self.title += data

    def handle_comment(self, data):
        self.shape.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def parsed(text):
    """The elements of a Markdown text and where its images lie, and the text of each block."""
    shape, texts = [], []
    for block in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        inline = block.children or []
        shape.append((block.type, block.tag))
        shape += [
            (token.type, token.attrs.get("src"))
            for token in inline
            if token.type not in ("text", "softbreak")
        ]
        texts.append(text_of(inline))
    return SimpleNamespace(shape=shape, texts=texts)


def text_of(tokens):
    return "".join(
        text_of(token.children) if token.children else token.content or "\n" for token in tokens
    )


def csv_rows(text):
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@settings(max_examples=40, deadline=None)
@given(TEXTS, TEXTS, TEXTS, st.none() | TEXTS)
@example("\x1b]0;gone\x07", "\r=1+1", "\x9b31m", "&lt;b&gt;")
def test_any_text_is_text_on_the_page_in_markdown_in_csv_and_on_the_terminal(
    name, level, says, cause
):
    given, others = shown(name, level, says, cause), plain(cause is not None)
    causes = [] if cause is None else [cause]

    page = given.page
    assert page.shape == others.page.shape, "no element and no attribute comes from a text"
    run_name = f"name={on_a_terminal(level)} seed=0"
    assert {run_name, *map(inert, (name, says, *causes))} <= set(page.texts)
    assert page.captions == [inert(f"{says}: every seed")]
    assert page.title == inert(name) or len(name) > 80

    assert given.markdown.shape == others.markdown.shape
    cell_level = on_a_terminal(level)
    whole_blocks = (name, cell_level, f"{others.word}: {says}", f"{says}: every seed")
    assert {on_one_line(text) for text in whole_blocks} <= set(given.markdown.texts)
    assert all(on_one_line(text) in "\n".join(given.markdown.texts) for text in causes)

    (claim,), (first, *rest) = (
        csv_rows(given.files["claims.csv"]),
        csv_rows(given.files["runs.csv"]),
    )
    assert claim["claim"] == claim["says"] == in_csv(says)
    assert (first["data.name"], first["name"]) == (in_csv(level), run_name) and len(rest) == 3
    assert first["cause"] == (in_csv(cause) if causes else "")

    assert all(line.isprintable() for line in given.said)
    assert given.said[0].startswith(f"{on_a_terminal(name)} (")
    assert given.said[3] == f"{others.verdict}: {on_a_terminal(says)}"


def test_knobs_that_moved_together_and_every_contrast_are_on_the_page(tmp_path):
    whole = write(studies.known(), tmp_path / "whole").read_text()
    assert "can be told from that of the others" in whole and "cannot be told" not in whole
    assert "channels=30 minus channels=1" in whole and "None of these is a verdict" in whole
    contrasts = pd.read_csv(tmp_path / "whole" / "contrasts.csv")
    row = contrasts[
        (contrasts["contrast"] == "channels=30 minus channels=1")
        & (contrasts["kind"] == "main effect")
    ]
    assert row["estimate"].to_numpy() == pytest.approx([0.05, 0.05], abs=0.002)
    moved = studies.frame([{"model.channels": c, "optimizer.lr": lr, "seed": s} for s in range(2)
                           for c, lr in ((1, 0.1), (30, 0.2))])  # fmt: skip
    decided = studies.study(moved, studies.curves(moved, lambda *_: 0.5))
    page = write(decided, tmp_path / "moved").read_text()
    assert page.count("cannot be told from that of the others: they moved together") == 2


def test_below_a_group_the_page_lists_the_knobs_that_are_part_of_it():
    options = [{"model": "wide", "model.kind": "cnn"}, {"model": "flat", "model.kind": "mlp"}]
    runs = studies.frame(studies.grid(range(2), model=options, model__dropout=[True, False]))
    decided = studies.study(runs, studies.curves(runs, lambda *_: 0.5))
    page = studies.whole(texts(decided, {}, []))["report.md"]
    rows = page.partition("| knob | values |")[2].splitlines()[2:7]
    assert rows == [
        "| model | wide, flat | can be told from that of the others |",
        "| model.kind | cnn, mlp | is part of the effect of model |",
        "| model.channels | 30, none | is part of the effect of model |",
        "| model.dropout | true, false | can be told from that of the others |",
        "",
    ]


def test_the_page_says_which_code_and_which_commits_trained_the_runs():
    decided = studies.known(seeds=range(2))
    decided.sweep.runs.loc[decided.sweep.runs.index[0], "git.commit"] = "later"
    page = shown_of(decided).files["report.html"]
    assert f"<td>code</td><td><bdi>{'f' * 64}</bdi></td>" in page
    assert f"<td>git.commit</td><td><bdi>{'c' * 40}, later</bdi></td>" in page


def test_a_metric_that_no_run_recorded_leaves_a_page_that_says_so():
    made = studies.MadeUpStore(
        studies.grid(range(2), model__dropout=[True, False]),
        lambda row, epoch: 0.8 + 0.02 * row["seed"] * row["model.dropout"],
        {"masks": studies.claim(minus="final(test_masked/accuracy)"), "helps": studies.claim()},
    )
    made.sent = [
        row for row in made.sent if row[1] not in ("test_masked/accuracy", "train_eval/accuracy")
    ]
    decided = study(made.read(), lambda sweep: {})
    masks, helps = decided.decisions
    assert masks.verdict == "NOT TESTABLE" and helps.verdict == "INCONCLUSIVE"
    assert 'CANNOT SAY</span> <a href="#claim-1">' in shown_of(decided).files["report.html"]
    assert "test_masked/accuracy was not recorded in 4 of 4 runs" in "\n".join(
        lines(decided, True, 100)
    )
    assert [drawing.name for drawing in drawings(decided)][:2] == ["curves", "forest"]


def test_a_claim_is_answered_in_words_and_its_verdict_is_folded_away():
    decided = studies.known()
    files, (first, *_) = shown_of(decided).files, decided.decisions
    says, word = first.claim.says, answers.WORDS[first.verdict]
    card = files["report.html"].partition('<section id="claim-1"')[2].partition("</section>")[0]
    seen, _, folded = card.partition("<details")
    assert f'<span class="verdict">{word}</span> <bdi>{says}</bdi>' in seen
    assert first.verdict not in seen and f"<li>Verdict: {first.verdict}.</li>" in folded
    assert f"### {word}: {says}\n" in files["report.md"]


def test_the_contents_name_every_part_and_lead_to_it():
    page = shown_of(studies.known(seeds=range(2))).files["report.html"]
    ids = re.findall(r'<h2 id="([a-z-]+)">', page)
    assert len(ids) == 8
    assert re.findall(r'<a href="#([a-z-]+)">[A-Z]', page.partition("<nav>")[2]) == ids


def test_the_cells_stand_on_the_page_in_percent_with_their_spread():
    files = shown_of(studies.known()).files
    # The mean of 0.8 + 0.06 + 0.05 with the noise of four seeds.
    (cell,) = re.findall(
        r"<tr><td><bdi>30</bdi></td><td><bdi>false</bdi></td>(.*)</tr>", files["report.html"]
    )
    n, test, *_ = re.findall(r"<td><(?:bdi|b)>([^<]*)</(?:bdi|b)></td>", cell)
    assert n == "4" and re.fullmatch(r"9[01]\.\d\d ± 0\.\d\d", test)
    assert re.search(rf"\| 30 \| false \| 4 \| \*{{0,2}}{re.escape(test)}", files["report.md"])


@pytest.mark.parametrize(
    "uri, address",
    [
        ("http://me:secret@host:5001/", "http://host:5001/#/runs/run 0"),
        ("sqlite:////root/mlflow.db", f"http://127.0.0.1:{UI_PORT}/#/runs/run 0"),
        ("postgresql://host/mlflow", None),
    ],
)
def test_a_run_leads_to_its_page_where_mlflow_shows_the_store(uri, address):
    decided = made_up("a", "b", "c", "d")
    page = shown_of(replace(decided, sweep=replace(decided.sweep, uri=uri))).files["report.html"]
    assert "secret" not in page
    linked = re.findall(r'<td><a href="([^"]*)"><bdi>name=b seed=0</bdi></a></td>', page)
    assert linked == ([address] if address else [])
    assert ("python -m runner.ui" in page) is uri.startswith("sqlite")
