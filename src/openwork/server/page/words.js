// The engine's terms in plain words. No DOM.

const TOOLS = {
  read: ["Read", "filePath"],
  write: ["Write", "filePath"],
  edit: ["Edit", "filePath"],
  multiedit: ["Edit", "filePath"],
  patch: ["Edit files", ""],
  apply_patch: ["Edit files", ""],
  bash: ["Run a command", "command"],
  glob: ["Find files", "pattern"],
  grep: ["Search in files", "pattern"],
  list: ["List a folder", "path"],
  webfetch: ["Open a web page", "url"],
  websearch: ["Search the web", "query"],
  question: ["Ask you", ""],
  task: ["Give a part to a helper", "description"],
  skill: ["Use a skill", "name"],
  todowrite: ["Update the plan", ""],
  todoread: ["Look at the plan", ""],
};

/** A path as the user knows it: relative to the workspace when it lies inside. */
export function shortPath(path, root) {
  return root && path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path;
}

/** The name of a tool and what it is used on. */
export function toolWords(part, root) {
  const [title, field] = TOOLS[part.tool] ?? [part.tool, ""];
  const input = part.state?.input ?? {};
  const value = field ? input[field] : "";
  return { title, detail: typeof value === "string" ? shortPath(value, root) : "" };
}

/** The state of a tool call: a name for the style sheet and the word to show. */
export function toolState(part, waits) {
  const { status, error = "" } = part.state ?? {};
  if (status === "completed") return ["completed", "Completed"];
  if (status === "error" && /rejected permission|denied|dismissed/i.test(error)) return ["refused", "Refused"];
  if (status === "error" && /abort/i.test(error)) return ["refused", "Stopped"];
  if (status === "error") return ["failed", "Failed"];
  return waits ? ["waiting", "Waits for permission"] : ["running", "Running"];
}

const PERMISSIONS = {
  edit: { title: "Change a file?", can: "change any file of this workspace" },
  bash: { title: "Run a command?", can: "run commands like this one" },
  webfetch: { title: "Open a web page?", can: "open web pages like this one" },
  websearch: { title: "Search the web?", can: "search the web" },
  read: { title: "Read a file?", can: "read files like this one" },
  external_directory: { title: "Use a folder outside this workspace?", can: "use that folder" },
  doom_loop: { title: "The same step was repeated. Go on?", can: "repeat steps" },
  task: { title: "Give a part to a helper?", can: "start helpers like this one" },
};

/**
 * A permission request in plain words.
 * @returns {{title: string, what: string, isCode: boolean, lasting: string, diff: string, note: string}}
 */
export function permissionWords(request, root) {
  const metadata = request.metadata ?? {};
  const known = PERMISSIONS[request.permission];
  const path = metadata.filepath ?? metadata.filePath ?? metadata.path;
  const isNew = /^@@ -0,0 /m.test(metadata.diff ?? "");
  const what = metadata.command ?? metadata.url ?? (path && shortPath(path, root)) ?? (request.patterns ?? []).join(", ");
  const always = (request.always ?? []).filter((pattern) => pattern !== "*").join(", ");
  const can = known?.can ?? `use “${request.permission}”`;
  return {
    title: isNew && request.permission === "edit" ? "Create a file?" : (known?.title ?? `Use “${request.permission}”?`),
    what,
    isCode: request.permission === "bash",
    lasting: `“Always allow” lasts: from then on the agent can ${can}${always ? ` (${always})` : ""} without asking.`,
    diff: metadata.diff ?? "",
    note: diffNote(metadata.diff),
  };
}

function diffNote(diff) {
  if (!diff) return "";
  const body = diff.split("\n").filter((line) => !/^(\+\+\+|---) /.test(line));
  const added = body.filter((line) => line.startsWith("+")).length;
  const removed = body.filter((line) => line.startsWith("-")).length;
  return [added && `${lines(added)} added`, removed && `${lines(removed)} removed`].filter(Boolean).join(", ");
}

function lines(count) {
  return count === 1 ? "1 line" : `${count} lines`;
}

/** What a message's or session's `error` means for the user; null when the user stopped it. */
export function engineProblem(error) {
  if (!error || error.name === "MessageAbortedError") return null;
  return error.data?.message ?? error.message ?? error.name ?? "The engine reported an error.";
}

/** A session's name for the list. */
export function sessionTitle(session) {
  const title = session?.title ?? "";
  return !title || /^New session - /.test(title) ? "New task" : title;
}

export const SCOPES = {
  owner: "Owner",
  collaborator: "Collaborator",
  viewer: "Viewer",
};

/** When something began, as short as it can be understood: the time of today, else the day. */
export function timeWords(milliseconds, now = new Date()) {
  const then = new Date(milliseconds);
  if (then.toDateString() === now.toDateString()) return then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const sameYear = then.getFullYear() === now.getFullYear();
  return then.toLocaleDateString([], { day: "numeric", month: "short", year: sameYear ? undefined : "numeric" });
}
