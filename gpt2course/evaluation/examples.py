"""The examples of each task: made from held-out reviews, from the hub, or in a folder.

The embedded sets follow the form of LAMBADA, of the Children's Book Test and of
HellaSwag, on other texts and without their care: they are none of these. hub_data.py
reads the real ones.
"""

from __future__ import annotations

import copy
import json
import random
import re
from functools import lru_cache
from pathlib import Path

from gpt2course.data import embedded_reviews, plain_text
from gpt2course.evaluation.hub_data import hub_examples
from gpt2course.evaluation.scoring import STOP_WORDS
from gpt2course.files import read_bounded, sha256, with_byte_order_mark
from gpt2course.settings import data_source, unknown

MOST = 500  # examples of an embedded set
MOST_WORDS = 250  # of a context, so that it fits into the mini's window
# with the quotes and brackets that close after it
SENTENCE_END = re.compile(r"([.!?][\"')]*) (?=[\"'(]?[A-Z])")
WORD = r"(?<![\w'’-])[a-z]{4,}(?![\w'’-])"  # whole, of lower-case letters
AFTER_A_SPACE = f"(?<= ){WORD}"
TRANSLATIONS = Path(__file__).parent / "translations.json"
PROMPT_PAIRS = 5  # of a translation set, which stand in the prompt

MAX_BYTES = 2**28  # of TASK.jsonl

Example = dict[str, object]
#: what an example of each task must have
FIELDS: dict[str, dict[str, type]] = {
    "perplexity": {"text": str},
    "last-word": {"text": str},
    "cloze": {"before": str, "after": str, "candidates": list, "answer": int},
    "endings": {"context": str, "endings": list, "answer": int},
    "summaries": {"text": str, "summary": str},
    "translation": {"source": str, "target": str, "pairs": list},
}


def load_examples(task: str, source: str | None = None) -> list[Example]:
    """The examples of a task, always in the same order.

    Args:
        task: a key of FIELDS.
        source: "embedded", "hub" or a folder with TASK.jsonl, one JSON object per line;
            GPT2COURSE_DATA by default.

    Returns:
        dicts with at least the fields that FIELDS names.

    Raises:
        ValueError: an unknown task, no such file, an empty one, or a line that is no
            example, by number.
        HubError: the hub cannot be reached, or the task has no data there.

    Chapter: evaluating as the paper did.
    """
    if task not in FIELDS:
        raise unknown("task", task, list(FIELDS))
    source = data_source(source)
    if source == "embedded":
        return copy.deepcopy(_embedded(task))  # it stays as it is for the next call
    if source == "hub":
        return hub_examples(task)
    return read_examples(Path(source) / f"{task}.jsonl", task)


def read_examples(path: Path, task: str) -> list[Example]:
    """The examples in a file, checked.

    Args:
        path: of a UTF-8 file with one JSON object per line.
        task: a key of FIELDS.

    Raises:
        ValueError: as `load_examples`; or it is no regular file, or too large.
    """
    fields = ", ".join(FIELDS[task])
    try:
        content = read_bounded(path, MAX_BYTES)
    except OSError as error:
        raise ValueError(
            f"{path}: {error.strerror or error}; the task {task} reads this file, one "
            f"JSON object per line with {fields}"
        ) from None
    encoding = with_byte_order_mark(content)
    try:
        text = content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise ValueError(
            f"{path} is not {name} (byte {error.start}); save it as UTF-8"
        ) from None
    examples = [
        _checked(line, task, f"{path}, line {number}")
        # not splitlines: a text may hold U+2028 and other separators as they are
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip()
    ]
    if not examples:
        raise ValueError(
            f"{path} holds no examples; write one JSON object per line with {fields}"
        )
    return examples


def _checked(line: str, task: str, where: str) -> Example:
    try:
        example = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: no JSON ({error})") from None
    if not isinstance(example, dict):
        raise ValueError(f"{where}: {type(example).__name__}, not an object")
    try:
        json.dumps(example, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start : error.start + 1]
        raise ValueError(
            f"{where}: {half!a} is half a character; write both halves, or leave it out"
        ) from None
    for name, kind in FIELDS[task].items():
        value = example.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(
                f"{where}: {name} is {str(value)[:40]!r}; it must be of type "
                f"{kind.__name__}"
            )
        if kind is str and name != "after" and not value.strip():
            raise ValueError(f"{where}: {name} is empty")
        if kind is list and name != "pairs" and not _texts(value):
            raise ValueError(f"{where}: {name} must be a list of at least two texts")
    if task == "translation" and not all(
        isinstance(pair, list) and len(pair) == 2 and _texts(pair)
        for pair in example["pairs"]
    ):
        raise ValueError(f"{where}: pairs must be a list of pairs of texts")
    choices = example.get("candidates", example.get("endings"))
    if "answer" in example and not 0 <= example["answer"] < len(choices):
        raise ValueError(
            f"{where}: answer is {example['answer']}; it must lie between 0 and "
            f"{len(choices) - 1}"
        )
    if task == "last-word" and " " not in example["text"].strip():
        raise ValueError(f"{where}: one word alone; the last word needs a context")
    return example


def _texts(value: list) -> bool:
    return len(value) >= 2 and all(isinstance(v, str) and v.strip() for v in value)


@lru_cache
def _held_out() -> tuple[str, ...]:
    """The validation reviews, which the mini has not read, in the order of their
    digests: in the file, all negative ones come first."""
    texts = [plain_text(text) for text, _ in embedded_reviews()["validation"]]
    return tuple(sorted(texts, key=lambda text: sha256(text.encode())))


@lru_cache
def _embedded(task: str) -> list[Example]:
    if task == "perplexity":
        return [{"text": text} for text in _held_out()[:MOST]]
    if task == "translation":
        return with_pairs(json.loads(TRANSLATIONS.read_text(encoding="utf-8")))
    if task == "endings":
        return endings_of(_held_out())[:MOST]
    make = {"last-word": last_word_of, "cloze": cloze_of, "summaries": closing_of}[task]
    made = (make(text) for text in _held_out())
    return [example for example in made if example][:MOST]


def sentences(text: str) -> list[str]:
    """A text cut where a full stop, ! or ? is followed by a capital letter."""
    return SENTENCE_END.sub(r"\1\n", " ".join(text.split())).split("\n")


def content_words(text: str) -> list[str]:
    """Its words of at least four lower-case letters that are no stop words."""
    words = re.findall(WORD, text)
    return [word for word in words if word not in STOP_WORDS]


def last_word_of(review: str) -> Example | None:
    """A passage whose last word occurs in it before, as most of LAMBADA's do.

    Five sentences and MOST_WORDS words at most; the first that fits. The last
    word is a content word; punctuation after it is left out.

    Source: the form of Paperno et al. 2016, on film reviews and without the people who
    checked that the last sentence alone does not suffice.
    """
    parts = sentences(review)
    for last in range(4, len(parts)):
        passage = " ".join(parts[last - 4 : last + 1]).rstrip(".!?\"') ")
        context, _, word = passage.rpartition(" ")
        if len(passage.split()) > MOST_WORDS or content_words(word) != [word]:
            continue
        if word in content_words(context):
            return {"text": passage}
    return None


def cloze_of(review: str) -> Example | None:
    """A sentence with a gap, up to 20 sentences before it, and ten words from these.

    The missing word occurs in the sentences before, like the nine others; all are
    content words of any kind.

    Source: the form of Hill et al. 2016, on film reviews; there all candidates are of
    one part of speech.
    """
    parts = sentences(review)
    rng = random.Random(review)
    for gap in range(5, len(parts)):
        context = " ".join(parts[max(0, gap - 20) : gap])
        if len(context.split()) > MOST_WORDS:
            return None
        known = sorted(set(content_words(context)))
        here = content_words(parts[gap])
        wanted = [
            found
            for found in re.finditer(AFTER_A_SPACE, parts[gap])
            if found[0] in known and found[0] in here[1:]
        ]
        others = [word for word in known if word not in here]
        if wanted and len(others) >= 9:
            word = wanted[-1][0]
            start, end = wanted[-1].span()
            candidates = [*rng.sample(others, 9), word]
            rng.shuffle(candidates)
            return {
                "before": f"{context} {parts[gap][:start].rstrip()}",
                "after": parts[gap][end:],
                "candidates": candidates,
                "answer": candidates.index(word),
            }
    return None


def endings_of(reviews: tuple[str, ...]) -> list[Example]:
    """The first two sentences of a review, and four sentences that might come third.

    One is the real one, three are the third sentences of other reviews.

    Source: the form of Zellers et al. 2019, on film reviews; there the wrong endings
    were written by a model and chosen to deceive others.
    """
    openings = []
    for review in reviews:
        parts = sentences(review)
        words = [len(part.split()) for part in parts[:3]]
        fits = len(words) == 3 and 10 <= words[0] + words[1] <= MOST_WORDS
        if fits and 6 <= words[2] <= 40:
            openings.append((f"{parts[0]} {parts[1]}", parts[2]))
    examples = []
    for i, (context, ending) in enumerate(openings):
        rng = random.Random(context)
        others = [j for j in rng.sample(range(len(openings)), 4) if j != i][:3]
        four = [ending, *(openings[j][1] for j in others)]
        rng.shuffle(four)
        answer = four.index(ending)
        examples.append({"context": context, "endings": four, "answer": answer})
    return examples


def closing_of(review: str) -> Example | None:
    """A review without its last sentence, which stands for a summary.

    People often end a review with their verdict. It is no summary that somebody wrote
    for the purpose.
    """
    parts = sentences(review)
    if len(parts) < 6 or len(parts[-1].split()) < 5:
        return None
    return {"text": " ".join(parts[:-1]), "summary": parts[-1]}


def with_pairs(rows: list[Example]) -> list[Example]:
    """Translations of which the first five stand in the prompt of all others."""
    pairs = [[row["source"], row["target"]] for row in rows[:PROMPT_PAIRS]]
    return [{**row, "pairs": pairs} for row in rows[PROMPT_PAIRS:]]
