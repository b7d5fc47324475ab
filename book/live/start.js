// The only script that a page with a live element loads by itself. It puts
// a button beside the precomputed pictures; everything else comes when the
// reader asks for it, or at once when the model is already in the browser.
(() => {
  const script = document.currentScript;
  const base = script.src.replace(/[^/]*$/, "");
  const files = JSON.parse(script.dataset.files);
  const modelUrl = base + files.model.name;

  const make = (tag, className, text = "") => {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    return element;
  };
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

  /** How much this element loads: the model, and GPT-2's vocabulary. */
  const sizeOf = (element) => files.model.bytes +
    (element.getAttribute("panels")?.includes("tokens")
      ? files.gpt2.bytes : 0);

  const cached = async () => {
    try {
      const cache = await caches.open("gpt2-live");
      return Boolean(await cache.match(modelUrl));
    } catch {
      return false; // no cache in this browser, or not allowed
    }
  };

  let failures = 0; // a browser may remember that a script did not arrive
  const code = () => import(
    `${base}live.js${failures ? `?retry=${failures}` : ""}`);

  async function start(element, box, byHand) {
    if (element.dataset.state) return; // it is loading, or lives already
    element.dataset.state = "loading";
    const size = sizeOf(element);
    const bar = make("progress", "gl-progress");
    bar.max = files.model.bytes;
    bar.value = 0;
    bar.setAttribute("aria-label", "Loading the model");
    const note = make("p", "gl-note", `Loading ${megabytes(size)} …`);
    note.setAttribute("role", "status");
    box.replaceChildren(bar, note);
    try {
      const { begin } = await code().catch(() => {
        failures++;
        throw new Error("the connection failed");
      });
      await begin(element, files, byHand, (bytes) => {
        bar.value = bytes;
        note.textContent = `${megabytes(bytes)} of ` +
          `${megabytes(files.model.bytes)}`;
      });
    } catch (error) {
      delete element.dataset.state;
      const message = make("p", "gl-error",
        `The model could not be loaded: ${error.message}.`);
      message.setAttribute("role", "alert");
      box.replaceChildren(message, button(element, box, "Try again"));
    }
  }

  function button(element, box, text) {
    const result = make("button", "gl-button gl-primary", text);
    result.type = "button";
    result.addEventListener("click", () => start(element, box, true));
    return result;
  }

  for (const element of document.querySelectorAll("gpt2-live, gpt2-whole")) {
    const box = make("div", "gl-start");
    if (location.protocol === "file:") {
      box.append(make("p", "gl-error",
        "This page was opened from a file, and browsers let such a page " +
        "load nothing. To try the live model, serve the folder " +
        "(python -m http.server) or open the published site. The pictures " +
        "below were computed when the page was built."));
    } else {
      const size = megabytes(sizeOf(element));
      box.append(
        button(element, box, element.getAttribute("call") ??
          `Try it with your own text (${size})`),
        make("p", "gl-note", `Loads ${size} once. The model then runs in ` +
          "this page, and nothing you type leaves it."));
      new IntersectionObserver(async (entries, observer) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        observer.disconnect();
        if (await cached()) start(element, box, false);
      }, { rootMargin: "200px" }).observe(element);
    }
    element.prepend(box);
  }
})();
