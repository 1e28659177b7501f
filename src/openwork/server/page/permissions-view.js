// Cards for tool calls that wait for a person.
import { arrange, byId, el } from "./dom.js";
import { permissionWords } from "./words.js";

export class PermissionsView {
  #cards = new Map();

  /**
   * @param {boolean} mayAnswer only the owner of the host answers
   * @param {string} root the workspace's folder
   * @param {(id: string, reply: string, message?: string) => Promise<void>} onReply
   */
  constructor(mayAnswer, root, onReply) {
    this.mayAnswer = mayAnswer;
    this.root = root;
    this.onReply = onReply;
  }

  /**
   * @param {Object[]} requests what waits in this session, oldest first
   * @param {(request: Object) => string} reasonFor what the agent said before it asked
   */
  render(requests, reasonFor) {
    const waiting = new Set(requests.map((request) => request.id));
    for (const id of this.#cards.keys()) if (!waiting.has(id)) this.#cards.delete(id);
    const nodes = requests.map((request) => {
      if (!this.#cards.has(request.id)) this.#cards.set(request.id, this.#card(request, reasonFor(request)));
      return this.#cards.get(request.id);
    });
    arrange(byId("permissions"), nodes);
  }

  #card(request, reason) {
    const words = permissionWords(request, this.root);
    const heading = `permission-${request.id}`;
    return el(
      "section",
      { class: "card", "aria-labelledby": heading },
      el("h2", { id: heading }, words.title),
      words.isCode
        ? el("pre", { tabindex: "0" }, el("code", {}, words.what))
        : el("p", { class: "what" }, words.what, words.note && el("span", { class: "quiet" }, ` — ${words.note}`)),
      reason && el("p", { class: "reason" }, el("span", { class: "quiet" }, "The agent says: "), reason),
      words.diff && changeView(words.diff),
      ...(this.mayAnswer ? this.#answers(request.id, words) : [ownerMustAnswer()]),
    );
  }

  #answers(id, words) {
    const problem = el("p", { class: "problem", role: "alert" });
    const reason = el("input", { id: `reason-${id}`, type: "text", autocomplete: "off" });
    const answer = async (reply, message) => {
      setDisabled(true);
      problem.textContent = "";
      try {
        await this.onReply(id, reply, message);
      } catch (error) {
        problem.textContent = error.words ?? error.message;
        setDisabled(false);
      }
    };
    const setDisabled = (disabled) => {
      for (const part of [buttons, refusing]) part.querySelectorAll("button").forEach((button) => (button.disabled = disabled));
    };
    const refuse = () => {
      refusing.hidden = false;
      buttons.hidden = true;
      reason.focus();
    };
    const back = () => {
      refusing.hidden = true;
      buttons.hidden = false;
      buttons.firstElementChild.focus();
    };
    const buttons = el(
      "div",
      { class: "buttons" },
      el("button", { class: "primary", type: "button", onclick: () => answer("once") }, "Allow once"),
      el("button", { type: "button", onclick: () => answer("always"), "aria-describedby": `lasting-${id}` }, "Always allow"),
      el("button", { type: "button", onclick: refuse }, "Refuse…"),
      el("p", { class: "quiet", id: `lasting-${id}` }, words.lasting),
    );
    const refusing = el(
      "form",
      {
        class: "refusing",
        hidden: true,
        onsubmit: (event) => {
          event.preventDefault();
          answer("reject", reason.value.trim());
        },
      },
      el("label", { for: `reason-${id}` }, "What should the agent know? (optional)"),
      reason,
      el("div", { class: "buttons" }, el("button", { class: "primary", type: "submit" }, "Refuse"), el("button", { type: "button", onclick: back }, "Back")),
    );
    return [buttons, refusing, problem];
  }
}

function ownerMustAnswer() {
  return el("p", { class: "quiet" }, "The owner of this host must answer. The task goes on afterwards.");
}

function changeView(diff) {
  if (!/^@@/m.test(diff)) return el("p", { class: "quiet" }, "The file would stay as it is: there is no difference.");
  return el("details", {}, el("summary", {}, "Show the change"), diffView(diff));
}

/** A unified diff, a line each, so that additions and removals can be told apart. */
function diffView(diff) {
  const lines = diff.split("\n").filter((line) => !/^(Index: |=+$|--- |\+\+\+ |\\ No newline)/.test(line));
  const kinds = { "+": "added", "-": "removed", "@": "place" };
  return el(
    "pre",
    { class: "diff", tabindex: "0" },
    ...lines.map((line) => el("span", { class: kinds[line[0]] ?? null }, `${line}\n`)),
  );
}
