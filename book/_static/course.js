// What scrolls sideways must be within reach of the keyboard. The theme sees to code and tables, this to formulas.
const reachFormulas = () => {
  for (const formula of document.querySelectorAll("div.math, div.math mjx-container")) {
    if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
    else formula.removeAttribute("tabindex");
  }
};
addEventListener("load", () => window.MathJax?.startup?.promise?.then(reachFormulas));
addEventListener("resize", reachFormulas);
