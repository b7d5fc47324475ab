import assert from "node:assert/strict";
import { test } from "node:test";
import { KVCache } from "../../../book/live/gpt2.js";
import { allLogits, expected, largestDifference, load } from "./fixtures.mjs";

const CLOSE = 1e-4;

for (const name of ["mini-float16", "mini-int8", "tiny-float16"]) {
  test(`${name}: logits equal PyTorch's on the same weights`, () => {
    const { model } = load(`${name}.safetensors`);
    const cases = expected(`${name}.json`).prompts;
    let largest = 0;
    for (const { ids, logits } of cases) {
      const rows = allLogits(model, ids);
      for (const [t, row] of Object.entries(logits)) {
        largest = Math.max(largest, largestDifference(rows[t], row));
      }
    }
    console.log(`${name}: ${cases.length} prompts, largest difference ${largest.toExponential(1)}`);
    assert.ok(cases.length >= 20);
    assert.ok(largest < CLOSE, `largest difference ${largest}`);
  });

  test(`${name}: what is taken out gives what Python gives without it`, () => {
    const { model } = load(`${name}.safetensors`);
    const { ids, without } = expected(`${name}.json`).broken;
    const intact = allLogits(model, ids).at(-1);
    assert.ok(without.length >= 5);
    for (const [parts, logits] of without) {
      const last = allLogits(model, ids, { without: parts }).at(-1);
      const difference = largestDifference(last, logits);
      // without the last layer norm the numbers are larger
      const scale = Math.max(1, ...logits.map(Math.abs)) / 10;
      assert.ok(difference < CLOSE * Math.max(1, scale), `${JSON.stringify(parts)}: ${difference}`);
      assert.ok(largestDifference(last, intact) > 0.01, `${JSON.stringify(parts)} changes something`);
    }
  });

  test(`${name}: attention weights equal Python's, and rows sum to 1`, () => {
    const { model } = load(`${name}.safetensors`);
    const { ids, layers } = expected(`${name}.json`).attention;
    const seen = {};
    model.hidden(ids, new KVCache(model.config), { watch: (key, values) => { seen[key] = values.slice(); } });
    for (const [layer, weights] of layers.entries()) {
      const found = seen[`h.${layer}.attn.weights`];
      assert.ok(largestDifference(found, weights.flat(2)) < 1e-5);
      for (let row = 0; row < found.length; row += ids.length) {
        const sum = found.slice(row, row + ids.length).reduce((a, b) => a + b);
        assert.ok(Math.abs(sum - 1) < 1e-5);
      }
    }
  });

  test(`${name}: token by token with the cache gives what one pass gives`, () => {
    const { model } = load(`${name}.safetensors`);
    const { ids } = expected(`${name}.json`).prompts.at(-1);
    const rows = allLogits(model, ids);
    const cache = new KVCache(model.config);
    for (const [t, id] of ids.entries()) {
      const logits = model.head(model.hidden([id], cache), 0);
      assert.ok(largestDifference(logits, rows[t]) < 1e-5, `token ${t}`);
    }
    assert.equal(cache.length, ids.length);
  });
}

test("a text longer than the model's positions is refused, with the limit", () => {
  const { model } = load("tiny-float16.safetensors");
  const { n_positions } = model.config;
  const ids = new Array(n_positions + 1).fill(1);
  assert.throws(() => model.hidden(ids, new KVCache(model.config)), new RegExp(`${n_positions + 1} .* ${n_positions} positions`));
});
