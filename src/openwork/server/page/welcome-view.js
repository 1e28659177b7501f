// What an empty conversation shows: what this is, and with the demo, what to try.
import { byId, el } from "./dom.js";
import { SUGGESTIONS } from "./suggestions.js";

/**
 * @param {{mayWork: boolean, isDemo: boolean, onTry: (prompt: string) => void}} options
 */
export function fillWelcome({ mayWork, isDemo, onTry }) {
  const parts = [
    el("h2", {}, mayWork ? "What should be done?" : "Nothing is open"),
    el(
      "p",
      { class: "quiet" },
      mayWork
        ? "Describe a task for the files of this workspace. Before a file is changed or a command is run, you are asked."
        : "Choose a task from the list to see how it went.",
    ),
  ];
  if (isDemo) {
    parts.push(el("p", { class: "notice" }, "Answers are scripted: this is the demo. Files and permissions are real."));
    if (mayWork) {
      const tries = SUGGESTIONS.map(({ title, prompt }) =>
        el("li", {}, el("button", { type: "button", onclick: () => onTry(prompt) }, el("span", { class: "note" }, title), el("span", { class: "title" }, prompt))),
      );
      parts.push(el("ul", { class: "suggestions", "aria-label": "Tasks to try" }, ...tries));
    }
  }
  byId("welcome").replaceChildren(...parts);
}
