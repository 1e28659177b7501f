// Start: find the link, check it, open the workspace; or ask for a link.
import { Api } from "./api.js";
import { baseOf, forget, recall, remember, takeFromAddress } from "./connection.js";
import { setUpConnect, showConnect } from "./connect-view.js";
import { byId, show } from "./dom.js";
import { Workbench } from "./workbench.js";

const base = baseOf(location.pathname);
let workbench = null;
let attempts = 0;

setUpConnect((link, lasting) => {
  remember(link.base, link.token, lasting);
  if (link.base === base) connect();
  else location.assign(`${link.base}/`);
});
byId("disconnect").onclick = () => leave("");
addEventListener("hashchange", begin); // a link pasted into the address bar of this very page
begin();

function begin() {
  const given = takeFromAddress();
  if (given) remember(base, given, true);
  if (given || !workbench) connect();
}

/** Opens the workspace `wanted`, else the host's active one; a later call overtakes this one. */
async function connect(wanted = null) {
  const attempt = ++attempts;
  workbench?.stop();
  workbench = null;
  const token = recall(base);
  show(byId("app"), false);
  show(byId("connect"), false);
  if (!token) {
    showConnect();
    return;
  }
  show(byId("waiting"), true);
  try {
    const found = await lookUp(new Api(base, token), wanted);
    if (attempt !== attempts) return;
    workbench = new Workbench(found);
    show(byId("app"), true);
    workbench.start();
  } catch (error) {
    if (attempt !== attempts) return;
    // A host that is merely away keeps its token; a token that is refused is worth nothing.
    if (error.status === 401) leave(error.words);
    else showConnect(error.words ?? error.message);
  } finally {
    if (attempt === attempts) show(byId("waiting"), false);
  }
}

/** What a workbench needs to know. */
async function lookUp(api, wanted) {
  const [status, who, workspaces] = await Promise.all([api.get("/status"), api.get("/whoami"), api.get("/workspaces")]);
  const served = workspaces.items.filter(({ unavailable }) => !unavailable);
  const workspace = served.find(({ id }) => id === wanted) ?? status.workspace;
  if (!workspace) throw new Error("This host has no workspace yet. Ask its owner to add a folder.");
  return {
    api: api.below(`/w/${workspace.id}`),
    scope: who.actor.scope,
    workspace,
    workspaces: served,
    approves: status.approval.mode === "manual",
    onRefused: (error) => leave(error.words),
    onSwitch: (id) => connect(id),
  };
}

function leave(problem) {
  attempts += 1;
  show(byId("waiting"), false);
  workbench?.stop();
  workbench = null;
  forget(base);
  show(byId("app"), false);
  showConnect(problem);
}
