// Start: find the link, check it, open the workspace; or ask for a link.
import { Api } from "./api.js";
import { baseOf, forget, recall, remember, takeFromAddress } from "./connection.js";
import { setUpConnect, showConnect } from "./connect-view.js";
import { byId, show } from "./dom.js";
import { Workbench } from "./workbench.js";

const base = baseOf(location.pathname);
let workbench = null;

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

async function connect() {
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
    workbench = await open(new Api(base, token));
  } catch (error) {
    // A host that is merely away keeps its token; a token that is refused is worth nothing.
    if (error.status === 401) leave(error.words);
    else showConnect(error.words ?? error.message);
  } finally {
    show(byId("waiting"), false);
  }
}

async function open(api) {
  const [status, who, workspaces] = await Promise.all([api.get("/status"), api.get("/whoami"), api.get("/workspaces")]);
  const workspace = status.workspace;
  if (!workspace) throw new Error("This host has no workspace yet. Ask its owner to add a folder.");
  const opened = new Workbench({
    api: api.below(`/w/${workspace.id}`),
    scope: who.actor.scope,
    workspace,
    workspaces: workspaces.items,
    approves: status.approval.mode === "manual",
    onRefused: (error) => leave(error.words),
  });
  show(byId("app"), true);
  opened.start();
  return opened;
}

function leave(problem) {
  workbench?.stop();
  workbench = null;
  forget(base);
  show(byId("app"), false);
  showConnect(problem);
}
