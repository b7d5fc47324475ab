"""The real data sets, from the hub, pinned; and how their rows become examples.

The changes to texts are those of lm-evaluation-harness, so that its numbers and ours
can be compared. examples.py has the embedded sets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from gpt2course.checkpoints import HubError, hub_folder

#: repository, revision and file of each task's data on the hub
HUB = {
    "perplexity": (
        "Salesforce/wikitext",
        "b08601e04326c79dfdd32d625aee71d232d685c3",
        "wikitext-2-raw-v1/test-00000-of-00001.parquet",
    ),
    "last-word": (
        "EleutherAI/lambada_openai",
        "900124bf3b8235c6daf21033af9948b3f07346c4",
        "data/lambada_test.jsonl",
    ),
    "endings": (
        "Rowan/hellaswag",
        "218ec52e09a7e7462a5400043bb9a69a41d06b76",
        "data/validation-00000-of-00001.parquet",
    ),
    "summaries": (
        "abisee/cnn_dailymail",
        "96df5e686bee6baa90b8bee7c28b81fa3fa6223d",
        "3.0.0/test-00000-of-00001.parquet",
    ),
    "translation": (
        "wmt/wmt14",
        "b199e406369ec1b7634206d3ded5ba45de2fe696",
        "fr-en/test-00000-of-00001.parquet",
    ),
}
PAGE_TITLE = re.compile(r"^ = [^=].* = \n?$")


def hub_examples(task: str) -> list[dict]:
    """All examples of a task's data set on the hub.

    Args:
        task: "perplexity" (WikiText-2, test), "last-word" (LAMBADA as OpenAI published
            it), "endings" (HellaSwag, validation), "summaries" (CNN and Daily Mail,
            test) or "translation" (WMT-14, English to French, test).

    Raises:
        HubError: the hub cannot be reached, has another file, or the task has no data
            there.

    Chapter: evaluating as the paper did.
    """
    if task not in HUB:
        raise HubError(
            f"the task {task} has no data on the hub; use --data embedded, or a folder "
            f"with {task}.jsonl"
        )
    repository, revision, file = HUB[task]
    folder = hub_folder(repository, revision, (file,), needed=file, repo_type="dataset")
    rows = _read(folder / file)
    try:
        return FROM_ROWS[task](rows)
    except (KeyError, TypeError, ValueError) as error:
        raise HubError(
            f"{folder / file} is not the table that was expected "
            f"({type(error).__name__}: {error}); delete it and download it again"
        ) from None


def _read(path: Path) -> list[dict]:
    from pyarrow import ArrowInvalid, parquet

    if path.suffix == ".jsonl":
        lines = path.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines if line.strip()]
    try:
        return parquet.read_table(path).to_pylist()
    except ArrowInvalid as error:
        raise HubError(
            f"{path} is damaged ({error}); delete it and download it again"
        ) from None


def from_wikitext_page(page: str) -> dict:
    """A page of WikiText without its artefacts, and the length of the original.

    Perplexity per word divides by the words of the data set, not by those that are left
    when " @-@ " has become "-".

    Source: lm-evaluation-harness, wikitext_detokenizer.
    Chapter: evaluating as the paper did.
    """
    text = page
    for old, new in (("s '", "s'"), (" @-@ ", "-"), (" @,@ ", ","), (" @.@ ", ".")):
        text = text.replace(old, new)
    for mark in ":;.!?,":
        text = text.replace(f" {mark} ", f"{mark} ")
    for left, right in ("()", "[]", "{}", '""', "''"):
        inside = rf"[^{re.escape(right)}]*?"
        text = re.sub(
            rf"{re.escape(left)}\s*({inside})\s*{re.escape(right)}",
            rf"{left}\1{right}",
            text,
        )
    for old, new in (
        ("= = = =", "===="), ("= = =", "==="), ("= =", "=="), (" ° ", "°"),
        (" \n", "\n"), ("\n ", "\n"), (" N ", " 1 "), (" 's", "'s"),
    ):  # fmt: skip
        text = text.replace(old, new)
    words = len(re.split(r"\s+", page))
    return {"text": text, "words": words, "bytes": len(page.encode())}


def _from_wikitext(rows: Iterable[dict]) -> list[dict]:
    """Lines become pages: a title between single equals signs begins a new one."""
    pages: list[str] = []
    for row in rows:
        if PAGE_TITLE.match(row["text"]) or not pages:
            pages.append("")
        pages[-1] += row["text"]
    return [from_wikitext_page(page) for page in pages if page.strip()]


def from_hellaswag(row: dict) -> dict:
    """A row of HellaSwag: the activity and the context, and four endings.

    Source: lm-evaluation-harness, hellaswag. Chapter: evaluating as the paper did.
    """
    context = f"{row['ctx_a']} {row['ctx_b'].capitalize()}"
    return {
        "context": _without_brackets(f"{row['activity_label']}: {context}"),
        "endings": [_without_brackets(ending) for ending in row["endings"]],
        "answer": int(row["label"]),
    }


def _without_brackets(text: str) -> str:
    """Without what WikiHow's headings left behind."""
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


def _from_wmt(rows: Iterable[dict]) -> list[dict]:
    from gpt2course.evaluation.examples import with_pairs

    pairs = [row["translation"] for row in rows]
    return with_pairs([{"source": p["en"], "target": p["fr"]} for p in pairs])


FROM_ROWS: dict[str, Callable[[Iterable[dict]], list[dict]]] = {
    "perplexity": _from_wikitext,
    "last-word": lambda rows: [{"text": row["text"]} for row in rows],
    "endings": lambda rows: [from_hellaswag(row) for row in rows],
    "summaries": lambda rows: [
        {"text": row["article"], "summary": row["highlights"]} for row in rows
    ],
    "translation": _from_wmt,
}
