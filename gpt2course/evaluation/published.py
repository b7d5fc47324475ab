"""What the paper reports, its tables 3, 4 and 6, and the harness beside it, as data.

Source: Radford et al. 2019; HARNESS names its own. Chapter: the paper read closely.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpt2course.settings import unknown

#: real numbers of parameters; the paper's labels are 117M, 345M, 762M, 1542M
PARAMETERS = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
}


@dataclass(frozen=True)
class DataSet:
    """One column of the paper's table 3.

    Args:
        name: of the data set.
        measure: what is reported, with its unit.
        best_before: the best published result that the paper compares with.
        larger_is_better: true for an accuracy.
    """

    name: str
    measure: str
    best_before: float
    larger_is_better: bool = False


#: the test sets of the paper's table 3, with what was best before GPT-2
DATA_SETS = {
    "lambada_ppl": DataSet("LAMBADA", "perplexity", 99.8),
    "lambada_acc": DataSet("LAMBADA", "accuracy (%)", 59.23, True),
    "cbt_cn": DataSet("CBT, common nouns", "accuracy (%)", 85.7, True),
    "cbt_ne": DataSet("CBT, named entities", "accuracy (%)", 82.3, True),
    "wikitext2": DataSet("WikiText-2", "perplexity", 39.14),
    "ptb": DataSet("Penn Treebank", "perplexity", 46.54),
    "enwik8": DataSet("enwik8", "bits per byte", 0.99),
    "text8": DataSet("text8", "bits per character", 1.08),
    "wikitext103": DataSet("WikiText-103", "perplexity", 18.3),
    "1bw": DataSet("One Billion Word", "perplexity", 21.8),
}

#: GPT-2's results in the paper's table 3, smallest model first
PAPER = {
    "lambada_ppl": (35.13, 15.60, 10.87, 8.63),
    "lambada_acc": (45.99, 55.48, 60.12, 63.24),
    "cbt_cn": (87.65, 92.35, 93.45, 93.30),
    "cbt_ne": (83.4, 87.1, 88.0, 89.05),
    "wikitext2": (29.41, 22.76, 19.93, 18.34),
    "ptb": (65.85, 47.33, 40.31, 35.76),
    "enwik8": (1.16, 1.01, 0.97, 0.93),
    "text8": (1.17, 1.06, 1.02, 0.98),
    "wikitext103": (37.50, 26.37, 22.05, 17.48),
    "1bw": (75.20, 55.72, 44.575, 42.16),
}

#: section 3.3: GPT-2's accuracy on LAMBADA without the stop-word filter, in per cent
LAMBADA_UNFILTERED = 52.66

#: Results of lm-evaluation-harness on the published weights, keys as in `PAPER`.
#:
#: "wikitext2" is from
#: github.com/huggingface/transformers/issues/13761, LAMBADA for gpt2 from
#: github.com/EleutherAI/lm-evaluation-harness/issues/2159 and for gpt2-xl from the
#: README of github.com/EleutherAI/gpt-neo
HARNESS = {
    "gpt2": {"wikitext2": 37.37, "lambada_acc": 32.56, "lambada_ppl": 40.06},
    "gpt2-medium": {},
    "gpt2-large": {},
    "gpt2-xl": {"lambada_acc": 51.21, "lambada_ppl": 10.634},
}

#: table 4: ROUGE-1, ROUGE-2 and ROUGE-L (F1) on CNN and Daily Mail
SUMMARIES = {
    "Bottom-Up Sum (trained)": (41.22, 18.68, 38.34),
    "first three sentences": (40.38, 17.66, 36.62),
    "Seq2Seq + attention (trained)": (31.33, 11.81, 28.83),
    "GPT-2 with “TL;DR:”": (29.34, 8.27, 26.58),
    "three random sentences": (28.78, 8.63, 25.52),
    "GPT-2 without the hint": (21.58, 4.03, 19.47),
}

#: table 6: per cent of the test set's 8-grams found in the data set's own training
#: text, and in WebText
OVERLAP = {
    "Penn Treebank": (2.67, 0.88),
    "WikiText-2": (0.66, 1.63),
    "enwik8": (7.50, 6.31),
    "text8": (2.34, 3.94),
    "WikiText-103": (9.09, 2.42),
    "One Billion Word": (13.19, 3.75),
}


def improved(size: str = "gpt2-xl") -> list[str]:
    """The columns of table 3 in which a model beats the best result before it.

    Args:
        size: a key of PARAMETERS.

    Returns:
        keys of DATA_SETS.

    Raises:
        ValueError: an unknown size.

    Source: Radford et al. 2019, table 3. Chapter: the paper read closely.
    """
    if size not in PARAMETERS:
        raise unknown("size", size, list(PARAMETERS))
    column = list(PARAMETERS).index(size)
    found = []
    for key, data_set in DATA_SETS.items():
        gain = PAPER[key][column] - data_set.best_before
        if gain > 0 if data_set.larger_is_better else gain < 0:
            found.append(key)
    return found
