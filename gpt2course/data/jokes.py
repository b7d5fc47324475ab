"""Jokes: where they come from, what is dropped, how they become tokens.

training/ fine-tunes on them; reviews.py holds the other texts.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import regex

from gpt2course.checkpoints import HubError, hub_folder
from gpt2course.data.reviews import HELD_OUT
from gpt2course.data.tables import EMPTY, TableReport, read_table
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

# control characters, halves of characters, U+FFFD, and UTF-8 that was read as Latin-1
BROKEN = "[\ud800-\udfff\ufffd\x00-\x1f\x7f-\x9f]|â€|Ã[\x80-\xbf]"

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
        first is dropped, whatever its capitals and punctuation.

    Raises:
        HubError: the hub cannot be reached or does not have it.
        ValueError: no file, other columns, or nothing left to train on.

    Chapter: jokes.
    """
    source = data_source(source)
    if source == "embedded":
        path, rows = OWN_JOKES, [*_read_csv(OWN_JOKES), *_good(_pyjokes())]
    elif source == "hub":
        path, rows = Path(SHORT_JOKES), _good(_hub())
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
        ValueError: the tokenizer has no eos_token.

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
        for joke in jokes
    )
    return [[*joke, tokenizer.eos_token_id] for joke in ids]


def words(joke: str) -> list[str]:
    """The words of a joke in lower case, without punctuation.

    Two jokes with the same words count as one. A word is made of letters, digits and
    the marks that belong to them, such as the vowel signs of Hindi; re's \\w would cut
    there.

    Source: the module regex; Unicode Technical Standard #18. Chapter: jokes.
    """
    plain = joke.casefold().replace("’", "").replace("'", "")
    return regex.findall(r"[\w\p{M}\p{N}]+", plain)


def _sorted_out(
    path: Path, rows: Iterable[tuple[str, str | None]], drop_crude: bool
) -> Jokes:
    """Kept and dropped, train and validation, of pairs of text and problem."""
    kept: dict[str, str] = {}  # sha256 of the words -> joke
    dropped: dict[str, list[int]] = {}
    for number, (text, problem) in enumerate(rows, start=1):
        joke = " ".join(text.split())
        said = words(joke)
        key = hashlib.sha256(" ".join(said).encode(errors="replace")).hexdigest()
        if problem is not None:
            reason = problem
        elif not said:
            reason = EMPTY
        elif len(joke) > MAX_CHARACTERS:
            reason = OVER_LONG
        elif re.search(BROKEN, joke):
            reason = ENCODING
        elif key in kept:
            reason = DUPLICATE
        elif drop_crude and _CRUDE_WORDS.intersection(said):
            reason = CRUDE
        else:
            kept[key] = joke
            continue
        dropped.setdefault(reason, []).append(number)
    report = TableReport(len(kept), dropped, "jokes")
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


def _read_csv(path: Path) -> list[tuple[str, str | None]]:
    """The column Joke, and what is wrong with a row; a byte that is no UTF-8 spoils its
    own row only."""
    rows = read_table(path, ("ID", "Joke"), broken_bytes="surrogateescape")
    return [(row.values.get("Joke", ""), row.problem) for row in rows]


def _good(jokes: Iterable[str]) -> list[tuple[str, str | None]]:
    return [(joke, None) for joke in jokes]


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
