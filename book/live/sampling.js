// From logits to the next token, as gpt2course.generation does it: filters
// in the order of Hugging Face's generate, then a draw.
//
// A filter takes the logits (V numbers) and gives new ones, in which a
// token that is ruled out has the logit -Infinity.

/** Logits to probabilities.  [V] -> [V] */
export function softmax(logits) {
  let max = -Infinity, sum = 0;
  for (const logit of logits) if (logit > max) max = logit;
  const p = Float64Array.from(logits, (logit) => Math.exp(logit - max));
  for (const value of p) sum += value;
  return p.map((value) => value / sum);
}

/** What was read before gets less probable. */
export function repetitionPenalty(logits, penalty, ids) {
  const result = logits.slice();
  for (const id of new Set(ids)) {
    result[id] = logits[id] < 0 ? logits[id] * penalty
      : logits[id] / penalty;
  }
  return result;
}

/** Below 1 the probable gets more probable; above 1 it evens out. */
export function temperature(logits, t) {
  return logits.map((logit) => logit / t);
}

/** Keep the k most probable, and what equals the last of them. */
export function topK(logits, k) {
  if (k >= logits.length) return logits;
  const lastKept = logits.slice().sort()[logits.length - k];
  return logits.map((logit) => logit < lastKept ? -Infinity : logit);
}

/** Keep the smallest set whose probabilities add up to p or more. */
export function topP(logits, p) {
  const probabilities = softmax(logits);
  const rising = probabilities.slice().sort();
  let below = 0, i = 0; // what lies below weighs at most 1 - p
  while (i < rising.length - 1 && below + rising[i] <= 1 - p) {
    below += rising[i++];
  }
  return logits.map((logit, id) =>
    probabilities[id] < rising[i] ? -Infinity : logit);
}

/** Keep what is at least p times as probable as the most probable one. */
export function minP(logits, p) {
  const probabilities = softmax(logits);
  const least = p * probabilities.reduce((a, b) => Math.max(a, b));
  return logits.map((logit, i) =>
    probabilities[i] < least ? -Infinity : logit);
}

/** All filters that the settings name, in Hugging Face's order. */
export function filtered(logits, settings = {}, ids = []) {
  const { repetition_penalty, temperature: t, top_k, top_p, min_p } =
    settings;
  let result = Float64Array.from(logits);
  if (repetition_penalty) {
    result = repetitionPenalty(result, repetition_penalty, ids);
  }
  if (t && t !== 1) result = temperature(result, t);
  if (top_k) result = topK(result, top_k);
  if (top_p) result = topP(result, top_p);
  if (min_p) result = minP(result, min_p);
  return result;
}

/** The most probable token. */
export function greedy(logits) {
  let best = 0;
  for (let i = 1; i < logits.length; i++) {
    if (logits[i] > logits[best]) best = i;
  }
  return best;
}

/**
 * Draw a token by its probability. Each probability is divided by noise
 * that is exponentially distributed, and the largest quotient wins:
 * torch.multinomial does the same.
 *
 * @param {Float64Array} probabilities V of them
 * @param {() => number} noise one number above 0 at each call
 */
export function draw(probabilities, noise) {
  let best = -1, largest = -1;
  for (let i = 0; i < probabilities.length; i++) {
    const quotient = probabilities[i] / noise();
    if (quotient > largest) [best, largest] = [i, quotient];
  }
  return best;
}

/** Exponentially distributed noise from a seed: the same seed, the same
 *  text. (The generator of uniform numbers is mulberry32.) */
export function noiseFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    const uniform = ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    return -Math.log(1 - uniform) || Number.MIN_VALUE;
  };
}
