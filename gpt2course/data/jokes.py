"""Jokes: where they come from, what is dropped, how they become tokens.

training/ fine-tunes on them; reviews.py holds the other texts.
"""

from __future__ import annotations

import codecs
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import regex

from gpt2course.arguments import texts
from gpt2course.checkpoints import HubError, hub_folder
from gpt2course.data.reviews import HELD_OUT
from gpt2course.data.tables import EMPTY, MERGED, Row, TableReport, read_table
from gpt2course.settings import data_source

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: what stands before every joke in a training text
JOKE_PREFIX = "JOKE: "
#: the file of the course's own jokes
OWN_JOKES = Path(__file__).parent / "jokes.csv"
#: the data set of jokes on the hub
SHORT_JOKES = "Maximofn/short-jokes-dataset"
#: its branch that is downloaded: the hub's own copy as tables
SHORT_JOKES_REVISION = "refs/convert/parquet"
#: the longest joke that is kept
MAX_CHARACTERS = 500

# why a row is dropped, besides the reasons of tables.py
OVER_LONG = f"longer than {MAX_CHARACTERS} characters"
ENCODING = "broken encoding"
DUPLICATE = "duplicate"
CRUDE = "crude word"

# control characters, halves of characters, U+FFFD, and UTF-8 that was read as Latin-1.
# There Ã and a mark such as » are a letter; elsewhere a word may end so, as in «LÃ»
BROKEN = regex.compile(
    "[\ud800-\udfff\ufffd\x00-\x1f\x7f-\x9f]|â€"
    r"|Ã(?!\p{P})[\x80-\xbf]|(?<=\p{Ll})Ã[\x80-\xbf]|Ã[\x80-\xbf](?=\p{L})"
)

# In rot13, so that nobody has to read them who only reads this file.
_CRUDE_WORDS = frozenset(
    codecs.decode(
        "nany nahf nff nffubyr nffubyrf onfgneq onfgneqf ovgpu ovgpurf ovgpul obare "
        "obbo obbof ohgg ohggubyr ohggf puvax pyvgbevf pbpx pbpxf pbaqbz pbaqbzf penc "
        "phag phagf qnza qvpx qvpxf qvyqb qlxr rwnphyngr rerpgvba shpx shpxrq shpxre "
        "shpxvat shpxf snt snttbg snttbgf tnatonat tbqqnza uneqba ubeal uvgyre uber "
        "ubrf ubyybpnhfg ubybpnhfg ubbxre ubbxref vaprfg wrexbss wvmm xvxr xxx "
        "znfgheongr znfgheongvat zvytf zvys zbyrfg zbyrfgrq zbgureshpxre anxrq anmv "
        "anmvf avttn avttnf avttre avttref betnfz betnfzf crqbcuvyr crqbcuvyrf cravf "
        "cravfrf cvff cvffrq cbea cbeab cebfgvghgr cebfgvghgrf chffl chffvrf encr "
        "encrq encvfg ergneq ergneqrq ergneqf fpebghz frk frkl frkhny fuvg fuvgf "
        "fuvggl fuvggvat fyhg fyhgf fcrez fgevccre fgevccref fhvpvqr gvgf gvggvrf "
        "genaal gheq gheqf intvan intvanf ivntren ivetva ivetvaf ivoengbe junaxre "
        "jnax juber jubers",
        "rot13",
    ).split()
)


@dataclass(frozen=True)
class Jokes:
    """Jokes to train on, jokes held out, and what was read to get them.

    No text is in both, and neither is sorted by where its jokes come from.
    """

    train: list[str]
    validation: list[str]
    report: TableReport


def load_jokes(source: str | None = None, *, drop_crude: bool = False) -> Jokes:
    """Short jokes, cleaned, in train and validation.

    Args:
        source: "embedded": the jokes written for this course (CC0,
            gpt2course/data/jokes.csv) and the neutral English ones of the pip package
            pyjokes. "hub": Maximofn/short-jokes-dataset, 231,657 jokes that people
            posted on the web. Many of them are crude and some are hateful: look before
            you show them to anybody. Or a folder with jokes.csv (ID,Joke).
            GPT2COURSE_DATA by default.
        drop_crude: leave out jokes that hold a word of a short list. It finds words,
            not meanings: what is left of the hub's jokes is milder, and still not fit
            for a classroom.

    Returns:
        the jokes in the order of the sha256 of their words, which is as good as
        shuffled and the same on every machine: the first one in ten (at most 2,500)
        are held out, and any slice is a random sample. And a report that names dropped
        rows. A joke has at most 500 characters, and single spaces; every copy but the
        first is dropped, whatever its capitals and punctuation. So is a joke with a
        line that reads as a row of its own: a quotation mark was left open.

    Raises:
        HubError: the hub cannot be reached or does not have it.
        ValueError: no file, other columns, or nothing left to train on.

    Chapter: jokes.
    """
    source = data_source(source)
    if source == "embedded":
        path, rows = OWN_JOKES, [*_read_csv(OWN_JOKES), *map(_Joke, _pyjokes())]
    elif source == "hub":
        path, rows = Path(SHORT_JOKES), map(_Joke, _hub())
    else:
        path = Path(source) / "jokes.csv"
        rows = _read_csv(path)
    return _sorted_out(path, rows, drop_crude)


def encode_jokes(
    jokes: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> list[list[int]]:
    """What a model reads: "JOKE: ", the joke, `<|endoftext|>`.

    The space of the prefix belongs to the first word's token, so a prompt for a new
    joke is "JOKE:" without it.

    Args:
        jokes: texts.
        tokenizer: of the checkpoint.

    Returns:
        token ids, one list a joke; the last one is tokenizer.eos_token_id.

    Raises:
        ValueError: one text instead of a list, or the tokenizer has no eos_token.

    Chapter: jokes.
    """
    if tokenizer.eos_token_id is None:
        raise ValueError(
            "the tokenizer has no eos_token, which closes each joke; set it in "
            "tokenizer_config.json"
        )
    # "<|endoftext|>" is text here; and what does not fit is for others to judge
    ids = (
        tokenizer.encode(JOKE_PREFIX + joke, split_special_tokens=True, verbose=False)
        for joke in texts("jokes", jokes)
    )
    return [[*joke, tokenizer.eos_token_id] for joke in ids]


def words(joke: str) -> list[str]:
    """The words of a joke in lower case, without punctuation.

    A word is made of letters, digits and
    the marks that belong to them, such as the vowel signs of Hindi; re's \\w would cut
    there.

    Source: the module regex; Unicode Technical Standard #18. Chapter: jokes.
    """
    return regex.findall(r"[\w\p{M}\p{N}]+", _without_apostrophes(joke))


def _said(joke: str) -> list[str]:
    """Its words with the signs that belong to them, such as those of C++, C# and 5 €,
    and signs that stand alone, such as 😂. Two jokes that say the same count as one.

    Source: the module regex; Unicode's categories Sm, Sc and So.
    """
    plain = _without_apostrophes(joke)
    return regex.findall(r"[\w\p{M}\p{N}\p{Sm}\p{Sc}\p{So}#%&@]+", plain)


def _without_apostrophes(joke: str) -> str:
    return regex.sub("[’'`´]", "", joke.casefold())


class _Joke(NamedTuple):
    """What is read: a text, why it is dropped, and the lines where it stands."""

    text: str
    problem: str | None = None
    lines: str = ""


def _sorted_out(path: Path, rows: Iterable[_Joke], drop_crude: bool) -> Jokes:
    """Kept and dropped, train and validation."""
    kept: dict[tuple[str, str], str] = {}  # sha256 of words and of signs -> joke
    dropped: dict[str, list[int]] = {}
    places: dict[int, str] = {}
    for number, (text, problem, lines) in enumerate(rows, start=1):
        joke = " ".join(text.split())
        said = _said(joke)
        key = (_digest(words(joke)), _digest(said))
        if problem is not None:
            reason = problem
        elif not said:
            reason = EMPTY
        elif len(joke) > MAX_CHARACTERS:
            reason = OVER_LONG
        elif BROKEN.search(joke):
            reason = ENCODING
        elif key in kept:
            reason = DUPLICATE
        elif drop_crude and _CRUDE_WORDS.intersection(words(joke)):
            reason = CRUDE
        else:
            kept[key] = joke
            continue
        dropped.setdefault(reason, []).append(number)
        if lines.startswith("lines"):  # several, so others have another number, too
            places[number] = lines
    report = TableReport(len(kept), dropped, "jokes", places)
    shuffled = [kept[key] for key in sorted(kept)]
    n_held_out = min(HELD_OUT, len(shuffled) // 10)
    if not n_held_out:
        said = " ".join(str(report).split())
        raise ValueError(
            f"{path} has too few jokes ({said}); it takes ten to train on nine and "
            "hold out one"
        )
    return Jokes(
        train=shuffled[n_held_out:],
        validation=shuffled[:n_held_out],
        report=report,
    )


def _digest(said: list[str]) -> str:
    return hashlib.sha256(" ".join(said).encode(errors="replace")).hexdigest()


def _read_csv(path: Path) -> list[_Joke]:
    """The column Joke, and what is wrong with a row; a byte that is no UTF-8 spoils its
    own row only."""
    rows = read_table(path, ("ID", "Joke"), broken_bytes="surrogateescape")
    ids = [_id(row) for row in rows]
    counts = Counter(ids)
    lengths = _lengths_of_hashes(ids)
    # the nearest known ones: above row i stands before[i], below it after[i + 1]
    before = list(accumulate(ids, lambda last, own: own or last, initial=""))
    after = list(accumulate(ids[::-1], lambda last, own: own or last, initial=""))[::-1]
    jokes = []
    for i, row in enumerate(rows):
        problem = row.problem
        if not problem and any(
            column == "ID"
            and (
                _lengths(name) in lengths if lengths else _shape(name) == _shape(ids[i])
            )
            # a numbered list has the numbers of other rows
            and (counts[name] != 1 or not name)
            and not _outside(name, before[i], ids[i], after[i + 1])
            for column, name, _ in row.inside
        ):
            problem = MERGED
        jokes.append(_Joke(row.values.get("Joke", ""), problem, row.lines))
    return jokes


def _id(row: Row) -> str:
    """The ID of a row; of one that cannot be read, what its first line has there."""
    if row.problem:
        return next((v for column, v, _ in row.inside if column == "ID"), "")
    return row.values["ID"].strip()


def _outside(name: str, before: str, own: str, after: str) -> bool:
    """Whether a number cannot be that of a row between the rows above and below, as the
    numbers rise from `before` over `own` to `after`; "" is one that is not known."""
    known = [number for number in (before, own, after) if number]
    if len(known) < 2 or not all(n.isdecimal() for n in (name, *known)):
        return False
    numbers = list(map(int, known))
    if any(a >= b for a, b in pairwise(numbers)):
        return False
    too_low = bool(before) and int(name) <= int(before)
    return too_low or (bool(after) and int(name) >= int(after))


def _shape(name: str) -> str:
    """What names of rows have in common: "9" for 20 and 21, "a9" for x1 and x2. A name
    without digits looks like any word, so it has a shape of its own."""
    if not regex.search(r"\d", name):
        return name
    return regex.sub(r"\p{L}+", "a", regex.sub(r"\d+", "9", name))


def _lengths_of_hashes(ids: list[str]) -> set[str]:
    """The lengths of names that are hashes, such as UUIDs: long, and of many shapes.
    There are none for other names, which are known by their shape."""
    hashes = [name for name in ids if len(name) >= 5 and _lengths(name)]
    shapes = Counter(map(_shape, hashes)).most_common(1)
    if 2 * len(hashes) <= len(ids) or 2 * shapes[0][1] > len(hashes):
        return set()
    return set(map(_lengths, hashes))


def _lengths(name: str) -> str:
    """How long its parts of letters and digits are: "8-4-4-4-12" for a UUID; "" for a
    name without letters or without digits, as words and numbers are."""
    if not (regex.search(r"\d", name) and regex.search(r"\p{L}", name)):
        return ""
    return regex.sub(r"[\p{L}\d]+", lambda part: str(len(part[0])), name)


def _pyjokes() -> list[str]:
    """The jokes that ship with pyjokes and that it calls neutral.

    Source: pypi.org/project/pyjokes, BSD-3-Clause.
    """
    try:
        import pyjokes
    except ImportError:
        raise ValueError(
            "some of the jokes come with pyjokes, which is not installed: pip install "
            "pyjokes"
        ) from None
    return pyjokes.get_jokes(language="en", category="neutral")


def _hub() -> list[str]:
    from pyarrow import ArrowInvalid, parquet

    first = "default/train/0000.parquet"
    folder = hub_folder(
        SHORT_JOKES,
        SHORT_JOKES_REVISION,
        ("default/train/*.parquet",),
        needed=first,
        repo_type="dataset",
    )
    rows: list[str] = []
    for path in sorted(folder.glob("default/train/*.parquet")):
        try:
            rows += [
                joke or "" for joke in parquet.read_table(path)["Joke"].to_pylist()
            ]
        except (ArrowInvalid, KeyError) as error:
            raise HubError(
                f"{path} is not a table of ID and Joke ({error}); delete it and "
                "download it again"
            ) from None
    return rows
