// The panels of <gpt2-live>. Each has an element, and update() is called
// whenever the text, the settings or the model have changed.
import { h, percent, s, spoken, visible } from "./dom.js";
import { draw, filtered, noiseFrom, softmax } from "./sampling.js";

const SHOWN = 10; // bars, unless the element says otherwise
const MAP = 32; // tokens on an attention map
const CONTINUATION = 30; // tokens written by a model and its broken twin

/** A panel with a title. */
function frame(name, title, ...children) {
  return h("div", { class: `gl-panel gl-${name}`, role: "group",
    "aria-label": title }, h("p", { class: "gl-title" }, title), ...children);
}

/** A token in a box, with a small number below it. */
function chip(text, below, attributes = {}, tag = "span") {
  return h(tag, { ...attributes, class: `gl-token ${attributes.class ?? ""}` },
    h("span", {}, visible(text)), h("small", {}, String(below)));
}

const only = (what) => h("p", { class: "gl-note" },
  `${what} can be shown for the mini only: the real GPT-2 runs in a ` +
  "library that gives away logits, not what happens inside.");

// ---- tokens ---------------------------------------------------------------

export class TokensPanel {
  constructor(live) {
    this.live = live;
    this.own = h("div", { class: "gl-tokens" });
    this.gpt2 = h("div", { class: "gl-tokens" });
    this.ownCount = h("p", { class: "gl-label" });
    this.gpt2Count = h("p", { class: "gl-label" });
    this.element = frame("panel-tokens", "Tokens", this.ownCount, this.own,
      this.gpt2Count, this.gpt2);
    this.fetchVocabulary();
  }

  async fetchVocabulary() {
    try {
      this.vocabulary = await this.live.mini.gpt2Tokenizer();
      this.update();
    } catch (error) {
      this.gpt2.replaceChildren(
        h("p", { class: "gl-error", role: "alert" },
          `GPT-2's vocabulary could not be loaded: ${error.message}.`),
        this.live.button("Try again", () => this.fetchVocabulary()));
    }
  }

  update() {
    if (!this.live.promptIds) return;
    this.fill(this.ownCount, this.own, this.live.mini.tokenizer,
      "The mini's vocabulary");
    if (this.vocabulary) {
      this.fill(this.gpt2Count, this.gpt2, this.vocabulary,
        "GPT-2's vocabulary");
    }
  }

  fill(count, box, tokenizer, title) {
    const { input, written } = this.live;
    const text = input.value + this.live.tokenizer.decode(written);
    const ids = tokenizer.encode(text);
    const size = tokenizer.tokens.length.toLocaleString("en");
    count.textContent = `${title} (${size} tokens): ` +
      `${ids.length} token${ids.length === 1 ? "" : "s"}`;
    box.replaceChildren(...ids.slice(0, 200)
      .map((id) => chip(tokenizer.decode([id]), id)));
    if (ids.length > 200) box.append(`and ${ids.length - 200} more`);
  }
}

// ---- the next token -------------------------------------------------------

const CONTROLS = [
  ["temperature", "Temperature", [0, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.5,
    2, 3]],
  ["top_k", "Top-k", [1, 2, 3, 5, 10, 20, 40, 100, null]],
  ["top_p", "Top-p", [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, null]],
];

export class NextPanel {
  constructor(live) {
    this.live = live;
    const shown = Number(live.getAttribute("bars") ?? SHOWN);
    this.bars = Array.from({ length: shown }, (_, i) => this.bar(i));
    this.caption = h("p", { class: "gl-note", role: "status" });
    this.element = frame("panel-next", "The next token",
      h("div", { class: "gl-sliders" }, CONTROLS.map((c) => this.slider(c))),
      this.caption,
      h("div", { class: "gl-bars" }, this.bars.map(({ button }) => button)));
  }

  slider([key, label, values]) {
    const value = this.live.settings[key];
    const nearest = Math.max(0, values.indexOf(value));
    const output = h("output", {});
    const input = h("input", { type: "range", min: 0,
      max: values.length - 1, value: nearest, oninput: () => change() });
    const change = () => {
      const chosen = values[input.value];
      const name = chosen === null ? "off"
        : chosen === 0 ? "greedy" : String(chosen);
      output.textContent = name;
      input.setAttribute("aria-valuetext", name);
      this.live.settings[key] = chosen;
      if (this.live.logits) this.update();
    };
    change();
    return h("label", { class: "gl-slider" }, h("span", {}, label), input,
      output);
  }

  bar(index) {
    const parts = { token: h("span", { class: "gl-bar-token" }),
      was: h("i", { class: "gl-bar-was" }),
      fill: h("i", { class: "gl-bar-fill" }),
      share: h("span", { class: "gl-bar-share" }) };
    parts.button = h("button", { type: "button", class: "gl-choice",
      onclick: () => this.append(index) },
    parts.token, h("span", { class: "gl-bar-track" }, parts.was, parts.fill),
    parts.share);
    return parts;
  }

  append(index) {
    if (!this.live.writing && this.order && this.live.room > 0) {
      this.live.append(this.order[index]);
    }
  }

  update() {
    const { logits, tokenizer } = this.live;
    this.element.hidden = !logits;
    if (!logits) return;
    const before = softmax(logits);
    const after = softmax(this.live.filteredLogits());
    this.order = largest(before, this.bars.length);
    const longest = Math.max(...this.order.map((id) =>
      Math.max(before[id], after[id])));
    for (const [i, id] of this.order.entries()) {
      const { button, token, was, fill, share } = this.bars[i];
      const text = tokenizer.decode([id]);
      token.textContent = visible(text);
      was.style.width = `${100 * before[id] / longest}%`;
      fill.style.width = `${100 * after[id] / longest}%`;
      share.textContent = after[id] ? percent(after[id]) : "out";
      button.classList.toggle("gl-out", !after[id]);
      button.setAttribute("aria-label", `Append ${spoken(text)}, ` +
        (after[id] ? percent(after[id]) : "ruled out"));
    }
    const left = after.reduce((n, p) => n + (p > 0), 0);
    const count = (n) => n.toLocaleString("en");
    this.caption.textContent = `${count(left)} of ${count(after.length)} ` +
      "tokens can still be drawn. The thin line is " +
      "the model's own probability. Choose a token to append it.";
  }
}

/** Ids of the n largest, in falling order. */
function largest(values, n) {
  const best = [];
  for (let id = 0; id < values.length; id++) {
    if (best.length === n && values[id] <= values[best[n - 1]]) continue;
    let at = best.length;
    while (at > 0 && values[best[at - 1]] < values[id]) at--;
    best.splice(at, 0, id);
    best.length = Math.min(best.length, n);
  }
  return best;
}

// ---- attention ------------------------------------------------------------

export class AttentionPanel {
  constructor(live) {
    this.live = live;
    const { n_layer, n_head } = live.mini.config;
    const wanted = (name, count) =>
      Math.min(Number(live.getAttribute(name) ?? 0), count - 1);
    this.block = picker("Block", n_layer, wanted("block", n_layer),
      () => this.update());
    this.head = picker("Head", n_head, wanted("head", n_head),
      () => this.update());
    this.chips = h("div", { class: "gl-tokens gl-keys", role: "group",
      "aria-label": "Tokens: choose the one that looks",
      onkeydown: (event) => this.walk(event) });
    this.sentence = h("p", { class: "gl-sentence", role: "status" });
    this.map = h("div", { class: "gl-map" });
    this.row = null;
    this.element = frame("panel-attention", "Who looks at whom",
      h("div", { class: "gl-pickers" }, this.block.element,
        this.head.element),
      this.chips, this.sentence, this.map);
  }

  async update() {
    const { live } = this;
    if (live.writing || !live.promptIds) return;
    if (!live.model.canLookInside) {
      this.chips.replaceChildren(only("Attention"));
      this.map.replaceChildren();
      this.sentence.textContent = "";
      return;
    }
    const ids = live.ids.slice(0, MAP);
    const name = `h.${this.block.value()}.attn.weights`;
    const turn = this.turn = (this.turn ?? 0) + 1;
    const { seen } = await live.model.inspect(ids, { names: [name] });
    if (turn !== this.turn) return;
    const T = ids.length, start = this.head.value() * T * T;
    this.T = T;
    this.tokens = ids.map((id) => live.tokenizer.decode([id]));
    this.weights = Array.from({ length: T }, (_, t) =>
      seen[name].subarray(start + t * T, start + (t + 1) * T));
    if (this.row === null || this.row >= T || !this.chosen) this.row = T - 1;
    this.drawMap();
    this.drawRow();
  }

  choose(row, focus = false) {
    this.row = row;
    this.chosen = true;
    this.drawRow();
    if (focus) this.chips.children[row].focus();
  }

  walk(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1,
      ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.choose(Math.min(this.T - 1, Math.max(0, this.row + step)), true);
  }

  /** The tokens, coloured by how much the chosen one looks at them. */
  drawRow() {
    const weights = this.weights[this.row];
    const focused = this.chips.contains(document.activeElement);
    this.chips.replaceChildren(...this.tokens.map((token, t) => chip(token,
      t > this.row ? "–" : percent(weights[t]), {
        type: "button",
        style: `--gl-heat:${t > this.row ? 0 : weights[t].toFixed(3)}`,
        class: t > this.row ? "gl-later" : "",
        "aria-pressed": String(t === this.row),
        "aria-label": `${spoken(token)}, position ${t}`,
        tabindex: t === this.row ? "0" : "-1",
        onclick: () => this.choose(t, true),
      }, "button")));
    if (focused) this.chips.children[this.row].focus();
    const best = largest(weights, 3).filter((t) => weights[t] > 0.005);
    const places = best.map((t) => t === this.row
      ? `at itself ${percent(weights[t])}`
      : `at “${visible(this.tokens[t])}” ${percent(weights[t])}`);
    this.sentence.textContent = "In block " +
      `${this.block.value()}, head ${this.head.value()}, token ${this.row}` +
      ` “${visible(this.tokens[this.row])}” looks ${places.join(", ")}.`;
    for (const line of this.map.querySelectorAll("[data-row]")) {
      line.classList.toggle("gl-row", Number(line.dataset.row) === this.row);
    }
  }

  drawMap() {
    const { T } = this, size = 20, left = 92, top = 6;
    const width = left + Math.max(T, 5) * size, height = top + T * size + 22;
    const rows = this.weights.map((weights, t) => s("g", { "data-row": t,
      onclick: () => this.choose(t) },
    s("rect", { class: "gl-band", x: 0, y: top + t * size, width,
      height: size }),
    s("text", { x: left - 6, y: top + t * size + 14, "text-anchor": "end" },
      cut(this.tokens[t])),
    Array.from(weights.subarray(0, t + 1), (weight, k) => s("rect", {
      class: "gl-cell", x: left + k * size + 1, y: top + t * size + 1,
      width: size - 2, height: size - 2, rx: 2,
      "fill-opacity": Math.sqrt(weight).toFixed(3) },
    s("title", {}, `${visible(this.tokens[t])} looks at ` +
      `${visible(this.tokens[k])}: ${percent(weight)}`)))));
    const more = this.live.ids.length - T;
    this.map.replaceChildren(s("svg", { viewBox: `0 0 ${width} ${height}`,
      style: `max-width:${Math.min(560, width * 1.2)}px`, role: "img",
      "aria-label": `Attention map of ${T} tokens. Each row is a token ` +
        "that looks, each column a token that is looked at." },
    rows, s("text", { x: left, y: height - 6, class: "gl-axis" },
      "looked at →")));
    if (more > 0) {
      this.map.append(h("p", { class: "gl-note" },
        `The first ${T} of ${T + more} tokens.`));
    }
  }
}

const cut = (token) => {
  const text = visible(token);
  return text.length > 9 ? `${text.slice(0, 8)}…` : text;
};

/** A numbered choice. */
export function picker(label, count, value, onchange) {
  const select = h("select", { class: "gl-select", onchange },
    Array.from({ length: count }, (_, i) => h("option",
      { value: i, selected: i === value }, String(i))));
  return { element: h("label", { class: "gl-picker" }, label, select),
    value: () => Number(select.value) };
}

// ---- break it -------------------------------------------------------------

export class BreakPanel {
  constructor(live) {
    this.live = live;
    const { n_layer, n_head } = live.mini.config;
    const again = () => this.update();
    this.headBlock = picker("of block", n_layer,
      Number(live.getAttribute("block") ?? 0), again);
    this.head = picker("", n_head, Number(live.getAttribute("head") ?? 0),
      again);
    this.head.element.querySelector("select")
      .setAttribute("aria-label", "Head");
    this.block = picker("", n_layer, 0, again);
    this.block.element.querySelector("select")
      .setAttribute("aria-label", "Block");
    this.switches = {
      mask: this.toggle("the causal mask"),
      positions: this.toggle("the positions"),
      head: this.toggle("head", this.head.element, this.headBlock.element),
      block: this.toggle("block", this.block.element),
      ln_f: this.toggle("the final layer norm"),
    };
    this.switches.positions.input.checked = true;
    this.columns = ["Intact", "Without"].map((title) => ({
      title: h("p", { class: "gl-title" }, title),
      loss: h("p", { class: "gl-loss" }),
      text: h("p", { class: "gl-prices" }),
      next: h("p", { class: "gl-text gl-next" }),
    }));
    this.element = frame("panel-break", "Break it",
      h("fieldset", { class: "gl-switches" },
        h("legend", {}, "Leave out"),
        Object.values(this.switches).map(({ element }) => element)),
      h("div", { class: "gl-sides", "aria-live": "polite" },
        this.columns.map(({ title, loss, text, next }) =>
          h("div", { class: "gl-side" }, title, loss, text, next))),
      h("p", { class: "gl-note" }, "The loss is the mean over the tokens " +
        "of the text above, in nats per token; the stronger the colour, " +
        "the more a token cost. Below it both continue the text, " +
        "with the same random numbers."));
  }

  toggle(text, ...more) {
    const input = h("input", { type: "checkbox",
      onchange: () => this.update() });
    return { input, element: h("div", { class: "gl-switch" },
      h("label", {}, input, h("span", {}, text)), more) };
  }

  /** What is left out, as the model's option `without`. */
  without() {
    const on = (name) => this.switches[name].input.checked;
    const result = {};
    if (on("mask")) result.mask = true;
    if (on("positions")) result.positions = true;
    if (on("head")) result.head = [this.headBlock.value(), this.head.value()];
    if (on("block")) result.block = this.block.value();
    if (on("ln_f")) result.ln_f = true;
    return result;
  }

  names() {
    const { mask, positions, head, block, ln_f } = this.without();
    return [mask && "the mask", positions && "positions",
      head && `head ${head[1]} of block ${head[0]}`,
      block !== undefined && `block ${block}`, ln_f && "ln_f"]
      .filter(Boolean).join(", ");
  }

  async update() {
    const { live } = this;
    if (live.writing || !live.promptIds || live.room < 0) return;
    if (!live.model.canLookInside) {
      this.element.querySelector(".gl-sides")
        .replaceChildren(only("A broken model"));
      return;
    }
    const turn = this.turn = (this.turn ?? 0) + 1;
    const fresh = () => turn === this.turn;
    this.element.setAttribute("aria-busy", "true");
    const ids = live.ids.slice(0, live.mini.config.n_positions - CONTINUATION);
    this.columns[1].title.textContent = `Without ${this.names() ||
      "anything (choose above)"}`;
    const losses = [];
    for (const [side, without] of [{}, this.without()].entries()) {
      const column = this.columns[side];
      const result = await live.model.inspect(ids, { without });
      if (!fresh()) return;
      const loss = result.losses.reduce((a, b) => a + b, 0) /
        result.losses.length;
      losses.push(loss);
      const change = losses[1] - losses[0];
      column.loss.replaceChildren(h("strong", {}, Number.isFinite(loss)
        ? loss.toFixed(2) : "–"), " nats per token",
      side && Number.isFinite(change)
        ? h("span", { class: change > 0.005 ? "gl-worse" : "" },
          ` (${change >= 0 ? "+" : "−"}${Math.abs(change).toFixed(2)})`)
        : "");
      column.text.replaceChildren(...ids.map((id, t) => h("span", {
        class: "gl-price",
        style: `--gl-heat:${t ? Math.min(1, result.losses[t - 1] / 10)
          .toFixed(2) : 0}`,
        title: t ? `${result.losses[t - 1].toFixed(1)} nats` : null },
      live.tokenizer.decode([id]))));
      column.next.textContent = "";
    }
    for (const [side, without] of [{}, this.without()].entries()) {
      await this.continue(ids, without, this.columns[side].next, fresh);
    }
    if (fresh()) this.element.removeAttribute("aria-busy");
  }

  async continue(ids, without, target, fresh) {
    const noise = noiseFrom(this.live.seed), written = [];
    for (let n = 0; n < CONTINUATION; n++) {
      const logits = await this.live.model.read([...ids, ...written],
        without);
      if (!fresh()) return;
      const settings = { temperature: 0.7, top_p: 0.9 };
      const id = draw(softmax(filtered(logits, settings)), noise);
      if (id === this.live.tokenizer.endOfText) break;
      written.push(id);
      target.replaceChildren("… ", h("span", { class: "gl-new" },
        this.live.tokenizer.decode(written)));
    }
  }
}
