// The element <gpt2-live>: a prompt, the text that grows, and panels that
// show what the model is doing. Each panel is a class in panels.js.
import { sharedMini } from "./client.js";
import { h } from "./dom.js";
import { AttentionPanel, BreakPanel, NextPanel, TokensPanel }
  from "./panels.js";
import { draw, filtered, noiseFrom, softmax } from "./sampling.js";
import { HubSwitch } from "./hub.js";
import "./whole.js";

const PANELS = { tokens: TokensPanel, next: NextPanel,
  attention: AttentionPanel, break: BreakPanel };
const MANY = 40; // tokens that "Write" adds
const REPAINT = 60; // milliseconds between two pictures while writing

/** Load the model, then let the element come alive. The button that was
 *  pressed is gone by then: the focus goes to what is in its place. */
export async function begin(element, files, byHand, progress) {
  const model = sharedMini(files);
  await model.load(progress);
  customElements.upgrade(element);
  element.open(model, files);
  if (byHand) {
    element.querySelector(".gl-live").focus({ preventScroll: true });
  }
}

class GPT2Live extends HTMLElement {
  /** Replace the precomputed pictures by the live ones. */
  open(model, files) {
    this.mini = this.model = model;
    this.tokenizer = model.tokenizer;
    this.written = [];
    this.seed = 1;
    this.noise = noiseFrom(this.seed);
    this.settings = {
      temperature: Number(this.getAttribute("temperature") ?? 0.8),
      top_k: null,
      top_p: 0.95,
    };
    const names = (this.getAttribute("panels") ?? "").split(/[\s,]+/);
    this.panels = names.filter((name) => name in PANELS)
      .map((name) => new PANELS[name](this));
    const prompt = this.getAttribute("prompt") ?? "This movie was";
    this.input = h("textarea", { class: "gl-input", id: `${this.id}-prompt`,
      rows: prompt.length > 60 ? 3 : 1, spellcheck: "false",
      autocapitalize: "off", oninput: () => this.promptChanged() });
    this.input.value = prompt;
    this.text = h("p", { class: "gl-text", tabindex: "-1" });
    this.controls = {
      write: this.button("Write", () => this.writeOrStop(), "gl-primary"),
      one: this.button("One token", () => this.one()),
      back: this.button("Back", () => this.back()),
      over: this.button("Start over", () => this.startOver()),
    };
    this.status = h("p", { class: "gl-note", role: "status" });
    this.hub = new HubSwitch(this, files);
    const textWanted = !names.includes("break");
    this.replaceChildren(h("div", { class: "gl-live", tabindex: -1 },
      h("label", { class: "gl-label", for: this.input.id },
        textWanted ? "Your text" : "The text that is read"),
      this.input,
      textWanted ? this.text : null,
      textWanted ? h("div", { class: "gl-controls" },
        Object.values(this.controls)) : null,
      this.status,
      this.panels.map((panel) => panel.element),
      names.includes("hub") ? this.hub.element : null));
    this.promptChanged();
    this.dataset.state = "live";
  }

  button(text, onclick, extra = "") {
    return h("button", { type: "button", class: `gl-button ${extra}`,
      onclick }, text);
  }

  /** All ids so far. Without a prompt a text begins after the end of the
   *  one before. */
  get ids() {
    const prompt = this.promptIds.length ? this.promptIds
      : [this.tokenizer.endOfText];
    return [...prompt, ...this.written];
  }

  get room() {
    return this.model.config.n_positions - this.ids.length;
  }

  promptChanged() {
    this.stop = true;
    this.promptIds = this.tokenizer.encode(this.input.value);
    this.written = [];
    this.input.style.height = "auto";
    this.input.style.height = `${this.input.scrollHeight + 2}px`;
    this.refresh();
  }

  startOver() {
    this.stop = true;
    this.written = [];
    this.noise = noiseFrom(++this.seed); // another draw, another text
    this.refresh();
  }

  back() {
    this.stop = true;
    this.written.pop();
    this.refresh();
  }

  /** Wait until the logits are those of the text as it is now. */
  async settled() {
    while (this.busy) await this.busy;
  }

  /** One token; each of several quick clicks waits for the one before. */
  one() {
    this.turn = (this.turn ?? Promise.resolve()).then(async () => {
      await this.settled();
      const free = this.logits && this.room > 0 && !this.writing;
      if (free) await this.append(this.choose());
    });
    return this.turn;
  }

  append(id) {
    this.written.push(id);
    return this.refresh();
  }

  /** Logits after the filters; at temperature 0 only the largest stays. */
  filteredLogits() {
    const { temperature, ...others } = this.settings;
    if (temperature === 0) return filtered(this.logits, { top_k: 1 });
    return filtered(this.logits, { temperature, ...others }, this.ids);
  }

  choose() {
    return draw(softmax(this.filteredLogits()), this.noise);
  }

  async writeOrStop() {
    if (this.writing) {
      this.stop = true;
      return;
    }
    this.stop = false;
    this.writing = true;
    this.showControls();
    await this.settled();
    const started = performance.now();
    let count = 0;
    try {
      while (!this.stop && this.logits && count < MANY && this.room > 0) {
        const id = this.choose();
        await this.append(id);
        count++;
        if (id === this.tokenizer.endOfText) break;
      }
    } finally {
      this.writing = false;
    }
    await this.refresh();
    const speed = count / (performance.now() - started) * 1000;
    this.dataset.speed = speed.toFixed(1);
    if (count) {
      this.say(`${count} tokens, ${speed.toFixed(0)} per second on this ` +
        `device.${this.room > 0 ? "" : ` ${this.full()}`}`);
    }
  }

  /** Ask for the logits of the text as it is now, then show everything.
   *  While one answer is on its way, only the newest text is kept. */
  refresh() {
    this.stale = true;
    this.busy ??= this.keepUp().finally(() => { this.busy = null; });
    return this.busy;
  }

  async keepUp() {
    while (this.stale) {
      this.stale = false;
      if (this.room < 0) {
        this.logits = null;
        this.show();
        this.say(`This text has ${this.ids.length} tokens, and the model ` +
          `reads ${this.model.config.n_positions}. Shorten it.`);
        return;
      }
      try {
        this.logits = await this.model.read(this.ids);
      } catch (error) {
        this.stop = true;
        this.logits = null;
        this.say(`The model stopped: ${error.message}. Reload the page.`);
        return;
      }
      const now = performance.now();
      if (!this.writing || now - (this.shown ?? 0) > REPAINT) {
        this.shown = now;
        this.show();
      }
    }
  }

  full() {
    return `The model's ${this.model.config.n_positions} positions are ` +
      "used up.";
  }

  show() {
    const prompt = this.input.value || "<|endoftext|>";
    let written = this.tokenizer.decode(this.written);
    if (this.writing) written = written.replace(/\ufffd+$/, "");
    this.text.replaceChildren(prompt,
      h("span", { class: "gl-new" }, written));
    this.showControls();
    if (!this.writing) this.say("");
    for (const panel of this.panels) panel.update();
  }

  showControls() {
    const { write, one, back, over } = this.controls;
    write.textContent = this.writing ? "Stop" : "Write";
    write.disabled = !this.writing && (!this.logits || this.room <= 0);
    one.disabled = this.writing || !this.logits || this.room <= 0;
    back.disabled = over.disabled = this.writing || !this.written.length;
  }

  say(text) {
    this.status.textContent = text;
  }

  /** Another model behind the same panels. */
  async use(model) {
    this.stop = true;
    await this.busy;
    this.model = model;
    this.tokenizer = model.tokenizer;
    this.promptChanged();
  }
}

customElements.define("gpt2-live", GPT2Live);
