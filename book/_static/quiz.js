// The self-tests: answers are kept in this browser and sent nowhere. The home page shows
// them beside its links, and the exercises of a file that gpt2course/course/passed.py has
// written and a reader opens. tools/sphinx_ext/quiz.py writes the questions; choosing shows
// the explanation without this script.
(() => {
  const KEY = "gpt2course-quiz"; // {page: {of: questions, answers: {question: [choice, right]}}}
  const PASSED = "gpt2course-passed"; // {exercise: true}
  const FILE = "gpt2course-progress.jsonl";

  const stored = (key) => {
    try {
      const found = JSON.parse(localStorage.getItem(key) ?? "{}");
      return found && typeof found === "object" ? found : {};
    } catch {
      return {}; // storage is forbidden, or somebody else wrote there
    }
  };

  const store = (key, content) => {
    try {
      localStorage.setItem(key, JSON.stringify(content));
    } catch {
      // the page works all the same
    }
  };

  const make = (name, content, properties = {}) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...content);
    return element;
  };

  const setUpQuiz = (quiz) => {
    const page = quiz.dataset.page;
    const groups = [...quiz.querySelectorAll("fieldset")];
    const said = make("p", [], { className: "course-said" }); // to a screen reader
    said.setAttribute("role", "status");
    quiz.append(said);
    const answers = stored(KEY)[page]?.answers ?? {};
    for (const group of groups) {
      const chosen = answers[group.dataset.question]?.[0];
      for (const input of group.querySelectorAll("input")) input.checked = input.value === chosen;
    }
    quiz.addEventListener("change", ({ target }) => {
      const given = {};
      for (const group of groups) {
        const input = group.querySelector("input:checked");
        if (input) given[group.dataset.question] = [input.value, input.parentElement.matches(".right")];
      }
      store(KEY, { ...stored(KEY), [page]: { of: groups.length, answers: given } });
      said.textContent = target.parentElement.querySelector("p").textContent;
    });
  };

  // the exercises that a file notes, a line of JSON each
  const noted = (text) => {
    const found = {};
    for (const line of text.split("\n")) {
      try {
        const { exercise } = JSON.parse(line);
        if (/^[a-z0-9]+(-[a-z0-9]+)+$/.test(exercise)) found[exercise] = true;
      } catch {
        // no note of an exercise
      }
    }
    return found;
  };

  // what stands beside the links of the home page: {page: text}
  const results = (pages, passed) => {
    const found = {};
    const quizzes = stored(KEY);
    // evaluating-rouge is of the page evaluating, if no longer name fits
    const owner = (exercise) =>
      pages.reduce((best, page) => (exercise.startsWith(`${page}-`) && page.length > best.length ? page : best), "");
    for (const page of pages) {
      const answers = Object.values(quizzes[page]?.answers ?? {});
      const right = answers.filter((answer) => answer[1]).length;
      const exercises = Object.keys(passed).filter((exercise) => owner(exercise) === page).length;
      const parts = [];
      if (answers.length) parts.push(`self-test: ${right} of ${quizzes[page].of} right`);
      if (exercises) parts.push(`exercises passed: ${exercises}`);
      if (parts.length) found[page] = ` ${parts.join(", ")}`;
    }
    return found;
  };

  const showProgress = (path) => {
    const links = [...path.querySelectorAll("a[href]")];
    const pageOf = (link) => link.pathname.split("/").pop().replace(/\.html$/, "");
    const inText = { className: "course-progress" };
    const marks = [];
    let passed = stored(PASSED);
    const forget = make("button", ["Forget my answers"], { type: "button" });
    const note = make("p", ["Your answers are kept in this browser and sent nowhere. ", forget], inText);
    const input = make("input", [], { type: "file" });
    const said = make("p", [], { role: "status" });
    const open = make(
      "details",
      [
        make("summary", ["Exercises that you passed in notebooks"]),
        make("p", [
          "Run ",
          make("code", ["from gpt2course.course import progress; progress()"]),
          " in a notebook once. From then on, the exercises that you pass are noted beside it in ",
          make("code", [FILE]),
          ". Open that file to see them here; it is sent nowhere.",
        ]),
        make("label", ["File: ", input]),
        said,
      ],
      inText,
    );
    const show = () => {
      for (const old of [note, ...marks.splice(0)]) old.remove();
      const found = results(links.map(pageOf), passed);
      for (const link of links) {
        const text = found[pageOf(link)];
        if (text) marks.push(make("span", [text], inText));
        if (text) link.after(marks.at(-1));
      }
      if (marks.length) path.after(note);
    };
    forget.addEventListener("click", () => {
      passed = {};
      try {
        for (const key of [KEY, PASSED]) localStorage.removeItem(key);
      } catch {
        // nothing was kept
      }
      show();
    });
    input.addEventListener("change", async () => {
      if (!input.files.length) return;
      const found = noted(await input.files[0].text().catch(() => ""));
      const count = Object.keys(found).length;
      said.textContent = count ? `Exercises in this file: ${count}.` : "This file notes no exercise.";
      passed = { ...passed, ...found };
      store(PASSED, passed);
      show();
    });
    path.after(open);
    show();
  };

  addEventListener("DOMContentLoaded", () => {
    for (const quiz of document.querySelectorAll(".course-quiz details")) setUpQuiz(quiz);
    for (const path of document.querySelectorAll("ul.course-path")) showProgress(path);
  });
})();
