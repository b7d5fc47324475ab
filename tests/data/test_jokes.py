"""The jokes: enough, short, different from one another, fit for a classroom.

Bad rows are named.
"""

from __future__ import annotations

import io
import re
from collections import defaultdict

import pyarrow
import pyarrow.parquet
import pyjokes
import pytest
from conftest import run_python
from hub_stand_in import HubStandIn, commit

from gpt2course.checkpoints import load_tokenizer
from gpt2course.data.jokes import (
    _CRUDE_WORDS,
    JOKE_PREFIX,
    OWN_JOKES,
    SHORT_JOKES,
    SHORT_JOKES_REVISION,
    _read_csv,
    encode_jokes,
    load_jokes,
    words,
)


@pytest.fixture(scope="module")
def own():
    return [joke for joke, *_ in _read_csv(OWN_JOKES)]


def test_none_of_the_shipped_rows_is_dropped(own):
    jokes = load_jokes("embedded")
    neutral = pyjokes.get_jokes(language="en", category="neutral")
    assert jokes.report.dropped == {}
    assert (
        jokes.report.kept
        == len(own) + len(neutral)
        == len(jokes.train) + len(jokes.validation)
    )
    everything = {*jokes.train, *jokes.validation}
    assert set(own) <= everything
    assert {" ".join(joke.split()) for joke in neutral} <= everything
    assert len(jokes.validation) == jokes.report.kept // 10


def test_a_slice_is_a_random_sample():
    """The file has pyjokes' at its end; each half of a split has its share of them."""
    jokes = load_jokes("embedded")
    neutral = pyjokes.get_jokes(language="en", category="neutral")
    theirs = {" ".join(joke.split()) for joke in neutral}
    for split in (jokes.train, jokes.validation):
        middle = len(split) // 2
        halves = [
            theirs.intersection(split[:middle]),
            theirs.intersection(split[middle:]),
        ]
        few, many = sorted(map(len, halves))
        assert 0 < many < 2.5 * few


def test_own_jokes_are_numbered_and_short():
    lines = OWN_JOKES.read_bytes().decode().split("\n")
    assert lines[0] == "ID,Joke"
    assert len(lines) > 500
    assert [line.split(",")[0] for line in lines[1:-1]] == [
        str(i) for i in range(1, len(lines) - 1)
    ]
    for joke, *_ in _read_csv(OWN_JOKES):
        assert 25 <= len(joke) <= 260, joke
        assert re.search(r"[.!?…\])”\"']$", joke), (
            f"does not end like a sentence: {joke}"
        )
        assert joke == " ".join(joke.split())


LIMIT = 0.45  # of what two jokes may share; questions begin alike


def near(one: set, other: set) -> float:
    """Share of the three-word pieces of the shorter joke that the other one has too."""
    return len(one & other) / max(1, min(len(one), len(other)))


def pieces(joke: str) -> set[tuple[str, ...]]:
    said = words(joke)
    return {tuple(said[i : i + 3]) for i in range(len(said) - 2)}


def near_duplicates(jokes: list[str], limit: float) -> list[tuple[str, str]]:
    found, seen, by_piece = [], [], defaultdict(set)
    for number, joke in enumerate(jokes):
        mine = pieces(joke)
        for other in set().union(*(by_piece[piece] for piece in mine)):
            if near(mine, seen[other]) > limit:
                found.append((jokes[other], joke))
        seen.append(mine)
        for piece in mine:
            by_piece[piece].add(number)
    return found


def test_near_duplicates_are_found():
    one = "The school clock resigned. It was tired of everyone watching it work."
    other = "Our school clock resigned. It was so tired of everyone watching it."
    assert near_duplicates(
        [one, "A comma and a full stop had a race.", other], LIMIT
    ) == [(one, other)]


def test_no_joke_is_told_twice_in_other_words(own):
    assert near_duplicates(own, LIMIT) == []
    told_by_others = pyjokes.get_jokes(language="en", category="all")
    pairs = near_duplicates([*told_by_others, *own], LIMIT)
    assert [pair for pair in pairs if pair[1] in set(own)] == []


def test_own_jokes_have_no_crude_word(own):
    mild = {
        *("hell", "bloody", "crap", "stupid", "idiot", "dumb", "fat", "ugly"),
        *("drunk", "vodka", "gun", "kill", "killed", "dead", "sexy", "hate"),
    }
    for joke in own:
        assert not (_CRUDE_WORDS | mild).intersection(words(joke)), joke


def test_the_list_of_crude_words_is_readable():
    assert len(_CRUDE_WORDS) > 100
    assert "shit" in _CRUDE_WORDS
    assert all(re.fullmatch("[a-z]+", word) for word in _CRUDE_WORDS)


def test_encoding():
    tokenizer = load_tokenizer()
    jokes = ["Why?  Because.", "<|endoftext|> walks into a bar."]
    ids = encode_jokes(jokes, tokenizer)
    assert [tokenizer.decode(i[:-1]) for i in ids] == [
        JOKE_PREFIX + joke for joke in jokes
    ]
    for i in ids:
        assert i[-1] == tokenizer.eos_token_id
        assert tokenizer.eos_token_id not in i[:-1]  # what a joke says does not end it
        assert i[: len(tokenizer.encode("JOKE:"))] == tokenizer.encode(
            "JOKE:"
        )  # so "JOKE:" is the right prompt


def folder(tmp_path, content: str | bytes) -> str:
    (tmp_path / "jokes.csv").write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    return str(tmp_path)


GOOD = "".join(f"{i},joke number {i} is good\n" for i in range(1, 31))


def test_a_folder_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "GPT2COURSE_DATA", folder(tmp_path, "\ufeffID,Joke\n" + GOOD)
    )  # as a spreadsheet saves it
    jokes = load_jokes()
    assert (len(jokes.train), len(jokes.validation), jokes.report.dropped) == (
        27,
        3,
        {},
    )
    assert sorted(jokes.train + jokes.validation) == sorted(
        f"joke number {i} is good" for i in range(1, 31)
    )
    shuffled = "ID,Joke\n" + "".join(reversed(GOOD.splitlines(keepends=True)))
    again = load_jokes(folder(tmp_path, shuffled))
    # neither split nor order depends on the order of the rows
    assert (again.train, again.validation) == (jokes.train, jokes.validation)


def test_bad_rows_are_named_by_number_and_reason(tmp_path):
    rows = [
        b"31,",  # 31
        b'32,"  \n "',
        b"33,...?!",
        b"34,one, two",
        b"35",
        b"36,caf\xe9 in latin-1",  # 36
        "37,already broken \ufffd here".encode(),
        "38,it isnâ€™t read as it was written".encode(),
        b"39,bell \x07",
        b"40," + b"long " * 101,  # 40
        b"41,Joke number 1 is  GOOD!",
        b"",
        b'43,"a line\nbreak is fine"',
        "44,so is a café".encode(),
        b'45,"and ""quotation"" marks"',
        b'46,"never closed',  # 46: costs its own row only
        b"47,not lost",
    ]
    jokes = load_jokes(
        folder(tmp_path, ("ID,Joke\n" + GOOD).encode() + b"\n".join(rows) + b"\n")
    )
    assert jokes.report.dropped == {
        "empty": [31, 32, 33, 42],
        "wrong number of columns": [34, 35],
        "broken encoding": [36, 37, 38, 39],
        "longer than 500 characters": [40],
        "duplicate": [41],
        "open quotation mark": [46],
    }
    assert jokes.report.kept == 34
    assert {"a line break is fine", "so is a café", 'and "quotation" marks'} <= {
        *jokes.train,
        *jokes.validation,
    }
    said = str(jokes.report).splitlines()
    assert said[0] == "34 jokes kept, 13 rows dropped"
    assert "  4 × broken encoding: rows 36, 37, 38, 39" in said
    assert "  1 × duplicate: row 41" in said


def test_long_lists_of_rows_are_cut_in_the_report(tmp_path):
    report = load_jokes(folder(tmp_path, "ID,Joke\n" + GOOD + "99,\n" * 12)).report
    assert str(report).endswith(
        "12 × empty: rows 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, …"
    )


def test_crude_words_are_dropped_when_asked(tmp_path):
    path = folder(tmp_path, "ID,Joke\n" + GOOD + "31,a SHIT joke\n32,my shirt\n")
    assert load_jokes(path).report.dropped == {}
    assert load_jokes(path, drop_crude=True).report.dropped == {"crude word": [31]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            None,
            "does not exist; a data folder holds jokes.csv with the columns ID,Joke",
        ),
        ("", r"has the columns \[\]; it needs ID and Joke"),
        ("id,text\n1,ha\n", r"has the columns \['id', 'text'\]; it needs ID and Joke"),
        ("ID,Joke\n" + GOOD[:100], r"too few jokes \(5 jokes kept, 0 rows dropped"),
        (
            'ID,Joke\n1,"open\n' + "a,good one\n" * 30_000,
            r"too few jokes \(1 jokes kept, 30,000 rows dropped",
        ),
    ],
    ids=["missing", "empty", "columns", "few", "open quote"],
)
def test_a_bad_table(tmp_path, content, says):
    if content is not None:
        folder(tmp_path, content)
    with pytest.raises(ValueError, match=says):
        load_jokes(str(tmp_path))


def parquet(columns: dict[str, list]) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


CLIENT = """
from gpt2course.data import load_jokes
try:
    jokes = load_jokes("hub")
    print(len(jokes.train), len(jokes.validation), jokes.report.dropped)
except ValueError as error:
    print(type(error).__name__, error)
"""


def from_hub(tmp_path, url: str) -> str:
    done = run_python(
        "-c",
        CLIENT,
        HF_ENDPOINT=url,
        HF_HOME=str(tmp_path),
        HF_HUB_OFFLINE="",
        HTTP_PROXY="",
        http_proxy="",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_hub(tmp_path):
    branch = SHORT_JOKES_REVISION.replace("/", "%2F")
    jokes = [*(f"joke number {i} is good" for i in range(30)), None]
    files = {
        "default/train/0000.parquet": parquet({"ID": range(31), "Joke": jokes}),
        "README.md": b"not asked for",
    }
    repositories = {
        (f"datasets/{SHORT_JOKES}", revision): files
        for revision in (branch, commit(branch))
    }
    with HubStandIn(repositories) as hub:
        assert from_hub(tmp_path, hub.url) == "27 3 {'empty': [31]}"
        assert hub.downloaded() == {"default/train/0000.parquet"}
    assert (
        from_hub(tmp_path, "http://127.0.0.1:9") == "27 3 {'empty': [31]}"
    )  # from the cache
    assert from_hub(tmp_path / "new", "http://127.0.0.1:9").startswith(
        f"HubError cannot download {SHORT_JOKES}: no "
    )
    files["default/train/0000.parquet"] = parquet({"text": ["other columns"]})
    with HubStandIn(repositories) as hub:
        assert "0000.parquet is not a table of ID and Joke" in from_hub(
            tmp_path / "other", hub.url
        )
