// Where this page connects to and with which token. A token is never left in the address bar.

const KEY = "openwork.token:";

/** The API's base of an address's path: `/w/<id>` or the empty string. */
export function baseOf(pathname) {
  const found = /^\/w\/[^/]+/.exec(pathname);
  return found ? found[0] : "";
}

/**
 * What a pasted connect link says.
 * @param {string} text `http://host/w/ID/#token=T`, `openwork://connect-remote?openworkHostUrl=…&openworkToken=…`,
 *   or a token alone, which is then for this page's own host
 * @param {{origin: string, pathname: string}} here the page's location
 * @returns {{origin: string, base: string, token: string}}
 * @throws {Error} with a message for the user
 */
export function parseLink(text, here) {
  const pasted = text.trim();
  if (!pasted) throw new Error("Paste the connect link first.");
  if (/^[\w.~+/=-]+$/.test(pasted) && !pasted.includes("/")) {
    return { origin: here.origin, base: baseOf(here.pathname), token: pasted };
  }
  const link = readUrl(pasted);
  const wrapped = link.searchParams.get("openworkHostUrl");
  if (link.protocol === "openwork:" && !wrapped) {
    throw new Error("This openwork:// link does not name a host.");
  }
  const target = wrapped ? readUrl(wrapped) : link;
  if (target.protocol !== "http:" && target.protocol !== "https:") {
    throw new Error("A connect link begins with http://, https:// or openwork://.");
  }
  const named = wrapped && link.searchParams.get("openworkWorkspaceId");
  const token = (wrapped && link.searchParams.get("openworkToken")) || tokenIn(target.hash);
  if (!token) throw new Error("This link has no token in it. Copy the whole link, up to its end.");
  const base = baseOf(target.pathname) || (named ? `/w/${encodeURIComponent(named)}` : "");
  return { origin: target.origin, base, token };
}

/** The token in an address's hash (`#token=…`), or null. */
export function tokenIn(hash) {
  return new URLSearchParams(hash.replace(/^#/, "")).get("token");
}

/** The page's address for a link. */
export function addressOf({ origin, base, token }) {
  return `${origin}${base}/#token=${encodeURIComponent(token)}`;
}

/** Takes a token out of the address bar, if one is there, so that it is not shared or kept in the history. */
export function takeFromAddress() {
  const token = tokenIn(location.hash);
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

/** The token kept for `base`, else the one kept for the whole host, or null. */
export function recall(base) {
  for (const key of new Set([KEY + base, KEY])) {
    const token = sessionStorage.getItem(key) ?? localStorage.getItem(key);
    if (token) return token;
  }
  return null;
}

/** Keeps a token: until the tab is closed, or, when `lasting`, on this device. */
export function remember(base, token, lasting) {
  forget(base);
  (lasting ? localStorage : sessionStorage).setItem(KEY + base, token);
}

/** Forgets what {@link recall} would answer. */
export function forget(base) {
  for (const key of [KEY + base, KEY]) {
    sessionStorage.removeItem(key);
    localStorage.removeItem(key);
  }
}

function readUrl(text) {
  try {
    return new URL(text);
  } catch {
    throw new Error("This is not a connect link. It looks like http://…/#token=…");
  }
}
