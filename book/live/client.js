// What a page asks the worker, as promises. All elements of a page share
// one worker, and so one copy of the model.
import { Tokenizer } from "./tokenizer.js";

/** A worker whose methods are called with `ask`. */
export class Asker {
  constructor(url) {
    this.waiting = new Map();
    this.count = 0;
    this.worker = new Worker(url, { type: "module" });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.dead = false;
    this.worker.onerror = (event) => {
      this.dead = true;
      event.preventDefault?.();
      for (const { reject } of this.waiting.values()) {
        reject(new Error(event.message || "the model's thread stopped"));
      }
      this.waiting.clear();
    };
  }

  ask(method, args = {}, progress = null) {
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, progress });
      this.worker.postMessage({ id, method, args });
    });
  }

  hear({ id, result, error, progress }) {
    const call = this.waiting.get(id);
    if (progress !== undefined) return call?.progress?.(progress);
    this.waiting.delete(id);
    if (error !== undefined) call?.reject(new Error(error));
    else call?.resolve(result);
  }
}

const here = (name) => new URL(name, import.meta.url).href;

/** The course's own model, from the file that the build put here. */
class Mini {
  constructor(files) {
    this.files = files; // {model: {name, bytes, crc32}, gpt2: ...}
    this.canLookInside = true;
    this.name = "the mini";
    this.asker = null;
    this.loading = null;
  }

  get worker() {
    return this.asker ??= new Asker(here("worker.js"));
  }

  file(key) {
    const { name, bytes, crc32 } = this.files[key];
    return { url: here(name), size: bytes, crc: crc32 };
  }

  isStored() {
    return this.worker.ask("isStored", this.file("model"));
  }

  /** Load once, however many elements ask; after a failure, again. */
  load(progress) {
    this.listeners ??= new Set();
    this.listeners.add(progress);
    if (!this.loading && this.asker?.dead) this.asker = null; // a new worker
    this.loading ??= this.worker
      .ask("load", this.file("model"), (bytes) => {
        for (const tell of this.listeners) tell(bytes);
      })
      .then(({ config, merges, dtype }) => {
        Object.assign(this, { config, dtype });
        this.tokenizer = new Tokenizer(merges);
        return this;
      })
      .catch((error) => {
        this.loading = null;
        throw error;
      });
    return this.loading;
  }

  /** GPT-2's own vocabulary, for comparison. */
  gpt2Tokenizer() {
    this.gpt2 ??= this.worker.ask("text", this.file("gpt2"))
      .then((merges) => new Tokenizer(merges))
      .catch((error) => {
        this.gpt2 = null;
        throw error;
      });
    return this.gpt2;
  }

  read(ids, without) {
    return this.worker.ask("read", { ids, without });
  }

  inspect(ids, options = {}) {
    return this.worker.ask("inspect", { ids, ...options });
  }
}

let mini = null;
export function sharedMini(files) {
  return mini ??= new Mini(files);
}
