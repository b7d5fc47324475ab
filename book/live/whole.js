// The element <gpt2-whole>: one text on its way through the network, step
// by step, with the numbers that the model really computes. The sentences
// (steps.json) are in the page already; this adds the pictures.
import { h, percent, visible } from "./dom.js";
import { picker } from "./panels.js";
import { draw, noiseFrom, softmax } from "./sampling.js";

const MOST = 8; // tokens; more would not fit beside each other
const TOP = 8; // bars of the last steps
const WARM = [217, 130, 43]; // below 0

class GPT2Whole extends HTMLElement {
  open(model) {
    this.model = this.mini = model;
    const { n_layer, n_head } = model.config;
    this.steps = JSON.parse(this.querySelector(".gl-steps").textContent);
    this.seed = 1;
    this.input = h("input", { class: "gl-input", id: `${this.id}-prompt`,
      value: this.getAttribute("prompt"), spellcheck: "false",
      autocomplete: "off", autocapitalize: "off",
      oninput: () => this.refresh() });
    this.block = picker("Block", n_layer, 0, () => this.refresh());
    this.head = picker("Head", n_head,
      Number(this.getAttribute("head") ?? 0), () => this.refresh());
    this.status = h("p", { class: "gl-note", role: "status" });
    this.querySelector(".gl-start").replaceWith(h("div",
      { class: "gl-live gl-ask", tabindex: -1 },
      h("label", { class: "gl-label", for: this.input.id }, "Your text"),
      this.input,
      h("div", { class: "gl-pickers" }, this.block.element,
        this.head.element),
      this.status));
    this.cards = [...this.querySelectorAll(".gl-card")];
    for (const [i, card] of this.cards.entries()) {
      card.tabIndex = -1;
      card.append(h("div", { class: "gl-figure" }));
      card.addEventListener("click", () => this.mark(i));
    }
    for (const part of this.querySelectorAll("[data-step]")) {
      part.addEventListener("click", (event) => {
        event.preventDefault();
        const { block } = part.closest("[data-from]").dataset;
        if (block) this.openBlock(Number(block));
        this.go(Number(part.dataset.step));
      });
    }
    this.counter = h("span", { class: "gl-counter", role: "status" });
    this.backButton = this.button("Back", () => this.go(this.step - 1));
    this.nextButton = this.button("Next", () => this.go(this.step + 1),
      "gl-primary");
    this.append(h("div", { class: "gl-steer" }, this.backButton,
      this.counter, this.nextButton));
    this.addEventListener("keydown", (event) => this.steer(event));
    this.dataset.state = "live";
    this.mark(0);
    this.refresh();
  }

  button(text, onclick, extra = "") {
    return h("button", { type: "button", class: `gl-button ${extra}`,
      onclick }, text);
  }

  // ---- walking ----------------------------------------------------------

  steer(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || event.target.closest("input, select, canvas")) return;
    event.preventDefault();
    this.go(this.step + step);
  }

  go(step) {
    if (step < 0 || step >= this.cards.length) return;
    this.mark(step);
    const card = this.cards[step];
    card.focus({ preventScroll: true });
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    card.scrollIntoView({ block: "center",
      behavior: calm ? "instant" : "smooth" });
  }

  mark(step) {
    this.step = step;
    this.counter.textContent = `Step ${step + 1} of ${this.cards.length}`;
    this.backButton.disabled = step === 0;
    this.nextButton.disabled = step === this.cards.length - 1;
    for (const [i, card] of this.cards.entries()) {
      if (i === step) card.setAttribute("aria-current", "step");
      else card.removeAttribute("aria-current");
    }
    const block = this.block.value();
    for (const part of this.querySelectorAll("[data-from]")) {
      const { from, to, block: own } = part.dataset;
      part.classList.toggle("gl-here", step >= Number(from) &&
        step <= Number(to) && (!own || Number(own) === block));
    }
  }

  openBlock(block) {
    this.block.element.querySelector("select").value = block;
    this.refresh();
  }

  // ---- computing --------------------------------------------------------

  refresh() {
    this.stale = true;
    this.busy ??= this.keepUp().finally(() => { this.busy = null; });
    return this.busy;
  }

  async keepUp() {
    while (this.stale) {
      this.stale = false;
      try {
        await this.compute();
      } catch (error) {
        this.status.textContent =
          `The model stopped: ${error.message}. Reload the page.`;
        return;
      }
    }
  }

  async compute() {
    const { tokenizer, config } = this.model;
    const all = tokenizer.encode(this.input.value || "<|endoftext|>");
    const ids = this.ids = all.slice(0, MOST);
    this.status.textContent = all.length > MOST
      ? `The first ${MOST} of ${all.length} tokens are followed.` : "";
    const b = this.block.value();
    const inside = ["ln_1", "attn.c_attn", "attn.scores", "attn.weights",
      "attn.mix", "attn", "x", "ln_2", "mlp.c_fc", "mlp.gelu", "mlp"];
    const names = ["x", "ln_f", ...inside.map((name) => `h.${b}.${name}`),
      ...Array.from({ length: config.n_layer }, (_, l) => `h.${l}`)];
    const { seen, logits } = await this.model.inspect(ids, { names });
    const rows = (name, numbers) =>
      this.model.worker.ask("embedding", { name, rows: numbers })
        .then((list) => Float32Array.from(list.flatMap((r) => [...r])));
    seen.wte = await rows("wte.weight", ids);
    seen.wpe = await rows("wpe.weight", ids.map((_, t) => t));
    this.tokens = ids.map((id) => tokenizer.decode([id]));
    this.seen = seen;
    this.logits = logits;
    this.paint();
  }

  // ---- drawing ----------------------------------------------------------

  paint() {
    const { config, tokenizer } = this.model;
    const { seen, tokens, logits } = this;
    const C = config.n_embd, H = config.n_head, D = C / H, T = tokens.length;
    const b = this.block.value(), head = this.head.value();
    const own = (name) => seen[`h.${b}.${name}`];
    const last = (values) => values.subarray((T - 1) * C, T * C);
    const probabilities = softmax(logits);
    const best = [...logits.keys()]
      .sort((i, j) => logits[j] - logits[i]).slice(0, TOP);
    const drawn = draw(probabilities, noiseFrom(this.seed));
    const token = (id) => visible(tokenizer.decode([id]));
    const ofHead = (values, width, offset) => cutColumns(values, T, width,
      offset + head * D, D);
    const square = (values) => Array.from({ length: T }, (_, t) =>
      values.subarray((head * T + t) * T, (head * T + t + 1) * T));
    const weights = square(own("attn.weights"));
    const scores = square(own("attn.scores"));
    const looks = weights[T - 1].indexOf(Math.max(...weights[T - 1]));
    const gelu = own("mlp.gelu");
    const block = (l) => seen[`h.${l}`];
    const count = (n) => n.toLocaleString("en");
    const facts = {
      T, C, H, D, L: config.n_layer, V: count(config.vocab_size),
      wide: 4 * C, block: b, head, last: visible(tokens[T - 1]),
      looks: visible(tokens[looks]), weight: percent(weights[T - 1][looks]),
      awake: percent(gelu.filter((v) => v > 0).length / gelu.length),
      first: length(last(seen.x)),
      length: length(last(block(config.n_layer - 1))),
      best: token(best[0]), p: percent(probabilities[best[0]]),
    };
    const strip = (values, title) => new Strip(tokens, values, title).element;
    const sum = (before, added, after) => [strip(before, "x before"),
      strip(added, "added"), strip(after, "x after")];
    const figures = [
      [h("div", { class: "gl-tokens" }, this.ids.map((id, t) =>
        h("span", { class: "gl-token" }, h("span", {}, visible(tokens[t])),
          h("small", {}, String(id)))))],
      [strip(seen.wte, `wte, ${C} numbers per token`)],
      [strip(seen.wpe, `wpe, ${C} numbers per position`)],
      [strip(seen.x, "x = wte + wpe")],
      [strip(own("ln_1"), "ln_1(x)")],
      ["query", "key", "value"].map((name, i) => strip(
        ofHead(own("attn.c_attn"), 3 * C, i * C), name)),
      [grid(tokens, scores, (v) => decimal(v, 1), diverging(scores))],
      [grid(tokens, scores, (v, t, k) => k > t ? "−∞" : decimal(v, 1),
        (v, t, k) => k > t ? null : diverging(scores)(v), true)],
      [grid(tokens, weights, (v, t, k) => k > t ? "0" : decimal(v, 2),
        (v, t, k) => k > t ? null : v, true)],
      [new Strip(tokens, own("attn.mix"), "weights @ v, all heads",
        [head * D / C, 1 / H]).element],
      sum(b ? block(b - 1) : seen.x, own("attn"), own("x")),
      [strip(own("ln_2"), "ln_2(x)")],
      [strip(own("mlp.c_fc"), `c_fc, ${4 * C} numbers per token`),
        strip(gelu, "after GELU")],
      sum(own("x"), own("mlp"), block(b)),
      [new Strip(["wte + wpe", ...Array.from({ length: config.n_layer },
        (_, l) => `h.${l}`)],
      concatenate([last(seen.x), ...Array.from({ length: config.n_layer },
        (_, l) => last(block(l)))]),
      `the vector of ${visible(tokens[T - 1])} after every block`,
      null, true).element],
      [strip(seen.ln_f, "ln_f(x)")],
      [bars(best.map((id) => [token(id), logits[id],
        decimal(logits[id], 1)]))],
      [bars(best.map((id) => [token(id), probabilities[id],
        percent(probabilities[id])])),
      h("p", { class: "gl-sentence" }, "Drawn: ",
        h("strong", {}, `“${token(drawn)}”`),
        ` (${percent(probabilities[drawn])})`),
      h("div", { class: "gl-controls" },
        this.button("Append it and begin again", () => this.append_(drawn),
          "gl-primary"),
        this.button("Draw another", () => { this.seed++; this.paint(); }))],
    ];
    for (const [i, card] of this.cards.entries()) {
      const { name, title, text } = this.steps[i];
      card.querySelector(".gl-name").textContent = fill(name, facts);
      card.querySelector(".gl-part").textContent = fill(title, facts);
      card.querySelector(".gl-says").textContent = fill(text, facts);
      const figure = card.querySelector(".gl-figure");
      const focus = figure.contains(document.activeElement);
      figure.replaceChildren(...figures[i]);
      if (focus) card.focus({ preventScroll: true });
    }
    this.paintMap(last, facts);
  }

  /** The strips of the map: the first numbers of the last token. */
  paintMap(last, facts) {
    for (const group of this.querySelectorAll("[data-strip]")) {
      const values = last(this.seen[group.dataset.strip]);
      const cells = [...group.children];
      const size = Math.max(...cells.map((_, i) => Math.abs(values[i])));
      for (const [i, cell] of cells.entries()) {
        cell.setAttribute("class", values[i] < 0 ? "gl-minus" : "gl-cell");
        cell.setAttribute("fill-opacity",
          (Math.abs(values[i]) / size).toFixed(2));
      }
    }
    for (const text of this.querySelectorAll("[data-fact]")) {
      text.textContent = text.dataset.fact === "tokens"
        ? this.tokens.map(visible).join(" ").slice(0, 26)
        : `“${facts.best}” ${facts.p}`;
    }
  }

  append_(id) {
    // after the tokens that were read: a longer text has more
    const read = this.input.value ? this.ids : [];
    this.input.value = this.model.tokenizer.decode([...read, id].slice(-MOST));
    this.seed++;
    this.refresh();
    this.go(0);
  }
}

const fill = (text, facts) =>
  text.replace(/\{(\w+)\}/g, (_, key) => String(facts[key]));

/** A number with a true minus, and no minus before zero. */
const decimal = (value, digits) => {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "")
    : text.replace("-", "−");
};

const length = (vector) =>
  Math.sqrt(vector.reduce((sum, v) => sum + v * v, 0)).toFixed(1);

function concatenate(parts) {
  const result = new Float32Array(parts.length * parts[0].length);
  for (const [i, part] of parts.entries()) result.set(part, i * part.length);
  return result;
}

/** Columns of a matrix of T rows. */
function cutColumns(values, T, width, from, count) {
  const result = new Float32Array(T * count);
  for (let t = 0; t < T; t++) {
    const start = t * width + from;
    result.set(values.subarray(start, start + count), t * count);
  }
  return result;
}

/** A matrix as coloured rows; a pointer or the arrow keys read a number. */
class Strip {
  constructor(names, values, title, framed = null, perRow = false) {
    const T = names.length, n = values.length / T;
    Object.assign(this, { names, values, T, n });
    const sizes = names.map((_, t) => largestOf(
      perRow ? values.subarray(t * n, (t + 1) * n) : values));
    const canvas = h("canvas", { width: n, height: T, tabindex: 0,
      role: "img", "aria-label": `${title}: ${T} rows of ${n} numbers. ` +
        "Arrow keys read one number after the other.",
      style: `height:${T * 20}px`,
      onpointermove: (event) => this.point(event),
      onpointerdown: (event) => this.point(event),
      onfocus: () => this.read(this.at ?? [0, 0]),
      onkeydown: (event) => this.walk(event) });
    const context = canvas.getContext("2d");
    const image = context.createImageData(n, T);
    const accent = accentColour();
    for (let i = 0; i < values.length; i++) {
      const size = sizes[Math.floor(i / n)] || 1;
      image.data.set(values[i] < 0 ? WARM : accent, 4 * i);
      image.data[4 * i + 3] = 255 * Math.sqrt(Math.abs(values[i]) / size);
    }
    context.putImageData(image, 0, 0);
    this.canvas = canvas;
    this.cursor = h("i", { class: "gl-cursor", hidden: true });
    this.readout = h("p", { class: "gl-readout", role: "status" });
    this.element = h("div", { class: "gl-strip" },
      h("p", { class: "gl-caption" }, title),
      h("div", { class: "gl-names" },
        names.map((name) => h("span", {}, visible(name)))),
      h("div", { class: "gl-canvas" }, canvas, this.cursor,
        framed && h("i", { class: "gl-frame", style:
          `left:${100 * framed[0]}%;width:${100 * framed[1]}%` })),
      this.readout);
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const inside = (position, size, count) => Math.min(count - 1,
      Math.max(0, Math.floor(position / size * count)));
    this.read([inside(event.clientY - box.top, box.height, this.T),
      inside(event.clientX - box.left, box.width, this.n)]);
  }

  walk(event) {
    const move = { ArrowRight: [0, 1], ArrowLeft: [0, -1],
      ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (!move) return;
    event.preventDefault();
    const [t, i] = this.at ?? [0, 0];
    this.read([(t + move[0] + this.T) % this.T,
      (i + move[1] + this.n) % this.n]);
  }

  read([t, i]) {
    this.at = [t, i];
    const value = this.values[t * this.n + i];
    this.readout.textContent =
      `${visible(this.names[t])}, number ${i}: ${decimal(value, 3)}`;
    Object.assign(this.cursor.style, {
      left: `${100 * i / this.n}%`, top: `${100 * t / this.T}%`,
      width: `max(3px, ${100 / this.n}%)`, height: `${100 / this.T}%` });
    this.cursor.hidden = false;
  }
}

const largestOf = (values) =>
  values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);

/** The theme's accent as red, green, blue. */
function accentColour() {
  return document.documentElement.dataset.theme === "dark"
    ? [130, 177, 255] : [31, 95, 196];
}

/** How strongly to colour a score: its size, with its sign. */
function diverging(rows) {
  const size = Math.max(...rows.map(largestOf)) || 1;
  return (value) => value / size;
}

/** A small table of numbers, rows and columns named by tokens. */
function grid(tokens, rows, write, heat, masked = false) {
  const shade = (t, k) => {
    const value = heat(rows[t][k], t, k);
    if (value === null) return { class: "gl-masked" };
    return { class: value < 0 ? "gl-negative" : "",
      style: `--gl-heat:${Math.abs(value).toFixed(2)}` };
  };
  return h("div", { class: "gl-scroll", tabindex: 0, role: "group",
    "aria-label": masked ? "Table, later tokens masked" : "Table" },
  h("table", { class: "gl-grid" },
    h("thead", {}, h("tr", {}, h("td", {}), tokens.map((token) =>
      h("th", { scope: "col" }, visible(token))))),
    h("tbody", {}, tokens.map((token, t) => h("tr", {},
      h("th", { scope: "row" }, visible(token)),
      tokens.map((_, k) => h("td", shade(t, k),
        write(rows[t][k], t, k))))))));
}

/** Names with bars, from the largest down. */
function bars(rows) {
  const smallest = Math.min(0, ...rows.map(([, value]) => value));
  const size = Math.max(...rows.map(([, value]) => value)) - smallest || 1;
  return h("div", { class: "gl-bars" }, rows.map(([name, value, text]) =>
    h("div", { class: "gl-choice" },
      h("span", { class: "gl-bar-token" }, name),
      h("span", { class: "gl-bar-track" }, h("i", { class: "gl-bar-fill",
        style: `width:${100 * (value - smallest) / size}%` })),
      h("span", { class: "gl-bar-share" }, text))));
}

customElements.define("gpt2-whole", GPT2Whole);
