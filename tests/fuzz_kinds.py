"""What the fuzz changes, and what is right then. fuzz.py runs these cases.

A kind is a function that takes a random generator, an empty folder and the material
of fuzz_material.py, and returns a Case.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from fuzz import Case
from fuzz_material import COMMANDS, command
from safetensors.torch import load_file, save_file

ODD_TEXTS = (
    *("", " ", "\n", "\t", "0", "-1", "--", "-", "a" * 5000, "né", "日本語", "😀" * 40),
    *("\u2028", "\x85", "\ufeffx", "\ufffd", "<|endoftext|>", "it was\x0cgood", "%s"),
    *("{}", "$(x)", "`x`", "'", '"', "a,b", "#", "../..", "~", "NaN", "null", "\x00"),
    *("\x1b[31m", "\ud800", "\udcff\udcfe", "𝒳\u0301\u0301", "‮abc", "con", "CON."),
)
ODD_NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 0.5, 1e-38, 1e38, 1e400, -1e400, float("nan"), 2**31, 2**63),
    *(2**64, 10**30, -(2**63), 1e-400, 0.1, 1.0, 100, 270, 269, 271, 50256, 50257),
)
ODD_JSON = (
    *ODD_NUMBERS[:13],
    *(None, True, False, "", "gelu", "relu", "gelu_new", "x", [], {}, [0], [269, 1]),
    *([[]], {"a": 1}, "1e5", 32, 24, 270, 269, 300, -5, 10**30, "float16", [None]),
)


@dataclass(frozen=True)
class Kind:
    """How often it is drawn, and what makes a case."""

    weight: int
    make: Callable[[random.Random, Path, Path], Case]


# ---- bytes and JSON -----------------------------------------------------------------


def spoil_bytes(rng: random.Random, content: bytes) -> tuple[str, bytes]:
    """A change that a disk, an editor or a network could make."""
    n = len(content)
    at, size = rng.randrange(n + 1), rng.choice([1, 2, 8, 100, 4096])
    noise = rng.randbytes(size)
    return rng.choice(
        [
            ("flipped", content[:at] + noise[:1] + content[at + 1 :]),
            ("overwritten", content[:at] + noise + content[at + size :]),
            ("cut", content[:at]),
            ("emptied", b""),
            ("a piece left out", content[:at] + content[at + size :]),
            ("a piece twice", content[:at] + content[max(0, at - size) :]),
            ("noise within", content[:at] + noise + content[at:]),
            ("zeros", b"\0" * n),
            ("half zeros", content[: n // 2] + b"\0" * (n - n // 2)),
            ("CRLF", content.replace(b"\n", b"\r\n")),
            ("mark", b"\xef\xbb\xbf" + content),
            ("UTF-16", content.decode("latin-1").encode("utf-16")),
            ("text", rng.choice(ODD_TEXTS).encode("utf-8", "replace")),
            ("HTML", b"<!doctype html><title>404</title>"),
            ("git LFS", b"version https://git-lfs.github.com/spec/v1\noid sha256:0"),
        ]
    )


def spoil_file(rng: random.Random, path: Path) -> str:
    """Change, remove or replace a file; what was done."""
    action = rng.choice(["bytes"] * 6 + ["gone", "folder", "loop", "dangling", "pipe"])
    if action == "bytes":
        what, content = spoil_bytes(rng, path.read_bytes())
        path.write_bytes(content)
        return f"{path.name} {what}"
    path.unlink()
    if action == "folder":
        path.mkdir()
    elif action == "pipe":
        os.mkfifo(path)
    elif action == "loop":
        path.symlink_to(path.name)
    elif action == "dangling":
        path.symlink_to("nowhere")
    return f"{path.name} {action}"


def spoil_json(rng: random.Random, path: Path) -> str:
    """Set, add or remove an entry, at any depth; what was done."""
    root = json.loads(path.read_text(encoding="utf-8"))
    places = [(root, key) for key in root]
    for value in root.values():
        if isinstance(value, dict):
            places += [(value, key) for key in value]
        if isinstance(value, list) and value and isinstance(value[0], dict):
            places += [(value[0], key) for key in value[0]]
    place, key = rng.choice(places)
    action = rng.choice(["set"] * 4 + ["remove", "add"])
    value = rng.choice(ODD_JSON)
    if action == "remove":
        del place[key]
    elif action == "add":
        key = rng.choice(CONFIG_KEYS)
        root[key] = value
    else:
        place[key] = value
    path.write_text(json.dumps(root), encoding="utf-8")
    return f"{path.name}: {action} {key} {value!r}"


CONFIG_KEYS = (
    *("n_inner", "activation_function", "layer_norm_epsilon", "scale_attn_weights"),
    *("scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "num_labels"),
    *("tie_word_embeddings", "torch_dtype", "dtype", "model_type", "architectures"),
    *("pad_token_id", "eos_token_id", "bos_token_id", "add_cross_attention"),
    *("quantization_config", "auto_map", "problem_type", "id2label", "label2id"),
    *("resid_pdrop", "attn_pdrop", "embd_pdrop", "vocab_size", "n_ctx", "is_decoder"),
    *("task_specific_params", "initializer_range", "_name_or_path", "use_cache"),
)


# ---- tables -------------------------------------------------------------------------


def _texts(rng: random.Random, n: int) -> list[str]:
    words = ["good", "bad,", 'a "fine" film', "né", "日本", "it's;", "one|two", "x\ty"]
    return [
        f"{i} " + rng.choice([" ", "\n", "\r\n", ", "]).join(rng.choices(words, k=3))
        for i in range(n)
    ]


def _written(rng: random.Random, header: list[str], rows: list[tuple]) -> bytes:
    """A table in one of the ways in which programs write it."""
    out = io.StringIO()
    order = list(range(len(header)))
    rng.shuffle(order)
    writer = csv.writer(
        out,
        delimiter=rng.choice(",;\t|"),
        quoting=rng.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
        lineterminator=rng.choice(["\n", "\r\n"]),
    )
    case = rng.choice([str, str.upper, str.title])
    writer.writerow([case(header[i]) for i in order])
    writer.writerows([[row[i] for i in order] for row in rows])
    return out.getvalue().encode(rng.choice(["utf-8", "utf-8-sig", "utf-16"]))


def good_reviews(rng: random.Random, folder: Path, material: Path) -> Case:
    """A table that is right comes back as it was written."""
    rows = [(text, rng.randrange(2)) for text in _texts(rng, rng.randint(1, 9))]
    (folder / "reviews.csv").write_bytes(_written(rng, ["text", "label"], rows))
    return _reviews_case(folder, f"{len(rows)} good reviews", rows)


def spoiled_reviews(rng: random.Random, folder: Path, material: Path) -> Case:
    """A row that is no review is refused by its number."""
    n = rng.randint(2, 8)
    lines = [f'"review, number {i}",{i % 2}' for i in range(1, n + 1)]
    bad = rng.randint(1, n)
    what = rng.choice(
        [
            f"review, number {bad},{bad % 2}",
            f'"review {bad},{bad % 2}',
            f'"review {bad}" more,{bad % 2}',
            f'"review {bad}"',
            f'"review {bad}",{rng.choice([" 1", "1.0", "pos", "", "2", "-1", "１"])}',
            f'"  ",{bad % 2}',
            f'"<br />",{bad % 2}',
            f'"review",{bad % 2},1',
        ]
    )
    lines[bad - 1] = what
    end = rng.choice(["\n", "\r\n"])
    text = end.join(["text,label", *lines]) + rng.choice([end, ""])
    (folder / "reviews.csv").write_bytes(text.encode())
    return _reviews_case(folder, f"row {bad} is {what!r}", None)


def _reviews_case(folder: Path, about: str, rows: list[tuple] | None) -> Case:
    def call() -> int:
        from gpt2course.data import read_reviews_csv

        print(json.dumps(read_reviews_csv(folder / "reviews.csv")))
        return 0

    def right(out: str) -> str | None:
        if rows is None:
            return f"read as if it were good: {out[:200]}"
        found = [tuple(row) for row in json.loads(out)]
        return None if found == rows else f"{found} instead of {rows}"

    return Case(call=call, about=about, right=right)


def broken_table(rng: random.Random, folder: Path, material: Path) -> Case:
    """Any bytes where a table is meant, by the commands that read one."""
    for name in ("jokes.csv", "reviews.csv"):
        shutil.copy(material / "data" / name, folder)
    name = rng.choice(["jokes.csv", "reviews.csv"])
    about = spoil_file(rng, folder / name)
    task = "finetune-jokes" if name == "jokes.csv" else "finetune-sentiment"
    if rng.random() < 0.8:

        def call() -> int:
            from gpt2course.data import load_jokes, load_reviews

            load_jokes(f"{folder}/")
            load_reviews(f"{folder}/")
            return 0

        return Case(call=call, about=about)
    arguments = command(task, material, folder / "run")
    arguments[arguments.index("--data") + 1] = f"{folder}/"
    return Case(arguments, about=about, right=lambda out: _complete(folder / "run"))


def jokes(rng: random.Random, folder: Path, material: Path) -> Case:
    """Every joke that is good is kept, every row that is none is dropped by its own."""
    lines, bad = ["ID,Joke"], {}
    for number in range(1, rng.randint(12, 30)):
        joke = f'"joke {number}, the ""best"" of {number}"'
        if rng.random() < 0.15:
            joke, bad[number] = rng.choice(
                [
                    (f'"joke {number} is left open', "open quotation mark"),
                    (f"joke {number}, without marks", "wrong number of columns"),
                    ('""', "empty"),
                    ('"' + "ha " * 300 + '"', "longer than 500 characters"),
                    (f'"joke {number} \x07"', "broken encoding"),
                ]
            )
        elif rng.random() < 0.2:
            joke = f'"joke {number}:\n1, one\n2, ""two"""'
        lines.append(f"{number},{joke}")
    (folder / "jokes.csv").write_bytes("\n".join(lines).encode() + b"\n")
    n = len(lines) - 1

    def call() -> int:
        from gpt2course.data import load_jokes

        print(json.dumps(vars(load_jokes(f"{folder}/").report)))
        return 0

    def right(out: str) -> str | None:
        report = json.loads(out)
        found = {row: why for why, rows in report["dropped"].items() for row in rows}
        if (found, report["kept"]) != (bad, n - len(bad)):
            return f"{report} instead of {n - len(bad)} kept and {bad}"
        return None

    return Case(call=call, about=f"{len(bad)} of {n} bad", right=right)


# ---- checkpoints --------------------------------------------------------------------

PROMPT = "the film was"


def checkpoint(rng: random.Random, folder: Path, material: Path) -> Case:
    """Spoiled folders are refused, or mean what they mean to transformers."""
    kind = rng.choice(["checkpoint"] * 2 + ["classifier"])
    copy = folder / rng.choice(["c", "a b", "c#1", "ü", "-c", "gpt2"])
    shutil.copytree(material / kind, copy)
    about = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        files = sorted(path for path in copy.iterdir() if path.is_file())
        path = rng.choice(files) if files else None
        if path and path.suffix == ".json" and rng.random() < 0.7:
            try:
                about.append(spoil_json(rng, path))
            except (ValueError, AttributeError, TypeError, IndexError):
                about.append(spoil_file(rng, path))
        elif path:
            about.append(spoil_file(rng, path))
    about = "; ".join(about)
    if kind == "classifier":
        arguments = ["classify", "--json", "--model", str(copy), "it was good", "bad"]
        return Case(arguments, about=about, right=lambda out: _as_pipeline(copy, out))
    draw = rng.random()
    if 0.1 <= draw < 0.2:
        arguments = [
            "evaluate",
            "last-word",
            "--json",
            "--data",
            f"{material / 'data'}/",
        ]
        arguments += ["--checkpoint", str(copy)]
        return Case(arguments, about=about, right=_measured)
    if draw < 0.1:
        task = rng.choice(["finetune-jokes", "finetune-sentiment"])
        arguments = command(task, material, folder / "run")
        arguments[arguments.index("--checkpoint") + 1] = str(copy)
        return Case(arguments, about=about, right=lambda out: _complete(folder / "run"))
    arguments = ["generate", PROMPT, "--json", "--checkpoint", str(copy)]
    return Case(
        [*arguments, "--max-new-tokens", "3"],
        about=about,
        right=lambda out: _as_transformers(copy, out),
    )


def equal_checkpoint(rng: random.Random, folder: Path, material: Path) -> Case:
    """What changes nothing in meaning changes nothing in the result."""
    copy = folder / "c"
    shutil.copytree(material / "checkpoint", copy)
    path, about = copy / "model.safetensors", []
    state, prefix = load_file(path), ""
    if rng.random() < 0.5:
        wrappers = ["_orig_mod.", "module.", "module._orig_mod.", "model."]
        prefix = rng.choice([*wrappers, "base_model.model."])
        state = {prefix + name: tensor for name, tensor in state.items()}
        about.append(prefix)
    if rng.random() < 0.3:
        state = {name.replace("transformer.", ""): t for name, t in state.items()}
        about.append("without transformer.")
    if rng.random() < 0.3:
        wte = next(t for name, t in state.items() if name.endswith("wte.weight"))
        state[f"{prefix}lm_head.weight"] = wte.clone()
        about.append("with lm_head")
    path.unlink()
    if rng.random() < 0.5:
        names = {}
        for number, name in enumerate(state):
            names[name] = f"model-{number % 3:05}-of-00003.safetensors"
        for file in set(names.values()):
            save_file({n: state[n] for n in state if names[n] == file}, copy / file)
        index = {"metadata": {}, "weight_map": names}
        (copy / "model.safetensors.index.json").write_text(json.dumps(index))
        about.append("three files")
    else:
        save_file(state, path)
    for file in copy.glob("*.json"):
        if rng.random() < 0.2 and "index" not in file.name:
            text = file.read_text(encoding="utf-8")
            encoding = rng.choice(["utf-8-sig", "utf-16"])
            file.write_bytes(text.replace("\n", "\r\n").encode(encoding))
            about.append(f"{file.name} as {encoding}")
    if rng.random() < 0.3:
        entries = (copy / "config.json").read_bytes()
        if entries.startswith(b"{"):
            eos = rng.choice([50256, [269, 3], None, 0, -1])
            config = {**json.loads(entries), "eos_token_id": eos}
            (copy / "config.json").write_text(json.dumps(config))
            about.append(f"eos_token_id {eos}")
    arguments = ["generate", PROMPT, "--max-new-tokens", "6", "--json", "--checkpoint"]

    def call() -> int:
        from gpt2course.cli import main

        code = main([*arguments, str(copy)])
        return code or main([*arguments, str(material / "checkpoint")])

    def right(out: str) -> str | None:
        found, expected = (json.loads(line)["new_ids"] for line in out.splitlines())
        return None if found == expected else f"{found} instead of {expected}"

    return Case(call=call, about="; ".join(about), right=right)


def _as_transformers(folder: Path, out: str) -> str | None:
    """Whether the first new token is the one that transformers would write."""
    from transformers import GPT2LMHeadModel

    answer = json.loads(out)
    if answer["prompt"] != PROMPT or len(answer["new_ids"]) > 3:
        return out
    try:
        with torch.no_grad():
            model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
            logits = model(torch.tensor([answer["prompt_ids"]])).logits[0, -1]
    except Exception:  # it reads less than we do: byte-order marks, other eos
        return None
    best, first = logits.max(), answer["new_ids"][0]
    if not best - logits[first] < 1e-3:
        return f"wrote id {first}, transformers {int(logits.argmax())}"
    return None


def _as_pipeline(folder: Path, out: str) -> str | None:
    """Whether the labels are those of transformers' classifier."""
    from transformers import AutoTokenizer, GPT2ForSequenceClassification

    answers = json.loads(out)["answers"]
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        if tokenizer.model_max_length < 8:  # then we leave out the middle of a text
            return None
        model = GPT2ForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32
        )
        for answer in answers:
            ids = torch.tensor([tokenizer.encode(answer["text"])])
            with torch.no_grad():
                row = model.eval()(ids).logits[0].softmax(-1)
            label = model.config.id2label[int(row.argmax())]
            near = abs(float(row.max()) - answer["probability"]) < 1e-3
            if abs(float(row[0] - row[1])) > 1e-3 and not (
                near and label == answer["label"]
            ):
                return f"{answer}, transformers {label} {row.tolist()}"
    except Exception:  # it refuses more, and in other places
        return None
    return None


# ---- runs ---------------------------------------------------------------------------


def _complete(folder: Path) -> str | None:
    """Whether the folder of a run holds a model that can be read."""
    from gpt2course.checkpoints import load_tokenizer
    from gpt2course.sentiment import load_classifier

    for name in ("model.safetensors", "config.json", "results.json", "tokenizer.json"):
        if not (folder / name).is_file():
            return f"{name} is missing"
    if "Classification" in (folder / "config.json").read_text(encoding="utf-8"):
        load_classifier(folder)
    else:
        from gpt2course.checkpoints import load_checkpoint

        load_checkpoint(f"{folder}/")
    load_tokenizer(f"{folder}/")
    return None


def run_folder(rng: random.Random, folder: Path, material: Path) -> Case:
    """A finished or interrupted run whose files were spoiled, run again."""
    name = rng.choice(list(COMMANDS))
    output = folder / rng.choice(["run", "a run", "run#2", "rün", "-run", "gpt2"])
    shutil.copytree(material / name, output)
    about = [name]
    if rng.random() < 0.4:  # as if it had been killed before its end
        for file in ("results.json", "README.md"):
            (output / file).unlink(missing_ok=True)
        run = output / "run.json"
        if run.exists():
            settings = json.loads(run.read_text(encoding="utf-8"))
            settings.pop("sha256", None)
            settings.pop("results_sha256", None)
            run.write_text(json.dumps(settings), encoding="utf-8")
        about.append("killed")
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        files = sorted(path for path in output.rglob("*") if path.is_file())
        path = rng.choice(files)
        if path.suffix == ".json" and rng.random() < 0.4:
            try:
                about.append(spoil_json(rng, path))
                continue
            except (ValueError, AttributeError, TypeError, IndexError):
                pass
        about.append(spoil_file(rng, path))
    arguments = command(name, material, output)
    if rng.random() < 0.2:
        change = rng.choice([["--seed", "9"], ["--learning-rate", "2e-3"]])
        arguments += change
        about.append(" ".join(change))
        return Case(
            arguments, about="; ".join(about), right=lambda out: "other settings"
        )

    def right(out: str) -> str | None:
        if wrong := _complete(output):
            return wrong
        from gpt2course.files import digest_of_file  # by values: line ends may differ

        for file in ("model.safetensors", "config.json"):
            if digest_of_file(output / file) != digest_of_file(material / name / file):
                return f"{file} is another than that of an undisturbed run"
        return None

    return Case(arguments, about="; ".join(about), right=right)


def foreign_folder(rng: random.Random, folder: Path, material: Path) -> Case:
    """A folder with somebody else's files stays as it is."""
    name = rng.choice(list(COMMANDS))
    output = folder / "run"
    other = rng.choice(["checkpoint", "classifier", *COMMANDS])
    shutil.copytree(material / other, output)
    if other in COMMANDS:
        (output / "run.json").unlink(missing_ok=True)
        if other == name and rng.random() < 0.5:
            shutil.copy(material / "checkpoint" / "config.json", output)

    return Case(
        command(name, material, output),
        about=f"{name} into {other}",
        right=lambda out: "went on in a folder that is not its own",
    )


# ---- evaluations --------------------------------------------------------------------

TASKS = ("perplexity", "last-word", "cloze", "endings", "translation")


def _measured(out: str) -> str | None:
    """Whether every figure of an evaluation is a number that it can be."""
    for task, found in json.loads(out)["tasks"].items():
        for name, value in found.items():
            if not math.isfinite(value) or value < 0:
                return f"{task}: {name} is {value}"
        if "accuracy" in found and found["accuracy"] > 100:
            return f"{task}: accuracy is {found['accuracy']}"
    return None


def examples(rng: random.Random, folder: Path, material: Path) -> Case:
    """Examples of a task with odd bytes or values, or rows of an evaluation that were
    spoiled; what is measured is the same as without an interruption."""
    data, output = folder / "data", folder / "o"
    shutil.copytree(material / "data", data)
    task = rng.choice(TASKS)
    arguments = [
        "evaluate",
        task,
        "--json",
        "--data",
        f"{data}/",
        "--output",
        str(output),
    ]
    arguments += ["--checkpoint", str(material / "checkpoint")]
    if rng.random() < 0.6:
        path = data / f"{task}.jsonl"
        if rng.random() < 0.5:
            about = spoil_file(rng, path)
        else:
            lines = path.read_text(encoding="utf-8").splitlines()
            number = rng.randrange(len(lines))
            example = json.loads(lines[number])
            key = rng.choice([*example, "more"])
            value = rng.choice([*ODD_JSON, *ODD_TEXTS])
            example[key] = value
            lines[number] = json.dumps(example)
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            about = f"{task}: {key} {str(value)[:40]!r}"
        return Case(arguments, about=about, right=_measured)

    limit, seed = rng.randint(1, 3), rng.random()

    def call() -> int:
        from gpt2course.cli import main

        code = main([*arguments, "--limit", str(limit)])
        sys.stdout.seek(0)  # the first part is no output of the whole
        sys.stdout.truncate()
        spoil_file(random.Random(seed), output / f"{task}.jsonl")
        return code or main(arguments)

    def right(out: str) -> str | None:
        from gpt2course.checkpoints import load_checkpoint, load_tokenizer
        from gpt2course.evaluation import Reader, evaluate

        lines = out.splitlines()
        checkpoint = f"{material / 'checkpoint'}/"
        reader = Reader(load_checkpoint(checkpoint), load_tokenizer(checkpoint))
        whole = evaluate(task, reader, source=f"{data}/").results
        found = json.loads(lines[-1])["tasks"][task]
        same = all(abs(found[name] - value) < 1e-6 for name, value in whole.items())
        return None if same else f"{found} instead of {whole}"

    return Case(call=call, about=f"{task} after {limit}", right=right)


# ---- arguments, bytes, settings -----------------------------------------------------

OPTIONS = {
    "generate": [
        *("--checkpoint", "--max-new-tokens", "--temperature", "--top-k", "--top-p"),
        *("--min-p", "--repetition-penalty", "--seed", "--stop", "--json"),
    ],
    "classify": ["--model", "--json"],
    "finetune-jokes": [
        *("--output", "--data", "--checkpoint", "--row-length", "--learning-rate"),
        *("--seed", "--warmup-steps", "--drop-crude", "--mixed-precision", "--device"),
        *("--document-mask", "--max-grad-norm", "--early-stopping-patience"),
        *("--per-device-train-batch-size", "--max-eval-samples", "--json"),
    ],
    "finetune-sentiment": [
        *("--output", "--data", "--checkpoint", "--max-length", "--learning-rate"),
        *("--layer-decay", "--short-sentences", "--max-train-samples", "--json"),
    ],
    "pretrain": [
        *("--output", "--model.n-layer", "--tokens-per-step", "--short-rows-until"),
        *("--muon-learning-rate", "--seed", "--eval-steps", "--json"),
    ],
    "evaluate": [
        *("--checkpoint", "--data", "--limit", "--window", "--stride", "--output"),
        *("--seed", "--device", "--json"),
    ],
    "export-live": ["--output", "--checkpoint", "--dtype", "--json"],
    "assignments": ["--output", "--chapters", "--seed", "--format", "--json"],
    "doctor": ["--checkpoint", "--data", "--json"],
}
EVERYWHERE = ["--help", "--print-config", "--config", "--version", "--nothing", "-x"]


def arguments(rng: random.Random, folder: Path, material: Path) -> Case:
    """Options with odd values, in any number."""
    name = rng.choice(list(OPTIONS))
    (folder / "file").write_text("")
    values = [
        *map(str, rng.sample(ODD_NUMBERS, 6)),
        *rng.sample(ODD_TEXTS, 4),
        *("mini", "embedded", ".", "..", "/", "/dev/null", "file", "none/", "x/y/z"),
        *(str(material / "checkpoint"), str(material / "data") + "/"),
    ]
    chosen: list[str] = []
    if name in COMMANDS:
        chosen = command(name, material, folder / "run")[1:-1]
    elif name in ("generate", "classify"):
        chosen = rng.choice([["a text"], ["-"], [rng.choice(ODD_TEXTS)], ["a", "b"]])
        chosen = [*chosen, *(["--max-new-tokens", "4"] if name == "generate" else [])]
    elif name == "evaluate":
        chosen = [rng.choice(TASKS), "--data", str(material / "data"), "--limit", "2"]
    for _ in range(rng.choice([1, 1, 2, 3])):
        option = rng.choice(OPTIONS[name] * 3 + EVERYWHERE)
        value = rng.choice(values)
        chosen += rng.choice(
            [[option, value], [f"{option}={value}"], [option], [value]]
        )
    chosen = [value.replace("\0", "0") for value in chosen]
    small = {"GPT2COURSE_CHECKPOINT": f"{material / 'checkpoint'}"}
    return Case([name, *chosen], environment=small, stdin=b"it was good\n")


def settings_file(rng: random.Random, folder: Path, material: Path) -> Case:
    """A config file with odd entries or bytes."""
    name = rng.choice(["generate", "finetune-jokes", "finetune-sentiment", "pretrain"])
    keys = [option[2:].replace("-", "_") for option in OPTIONS[name]]
    lines = [
        f"{rng.choice(keys)}: {json.dumps(rng.choice(ODD_JSON))}"
        for _ in range(rng.choice([1, 1, 2, 4]))
    ]
    content = "\n".join(lines).encode("utf-8", "replace")
    if rng.random() < 0.4:
        _, content = spoil_bytes(rng, content)
    (folder / "c.yaml").write_bytes(content)
    chosen = ["--config", "c.yaml"]
    if name == "generate":
        chosen += ["--", "a text"]
    else:
        chosen += command(name, material, folder / "run")[1:-1]
    small = {"GPT2COURSE_CHECKPOINT": f"{material / 'checkpoint'}"}
    return Case([name, *chosen], about=repr(content[:200]), environment=small)


def standard_input(rng: random.Random, folder: Path, material: Path) -> Case:
    """Each line of a text is answered, whatever its bytes are."""
    pieces = [text.encode("utf-8", "surrogatepass") for text in ODD_TEXTS[:30]]
    pieces += [b"it was good", b"caf\xe9", rng.randbytes(5), b"\xff\xfe", b"\x80"]
    end = rng.choice([b"\n", b"\r\n", b"\r"])
    content = end.join(rng.choices(pieces, k=rng.randint(1, 6))) + rng.choice(
        [end, b""]
    )
    encoding = rng.choice(["utf-8", "utf-8", "cp1252", "ascii", "latin-1"])
    environment = {
        "PYTHONIOENCODING": encoding,
        "GPT2COURSE_CHECKPOINT": str(material / "checkpoint"),
    }
    utf_16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    # the marks of files that were joined; without one at the start, where a line begins
    mark = "\ufeff" if text.startswith("\ufeff") else "\n\ufeff"
    text = text.replace(mark, mark.removesuffix("\ufeff"))
    if rng.random() < 0.5:
        model = ["--model", str(material / "classifier")]
        lines = [line for line in text.split("\n") if line.strip()]

        def right(out: str) -> str | None:
            found = [answer["text"] for answer in json.loads(out)["answers"]]
            return None if utf_16 or found == lines else f"{found} instead of {lines}"

        return Case(
            ["classify", *model, "--json"],
            stdin=content,
            environment=environment,
            about=f"{content[:200]!r} {encoding}",
            right=right,
        )

    def right(out: str) -> str | None:
        found = json.loads(out)["prompt"]
        return None if utf_16 or found == text.removesuffix("\n") else repr(found)

    chosen = rng.choice([["-"], []])
    return Case(
        ["generate", *chosen, "--max-new-tokens", "2", "--json"],
        stdin=content,
        environment=environment,
        about=f"{content[:200]!r} {encoding}",
        right=right,
    )


def terminal(rng: random.Random, folder: Path, material: Path) -> Case:
    """A text comes out of a terminal of any encoding."""
    text = rng.choice([t for t in ODD_TEXTS if t.strip() and "\0" not in t])
    encoding = rng.choice(["cp1252", "ascii", "cp437", "latin-1", "utf-8", "koi8-r"])
    environment = {
        "PYTHONIOENCODING": encoding,
        "GPT2COURSE_CHECKPOINT": str(material / "checkpoint"),
    }
    if rng.random() < 0.5:
        chosen = ["classify", "--model", str(material / "classifier"), "--", text]
    else:
        chosen = ["generate", "--max-new-tokens", "2", "--", text]
    return Case(
        chosen,
        environment=environment,
        about=f"{chosen[0]} {text[:50]!r} {encoding}",
        right=lambda out: None if out.strip() else "nothing is printed",
    )


def environment(rng: random.Random, folder: Path, material: Path) -> Case:
    """Variables that people set, in a process of its own."""
    names = (
        *("GPT2COURSE_CHECKPOINT", "GPT2COURSE_DATA", "GPT2COURSE_EFFORT", "HF_HOME"),
        *("HF_ENDPOINT", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "HF_HUB_OFFLINE"),
        *("OMP_NUM_THREADS", "LC_ALL", "COLUMNS", "NO_COLOR", "LANG", "RANK"),
        *("CUDA_VISIBLE_DEVICES", "TMPDIR", "HOME", "LOCAL_RANK", "WORLD_SIZE"),
    )
    values = [
        *(text for text in ODD_TEXTS if "\0" not in text and "\ud800" not in text),
        *("http://user:pass@127.0.0.1:9", "127.0.0.1:9", "C", "/nowhere", "gpt2", "0"),
        *("~", "~/x", "mini", "gpt-2", str(material / "checkpoint"), "1"),
    ]
    chosen = {name: rng.choice(values) for name in rng.sample(names, rng.randint(1, 3))}
    arguments = rng.choice(
        [
            ["generate", "A text", "--max-new-tokens", "2", "--json"],
            ["generate", "A text", "--max-new-tokens", "2", "--checkpoint", "gpt2"],
            ["doctor", "--json"],
            command("finetune-jokes", material, folder / "run"),
        ]
    )
    # the hub is asked only where nobody can answer
    if chosen.get("HF_HUB_OFFLINE", "1") in ("0", ""):
        chosen["HF_ENDPOINT"] = f"http://user:{os.environ['HF_TOKEN']}@127.0.0.1:9"
    return Case(arguments, environment=chosen, about=repr(chosen), real=True)


KINDS = {
    "good reviews": Kind(3, good_reviews),
    "bad reviews": Kind(3, spoiled_reviews),
    "jokes": Kind(3, jokes),
    "broken table": Kind(4, broken_table),
    "checkpoint": Kind(10, checkpoint),
    "equal weights": Kind(4, equal_checkpoint),
    "run folder": Kind(8, run_folder),
    "foreign folder": Kind(1, foreign_folder),
    "examples": Kind(4, examples),
    "arguments": Kind(8, arguments),
    "settings file": Kind(3, settings_file),
    "standard input": Kind(4, standard_input),
    "terminal": Kind(2, terminal),
    "environment": Kind(1, environment),
}
