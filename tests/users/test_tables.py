"""Tables as people write them: right, or refused by row and reason."""

from __future__ import annotations

import csv
import hashlib
import io
import time
import uuid

import numpy as np
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


WORDS = st.lists(
    st.sampled_from(["film", "it was 5", "fine, warm", "in 1984,", "10", 'a ""gem""']),
    min_size=1,
    max_size=4,
).map(" ".join)
ORDERS = [("text", "label"), ("label", "text"), ("id", "text", "label")]


def line_of(order, values) -> str:
    return ",".join(values[name] for name in order)


@settings(max_examples=100)
@given(order=st.sampled_from(ORDERS), n=st.integers(2, 6), data=st.data())
def test_a_mark_that_another_row_closes_merges_no_rows(
    tmp_path_factory, order, n, data
):
    """ "Great film,1 / The screen is 5",0: one field of csv, and two reviews."""
    first = data.draw(st.integers(0, n - 2))
    last = data.draw(st.integers(first + 1, n - 1))
    lines = []
    for i in range(n):
        text = data.draw(WORDS)
        if i == first:
            text = f'"{text}'
        elif i == last:
            text = f'{text}"'
        elif not first < i < last:
            text = f'"{text}"'
        else:
            text = text.replace('"', "").replace(",", "")
        lines.append(line_of(order, {"id": str(i), "text": text, "label": str(i % 2)}))
    path = tmp_path_factory.mktemp("t") / "reviews.csv"
    path.write_text("\n".join([",".join(order), *lines]) + "\n")
    # after the closing mark csv may find more, and then refuses the row itself
    says = rf"row {first + 1} \(line {first + 2}\)"
    with pytest.raises(ValueError, match=says):
        read_reviews_csv(path)


@settings(max_examples=100)
@given(
    order=st.sampled_from(ORDERS),
    texts=st.lists(st.lists(WORDS, min_size=1, max_size=4), min_size=1, max_size=6),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_review_may_have_several_lines(tmp_path_factory, order, texts, end):
    rows = [("\n".join(lines), i % 2) for i, lines in enumerate(texts)]
    cells = [
        [{"id": i, "text": text, "label": label}[name] for name in order]
        for i, (text, label) in enumerate(rows)
    ]
    path = tmp_path_factory.mktemp("t") / "reviews.csv"
    path.write_bytes(table(cells, header=order, end=end).encode())
    assert read_reviews_csv(path) == rows


def test_merged_rows_are_named_with_their_lines_and_the_remedy(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text('text,label\nOk,1\n"Great film,1\nThe screen is 5",0\nBad,0\n')
    says = (
        r"1 of 3 rows .* row 2 \(line 3\): rows within quotation marks in lines 3 to "
        "4, as line 3 has a label: close the quotation mark, or, if it is one text"
    )
    with pytest.raises(ValueError, match=says):
        read_reviews_csv(path)


@pytest.mark.parametrize(
    ("lines", "merged"),
    [
        (['20,"Open joke', '21,Second joke"'], True),
        (['20,"Open joke', "25,Second", '31,Third joke"'], True),
        (['x20,"Open joke', 'x21,Second joke"'], True),
        ([',"Open joke', ',Second joke"'], True),
        (['99,"Open', '99,Second"', "99,Third"], True),
        (['20,"My fears:', "1, clowns", '2, lists"'], False),  # those of rows 1 and 2
        (['20,"A countdown:', "-3, two", 'one, go"'], False),
        (['word,"Well,', 'that, as they say, is that"'], False),
    ],
)
def test_jokes_within_the_marks_of_another(tmp_path, lines, merged):
    rows = [f"{i},Pupil {i} laughed at number {i + 3}." for i in range(14)]
    path = tmp_path / "jokes.csv"
    path.write_text("\n".join(["ID,Joke", *rows, *lines, "40,The last one."]) + "\n")
    report = load_jokes(str(tmp_path)).report
    closed = 16 + next(i for i, line in enumerate(lines) if line.endswith('"'))
    others = 15 + len(lines) - (closed - 15)
    if not merged:
        assert (report.kept, report.dropped) == (others + 1, {})
        return
    assert (report.kept, report.dropped) == (
        others,
        {"rows within quotation marks": [15]},
    )
    assert str(report).endswith(
        f"row 15 (lines 16 to {closed}); close the quotation mark, or, if it is one "
        "text, write it on one line"
    )


@pytest.mark.parametrize(
    "name",
    [
        lambda i: str(uuid.uuid5(uuid.NAMESPACE_DNS, str(i))),
        lambda i: hashlib.sha256(str(i).encode()).hexdigest()[:10],
        lambda i: np.base_repr(350_000_000 + 7919 * i, 36).lower(),  # as on Reddit
        lambda i: np.base_repr(60_000_000 + 19_387 * i, 36).lower(),  # 5, then 6
    ],
    ids=["uuid", "hash", "base 36", "longer"],
)
def test_jokes_within_the_marks_of_another_whose_names_are_hashes(tmp_path, name):
    rows = [f'{name(i)},"Pupil {i} laughed,\n2nd, he cried at {i}."' for i in range(30)]
    rows += [f'{name(30)},"Open joke', f"{name(31)},Second", f'{name(32)},Third joke"']
    path = tmp_path / "jokes.csv"
    path.write_text("\n".join(["ID,Joke", *rows, f"{name(33)},The last one."]) + "\n")
    report = load_jokes(str(tmp_path)).report
    assert (report.kept, report.dropped) == (
        31,
        {"rows within quotation marks": [31]},
    )


SHORT_NAMES = [
    # names, a line that is no row of them, one that is
    ([f"{i}{x}" for i in range(1, 9) for x in "ab"], "10, never count.", "9a,Second."),
    ([f"{i}{x}" for i in range(1, 9) for x in "ab"], "1984, he said.", "10a,Second."),
]


@pytest.mark.parametrize(("names", "line", "row"), SHORT_NAMES)
def test_short_names_with_letters_are_no_hashes(tmp_path, names, line, row):
    rows = [f'{name},"Pupil {name} laughed.\n{line}"' for name in names]
    rows.append(f'9c,"Open joke\n{row}"')
    path = tmp_path / "jokes.csv"
    path.write_text("\n".join(["ID,Joke", *rows]) + "\n")
    report = load_jokes(str(tmp_path)).report
    merged = {"rows within quotation marks": [len(rows)]}
    assert (report.kept, report.dropped) == (len(names), merged)


@pytest.mark.parametrize("line", ["100000, he cried", "1984, he said", "2nd, he said"])
def test_a_number_in_a_joke_is_no_hash(tmp_path, line):
    names = [np.base_repr(350_000_000 + 7919 * i, 36).lower() for i in range(30)]
    rows = [f'{name},"Pupil {name} laughed.\n{line}"' for name in names]
    path = tmp_path / "jokes.csv"
    path.write_text("\n".join(["ID,Joke", *rows]) + "\n")
    report = load_jokes(str(tmp_path)).report
    assert (report.kept, report.dropped) == (30, {})


@pytest.mark.parametrize("spoiled", ['5,"Open', "5,without, marks", '5,"Joke" 5'])
def test_a_numbered_list_beside_rows_with_problems(tmp_path, spoiled):
    rows = [f'{i},"Pupil {i} laughed, at number {i + 3}."' for i in range(1, 20)]
    rows[4] = spoiled
    rows[-1] = '19,"My fears:\n1, clowns\n2, lists\n5, both"'
    path = tmp_path / "jokes.csv"
    path.write_text("\n".join(["ID,Joke", *rows]) + "\n")
    report = load_jokes(str(tmp_path)).report
    assert report.kept == 18
    assert list(report.dropped.values()) == [[5]]
    # and the same list in a row above the spoiled one
    rows[3], rows[-1] = '4,"My fears:\n1, clowns\n5, lists"', '19,"The last one."'
    path.write_text("\n".join(["ID,Joke", *rows]) + "\n")
    report = load_jokes(str(tmp_path)).report
    assert list(report.dropped.values()) == [[5]]


def test_a_numbered_list_in_the_last_row(tmp_path):
    rows = [f"{i},Pupil {i} laughed at number {i + 3}." for i in range(5, 20)]
    path = tmp_path / "jokes.csv"
    last = '30,"My fears:\n1, clowns\n2, lists"'
    path.write_text("\n".join(["ID,Joke", *rows, last]) + "\n")
    report = load_jokes(str(tmp_path)).report
    assert (report.kept, report.dropped) == (16, {})


def test_jokes_without_numbers_take_time_by_their_number(tmp_path):
    def seconds(n):
        rows = (f',"Pupil {i} laughed:\nat number {i + 3}."' for i in range(n))
        (tmp_path / "jokes.csv").write_text("\n".join(["ID,Joke", *rows]) + "\n")
        started = time.process_time()
        assert load_jokes(str(tmp_path)).report.kept == n
        return time.process_time() - started

    # the nearest number above and below is not searched for each row anew
    assert seconds(40_000) < 7 * seconds(10_000)


def test_jokes_before_their_numbers(tmp_path):
    rows = [f"Pupil {i} laughed at number {i + 3}.,{i}" for i in range(100, 114)]
    lines = [
        '"Open joke,120',
        'Second joke",121',
        '"Ha,',
        '2,"",5',
        'ha",131',
        "Last,140",
    ]
    path = tmp_path / "jokes.csv"
    path.write_text("\n".join(["Joke,ID", *rows, *lines]) + "\n")
    report = load_jokes(str(tmp_path)).report
    # 5 is no number of a row between 121 and 140
    assert (report.kept, report.dropped) == (16, {"rows within quotation marks": [15]})


def test_a_space_before_a_quotation_mark_is_named(tmp_path):
    path = tmp_path / "reviews.csv"
    for row in ('1, "Good fine"', '1, "Good, fine"', '1,  "Good\nfine"'):
        path.write_text(f"label, text\n{row}\n")
        says = r"row 1 \(line 2\): space before a quotation mark .*remove the space"
        with pytest.raises(ValueError, match=says):
            read_reviews_csv(path)
    path.write_text('label,text\n1, "Jaws" is good\n0,"  ""Dull"""\n')
    assert read_reviews_csv(path) == [(' "Jaws" is good', 1), ('  "Dull"', 0)]


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


def test_signs_are_said_too(tmp_path):
    assert jokes(tmp_path, "😂😂😂", "😂😂🙃", "❤").kept == 17
    assert (
        jokes(tmp_path, "I like C++ most.", "I like C# most.", "I like C!").kept == 17
    )
    assert jokes(tmp_path, "2 + 2 is 5", "2 - 2 is 5", "It costs 5 €").kept == 17
    report = jokes(tmp_path, "Don't stop", "“dont” stop!", "don`t… stop", "...?!")
    assert report.dropped == {"duplicate": [16, 17], "empty": [18]}


@pytest.mark.parametrize(
    ("joke", "broken"),
    [
        ("LÃ» do mundo", False),  # as «LÃ» may be meant
        ("A MANHÃ", False),
        ("NoÃ«l is here", True),
        ("CÃ©line laughed", True),
        ("a sofÃ¡", True),
        ("it isnâ€™t", True),
    ],
)
def test_what_may_be_meant_is_not_called_broken(tmp_path, joke, broken):
    assert jokes(tmp_path, joke).dropped == (
        {"broken encoding": [15]} if broken else {}
    )


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
