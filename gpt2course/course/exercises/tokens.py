"""Checks for the chapter on tokens."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from gpt2course.checkpoints import gpt2_vocabulary, load_tokenizer
from gpt2course.course.exercises import NotYet, checker
from gpt2course.generation import decode_utf8


@checker("tokens-pairs")
def pairs(f) -> str:
    got = dict(f([[1, 2, 3], [1, 2], [7]]))
    if (3, 1) in got or (2, 7) in got:
        raise NotYet("you counted a pair that reaches from one text into the next")
    if got != {(1, 2): 2, (2, 3): 1}:
        raise NotYet(
            f"for [[1, 2, 3], [1, 2], [7]] it should be {{(1, 2): 2, (2, 3): 1}}; "
            f"yours is {got}"
        )
    if dict(f([[5, 5, 5]])) != {(5, 5): 2}:
        raise NotYet(
            "in [5, 5, 5] the pair (5, 5) occurs twice: overlapping pairs count"
        )
    if dict(f([[2, 1], [1, 2]])) != {(2, 1): 1, (1, 2): 1}:
        raise NotYet("a pair has an order: (2, 1) is not (1, 2)")
    return "This count is all that BPE ever looks at."


@checker("tokens-train")
def train(f) -> str:
    words = [b"low", b" low", b" lower", b" lowest"]
    got = list(f(words, 3))
    right = [(b"o", b"w"), (b"l", b"ow"), (b" ", b"low")]
    if len(got) != 3:
        raise NotYet(f"three merges were asked for; you return {len(got)}")
    if got[0] != right[0]:
        raise NotYet(
            f"'lo' and 'ow' both occur four times; the larger pair is {right[0]}; you "
            f"merge {got[0]} first"
        )
    if got != right:
        raise NotYet(
            "after the first merge the pieces change: count again each round; "
            f"expected {right}, yours {got}"
        )
    for words, n, right, why in (
        (
            [b"ab"] * 3 + [b"cd", b"xcd"],
            1,
            [(b"a", b"b")],
            "a word counts as often as it is in the list",
        ),
        (
            [b"cd", b"ab"],
            2,
            [(b"c", b"d"), (b"a", b"b")],
            "of equally frequent pairs take the larger, wherever it stands",
        ),
        (
            [b"abab"],
            2,
            [(b"a", b"b"), (b"ab", b"ab")],
            "merge every occurrence in a word",
        ),
    ):
        if (got := list(f(list(words), n))) != right:
            raise NotYet(
                f"for {words} and {n} it should be {right}; yours is {got}: {why}"
            )
    if not f([b"ab"], 10):
        raise NotYet(
            "a pair that occurs once is merged, too, if none occurs more often"
        )
    if len(f([b"ab"], 10)) != 1:
        raise NotYet(
            "when every word is one piece, no pair is left: stop, and return the "
            "merges so far"
        )
    return "Fifteen lines, and the same algorithm that made GPT-2's vocabulary."


@checker("tokens-stream", without=(decode_utf8,))
def stream(f) -> str:
    cup, smile = "☕".encode(), "\N{SLIGHTLY SMILING FACE}".encode()
    for pieces, right, why in (
        ([b"caf", "é".encode()], "café", "complete characters are certain"),
        ([cup[:1], cup[1:]], "☕", "a character may come in several pieces"),
        ([b"tea ", cup[:2]], "tea ", "two of three bytes of a character have to wait"),
        (
            [smile[:3]],
            "",
            "three of four bytes of a character have to wait",
        ),
        (
            [b"a\xff"],
            "a\N{REPLACEMENT CHARACTER}",
            "the byte 255 can never become a character: nothing to wait for",
        ),
        (
            [b"a\xffb"],
            "a\N{REPLACEMENT CHARACTER}b",
            "the byte 255 never starts a character: show the replacement sign",
        ),
    ):
        got = f(pieces)
        if got != right:
            raise NotYet(
                f"for {pieces} it should be {right!r}; yours is {got!r}: {why}"
            )
    return "A program that streams text needs just this."


@checker("tokens-roundtrip")
def roundtrip(ids) -> str:
    tokenizer = load_tokenizer("gpt2")
    if any(isinstance(i, str) for i in ids):
        raise NotYet(
            "these are pieces of text, and ids are numbers: "
            "tokenizer.convert_tokens_to_ids turns pieces into ids"
        )
    ids = [int(i) for i in ids]
    if len(ids) != 3 or not all(0 <= i < len(tokenizer) for i in ids):
        raise NotYet(
            f"three ids between 0 and {len(tokenizer) - 1} are needed; yours are {ids}"
        )
    text = tokenizer.decode(ids)
    again = tokenizer.encode(text)
    if again == ids:
        raise NotYet(f"{ids} decodes to {text!r}, which encodes to the same ids again")
    if len(again) >= 3:
        raise NotYet(
            f"{ids} decodes to {text!r}, which encodes to {len(again)} ids; find a "
            "text that needs fewer than three"
        )
    return f"{ids} reads {text!r}, and encodes to {again}."


# a small vocabulary's merges, in the order in which they were learned
_LEARNED = (("b", "c"), ("c", "d"), ("a", "b"), ("a", "a"), ("bc", "d"), ("a", "bcd"))


def _merged(
    word: str,
    ranks: dict[tuple[str, str], int],
    choose: Callable[[list[int]], int] = min,
    rounds: int = 99,
) -> list[str]:
    """The pieces of a word when `choose` says which of the ranks is merged next."""
    pieces = list(word)
    for _ in range(rounds):
        found = [ranks[pair] for pair in pairwise(pieces) if pair in ranks]
        if not found:
            break
        rank, result = choose(found), []
        for piece in pieces:
            if result and ranks.get((result[-1], piece)) == rank:
                result[-1] += piece
            else:
                result.append(piece)
        pieces = result
    return pieces


def _longest(word: str, vocabulary: dict[str, int]) -> list[str]:
    """The pieces of a word when the longest one that fits is always taken."""
    pieces, place = [], 0
    while place < len(word):
        ends = range(len(word), place, -1)
        pieces.append(next(word[place:e] for e in ends if word[place:e] in vocabulary))
        place += len(pieces[-1])
    return pieces


@checker("tokens-encode")
def encode(f) -> str:
    vocabulary, merges = gpt2_vocabulary()
    pieces = [*"abcd", *map("".join, _LEARNED)]
    small, real = (
        ({pair: n for n, pair in enumerate(learned)}, ids)
        for learned, ids in (
            (_LEARNED, {piece: n for n, piece in enumerate(pieces)}),
            (merges, vocabulary),
        )
    )
    for word, (ranks, ids) in (
        ("d", small),
        ("bcd", small),
        ("abcd", small),
        ("abc", small),
        ("aaa", small),
        ("bcbc", small),
        ("Ġhahaha", real),
        ("Ġrewatchable", real),
    ):
        got, right = list(f(word, dict(ranks), dict(ids))), _merged(word, ranks)
        if any(isinstance(piece, str) for piece in got):
            raise NotYet("these are pieces, not ids: look each up in the vocabulary")
        got = [int(n) for n in got]
        if got == [ids[piece] for piece in right]:
            continue
        texts = {n: piece for piece, n in ids.items()}
        pieces = [texts.get(n, f"? ({n})") for n in got]
        for wrong, why in (
            (
                _longest(word, ids),
                "you take the longest piece that fits. BPE does not look at lengths: "
                "the merges decide",
            ),
            (
                _merged(word, ranks, lambda found: found[0]),
                "you merge the first pair that has a rank; merge the one with the "
                "lowest rank, wherever it stands",
            ),
            (
                _merged(word, ranks, max),
                "you merge what was learned last; the lowest rank comes first",
            ),
            (
                _merged(word, ranks, rounds=1),
                "one merge is not enough: a new piece may form a pair that has a rank",
            ),
        ):
            if pieces == wrong:
                raise NotYet(f"{word!r} became {pieces}: {why}")
        if "".join(pieces) != word:
            raise NotYet(
                f"{word!r} became {pieces}, which no longer reads {word!r}: a merge "
                "takes two pieces away and puts one in their place"
            )
        raise NotYet(f"{word!r} should become {right}; yours is {pieces}")
    return (
        "' hahaha' is ' ha', 'h', 'aha' for GPT-2, though ' haha' is a token, too: the "
        "merges decide, not the lengths."
    )
