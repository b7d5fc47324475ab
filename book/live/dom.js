// Elements from names and texts. Text only ever enters the page as text,
// never as HTML: whatever a reader types or a model writes is harmless.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

/** An HTML element: h("button", {class: "gl-button", onclick}, "Stop"). */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** A token as a person can see it: spaces as dots, new lines as arrows. */
export function visible(text) {
  return text.replaceAll(" ", "·").replaceAll("\n", "↵")
    .replaceAll("\t", "⇥") || "∅";
}

/** A token as a screen reader should say it. */
export function spoken(text) {
  const name = text.replaceAll("\n", " new line ");
  return text.startsWith(" ") && text.trim()
    ? `space ${name.trim()}` : name;
}

export function percent(p) {
  if (p >= 0.0995) return `${(100 * p).toFixed(0)} %`;
  return p > 0 && p < 0.0005 ? "< 0.1 %" : `${(100 * p).toFixed(1)} %`;
}

export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
