// The model in a thread of its own, so that the page never waits for it.
// A message {id, method, args} is answered by {id, result} or {id, error};
// while a file arrives, by {id, progress}.
import { FileError, crc32, readHeader, readTensors }
  from "./safetensors.js";
import { GPT2, KVCache } from "./gpt2.js";

const STORE = "gpt2-live"; // what was loaded once is kept in this cache
const PATIENCE = 30_000; // milliseconds without a byte

let model = null;
const kvCaches = new Map(); // one KV cache for each way to break the model

const methods = {
  /** Fetch the file, or take it from the browser's cache. */
  async load({ url, size, crc }, progress) {
    const bytes = await stored(url, size, crc) ??
      await fetched(url, size, crc, progress);
    const header = readHeader(bytes);
    const config = JSON.parse(header.metadata.config);
    model = new GPT2(config, readTensors(bytes, header));
    kvCaches.clear();
    const { merges, dtype } = header.metadata;
    return { config, merges, dtype };
  },

  /** Is the file in the browser's cache? Asks nobody. */
  async isStored({ url }) {
    return Boolean(await (await store())?.match(url));
  },

  /** A text file, such as GPT-2's own merges. */
  async text({ url, size, crc }, progress) {
    const bytes = await stored(url, size, crc) ??
      await fetched(url, size, crc, progress);
    return new TextDecoder().decode(bytes);
  },

  /** Logits for the token after these. What the last call has read stays
   *  in the KV cache, so that one more token costs one step. */
  read({ ids, without = {} }) {
    const key = JSON.stringify(without);
    let entry = kvCaches.get(key);
    if (!entry || without.mask) { // without a mask the past changes, too
      if (kvCaches.size > 2) kvCaches.clear();
      entry = { cache: new KVCache(model.config), ids: [] };
      kvCaches.set(key, entry);
    }
    let same = 0;
    while (same < ids.length - 1 && ids[same] === entry.ids[same]) same++;
    entry.cache.length = same;
    entry.ids = ids.slice();
    const fresh = ids.slice(same);
    const hidden = model.hidden(fresh, entry.cache, { without });
    return model.head(hidden, fresh.length - 1);
  },

  /** Loss of every token but the first, and of the watched names what the
   *  model computed on the way. */
  inspect({ ids, without = {}, names = [] }) {
    const seen = {}, wanted = new Set(names);
    const watch = (name, values) => {
      if (wanted.has(name)) seen[name] = values.slice();
    };
    const cache = new KVCache(model.config);
    const hidden = model.hidden(ids, cache, { watch, without });
    const losses = ids.slice(1).map((next, t) =>
      crossEntropy(model.head(hidden, t), next));
    const logits = model.head(hidden, ids.length - 1);
    return { seen, losses, logits };
  },

  /** One row of the token or the position embedding. */
  embedding({ name, rows }) {
    const { n_embd: C } = model.config;
    return rows.map((r) =>
      model.weights[name].slice(r * C, (r + 1) * C));
  },
};

/** -log of the probability of one token, in nats. */
function crossEntropy(logits, id) {
  let max = -Infinity, sum = 0;
  for (const logit of logits) if (logit > max) max = logit;
  for (const logit of logits) sum += Math.exp(logit - max);
  return Math.log(sum) + max - logits[id];
}

/** The browser's cache; null where it is switched off. */
async function store() {
  try {
    return await self.caches.open(STORE);
  } catch {
    return null;
  }
}

async function stored(url, size, crc) {
  const cache = await store();
  const found = await cache?.match(url);
  if (!found) return null;
  const bytes = new Uint8Array(await found.arrayBuffer());
  if (bytes.length === size && crc32(bytes) === crc) return bytes;
  await cache.delete(url); // damaged: it is fetched again
  return null;
}

async function fetched(url, size, crc, progress) {
  const stop = new AbortController();
  let timer = setTimeout(() => stop.abort(), PATIENCE);
  const bytes = new Uint8Array(size);
  let length = 0;
  try {
    const response = await fetch(url, { signal: stop.signal });
    if (!response.ok) {
      throw new FileError(`the server answered ${response.status}`);
    }
    for (const reader = response.body.getReader();;) {
      const { done, value } = await reader.read();
      if (done) break;
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort(), PATIENCE);
      if (length + value.length > size) {
        throw new FileError("the file is longer than it should be");
      }
      bytes.set(value, length);
      length += value.length;
      progress(length);
    }
  } catch (error) {
    stop.abort();
    if (error instanceof FileError) throw error;
    throw new FileError(error.name === "AbortError"
      ? `nothing arrived for ${PATIENCE / 1000} seconds`
      : "the connection failed");
  } finally {
    clearTimeout(timer);
  }
  if (length < size) {
    throw new FileError(`only ${length.toLocaleString("en")} of ` +
      `${size.toLocaleString("en")} bytes arrived`);
  }
  if (crc32(bytes) !== crc) {
    throw new FileError("the file is not the one this page was built with");
  }
  try {
    const cache = await store();
    for (const old of await cache.keys()) {
      const same = old.url.replace(/-\w+\.\w+$/, "");
      if (url !== old.url && url.startsWith(same)) await cache.delete(old);
    }
    await cache.put(url, new Response(bytes));
  } catch {
    // no cache, or no room in it: the next visit asks the server again
  }
  return bytes;
}

self.onmessage = async ({ data: { id, method, args } }) => {
  try {
    const progress = (bytes) => self.postMessage({ id, progress: bytes });
    const result = await methods[method](args, progress);
    self.postMessage({ id, result });
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
};
