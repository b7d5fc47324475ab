"""Checks for the chapter on the model family."""

from __future__ import annotations

import torch

from gpt2course.course.exercises import NotYet, checker


@checker("family-shapes")
def shapes(f) -> str:
    B, T, C, V, labels = 2, 7, 12, 50, 3
    right = {
        "GPT2Model": (B, T, C),
        "GPT2LMHeadModel": (B, T, V),
        "GPT2ForSequenceClassification": (B, labels),
        "GPT2ForQuestionAnswering": (B, T),
        "GPT2ForTokenClassification": (B, T, labels),
    }
    got = f(B, T, C, V, labels)
    if missing := sorted(set(right) - set(got)):
        raise NotYet(f"these classes are missing: {', '.join(missing)}")
    for name, shape in right.items():
        given = tuple(got[name])
        if given == shape:
            continue
        if (
            name == "GPT2ForSequenceClassification"
            and given == right["GPT2ForTokenClassification"]
        ):
            raise NotYet(f"{name} gives one answer for the whole text, not one a token")
        if name == "GPT2ForQuestionAnswering" and given == (B, T, 2):
            raise NotYet(
                f"{name} has two scores a token, but it returns them apart: "
                "start_logits and end_logits"
            )
        raise NotYet(
            f"for B={B}, T={T}, C={C}, V={V}, labels={labels}, {name} does not give "
            f"{given}"
        )
    return "The letters say what the numbers mean, whatever the size of the model."


@checker("family-random")
def random_weights(f) -> str:
    body = ["wte.weight", "wpe.weight", "h.0.ln_1.weight", "ln_f.weight"]
    prefixed = [f"transformer.{name}" for name in body]
    for file, style in ((prefixed, "with"), (body, "without")):
        got = set(f([*prefixed, "qa_outputs.weight", "qa_outputs.bias"], file))
        if got & set(prefixed):
            raise NotYet(
                f"a file whose names are written {style} 'transformer.' fills the "
                f"body; yours draws {got}"
            )
        if got != {"qa_outputs.weight", "qa_outputs.bias"}:
            raise NotYet(
                "the weight and the bias of qa_outputs are in no file; yours draws "
                f"{got or 'nothing'}"
            )
        got = set(f([*prefixed, "lm_head.weight"], file))
        if got:
            raise NotYet(
                "lm_head.weight is the token embedding, which the file has; yours "
                f"draws {got}"
            )
        got = set(f(body, file))
        if got:
            raise NotYet(
                "GPT2Model has names without 'transformer.', and the file fills them "
                f"all; yours draws {got}"
            )
    if set(f(prefixed, body[1:])) != {"transformer.wte.weight"}:
        raise NotYet(
            "a file without wte.weight should leave transformer.wte.weight, by its "
            "name in the model"
        )
    if "lm_head.weight" not in set(f([*prefixed, "lm_head.weight"], body[1:])):
        raise NotYet("if the file has no wte, nothing fills lm_head either")
    return "This is what from_pretrained does before it draws the rest."


@checker("family-score", tensors=True)
def score(f) -> str:
    pad = 9
    hidden, weight = torch.randn(3, 4, 5), torch.randn(2, 5)
    cases = {
        "without padding": torch.tensor([[1, 2, 3, 4], [4, 3, 2, 1], [5, 6, 7, 8]]),
        "with padding on the right": torch.tensor(
            [[1, 2, pad, pad], [4, 3, 2, 1], [5, pad, pad, pad]]
        ),
        "with padding on the left": torch.tensor(
            [[pad, pad, 1, 2], [4, 3, 2, 1], [pad, pad, pad, 5]]
        ),
        "with the pad token inside a text": torch.tensor(
            [[1, pad, 3, pad], [4, pad, pad, 1], [5, 6, pad, 8]]
        ),
    }
    for case, ids in cases.items():
        got = f(hidden, ids, weight, pad)
        if got.shape != (3, 2):
            raise NotYet(
                "(3, 4, 5) vectors and two labels should give (3, 2) scores; yours "
                f"are {tuple(got.shape)}"
            )
        last = [
            max(i for i, token in enumerate(row) if token != pad)
            for row in ids.tolist()
        ]
        right = torch.stack([hidden[b, i] @ weight.T for b, i in enumerate(last)])
        if torch.allclose(got, right, atol=1e-5):
            continue
        if torch.allclose(got, hidden[:, -1] @ weight.T, atol=1e-5):
            raise NotYet(f"{case}, you read the last column, which may be padding")
        counted = (ids != pad).sum(1) - 1
        if torch.allclose(got, hidden[torch.arange(3), counted] @ weight.T, atol=1e-5):
            raise NotYet(
                f"{case}, the number of real tokens does not say where the last one is"
            )
        raise NotYet(f"{case}, the rows {ids.tolist()} should be read at {last}")
    return "transformers does exactly this, with the same trick."


@checker("family-positions", tensors=True)
def positions(f) -> str:
    mask = torch.tensor(
        [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 1]]
    )
    got = f(mask)
    if got.shape != mask.shape:
        raise NotYet(
            "one position for each token, padding too: (4, 5); yours is "
            f"{tuple(got.shape)}"
        )
    if got.is_floating_point():
        raise NotYet("positions are whole numbers: they choose rows of wpe")
    for row, given in zip(mask, got, strict=True):
        real = given[row.bool()].tolist()
        if real == list(range(1, len(real) + 1)):
            raise NotYet(
                f"the first real token is at position 0, yours are {real} for the "
                f"mask {row.tolist()}"
            )
        if real != list(range(len(real))):
            raise NotYet(
                f"the real tokens of the mask {row.tolist()} are at 0, 1, 2 and so "
                f"on; yours at {real}"
            )
    if (got < 0).any():
        raise NotYet("padding got a negative position, and wpe has no such row")
    if (got >= mask.shape[1]).any():
        raise NotYet(
            "padding got a position beyond the batch; a full context would end in an "
            "IndexError"
        )
    return (
        "Without this, a review that is padded on the left starts in the middle of "
        "the context."
    )


@checker("family-span")
def span(f) -> str:
    cases = [
        (
            torch.tensor([0.0, 5.0, 0.0, 0.0]),
            torch.tensor([0.0, 0.0, 4.0, 0.0]),
            4,
            (1, 2),
        ),
        (
            torch.tensor([0.0, 0.0, 5.0, 1.0]),
            torch.tensor([6.0, 0.0, 0.0, 2.0]),
            4,
            (2, 3),
        ),
        (
            torch.tensor([5.0, 0.0, 1.0, 0.0]),
            torch.tensor([0.0, 1.0, 0.0, 6.0]),
            2,
            (2, 3),
        ),
        (
            torch.tensor([0.0, 3.0, 0.0, 0.0]),
            torch.tensor([0.0, 3.0, 0.0, 2.5]),
            1,
            (1, 1),
        ),
        (torch.tensor([-9.0, -5.0, -8.0]), torch.tensor([-9.0, -9.0, -4.0]), 3, (1, 2)),
        (
            torch.tensor([5.0, 1.0, 0.0, 0.0]),
            torch.tensor([0.0, 0.0, 6.0, 0.0]),
            2,
            (1, 2),
        ),
    ]
    for start, end, longest, right in cases:
        got = tuple(int(i) for i in f(start, end, longest))
        if got == right:
            continue
        what = (
            f"for start {start.tolist()}, end {end.tolist()} and at most {longest} "
            "tokens"
        )
        if got[0] > got[1]:
            raise NotYet(f"{what}, your span {got} ends before it starts")
        if got[1] - got[0] + 1 > longest:
            raise NotYet(f"{what}, your span {got} has {got[1] - got[0] + 1} tokens")
        raise NotYet(f"{what}, the best span is {right}; yours is {got}")
    return (
        "In practice one also asks that the span lies within the passage, not in the "
        "question."
    )


@checker("family-words")
def words(f) -> str:
    cases = [
        ([0, 1, 1, 1, 2], [5, 6, 7], [5, -100, -100, 6, 7]),
        ([None, 0, 0, 1, None], [1, 0], [-100, -100, 1, 0, -100]),
        ([0, 1, 2], [1, 1, 1], [1, 1, 1]),
        ([0, 0, 2, None], [5, 6, 7], [-100, 5, 7, -100]),  # word 1 has no token
    ]
    for word_of_token, labels, right in cases:
        got = [int(label) for label in f(word_of_token, labels)]
        if got == right:
            continue
        if len(got) != len(right):
            raise NotYet(
                f"there are {len(right)} tokens, so {len(right)} labels; yours are "
                f"{len(got)}"
            )
        what = f"for tokens of the words {word_of_token} with labels {labels}"
        if got == [-100 if word is None else labels[word] for word in word_of_token]:
            raise NotYet(
                f"{what}, every token got its word's label; only the last token of a "
                "word should"
            )
        before = [None, *word_of_token[:-1]]
        first = [
            -100 if word in (None, earlier) else labels[word]
            for word, earlier in zip(word_of_token, before, strict=True)
        ]
        if got == first:
            raise NotYet(
                f"{what}, you label the first token of a word, which has not seen the "
                "rest of it"
            )
        raise NotYet(f"{what} it should be {right}; yours is {got}")
    return (
        "With BERT one takes the first token. A model that reads from left to right "
        "knows more at the last."
    )
