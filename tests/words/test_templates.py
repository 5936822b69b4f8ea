"""Whatever is said has its Japanese, and the Japanese is of what is said."""

import ast
import re

import pytest
import yaml
from places import REPO
from said import fields, templates_of, tree_of, wordings_of

from analysis.report.words import TEMPLATES
from runner.display.progress import count
from runner.system.language import Translation, literals

SOURCES = [
    source
    for folder in ("runner", "analysis", "hydra_plugins")
    for source in sorted((REPO / folder).rglob("*.py"))
    if not source.name.startswith("japanese")
]
#: What Hydra and OmegaConf say, with what this program adds.
OF_OTHERS = ("In 'config': Could not find", "{key}: Value '{value}' of type")
WORD = re.compile(r"[A-Za-z]{2,}")


@pytest.fixture(scope="module")
def said():
    return set().union(*map(templates_of, SOURCES)) | set(claims())


def nouns():
    """What is counted anywhere: the literal second arguments of `count`."""
    for source in SOURCES:
        for node in ast.walk(tree_of(source)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "count":
                yield from (of.value for of in node.args[1:] if isinstance(of, ast.Constant))


def claims():
    for path in sorted((REPO / "sweeps").glob("*.yaml")):
        for claim in (yaml.safe_load(path.read_text()).get("claims") or {}).values():
            yield claim["says"]


def test_whatever_is_said_has_its_japanese(said):
    assert len(said) > 200
    assert sorted(of for of in said - set(TEMPLATES) if WORD.search("".join(literals(of)))) == []


def test_whatever_is_counted_has_its_japanese():
    counted = {count(n, noun).template for noun in nouns() for n in (1, 2)}
    assert len(counted) > 12
    assert sorted(counted - set(TEMPLATES)) == []


def test_every_claim_that_ships_has_its_japanese():
    assert sorted(set(claims()) - set(TEMPLATES)) == []


def test_a_template_and_its_japanese_have_the_same_fields():
    for english, japanese in TEMPLATES.items():
        assert fields(english) == fields(japanese), english


def test_what_is_recognised_is_worded_so_in_the_sources(said):
    """An error whose English has changed would be told in English, and nobody would know."""
    texts = {text for source in SOURCES for text in wordings_of(source) if len(text) < 400}
    recognised = [
        template
        for template in TEMPLATES
        if len(WORD.findall(" ".join(literals(template)))) > 1
        and template not in said
        and not template.startswith(OF_OTHERS)
    ]
    assert len(recognised) > 250
    for template in recognised:
        of_template, longest = Translation({template: ""}), max(literals(template), key=len)
        assert any(
            longest in text and of_template.recognised(text) is not text for text in texts
        ), template


def test_a_text_is_recognised_as_what_it_was_made_from(said):
    ja = Translation(TEMPLATES)
    for template in set(TEMPLATES) - said:
        # A field right after another one is an addition, such as `; did you mean ...?`.
        text = re.sub(r"(?<=\})\{(\w+)\}", r"; <\1>", template)
        text = re.sub(r"\{(\w+)\}", r"<\1>", text)
        if (found := ja.recognised(text)) is not text:
            assert (found, found.template) == (text, template)
