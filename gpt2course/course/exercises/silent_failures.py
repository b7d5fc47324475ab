"""Checks for the failed-run clinic, silent failures."""

from __future__ import annotations

import math

import torch

from gpt2course.course.exercises import NOTHING_YET, NotYet, checker
from gpt2course.loss import IGNORE_INDEX
from gpt2course.training import learning_rate_at


@checker("silent-failures-schedule")
def schedule(f) -> str:
    cosine = [
        learning_rate_at(s, peak=1e-3, warmup_steps=4, total_steps=100)
        for s in range(100)
    ]
    cases = (
        (
            "the first 40 steps of a warm-up of 100",
            [s / 100 for s in range(40)],
            "rises to the end",
        ),
        (
            "a warm-up of 50 steps, then 0",
            [s / 50 if s < 50 else 0.0 for s in range(100)],
            "stops too early",
        ),
        ("a rate of 0 in the middle", [0.5, 1.0, 0.0, 0.5, 0.2], "stops too early"),
        ("a cosine over the whole run", cosine, "none"),
        ("a cosine whose first rate is 0", [0.0, *cosine], "none"),
        ("a constant rate", [1e-3] * 20, "none"),
    )
    for what, rates, right in cases:
        got = f(list(rates))
        if got not in ("rises to the end", "stops too early", "none"):
            raise NotYet(
                f"for {what} yours is {got!r}; it must be one of the three texts"
            )
        if got != right:
            raise NotYet(
                f"for {what} ({rates[0]:g}, {rates[1]:g}, … {rates[-1]:g}) it is "
                f"{right!r}; yours is {got!r}"
            )
    return (
        "Three printed rates, the first, the middle and the last, would have shown it."
    )


@checker("silent-failures-collator", tensors=True)
def collator(f) -> str:
    end = 9
    rows = [[1, 2, end], [3, end], [4, end, 5, 6, end]]  # the last one holds two texts
    input_ids, labels = f([list(row) for row in rows], end)
    if input_ids.tolist() != [[1, 2, 9, 9, 9], [3, 9, 9, 9, 9], [4, 9, 5, 6, 9]]:
        raise NotYet(
            f"input_ids were right before: padded with {end} on the right; now they "
            f"are {input_ids.tolist()}"
        )
    if labels.shape != input_ids.shape:
        raise NotYet(
            f"labels must have the shape of input_ids, {tuple(input_ids.shape)}; yours "
            f"{tuple(labels.shape)}"
        )
    for row, got in zip(rows, labels.tolist(), strict=True):
        right = row + [IGNORE_INDEX] * (labels.size(1) - len(row))
        if got == right:
            continue
        ends, asked = row.count(end), got.count(end)
        if asked == 0:
            raise NotYet(
                f"no label of the row {row} asks for the end {end}: the model would "
                "never learn to stop"
            )
        if asked > ends:
            raise NotYet(
                f"the row {row} has {ends} end(s), and {asked} labels ask for one: its "
                "padding counts"
            )
        if asked < ends:
            raise NotYet(
                f"the row {row} has an end inside, between two texts; it is text, too, "
                "and its label must stay"
            )
        raise NotYet(f"for the row {row} the labels should be {right}; yours are {got}")
    if not torch.equal(f([[1, end]], end)[1], torch.tensor([[1, end]])):
        raise NotYet("a row without padding keeps all its labels")
    return "What is hidden is decided by length, not by id."


@checker("silent-failures-leak")
def leak(f) -> str:
    train = [
        "Why did the duck cross the road at night and nobody knows?",
        "My cat is a very good programmer",
        "so short",
    ]
    copied, changed = train[1], "Tell me: WHY DID THE DUCK CROSS a river?"
    own, shares_four, brief, in_order = (
        "A horse walks into a bank.",
        "the road at night is dark",
        "So Short",
        "cat good",
    )
    part_of_a_word, across = "is a very good program", "a very good programmer so"
    test = [copied, changed, own, shares_four, brief, in_order, part_of_a_word, across]
    got = list(f(list(train), list(test)))
    if any(text not in test for text in got):
        raise NotYet("give the test texts themselves, unchanged")
    for text, right, why in (
        (copied, True, "it is an exact copy"),
        (
            changed,
            True,
            "five words in a row are the same, in capitals; compare in lower case",
        ),
        (own, False, "it has nothing in common with a training text"),
        (shares_four, False, "it shares only four words in a row"),
        (brief, True, "it has two words, and both stand in a row in a training text"),
        (in_order, False, "both words occur in a training text, but not side by side"),
        (
            part_of_a_word,
            False,
            "'program' is only a part of 'programmer': compare words",
        ),
        (across, False, "its run goes from one training text into the next"),
    ):
        if (text in got) != right:
            raise NotYet(f"{text!r} should {'' if right else 'not '}be found: {why}")
    if list(f(list(train), [shares_four], 4)) != [shares_four]:
        raise NotYet(
            f"with n=4, {shares_four!r} shares a run of four words and should be found"
        )
    if list(f(list(train), [own, copied, changed])) != [copied, changed]:
        raise NotYet("the order of the test texts should stay")
    return (
        "GPT-2's authors looked for runs of eight words that WebText shares with their "
        "tests (paper, section 4)."
    )


@checker("silent-failures-rate")
def rate(f) -> str:
    nan = math.nan
    cases = (
        ({1e-3: [3.5, 3.3, 3.1], 1e-4: [3.5, 3.4, 3.4], 3e-4: [3.5, 3.4, 3.2]}, 1e-3),
        ({1e-4: [3.5, 3.4, 3.4], 1e-3: [3.5, 3.3, 3.1], 1e-2: [3.5, 6.1, 2.9]}, 1e-3),
        ({3e-4: [3.5, 3.4, 3.2], 3e-3: [3.5, nan, nan], 3e-2: [nan, nan, nan]}, 3e-4),
        ({1e-5: [3.5, 3.5, 3.5], 1e-2: [3.5, 4.1, 3.6]}, 1e-5),
        ({1e-4: [3.5, 3.4, 3.4], 1e-3: [3.5, nan, 3.2]}, 1e-4),
        ({1e-1: [3.5, 9.0, 8.0]}, None),
    )
    for runs, right in cases:
        got = f({rate: list(losses) for rate, losses in runs.items()})
        if got == right:
            continue
        if got is not None and got not in runs:
            raise NotYet(
                f"the rate itself is asked for, one of {list(runs)}; yours is {got!r}"
            )
        if got is None:
            raise NotYet(
                f"of {runs} the rate {right:g} is sound, and yours is None: is there "
                "nothing here yet, or do you ask that every loss is below the first, "
                "itself among them?"
            )
        losses = runs[got]
        if not all(map(math.isfinite, losses)):
            raise NotYet(
                f"you choose {got:g}, whose losses are {losses}. NaN > 3.5 is False: a "
                "comparison alone lets it pass, so ask math.isfinite"
            )
        if max(losses) > losses[0] and losses[-1] < losses[0]:
            raise NotYet(
                f"you choose {got:g}, whose losses are {losses}: it ends lower than it "
                "began, but it jumped on its way, and what pretraining had taught was "
                "lost"
            )
        if max(losses) > losses[0]:
            raise NotYet(
                f"you choose {got:g}, whose losses are {losses}: one is above the "
                f"first. It should be {right}"
            )
        raise NotYet(
            f"{got:g} is sound, and {right:g} is, too: of {runs} take the largest; "
            "smaller steps only take longer"
        )
    return "Three short runs before the long one cost little, and tell the scale."


@checker("silent-failures-ahead")
def ahead(f) -> str:
    places = ("its own token", "the next token", "the token after the next")
    for T, strength in ((8, 4.0), (3, 0.6)):
        input_ids = torch.stack([torch.randperm(12)[:T] for _ in range(2)])
        for distance in (1, 2, 0):
            logits = torch.zeros(2, T, 12)
            asked = input_ids[:, distance:]
            logits[:, : T - distance].scatter_(2, asked[..., None], strength)
            got = f(logits.clone(), input_ids.clone())
            if got == distance:
                continue
            if got is None:
                raise NotYet(NOTHING_YET)
            what = (
                f"these rows predict {places[distance]}, so it is {distance}; yours is "
                f"{got}"
            )
            if got == 0:
                raise NotYet(
                    f"{what}. Is one of your losses NaN? logits[:, :-0] is empty: cut "
                    "with [:, : T - d]"
                )
            loss = -logits.log_softmax(-1)
            sums = [
                loss[:, : T - d].gather(2, input_ids[:, d:, None]).sum()
                for d in range(3)
            ]
            if got == min(range(3), key=lambda d: sums[d]):
                raise NotYet(
                    f"{what}. You compare sums; a larger distance has fewer terms, so "
                    "compare means"
                )
            raise NotYet(
                f"{what}: for the distance d, row t of the logits meets token t + d"
            )
    return (
        "1 is right, 0 was never shifted, 2 was shifted twice: seen from outside, "
        "without a look at the code of the training."
    )
