"""Wrong answers to the exercises of the page on generating, and what each is told."""

from __future__ import annotations

import torch


def greedy(model, tokenizer, prompt, n):
    inputs = tokenizer(prompt, return_tensors="pt")
    settings = {"do_sample": False, "pad_token_id": tokenizer.eos_token_id}
    return inputs, model.generate(**inputs, max_new_tokens=n, **settings)[0]


def with_the_prompt(model, tokenizer, prompt, n):
    return tokenizer.decode(greedy(model, tokenizer, prompt, n)[1])


def stripped(model, tokenizer, prompt, n):
    inputs, out = greedy(model, tokenizer, prompt, n)
    return tokenizer.decode(out[inputs.input_ids.shape[1] :]).strip()


def ids_only(model, tokenizer, prompt, n):
    inputs, out = greedy(model, tokenizer, prompt, n)
    return out[inputs.input_ids.shape[1] :]


def cut_as_text(model, tokenizer, prompt, n):
    out = greedy(model, tokenizer, prompt, n)[1]
    return tokenizer.decode(out, skip_special_tokens=True)[len(prompt) :]


def length_of_the_whole(model, tokenizer, prompt, n):
    inputs, out = greedy(model, tokenizer, prompt, n)
    return tokenizer.decode(out[inputs.input_ids.shape[1] : n])


def padded(prompts, pad, left=True):
    longest = max(map(len, prompts))
    rows = [[pad] * (longest - len(p)) * left + list(p) for p in prompts]
    return torch.tensor([row + [pad] * (longest - len(row)) for row in rows])


def on_the_right(prompts, pad):
    ids = padded(prompts, pad, left=False)
    return ids, (ids != pad).long()


def by_the_pad_id(prompts, pad):
    ids = padded(prompts, pad)
    return ids, (ids != pad).long()


def with_zeros(prompts, pad):
    ids = padded(prompts, 0)
    lengths = torch.tensor([[len(p)] for p in prompts])
    mask = torch.arange(ids.shape[1]).flip(0) < lengths
    return ids, mask.long()


def mask_of_ones(prompts, pad):
    ids = padded(prompts, pad)
    return ids, torch.ones_like(ids)


def steps(result):
    return [step[0] for step in result.logits]


def of_logits(result, n):
    new = result.sequences[0, n:]
    return sum(step[i].item() for step, i in zip(steps(result), new, strict=True))


def averaged(result, n):
    new = result.sequences[0, n:]
    logs = [
        step.log_softmax(-1)[i].item()
        for step, i in zip(steps(result), new, strict=True)
    ]
    return sum(logs) / len(logs)


def of_the_prompt(result, n):
    return sum(
        step.log_softmax(-1)[i].item()
        for step, i in zip(steps(result), result.sequences[0], strict=False)
    )


def of_the_best(result, n):
    return sum(step.log_softmax(-1).max().item() for step in steps(result))


def texts(model, tokenizer, prompt, seeds, each, sample=True, top_k=0, n=20):
    inputs = tokenizer(prompt, return_tensors="pt")
    settings = {"do_sample": True, "top_k": top_k} if sample else {"do_sample": False}
    found = []
    torch.manual_seed(0)
    for seed in seeds:
        if each:
            torch.manual_seed(seed)
        out = model.generate(
            **inputs,
            max_new_tokens=n,
            pad_token_id=tokenizer.eos_token_id,
            **settings,
        )
        found.append(tokenizer.decode(out[0]))
    return found


WRONG = {
    "generation-new": [
        (with_the_prompt, "the prompt is still there"),
        (stripped, "do not strip"),
        (ids_only, "return a string; yours is Tensor"),
        (cut_as_text, "holds a special token"),
        (length_of_the_whole, "for 12 tokens after 'This movie was'"),
    ],
    "generation-pad": [
        (on_the_right, "pads on the right"),
        (by_the_pad_id, "count the length, do not look for the pad id"),
        (mask_of_ones, "the mask should be"),
        (with_zeros, "with the pad 7 the ids"),
        (lambda prompts, pad: padded(prompts, pad), "return two tensors"),
    ],
    "generation-positions": [
        (
            lambda mask: torch.arange(mask.shape[1]).expand_as(mask),
            "count the padding too",
        ),
        (lambda mask: mask.cumsum(-1), "at position 0, not 1"),
        (lambda mask: mask.cumsum(-1) - 1, "a position is negative"),
        (
            lambda mask: (mask.cumsum(-1) - 1).clamp(min=0)[0],
            "must be that of the mask",
        ),
    ],
    "generation-logprob": [
        (of_logits, "apply log_softmax first"),
        (averaged, "this is the mean over the tokens"),
        (of_the_prompt, "the new text begins after the prompt"),
        (of_the_best, "the best token of each step"),
    ],
    "generation-seed": [
        (
            lambda m, t, p, seeds: texts(m, t, p, seeds, each=False),
            "set the seed before each text",
        ),
        (
            lambda m, t, p, seeds: texts(m, t, p, seeds, each=True, sample=False),
            "is do_sample=True there",
        ),
        (
            lambda m, t, p, seeds: texts(m, t, p, seeds, each=True, top_k=50),
            "the 50 best only",
        ),
        (
            lambda m, t, p, seeds: texts(m, t, p, seeds, each=True, n=5),
            "generate with 20 new tokens",
        ),
        (
            lambda m, t, p, seeds: [f"text {seed}" for seed in seeds],
            "generate with 20 new tokens",
        ),
        (
            lambda m, t, p, seeds: texts(m, t, p, seeds[:1], each=True),
            "one text for each seed",
        ),
    ],
}
