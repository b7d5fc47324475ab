// What scrolls sideways must be within reach of the keyboard, and say that it scrolls.
// The theme sees to code and to its own tables; this to formulas, outputs and figures.
const FORMULAS = "div.math, div.math mjx-container";
const WIDE =
  ".pst-scrollable-table-container, .cell_output .output.text_html, figure.course-figure,"
  + ".output.stream.course-columns";

// What a cell prints in columns scrolls like a table; other printed lines wrap.
const findColumns = () => {
  for (const box of document.querySelectorAll(".cell_output .output.stream")) {
    const lines = box.textContent.split("\n");
    const aligned = lines.filter((line) => /\S {2,}\S/.test(line)).length > 1;
    const short = Math.max(...lines.map((line) => line.length)) <= 80;
    box.classList.toggle("course-columns", aligned && short);
  }
};

const lookAtWidths = () => {
  for (const box of document.querySelectorAll(`${FORMULAS}, ${WIDE}`)) {
    const hidden = box.scrollWidth - box.clientWidth;
    if (hidden > 0) box.tabIndex = 0;
    else if (!box.matches(".pst-scrollable-table-container")) box.removeAttribute("tabindex");
    if (box.matches(WIDE)) box.classList.toggle("course-wide", hidden > 1); // not for a rounding
  }
};

const lookAtPosition = ({ target: box }) => {
  if (!box.classList?.contains("course-wide")) return;
  const end = box.scrollLeft + box.clientWidth >= box.scrollWidth - 1;
  box.classList.toggle("course-wide-end", end);
};

addEventListener("load", () => {
  findColumns();
  lookAtWidths();
  window.MathJax?.startup?.promise?.then(lookAtWidths);
});
addEventListener("resize", lookAtWidths);
document.addEventListener("scroll", lookAtPosition, { capture: true, passive: true });
