// One connected workspace: holds its state, follows the engine's events, tells the views.
import { watchApprovals } from "./approvals-view.js";
import { ComposerView } from "./composer-view.js";
import { byId, el, setText, show } from "./dom.js";
import { followEvents } from "./events.js";
import { PermissionsView } from "./permissions-view.js";
import { renderPlan } from "./plan-view.js";
import { SessionsView } from "./sessions-view.js";
import { isDemo } from "./suggestions.js";
import { ThreadView } from "./thread-view.js";
import { Transcript, sessionOf } from "./transcript.js";
import { fillWelcome } from "./welcome-view.js";
import { SCOPES, engineProblem, permissionWords, sessionTitle, toolWords } from "./words.js";

const ANNOUNCED_MS = 20_000; // then the text is found in the conversation only

export class Workbench {
  #sessions = new Map();
  #statuses = new Map();
  #permissions = new Map();
  #problems = new Map();
  #todos = [];
  #currentId = null;
  #transcript = new Transcript();
  #stops = [];
  #drawing = false;
  #stopped = false;

  /**
   * @param {Object} options
   * @param {import("./api.js").Api} options.api below the workspace's mount
   * @param {"owner"|"collaborator"|"viewer"} options.scope
   * @param {{id: string, name: string, path: string}} options.workspace
   * @param {{id: string, name: string}[]} options.workspaces all that the token reaches
   * @param {boolean} options.approves whether changes of the workspace wait for the owner
   * @param {(error: Error) => void} options.onRefused the token is worth nothing any more
   * @param {(id: string) => void} options.onSwitch another workspace was chosen
   */
  constructor({ api, scope, workspace, workspaces, approves, onRefused, onSwitch }) {
    this.api = api;
    this.workspace = workspace;
    this.isOwner = scope === "owner";
    this.mayWork = scope !== "viewer";
    this.approves = approves;
    this.onRefused = onRefused;
    this.onSwitch = onSwitch;
    this.memory = `openwork.session:${workspace.id}`;
    this.sessionsView = new SessionsView((id) => this.choose(id));
    this.threadView = new ThreadView();
    this.permissionsView = new PermissionsView(this.isOwner, workspace.path, (id, reply, message) => this.reply(id, reply, message));
    this.composer = new ComposerView(this.mayWork, { send: (text) => this.send(text), stop: () => this.stopTask() });
    this.#fillBar(scope, workspaces);
  }

  /** Follows the engine until {@link stop}. */
  start() {
    this.#fillWelcome("");
    this.#currentId = sessionStorage.getItem(this.memory);
    this.#draw();
    const stream = followEvents(this.api, "/opencode/event", {
      event: (event) => this.#apply(event),
      connected: () => this.#reload(),
      lost: (error) => this.#tellLost(error),
      refused: this.onRefused,
    });
    this.#stops.push(() => stream.stop());
    if (this.isOwner && this.approves) {
      const watch = watchApprovals(this.api, this.workspace.path, (text) => this.announce(text));
      this.#stops.push(() => watch.stop());
    }
    this.composer.focus();
  }

  /** Lets go of everything and empties the page. */
  stop() {
    this.#stopped = true;
    this.#stops.forEach((stop) => stop());
    this.#stops = [];
    this.#permissions.clear();
    this.#sessions.clear();
    this.threadView.clear();
    this.permissionsView.render([], () => "");
    this.sessionsView.render([], null, () => "");
    renderPlan([]);
    byId("approvals").replaceChildren();
    show(byId("approvals"), false);
    show(byId("connection-notice"), false);
    delete byId("app").dataset.connected;
    document.title = "OpenWork";
  }

  /** Tells a screen reader. */
  announce(text) {
    const told = el("p", {}, text);
    byId("announcer").append(told);
    setTimeout(() => told.remove(), ANNOUNCED_MS);
  }

  /** Opens a session, or with null the empty page for a new one. */
  async choose(id) {
    this.#problems.delete(id);
    this.#currentId = id;
    this.#transcript = new Transcript();
    this.#todos = [];
    this.threadView.clear();
    this.#remember();
    this.#draw();
    this.composer.focus();
    try {
      if (id) await this.#loadCurrent();
    } catch (error) {
      this.#problems.set(id, error.words ?? error.message);
    }
    this.#draw();
  }

  /** Gives the task to the current session, or to a new one. */
  async send(text) {
    if (!this.#currentId) {
      const session = await this.api.post("/opencode/session", {});
      this.#sessions.set(session.id, session);
      this.#currentId = session.id;
      this.#remember();
    }
    const id = this.#currentId;
    this.#problems.delete(id);
    this.#statuses.set(id, { type: "busy" });
    this.threadView.toEnd();
    this.#draw();
    try {
      await this.api.post(`/opencode/session/${id}/prompt_async`, { parts: [{ type: "text", text }] });
    } catch (error) {
      this.#statuses.delete(id);
      this.#draw();
      throw error;
    }
  }

  /** Stops what the current session does. */
  async stopTask() {
    await this.api.post(`/opencode/session/${this.#currentId}/abort`);
  }

  /** Answers a permission request; one that was answered elsewhere meanwhile just goes away. */
  async reply(id, reply, message) {
    const body = message ? { reply, message } : { reply };
    try {
      await this.api.post(`/opencode/permission/${id}/reply`, body);
    } catch (error) {
      if (error.status !== 404) throw error;
    }
    this.#permissions.delete(id);
    this.#draw();
    this.composer.focus();
  }

  async #reload() {
    const [sessions, statuses, permissions, config] = await Promise.all([
      this.api.get("/opencode/session"),
      this.api.get("/opencode/session/status"),
      this.api.get("/opencode/permission"),
      this.api.get("/opencode/config"),
    ]);
    this.#sessions = new Map(sessions.map((session) => [session.id, session]));
    this.#statuses = new Map(Object.entries(statuses));
    this.#permissions = new Map(permissions.map((request) => [request.id, request]));
    this.#fillWelcome(config.model);
    const current = this.#sessions.get(this.#currentId);
    if (this.#currentId && !(current && this.#isHere(current))) await this.choose(null);
    else if (this.#currentId) await this.#loadCurrent();
    if (this.#stopped) return;
    show(byId("connection-notice"), false);
    byId("app").dataset.connected = "true";
    this.#draw();
  }

  async #loadCurrent() {
    const id = this.#currentId;
    const transcript = this.#transcript;
    transcript.expectSnapshot();
    const [messages, todos] = await Promise.all([
      this.api.get(`/opencode/session/${id}/message`),
      this.api.get(`/opencode/session/${id}/todo`),
    ]);
    transcript.takeSnapshot(messages);
    if (this.#currentId === id) this.#todos = todos;
  }

  #apply(event) {
    const { type, properties } = event;
    const id = sessionOf(event);
    if (type === "session.created" || type === "session.updated") this.#sessions.set(properties.info.id, properties.info);
    else if (type === "session.deleted") this.#sessions.delete(properties.info?.id ?? id);
    else if (type === "session.status") this.#statuses.set(id, properties.status);
    else if (type === "session.idle") this.#idle(id);
    else if (type === "session.error") this.#problems.set(id ?? this.#currentId, engineProblem(properties.error));
    else if (type === "permission.asked") this.#asked(properties);
    else if (type === "permission.replied") this.#permissions.delete(properties.requestID);
    else if (type === "todo.updated" && id === this.#currentId) this.#todos = properties.todos;
    else if (type.startsWith("message.") && id === this.#currentId) this.#said(event);
    else return;
    this.#draw();
  }

  /** A text of the agent is told when it is complete: word by word nobody could listen to it. */
  #said(event) {
    const { part } = event.properties;
    const isComplete = event.type === "message.part.updated" && part.type === "text" && part.time?.end;
    if (isComplete && !this.#transcript.part(part)?.time?.end) this.announce(part.text);
    this.#transcript.apply(event);
  }

  #asked(request) {
    this.#permissions.set(request.id, request);
    const { title, what } = permissionWords(request, this.workspace.path);
    this.announce(`${title} ${what}. ${this.isOwner ? "Your answer is needed." : "The owner of this host must answer."}`);
  }

  #idle(id) {
    this.#statuses.delete(id);
    for (const request of this.#permissions.values()) {
      if (request.sessionID === id) this.#permissions.delete(request.id);
    }
  }

  /** The engine goes on listing what a stopped task had asked for: that waits for nobody. */
  #waitingFor(id) {
    return [...this.#permissions.values()].filter(({ sessionID, tool }) => {
      if (!this.#belongs(sessionID, id) || !this.#isBusy(sessionID)) return false;
      const part = tool && this.#transcript.toolPart(tool.messageID, tool.callID);
      return !["completed", "error"].includes(part?.state?.status);
    });
  }

  #tellLost(error) {
    delete byId("app").dataset.connected;
    const why = error?.code && error.code !== "unreachable" ? ` ${error.words}` : "";
    setText(byId("connection-notice"), `The connection to the host is interrupted. Trying again…${why}`);
    show(byId("connection-notice"), true);
  }

  /** Draws once a frame at most, however many events come. */
  #draw() {
    if (this.#drawing || this.#stopped) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      if (!this.#stopped) this.#drawNow();
    });
  }

  #drawNow() {
    const id = this.#currentId;
    const waiting = this.#waitingFor(id);
    const calls = new Set(waiting.map((request) => request.tool?.callID));
    const top = [...this.#sessions.values()].filter((session) => !session.parentID && this.#isHere(session));
    top.sort((a, b) => b.time.updated - a.time.updated);
    this.sessionsView.render(top, id, (each) => this.#noteOf(each));
    this.threadView.render(this.#transcript, this.workspace.path, (part) => calls.has(part.callID));
    this.permissionsView.render(waiting, ({ tool }) => (tool ? this.#transcript.lastWords(tool.messageID) : ""));
    renderPlan(this.#todos);
    this.composer.render(this.#isBusy(id));
    setText(byId("run-line"), this.#runLine(waiting));
    byId("run-line").classList.toggle("busy", this.#isBusy(id) && waiting.length === 0);
    const shown = this.#transcript.last?.info.error;
    setText(byId("session-problem"), (!shown && this.#problems.get(id)) || "");
    show(byId("welcome"), !id);
    const needsYou = this.isOwner && top.some(({ id: each }) => this.#waitingFor(each).length) ? "Needs you – " : "";
    document.title = `${needsYou}${id ? sessionTitle(this.#sessions.get(id)) : this.workspace.name} – OpenWork`;
    this.threadView.keepUp();
  }

  /** The engine lists the sessions of a project, which several folders without git share. */
  #isHere({ directory }) {
    const roots = [this.workspace.path, this.workspace.opencode?.directory].filter(Boolean);
    return !directory || roots.some((root) => directory === root || directory.startsWith(`${root}/`));
  }

  #isBusy(id) {
    const type = this.#statuses.get(id)?.type;
    return type === "busy" || type === "retry";
  }

  #belongs(sessionID, id) {
    return sessionID === id || (id !== null && this.#sessions.get(sessionID)?.parentID === id);
  }

  #noteOf(id) {
    if (this.#waitingFor(id).length) return this.isOwner ? "Needs you" : "Waits for the owner";
    return this.#isBusy(id) ? "Working" : "";
  }

  #runLine(waiting) {
    if (waiting.length) return this.isOwner ? "Waiting for your answer" : "Waiting for the owner's answer";
    const status = this.#statuses.get(this.#currentId);
    if (status?.type === "retry") return `Trying again: ${status.message}`;
    if (status?.type !== "busy") return "";
    const parts = [...(this.#transcript.last?.parts.values() ?? [])];
    const tool = parts.findLast((part) => part.type === "tool" && part.state?.status === "running");
    if (tool?.tool === "question") return "The agent asks a question. This page cannot answer it yet: stop the task and send your answer.";
    return tool ? `Working: ${toolWords(tool, this.workspace.path).title.toLowerCase()}…` : "Working…";
  }

  #remember() {
    if (this.#currentId) sessionStorage.setItem(this.memory, this.#currentId);
    else sessionStorage.removeItem(this.memory);
  }

  #fillWelcome(model) {
    fillWelcome({ mayWork: this.mayWork, isDemo: isDemo(model), onTry: (prompt) => this.composer.submit(prompt) });
  }

  #fillBar(scope, workspaces) {
    setText(byId("workspace-name"), this.workspace.name);
    setText(byId("scope"), SCOPES[scope] ?? scope);
    const several = workspaces.length > 1;
    show(byId("workspace-switch"), several);
    show(byId("workspace-name"), !several);
    const choice = byId("workspace-select");
    choice.replaceChildren(...workspaces.map(({ id, name }) => el("option", { value: id, selected: id === this.workspace.id }, name)));
    choice.onchange = () => this.onSwitch(choice.value);
  }
}
