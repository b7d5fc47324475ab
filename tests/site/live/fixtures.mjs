// What Python has written down for these tests; see tests/site/test_live_numbers.py.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { GPT2, KVCache } from "../../../book/live/gpt2.js";
import { readHeader, readTensors } from "../../../book/live/safetensors.js";
import { Tokenizer } from "../../../book/live/tokenizer.js";

const folder = process.env.LIVE_FIXTURES;
if (!folder) throw new Error("run these through pytest: tests/site/test_live_numbers.py");

export const bytesOf = (name) => new Uint8Array(readFileSync(join(folder, name)));
export const textOf = (name) => readFileSync(join(folder, name), "utf8");
export const expected = (name) => JSON.parse(textOf(name));

export function load(name) {
  const bytes = bytesOf(name);
  const header = readHeader(bytes);
  const config = JSON.parse(header.metadata.config);
  return {
    model: new GPT2(config, readTensors(bytes, header)),
    tokenizer: new Tokenizer(header.metadata.merges),
  };
}

/** Logits of every position, one array of V numbers for each. */
export function allLogits(model, ids, options = {}) {
  const hidden = model.hidden(ids, new KVCache(model.config), options);
  return ids.map((_, t) => model.head(hidden, t));
}

export function largestDifference(a, b) {
  let largest = a.length === b.length ? 0 : Infinity;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = difference; // NaN counts, too
  }
  return largest;
}
