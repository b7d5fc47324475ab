import assert from "node:assert/strict";
import { test } from "node:test";
import { draw, filtered, greedy, noiseFrom, softmax } from "../../../book/live/sampling.js";
import { expected } from "./fixtures.mjs";

test("for the same noise the draw is the package's", () => {
  const cases = expected("sampling.json");
  assert.ok(cases.length >= 300);
  for (const { logits, ids, settings, kept, noise, token, greedy: best } of cases) {
    const result = filtered(logits, settings, ids);
    const survivors = [...result.keys()].filter((i) => result[i] !== -Infinity);
    assert.deepEqual(survivors, kept, JSON.stringify(settings));
    let next = 0;
    assert.equal(draw(softmax(result), () => noise[next++]), token, JSON.stringify(settings));
    assert.equal(greedy(result), best);
  }
});

test("our own noise has the distribution of the probabilities", () => {
  const probabilities = Float64Array.of(0.5, 0.3, 0.15, 0.05, 0);
  const noise = noiseFrom(7), counts = [0, 0, 0, 0, 0], draws = 40_000;
  for (let i = 0; i < draws; i++) counts[draw(probabilities, noise)]++;
  for (const [i, p] of probabilities.entries()) {
    assert.ok(Math.abs(counts[i] / draws - p) < 4 * Math.sqrt(p * (1 - p) / draws) + 1e-9, `${counts}`);
  }
});

test("the same seed gives the same noise, another seed another", () => {
  const [a, b, c] = [noiseFrom(3), noiseFrom(3), noiseFrom(4)];
  const first = Array.from({ length: 50 }, a);
  assert.deepEqual(first, Array.from({ length: 50 }, b));
  assert.notDeepEqual(first, Array.from({ length: 50 }, c));
  assert.ok(first.every((x) => x > 0 && Number.isFinite(x)));
});
