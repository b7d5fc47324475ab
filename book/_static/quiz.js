// The self-tests: answers are kept in this browser, under one key, and sent nowhere. The
// home page shows them beside its links. tools/sphinx_ext/quiz.py writes the questions;
// choosing shows the explanation without this script.
(() => {
  const KEY = "gpt2course-quiz"; // {page: {of: questions, answers: {question: [choice, right]}}}

  const stored = () => {
    try {
      const found = JSON.parse(localStorage.getItem(KEY) ?? "{}");
      return found && typeof found === "object" ? found : {};
    } catch {
      return {}; // storage is forbidden, or somebody else wrote there
    }
  };

  const store = (progress) => {
    try {
      localStorage.setItem(KEY, JSON.stringify(progress));
    } catch {
      // the self-test works all the same
    }
  };

  const setUpQuiz = (quiz) => {
    const page = quiz.dataset.page;
    const groups = [...quiz.querySelectorAll("fieldset")];
    const said = document.createElement("p"); // to a screen reader
    said.className = "course-said";
    said.setAttribute("role", "status");
    quiz.append(said);
    const answers = stored()[page]?.answers ?? {};
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
      store({ ...stored(), [page]: { of: groups.length, answers: given } });
      said.textContent = target.parentElement.querySelector("p").textContent;
    });
  };

  const showProgress = (path) => {
    const progress = stored();
    const marks = [];
    for (const link of path.querySelectorAll("a[href]")) {
      const page = link.pathname.split("/").pop().replace(/\.html$/, "");
      const answers = Object.values(progress[page]?.answers ?? {});
      if (!answers.length) continue;
      const mark = document.createElement("span");
      mark.className = "course-progress";
      const right = answers.filter((answer) => answer[1]).length;
      mark.textContent = ` self-test: ${right} of ${progress[page].of} right`;
      link.after(mark);
      marks.push(mark);
    }
    if (!marks.length) return;
    const note = document.createElement("p");
    note.className = "course-progress";
    const reset = document.createElement("button");
    reset.type = "button";
    reset.textContent = "Forget my answers";
    reset.addEventListener("click", () => {
      try {
        localStorage.removeItem(KEY);
      } catch {
        // nothing was kept
      }
      for (const mark of [...marks, note]) mark.remove();
    });
    note.append("Your answers to the self-tests are kept in this browser and sent nowhere. ", reset);
    path.after(note);
  };

  addEventListener("DOMContentLoaded", () => {
    for (const quiz of document.querySelectorAll(".course-quiz details")) setUpQuiz(quiz);
    for (const path of document.querySelectorAll("ul.course-path")) showProgress(path);
  });
})();
