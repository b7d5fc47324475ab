import assert from "node:assert/strict";
import { test } from "node:test";
import { Tokenizer } from "../../../book/live/tokenizer.js";
import { expected, load, textOf } from "./fixtures.mjs";

const tokenizers = {
  mini: load("mini-int8.safetensors").tokenizer,
  gpt2: new Tokenizer(textOf("vocab.bpe")),
};

for (const [name, tokenizer] of Object.entries(tokenizers)) {
  test(`${name}: every token has Hugging Face's id`, () => {
    const vocabulary = expected(`${name}-vocabulary.json`);
    assert.equal(tokenizer.tokens.length, Object.keys(vocabulary).length);
    for (const [token, id] of Object.entries(vocabulary)) assert.equal(tokenizer.tokens[id], token);
  });

  test(`${name}: token ids equal Hugging Face's on texts in many scripts`, () => {
    const cases = expected(`${name}-texts.json`);
    let tokens = 0;
    for (const [text, ids] of cases) {
      assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text.slice(0, 80)));
      assert.equal(tokenizer.decode(ids), text);
      tokens += ids.length;
    }
    console.log(`${name}: ${cases.length} texts, ${tokens} tokens`);
    assert.ok(tokens > 100_000);
  });

  test(`${name}: half a surrogate pair is read as the replacement character`, () => {
    assert.deepEqual(tokenizer.encode("a\ud83d b\ude00"), tokenizer.encode("a\ufffd b\ufffd"));
  });
}
