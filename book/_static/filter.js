// Finds a message, or a name, among the boxes of a page and the items of its folded lists: paste a message whole,
// with what is particular to your case, or type a few words. Everything is in the page; nothing is asked for.
const plain = (text) => text.toLowerCase().replaceAll(/[`'"“”‘’\s]+/g, " ").trim();

// Where a title stands in what was pasted, and how much of it; its ellipses stand for what differs from case to case.
const placeOf = (pasted, title) => {
  const pieces = plain(title).split("…").map((piece) => piece.trim()).filter((piece) => piece.length > 2);
  let [start, end] = [-1, 0];
  for (const piece of pieces) {
    const at = pasted.indexOf(piece, end);
    if (at < 0) return null;
    if (start < 0) start = at;
    end = at + piece.length;
  }
  return pieces.length ? { start, end, length: pieces.join("").length } : null;
};

// "… is …; it must be at least 1" is inside of many messages that have a title of their own, which says more.
const saysMore = (one, other) =>
  one.start <= other.start && other.end <= one.end && one.length > other.length;

const has = (element, wanted) => {
  const text = plain(element.textContent);
  return wanted.split(" ").every((word) => text.includes(word));
};
const titleOf = (box) => box.querySelector("summary, code");

const byMessage = (boxes, wanted) => {
  const places = new Map(boxes.map((box) => [box, placeOf(wanted, titleOf(box).textContent)]));
  const pasted = [...places.values()].filter(Boolean);
  const isPasted = (place) => place && !pasted.some((other) => saysMore(other, place));
  return boxes.filter((box) => has(box, wanted) || isPasted(places.get(box)));
};

// A name is mentioned in many boxes: those whose title has it come before.
const byName = (boxes, wanted) => {
  const titled = boxes.filter((box) => has(titleOf(box), wanted));
  return titled.length ? titled : boxes.filter((box) => has(box, wanted));
};

const setUp = (paragraph) => {
  const [what, find] = paragraph.matches(".course-filter-names") ? ["name", byName] : ["message", byMessage];
  const boxes = [...document.querySelectorAll("details.sd-dropdown, li.course-message")];
  const lists = [...document.querySelectorAll("details.course-messages")];
  const sections = [...document.querySelectorAll("main section section")].filter((s) => s.querySelector("details"));
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "search", autocomplete: "off" });
  const found = document.createElement("output");
  label.append(`Find a ${what}`, input);
  paragraph.after(label, found);
  const look = () => {
    const wanted = plain(input.value);
    const shown = wanted ? find(boxes, wanted) : boxes;
    for (const box of boxes) box.hidden = !shown.includes(box);
    for (const list of lists) {
      list.hidden = ![...list.querySelectorAll("li")].some((item) => !item.hidden);
      list.open = wanted !== "" && !list.hidden;
    }
    for (const section of sections) section.hidden = ![...section.querySelectorAll("details")].some((box) => !box.hidden);
    if (wanted && shown.length === 1) shown[0].open = true;
    const none = `None of these ${what}s. Try fewer words.`;
    found.textContent = wanted ? (shown.length ? `${shown.length} of ${boxes.length} ${what}s` : none) : "";
  };
  input.addEventListener("input", look);
  look(); // a browser may keep what was typed before the page was loaded again
};

// A link may lead into a box that is folded, or hidden by what was typed.
const openTarget = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const box = target?.closest("details.sd-dropdown");
  if (!box) return;
  for (let element = box; element; element = element.parentElement) element.hidden = false;
  box.open = true;
  target.scrollIntoView();
};

document.querySelectorAll(".course-filter").forEach(setUp);
addEventListener("hashchange", openTarget);
openTarget();
