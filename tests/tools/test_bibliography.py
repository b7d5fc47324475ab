"""References as notebooks show them; the book's own come from sphinxcontrib-bibtex."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from references import BOOK, converter

from tools.bibliography import cited, listed, references

BIBLIOGRAPHY = BOOK / "references.bib"


def page(tmp_path: Path, text: str) -> str:
    """A page of one paragraph as a notebook's Markdown."""
    (tmp_path / "references.bib").write_text(
        """@misc{one, author={Doe, Jane}, title={A Title}, year={2001}, url={https://a.org}}
        @misc{two, author={Doe, Jane and Roe, Jo}, title={B}, year={2002}, doi={10.1/2}}
        @misc{three, author={A, B and C, D and E, F}, title={C}, year={2003}}
        @misc{team, author={{A Team}}, title={D}, year={2004}}
        @misc{nobody, title={E}, year={2005}}
        """
    )
    chapter = tmp_path / "page.md"
    chapter.write_text(f"# Page\n\n{text}\n")
    return converter.convert(chapter).cells[-1].source


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{cite}`one`", "([Doe, 2001](https://a.org))"),
        ("{cite:p}`two`", "([Doe and Roe, 2002](https://doi.org/10.1/2))"),
        ("{cite:t}`three`", "A et al. (2003)"),
        ("{cite}`one, three`", "([Doe, 2001](https://a.org); A et al., 2003)"),
        ("{cite}`team`", "(A Team, 2004)"),
        ("```{bibliography}\n:all:\n```", "Jane Doe"),
    ],
)
def test_a_citation_is_author_and_year(tmp_path, text, shown):
    assert shown in page(tmp_path, text)


def test_an_unknown_source_is_an_error(tmp_path):
    with pytest.raises(converter.ConvertError, match="no entry 'four'"):
        page(tmp_path, "{cite}`four`")
    with pytest.raises(ValueError, match="'nobody' needs an author and a year"):
        page(tmp_path, "{cite}`nobody`")


def test_every_reference_of_the_book_can_be_cited_and_found():
    every = references(BIBLIOGRAPHY)
    assert len(listed(BIBLIOGRAPHY)) == len(every)
    for key, entry in every.items():
        assert re.fullmatch(r"[^{}\\]+, \d{4}", cited(entry)), key
        assert "url" in entry.fields or "doi" in entry.fields, f"{key} leads nowhere"


def test_nothing_is_cited_that_the_bibliography_lacks():
    every = references(BIBLIOGRAPHY)
    for path in BOOK.glob("*.md"):
        for keys in re.findall(r"\{cite(?::\w)?\}`([^`]+)`", path.read_text("utf-8")):
            for key in keys.split(","):
                assert key.strip() in every, f"{path.name} cites {key!r}"
