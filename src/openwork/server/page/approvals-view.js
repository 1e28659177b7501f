// Changes of the workspace that other clients asked for and that wait for the owner.
import { byId, el, show, arrange } from "./dom.js";
import { shortPath } from "./words.js";

const POLL_MS = 3000;

/**
 * Looks for waiting changes every few seconds while the page is visible.
 * @param {import("./api.js").Api} api below the workspace
 * @param {string} root the workspace's folder
 * @param {(text: string) => void} announce
 * @returns {{stop: () => void}}
 */
export function watchApprovals(api, root, announce) {
  const cards = new Map();
  const timer = setInterval(() => {
    if (document.visibilityState === "visible") look();
  }, POLL_MS);
  look();
  return { stop: () => clearInterval(timer) };

  async function look() {
    let items;
    try {
      ({ items } = await api.get("/approvals"));
    } catch (error) {
      // A lost connection is told by the event stream, which tries again; so does this.
      if (error.code === "unreachable" || error.status === 401) return;
      items = [];
      announce(error.words ?? error.message);
    }
    const waiting = new Set(items.map((item) => item.id));
    for (const id of cards.keys()) if (!waiting.has(id)) cards.delete(id);
    for (const item of items) {
      if (cards.has(item.id)) continue;
      cards.set(item.id, card(item));
      announce(`A change waits for you: ${item.summary}`);
    }
    arrange(byId("approvals"), [...cards.values()]);
    show(byId("approvals"), cards.size > 0);
  }

  function card(item) {
    const problem = el("p", { class: "problem", role: "alert" });
    const answer = async (reply) => {
      try {
        await api.post(`/approvals/${item.id}`, { reply });
      } catch (error) {
        problem.textContent = error.words ?? error.message;
      }
      await look();
    };
    return el(
      "section",
      { class: "card", "aria-label": "A change waits for you" },
      el("h2", {}, item.summary),
      el("p", { class: "quiet" }, item.paths.map((path) => shortPath(path, root)).join(", ")),
      el(
        "div",
        { class: "buttons" },
        el("button", { class: "primary", type: "button", onclick: () => answer("allow") }, "Allow"),
        el("button", { type: "button", onclick: () => answer("deny") }, "Deny"),
      ),
      problem,
    );
  }
}
