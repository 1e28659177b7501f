// The agent's plan as a checklist.
import { byId, el, setText, show } from "./dom.js";

const STATES = {
  completed: ["✓", "done"],
  in_progress: ["›", "in progress"],
  cancelled: ["–", "dropped"],
  pending: ["", "to do"],
};

/** @param {{content: string, status: string}[]} todos */
export function renderPlan(todos) {
  const done = todos.filter((todo) => todo.status === "completed").length;
  const panel = byId("plan");
  if (panel.hidden && todos.length) panel.open = matchMedia("(min-width: 50rem)").matches;
  show(panel, todos.length > 0);
  setText(byId("plan-title"), `Plan: ${done} of ${todos.length} done`);
  byId("plan-steps").replaceChildren(
    ...todos.map((todo) => {
      const [mark, word] = STATES[todo.status] ?? STATES.pending;
      return el(
        "li",
        { "data-status": todo.status },
        el("span", { class: "box", "aria-hidden": "true" }, mark),
        el("span", {}, todo.content, el("span", { class: "visually-hidden" }, ` (${word})`)),
      );
    }),
  );
}
