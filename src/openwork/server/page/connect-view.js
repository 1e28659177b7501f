// The form that takes a connect link.
import { addressOf, parseLink } from "./connection.js";
import { byId, setText, show } from "./dom.js";

/**
 * Makes the form work. It is shown with {@link showConnect}.
 * @param {(link: {base: string, token: string}, lasting: boolean) => void} onLink a link of this page's own origin
 */
export function setUpConnect(onLink) {
  const field = byId("connect-link");
  byId("connect-form").addEventListener("submit", (event) => {
    event.preventDefault();
    let link;
    try {
      link = parseLink(field.value, { origin: location.origin, pathname: location.pathname });
    } catch (error) {
      showProblem(error.message);
      return;
    }
    if (link.origin === location.origin) onLink(link, byId("connect-remember").checked);
    else offerOther(link);
  });
  field.addEventListener("input", () => showProblem(""));
}

/** Shows the form, with what went wrong. */
export function showConnect(problem = "") {
  show(byId("connect"), true);
  byId("connect-link").value = "";
  showProblem(problem);
  byId("connect-link").focus();
}

/** Another host's page is served by that host: this page may talk to its own only. */
function offerOther(link) {
  const { host } = new URL(link.origin);
  showProblem(`This link leads to another host, ${host}. Its own page will open; the link goes to that host only.`);
  const other = byId("connect-elsewhere");
  other.href = addressOf(link);
  setText(other, `Open ${host}`);
  show(other, true);
  other.focus();
}

function showProblem(text) {
  setText(byId("connect-error"), text);
  byId("connect-link").setAttribute("aria-invalid", text ? "true" : "false");
  show(byId("connect-elsewhere"), false);
}
