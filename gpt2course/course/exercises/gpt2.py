"""Checks for the chapter that introduces GPT-2."""

from __future__ import annotations

import torch

from gpt2course.config import SIZES, GPT2Config
from gpt2course.course.exercises import NotYet, checker
from gpt2course.generation import generate, stream_tokens
from gpt2course.model import GPT2


@checker("gpt2-needed")
def needed(f) -> str:
    given = [0.1, 0.5, 0.15, 0.25]
    p = torch.tensor(given)
    for share, right in ((0.4, 1), (0.5, 1), (0.6, 2), (0.8, 3), (0.99, 4)):
        got = f(p, share)
        if got == right - 1:
            raise NotYet(
                f"for a share of {share} yours is {got}: the token that reaches the "
                "share counts too"
            )
        if got == right + 1:
            raise NotYet(
                f"for a share of {share} yours is {got}, one too many: sort from large "
                "to small, and stop once the sum is at least the share"
            )
        if got != right:
            raise NotYet(
                f"probabilities {given} and a share of {share}: it takes {right}; "
                f"yours is {got}"
            )
    if f(torch.full((3,), 1 / 3), 1.0) > 3:
        raise NotYet(
            "three tokens cannot take more than three: the sum may end at 0.9999999 by "
            "rounding"
        )
    return "Top-p sampling counts in the same way."


@checker("gpt2-memory")
def memory(f) -> str:
    got = f(1_000_000_000, 32)
    if got == 32:
        raise NotYet(
            "a billion weights of 32 bits are 32 billion bits; eight bits are a byte"
        )
    if got == 4e9:
        raise NotYet("these are bytes; a GB is 10**9 of them")
    if abs(got - 4e9 / 2**30) < 1e-6:
        raise NotYet("you divide by 2**30; a GB here is 10**9 bytes")
    if not abs(got - 4) <= 1e-6:
        raise NotYet(f"a billion weights of 32 bits take 4 GB; yours gives {got}")
    if not abs(f(124_439_808, 16) - 0.248879616) <= 1e-7:
        raise NotYet(
            "for gpt2 in 16 bits it should be 0.2489 GB: is the second argument used?"
        )
    return (
        "Training needs several times as much: gradients and the optimizer's memory "
        "come on top."
    )


@checker("gpt2-write", without=(generate, stream_tokens))
def write(f) -> str:
    torch.manual_seed(0)
    model = GPT2(
        GPT2Config(vocab_size=30, n_positions=16, n_embd=16, n_layer=2, n_head=2)
    ).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
        ids, right = [3, 1, 4], []
        for _ in range(5):
            right.append(int(model(torch.tensor([ids + right]))[0, -1].argmax()))
    got = [int(i) for i in f(model, ids, 5)]
    if ids != [3, 1, 4]:
        raise NotYet("the list that was passed in has changed: work on a copy")
    if got[:3] == ids:
        raise NotYet("return the new ids only, without the prompt")
    if len(got) != 5:
        raise NotYet(f"five new ids were asked for; yours are {len(got)}")
    if got != right:
        raise NotYet(
            f"expected {right}, yours {got}: is every new id appended before you ask "
            "again, and the last row used?"
        )
    return (
        "This loop reads the whole text again for every token. The package's generate "
        "does not: it keeps a cache."
    )


@checker("gpt2-shape")
def shape(answer) -> str:
    V, C = SIZES["gpt2"].vocab_size, SIZES["gpt2"].n_embd
    if len(answer) != 2:
        raise NotYet(
            f"two things are asked for, (shape, numbers needed); yours are "
            f"{len(answer)}"
        )
    got, needed = tuple(int(size) for size in answer[0]), int(answer[1])
    for wrong, why in (
        (
            (4, 10, C),
            f"{C} numbers stand for a token inside; scores come out at the "
            "end, one for each token of the vocabulary",
        ),
        (
            (4, V),
            "this is one row of scores for each text; the model gives a row after "
            "each token that it reads",
        ),
        (
            (4, 10),
            "this is the shape of the ids; after each of them comes a whole row "
            "of scores",
        ),
        ((10, V), "these are the logits of one text; four are read at once"),
    ):
        if got == wrong:
            raise NotYet(f"the shape {wrong}: {why}")
    if got != (4, 10, V):
        raise NotYet(
            f"the shape is (texts, tokens, vocabulary), in this order; yours is {got}"
        )
    for wrong, why in (
        (
            4 * 10 * V,
            "these are all of them; rows before the last one predict tokens "
            "that stand in the text already",
        ),
        (V, "these choose the next token of one text; there are four"),
        (
            4,
            "four ids are the result; to find the largest score, a whole row has to be "
            "looked at",
        ),
    ):
        if needed == wrong:
            raise NotYet(f"the shape is right. {wrong:,} numbers: {why}")
    if needed != 4 * V:
        raise NotYet(
            f"the shape is right. {needed:,} numbers: count the scores in the last row "
            "of each text"
        )
    return (
        f"{4 * V:,} of {4 * 10 * V:,}: to write, a tenth is used. Training uses every "
        "row that predicts a token of the text."
    )


class _TwoSteps(torch.nn.Module):
    """Logits that are known: a first token after the prompt, and one after each."""

    def __init__(self, prompt: int, first: torch.Tensor, second: torch.Tensor) -> None:
        super().__init__()
        self.prompt, self.first, self.second, self.asked = prompt, first, second, 0

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        self.asked += 1
        logits = self.first.flip(0).repeat(*input_ids.shape, 1)  # no row to read
        if input_ids.size(1) >= self.prompt:
            logits[:, self.prompt - 1] = self.first
        if input_ids.size(1) > self.prompt:
            logits[:, self.prompt] = self.second[input_ids[:, self.prompt]]
        return logits


@checker("gpt2-pair", without=(generate, stream_tokens))
def pair(f) -> str:
    # the best pair is (0, 2). In the order of the probabilities of the first token
    # (3, 0, 5, 1, 2, 4), its best continuation has 0.35, 0.6, 0.8, 0.92, 0.3, 0.3
    first = torch.tensor([0.3, 0.06, 0.03, 0.4, 0.01, 0.2])
    best = torch.tensor([0.6, 0.92, 0.3, 0.35, 0.3, 0.8])
    second = ((1 - best) / 5)[:, None].repeat(1, 6)
    second[range(6), [2, 4, 5, 1, 3, 3]] = best
    logits, after = first.log(), second.log()
    after[2] += 9  # no softmax sees that
    ids, k = [3, 1, 4], 5
    top = first.topk(k).indices
    p, q = first[top], second[top]

    def largest(scores: torch.Tensor) -> tuple[int, int]:
        row, column = divmod(int(scores.argmax()), scores.size(1))
        return int(top[row]), column

    model = _TwoSteps(len(ids), logits, after)
    got = tuple(int(i) for i in f(model, list(ids), k))
    asked, right = model.asked, largest(p[:, None] * q)
    if len(got) != 2:
        raise NotYet(f"a pair of ids is asked for; yours are {len(got)}")
    greedy = largest(p[:1, None] * q[:1])
    for wrong, why in (
        (right[::-1], "these are the right ids in the wrong order"),
        (
            greedy,
            "the most probable token, and the most probable one after it. A less "
            "probable beginning may have a surer continuation",
        ),
        (
            largest(q),
            "here the second token alone is the most probable. A surprising first "
            "token costs, too: multiply by its probability",
        ),
        (
            largest(p[:, None] + q),
            "you add the probabilities; that of both, one after the other, is their "
            "product",
        ),
        (
            largest(logits[top][:, None] + after[top]),
            "you add logits. Rows of logits have no common scale: take the softmax of "
            "each row first",
        ),
        (
            (top.tolist().index(right[0]), right[1]),
            "the first number is an index into the k best; which token is that?",
        ),
    ):
        if got == wrong:
            raise NotYet(f"{got}: {why}")
    if got != right:
        raise NotYet(
            f"with k = {k} it should be {right}; yours is {got}: is each second token "
            "read from the last row of the text with its first token appended?"
        )
    alone = tuple(int(i) for i in f(model, list(ids), 1))
    if alone != greedy:
        raise NotYet(
            f"with k = 1 only the most probable token may come first; yours is {alone}"
        )
    if asked > 2:
        raise NotYet(
            f"the pair is right, but the model was asked {asked} times: put the k "
            "texts into one batch of shape (k, T + 1), and ask twice"
        )
    return (
        "The most probable text is not made of the most probable tokens. Searching on "
        "in this way is called beam search."
    )
