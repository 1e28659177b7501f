// The list of tasks. On a narrow screen it opens over the conversation.
import { arrange, byId, el, setText, show } from "./dom.js";
import { sessionTitle, timeWords } from "./words.js";

export class SessionsView {
  #rows = new Map();

  /** @param {(id: string|null) => void} onChoose a session's id, or null for a new one */
  constructor(onChoose) {
    this.onChoose = (id) => {
      this.#open(false);
      onChoose(id);
    };
    byId("new-session").onclick = () => this.onChoose(null);
    byId("sessions-toggle").onclick = () => this.#open(!document.body.classList.contains("sidebar-open"));
    byId("sidebar").onkeydown = (event) => {
      if (event.key !== "Escape") return;
      this.#open(false);
      byId("sessions-toggle").focus();
    };
  }

  /**
   * @param {Object[]} sessions newest first
   * @param {string|null} currentId
   * @param {(id: string) => string} noteOf what to say beside a session: "", "Working", "Needs you"
   */
  render(sessions, currentId, noteOf) {
    const rows = sessions.map((session) => {
      const row = this.#row(session.id);
      const note = noteOf(session.id);
      setText(row.title, sessionTitle(session));
      row.title.title = sessionTitle(session);
      setText(row.note, note || timeWords(session.time.created));
      row.note.className = note && note !== "Working" ? "note" : "note calm";
      if (session.id === currentId) row.button.setAttribute("aria-current", "true");
      else row.button.removeAttribute("aria-current");
      return row.item;
    });
    arrange(byId("sessions"), rows);
    show(byId("no-sessions"), sessions.length === 0);
  }

  #row(id) {
    let row = this.#rows.get(id);
    if (!row) {
      const title = el("span", { class: "title" });
      const note = el("span", { class: "note" });
      const button = el("button", { type: "button", onclick: () => this.onChoose(id) }, title, note);
      row = { item: el("li", {}, button), button, title, note };
      this.#rows.set(id, row);
    }
    return row;
  }

  #open(open) {
    document.body.classList.toggle("sidebar-open", open);
    byId("sessions-toggle").setAttribute("aria-expanded", String(open));
    if (open) byId("new-session").focus();
  }
}
