"""Wrong answers to the exercises of the page on the KV cache."""

from __future__ import annotations

import torch

from gpt2course.generation import generate, generate_batch


class SharedCache:
    layers = {}  # noqa: RUF012 (the mistake: one storage for all caches)

    def update(self, layer, k, v):
        if layer in self.layers:
            k = torch.cat([self.layers[layer][0], k], dim=2)
            v = torch.cat([self.layers[layer][1], v], dim=2)
        self.layers[layer] = k, v
        return k, v


class OneLayer:
    def __init__(self):
        self.k, self.v = torch.empty(1, 3, 0, 4), torch.empty(1, 3, 0, 4)

    def update(self, layer, k, v):
        self.k, self.v = torch.cat([self.k, k], 2), torch.cat([self.v, v], 2)
        return self.k, self.v


class Forgetful:
    def __init__(self):
        self.layers = {}

    def update(self, layer, k, v):
        if layer not in self.layers:
            self.layers[layer] = k, v
            return k, v
        first_k, first_v = self.layers[layer]
        return torch.cat([first_k, k], 2), torch.cat([first_v, v], 2)


class Silent:
    def update(self, layer, k, v):
        self.k, self.v = k, v


def without_a_cache(model, ids, n):
    new = []
    for _ in range(n):
        new.append(int(model(torch.tensor([[*ids, *new]]))[0, -1].argmax()))
    return new


WRONG = {
    "cache-size": [
        (lambda layers, C, T, B, size: layers * C * T * B * size, "half of it"),
        (lambda layers, C, T, B, size: 2 * layers * C * T * size, "number of texts"),
        (lambda layers, C, T, B, size: 2 * layers * C * T * B * 2, "bytes per number"),
    ],
    "cache-work": [
        (
            lambda prompt, new, cached: prompt + new - 1 if cached else prompt * new,
            "the text grows",
        ),
        (
            lambda prompt, new, cached: (
                prompt + new if cached else sum(prompt + i for i in range(new))
            ),
            "written and never read",
        ),
        (
            lambda prompt, new, cached: sum(prompt + i + 1 for i in range(new)),
            "written and never read",
        ),
    ],
    "cache-simple": [
        (SharedCache, "make the storage in __init__"),
        (Forgetful, "the third update"),
        (OneLayer, "keep the layers apart"),
        (Silent, "must return"),
    ],
    "cache-loop": [
        (without_a_cache, "3 first and then 1 each time"),
        (
            lambda model, ids, n: generate_batch(model, [ids], n)[0],
            "generate_batch computes it",
        ),
        (
            lambda model, ids, n: ids + generate(model, ids, n, stop_ids=()),
            "without the prompt",
        ),
    ],
    "cache-ceiling": [
        (lambda n, size, speed, batch: n * size / (speed * 1e9), "seconds per token"),
        (lambda n, size, speed, batch: speed * 1e9 / n * batch, "several bytes"),
        (lambda n, size, speed, batch: speed * 1e9 / (n * size), "a batch of 8"),
    ],
}
