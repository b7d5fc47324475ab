"""Fine-tuning on jokes.

Our loop against the source article's loop and against Hugging Face's Trainer.

    python benchmarks/training.py --output training-cpu.json
    python benchmarks/training.py --device cuda --shapes gpt2 gpt2-xl --epochs 10

The first writes what gpt2course/course/measurements/training-cpu.json holds.

Each reads the same jokes from text to the last step, so tokenising, packing and
batching count. What is compared is real tokens per second: padding is work, not text.
Each measurement is a process of its own, so its peak memory is its own; contestants
take turns, and ratios are medians over rounds. On a CPU each has one thread, and a
second is one of processor time, so that other work on the machine counts little. MFU is
the useful work a second as a part of what a large matrix product reaches in the same
process: 6 N + 12 L d t operations per token, with N weights without positions and t the
mean length of a joke. It counts the same work for everybody.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from gpt2course.config import SIZES, GPT2Config
from gpt2course.course import measurements

TINY = GPT2Config(
    vocab_size=4096, n_positions=512, n_embd=16, n_layer=1, n_head=2
)  # for the test of this script
WARM = 60  # jokes that are trained on before the clock starts


def child(contestant: str, shape: str, options: argparse.Namespace) -> dict:
    """One measurement, in the process that it is about."""
    import torch

    from gpt2course.checkpoints import load_tokenizer
    from gpt2course.data import encode_jokes, load_jokes

    torch.manual_seed(0)
    torch.set_num_threads(1 if options.device == "cpu" else 8)
    config = TINY if shape == "tiny" else SIZES[shape]
    tokenizer = load_tokenizer("gpt2" if shape.startswith("gpt2") else "mini")
    jokes = load_jokes(options.data).train[: options.jokes]
    lengths = [len(ids) for ids in encode_jokes(jokes, tokenizer)]
    mean_length = sum(lengths) / len(lengths)
    train = CONTESTANTS[contestant](config, tokenizer, mean_length, options)
    train(jokes[:WARM], 1)  # the first steps pay for memory and kernels
    cuda = options.device == "cuda"
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    clock = time.perf_counter if cuda else time.process_time
    started = clock()
    tokens = train(jokes, options.epochs)
    if cuda:
        torch.cuda.synchronize()
    seconds = clock() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 2**10
    )
    useful = 6 * _weights(config) + 12 * config.n_layer * config.n_embd * mean_length
    return {
        "tokens": tokens,
        "seconds": seconds,
        "peak_mb": torch.cuda.max_memory_allocated() / 2**20 if cuda else peak,
        "mfu": useful * tokens / seconds / matrix_product(options.device),
    }


def _weights(config: GPT2Config) -> int:
    """Weights without positions: each is multiplied with once a token."""
    import torch

    from gpt2course.model import GPT2

    with torch.device("meta"):
        model = GPT2(config)
    return sum(p.numel() for p in model.parameters()) - model.wpe.weight.numel()


def matrix_product(device: str) -> float:
    """Operations a second of a large matrix product, the best of some.

    Float32 on a CPU, bfloat16 on a GPU.
    """
    import torch

    n, dtype = (8192, torch.bfloat16) if device == "cuda" else (1024, torch.float32)
    a, best = torch.randn(n, n, device=device, dtype=dtype), 0.0
    clock = time.perf_counter if device == "cuda" else time.process_time
    for _ in range(10):
        started = clock()
        a @ a
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * n**3 / (clock() - started))
    return best


# ---- the contestants: each returns a function that trains on texts and says how many
# real tokens it read ------------


def ours(config, tokenizer, mean_length, options):
    """Packed rows, each document by itself, as `gpt2course finetune-jokes` does.

    Dropout as in the checkpoint.
    """
    import torch

    from gpt2course.data import encode_jokes, pack_sequences
    from gpt2course.model import GPT2
    from gpt2course.training import (
        FinetuneConfig,
        finetune_rate,
        parameter_groups,
        rows_of_step,
        set_learning_rate,
        train_step,
    )

    run = FinetuneConfig(
        per_device_train_batch_size=options.rows_per_step,
        mixed_precision="bf16" if options.device == "cuda" else "no",
    )
    model = GPT2(config).to(options.device)
    groups = parameter_groups(model, run.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=run.learning_rate, fused=True)

    def train(texts, epochs):
        packed = pack_sequences(
            encode_jokes(texts, tokenizer), options.row_length, too_long="drop"
        )
        total = max(1, epochs * len(packed) // run.rows_per_step)
        tokens = 0
        for step in range(total):
            set_learning_rate(optimizer, finetune_rate(run, step, total))
            batch = packed[rows_of_step(step, len(packed), run.rows_per_step, run.seed)]
            tokens += int((batch.document_ids >= 0).sum())
            train_step(
                model,
                optimizer,
                [batch.to(options.device)],
                max_grad_norm=run.max_grad_norm,
                mixed_precision=run.mixed_precision,
            )
        return tokens

    return train


def ours_without_dropout(config, tokenizer, mean_length, options):
    """The same work as the article's loop, which never calls train(): no dropout."""
    return ours(
        replace(config, embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0),
        tokenizer,
        mean_length,
        options,
    )


def article(config, tokenizer, mean_length, options):
    """The source article's loop, from its description.

    A DataLoader gives one joke at a time, tokenised there. Jokes are appended to a row,
    without their first token, as long as the row has at most 500; each row is one
    forward pass, and 32 rows are added up before a step. The whole model is float16 on
    a GPU, and float32 on a CPU, where float16 would be far slower.
    """
    import torch
    from torch.utils.data import DataLoader
    from transformers import get_linear_schedule_with_warmup

    model = _theirs(config, options.device).eval()  # it never calls train()
    if options.device == "cuda":
        model.half()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=3e-6, eps=1e-6, weight_decay=0.0
    )
    scheduler = get_linear_schedule_with_warmup(
        optimizer, num_warmup_steps=5000, num_training_steps=-1
    )

    class Jokes(torch.utils.data.Dataset):
        def __init__(self, texts):
            self.texts = texts

        def __len__(self):
            return len(self.texts)

        def __getitem__(self, item):
            sentence = "JOKE: " + self.texts[item] + tokenizer.eos_token
            return tokenizer(sentence, return_tensors="pt").input_ids

    def train(texts, epochs):
        row, rows, tokens = None, 0, 0
        for _ in range(epochs):
            for sample in DataLoader(Jokes(texts), batch_size=1, shuffle=True):
                joke = sample[0].to(options.device)
                if joke.size(1) > 500:
                    continue
                if row is None:
                    row = joke
                    continue
                if row.size(1) + joke.size(1) <= 500:
                    row = torch.cat([row, joke[:, 1:]], dim=1)
                    continue
                ready, row = row, joke
                model(ready, labels=ready).loss.backward()
                rows, tokens = rows + 1, tokens + ready.size(1)
                if rows % 32 == 0:
                    optimizer.step()
                    scheduler.step()
                    optimizer.zero_grad()
        return tokens

    return train


def trainer(config, tokenizer, mean_length, options, grouped=False):
    """Trainer with dynamic padding, and about as many tokens per step as ours."""
    import transformers
    from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments

    from gpt2course.data import encode_jokes

    transformers.logging.set_verbosity_error()
    model = _theirs(config, options.device)
    tokenizer.pad_token = tokenizer.eos_token
    collate = DataCollatorForLanguageModeling(tokenizer, mlm=False)
    cuda = options.device == "cuda"
    batch_size = round(options.rows_per_step * options.row_length / mean_length)

    def train(texts, epochs):
        rows = [{"input_ids": ids} for ids in encode_jokes(texts, tokenizer)]
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder,
                num_train_epochs=epochs,
                per_device_train_batch_size=batch_size,
                learning_rate=5e-4,
                lr_scheduler_type="cosine",
                warmup_steps=0.05,
                weight_decay=0.01,
                use_cpu=not cuda,
                bf16=cuda,
                train_sampling_strategy="group_by_length" if grouped else "random",
                dataloader_pin_memory=cuda,
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
            )
            Trainer(model, arguments, data_collator=collate, train_dataset=rows).train()
        return epochs * sum(len(row["input_ids"]) for row in rows)

    return train


def trainer_grouped(config, tokenizer, mean_length, options):
    """The same, with jokes of like length in one batch."""
    return trainer(config, tokenizer, mean_length, options, grouped=True)


def _theirs(config, device):
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(**config.to_dict())).to(device)


CONTESTANTS = {
    "ours": ours,
    "ours, without dropout": ours_without_dropout,
    "article": article,
    "Trainer": trainer,
    "Trainer, grouped by length": trainer_grouped,
}


# ---- rounds
# ------------------------------------------------------------------------------------


def compare(shape: str, options: argparse.Namespace) -> list[dict]:
    """One row a contestant, medians over rounds."""
    found: dict[str, list[dict]] = {name: [] for name in options.contestants}
    for _ in range(options.rounds):
        for name in found:
            done = subprocess.run(
                [sys.executable, __file__, *sys.argv[1:], "--child", name, shape],
                capture_output=True,
                text=True,
            )
            if done.returncode:
                sys.exit(f"{name} failed on {shape}:\n{done.stderr[-2000:]}")
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
            speed = found[name][-1]["tokens"] / found[name][-1]["seconds"]
            print(f"{shape:9} {name:27} {speed:10,.0f} real tokens/s", file=sys.stderr)

    return [
        {
            "shape": shape,
            "contestant": name,
            "tokens_per_second": [
                round(run["tokens"] / run["seconds"], 1) for run in runs
            ],  # one a round
            "peak_mb": round(statistics.median(run["peak_mb"] for run in runs)),
            "mfu": round(statistics.median(run["mfu"] for run in runs), 4),
            "tokens": runs[0]["tokens"],
        }
        for name, runs in found.items()
    ]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="a JSON file; printed unless given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--shapes", nargs="+", default=["mini"], choices=["tiny", *SIZES]
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument(
        "--contestants", nargs="+", default=list(CONTESTANTS), choices=list(CONTESTANTS)
    )
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument(
        "--jokes",
        type=int,
        default=None,
        metavar="N",
        help="the first N; all by default",
    )
    parser.add_argument("--data", default="embedded", help="as in load_jokes")
    parser.add_argument("--rows-per-step", type=int, help="of ours; 16, on a GPU 32")
    parser.add_argument(
        "--row-length", type=int, help="of ours, in tokens; 128, on a GPU 256"
    )
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.rows_per_step = options.rows_per_step or (
        32 if options.device == "cuda" else 16
    )
    options.row_length = options.row_length or (
        256 if options.device == "cuda" else 128
    )
    return options


def main() -> None:
    options = parse()
    if options.child:
        print(json.dumps(child(*options.child, options)))
        return
    started = time.perf_counter()
    result = {
        "command": " ".join(["python benchmarks/training.py", *sys.argv[1:]]),
        "machine": measurements.machine("transformers", "accelerate"),
        **{
            name: getattr(options, name)
            for name in ("device", "rounds", "epochs", "rows_per_step", "row_length")
        },
        "rows": [row for shape in options.shapes for row in compare(shape, options)],
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }
    measurements.write(result, options.output)


if __name__ == "__main__":
    main()
