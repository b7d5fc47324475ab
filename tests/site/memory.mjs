// Every case that Python has written down, once more in JavaScript: node memory.mjs CASES
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import "../../book/_static/memory.js";

const { inferenceMemory, parameterCount, trainingMemory } = globalThis.gpt2Memory;
const { training, inference, refused } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const LINES = ["weights", "weight_copies", "gradients", "optimizer", "activations", "temporary", "cache"];
const complete = (memory) => Object.fromEntries(LINES.map((line) => [line, memory[line] ?? 0]));

for (const [config, options, expected, trained] of training) {
  const given = JSON.stringify([config.n_embd, options]);
  assert.deepEqual(complete(trainingMemory(config, options)), expected, given);
  assert.equal(parameterCount(config, options.lora_rank), trained, given);
}
for (const [config, options, expected] of inference) {
  assert.deepEqual(complete(inferenceMemory(config, options)), expected, JSON.stringify(options));
}
for (const [config, options, message] of refused) {
  assert.throws(() => trainingMemory(config, options), new RegExp(message), message);
}
console.log(`${training.length + inference.length} cases`);
