"""The glossary is right about itself, and pages link a term that a later page explains.

`python -m tools.glossary` prints what is left to do on the other pages.
"""

from __future__ import annotations

import re

import pytest

from tools.glossary import (
    EVERYDAY,
    NOT_READ_IN_ORDER,
    Term,
    book,
    findings,
)

# Pages without a finding. A page that is corrected is added; none is taken away.
ENFORCED = (
    *("basics", "gpt2", "tokens", "generation"),
    *("counting", "loss", "greedy", "sampling", "attention", "architecture", "cache"),
    *("pretraining", "jokes", "batches", "training", "family"),
    *("sentiment", "evaluating-a-classifier", "clinic", "silent-failures"),
    *("paper", "evaluating", "inside", "large", "today"),
)

PAGES, TERMS = book()
IN_ORDER = [name for name in PAGES if name not in NOT_READ_IN_ORDER]


def test_the_glossary_is_in_order_and_says_each_term_once():
    names = [term.name.lower() for term in TERMS]
    assert names == sorted(set(names))
    assert len(names) >= 80
    assert {term.name for term in TERMS} >= EVERYDAY


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name)
def test_an_entry_is_one_sentence_and_the_page_that_explains_the_term(term: Term):
    sentence, link = re.fullmatch(r"(.+\.) (\[.+\]\(.+\))", term.definition).groups()
    assert not re.search(r"[.!?] [A-Z]", sentence), "more than one sentence"
    assert link.count("](") == 1
    page = term.page
    assert page in IN_ORDER, f"{page}.md is not in the table of contents"
    text = re.sub(r"[`*]", "", PAGES[page])  # **min-p**, `Trainer`
    assert term.pattern.search(text), f"{page}.md never says {term.name!r}"


@pytest.mark.parametrize("page", ENFORCED)
def test_a_page_links_what_a_later_page_explains(page: str):
    found = list(findings(page, PAGES[page], TERMS, IN_ORDER))
    assert not found, "\n" + "\n".join(found)


def test_no_page_is_enforced_twice_or_unknown():
    assert len(set(ENFORCED)) == len(ENFORCED)
    assert set(ENFORCED) <= set(IN_ORDER)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It uses packing here.", [3]),
        ("It uses Packing\nand packing here.", [3]),
        ("Two KV caches.", [3]),
        ("# Packing\n\nNothing else.", []),
        ("It uses {term}`packing` and packing.", []),
        ("It uses {term}`packed rows <packing>`, then packing.", []),
        ("It uses [packing](training.md) and packing.", []),
        ("**Packing** puts texts into one row. Packing pays.", []),
        ("A cell:\n\n```{code-cell}\npacking = 1\n```\n", []),
        ("`packing` is a name.", []),
        ("```{note}\nIt uses packing.\n```\n", [4]),
        ("```{diagram} a.svg\n:caption: Packing\n```\n", []),
        ("unpacking, packing-house", []),
    ],
)
def test_the_finder_finds(text: str, found: list[int]):
    terms = [
        Term("packing", "Rows. [Training](late.md)", 1),
        Term("KV cache", "Kept. [Cache](late.md)", 2),
        Term("token", "A piece. [Basics](early.md)", 3),
    ]
    given = f"A token.\n\n{text}"
    lines = [
        int(finding.split(":")[1])
        for finding in findings("middle", given, terms, ["early", "middle", "late"])
    ]
    assert lines == found
