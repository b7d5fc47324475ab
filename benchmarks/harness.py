"""Our evaluation beside lm-evaluation-harness: the same sample, the same checkpoint.

    python benchmarks/harness.py sample     writes the sample, with the mini
    python benchmarks/harness.py record     runs the harness on it; needs lm_eval

Both write into tests/evaluation/harness, where a test compares our numbers. The harness
runs its own task files (wikitext, lambada_openai, hellaswag), pointed at the sample;
it needs no network. lm_eval has many requirements: give it an environment of its own.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from gpt2course.checkpoints import MINI, load_checkpoint, load_tokenizer
from gpt2course.evaluation import sentences
from gpt2course.files import sha256_of_file, write_text
from gpt2course.generation import Sample, TopK, stream_tokens

FOLDER = Path(__file__).resolve().parent.parent / "tests/evaluation/harness"
TASKS = ("wikitext", "lambada_openai", "hellaswag")
BEGINNINGS = ("This movie was", "I saw this film", "The story is about", "The acting")
N_PASSAGES, N_ENDINGS = 40, 24


def texts() -> list[str]:
    """Reviews that the mini makes up, so that nobody's text is copied here."""
    import torch

    model, tokenizer = load_checkpoint("mini"), load_tokenizer("mini")
    generator = torch.Generator().manual_seed(0)
    found = []
    for i in range(40):
        ids = tokenizer.encode(BEGINNINGS[i % len(BEGINNINGS)])
        new = stream_tokens(
            model, ids, 180, strategy=Sample(TopK(40)), generator=generator
        )
        found.append(" ".join(tokenizer.decode([*ids, *new][:-1]).split()))
    return found


def wikitext_form(text: str) -> str:
    """A text with the artefacts that WikiText has."""
    text = re.sub(r"([.,!?;:)\]\"])", r" \1", text)
    text = re.sub(r"([(\[\"])", r"\1 ", text)
    text = re.sub(r"(\w)-(\w)", r"\1 @-@ \2", text)
    text = re.sub(r"(\d) ,(\d)", r"\1 @,@ \2", text)
    return re.sub(r"(\w)('s|n't)\b", r"\1 \2", text)


def sample() -> dict[str, list[dict]]:
    """Rows in the form of the three data sets, made of the mini's texts."""
    made = texts()
    pages = [made[0], " ".join(made[1:7]), " ".join(made[7:20])]
    wikitext = [
        {"page": f" = Film {i} = \n \n {wikitext_form(page)} \n"}
        for i, page in enumerate(pages)
    ]
    passages = []
    for text in made:
        parts = sentences(text)
        passages += [" ".join(parts[i : i + 3]) for i in range(0, len(parts) - 2, 3)]
    lambada = [
        {"text": passage.rstrip(".!?\"' ")}
        for passage in passages
        if len(passage.split()) > 15
    ][:N_PASSAGES]
    openings = [sentences(text) for text in made]
    openings = [parts for parts in openings if len(parts) >= 3][:N_ENDINGS]
    rng = random.Random(0)
    hellaswag = []
    for i, parts in enumerate(openings):
        others = rng.sample([j for j in range(len(openings)) if j != i], 3)
        endings = [parts[2], *(openings[j][2] for j in others)]
        rng.shuffle(endings)
        hellaswag.append(
            {
                "activity_label": "Film review",
                "ctx_a": parts[0],
                "ctx_b": parts[1].lower() + (" [title]" if i % 5 == 0 else ""),
                "endings": endings,
                "label": str(endings.index(parts[2])),
            }
        )
    return dict(zip(TASKS, (wikitext, lambada, hellaswag), strict=True))


def task_file(name: str, folder: Path) -> Path:
    """The harness's own task file, pointed at the sample."""
    import lm_eval

    own = Path(lm_eval.__file__).parent / "tasks"
    original = own / name.split("_")[0] / f"{name}.yaml"
    rows = str(FOLDER / f"{name}.jsonl")
    settings = {
        "include": str(original),
        "dataset_path": "json",
        "dataset_name": None,
        # whatever splits the task file names, all from one file
        "dataset_kwargs": {
            "data_files": dict.fromkeys(("train", "validation", "test"), rows)
        },
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    return path


def harness_results() -> dict:
    """What lm-evaluation-harness finds on the committed sample."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    import lm_eval

    with TemporaryDirectory() as folder:
        tasks = [str(task_file(name, Path(folder))) for name in TASKS]
        found = lm_eval.simple_evaluate(
            model="hf",
            model_args={"pretrained": str(MINI), "dtype": "float32"},
            tasks=tasks,
            device="cpu",
            batch_size=1,
            bootstrap_iters=0,
        )
    return {
        name: {
            key.removesuffix(",none"): value
            for key, value in found["results"][name].items()
            if key.endswith(",none") and isinstance(value, float)
            and "stderr" not in key
        }
        for name in TASKS
    }  # fmt: skip


def overlap_results() -> dict:
    """ROUGE and BLEU of pairs of the sample's sentences, by the usual packages."""
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu import corpus_bleu

    lines = (FOLDER / "hellaswag.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    found = []
    for i in range(0, 12, 2):
        written, reference = rows[i]["ctx_a"], " ".join(rows[i + 1]["endings"][:2])
        if i % 4 == 0:  # closer pairs, or every 4-gram would be missing
            written = " ".join(reference.split()[3:])
        scores = scorer.score(reference, written)
        found.append(
            {
                "written": written,
                "reference": reference,
                **{name: score.fmeasure for name, score in scores.items()},
            }
        )
    split = [
        [" ".join(re.findall(r"\w+|[^\w\s]", pair[side])) for pair in found]
        for side in ("written", "reference")
    ]
    score = corpus_bleu(
        split[0], [split[1]], tokenize="none", smooth_method="none", force=True
    )
    return {"pairs": found, "bleu": score.score}


def main(arguments: list[str]) -> int:
    """Write the sample, or the harness's numbers on it."""
    if arguments == ["sample"]:
        for name, rows in sample().items():
            lines = [json.dumps(row, ensure_ascii=False) for row in rows]
            write_text(FOLDER / f"{name}.jsonl", "\n".join(lines) + "\n")
        return 0
    if arguments == ["record"]:
        result = {
            "command": "python benchmarks/harness.py record",
            "checkpoint": "mini",
            "weights_sha256": sha256_of_file(MINI / "model.safetensors"),
            "settings": "model hf, float32, cpu, batch size 1, no few-shot examples",
            "versions": {
                name: version(name)
                for name in (
                    *("lm_eval", "transformers", "torch", "datasets"),
                    *("rouge-score", "sacrebleu"),
                )
            },
            "results": harness_results(),
            "overlap": overlap_results(),
        }
        write_text(FOLDER / "results.json", json.dumps(result, indent=1) + "\n")
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
