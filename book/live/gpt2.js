// GPT-2 in plain JavaScript: token ids in, a score for every possible next
// token out. It mirrors gpt2course/model.py, part by part and name by name.
//
// Letters: T new tokens, S tokens to look at (old and new), C n_embd,
// H heads, D head size, V vocabulary. A matrix of T rows and C columns is
// one Float32Array of T * C numbers, row after row.

/** Keys and values of every block for the tokens read so far. */
export class KVCache {
  constructor(config) {
    const size = config.n_positions * config.n_embd;
    const layers = Array.from({ length: config.n_layer });
    this.keys = layers.map(() => new Float32Array(size)); // (S, C) each
    this.values = layers.map(() => new Float32Array(size));
    this.length = 0;
  }
}

export class GPT2 {
  /**
   * @param {object} config what config.json says
   * @param {Object<string, Float32Array>} weights by name, as in PyTorch;
   *   the weight of a linear layer is (out, in)
   */
  constructor(config, weights) {
    if (!["gelu_new", "gelu_pytorch_tanh"]
      .includes(config.activation_function ?? "gelu_new")) {
      throw new Error(`GPT-2 has no ${config.activation_function}`);
    }
    this.config = config;
    this.weights = weights;
  }

  /**
   * The last layer's vectors, normalised: what the head reads.
   *
   * @param {number[]} ids T new tokens
   * @param {KVCache} cache what was read before; it grows by T
   * @param {object} options
   *   watch: called with a name and the numbers of every step;
   *   without: what to leave out, {mask, positions, ln_f: true,
   *   head: [block, head], block: number}
   * @returns {Float32Array} (T, C)
   */
  hidden(ids, cache, { watch = () => {}, without = {} } = {}) {
    const { n_embd: C, n_layer, n_positions } = this.config;
    const { "wte.weight": wte, "wpe.weight": wpe } = this.weights;
    const T = ids.length, past = cache.length;
    if (past + T > n_positions) {
      throw new Error(`${past + T} tokens are more than this model's ` +
        `${n_positions} positions; shorten the text`);
    }
    const x = new Float32Array(T * C);
    for (let t = 0; t < T; t++) {
      for (let c = 0; c < C; c++) {
        const position = without.positions ? 0 : wpe[(past + t) * C + c];
        x[t * C + c] = wte[ids[t] * C + c] + position;
      }
    }
    watch("x", x);
    for (let layer = 0; layer < n_layer; layer++) {
      if (without.block !== layer) {
        this.block(x, T, layer, cache, watch, without);
      }
      watch(`h.${layer}`, x);
    }
    cache.length += T;
    if (without.ln_f) return x;
    const normalised = this.layerNorm(x, T, "ln_f");
    watch("ln_f", normalised);
    return normalised;
  }

  /** Scores for the token after row t of the hidden vectors.  -> (V) */
  head(hidden, t) {
    const { n_embd: C } = this.config;
    const row = hidden.subarray(t * C, (t + 1) * C);
    return linear(row, 1, this.weights["wte.weight"]); // used again
  }

  /** Attention, then MLP. Each adds to the residual stream x. */
  block(x, T, layer, cache, watch, without) {
    const name = `h.${layer}`;
    const ln_1 = this.layerNorm(x, T, `${name}.ln_1`);
    watch(`${name}.ln_1`, ln_1);
    const attn = this.attention(ln_1, T, layer, cache, watch, without);
    watch(`${name}.attn`, attn);
    add(x, attn);
    watch(`${name}.x`, x);
    const ln_2 = this.layerNorm(x, T, `${name}.ln_2`);
    watch(`${name}.ln_2`, ln_2);
    const fc = this.linear(ln_2, T, `${name}.mlp.c_fc`);
    watch(`${name}.mlp.c_fc`, fc);
    const wide = fc.map(gelu);
    watch(`${name}.mlp.gelu`, wide);
    const mlp = this.linear(wide, T, `${name}.mlp.c_proj`);
    watch(`${name}.mlp`, mlp);
    add(x, mlp);
  }

  /** Every token gathers from the tokens before it.  (T, C) -> (T, C) */
  attention(x, T, layer, cache, watch, without) {
    const { n_embd: C, n_head: H } = this.config;
    const D = C / H, past = cache.length, S = past + T;
    const keys = cache.keys[layer], values = cache.values[layer];
    const qkv = this.linear(x, T, `h.${layer}.attn.c_attn`); // (T, 3C)
    watch(`h.${layer}.attn.c_attn`, qkv);
    for (let t = 0; t < T; t++) { // the new keys and values are kept
      const row = qkv.subarray(t * 3 * C, (t + 1) * 3 * C);
      keys.set(row.subarray(C, 2 * C), (past + t) * C);
      values.set(row.subarray(2 * C), (past + t) * C);
    }
    const y = new Float32Array(T * C); // heads side by side
    const weights = new Float32Array(H * T * S);
    const scores = new Float32Array(H * T * S);
    for (let h = 0; h < H; h++) {
      const off = without.head?.[0] === layer && without.head[1] === h;
      for (let t = 0; t < T && !off; t++) {
        const from = (h * T + t) * S;
        const row = weights.subarray(from, from + S);
        const q = t * 3 * C + h * D;
        for (let s = 0; s < S; s++) { // q @ k / sqrt(D)
          let sum = 0;
          const k = s * C + h * D;
          for (let d = 0; d < D; d++) sum += qkv[q + d] * keys[k + d];
          scores[from + s] = sum / Math.sqrt(D);
        }
        const seen = without.mask ? S : past + t + 1; // the causal mask
        softmaxInto(row, scores.subarray(from, from + seen));
        for (let s = 0; s < seen; s++) { // weights @ v
          const v = s * C + h * D, to = t * C + h * D;
          for (let d = 0; d < D; d++) y[to + d] += row[s] * values[v + d];
        }
      }
    }
    watch(`h.${layer}.attn.scores`, scores);
    watch(`h.${layer}.attn.weights`, weights);
    watch(`h.${layer}.attn.mix`, y);
    return this.linear(y, T, `h.${layer}.attn.c_proj`);
  }

  /** Mean 0 and variance 1 for each row, then scale and shift. */
  layerNorm(x, T, name) {
    const { n_embd: C, layer_norm_epsilon: epsilon } = this.config;
    const scale = this.weights[`${name}.weight`];
    const shift = this.weights[`${name}.bias`];
    const result = new Float32Array(T * C);
    for (let t = 0; t < T; t++) {
      const row = x.subarray(t * C, (t + 1) * C);
      let mean = 0, variance = 0;
      for (const value of row) mean += value / C;
      for (const value of row) variance += (value - mean) ** 2 / C;
      const size = 1 / Math.sqrt(variance + epsilon);
      for (let c = 0; c < C; c++) {
        result[t * C + c] = (row[c] - mean) * size * scale[c] + shift[c];
      }
    }
    return result;
  }

  linear(x, T, name) {
    return linear(x, T, this.weights[`${name}.weight`],
      this.weights[`${name}.bias`]);
  }
}

/** x @ weight^T + bias.  (T, n), (m, n), (m) -> (T, m)
 *  Most of the time goes here. Four outputs at once keep the processor
 *  busy: no sum has to wait for another, and x is read once for all. */
function linear(x, T, weight, bias) {
  const n = x.length / T, m = weight.length / n;
  const result = new Float32Array(T * m);
  for (let t = 0; t < T; t++) {
    const r = t * n;
    for (let four = 0; four < m; four += 4) {
      const j = Math.min(four, m - 4); // the last four may overlap
      const w0 = j * n, w1 = w0 + n, w2 = w1 + n, w3 = w2 + n;
      let a = 0, b = 0, c = 0, d = 0;
      for (let i = 0; i < n; i++) {
        const value = x[r + i];
        a += value * weight[w0 + i];
        b += value * weight[w1 + i];
        c += value * weight[w2 + i];
        d += value * weight[w3 + i];
      }
      const o = t * m + j;
      result[o] = a;
      result[o + 1] = b;
      result[o + 2] = c;
      result[o + 3] = d;
    }
  }
  if (bias) {
    for (let i = 0; i < result.length; i++) result[i] += bias[i % m];
  }
  return result;
}

/** GELU in its tanh form, as GPT-2 has it. */
function gelu(x) {
  const inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
  return 0.5 * x * (1 + Math.tanh(inner));
}

/** Softmax of the scores into the first places of the target. */
function softmaxInto(target, scores) {
  let max = -Infinity, sum = 0;
  for (const score of scores) if (score > max) max = score;
  for (let s = 0; s < scores.length; s++) {
    target[s] = Math.exp(scores[s] - max);
    sum += target[s];
  }
  for (let s = 0; s < scores.length; s++) target[s] /= sum;
}

function add(x, change) {
  for (let i = 0; i < x.length; i++) x[i] += change[i];
}
