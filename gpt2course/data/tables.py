"""One reader for tables that people bring: reviews.csv and jokes.csv.

Python's csv module parses, in its strict mode. pandas and pyarrow were tried: after a
quotation mark that is left open they merge several rows into one without a word, and
pandas cuts a row that has too many fields. The strict mode refuses the second, and the
first unless a later mark happens to close the field; `Row.inside` finds those.

reviews.py and jokes.py say which columns they need and what a good row is.
"""

from __future__ import annotations

import csv
import io
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from gpt2course.files import with_byte_order_mark

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
MAX_BYTES = 4 * 2**30  # of a table
MAX_FIELD = 2**24  # characters of a field
MAX_LINES = 10_000  # of one row; more means a quotation mark left open

# why a row is dropped
COLUMNS = "wrong number of columns"
OPEN_QUOTE = "open quotation mark"
MERGED = "rows within quotation marks"
SPACE = "space before a quotation mark"
EMPTY = "empty"

REMEDY = "close the quotation mark, or, if it is one text, write it on one line"

_LIMIT = threading.Lock()  # the csv module has one field limit for all readers


class Inside(NamedTuple):
    """A value that a line within a field of several lines has for a column."""

    column: str
    value: str
    line: int


@dataclass(frozen=True)
class Row:
    """A row of a table, or why it is none.

    Args:
        number: from 1, below the header.
        line, last_line: of the file where it begins and ends, from 1.
        values: column -> what stands there, unchanged; empty if there is a problem.
        problem: one of COLUMNS, OPEN_QUOTE, SPACE and EMPTY, or None.
        detail: what exactly is wrong.
        inside: what else stands in its columns, if its lines are read one by one. A
            quotation mark that is left open, and that one of another row closes, makes
            one field of several rows; the caller, who knows what a label or a number
            may be, decides. Of a row with a problem: what seems to stand in the columns
            of its first line.
    """

    number: int
    line: int
    last_line: int
    values: dict[str, str]
    problem: str | None = None
    detail: str = ""
    inside: tuple[Inside, ...] = ()

    @property
    def where(self) -> str:
        """How a message names the row."""
        return f"row {self.number} (line {self.line})"

    @property
    def lines(self) -> str:
        """Its place in the file."""
        if self.last_line > self.line:
            return f"lines {self.line} to {self.last_line}"
        return f"line {self.line}"


@dataclass(frozen=True)
class TableReport:
    """What became of every row that was read.

    Args:
        kept: number of rows that are left.
        dropped: reason -> numbers of the rows, from 1.
        noun: what a row is.
        places: number of a row -> its lines in the file, where the number alone does
            not lead there.
    """

    kept: int
    dropped: dict[str, list[int]]
    noun: str = "rows"
    places: dict[int, str] = field(default_factory=dict)

    def __str__(self) -> str:
        dropped = sum(map(len, self.dropped.values()))
        lines = [f"{self.kept:,} {self.noun} kept, {dropped:,} rows dropped"]
        for reason, rows in self.dropped.items():
            shown = ", ".join(
                f"{row} ({self.places[row]})" if row in self.places else str(row)
                for row in rows[:10]
            ) + (", …" if len(rows) > 10 else "")
            noun = "rows" if len(rows) > 1 else "row"
            line = f"  {len(rows):,} × {reason}: {noun} {shown}"
            lines.append(line + (f"; {REMEDY}" if reason == MERGED else ""))
        return "\n".join(lines)


def read_table(
    path: Path, columns: Sequence[str], *, broken_bytes: str = "strict"
) -> list[Row]:
    """The rows of a CSV file, each checked against the header.

    The file is UTF-8, or UTF-8, UTF-16 or UTF-32 with a byte-order mark. Its first
    line names the columns, in any order and in any case; the separator (comma,
    semicolon, tab or vertical bar) is the one that cuts the header into the columns
    asked for. A line `sep=;` before it, as Excel writes it, says the separator too.
    Fields follow RFC 4180: one that holds separators, line feeds or begins with a
    quotation mark stands in quotation marks, and those within it are doubled. After a
    row that cannot be read, reading continues at its next line.

    Args:
        path: of the file.
        columns: names that it must have; others are left out.
        broken_bytes: "strict" refuses bytes that are not UTF-8, "surrogateescape"
            leaves them in their field for the caller to judge.

    Returns:
        all rows, also those with a problem.

    Raises:
        ValueError: no such file, no text, or other columns.

    Source: RFC 4180; docs.python.org/3/library/csv.html. Chapter: jokes.
    """
    text = _text(path, columns, broken_bytes)
    lines = list(io.StringIO(text, newline=""))
    rows: list[Row] = []
    with _long_fields():
        header, separator, body = _header(path, lines, columns)
        place = {name: header.index(name.casefold()) for name in columns}
        for record in _records(lines, body, separator):
            fields, problem, detail = record.fields, None, ""
            if record.error:
                problem, detail = OPEN_QUOTE, record.error
            elif not any(field.strip() for field in fields):
                problem = EMPTY
            elif _space_before_quote(lines, record, separator):
                problem, detail = SPACE, f"{record.raw(lines)[:60]!r}; remove the space"
            elif len(fields) != len(header):
                problem = COLUMNS
                detail = f"{len(fields)} fields for {len(header)} columns"
                if len(fields) > len(header):
                    detail += (
                        f"; a text with a {SEPARATORS.get(separator, separator)} "
                        "belongs in quotation marks"
                    )
            number, ends = len(rows) + 1, (record.line, record.last_line)
            if problem:
                inside = _on_first_line(lines, record, separator, place)
                rows.append(Row(number, *ends, {}, problem, detail, inside))
            else:
                values = {name: fields[place[name]] for name in columns}
                inside = _inside(lines, record, separator, place, len(header))
                rows.append(Row(number, *ends, values, inside=inside))
    return rows


def _text(path: Path, columns: Sequence[str], broken_bytes: str) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(
                f"{path} has {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are "
                "read: split it"
            )
        if not path.is_file():
            raise ValueError(f"{path} is no file; it must be a table")
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(
            f"{path} does not exist; a data folder holds {path.name} with the columns "
            f"{','.join(columns)}"
        ) from None
    encoding = with_byte_order_mark(content)
    if encoding == "utf-8" and b"\0" in content[:4]:
        raise ValueError(
            f"{path} is not UTF-8 (it looks like UTF-16 without a byte-order mark); "
            "save it as UTF-8"
        )
    try:
        errors = broken_bytes if encoding.startswith("utf-8") else "strict"
        return content.decode(encoding, errors)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
        raise ValueError(
            f"{path} is not {what} (byte {error.start}, line {line}); save it as UTF-8 "
            '("CSV UTF-8" in a spreadsheet)'
        ) from None


class _Record(NamedTuple):
    """Fields that belong together, or what csv said; lines are counted from 1."""

    line: int
    last_line: int
    fields: list[str]
    error: str

    def raw(self, lines: list[str]) -> str:
        """What it is made of."""
        return "".join(lines[self.line - 1 : self.last_line]).rstrip("\r\n")


def _header(
    path: Path, lines: list[str], columns: Sequence[str]
) -> tuple[list[str], str, int]:
    """The names of the columns in lower case, the separator, and what to read next."""
    first, separators = 0, list(SEPARATORS)
    while first < len(lines) and not lines[first].strip():
        first += 1
    said = lines[first].rstrip("\r\n") if first < len(lines) else ""
    if said.casefold().startswith("sep=") and len(said) == 5 and said[4] != '"':
        first, separators = first + 1, [said[4]]
    wanted = {name.casefold() for name in columns}
    found: list[str] = []
    for separator in separators:
        record = next(_records(lines, first, separator), None)
        if record is None or record.error:
            continue
        names = [name.strip().casefold() for name in record.fields]
        if not wanted <= set(names):
            found = found or [name.strip() for name in record.fields]
            continue
        twice = sorted(name for name in wanted if names.count(name) > 1)
        if twice:
            raise ValueError(f"{path} has two columns {twice[0]!r}; rename one of them")
        return names, separator, record.last_line
    shown = [name[:40] for name in found[:10]]
    raise ValueError(
        f"{path} has the columns {shown}; it needs {' and '.join(columns)}, with a "
        f"{', '.join(SEPARATORS.values())} between them"
    )


def _records(lines: list[str], first: int, separator: str) -> Iterator[_Record]:
    """Each record from a line (counted from 0) on.

    After one that cannot be parsed, the next begins one line later, so that a
    quotation mark left open costs its own row only.
    """
    start = first
    while start < len(lines):
        some = _lines_from(lines, start)
        reader = csv.reader(some, delimiter=separator, strict=True)
        try:
            fields, error = next(reader), ""
            end = start + reader.line_num
        except csv.Error as problem:
            fields, error, end = [], str(problem), start + 1
        yield _Record(start + 1, end, fields, error)
        start = end


def _lines_from(lines: list[str], start: int) -> Iterator[str]:
    """At most MAX_LINES lines; islice would walk through all that stand before."""
    return map(lines.__getitem__, range(start, min(start + MAX_LINES, len(lines))))


def _space_before_quote(lines: list[str], record: _Record, separator: str) -> bool:
    """Whether a field in quotation marks has a space before them, which makes the marks
    a part of the text, and what they enclose no field of its own."""
    if not re.search(rf'(?:^|{re.escape(separator)}) +"', record.raw(lines)):
        return False
    some = _lines_from(lines, record.line - 1)
    reader = csv.reader(some, delimiter=separator, strict=True, skipinitialspace=True)
    try:
        fields = next(reader)
    except csv.Error:  # words after the second mark: it stands for itself
        return False
    return fields != [field.lstrip(" ") for field in record.fields]


def _inside(
    lines: list[str],
    record: _Record,
    separator: str,
    place: dict[str, int],
    n_columns: int,
) -> tuple[Inside, ...]:
    """`Row.inside` of a record.

    If a field of several lines has swallowed rows, then a row that began before ends on
    a line that is not its last, and another begins on a line that is not its first. So
    columns before the field count where all columns are there, except on the first
    line, and columns after it except on the last.
    """
    fields = enumerate(record.fields)
    several = next((i for i, field in fields if re.search(r"[\r\n]", field)), None)
    if several is None:
        return ()
    found = []
    for number in range(record.line, record.last_line + 1):
        parts = lines[number - 1].rstrip("\r\n").split(separator)
        for column, i in place.items():
            if i < several and number > record.line and len(parts) >= n_columns:
                value = parts[i]
            elif (
                i > several and number < record.last_line and len(parts) > n_columns - i
            ):
                value = parts[i - n_columns]
            else:
                continue
            found.append(Inside(column, value.strip(' \t"'), number))
    return tuple(found)


def _on_first_line(
    lines: list[str], record: _Record, separator: str, place: dict[str, int]
) -> tuple[Inside, ...]:
    """`Row.inside` of a record with a problem."""
    parts = lines[record.line - 1].rstrip("\r\n").split(separator)
    return tuple(
        Inside(column, parts[i].strip(' \t"'), record.line)
        for column, i in place.items()
        if i < len(parts)
    )


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let csv read fields of up to MAX_FIELD characters; its limit is a global one."""
    with _LIMIT:
        before = csv.field_size_limit(MAX_FIELD)
        try:
            yield
        finally:
            csv.field_size_limit(before)
