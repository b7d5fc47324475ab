// Finds a message, or a name, among the boxes of a page: paste a message whole, with what is particular to
// your case, or type a few words. Everything is in the page; nothing is asked for.
const plain = (text) => text.toLowerCase().replaceAll(/[`'"“”‘’\s]+/g, " ").trim();

// A title's ellipses stand for what differs from case to case.
const isInside = (pasted, title) => {
  let from = 0;
  const pieces = plain(title).split("…").map((piece) => piece.trim()).filter((piece) => piece.length > 2);
  return pieces.length > 0 && pieces.every((piece) => {
    const at = pasted.indexOf(piece, from);
    from = at + piece.length;
    return at >= 0;
  });
};

const has = (element, wanted) => {
  const text = plain(element.textContent);
  return wanted.split(" ").every((word) => text.includes(word));
};
const titleOf = (box) => box.querySelector("summary");

const byMessage = (boxes, wanted) =>
  boxes.filter((box) => has(box, wanted) || isInside(wanted, titleOf(box).textContent));

// A name is mentioned in many boxes: those whose title has it come before.
const byName = (boxes, wanted) => {
  const titled = boxes.filter((box) => has(titleOf(box), wanted));
  return titled.length ? titled : boxes.filter((box) => has(box, wanted));
};

const setUp = (paragraph) => {
  const [what, find] = paragraph.matches(".course-filter-names") ? ["name", byName] : ["message", byMessage];
  const boxes = [...document.querySelectorAll("details.sd-dropdown")];
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
