"""The command line: `gpt2course doctor | generate | pretrain | finetune-jokes | finetune-sentiment | classify`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import NoReturn

from gpt2course import __version__

# options of pretrain that change what it makes
CARD_OPTIONS = (
    "steps", "tokens_per_step", "processes", "vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "dropout",
    "device", "seed",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0, 2 after bad input, 130 after ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt as stopped:
        print(f"\ngpt2course: {stopped or 'stopped'}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, head for example, has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return 0
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(f"gpt2course: {error.strerror or error}{where}", file=sys.stderr)
    except (ValueError, RuntimeError, MemoryError) as error:
        print(
            f"gpt2course: {' '.join(str(error).split()) or type(error).__name__}",
            file=sys.stderr,
        )
    return 2


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, where argparse shows all options first."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="gpt2course", description="A GPT-2 that you can read, run and train."
    )
    parser.add_argument(
        "--version", action="version", version=f"gpt2course {__version__}"
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    doctor = commands.add_parser(
        "doctor", help="check this machine: versions, checkpoint, data, speed"
    )
    doctor.set_defaults(run=_doctor)

    generate = commands.add_parser(
        "generate",
        help="continue a text",
        description="Continue a text: with the most probable token each time, or by chance when an option asks for it.",
    )
    generate.add_argument("prompt")
    generate.add_argument("--max-new-tokens", type=int, default=40, metavar="N")
    generate.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="draw; below 1 safer, above 1 wilder",
    )
    generate.add_argument(
        "--top-k", type=int, metavar="K", help="draw from the K most probable tokens"
    )
    generate.add_argument(
        "--top-p",
        type=float,
        metavar="P",
        help="draw from the most probable tokens that make up P",
    )
    generate.add_argument(
        "--min-p",
        type=float,
        metavar="P",
        help="draw from tokens P times as probable as the best",
    )
    generate.add_argument(
        "--repetition-penalty",
        type=float,
        metavar="R",
        help="above 1: avoid what was there before",
    )
    generate.add_argument(
        "--seed", type=int, metavar="N", help="draw; the same seed gives the same text"
    )
    generate.add_argument(
        "--stop",
        action="append",
        default=[],
        metavar="TEXT",
        help="end before TEXT; repeatable",
    )
    generate.set_defaults(run=_generate)

    pretrain = commands.add_parser(
        "pretrain", help="make the mini checkpoint again, from random weights"
    )
    pretrain.add_argument(
        "--output",
        required=True,
        metavar="FOLDER",
        help="goes on where it stopped if a run lies there",
    )
    pretrain.add_argument(
        "--steps", type=int, metavar="N", help="optimizer steps of the whole run"
    )
    pretrain.add_argument("--tokens-per-step", type=int, metavar="N")
    pretrain.add_argument(
        "--processes", type=int, metavar="N", help="on the CPU, one thread each"
    )
    pretrain.add_argument("--vocab-size", type=int, metavar="N")
    for name in ("n-positions", "n-embd", "n-layer", "n-head"):
        pretrain.add_argument(f"--{name}", type=int, metavar="N")
    pretrain.add_argument(
        "--dropout", type=float, metavar="P", help="while pretraining (default 0)"
    )
    pretrain.add_argument("--device", choices=("cpu", "cuda"))
    pretrain.add_argument("--seed", type=int, metavar="N")
    pretrain.set_defaults(run=_pretrain)

    jokes = commands.add_parser("finetune-jokes", help="train a model that tells jokes")
    jokes.add_argument(
        "--output",
        required=True,
        metavar="FOLDER",
        help="goes on where it stopped if a run lies there",
    )
    jokes.add_argument(
        "--data",
        metavar="SOURCE",
        help="embedded, hub or a folder with jokes.csv (ID,Joke)",
    )
    jokes.add_argument(
        "--drop-crude",
        action="store_true",
        help="leave out jokes that hold a word of a short list",
    )
    jokes.add_argument(
        "--row-length",
        type=int,
        metavar="N",
        help="tokens; longer jokes are left out (default 128)",
    )
    jokes.add_argument(
        "--per-device-train-batch-size",
        type=int,
        metavar="N",
        help="rows per process and forward pass",
    )
    jokes.add_argument(
        "--gradient-accumulation-steps",
        type=int,
        metavar="N",
        help="compute a step in N pieces, to save memory",
    )
    jokes.add_argument(
        "--num-train-epochs", type=float, metavar="N", help="passes over the jokes"
    )
    jokes.add_argument(
        "--max-steps", type=int, metavar="N", help="optimizer steps, instead of epochs"
    )
    jokes.add_argument(
        "--learning-rate", type=float, metavar="RATE", help="at its peak"
    )
    jokes.add_argument(
        "--mixed-precision",
        choices=("no", "bf16", "fp16"),
        help="of the products; 16 bits are for GPUs",
    )
    jokes.add_argument(
        "--gradient-checkpointing",
        action="store_true",
        help="less memory for activations, more time",
    )
    jokes.add_argument(
        "--num-processes",
        type=int,
        metavar="N",
        help="on the CPU one thread each, else one GPU each",
    )
    jokes.add_argument("--device", choices=("auto", "cpu", "cuda"))
    jokes.add_argument("--eval-steps", type=int, metavar="N", help="steps")
    jokes.add_argument(
        "--max-eval-samples",
        type=int,
        metavar="N",
        help="judge on so many rows; 0 for all",
    )
    jokes.add_argument("--save-steps", type=int, metavar="N", help="steps")
    jokes.add_argument(
        "--early-stopping-patience",
        type=int,
        metavar="N",
        help="stop after N validations without a new best",
    )
    jokes.add_argument("--seed", type=int, metavar="N")
    jokes.set_defaults(run=_finetune_jokes)

    sentiment = commands.add_parser(
        "finetune-sentiment", help="train a classifier of film reviews"
    )
    sentiment.add_argument(
        "--output",
        required=True,
        metavar="FOLDER",
        help="resumes the run that is there",
    )
    sentiment.add_argument(
        "--data",
        metavar="SOURCE",
        help="embedded, hub or a folder with reviews.csv (text,label)",
    )
    for name, kind, text in (
        ("max-train-samples", int, "read only N of the training reviews"),
        ("short-sentences", int, "read N short sentences of them as well"),
        ("num-train-epochs", float, "passes over the training texts"),
        ("max-length", int, "tokens; a longer review loses its middle"),
        ("per-device-train-batch-size", int, "texts in a forward pass"),
        ("learning-rate", float, "at its peak, for the last layer"),
        ("layer-decay", float, "rate of a layer by that of the next above"),
        ("target-replication", float, "fraction of the loss from all positions"),
        ("save-steps", int, "optimizer steps"),
        ("logging-steps", int, "optimizer steps"),
        ("eval-steps", int, "optimizer steps"),
        ("seed", int, "decides first weights, dropout and order"),
    ):
        sentiment.add_argument(f"--{name}", type=kind, metavar="N", help=text)
    sentiment.set_defaults(run=_finetune_sentiment)

    classify = commands.add_parser(
        "classify", help="say of texts whether they praise or blame"
    )
    classify.add_argument(
        "text",
        nargs="*",
        help="texts; without any, a text a line from the standard input",
    )
    classify.add_argument(
        "--model",
        metavar="FOLDER",
        help="made by finetune-sentiment; the course's own by default",
    )
    classify.set_defaults(run=_classify)

    live = commands.add_parser(
        "export-live", help="make the file that the live model in the page loads"
    )
    live.add_argument("--output", required=True, metavar="FILE")
    live.add_argument(
        "--dtype",
        choices=("auto", "int8", "float16"),
        default="auto",
        help="auto takes int8 when it is close enough on validation reviews",
    )
    live.set_defaults(run=_export_live)

    for command in (doctor, generate, jokes, sentiment, live):
        command.add_argument(
            "--checkpoint",
            metavar="NAME",
            help="mini, gpt2, gpt2-medium, gpt2-large, gpt2-xl or a folder",
        )
    for command in (doctor, generate, pretrain, jokes, sentiment, classify, live):
        command.add_argument(
            "--json", action="store_true", help="print one JSON object"
        )
    return parser


def _generate(options: argparse.Namespace) -> int:
    import torch

    from gpt2course.checkpoints import load_checkpoint, load_tokenizer
    from gpt2course.generation import (
        Greedy,
        decode_utf8,
        sampler,
        stream_tokens,
        until_stop,
    )

    names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
    given = {
        name: getattr(options, name)
        for name in names
        if getattr(options, name) is not None
    }
    strategy = sampler(**given)
    if options.seed is None and not given.keys() - {"repetition_penalty"}:
        strategy = Greedy(*strategy.filters)
    if options.seed is not None and not 0 <= options.seed < 2**63:
        raise ValueError(
            f"seed is {options.seed}; it must lie between 0 and {2**63 - 1}"
        )
    generator = (
        None if options.seed is None else torch.Generator().manual_seed(options.seed)
    )
    tokenizer = load_tokenizer(options.checkpoint)
    model = load_checkpoint(options.checkpoint)
    prompt = tokenizer.encode(
        options.prompt, verbose=False
    )  # its warning of a long text is not for our readers
    new: list[int] = []

    def tokens() -> Iterator[int]:
        for token in stream_tokens(
            model,
            prompt,
            options.max_new_tokens,
            strategy=strategy,
            generator=generator,
        ):
            new.append(token)
            yield token

    started = time.perf_counter()
    pieces = until_stop(decode_utf8(tokens(), tokenizer), options.stop)
    if not options.json:
        _print_as_it_comes(options.prompt, pieces)
        return 0
    text = "".join(pieces)
    seconds = time.perf_counter() - started
    whole = tokenizer.decode(new, skip_special_tokens=True)
    ended = "eos" if new[-1] == model.config.eos_token_id else "length"
    _print_json(
        prompt=options.prompt, text=text, prompt_ids=prompt, new_ids=new,
        stopped_by="stop" if any(stop in whole for stop in options.stop) else ended,
        tokens_per_second=round(len(new) / seconds, 1),
    )  # fmt: skip
    return 0


def _print_as_it_comes(prompt: str, pieces: Iterator[str]) -> None:
    """Show the prompt once the first piece is there, so that a refusal shows nothing; end the line in any case."""
    piece = next(pieces, "")
    print(prompt, end="")
    try:
        while piece:
            print(piece, end="", flush=True)
            piece = next(pieces, "")
    finally:
        print(flush=True)


def _doctor(options: argparse.Namespace) -> int:
    import torch

    from gpt2course.checkpoints import (
        checkpoint_folder,
        load_checkpoint,
        load_tokenizer,
    )
    from gpt2course.data import embedded_reviews
    from gpt2course.generation import generate
    from gpt2course.settings import checkpoint_name, data_source, effort

    facts: dict[str, object] = {
        "gpt2course": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cpu_threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "free_disk_gb": round(shutil.disk_usage(".").free / 1e9, 1),
    }
    name = checkpoint_name(options.checkpoint)
    facts |= {"checkpoint": name, "data": data_source(), "effort": effort()}
    facts["folder"] = str(checkpoint_folder(name))
    model, tokenizer = load_checkpoint(name), load_tokenizer(name)
    facts["parameters"] = sum(p.numel() for p in model.parameters())
    facts["tokens"] = len(tokenizer)
    started = time.perf_counter()
    new = generate(model, tokenizer.encode("This movie was"), 16)
    facts["tokens_per_second"] = round(len(new) / (time.perf_counter() - started), 1)
    facts["writes"] = tokenizer.decode(new)
    facts["reviews"] = {split: len(rows) for split, rows in embedded_reviews().items()}
    if options.json:
        _print_json(**facts)
    else:
        for key, value in facts.items():
            print(f"{key:18} {value}")
        print("Everything that the default settings need is here.")
    return 0


def _pretrain(options: argparse.Namespace) -> int:
    from gpt2course.files import set_up_logging
    from gpt2course.training import PretrainConfig, pretrain_from_reviews

    def given(**names: object) -> dict[str, object]:
        return {name: value for name, value in names.items() if value is not None}

    config = PretrainConfig()
    drop = options.dropout
    model = replace(
        config.model,
        eos_token_id=None,  # the last of the new vocabulary
        **given(
            vocab_size=options.vocab_size, n_positions=options.n_positions, n_embd=options.n_embd,
            n_layer=options.n_layer, n_head=options.n_head, embd_pdrop=drop, attn_pdrop=drop, resid_pdrop=drop,
        ),
    )  # fmt: skip
    steps = options.steps
    config = replace(
        config,
        model=model,
        **given(
            max_steps=steps, tokens_per_step=options.tokens_per_step, num_processes=options.processes,
            device=options.device, seed=options.seed,
            warmup_steps=min(config.warmup_steps, steps // 10) if steps else None,
        ),
    )  # fmt: skip
    arguments = [
        f"--{name.replace('_', '-')} {value}"
        for name, value in vars(options).items()
        if name in CARD_OPTIONS and value
    ]
    command = " ".join(["gpt2course pretrain --output FOLDER", *arguments])
    set_up_logging()
    result = pretrain_from_reviews(config, options.output, command=command)
    if options.json:
        _print_json(**{**asdict(result), "folder": str(result.folder)})
    else:
        print(
            f"{result.folder}: {result.bits_per_character:.3f} bits per character "
            f"after {result.tokens:,} tokens"
        )
    return 0


def _finetune_jokes(options: argparse.Namespace) -> int:
    from gpt2course.files import set_up_logging
    from gpt2course.training import FinetuneConfig, finetune_on_jokes, is_main_process

    set_up_logging()
    result = finetune_on_jokes(
        FinetuneConfig(**_given(options, FinetuneConfig)),
        options.output,
        checkpoint=options.checkpoint,
        data=options.data,
        drop_crude=options.drop_crude,
        row_length=options.row_length,
        progress=not options.json,
    )
    if not is_main_process():  # under torchrun each process runs this
        return 0
    done, report = result.run, result.report
    if options.json:
        _print_json(
            **{**asdict(done), "folder": str(done.folder)},
            kept=report.kept,
            dropped={reason: len(rows) for reason, rows in report.dropped.items()},
            too_long=result.too_long,
        )
    else:
        print(
            f"{done.folder}: held-out loss {done.first_loss:.3f} before, "
            f"{done.best_loss:.3f} after {done.best_step} steps"
        )
        print(
            f'Try: gpt2course generate "JOKE:" --checkpoint {done.folder} --temperature 0.8 --top-p 0.9'
        )
    return 0


def _finetune_sentiment(options: argparse.Namespace) -> int:
    import torch

    from gpt2course.data import load_reviews
    from gpt2course.files import set_up_logging
    from gpt2course.sentiment import (
        SentimentConfig,
        finetune_sentiment,
        write_classifier_card,
    )

    given = _given(options, SentimentConfig)
    folder, config = Path(options.output), SentimentConfig(**given)
    set_up_logging()
    reviews = load_reviews(options.data)
    results = finetune_sentiment(reviews, config, folder)
    command = ["gpt2course", "finetune-sentiment", "--output", "FOLDER"]
    for name, value in given.items():
        if name not in ("save_steps", "logging_steps", "eval_steps"):
            command += [f"--{name.replace('_', '-')}", str(value)]
    device = f"cpu, {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    write_classifier_card(
        folder,
        train_reviews=len(reviews["train"]),
        command=shlex.join(command),
        hardware=f"{device}, torch {torch.__version__}",
    )
    if options.json:
        _print_json(folder=str(folder), **results)
    else:
        for split, result in results.items():
            print(
                f"{folder}: accuracy {result['accuracy']:.4f} on "
                f"{result['reviews']:,} {split} reviews"
            )
    return 0


def _classify(options: argparse.Namespace) -> int:
    from gpt2course.files import set_up_logging
    from gpt2course.sentiment import (
        load_classifier,
        max_length_of,
        predict,
        tokenise_reviews,
    )

    texts = options.text or [
        line for line in sys.stdin.read().splitlines() if line.strip()
    ]
    if not texts:
        raise ValueError(
            'there is no text; try: gpt2course classify "I hate this movie!"'
        )
    set_up_logging()
    model, tokenizer = load_classifier(options.model)
    rows = tokenise_reviews(texts, tokenizer, max_length_of(model, tokenizer))
    answers = [
        {
            "text": text,
            "label": model.config.id2label[int(probabilities.argmax())],
            "probability": round(float(probabilities.max()), 4),
        }
        for text, probabilities in zip(texts, predict(model, rows), strict=True)
    ]
    if options.json:
        _print_json(answers=answers)
    else:
        for answer in answers:
            print(f"{answer['label']} {answer['probability']:.2f}  {answer['text']}")
    return 0


def _export_live(options: argparse.Namespace) -> int:
    from gpt2course.course import export_live
    from gpt2course.files import write_bytes

    file = export_live(options.checkpoint, options.dtype)
    path = Path(options.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, file.content)
    if options.json:
        _print_json(output=str(path), **file.report())
    else:
        print(
            f"{path}: {file.dtype}, {len(file.content) / 1e6:.1f} MB; on "
            f"{file.tokens:,} tokens top-1 agreement {file.top1_agreement:.1%}, "
            f"KL {file.kl:.4f} nats per token"
        )
    return 0


def _given(options: argparse.Namespace, config: type) -> dict[str, object]:
    """The options that are fields of a configuration, without those that were left out."""
    names = [field.name for field in fields(config)]
    return {
        name: getattr(options, name)
        for name in names
        if getattr(options, name, None) is not None
    }


def _print_json(**values: object) -> None:
    print(json.dumps(values, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
