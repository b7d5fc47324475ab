"""The references of the book as plain text: notebooks know nothing of BibTeX."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pybtex.database import Entry, parse_file
from pybtex.plugin import find_plugin


@cache
def references(path: Path) -> dict[str, Entry]:
    """Every entry of a BibTeX file, by its key."""
    return dict(parse_file(str(path)).entries)


def cited(entry: Entry, *, in_sentence: bool = False) -> str:
    """How a text names a source: "Zhang and Sennrich, 2019", in a sentence with (2019).

    Raises:
        ValueError: an entry without author or year.
    """
    people, year = entry.persons.get("author", []), entry.fields.get("year")
    if not people or not year:
        raise ValueError(f"the reference {entry.key!r} needs an author and a year")
    names = [" ".join(p.prelast_names + p.last_names) for p in people]
    names = [name.strip("{}").replace(r"{\'e}", "é") for name in names]
    if len(names) == 2 and names[1] != "others":
        who = " and ".join(names)
    else:
        who = names[0] + (" et al." if len(names) > 1 else "")
    return f"{who} ({year})" if in_sentence else f"{who}, {year}"


def listed(path: Path) -> list[str]:
    """All references as a Markdown list, by author, as the book's page has them."""
    style = find_plugin("pybtex.style.formatting", "plain")()
    backend = find_plugin("pybtex.backends", "markdown")()
    entries = style.format_entries(list(references(path).values()))
    return [f"- {entry.text.render(backend)}".replace("\n", " ") for entry in entries]
