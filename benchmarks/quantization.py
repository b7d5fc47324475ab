r"""What int8 weights cost: loss, and greedy tokens that change.

    python benchmarks/quantization.py --output \
        gpt2course/course/measurements/quantization.json

The shipped checkpoint reads film reviews that it was not trained on, with its weights
in float32, packed, and in int8. Then each continues the beginnings of such reviews
greedily. Two counts say how much changes. `changed_choices`: positions of the reviews
at which the most probable next token is another one. `changed_texts`: continuations
that are not the same to the end, since after the first other token all may differ.
CTranslate2 (pip install ctranslate2) does the same with the same checkpoint.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from pathlib import Path

import torch

from gpt2course.checkpoints import MINI, load_checkpoint, load_tokenizer
from gpt2course.course import measurements
from gpt2course.data import load_reviews, plain_text
from gpt2course.generation import generate, pack_weights, quantize_weights
from gpt2course.loss import text_loss

BEGINNING = 8  # tokens of a review that are to be continued


def choices(model, documents) -> torch.Tensor:
    """The most probable next token at every position that the model has, of each
    document."""
    longest = model.config.n_positions
    with torch.inference_mode():
        found = [
            model(torch.tensor([ids[:longest]]))[0].argmax(dim=-1) for ids in documents
        ]
    return torch.cat(found)


def ctranslate2_writer(compute_type: str, folder: str):
    """Greedy continuations by CTranslate2: from ids to ids."""
    import ctranslate2

    if not Path(folder, "model.bin").exists():
        ctranslate2.converters.TransformersConverter(str(MINI)).convert(
            folder, force=True
        )
    generator = ctranslate2.Generator(folder, compute_type=compute_type)
    tokenizer = load_tokenizer()

    def write(ids: list[int], n: int) -> list[int]:
        (result,) = generator.generate_batch(
            [tokenizer.convert_ids_to_tokens(ids)],
            beam_size=1,
            max_length=n,
            include_prompt_in_result=False,
        )
        return tokenizer.convert_tokens_to_ids(result.sequences[0])

    return write


def until_end(ids: list[int], end: int) -> list[int]:
    """Without the end of the text, which not all of them return."""
    return ids[: ids.index(end)] if end in ids else ids


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--reviews", type=int, default=300)
    parser.add_argument("--continuations", type=int, default=100)
    parser.add_argument("--new-tokens", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer, plain = load_tokenizer(), load_checkpoint()
    held_out = load_reviews("embedded")["validation"].shuffle(seed=0)
    texts = [plain_text(text) for text in held_out["text"][: options.reviews]]
    documents = [tokenizer.encode(text, verbose=False) for text in texts]
    prompts = [ids[:BEGINNING] for ids in documents[: options.continuations]]
    models = {
        "float32": plain,
        "packed": pack_weights(plain, 1),
        "int8": quantize_weights(plain),
    }
    rows = []
    expected = choices(plain, documents)
    written = {}
    for name, model in models.items():
        characters = sum(map(len, texts))
        loss = text_loss(model, documents, characters).loss
        written[name] = [generate(model, ids, options.new_tokens) for ids in prompts]
        changed = (choices(model, documents) != expected).double().mean().item()
        rows.append(
            {
                "weights": name,
                "loss": round(loss, 5),
                "perplexity": round(math.exp(loss), 3),
                "changed_choices": round(changed, 5),
            }
        )
    with tempfile.TemporaryDirectory() as folder:
        for compute_type in ("float32", "int8"):
            name = f"CTranslate2 {compute_type}"
            write = ctranslate2_writer(compute_type, folder)
            written[name] = [write(ids, options.new_tokens) for ids in prompts]
            rows.append({"weights": name})
    end = plain.config.eos_token_id
    for row, texts in zip(rows, written.values(), strict=True):
        row["changed_texts"] = sum(
            until_end(text, end) != until_end(ours, end)
            for text, ours in zip(texts, written["float32"], strict=True)
        )
    result = {
        "command": " ".join(["python benchmarks/quantization.py", *sys.argv[1:]]),
        "machine": measurements.machine("ctranslate2"),
        "checkpoint": "mini",
        "reviews": len(documents),
        "tokens": len(expected),
        "continuations": len(prompts),
        "new_tokens": options.new_tokens,
        "rows": rows,
    }
    measurements.write(result, options.output)


if __name__ == "__main__":
    main()
