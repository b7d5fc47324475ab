"""Tables as people write them: right, or refused by row and reason."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2course.data import load_jokes, load_reviews, read_reviews_csv, read_table

TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1
).filter(lambda text: text.strip())
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32")


def table(rows, separator=",", header=("text", "label"), end="\r\n") -> str:
    out = io.StringIO()
    writer = csv.writer(
        out, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL
    )
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(TEXT, st.sampled_from("01")), min_size=1, max_size=6),
    encoding=st.sampled_from(ENCODINGS),
    separator=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    turned=st.booleans(),
)
def test_what_csv_writes_is_read(
    tmp_path_factory, rows, encoding, separator, end, turned
):
    path = tmp_path_factory.mktemp("t") / "reviews.csv"
    header, order = ("Label", "TEXT"), [(label, text) for text, label in rows]
    if not turned:
        header, order = ("text", "label"), rows
    path.write_bytes(table(order, separator, header, end).encode(encoding))
    found = read_table(path, ("text", "label"))
    assert [row.problem for row in found] == [None] * len(rows)
    assert [(row.values["text"], row.values["label"]) for row in found] == rows


@settings(max_examples=60)
@given(n=st.integers(2, 8), data=st.data())
def test_a_quotation_mark_left_open_costs_its_own_row(tmp_path_factory, n, data):
    bad = data.draw(st.integers(1, n))
    lines = [f'"review, number {i}",{i % 2}' for i in range(1, n + 1)]
    lines[bad - 1] = f'"review {bad},{bad % 2}'
    path = tmp_path_factory.mktemp("t") / "reviews.csv"
    path.write_text("text,label\n" + "\n".join(lines) + "\n")
    found = read_table(path, ("text", "label"))
    assert [row.number for row in found if row.problem] == [bad]
    assert len(found) == n
    with pytest.raises(ValueError, match=rf"row {bad} \(line {bad + 1}\): open quot"):
        read_reviews_csv(path)


@given(label=st.text(st.characters(codec="ascii"), max_size=8))
def test_a_label_is_0_or_1_or_refused(tmp_path_factory, label):
    path = tmp_path_factory.mktemp("t") / "reviews.csv"
    path.write_bytes(table([("good", label)]).encode())
    if label in ("0", "1"):
        assert read_reviews_csv(path) == [("good", int(label))]
        return
    with pytest.raises(ValueError, match=r"row 1 \(line 2\): the label is"):
        read_reviews_csv(path)


def test_a_comma_without_quotation_marks_is_refused(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("label,text\n1,A warm, funny, honest film\n0,Dull\n")
    with pytest.raises(ValueError, match=r"row 1 \(line 2\).*4 fields for 2 columns"):
        read_reviews_csv(path)


def test_a_long_review_and_the_separator_of_a_spreadsheet(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text(f'sep=;\ntext;label\n"{"good film " * 14_000}";1\nBad;0\n')
    assert [(len(text), label) for text, label in read_reviews_csv(path)] == [
        (140_000, 1),
        (3, 0),
    ]


def jokes(folder, *last: str):
    rows = [f"Pupil {i} laughed at number {i + 3}." for i in range(1, 15)]
    numbered = list(enumerate([*rows, *last], start=1))
    (folder / "jokes.csv").write_text(
        table(numbered, header=("ID", "Joke")), encoding="utf-8"
    )
    return load_jokes(str(folder)).report


def test_jokes_of_all_kinds(tmp_path):
    assert jokes(tmp_path, "की का कू", "कि के को").kept == 16
    assert jokes(tmp_path, "My list of fears:\n1, clowns\n2, lists").kept == 15
    report = jokes(tmp_path, "ha " * 45_000)
    assert report.kept == 14
    assert report.dropped == {"longer than 500 characters": [15]}


def reviews(folder, n: int) -> str:
    rows = [(f"Film {i} was {'fine' if i % 2 else 'poor'}.", i % 2) for i in range(n)]
    (folder / "reviews.csv").write_text(table(rows))
    return str(folder)


def test_few_reviews_are_refused_with_the_number_it_takes(tmp_path):
    says = "8 different reviews .4 negative, 4 positive.; it takes at least 10 of each"
    with pytest.raises(ValueError, match=says):
        load_reviews(reviews(tmp_path, 8))


@pytest.mark.parametrize("n", [20, 30, 47])
def test_small_sets_have_both_labels_in_every_split(tmp_path, n):
    for split in load_reviews(reviews(tmp_path, n)).values():
        assert set(split["label"]) == {0, 1}
