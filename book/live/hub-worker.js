// GPT-2 124M in a thread of its own, computed by transformers.js.
const LIBRARY =
  "https://cdn.jsdelivr.net/npm/@huggingface/transformers@4.3.1";
const MODEL = "Xenova/gpt2";

let library, model, read = { ids: [], past: null };

const methods = {
  async load(_, progress) {
    library = await import(LIBRARY).catch(() => {
      throw new Error("the library did not arrive");
    });
    library.env.allowLocalModels = false;
    // more than one thread needs headers that a static site cannot set
    library.env.backends.onnx.wasm.numThreads = 1;
    const files = new Map();
    model = await library.AutoModelForCausalLM.from_pretrained(MODEL, {
      dtype: "q8",
      model_file_name: "decoder_model_merged",
      progress_callback: ({ status, file, loaded, total }) => {
        if (status !== "progress" || !total) return;
        files.set(file, { loaded, total });
        const sum = (key) =>
          [...files.values()].reduce((n, f) => n + f[key], 0);
        progress({ loaded: sum("loaded"), total: sum("total") });
      },
    });
  },

  /** Logits for the token after these; keys and values are kept. */
  async read({ ids }) {
    const grown = read.past && ids.length > read.ids.length &&
      read.ids.every((id, i) => id === ids[i]);
    const past = grown ? read.past : null;
    const fresh = grown ? ids.slice(read.ids.length) : ids;
    const whole = (numbers) => new library.Tensor("int64",
      BigInt64Array.from(numbers, BigInt), [1, numbers.length]);
    const output = await model({
      input_ids: whole(fresh),
      attention_mask: whole(ids.map(() => 1)),
      past_key_values: past,
    });
    const present = Object.entries(output)
      .filter(([name]) => name.startsWith("present"))
      .map(([name, tensor]) =>
        [name.replace("present", "past_key_values"), tensor]);
    read = { ids: ids.slice(), past: Object.fromEntries(present) };
    const [, T, V] = output.logits.dims;
    return Float32Array.from(output.logits.data.subarray((T - 1) * V));
  },
};

self.onmessage = async ({ data: { id, method, args } }) => {
  try {
    const progress = (value) => self.postMessage({ id, progress: value });
    self.postMessage({ id, result: await methods[method](args, progress) });
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
};
