// The conversation: what was asked, said and done.
import { arrange, byId, el, setText, show } from "./dom.js";
import { MarkdownView } from "./markdown.js";
import { engineProblem, toolState, toolWords } from "./words.js";

const LONGEST_OUTPUT = 4000; // characters
const NEAR_END_PX = 80;

export class ThreadView {
  #messages = new Map();
  #scroller = byId("scroller");
  #follows = true;

  constructor() {
    this.#scroller.onscroll = () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
      this.#follows = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
      show(byId("jump"), !this.#follows);
    };
    byId("jump").onclick = () => this.toEnd();
    window.onresize = () => this.keepUp();
  }

  /** Forgets what is shown: another session follows. */
  clear() {
    this.#messages.clear();
    byId("thread").replaceChildren();
    this.#follows = true;
    show(byId("jump"), false);
  }

  /**
   * @param {import("./transcript.js").Transcript} transcript
   * @param {string} root the workspace's folder
   * @param {(part: Object) => boolean} waits whether a tool part waits for a permission
   */
  render(transcript, root, waits) {
    const nodes = [];
    let role = null;
    for (const [id, message] of transcript.messages) {
      const shown = this.#message(id, message.info.role);
      this.#parts(shown, message, root, waits);
      const problem = engineProblem(message.info.error);
      const stopped = message.info.error && !problem;
      setText(shown.problem, problem ?? (stopped ? "Stopped." : ""));
      shown.problem.className = stopped ? "quiet" : "problem";
      const empty = !shown.body.childElementCount && !shown.problem.textContent;
      show(shown.node, !empty);
      show(shown.who, message.info.role !== role);
      if (!empty) role = message.info.role;
      nodes.push(shown.node);
    }
    arrange(byId("thread"), nodes);
  }

  /** Stays at the end while text grows, unless the reader has scrolled back. */
  keepUp() {
    if (this.#follows) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** Goes to the end and stays there. */
  toEnd() {
    this.#follows = true;
    this.keepUp();
    show(byId("jump"), false);
  }

  #message(id, role) {
    let shown = this.#messages.get(id);
    if (!shown || shown.role !== role) {
      const name = role === "user" ? "You" : "Agent";
      const who = el("p", { class: "who", "aria-hidden": "true" }, name);
      const body = el("div", { class: "body" });
      const problem = el("p", { class: "problem" });
      const node = el("article", { class: `message ${role}`, "aria-label": name }, who, body, problem);
      shown = { node, who, body, problem, role, parts: new Map() };
      this.#messages.set(id, shown);
    }
    return shown;
  }

  #parts(shown, message, root, waits) {
    const nodes = [];
    for (const [id, part] of message.parts) {
      const kind = kindOf(part);
      if (!kind) continue;
      let view = shown.parts.get(id);
      if (!view) {
        view = kind === "tool" ? new ToolRow(root) : new TextPart(message.info.role);
        shown.parts.set(id, view);
      }
      view.update(part, waits(part));
      nodes.push(view.node);
    }
    arrange(shown.body, nodes);
  }
}

function kindOf(part) {
  if (part.type === "tool") return "tool";
  if (part.type === "text" && part.text && !part.synthetic && !part.ignored) return "text";
  return null;
}

class TextPart {
  #part = null;

  constructor(role) {
    this.node = el("div", { class: role === "user" ? "said" : "markdown" });
    this.markdown = role === "user" ? null : new MarkdownView(this.node);
  }

  update(part) {
    if (part === this.#part) return;
    this.#part = part;
    if (this.markdown) this.markdown.update(part.text);
    else setText(this.node, part.text);
  }
}

class ToolRow {
  #part = null;
  #waits = null;

  constructor(root) {
    this.root = root;
    this.title = el("span", { class: "tool-title" });
    this.detail = el("span", { class: "tool-detail" });
    this.state = el("span", { class: "tool-state" });
    this.output = el("pre", { tabindex: "0" });
    this.node = el(
      "details",
      { class: "tool" },
      el("summary", {}, el("span", { class: "tool-mark", "aria-hidden": "true" }), this.title, this.detail, this.state),
      this.output,
    );
  }

  update(part, waits) {
    if (part === this.#part && waits === this.#waits) return;
    this.#part = part;
    this.#waits = waits;
    const { title, detail } = toolWords(part, this.root);
    const [name, word] = toolState(part, waits);
    setText(this.title, title);
    setText(this.detail, detail);
    setText(this.state, word);
    this.node.dataset.state = name;
    setText(this.output, report(part));
  }
}

function report(part) {
  const { input = {}, output = "", error = "" } = part.state ?? {};
  const asked = Object.entries(input).map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value, null, 2)}`);
  const text = [...asked, error || output].filter(Boolean).join("\n\n");
  const rest = text.length - LONGEST_OUTPUT;
  return rest > 0 ? `${text.slice(0, LONGEST_OUTPUT)}\n… ${rest} more characters` : text || "Nothing yet.";
}
