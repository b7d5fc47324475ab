"""Wrong answers to the exercises of the page on the architecture."""

from __future__ import annotations


def layer_norm(x, weight, bias):
    x = x - x.mean(-1, keepdim=True)
    return x / (x.var(-1, keepdim=True) + 1e-5).sqrt() * weight + bias


def parameters(V, P, C, L):
    return V * C + P * C + L * (12 * C * C + 13 * C) + 2 * C


def translate(name, tensor):
    name = name.removeprefix("transformer.")
    square = tensor.ndim == 2 and tensor.size(0) == tensor.size(1)
    conv = name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))
    return name, tensor.t() if conv and not square else tensor


WRONG = {
    "architecture-layernorm": [
        (layer_norm, "divides by n - 1"),
        (
            lambda x, weight, bias: (x - x.mean(0)) / x.std(0) * weight + bias,
            "the last dimension",
        ),
    ],
    "architecture-count": [
        (lambda V, P, C, L: parameters(V, P, C, L) + V * C, "you counted the head"),
        (lambda V, P, C, L: parameters(V, P, C, L) - 2 * C, "one more norm"),
    ],
    "architecture-postnorm": [
        (lambda x, a, m, n1, n2: (x + a(n1(x))) + m(n2(x + a(n1(x)))), "GPT-2's block"),
        (lambda x, a, m, n1, n2: n2(n1(x + a(x)) + m(x)), "not the old x"),
    ],
    "architecture-translate": [
        (lambda name, t: (name.removeprefix("transformer."), t), "Conv1D?"),
        (translate, "square matrices need the transpose"),
    ],
}
