"""Wrong answers to the exercises of the page on the architecture."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def layer_norm(x, weight, bias):
    x = x - x.mean(-1, keepdim=True)
    return x / (x.var(-1, keepdim=True) + 1e-5).sqrt() * weight + bias


def eps_outside(x, weight, bias):
    x = x - x.mean(-1, keepdim=True)
    return x / (x.std(-1, keepdim=True, unbiased=False) + 1e-5) * weight + bias


def parameters(V, P, C, L):
    return V * C + P * C + L * (12 * C * C + 13 * C) + 2 * C


def translate(name, tensor):
    name = name.removeprefix("transformer.")
    square = tensor.ndim == 2 and tensor.size(0) == tensor.size(1)
    conv = name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))
    return name, tensor.t() if conv and not square else tensor


def gpt2(mistake):
    """The whole network, with one mistake."""

    def logits(input_ids, w, n_layer, n_head):
        def linear(x, name):
            return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

        def norm(x, name):
            return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])

        def attend(x, name):
            qkv = linear(x, f"{name}.c_attn")
            heads = 1 if mistake == "one head" else n_head
            if mistake == "heads first":
                qkv = qkv.view(B, T, heads, 3, -1).permute(3, 0, 2, 1, 4)
            else:
                qkv = qkv.view(B, T, 3, heads, -1).permute(2, 0, 3, 1, 4)
            q, k, v = qkv
            scores = q @ k.transpose(-2, -1)
            if mistake != "no scale":
                scores = scores / q.size(-1) ** 0.5
            if mistake != "no mask":
                future = torch.ones(T, T).triu(1) > 0
                scores = scores.masked_fill(future, -torch.inf)
            y = scores.softmax(-1) @ v
            y = y if mistake == "no transpose" else y.transpose(1, 2)
            return linear(y.reshape(B, T, -1), f"{name}.c_proj")

        def mlp(x, name):
            x = linear(x, f"{name}.c_fc")
            if mistake != "no curve":
                exact = mistake == "exact GELU"
                x = F.gelu(x, approximate="none" if exact else "tanh")
            return linear(x, f"{name}.c_proj")

        B, T = input_ids.shape
        x = w["wte.weight"][input_ids]
        if mistake != "no positions":
            x = x + w["wpe.weight"][:T]
        for n in range(n_layer - (mistake == "one block less")):
            for part, ln, name in ((attend, "ln_1", "attn"), (mlp, "ln_2", "mlp")):
                read = norm(x, f"h.{n}.{ln}")
                if mistake == "normalised stream":
                    x = read
                found = part(read, f"h.{n}.{name}")
                x = found if mistake == "nothing added" else x + found
        if mistake != "no last norm":
            x = norm(x, "ln_f")
        if mistake == "no head":
            return x
        x = x @ w["wte.weight"].T
        return x[:, -1] if mistake == "last row" else x

    return logits


WRONG = {
    "architecture-layernorm": [
        (layer_norm, "divides by n - 1"),
        (eps_outside, "for numbers near 0.001"),
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
    "architecture-forward": [
        (gpt2("no head"), "the head is missing"),
        (gpt2("last row"), "give logits of the shape (2, 6, 19)"),
        (gpt2("no positions"), "the positions are missing"),
        (gpt2("no last norm"), "ln_f, is missing"),
        (gpt2("no mask"), "sees the future"),
        (gpt2("exact GELU"), "the tanh form"),
        (gpt2("no curve"), "the GELU between the two"),
        (gpt2("no scale"), "not divided by the root"),
        (gpt2("one head"), "computed as one"),
        (gpt2("heads first"), "cut into three first"),
        (gpt2("no transpose"), "in the wrong order"),
        (gpt2("nothing added"), "nothing is added"),
        (gpt2("normalised stream"), "you normalise the stream itself"),
        (gpt2("one block less"), "the numbers differ by up to"),
    ],
}
