"""How many words two texts share: ROUGE for summaries, BLEU for translations.

tasks.py uses both. Words are lower-case runs of letters and digits for ROUGE; for BLEU
punctuation counts as words and capitals matter.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence


def rouge(written: str, reference: str) -> dict[str, float]:
    """ROUGE-1, ROUGE-2 and ROUGE-L, each as F1.

    ROUGE-N counts shared n-grams, ROUGE-L the longest sequence of words that both texts
    have in this order, with gaps.

    Args:
        written: by the model.
        reference: by a person.

    Returns:
        rouge1, rouge2, rougeL, each from 0 to 1.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"; the
    package rouge-score gives the same numbers without its stemmer.
    Chapter: evaluating as the paper did.
    """
    a, b = (re.findall(r"[a-z0-9]+", text.lower()) for text in (written, reference))
    scores = {}
    for n in (1, 2):
        mine, theirs = _ngrams(a, n), _ngrams(b, n)
        shared = (mine & theirs).total()
        scores[f"rouge{n}"] = _f1(shared, mine.total(), theirs.total())
    scores["rougeL"] = _f1(_longest_common(a, b), len(a), len(b))
    return scores


def bleu_counts(written: str, reference: str) -> dict[str, list[int]]:
    """What one sentence adds to `bleu`: shared and written n-grams, and lengths.

    Args:
        written: by the model.
        reference: by a person.

    Returns:
        matches and totals for n = 1 to 4, lengths of written and reference in words.
    """
    a, b = (re.findall(r"\w+|[^\w\s]", text) for text in (written, reference))
    matches, totals = [], []
    for n in range(1, 5):
        mine = _ngrams(a, n)
        matches.append((mine & _ngrams(b, n)).total())
        totals.append(mine.total())
    return {"matches": matches, "totals": totals, "lengths": [len(a), len(b)]}


def bleu(counts: Sequence[dict[str, list[int]]]) -> float:
    """BLEU of a whole test set, from 0 to 100.

    The geometric mean of the fractions of shared 1- to 4-grams, times a penalty for
    texts shorter than the references. One n without any match gives 0.

    Args:
        counts: of each sentence, as `bleu_counts` gives them.

    Source: Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine
    Translation"; sacrebleu without smoothing gives the same on the same words.
    Chapter: evaluating as the paper did.
    """
    matches, totals, lengths = (
        [sum(values) for values in zip(*(c[key] for c in counts), strict=True)]
        for key in ("matches", "totals", "lengths")
    )
    if min(matches) == 0:
        return 0.0
    log_precision = sum(
        math.log(match / total) for match, total in zip(matches, totals, strict=True)
    )
    brevity = min(0.0, 1 - lengths[1] / lengths[0])
    return 100 * math.exp(log_precision / 4 + brevity)


def _ngrams(words: Sequence[str], n: int) -> Counter:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _f1(shared: int, written: int, reference: int) -> float:
    return 2 * shared / (written + reference) if shared else 0.0


def _longest_common(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, row by row."""
    above = [0] * (len(b) + 1)
    for word in a:
        row = [0]
        for j, other in enumerate(b):
            row.append(above[j] + 1 if word == other else max(row[j], above[j + 1]))
        above = row
    return above[-1]
