"""Checks for the chapter on the joke machine."""

from __future__ import annotations

import torch

from gpt2course.checkpoints import load_tokenizer
from gpt2course.course.exercises import NotYet, checker
from gpt2course.data import encode_jokes
from gpt2course.loss import IGNORE_INDEX


@checker("jokes-encode", without=(encode_jokes,))
def encode(f) -> str:
    tokenizer = load_tokenizer()
    end = tokenizer.eos_token_id
    joke = "What do you call a fish without eyes? A fsh."
    got, (right,) = list(f(joke)), encode_jokes([joke], tokenizer)
    if got == right[:-1]:
        raise NotYet(
            "the end of text is missing: without it the model never learns to stop"
        )
    if got == [*right, end]:
        raise NotYet("the end of text is there twice")
    if got == [*tokenizer.encode(joke), end]:
        raise NotYet('the prefix "JOKE: " is missing')
    if got == [*tokenizer.encode("JOKE:" + joke), end]:
        raise NotYet(
            'the prefix ends in a space: "JOKE: ", which then belongs to the token of '
            "the first word"
        )
    if got == [*tokenizer.encode("JOKE: "), *tokenizer.encode(joke), end]:
        raise NotYet(
            "encode prefix and joke as one text; in two pieces the space becomes a "
            "token of its own"
        )
    if got != right:
        raise NotYet(f"for {joke!r} it should be {right}; yours is {got}")
    tricky = "My favourite token is <|endoftext|> because it is the end."
    got = list(f(tricky))
    if got.count(end) > 1:
        raise NotYet(
            "in a joke about <|endoftext|> the end token is found twice; pass "
            "split_special_tokens=True"
        )
    if [got] != encode_jokes([tricky], tokenizer):
        raise NotYet(f"the joke {tricky!r} is not encoded as ordinary characters")
    return "What somebody writes can no longer end a text."


@checker("jokes-handle", tensors=True)
def handle(f) -> str:
    rows = [[7, 8, 1, 2, 9], [7, 8, 7, 9]]
    got = f([list(row) for row in rows], 2, 6)
    if not torch.is_tensor(got):
        raise NotYet(f"return a tensor; yours is a {type(got).__name__}")
    if got.shape != (2, 6):
        raise NotYet(
            f"two rows and T = 6 make the shape (2, 6); yours is {tuple(got.shape)}"
        )
    if got.is_floating_point():
        raise NotYet(
            "labels are ids, whole numbers; yours are floats, which cross_entropy "
            "refuses"
        )
    skip = IGNORE_INDEX
    right = torch.tensor([[skip, skip, 1, 2, 9, skip], [skip, skip, 7, 9, skip, skip]])
    if got[0, 0] == 7:
        raise NotYet("the first n tokens still count; their labels have to be -100")
    if got[0, 0] == 1:
        raise NotYet(
            "you left the first n tokens out and everything moved; a label stays where "
            "its token is"
        )
    if (got == 9).sum() < 2:
        raise NotYet("an end token is gone; it counts, or the model never stops")
    if not torch.equal(got, right):
        raise NotYet(f"it should be {right.tolist()}; yours is {got.tolist()}")
    return "The model still reads the prefix; it is only not graded on it."


@checker("jokes-steps")
def steps(f) -> str:
    cases = (
        ((32, 8, 2, False), 8),
        ((33, 8, 3, False), 15),
        ((33, 8, 3, True), 12),
        ((5, 8, 4, False), 4),
    )
    for arguments, right in (*cases, ((5, 8, 4, True), 0)):
        got = f(*arguments)
        if got == right:
            continue
        n, batch_size, epochs, drop_last = arguments
        if got == n * epochs / batch_size:
            raise NotYet(
                f"{n} jokes in batches of {batch_size} make no {n / batch_size} "
                "batches; the number is whole"
            )
        if not drop_last and got == -(-n * epochs // batch_size):
            raise NotYet(
                "round in each epoch: a smaller batch comes at the end of every epoch, "
                "not once"
            )
        raise NotYet(
            f"for n, batch_size, epochs, drop_last = {arguments} it should be {right}; "
            f"yours is {got}"
        )
    return (
        "A schedule needs this number, and needs it right: see the page on a run that "
        "can be trusted."
    )


@checker("jokes-step")
def step(f) -> str:
    def fresh() -> list[torch.Tensor]:
        w, unused = (
            torch.tensor([1.0, 2.0], requires_grad=True),
            torch.tensor([5.0], requires_grad=True),
        )
        (w * torch.tensor([10.0, -4.0])).sum().backward()
        return [w, unused]

    parameters = fresh()
    w, unused = parameters
    f(parameters, 0.1)
    if torch.allclose(w, torch.tensor([2.0, 1.6])):
        raise NotYet("this is uphill: subtract the gradient, so that the loss falls")
    if torch.equal(w, torch.tensor([1.0, 2.0])):
        raise NotYet(
            "the weights did not change; change the tensor itself (p -= …, not p = p - "
            "…)"
        )
    if not torch.allclose(w, torch.tensor([0.0, 2.4])):
        raise NotYet(
            "[1, 2] with the gradient [10, -4] and the rate 0.1 goes to [0, 2.4]; "
            f"yours is {w.tolist()}"
        )
    if w.grad is not None:
        raise NotYet(
            "the gradient is still there: the next backward would add to it. Set "
            "p.grad = None"
        )
    if not torch.equal(unused, torch.tensor([5.0])):
        raise NotYet("a parameter without a gradient was changed; leave it alone")
    if not w.is_leaf or w.grad_fn is not None:
        raise NotYet("the step itself was recorded; do it within torch.no_grad()")
    return (
        "torch.optim.SGD does this. AdamW also divides by the usual size of each "
        "gradient."
    )


@checker("jokes-ends")
def ends(f) -> str:
    if isinstance(f([[1]], 0, 5), str):
        raise NotYet("there is no answer yet; return a fraction, 0 to 1")
    got = f([[1, 0], [1, 2, 3], [0], [1, 2, 3, 0]], 0, 3)
    if got == 0.75:
        raise NotYet(
            "the end after four tokens is not within three; look at the first `limit` "
            "tokens only"
        )
    if got == 2:
        raise NotYet("this is a number of texts; divide by how many there are")
    if got != 0.5:
        raise NotYet(
            "two of these four texts end within three tokens, a fraction of 0.5; yours "
            f"is {got}"
        )
    if f([[0, 5]], 0, 3) != 1:
        raise NotYet(
            "a text that ended counts, even if something was written after the end"
        )
    if f([[1, 2, 9]], 9, 3) != 1:
        raise NotYet(
            "[1, 2, 9] with eos 9 ends within three tokens: the end is the third"
        )
    if f([[4], [5]], 9, 3) != 0:
        raise NotYet("a short text that holds no end token has not ended by itself")
    if f([], 0, 3) is not None:
        raise NotYet("no texts have no fraction: give None, and not an error or 0")
    return "A model that cannot stop is found by this number, whatever its loss."


@checker("jokes-stolen")
def stolen(f) -> str:
    jokes = [
        ["why", "did", "the", "hen", "cross"],
        ["the", "hen", "laughed", "at", "the", "fox"],
    ]
    cases = (
        (["hen", "why", "the", "did"], 1),
        (["why", "did", "the", "fox", "laugh"], 3),
        (["a", "hen", "laughed", "at", "the", "fox"], 5),
        (["cow"], 0),
        ([], 0),
        (["the", "hen", "cross", "the", "hen", "laughed"], 3),
        (["hen", "laugh"], 1),
        (["a"], 0),
        (["the", "fox"], 2),
    )
    for text, right in cases:
        got = f(list(text), [list(joke) for joke in jokes])
        if got == right:
            continue
        if text in (["hen", "laugh"], ["a"]):
            raise NotYet(f"{text} is found inside of longer words: compare whole words")
        if text and got == max(len(set(text) & set(joke)) for joke in jokes):
            raise NotYet(
                f"you count shared words; they have to stand in a row. For {text} it "
                f"is {right}, not {got}"
            )
        raise NotYet(f"for the text {text} it should be {right}; yours is {got}")
    return (
        "From about eight words on one may ask whether the model remembers instead of "
        "inventing."
    )
