"""Training speed: the course's recipe for sentiment against that of the source article.

    python benchmarks/sentiment.py --output OUTPUT
    python benchmarks/sentiment.py --device cuda --output OUTPUT

with OUTPUT gpt2course/course/measurements/sentiment-cpu.json or sentiment-cuda.json.

Both read the same reviews, cut to the same n_positions, in batches of 16, with the same
loss, learning rate and seed. The article pads every review to n_positions, passes the
attention mask and leaves the rest to Trainer's defaults (it also put the whole model
into float16, which gives NaN; here it is float32). The course is ReviewTrainer: batches
of similar length, padded to their longest, and the faster of two equal kernels where
there are two.

Each measurement is a process of its own; the contestants take turns, and ratios are
medians over rounds. On a CPU the time is processor time of one thread, so that other
programs on the machine do not count. Then both train on the same few hundred reviews,
and the loss on held-out reviews is compared: what is fast must not be worse.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

CONTESTANTS = ("course", "article")
# the loss is compared on the last shape
SHAPES = {"cpu": ["mini-1024", "mini"], "cuda": ["gpt2"]}
TIMED = {"cpu": 32, "cuda": 3200}  # reviews in a timed run
LEARNED = {"cpu": 160, "cuda": 3200}  # reviews before the loss is compared
HELD_OUT = 200
BATCH = 16
LEARNING_RATE = {"mini": 1e-3, "mini-1024": 1e-3, "gpt2": 1e-4}


# ---- what every process reads ----------------------------------------------------


def prepare(shape: str, device: str, folder: Path) -> None:
    """Write a checkpoint of the shape, its tokenizer, and the tokens of the reviews."""
    from datasets import concatenate_datasets
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.utils import logging

    from gpt2course.checkpoints import checkpoint_folder, load_tokenizer
    from gpt2course.config import SIZES
    from gpt2course.data import load_reviews
    from gpt2course.sentiment import tokenise_reviews

    logging.disable_progress_bar()
    torch.manual_seed(0)
    tokenizer = load_tokenizer("gpt2" if shape == "gpt2" else "mini")
    if shape == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(**SIZES["gpt2"].to_dict()))
    else:
        model = GPT2LMHeadModel.from_pretrained(
            checkpoint_folder("mini"), dtype=torch.float32
        )
        if shape == "mini-1024":
            more_positions(model, 1024)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    reviews = load_reviews("embedded")
    train = (
        reviews["train"]
        .shuffle(seed=0)
        .select(range(max(TIMED[device], LEARNED[device])))
    )
    both = concatenate_datasets(
        [train, reviews["validation"].shuffle(seed=0).select(range(HELD_OUT))]
    )
    rows = tokenise_reviews(both["text"], tokenizer, model.config.n_positions)
    (folder / "reviews.json").write_text(
        json.dumps({"rows": rows, "labels": list(both["label"])})
    )


def more_positions(model, n_positions: int) -> None:
    """Give a GPT-2 random rows of wpe after those that it has."""
    known = model.transformer.wpe.weight.data
    model.config.n_positions = n_positions
    model.transformer.wpe = torch.nn.Embedding(n_positions, known.shape[1])
    model.transformer.wpe.weight.data.normal_(std=model.config.initializer_range)
    model.transformer.wpe.weight.data[: len(known)] = known


# ---- one measurement, in a process of its own ------------------------------------


def measure(
    contestant: str,
    shape: str,
    device: str,
    folder: Path,
    n_reviews: int,
    held_out: int,
    seed: int,
) -> dict:
    """Train once over n_reviews.

    Returns:
        reviews per second, the fraction of tokens that is not padding, and the loss of
        each held-out review, if there are any.
    """
    from datasets import Dataset, disable_progress_bars
    from transformers.utils import logging

    from gpt2course.sentiment import predict

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()
    found = json.loads((folder / "reviews.json").read_text())
    rows, labels = found["rows"], found["labels"]
    train = {"input_ids": rows[:n_reviews], "labels": labels[:n_reviews]}
    settings = {
        "output_dir": str(folder / "out"),
        "num_train_epochs": 1,
        "per_device_train_batch_size": BATCH,
        "save_strategy": "no",
        "learning_rate": LEARNING_RATE.get(shape, 1e-3),
        "disable_tqdm": True,
        "report_to": "none",
        "use_cpu": device == "cpu",
        "dataloader_pin_memory": device == "cuda",
        "logging_strategy": "no",
        "seed": seed,
    }
    recipe = {"course": course, "article": article}[contestant]
    trainer = recipe(Dataset.from_dict(train), settings, folder)
    model = trainer.model
    warm_up(model, rows[0][:64])
    n_tokens = 0

    def count(_, args, kwargs):
        nonlocal n_tokens
        n_tokens += kwargs["input_ids"].numel()

    counter = model.register_forward_pre_hook(count, with_kwargs=True)
    started = now(device)
    trainer.train()
    seconds = now(device) - started
    counter.remove()
    result = {
        "reviews_per_second": n_reviews / seconds,
        "token_fraction": sum(map(len, rows[:n_reviews])) / n_tokens,
    }
    if held_out:
        probabilities = predict(model, rows[-held_out:])
        of_labels = probabilities[range(held_out), labels[-held_out:]]
        result["losses"] = (-of_labels.log()).tolist()
    return result


def warm_up(model, row: list[int]) -> None:
    """The first call allocates memory and chooses kernels; it is not timed."""
    model.train()
    batch = torch.tensor([row] * BATCH, device=model.device)
    model(input_ids=batch).logits.sum().backward()
    model.zero_grad()


def now(device: str) -> float:
    """Seconds: on a CPU of this process's thread; on a GPU when all work is done."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def course(reviews, settings: dict, folder: Path):
    """ReviewTrainer as finetune-sentiment calls it, with the loss at the last token."""
    from transformers import TrainingArguments

    from gpt2course.sentiment import ReviewTrainer, new_classifier

    reviews = reviews.add_column("length", [len(row) for row in reviews["input_ids"]])
    bf16 = not settings["use_cpu"]
    arguments = TrainingArguments(
        **settings, train_sampling_strategy="group_by_length", bf16=bf16
    )
    model = new_classifier(str(folder), seed=settings["seed"])
    return ReviewTrainer(model, arguments, reviews, reviews)


def article(reviews, settings: dict, folder: Path):
    """The article's: padding to n_positions, the attention mask, Trainer's defaults."""
    from transformers import GPT2ForSequenceClassification, Trainer, TrainingArguments

    torch.manual_seed(settings["seed"])
    model = GPT2ForSequenceClassification.from_pretrained(
        folder, num_labels=2, dtype=torch.float32
    )
    model.config.pad_token_id = pad = model.config.eos_token_id
    n_positions = model.config.n_positions

    def padded(row: dict) -> dict:
        ids = row["input_ids"]
        more = n_positions - len(ids)
        return {
            "input_ids": ids + [pad] * more,
            "attention_mask": [1] * len(ids) + [0] * more,
        }

    return Trainer(
        model, TrainingArguments(**settings), train_dataset=reviews.map(padded)
    )


# ---- rounds ----------------------------------------------------------------------


def run(*wanted: object) -> dict:
    """One call of `measure` in a process that has imported the libraries already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["transformers.trainer", "datasets", "gpt2course.sentiment.trainer", __name__]
    )
    with context.Pool(1, torch.set_num_threads, (1,)) as pool:
        return pool.apply(measure, wanted)


def speed(
    shape: str, device: str, folder: Path, rounds: int, n_reviews: int
) -> list[dict]:
    """A row for each contestant: medians over rounds."""
    found: dict[str, list[dict]] = {name: [] for name in CONTESTANTS}
    for seed in range(rounds):
        for name in CONTESTANTS:
            found[name].append(run(name, shape, device, folder, n_reviews, 0, seed))
    n_positions = json.loads((folder / "config.json").read_text())["n_positions"]
    rows = []
    for name in CONTESTANTS:
        ratios = [
            ours["reviews_per_second"] / other["reviews_per_second"]
            for ours, other in zip(found["course"], found[name], strict=True)
        ]
        runs = found[name]
        rates = [run["reviews_per_second"] for run in runs]
        fractions = [run["token_fraction"] for run in runs]
        rows.append(
            {
                "shape": shape,
                "n_positions": n_positions,
                "contestant": name,
                "reviews": n_reviews,
                "reviews_per_second": round(statistics.median(rates), 2),
                "course_is_times_as_fast": round(statistics.median(ratios), 2),
                "ratios": [round(ratio, 2) for ratio in ratios],
                "token_fraction": round(statistics.median(fractions), 3),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def quality(shape: str, device: str, folder: Path, n_reviews: int) -> dict:
    """Loss in nats per held-out review after the same training reviews and seed.

    The difference is paired: its standard error is that of the mean over reviews.
    """
    losses = {
        name: run(name, shape, device, folder, n_reviews, HELD_OUT, 0)["losses"]
        for name in CONTESTANTS
    }
    paired = [
        ours - theirs
        for ours, theirs in zip(losses["course"], losses["article"], strict=True)
    ]
    means = {name: round(statistics.mean(values), 4) for name, values in losses.items()}
    result = {
        "shape": shape,
        "reviews": n_reviews,
        "held_out": HELD_OUT,
        "loss": means,
        "difference": round(statistics.mean(paired), 4),
        "standard_error": round(statistics.stdev(paired) / len(paired) ** 0.5, 4),
    }
    print(json.dumps(result), flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=sorted(SHAPES), default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit(
            "there is no CUDA device here; leave out --device, or run this on a GPU"
        )

    from gpt2course.course import measurements

    rows, compared = [], None
    for shape in SHAPES[options.device]:
        with TemporaryDirectory() as name:
            prepare(shape, options.device, Path(name))
            rows += speed(
                shape, options.device, Path(name), options.rounds, TIMED[options.device]
            )
            if shape == SHAPES[options.device][-1]:
                compared = quality(
                    shape, options.device, Path(name), LEARNED[options.device]
                )
        if options.output:
            command = f"python benchmarks/sentiment.py --device {options.device}"
            found = {
                "command": f"{command} --output {options.output.as_posix()}",
                "machine": measurements.machine("transformers", "datasets"),
                "rounds": options.rounds,
            }
            measurements.write(
                {**found, "rows": rows, "quality": compared}, options.output
            )


if __name__ == "__main__":
    main()
