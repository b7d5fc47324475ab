// A glossary term shows its sentence: when the mouse rests on it, when the keyboard reaches it,
// and when a finger taps it, which has no way to hover. Escape, or a click elsewhere, closes it.
const meaning = document.createElement("div");
const sentence = document.createElement("p");
const more = document.createElement("a");
let shownFor = null;
let timer;

const hide = () => meaning.matches(":popover-open") && meaning.hidePopover();

const show = (term, tapped) => {
  clearTimeout(timer);
  if (shownFor === term) return;
  hide();
  sentence.textContent = term.dataset.courseMeaning;
  more.href = term.href;
  more.hidden = !tapped; // elsewhere the term itself is the link
  meaning.showPopover();
  const place = term.getBoundingClientRect();
  const right = document.documentElement.clientWidth - meaning.offsetWidth - 8;
  const above = place.top - meaning.offsetHeight - 4;
  const fitsBelow = place.bottom + 4 + meaning.offsetHeight <= innerHeight;
  meaning.style.left = `${Math.max(8, Math.min(place.left, right))}px`;
  meaning.style.top = `${fitsBelow || above < 0 ? place.bottom + 4 : above}px`;
  term.setAttribute("aria-describedby", sentence.id);
  shownFor = term;
};

const forget = () => {
  shownFor?.removeAttribute("aria-describedby");
  shownFor = null;
};

// the pointer may cross the gap between the term and its sentence
const hideSoon = () => {
  timer = setTimeout(hide, 150);
};

const setUp = () => {
  meaning.className = "course-meaning";
  meaning.popover = "auto";
  sentence.id = "course-meaning";
  more.textContent = "In the glossary";
  more.href = document.querySelector("[data-course-meaning]").href; // a link has an address
  meaning.append(sentence, more);
  document.body.append(meaning);
  meaning.addEventListener("beforetoggle", (event) => event.newState === "closed" && forget());
  meaning.addEventListener("pointerenter", () => clearTimeout(timer));
  meaning.addEventListener("pointerleave", hideSoon);
  addEventListener("scroll", hide, { passive: true });
  addEventListener("keydown", (event) => event.key === "Escape" && hide());
  for (const term of document.querySelectorAll("[data-course-meaning]")) {
    let touched = false;
    term.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && show(term, false));
    term.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hideSoon());
    term.addEventListener("focus", () => term.matches(":focus-visible") && show(term, false));
    term.addEventListener("blur", hideSoon);
    term.addEventListener("pointerdown", (event) => {
      touched = event.pointerType !== "mouse";
    });
    term.addEventListener("click", (event) => {
      if (!touched) return;
      event.preventDefault();
      show(term, true);
      touched = false;
    });
  }
};

// a browser without popovers keeps plain links
if ("popover" in HTMLElement.prototype) addEventListener("DOMContentLoaded", setUp);
