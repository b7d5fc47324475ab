"""Wrong answers to the exercises of the page on tokens, and what each is told."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from gpt2course.checkpoints import load_tokenizer


def neighbours(texts):
    return Counter(pair for text in texts for pair in pairwise(text))


def across_texts(texts):
    return neighbours([[i for text in texts for i in text]])


def without_overlap(texts):
    counts: Counter = Counter()
    for text in texts:
        place = 0
        while place < len(text) - 1:
            pair = (text[place], text[place + 1])
            counts[pair] += 1
            place += 1 + (pair[0] == pair[1])
    return counts


def each_pair_once(texts):
    return {pair: 1 for pair in neighbours(texts)}


def merged(text, pair):
    result = []
    for piece in text:
        if result and (result[-1], piece) == pair:
            result[-1] += piece
        else:
            result.append(piece)
    return result


def best(texts):
    return max(neighbours(texts).items(), key=lambda item: (item[1], item[0]))[0]


def split(words):
    return [[bytes([b]) for b in word] for word in words]


def first_of_equals(words, n):
    texts, merges = split(words), []
    for _ in range(n):
        merges.append(neighbours(texts).most_common(1)[0][0])
        texts = [merged(text, merges[-1]) for text in texts]
    return merges


def counted_once(words, n):
    counts = neighbours(split(words)).items()
    ranked = sorted(counts, key=lambda item: (item[1], item[0]), reverse=True)
    return [pair for pair, _ in ranked[:n]]


def one_too_many(words, n):
    texts, merges = split(words), []
    while len(merges) <= n and neighbours(texts):
        merges.append(best(texts))
        texts = [merged(text, merges[-1]) for text in texts]
    return merges


def past_the_last_pair(words, n):
    texts, merges = split(words), []
    for _ in range(n):
        if neighbours(texts):
            merges.append(best(texts))
            texts = [merged(text, merges[-1]) for text in texts]
        else:
            merges.append((b"", b""))
    return merges


def piece_by_piece(pieces):
    return "".join(piece.decode("utf-8", "replace") for piece in pieces)


def all_at_once(pieces):
    return b"".join(pieces).decode("utf-8", "replace")


def dropping(pieces):
    return b"".join(pieces).decode("utf-8", "ignore")


def all_without_a_sign_at_the_end(pieces):
    return all_at_once(pieces).rstrip("\N{REPLACEMENT CHARACTER}")


def waiting_for_two_bytes(pieces):
    data = b"".join(pieces)
    for n in (0, 1, 2):
        try:
            return data[: len(data) - n].decode()
        except UnicodeDecodeError:
            continue
    return all_at_once(pieces)


def learned(words, n, choose=None, merge=None):
    texts, merges = split(words), []
    while len(merges) < n and neighbours(texts):
        merges.append((choose or best)(texts))
        texts = [(merge or merged)(text, merges[-1]) for text in texts]
    return merges


def last_of_equals(texts):
    counts = list(neighbours(texts).items())
    return max(reversed(counts), key=lambda item: item[1])[0]


def merged_once(text, pair):
    found = list(pairwise(text))
    if pair not in found:
        return text
    n = found.index(pair)
    return [*text[:n], pair[0] + pair[1], *text[n + 2 :]]


def encoder(pieces_of):
    return lambda word, ranks, vocabulary: [
        vocabulary[piece] for piece in pieces_of(word, ranks, vocabulary)
    ]


def ranked(word, ranks):
    return [pair for pair in pairwise(word) if pair in ranks]


def merging(choose, rounds=99):
    def pieces_of(word, ranks, vocabulary):
        pieces = list(word)
        for _ in range(rounds):
            if found := ranked(pieces, ranks):
                pieces = merged(pieces, choose(found, ranks))
        return pieces

    return pieces_of


def lowest(pairs, ranks):
    return min(pairs, key=ranks.get)


def longest_piece(word, ranks, vocabulary):
    pieces = []
    while word:
        n = max(n for n in range(len(word) + 1) if word[:n] in vocabulary)
        pieces.append(word[:n])
        word = word[n:]
    return pieces


def tokens_twice(word, ranks, vocabulary):
    """Appends the merged pair and keeps its second piece for the next pair."""
    pieces = list(word)
    while found := ranked(pieces, ranks):
        pair, result = lowest(found, ranks), []
        for a, b in pairwise([*pieces, ""]):
            result.append(a + b if (a, b) == pair else a)
        pieces = result
    return pieces


def first_place_only(word, ranks, vocabulary):
    pieces = list(word)
    for pair in sorted(ranks, key=ranks.get):
        found = list(pairwise(pieces))
        if pair in found:
            n = found.index(pair)
            pieces[n : n + 2] = ["".join(pair)]
    return pieces


def ids(*pieces):
    return load_tokenizer("gpt2").convert_tokens_to_ids(list(pieces))


WRONG = {
    "tokens-pairs": [
        (across_texts, "reaches from one text into the next"),
        (without_overlap, "overlapping pairs count"),
        (each_pair_once, "(1, 2): 2"),
        (
            lambda texts: Counter(
                tuple(sorted(pair)) for text in texts for pair in pairwise(text)
            ),
            "has an order",
        ),
    ],
    "tokens-train": [
        (first_of_equals, "the larger pair is"),
        (counted_once, "count again each round"),
        (one_too_many, "three merges were asked for; you return 4"),
        (past_the_last_pair, "no pair is left: stop"),
        (lambda words, n: learned(sorted({*words}), n), "as often as it is"),
        (lambda words, n: learned(words, n, last_of_equals), "the larger"),
        (lambda words, n: learned(words, n, merge=merged_once), "every occurrence"),
    ],
    "tokens-stream": [
        (piece_by_piece, "a character may come in several pieces"),
        (all_at_once, "two of three bytes of a character have to wait"),
        (dropping, "nothing to wait for"),
        (all_without_a_sign_at_the_end, "nothing to wait for"),
        (waiting_for_two_bytes, "three of four bytes"),
    ],
    "tokens-roundtrip": [
        (ids("c", "at"), "three ids between 0 and 50256 are needed"),
        (ids("the", "Ġcat", "Ġsat"), "encodes to the same ids again"),
        ([50256, 50257, 0], "three ids between 0 and 50256 are needed"),
        (["c", "a", "t"], "ids are numbers"),
    ],
    "tokens-encode": [
        (lambda word, *_: merging(lowest)(word, *_), "these are pieces, not ids"),
        (encoder(merging(lowest, rounds=1)), "one merge is not enough"),
        (
            encoder(merging(lambda pairs, ranks: max(pairs, key=ranks.get))),
            "the lowest rank comes first",
        ),
        (
            encoder(merging(lambda pairs, ranks: pairs[0])),
            "you merge the first pair that has a rank",
        ),
        (encoder(longest_piece), "the longest piece that fits"),
        (encoder(tokens_twice), "no longer reads"),
        (encoder(first_place_only), "'bcbc' should become ['bc', 'bc']"),
    ],
}
