"""Wrong answers to the exercises of the page on writing token by token."""

from __future__ import annotations

import torch

from gpt2course.generation import generate


def without_room(model, ids, n, eos):
    new = []
    for _ in range(n):
        new.append(int(model(torch.tensor([[*ids, *new]]))[0, -1].argmax()))
        if new[-1] == eos:
            break
    return new


def without_the_end(model, ids, n, eos):
    new = generate(model, ids, n, stop_ids=(eos,))
    return new[: new.index(eos)] if eos in new else new


def prompt_ends_it(model, ids, n, eos):
    new = []
    while len(new) < n and len(ids) + len(new) < 16 and [*ids, *new][-1] != eos:
        new += without_room(model, [*ids, *new], 1, -1)
    return new


def do_while(model, ids, n, eos):
    new = []
    while True:
        new += without_room(model, [*ids, *new][-16:], 1, -1)
        if len(new) == n or len(ids) + len(new) >= 16 or new[-1] == eos:
            return new


def last_equal_token(ids):
    for d in range(1, len(ids)):
        if ids[-1 - d] == ids[-1]:
            return d if ids[-d:] == ids[-2 * d : -d] else 0
    return 0


def longest_circle(ids):
    for n in range(len(ids) // 2, 0, -1):
        if ids[-n:] == ids[-2 * n : -n]:
            return n
    return 0


def circle_anywhere(ids):
    for n in range(1, len(ids) // 2 + 1):
        for end in range(len(ids), 2 * n - 1, -1):
            if ids[end - n : end] == ids[end - 2 * n : end - n]:
                return n
    return 0


def cut_in_a_piece(pieces, stop):
    text = ""
    for piece in pieces:
        if stop in piece:
            return text + piece[: piece.index(stop)]
        text += piece
    return text


def cut_in_two_pieces(pieces, stop):
    text = before = ""
    for piece in pieces:
        if stop in before + piece:
            whole = text + piece
            return whole[: whole.index(stop)]
        text, before = text + piece, piece
    return text


def cut_at_the_last(pieces, stop):
    text = ""
    for piece in pieces:
        text += piece
        if stop in text:
            return text[: text.rindex(stop)]
    return text


def cut_after_all(pieces, stop):
    return "".join(pieces).split(stop)[0]


def cut_behind(pieces, stop):
    text = ""
    for piece in pieces:
        text += piece
        if stop in text:
            return text[: text.index(stop) + len(stop)]
    return text


def guesses(model, ids):
    with torch.no_grad():
        return model(ids).argmax(-1)


WRONG = {
    "greedy-rank": [
        (lambda logits, token: int((logits > logits[token]).sum()), "rank 1, not 0"),
        (
            lambda logits, token: int((logits < logits[token]).sum()) + 1,
            "counts from the least probable",
        ),
        (
            lambda logits, token: int((logits >= logits[token]).sum()),
            "an equal logit",
        ),
    ],
    "greedy-loop": [
        (
            lambda model, ids, n, eos: ids + generate(model, ids, n, stop_ids=(eos,)),
            "without the prompt",
        ),
        (without_the_end, "itself belongs to what was written"),
        (without_room, "the model has 16 positions"),
        (prompt_ends_it, "only what you write"),
        (do_while, "there is no room"),
    ],
    "greedy-circle": [
        (longest_circle, "the shortest is asked for"),
        (last_equal_token, "it should be 4; yours is 0"),
        (circle_anywhere, "an earlier circle does not count"),
    ],
    "greedy-stop": [
        (cut_in_a_piece, "end in another"),
        (cut_behind, "not part of the text"),
        (cut_in_two_pieces, "end in another"),
        (cut_at_the_last, "it should be 'a'"),
        (lambda pieces, stop: iter(pieces), "return one text"),
        (cut_after_all, "stop asking for pieces"),
    ],
    "greedy-rows": [
        (
            lambda model, ids: int((guesses(model, ids) == ids).sum()),
            "row t guesses token t + 1",
        ),
        (
            lambda model, ids: float(
                (guesses(model, ids)[:, :-1] == ids[:, 1:]).double().mean()
            ),
            "return their number",
        ),
        (
            lambda model, ids: int((guesses(model, ids)[0, :-2] == ids[0, 1:-1]).sum()),
            "it should be 4; yours is 3",
        ),
        (
            lambda model, ids: int((guesses(model, ids)[0, 1:-1] == ids[0, 2:]).sum()),
            "it should be 4; yours is 3",
        ),
    ],
}
