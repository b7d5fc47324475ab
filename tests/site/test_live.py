"""The live model in a real browser, on the built site."""

from __future__ import annotations

import functools
import http.server
import json
import re
import statistics
import subprocess
import threading
from pathlib import Path

import pytest
from playwright.sync_api import expect
from test_site import (  # noqa: F401 (fixtures)
    AXE,
    AXE_AGAIN,
    ROOT,
    SITE,
    TOO_WIDE,
    VOCABULARY,
    address,
    site,
    use_scheme,
    visit,
)

from gpt2course.checkpoints import load_checkpoint

pytestmark = pytest.mark.site
LIVE = "book/live-model.html"
WHOLE = "book/seen-whole.html"
STARTED = "[data-state=live]"
MEGABYTE = 1_000_000
PATIENT = 20_000  # milliseconds


def pages_with(tag: str) -> list[str]:
    """Pages of the built site that hold an element."""
    found = [
        path.relative_to(SITE).as_posix()
        for path in SITE.rglob("*.html")
        if f"<{tag} " in path.read_text(encoding="utf-8")
    ]
    return sorted(found)


def start(page, index: int = 0):
    """Press the button of one element and wait until it lives."""
    element = page.locator("gpt2-live, gpt2-whole").nth(index)
    # once the model is in the cache, what is seen starts by itself
    element.evaluate("e => e.querySelector('.gl-start .gl-primary')?.click()")
    page.wait_for_function(
        "e => e.dataset.state === 'live'",
        arg=element.element_handle(),
        timeout=PATIENT,
    )
    page.wait_for_function("e => !e.busy", arg=element.element_handle())
    return element


MULTIPLY_ADDS = """() => {
  const [a, b] = [0.5, 0.25].map((value) => new Float32Array(1 << 18).fill(value));
  const began = performance.now();
  let n = 0, sum = 0;
  while (performance.now() - began < 100) {
    for (let i = 0; i < a.length; i += 2) {
      sum += a[i] * b[i] + a[i + 1] * b[i + 1];
    }
    n += a.length;
  }
  return sum > 0 ? n / (performance.now() - began) / 1000 : 0;
}"""  # millions per second


def times_slower(rate: float) -> float:
    """How much later a busy or an old machine may be than the limits say.

    Args:
        rate: what MULTIPLY_ADDS has found; the limits are for 1,000 and more.
    """
    return max(1, 1000 / rate)


def requested(page) -> list[str]:
    """Names of the files of the live model that the page and its worker ask for."""
    names: list[str] = []

    def note(request) -> None:
        if "/_static/live/" in request.url:
            names.append(request.url.rsplit("/", 1)[1].split("?")[0])

    page.context.on("request", note)
    return names


# ---- before it is asked for ----------------------------------------------------------


def test_six_pages_have_it_and_no_page_is_heavy(visit):  # noqa: F811
    pages = pages_with("gpt2-live") + pages_with("gpt2-whole")
    assert len(set(pages) - {"index.html"}) >= 6
    assert "index.html" in pages
    for path in SITE.rglob("*.html"):
        # all docstrings stand on the API page, which packs to a tenth on its way
        limit = (1.5 if path.stem == "api" else 1) * MEGABYTE
        assert path.stat().st_size < limit, path
    total = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    assert total < 30 * MEGABYTE
    model = list((SITE / "_static/live").glob("model-*.safetensors"))
    assert len(model) == 1
    assert model[0].stat().st_size <= 8 * MEGABYTE


def test_the_exported_file_is_not_committed():
    files = subprocess.run(
        ["git", "ls-files", "book"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    assert "book/live/gpt2.js" in files
    assert not re.search(r"\.(safetensors|bpe)$", files, re.M)


@pytest.mark.parametrize("name", [LIVE, WHOLE])
def test_nothing_is_loaded_until_the_reader_asks(visit, name):  # noqa: F811
    page = visit("search.html")
    names = requested(page)
    page.goto(page.url.replace("search.html", name), wait_until="networkidle")
    page.mouse.wheel(0, 4000)
    page.wait_for_timeout(300)
    assert sorted(set(names)) == ["live.css", "start.js"]
    text = page.locator(".gl-start").first.inner_text()
    assert re.search(r"\d\.\d MB", text), "the size is said before"
    start(page)
    assert any(n.startswith("model-") for n in names)
    assert visit.problems == []


@pytest.mark.parametrize("name", [LIVE, WHOLE])
def test_without_scripts_the_pictures_and_sentences_are_there(
    browser,
    address,  # noqa: F811
    name,
):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + name)
    element = page.locator("gpt2-live, gpt2-whole").first
    expect(element.locator("svg[aria-label]")).to_be_visible()
    assert element.locator("svg rect").count() > 5
    if name == WHOLE:
        sentences = element.locator(".gl-says").all_inner_texts()
        assert len(sentences) == 18
        assert not re.search(r"[{}]", "".join(sentences))
    else:
        expect(element.locator(".gl-choice")).to_have_count(10)
        expect(element.locator(".gl-text")).to_contain_text("This movie was")
    context.close()


# ---- alive ---------------------------------------------------------------------------


def test_the_first_token_comes_soon_and_the_next_visit_asks_nobody(visit):  # noqa: F811
    page = visit(LIVE)
    limit = 1.5 * times_slower(page.evaluate(MULTIPLY_ADDS))
    seconds = page.evaluate(
        """async () => {
          const started = performance.now();
          document.querySelector(".gl-start .gl-primary").click();
          while (!document.querySelector("button.gl-choice[aria-label]"))
            await new Promise(requestAnimationFrame);
          return (performance.now() - started) / 1000;
        }"""
    )
    assert seconds < limit, f"{seconds:.2f} s"
    names = requested(page)
    page.reload(wait_until="networkidle")
    page.locator("gpt2-live").first.scroll_into_view_if_needed()
    page.locator(f"gpt2-live{STARTED}").first.wait_for(timeout=PATIENT)
    assert "live.js" in names
    assert not [n for n in names if n.startswith("model-")]
    assert visit.problems == []


def test_typing_sliders_and_choosing(visit):  # noqa: F811
    page = visit(LIVE)
    live = start(page)
    bars = live.locator("button.gl-choice")
    expect(bars).to_have_count(10)
    prompt = live.get_by_label("Your text")
    prompt.fill("The actors were")
    # what is shown is that of the old text until the model has answered
    page.wait_for_function("e => !e.busy", arg=live.element_handle())
    live.get_by_text("GPT-2's vocabulary (50,257 tokens): 3 tokens").wait_for()
    ids = live.locator(".gl-panel-tokens .gl-tokens").nth(1).locator("small")
    expect(ids).to_have_text(["464", "10544", "547"])
    first = bars.first.get_attribute("aria-label")
    caption = live.locator(".gl-panel-next > .gl-note")

    top_k = live.get_by_label("Top-k")
    top_k.focus()
    page.keyboard.press("Home")
    expect(top_k).to_have_attribute("aria-valuetext", "1")
    expect(caption).to_have_text(re.compile(f"^1 of {VOCABULARY} tokens can"))
    expect(bars.first).to_contain_text("100 %")
    expect(bars.nth(1)).to_have_attribute("aria-label", re.compile("ruled out$"))
    page.keyboard.press("End")
    temperature = live.get_by_label("Temperature")
    temperature.focus()
    page.keyboard.press("End")
    live.get_by_label("Top-p").focus()
    page.keyboard.press("End")
    expect(caption).to_have_text(re.compile(f"^{VOCABULARY} of {VOCABULARY} tokens"))
    hot = float(re.search(r"[\d.]+ %", bars.first.inner_text())[0][:-2])
    temperature.focus()
    page.keyboard.press("Home")
    expect(temperature).to_have_attribute("aria-valuetext", "greedy")
    assert hot < 5
    expect(bars.first).to_contain_text("100 %")

    bars.first.focus()
    page.keyboard.press("Enter")
    word = first.split(",")[0].removeprefix("Append space ")
    text = live.locator(".gl-text").first
    page.wait_for_function(
        "([e, t]) => e.textContent === t",
        arg=[text.element_handle(), f"The actors were {word}"],
    )
    assert page.evaluate("document.activeElement.className").startswith("gl-choice")
    live.scroll_into_view_if_needed()  # what lives already does not start anew
    page.mouse.wheel(0, 900)
    page.wait_for_timeout(300)
    expect(text).to_have_text(f"The actors were {word}")
    live.get_by_role("button", name="Back", exact=True).click()
    now = "([e, start, n]) => e.textContent.startsWith(start) && e.textContent.length"
    handle = text.element_handle()
    page.wait_for_function(f"{now} === n", arg=[handle, "The actors were", 15])
    live.get_by_role("button", name="One token", exact=True).click()
    page.wait_for_function(f"{now} > n", arg=[handle, "The actors were", 15])
    assert visit.problems == []


def test_it_writes_fast_and_the_page_stays_free(visit, capsys):  # noqa: F811
    page = visit(LIVE)
    live = start(page)
    write = live.get_by_role("button", name="Write", exact=True)
    speeds = []
    page.evaluate(
        """() => {
          let last = performance.now();
          window.longest = 0;
          const tick = (now) => {
            window.longest = Math.max(window.longest, now - last);
            last = now;
            requestAnimationFrame(tick);
          };
          requestAnimationFrame(tick);
        }"""
    )
    rates = []  # of a plain loop at the same time: other programs share the machine
    for _ in range(6):
        rates.append(page.evaluate(MULTIPLY_ADDS))
        write.click()
        live.locator("> .gl-live > .gl-note", has_text="per second").wait_for()
        speeds.append(float(live.get_attribute("data-speed")))
        live.get_by_role("button", name="Start over", exact=True).click()
    longest = page.evaluate("window.longest")
    with capsys.disabled():
        print(f"\nlive: {speeds} tokens per second, longest pause {longest:.0f} ms")
        print(f"a plain loop: {[round(rate) for rate in rates]} million per second")
    # a token takes as many multiply-adds as there are weights, and may cost five times
    # what they cost in a plain loop
    rate = statistics.median(rates)
    weights = sum(p.numel() for p in load_checkpoint("mini").parameters())
    assert max(speeds) >= 1e6 * rate / weights / 5
    assert longest < 500 * times_slower(rate)
    assert visit.problems == []


def test_the_same_button_stops(visit):  # noqa: F811
    page = visit(LIVE)
    live = start(page)
    # both clicks in the page itself: forty tokens may take less than Playwright's click
    label = live.evaluate(
        """async (e) => {
          const button = e.controls.write;
          button.click();
          while (e.writing && e.written.length < 2) {
            await new Promise(requestAnimationFrame);
          }
          const label = button.textContent;
          button.click();
          return label;
        }"""
    )
    assert label == "Stop"
    live.get_by_role("button", name="Write", exact=True).wait_for()
    page.wait_for_function("e => !e.writing && !e.busy", arg=live.element_handle())
    assert 2 <= live.evaluate("e => e.written.length") < 40
    assert visit.problems == []


def test_a_long_text_is_refused_with_its_length(visit):  # noqa: F811
    page = visit(LIVE)
    live = start(page)
    live.get_by_label("Your text").fill("word " * 3000)
    live.get_by_text(re.compile(r"This text has \d+ tokens, and the model")).wait_for()
    expect(live.get_by_role("button", name="Write", exact=True)).to_be_disabled()
    live.get_by_label("Your text").fill("")  # then a text of the model's own
    page.wait_for_function(
        "e => e.textContent.startsWith('<|endoftext|>')",
        arg=live.locator(".gl-text").first.element_handle(),
    )
    expect(live.get_by_role("button", name="Write", exact=True)).to_be_enabled()
    assert visit.problems == []


def test_what_is_typed_is_only_text(visit):  # noqa: F811
    attack = "<img src=x onerror='window.hurt=1'><script>window.hurt=1</script>"
    page = visit(LIVE)
    live = start(page)
    live.get_by_label("Your text").fill(attack)
    text = live.locator(".gl-text").first.element_handle()
    page.wait_for_function("([e, t]) => e.textContent === t", arg=[text, attack])
    page.wait_for_timeout(300)
    expect(live.locator("img, script")).to_have_count(0)
    assert page.evaluate("window.hurt") is None
    broken = start(page, 1)
    broken.get_by_label("The text that is read").fill(attack)
    page.wait_for_timeout(500)
    expect(broken.locator("img, script")).to_have_count(0)
    page.goto(page.url.replace(LIVE, WHOLE), wait_until="networkidle")
    whole = page.locator("gpt2-whole")
    page.locator(f"gpt2-whole{STARTED}").wait_for(timeout=PATIENT)  # cached by now
    whole.get_by_label("Your text").fill(attack)
    page.wait_for_timeout(500)
    expect(whole.locator("img")).to_have_count(0)
    assert page.evaluate("window.hurt") is None
    assert visit.problems == []


def test_attention_by_keyboard(visit):  # noqa: F811
    page = visit(LIVE)
    live = start(page)
    panel = live.locator(".gl-panel-attention")
    panel.get_by_label("Block").select_option("1")
    panel.get_by_label("Head").select_option("2")
    sentence = panel.locator(".gl-sentence")
    sentence.get_by_text("In block 1, head 2, token 2 “·was” looks").wait_for()
    panel.locator("[aria-pressed=true]").focus()
    page.keyboard.press("ArrowLeft")
    expect(sentence).to_contain_text("token 1 “·movie” looks")
    page.keyboard.press("ArrowLeft")
    expect(sentence).to_have_text(re.compile(r"looks at itself 100 %\.$"))
    expect(panel.locator(".gl-row")).to_have_attribute("data-row", "0")
    assert visit.problems == []


def test_breaking_it_shows_loss_and_text_side_by_side(visit):  # noqa: F811
    page = visit(LIVE)
    live = start(page, 1)
    losses = live.locator(".gl-loss strong")
    texts = live.locator(".gl-next")

    def shown() -> list[float]:
        live.locator(".gl-panel-break:not([aria-busy])").wait_for(timeout=PATIENT)
        return [float(text) for text in losses.all_inner_texts()]

    for box in live.get_by_role("checkbox").all():
        box.uncheck()
    intact, same = shown()
    assert intact == same
    assert texts.nth(0).inner_text() == texts.nth(1).inner_text()
    changed = {}
    for box in live.get_by_role("checkbox").all():
        box.focus()
        page.keyboard.press("Space")
        changed[box.locator("xpath=..").inner_text()] = shown()[1]
        page.keyboard.press("Space")
    assert len(changed) == 5
    assert all(loss != intact for loss in changed.values()), changed
    assert changed["the positions"] > intact
    assert changed["the final layer norm"] > intact
    boxes = [side.bounding_box() for side in live.locator(".gl-side").all()]
    assert boxes[0]["y"] == boxes[1]["y"], "side by side on a desk"
    assert visit.problems == []


# ---- what can go wrong ---------------------------------------------------------------


def spoil(page, how: str) -> None:
    """Serve the model's file missing, cut short, altered, or as another page."""

    def answer(route) -> None:
        if how == "missing":
            return route.fulfill(status=404, body="not here")
        body = bytearray(route.fetch().body())
        if how == "truncated":
            body = body[: len(body) // 2]
        if how == "altered":
            body[len(body) // 2] ^= 1
        if how == "another page":
            body = b"<!doctype html><title>Sign in</title>"
        return route.fulfill(body=bytes(body))

    page.context.route("**/model-*.safetensors", answer)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "the server answered 404"),
        ("truncated", "bytes arrived"),
        ("altered", "not the one this page was built with"),
        ("another page", "bytes arrived"),
    ],
)
def test_a_spoiled_file_is_told_and_tried_again(visit, how, message):  # noqa: F811
    page = visit(LIVE)
    spoil(page, how)
    page.locator(".gl-start .gl-primary").first.click()
    alert = page.locator(".gl-start [role=alert]").first
    alert.wait_for()
    expect(alert).to_contain_text(message)
    expect(page.locator("gpt2-live .gl-choice").first).to_be_visible()
    page.context.unroute("**/model-*.safetensors")
    page.get_by_role("button", name="Try again").first.click()
    page.locator(f"gpt2-live{STARTED}").first.wait_for(timeout=PATIENT)
    assert not [p for p in visit.problems if "404" not in p]


def test_a_script_that_does_not_arrive_is_told(visit):  # noqa: F811
    page = visit(LIVE)
    page.context.route("**/live/panels.js*", lambda route: route.abort())
    page.locator(".gl-start .gl-primary").first.click()
    page.locator(".gl-start [role=alert]").first.wait_for()
    page.context.unroute("**/live/panels.js*")
    page.get_by_role("button", name="Try again").first.click()
    page.locator(f"gpt2-live{STARTED}").first.wait_for(timeout=PATIENT)


def test_it_works_below_a_path(browser, site):  # noqa: F811
    class Below(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            return super().translate_path(path.removeprefix("/some/course"))

        def log_message(self, *_):
            pass

    handler = functools.partial(Below, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_context().new_page()
        problems = []
        page.on("response", lambda r: problems.append(r.url) if r.status > 399 else 0)
        for name in ("index.html", LIVE, WHOLE):
            page.goto(f"http://127.0.0.1:{server.server_port}/some/course/{name}")
            page.locator(".gl-start, .gl-live").first.wait_for()
            page.evaluate("document.querySelector('.gl-start .gl-primary')?.click()")
            page.locator(STARTED).first.wait_for(timeout=PATIENT)
        assert problems == []
        page.context.close()
        server.shutdown()


def test_a_page_opened_from_a_file_explains_itself(browser, site):  # noqa: F811
    page = browser.new_context().new_page()
    page.goto((site / LIVE).as_uri())
    note = page.locator("gpt2-live .gl-error").first
    note.wait_for()
    expect(note).to_contain_text("python -m http.server")
    expect(page.locator(".gl-start button")).to_have_count(0)
    expect(page.locator("gpt2-live .gl-choice").first).to_be_visible()
    page.context.close()


# ---- everybody -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [LIVE, WHOLE])
def test_alive_it_passes_axe_fits_a_phone_and_is_dark(visit, name):  # noqa: F811
    from axe_playwright_python.sync_playwright import Axe

    page = visit(name)
    for index in range(page.locator("gpt2-live, gpt2-whole").count()):
        start(page, index)
    page.wait_for_timeout(3000)
    problems = []
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_timeout(500)
        problems += [f"{width}: {wide}" for wide in page.evaluate(TOO_WIDE)]
        for scheme in ("light", "dark"):
            use_scheme(page, scheme)
            page.wait_for_timeout(200)
            rules = AXE if scheme == "light" else AXE_AGAIN
            for violation in Axe().run(page, options=rules).response["violations"]:
                nodes = [node["html"][:160] for node in violation["nodes"][:3]]
                problems.append(f"axe, {scheme}, {width}: {violation['id']} {nodes}")
    assert not problems, "\n".join(problems)
    assert visit.problems == []


def test_motion_is_left_out_when_asked(browser, address):  # noqa: F811
    durations = {}
    for wish in ("reduce", "no-preference"):
        page = browser.new_context(reduced_motion=wish).new_page()
        page.goto(address + LIVE)
        durations[wish] = page.locator(".gl-bar-fill").first.evaluate(
            "e => getComputedStyle(e).transitionDuration"
        )
        page.context.close()
    assert durations == {"reduce": "0s", "no-preference": "0.12s"}


# ---- seen whole ----------------------------------------------------------------------


def test_the_walk_by_button_and_keyboard(visit):  # noqa: F811
    page = visit(WHOLE)
    still = page.locator(".gl-says").all_inner_texts()
    whole = start(page)
    page.wait_for_function("document.querySelectorAll('.gl-figure canvas').length > 9")
    expect(page.locator(".gl-says")).to_have_text(still)
    current = whole.locator(".gl-card[aria-current] .gl-part")
    expect(current).to_have_text("Tokens")
    whole.get_by_role("button", name="Next", exact=True).click()
    expect(current).to_have_text("Token embeddings")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(current).to_have_text("Layer norm")
    page.keyboard.press("ArrowLeft")
    expect(current).to_have_text("The residual stream")
    expect(whole.locator(".gl-counter")).to_have_text("Step 4 of 18")
    # numbers by keyboard
    strip = whole.locator(".gl-card").nth(3).locator("canvas")
    strip.focus()
    readout = whole.locator(".gl-card").nth(3).locator(".gl-readout")
    expect(readout).to_have_text(re.compile(r"^This, number 0: −?\d\.\d{3}"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(readout).to_have_text(re.compile("^·movie, number 1:"))
    # a block is opened on the map
    whole.locator("[data-block='2'] a").click()
    whole.locator(".gl-name", has_text="h.2.ln_1").wait_for()
    expect(current).to_have_text("Layer norm")
    rows = whole.locator(".gl-card").nth(8).locator("tbody tr")
    for row in rows.all():
        shares = [float(cell) for cell in row.locator("td").all_inner_texts()]
        assert sum(shares) == pytest.approx(1, abs=0.03)
    assert visit.problems == []


def test_the_walk_begins_again_with_the_drawn_token(visit):  # noqa: F811
    page = visit(WHOLE)
    whole = start(page)
    last = whole.locator(".gl-card").last
    last.get_by_text("Drawn:").wait_for()
    token = last.locator("strong").inner_text().strip("“”").replace("·", " ")
    last.get_by_role("button", name="Append it").click()
    expect(whole.get_by_label("Your text")).to_have_value(f"This movie was so{token}")
    whole.locator(".gl-card").first.get_by_text("cut into 5 tokens").wait_for()
    assert visit.problems == []


def test_the_walk_appends_after_the_tokens_that_it_read(visit):  # noqa: F811
    page = visit(WHOLE)
    whole = start(page)
    whole.get_by_label("Your text").fill(
        "This movie was so good that I watched it again and again with my friends"
    )
    whole.get_by_text(re.compile(r"The first \d+ of \d+ tokens")).wait_for()
    last = whole.locator(".gl-card").last
    last.get_by_text("Drawn:").wait_for()
    last.get_by_role("button", name="Append it").click()
    text = whole.get_by_label("Your text")
    expect(text).not_to_have_value(re.compile("friends"))
    assert visit.problems == []


def test_a_token_is_drawn_from_the_text_as_it_is(visit):  # noqa: F811
    page = visit(LIVE)
    live = start(page)
    written = live.evaluate("""async (e) => {
      e.settings.temperature = 0;
      const texts = [];
      const press = (n) => { for (; n; n--) e.controls.one.click(); };
      const rest = async () => {
        await new Promise((done) => setTimeout(done, 50));
        await e.turn;
        await e.settled();
      };
      press(3);  // three at once
      await rest();
      texts.push([...e.written]);
      e.startOver();
      await rest();
      for (let i = 0; i < 3; i++) { press(1); await rest(); }
      texts.push([...e.written]);
      return texts;
    }""")
    assert len(written[0]) == 3
    assert written[0] == written[1]
    assert visit.problems == []


def test_a_word_of_very_many_bytes_is_read(visit):  # noqa: F811
    page = visit(LIVE)
    live = start(page)
    box = live.get_by_label("Your text")
    box.evaluate("""(box) => {
      box.value = "\\u{1F600}".repeat(40000);
      box.dispatchEvent(new Event("input"));
    }""")
    live.get_by_text(re.compile("Shorten it")).wait_for()
    assert visit.problems == []


# ---- the real GPT-2, by choice -------------------------------------------------------

LIBRARY = """
export const env = { backends: { onnx: { wasm: {} } } };
export class Tensor {
  constructor(type, data, dims) { Object.assign(this, { type, data, dims }); }
}
export const AutoModelForCausalLM = {
  async from_pretrained(name, { progress_callback }) {
    const file = await fetch(
      `https://huggingface.co/${name}/resolve/main/config.json`);
    if (!file.ok) throw new Error(`Could not locate file: ${file.status}`);
    progress_callback({ status: "progress", file: "a", loaded: 5e6, total: 1e7 });
    const model = async ({ input_ids, attention_mask, past_key_values }) => {
      const T = input_ids.dims[1], V = 50257;
      const seen = (past_key_values?.["past_key_values.0.key"].dims[2] ?? 0) + T;
      if (attention_mask.dims[1] !== seen) throw new Error("wrong mask");
      const data = new Float32Array(T * V);
      // after token i comes token i + 1, surely
      for (let t = 0; t < T; t++) {
        data[t * V + Number(input_ids.data[t]) + 1] = 20;
      }
      return { logits: new Tensor("float32", data, [1, T, V]),
        "present.0.key": new Tensor("float32", [], [1, 12, seen, 64]) };
    };
    return model;
  },
};
"""


def stand_in(page, *, weights: int = 200) -> list[str]:
    """Answer for the CDN and the hub; returns the addresses that were asked for."""
    asked: list[str] = []

    def library(route) -> None:
        asked.append(route.request.url)
        route.fulfill(
            body=LIBRARY,
            content_type="text/javascript",
            headers={"Access-Control-Allow-Origin": "*"},
        )

    def hub(route) -> None:
        asked.append(route.request.url)
        route.fulfill(
            status=weights, body="{}", headers={"Access-Control-Allow-Origin": "*"}
        )

    page.context.route("https://cdn.jsdelivr.net/**", library)
    page.context.route("https://huggingface.co/**", hub)
    return asked


def test_the_real_gpt2_by_choice(visit):  # noqa: F811
    page = visit(LIVE)
    asked = stand_in(page)
    live = start(page)
    live.get_by_text("Use the real GPT-2 instead").click()
    expect(live.locator(".gl-hub")).to_contain_text("150 to 190 MB")
    assert asked == []
    live.get_by_role("button", name="Load the real GPT-2").click()
    live.get_by_text("This is the real GPT-2 now").wait_for(timeout=PATIENT)
    assert len(asked) == 2
    assert all("This movie" not in url for url in asked)
    caption = live.locator(".gl-panel-next > .gl-note")
    expect(caption).to_contain_text("of 50,257 tokens")
    expect(live.locator(".gl-panel-attention")).to_contain_text("for the mini only")
    ids = live.locator(".gl-panel-tokens .gl-tokens").nth(1).locator("small")
    before = ids.all_inner_texts()
    live.get_by_role("button", name="One token", exact=True).click()
    page.wait_for_function("document.querySelector('gpt2-live').written.length === 1")
    live.get_by_role("button", name="One token", exact=True).click()
    page.wait_for_function("document.querySelector('gpt2-live').written.length === 2")
    written = page.evaluate("document.querySelector('gpt2-live').written")
    assert written == [int(before[-1]) + 1, int(before[-1]) + 2]
    live.get_by_role("button", name="Back to the mini").click()
    expect(caption).to_contain_text(f"of {VOCABULARY} tokens")


@pytest.mark.parametrize("what", ["library", "weights"])
def test_without_the_cdn_or_the_hub_the_mini_works_on(visit, what):  # noqa: F811
    page = visit(LIVE)
    if what == "library":
        page.context.route("https://cdn.jsdelivr.net/**", lambda route: route.abort())
    else:
        stand_in(page, weights=404)
    live = start(page)
    live.get_by_text("Use the real GPT-2 instead").click()
    live.get_by_role("button", name="Load the real GPT-2").click()
    error = live.locator(".gl-hub .gl-error")
    error.wait_for(timeout=PATIENT)
    expect(error).to_contain_text("could not be loaded")
    expect(error).to_contain_text("The mini works on")
    live.get_by_role("button", name="One token", exact=True).click()
    page.wait_for_function("document.querySelector('gpt2-live').written.length === 1")
    expect(live.get_by_role("button", name="Load the real GPT-2")).to_be_enabled()


# ---- what the build puts there -------------------------------------------------------


def test_the_files_are_those_that_the_pages_name(site):  # noqa: F811
    import html
    import zlib

    folder = site / "_static/live"
    for name in pages_with("gpt2-live"):
        page = (site / name).read_text(encoding="utf-8")
        assert page.count("start.js") == 1, "once per page"
        data = re.search(r'data-files="([^"]+)"', page)[1]
        for file in json.loads(html.unescape(data)).values():
            content = Path(folder / file["name"]).read_bytes()
            assert (len(content), zlib.crc32(content)) == (file["bytes"], file["crc32"])
