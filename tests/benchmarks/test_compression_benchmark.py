"""The 3-grams of the compression benchmark: probabilities, and better than guessing."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from compression import DISCOUNT, Trigrams

STREAM = np.array([5, 5, 1, 2, 3, 1, 2, 4, 1, 2, 3, 5, 5, 2, 3, 1, 2, 3, 5, 5])
V = 6


@pytest.fixture(scope="module")
def model():
    return Trigrams(STREAM, V)


@pytest.mark.parametrize("context", [(1, 2), (5, 5), (4, 4), (0, 0), (3, 5)])
def test_probabilities_sum_to_one_whatever_was_seen(model, context):
    a, b = (np.full(V, token) for token in context)
    p = model.probabilities(a, b, np.arange(V))
    assert p.sum() == pytest.approx(1)
    assert (p > 0).all()


def kneser_ney(stream: list[int], a: int, b: int, c: int) -> float:
    """The definition, in dictionaries."""
    three = Counter(zip(stream, stream[1:], stream[2:], strict=False))
    two = Counter((y, z) for _, y, z in three)
    one = Counter(z for _, z in two)
    p = max(one[c] - DISCOUNT, 0) / one.total()
    p += DISCOUNT * len(one) / one.total() / V
    for counts, context in ((two, (b,)), (three, (a, b))):
        after = defaultdict(int)
        for gram, count in counts.items():
            if gram[:-1] == context:
                after[gram[-1]] += count
        total = sum(after.values())
        if total:
            own = max(after[c] - DISCOUNT, 0) / total
            types = sum(count > 0 for count in after.values())
            p = own + DISCOUNT * types / total * p
    return p


def test_equals_the_definition(model):
    for context in [(1, 2), (2, 3), (5, 5), (0, 3), (3, 0)]:
        for c in range(V):
            found = model.probabilities(*(np.array([t]) for t in (*context, c)))
            assert found[0] == pytest.approx(kneser_ney(STREAM.tolist(), *context, c))
