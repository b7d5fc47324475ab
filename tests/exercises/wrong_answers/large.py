"""Wrong answers to the exercises on large models, and what each is told."""

from __future__ import annotations


def changes_the_weight(weight, A, B, alpha):
    weight += alpha / A.size(1) * A @ B
    return weight


def changes_a_factor(weight, A, B, alpha):
    A *= alpha / A.size(1)
    return weight + A @ B


WRONG = {
    "large-states": [
        (lambda n, bits: n * (4 + 4 + bits / 8), "two numbers per parameter"),
        (lambda n, bits: n * (4 + 2 * bits / 8), "the gradients are missing"),
        (lambda n, bits: n * 4 * bits / 8, "the rest is float32"),
        (lambda n, bits: 4 + 4 + 2 * bits / 8, "for one parameter"),
        (lambda n, bits: n * (8 + 2 * (bits // 8)), "half a byte counts"),
    ],
    "large-kept": [
        (lambda B, T, C, L, saving: 16 * B * T * C, "that is one block"),
        (
            lambda B, T, C, L, saving: (16 if saving else 16 * L) * B * T * C,
            "computed again",
        ),
        (lambda B, T, C, L, saving: 16 * L * B * T * C, "its input alone"),
        (lambda B, T, C, L, saving: 12 * L * B * T * C, "it is 3,360"),
    ],
    "large-lora": [
        (lambda L, C, r: L * 2 * C * r, "B is (r, 3 C)"),
        (lambda L, C, r: 4 * C * r, "that is one block"),
        (lambda L, C, r: L * 3 * C * C, "is frozen"),
        (lambda L, C, r: L * 3 * C * r, "B alone"),
        (lambda L, C, r: L * 4 * C * 8, "with rank 3 have 240"),
    ],
    "large-merge": [
        (lambda weight, A, B, alpha: weight + A @ B, "alpha / r times"),
        (lambda weight, A, B, alpha: weight + alpha * A @ B, "left the rank out"),
        (lambda weight, A, B, alpha: alpha / A.size(1) * A @ B, "itself is missing"),
        (lambda weight, A, B, alpha: (weight + alpha * A @ B).T, "yours is (18, 6)"),
        (changes_the_weight, "return a new matrix"),
        (changes_a_factor, "a factor was changed"),
    ],
    "large-batch": [
        (lambda available, fixed, row: available // row, "are taken already"),
        (lambda available, fixed, row: (available - fixed) / row, "2 whole ones"),
        (lambda available, fixed, row: (available - fixed) // row, "it is 0 rows"),
        (
            lambda available, fixed, row: max(0, (available - fixed - 1) // row),
            "fill the 60 exactly",
        ),
        (
            lambda available, fixed, row: max(0, round((available - fixed) / row)),
            "so 1 whole one",
        ),
    ],
    "large-shards": [
        (lambda w, g, s, a, n, sharded: (w + g + s + a) / n, "DDP divides nothing"),
        (
            lambda w, g, s, a, n, sharded: (w + g + s + a) / (n if sharded else 1),
            "not divided",
        ),
        (lambda w, g, s, a, n, sharded: w + g + s + a, "keeps 1/n"),
        (
            lambda w, g, s, a, n, sharded: w + g + s / (n if sharded else 1) + a,
            "all three are divided",
        ),
        (
            lambda w, g, s, a, n, sharded: (w if sharded else w + g + s) + a,
            "right for 4 GPUs",
        ),
    ],
}
