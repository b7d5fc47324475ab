// The real GPT-2 (124 million parameters), by choice: transformers.js from
// its CDN, the weights from the Hugging Face hub. Nothing is requested
// before the reader has read how much it is and pressed the button.
import { Asker } from "./client.js";
import { h, megabytes } from "./dom.js";

/** Answers `read(ids)` like the mini; what happens inside stays inside. */
class Hub {
  constructor(tokenizer) {
    this.tokenizer = tokenizer;
    this.config = { n_positions: 1024 };
    this.canLookInside = false;
    this.worker = new Asker(new URL("hub-worker.js", import.meta.url).href);
  }

  load(progress) {
    return this.worker.ask("load", {}, progress);
  }

  read(ids) {
    return this.worker.ask("read", { ids });
  }

  stop() {
    this.worker.worker.terminate();
  }
}

/** A closed line at the end of an element that offers the switch. */
export class HubSwitch {
  constructor(live) {
    this.live = live;
    this.note = h("p", { class: "gl-note", role: "status" });
    this.button = live.button("Load the real GPT-2", () => this.change());
    this.element = h("details", { class: "gl-hub" },
      h("summary", {}, "Use the real GPT-2 instead"),
      h("p", { class: "gl-note" }, "It has 124 million parameters, stored " +
        "in 8 bits each: about 150 to 190 MB to load, with the library " +
        "that computes it. These come from cdn.jsdelivr.net and " +
        "huggingface.co, which then know your address, but not what you " +
        "type. It needs about 1 GB of memory; a phone may refuse."),
      this.button, this.note);
  }

  async change() {
    if (this.hub) { // back to the mini
      await this.live.use(this.live.mini);
      this.hub.stop();
      this.hub = null;
      this.button.textContent = "Load the real GPT-2";
      this.note.textContent = "The mini again.";
      return;
    }
    this.button.disabled = true;
    this.note.className = "gl-note";
    this.note.textContent = "Asking cdn.jsdelivr.net …";
    let hub = null;
    try {
      hub = new Hub(await this.live.mini.gpt2Tokenizer());
      await hub.load(({ loaded, total }) => {
        this.note.textContent =
          `${megabytes(loaded)} of ${megabytes(total)} loaded`;
      });
      await this.live.use(hub);
      this.hub = hub;
      this.button.textContent = "Back to the mini";
      this.note.textContent = "This is the real GPT-2 now, in 8 bits.";
    } catch (error) {
      hub?.stop();
      await this.live.use(this.live.mini);
      this.note.className = "gl-error";
      this.note.textContent = "The real GPT-2 could not be loaded " +
        `(${error.message}). It needs a connection to cdn.jsdelivr.net ` +
        "and huggingface.co. The mini works on as before.";
    } finally {
      this.button.disabled = false;
    }
  }
}
