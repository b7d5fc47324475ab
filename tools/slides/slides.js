Reveal.initialize({
  width: 1280,
  height: 720,
  margin: 0,
  center: false,
  controls: false,
  hash: true,
  navigationMode: "linear",
  slideNumber: "c/t",
  transition: "none",
  plugins: [RevealNotes],
});

// what is a little too tall is shown smaller, what leaves much room a little larger
const fit = () => {
  for (const slide of Reveal.isPrintView() ? Reveal.getSlides() : [Reveal.getCurrentSlide()]) {
    const shown = slide.querySelector(".shown");
    const room = 690 - shown.offsetTop;
    for (let size = 1.2; size > 0.4; size -= 0.05) {
      shown.style.zoom = size;
      if (shown.scrollHeight * size <= room && shown.scrollWidth <= shown.clientWidth) break;
    }
  }
};
for (const event of ["ready", "slidechanged", "pdf-ready"]) Reveal.on(event, fit);
addEventListener("load", () => MathJax.startup.promise.then(fit));
