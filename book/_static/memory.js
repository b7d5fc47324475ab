// The bytes of gpt2course/training/memory.py, computed in the reader's browser, and the
// calculator that shows them. tests/site/test_memory_calculator.py compares the numbers
// with Python's; tools/sphinx_ext/memory.py writes the form. Letters as in memory.py.
(() => {
  const BYTES = { float32: 4, bfloat16: 2, float16: 2, int8: 1 };
  const STATE_BLOCK = 256; // numbers that share a scale in an 8-bit optimizer
  const SMALLEST_8BIT = 4096; // smaller tensors have a float32 state

  /** The trained tensors: [numbers in one of them, how many there are]. */
  const parameterSizes = (c, rank = 0) => {
    const [C, L] = [c.n_embd, c.n_layer];
    if (rank) return [[rank * C, L], [3 * C * rank, L]];
    return [
      [c.vocab_size * C, 1],
      [c.n_positions * C, 1],
      [3 * C * C, L],
      [C * C, L],
      [4 * C * C, 2 * L],
      [3 * C, L],
      [4 * C, L],
      [C, 6 * L + 2],
    ];
  };

  const parameterCount = (c, rank = 0) =>
    parameterSizes(c, rank).reduce((sum, [size, count]) => sum + size * count, 0);

  const optimizerBytes = (c, optim, rank) => {
    const embeddings = rank ? 0 : 2; // first among the sizes; Trainer keeps them in float32
    let bytes = 0;
    for (const [place, [size, count]] of parameterSizes(c, rank).entries()) {
      const inFloat =
        optim === "adamw_torch" || place < embeddings || size < SMALLEST_8BIT;
      bytes += count * 2 * (inFloat ? 4 * size : size + 4 * Math.ceil(size / STATE_BLOCK));
    }
    return bytes;
  };

  /** Refuses what the model cannot read; the message is shown to the reader. */
  const checkSize = (c, rows, length) => {
    if (!(Number.isInteger(rows) && rows >= 1)) {
      throw new RangeError("Rows: a whole number of at least 1.");
    }
    if (!(Number.isInteger(length) && length >= 1 && length <= c.n_positions)) {
      throw new RangeError(`Tokens: a whole number from 1 to ${c.n_positions}.`);
    }
  };

  const inferenceMemory = (c, { batch_size: rows = 1, length, dtype = "float32" }) => {
    checkSize(c, rows, length);
    const [C, L, V] = [c.n_embd, c.n_layer, c.vocab_size];
    let weights = parameterCount(c) * BYTES[dtype];
    if (dtype === "int8") {
      const rounded = L * 12 * C * C;
      weights = rounded + V * C + 4 * (L * 9 * C + 2 * V + parameterCount(c) - rounded);
    }
    const width = dtype === "int8" ? 4 : BYTES[dtype];
    return { weights, cache: 2 * L * rows * length * C * width };
  };

  const trainingMemory = (c, options) => {
    const {
      batch_size: rows,
      length,
      mixed_precision: precision = "no",
      optim = "adamw_torch",
      gradient_checkpointing: saving = false,
      lora_rank: rank = 0,
      frozen_dtype: frozen = "float32",
      device = "cuda",
    } = options;
    checkSize(c, rows, length);
    if (!(Number.isInteger(rank) && rank >= 0 && rank <= c.n_embd)) {
      throw new RangeError(`Rank: a whole number from 1 to ${c.n_embd}.`);
    }
    const [C, H, L, V] = [c.n_embd, c.n_head, c.n_layer, c.vocab_size];
    const tokens = rows * length;
    const full = rank === 0;
    const half = precision !== "no";
    const onGpu = device === "cuda";
    const product = half ? 2 : 4; // bytes per number of a matrix product
    const norm = onGpu ? 4 : BYTES[frozen]; // and of a layer norm
    const trained = parameterCount(c, rank);
    const weights = parameterCount(c) * BYTES[frozen] + (full ? 0 : 4 * trained);

    let block = (2 * tokens * C + 4 * tokens) * norm + 8 * tokens * C * product;
    block += (rank ? tokens * C + tokens * rank : 6 * tokens * C) * product;
    if (c.resid_pdrop) block += 2 * tokens * C * (onGpu ? 1 : product);
    if (c.attn_pdrop && !onGpu) {
      block += 3 * tokens * length * H * 4 + 3 * tokens * C * (4 - product);
    } else {
      block += tokens * H * 4;
    }

    const stream = tokens * C * BYTES[frozen]; // what goes into a block
    let kept = L * (saving ? stream : block);
    kept += 16 * tokens + (tokens * C + 2 * tokens) * norm + 4 * tokens * V;
    if (full) kept += tokens * C * product;
    if (full && c.embd_pdrop) kept += tokens * C * (onGpu ? 1 : 4);

    const copy = half && frozen === "float32" ? 2 : 0;
    const copies = copy * (V * C + (saving ? 0 : L * 12 * C * C));
    const head = full ? V * C * (4 + copy) : 0;
    const moments = [8 * tokens * V, head];
    if (saving) {
      if (full) moments.push(copy * L * 12 * C * C - 2 * tokens * V);
      const wide = tokens * C * (half ? 4 + 2 + 8 : 5 * 4);
      const matrix = full ? 4 * C * C * (4 + copy) : 0;
      const again = block - stream + wide + matrix + copy * 12 * C * C;
      moments.push(again + head - 4 * tokens * V);
    }
    if (full) moments.push(3 * 4 * V * C - kept - copies);
    return {
      weights,
      weight_copies: copies,
      gradients: 4 * trained,
      optimizer: optimizerBytes(c, optim, rank),
      activations: kept,
      temporary: Math.max(...moments),
    };
  };

  globalThis.gpt2Memory = { inferenceMemory, parameterCount, trainingMemory };
  if (typeof document === "undefined") return; // in Node

  const STILL = { embd_pdrop: 0, attn_pdrop: 0, resid_pdrop: 0 };

  const memoryOf = (sizes, field) => {
    const dropout = field.dropout.checked ? {} : STILL;
    const config = { ...sizes[field.size.value], ...dropout };
    const shape = { batch_size: Number(field.rows.value), length: Number(field.tokens.value) };
    if (field.task.value === "generate") {
      return inferenceMemory(config, { ...shape, dtype: field.dtype.value });
    }
    const lora = field.task.value === "lora";
    const rank = Number(field.rank.value);
    if (lora && !(rank >= 1)) throw new RangeError("Rank: a whole number of at least 1.");
    const half = field.precision.value !== "no";
    return trainingMemory(config, {
      ...shape,
      mixed_precision: field.precision.value,
      optim: field.optim.value,
      gradient_checkpointing: field.saving.checked,
      lora_rank: lora ? rank : 0,
      frozen_dtype: lora && half && field.frozen.checked ? "float16" : "float32",
    });
  };

  const gigabytes = (bytes) => (bytes / 1e9).toFixed(2);

  const show = (root) => {
    const field = root.querySelector("form").elements;
    const task = field.task.value;
    for (const element of root.querySelectorAll("[data-for]")) {
      element.hidden = !element.dataset.for.split(" ").includes(task);
    }
    field.frozen.disabled = field.precision.value === "no";
    const verdict = root.querySelector("[role=status]");
    const table = root.querySelector("table");
    const available = Number(field.available.value);
    try {
      if (!(available > 0)) throw new RangeError("Memory of the GPU: a number above 0.");
      const memory = memoryOf(JSON.parse(root.dataset.sizes), field);
      const total = Object.values(memory).reduce((sum, bytes) => sum + bytes, 0);
      for (const row of table.querySelectorAll("[data-line]")) {
        const bytes = row.dataset.line === "total" ? total : (memory[row.dataset.line] ?? 0);
        row.hidden = bytes === 0;
        row.querySelector("td").textContent = gigabytes(bytes);
        row.querySelector("span").style.width = `${(100 * bytes) / total}%`;
      }
      const fits = total <= available * 1e9;
      verdict.textContent = fits
        ? `Fits by this formula: ${gigabytes(total)} of ${available} GB.`
        : `Does not fit: ${gigabytes(total)} GB, and there are ${available}.`;
      table.hidden = false;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      verdict.textContent = error.message;
      table.hidden = true;
    }
  };

  addEventListener("DOMContentLoaded", () => {
    for (const root of document.querySelectorAll(".course-memory")) {
      const form = root.querySelector("form");
      form.querySelector("fieldset").disabled = false;
      form.addEventListener("input", () => show(root));
      form.addEventListener("submit", (event) => event.preventDefault());
      show(root);
    }
  });
})();
