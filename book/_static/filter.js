// Finds a message among the boxes of a page: paste it whole, with what is particular to your case,
// or type a few words. Everything is in the page; nothing is asked for.
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

const matches = (box, wanted) => {
  const [title, text] = [box.querySelector("summary").textContent, plain(box.textContent)];
  return wanted.split(" ").every((word) => text.includes(word)) || isInside(wanted, title);
};

const setUp = (paragraph) => {
  const boxes = [...document.querySelectorAll("details.sd-dropdown")];
  const sections = [...document.querySelectorAll("main section section")].filter((s) => s.querySelector("details"));
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "search", autocomplete: "off" });
  const found = document.createElement("output");
  label.append("Find a message", input);
  paragraph.after(label, found);
  const look = () => {
    const wanted = plain(input.value);
    const shown = boxes.filter((box) => {
      box.hidden = wanted !== "" && !matches(box, wanted);
      return !box.hidden;
    });
    for (const section of sections) section.hidden = ![...section.querySelectorAll("details")].some((box) => !box.hidden);
    if (wanted && shown.length === 1) shown[0].open = true;
    const none = "None of these messages. Try fewer words.";
    found.textContent = wanted ? (shown.length ? `${shown.length} of ${boxes.length} messages` : none) : "";
  };
  input.addEventListener("input", look);
  look(); // a browser may keep what was typed before the page was loaded again
};

document.querySelectorAll(".course-filter").forEach(setUp);
