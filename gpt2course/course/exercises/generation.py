"""Checks for the chapter on generating with Hugging Face."""

from __future__ import annotations

import torch

from gpt2course.checkpoints import checkpoint_folder, load_checkpoint, load_tokenizer
from gpt2course.course.exercises import NotYet, checker
from gpt2course.generation import generate


def _theirs():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = checkpoint_folder()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(folder)


@checker("generation-new")
def new(f) -> str:
    model, tokenizer = _theirs()
    prompt = "This movie was"

    def written(prompt: str) -> str:
        ids = generate(load_checkpoint(), load_tokenizer().encode(prompt), 12)
        return load_tokenizer().decode(ids, skip_special_tokens=True)

    got, right = f(model, tokenizer, prompt, 12), written(prompt)
    if not isinstance(got, str):
        raise NotYet(f"return a string; yours is {type(got).__name__}")
    if got.startswith(prompt):
        raise NotYet(
            "the prompt is still there: generate returns it too; cut it off before "
            "decoding"
        )
    if "<|endoftext|>" in got:
        raise NotYet(
            "special tokens are still there: decode with skip_special_tokens=True"
        )
    if got == right.strip() != right:
        raise NotYet("the space in front belongs to the text: do not strip")
    if got != right:
        raise NotYet(
            f"for 12 tokens after {prompt!r} it should be {right!r}; yours is {got!r}"
        )
    prompt = f"<|endoftext|>{prompt}"
    got, right = f(model, tokenizer, prompt, 12), written(prompt)
    if got != right:
        raise NotYet(
            f"the prompt {prompt!r} holds a special token, which the decoded text has "
            f"not: cut the ids, not the text. It should be {right!r}; yours is {got!r}"
        )
    return "Cut as ids, so no space is lost."


@checker("generation-pad", tensors=True)
def pad(f) -> str:
    got = f([[5, 6, 7], [8], [0, 9]], 0)
    if len(got) != 2 or any(part is None for part in got):
        raise NotYet("return two tensors: the ids and the attention mask")
    ids, mask = got
    if tuple(ids.shape) != (3, 3) or tuple(mask.shape) != (3, 3):
        raise NotYet(
            f"both must have the shape (3, 3); yours are {tuple(ids.shape)} and "
            f"{tuple(mask.shape)}"
        )
    if ids.tolist()[1] == [8, 0, 0]:
        raise NotYet(
            "this pads on the right: the next token would be written after the padding"
        )
    if ids.tolist() != [[5, 6, 7], [0, 0, 8], [0, 0, 9]]:
        raise NotYet(
            "the ids should be [[5, 6, 7], [0, 0, 8], [0, 0, 9]]; yours are "
            f"{ids.tolist()}"
        )
    if mask.tolist()[2] == [0, 0, 1]:
        raise NotYet(
            "the prompt [0, 9] really holds a 0: count the length, do not look for the "
            "pad id"
        )
    if mask.int().tolist() != [[1, 1, 1], [0, 0, 1], [0, 1, 1]]:
        raise NotYet(
            "the mask should be [[1, 1, 1], [0, 0, 1], [0, 1, 1]]; yours is "
            f"{mask.tolist()}"
        )
    ids, mask = f([[5, 6], [8]], 7)
    if ids.tolist() != [[5, 6], [7, 8]] or mask.int().tolist() != [[1, 1], [0, 1]]:
        raise NotYet(
            "with the pad 7 the ids of [[5, 6], [8]] should be [[5, 6], [7, 8]]; yours "
            f"are {ids.tolist()}, and the mask is {mask.int().tolist()}"
        )
    return (
        "GPT-2's pad is <|endoftext|>, which may well stand in a prompt: only the mask "
        "knows."
    )


@checker("generation-positions", tensors=True)
def positions(f) -> str:
    got = f(torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]]))
    if tuple(got.shape) != (2, 4):
        raise NotYet(
            f"the shape must be that of the mask, (2, 4); yours is {tuple(got.shape)}"
        )
    if (got < 0).any():
        raise NotYet("a position is negative, and the embedding has no such row")
    if got[0].tolist() == [1, 2, 3, 4]:
        raise NotYet("the first token stands at position 0, not 1")
    if got.tolist() == [[0, 1, 2, 3]] * 2:
        raise NotYet(
            "you count the padding too: in the second row two pads stand in front, and "
            "the first token after them is at position 0"
        )
    if got[0].tolist() != [0, 1, 2, 3] or got[1, 2:].tolist() != [0, 1]:
        raise NotYet(
            f"expected [0, 1, 2, 3] and [·, ·, 0, 1]; yours are {got.tolist()}"
        )
    return "With these, a padded prompt gets the logits that it gets alone."


@checker("generation-logprob")
def logprob(f) -> str:
    from transformers.generation import GenerateDecoderOnlyOutput

    torch.manual_seed(0)
    logits = [torch.randn(1, 5) for _ in range(3)]
    result = GenerateDecoderOnlyOutput(
        sequences=torch.tensor([[4, 4, 1, 3, 0]]), logits=tuple(logits)
    )
    new = (1, 3, 0)
    right = sum_of_logits = best = prompt = 0.0
    for step, i, before in zip(logits, new, (4, 4, 1), strict=True):
        log_p = step[0].log_softmax(-1)
        right += log_p[i].item()
        sum_of_logits += step[0, i].item()
        best += log_p.max().item()
        prompt += log_p[before].item()
    got = float(f(result, 2))
    if abs(got - sum_of_logits) < 1e-5:
        raise NotYet("these are logits, not log-probabilities: apply log_softmax first")
    if abs(got - right / 3) < 1e-5:
        raise NotYet(
            "this is the mean over the tokens; add up, since the probability of a text "
            "is a product"
        )
    if abs(got + right) < 1e-5:
        raise NotYet("a log-probability is negative")
    if abs(got - best) < 1e-5:
        raise NotYet(
            "this is the best token of each step; the text may hold other tokens: take "
            "those of result.sequences"
        )
    if abs(got - prompt) < 1e-5:
        raise NotYet(
            "you pick the ids of the prompt: the new text begins after the prompt, at "
            "sequences[0, prompt_length]"
        )
    if not abs(got - right) <= 1e-4:
        raise NotYet(
            f"it should be {right:.4f}; yours is {got:.4f}. Does step i belong to new "
            "token i?"
        )
    return "The logarithm of a product is a sum of logarithms."


@checker("generation-seed")
def seed(f) -> str:
    model, tokenizer = _theirs()
    one = f(model, tokenizer, "This movie was", [1, 2, 3])
    other = f(model, tokenizer, "This movie was", [3, 1])
    if len(one) != 3 or len(other) != 2:
        raise NotYet("return one text for each seed")
    if len(set(one)) == 1:
        raise NotYet(
            "all texts are the same: is do_sample=True there, and is each seed used?"
        )
    if one[2] != other[0] or one[0] != other[1]:
        raise NotYet(
            "seed 3 gives another text when it comes first: set the seed before each "
            "text"
        )
    inputs = tokenizer("This movie was", return_tensors="pt")
    settings = {"do_sample": True, "pad_token_id": tokenizer.eos_token_id}

    def written(top_k: int) -> set[str]:
        torch.manual_seed(1)
        ids = model.generate(**inputs, max_new_tokens=20, top_k=top_k, **settings)[0]
        parts = (ids, ids[inputs.input_ids.shape[1] :])
        return {
            tokenizer.decode(part, skip_special_tokens=skip).strip()
            for part in parts
            for skip in (False, True)
        }

    if one[0].strip() in written(50):
        raise NotYet("the 50 best only: with top_k=0 every token can be drawn")
    if one[0].strip() not in written(0):
        raise NotYet(
            f"seed 1 gives {one[0]!r}, which is not what torch.manual_seed(1) and then "
            "generate with 20 new tokens, do_sample=True and top_k=0 give"
        )
    return "A text that somebody can get again is worth more than one that nobody can."
