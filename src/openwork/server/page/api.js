// Requests to the server that this page came from, and failures in plain words.

/** A request that failed. `code` is the server's, or `unreachable`; `hint` may be empty. */
export class ApiError extends Error {
  constructor({ status = 0, code = "", message, hint = "" }) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }

  /** Message and hint as one text for the user. */
  get words() {
    return this.hint ? `${this.message} ${this.hint}` : this.message;
  }
}

/** The API below one base address, with one token. */
export class Api {
  /** @param {string} base `/w/<id>` or the empty string */
  constructor(base, token) {
    this.base = base;
    this.token = token;
  }

  /** The same token below another base. */
  below(base) {
    return new Api(base, this.token);
  }

  get(path) {
    return this.#json("GET", path);
  }

  post(path, body = undefined) {
    return this.#json("POST", path, body);
  }

  /** The response of an event stream, its body unread. */
  stream(path, signal) {
    return this.#request("GET", path, { signal, headers: { accept: "text/event-stream" } });
  }

  async #json(method, path, body) {
    const headers = { accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const response = await this.#request(method, path, { headers, body: sent });
    const text = await response.text();
    return text ? JSON.parse(text) : null;
  }

  async #request(method, path, { headers, body, signal }) {
    let response;
    try {
      response = await fetch(this.base + path, {
        method,
        body,
        signal,
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        headers: { ...headers, authorization: `Bearer ${this.token}` },
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError({
        code: "unreachable",
        message: "The host cannot be reached.",
        hint: "Check that OpenWork still runs there and that this device is on its network.",
      });
    }
    if (!response.ok) throw await failure(response);
    return response;
  }
}

/** Our errors are `{code, message, hint}`, the engine's `{name, data: {message}}`. */
async function failure(response) {
  const status = response.status;
  let body = null;
  try {
    body = await response.json();
  } catch {
    return new ApiError({ status, message: `The host answered with status ${status}.` });
  }
  if (status === 401) {
    return new ApiError({
      status,
      code: "unauthorized",
      message: "This link is not valid, or not any more.",
      hint: "Ask the person who runs OpenWork for a new one.",
    });
  }
  if (status === 404 && body?.code === "workspace_not_found") {
    return new ApiError({
      status,
      code: body.code,
      message: "This host does not have the workspace that the link names.",
      hint: "Ask the person who runs OpenWork for a new link.",
    });
  }
  return new ApiError({
    status,
    code: body?.code ?? body?.name ?? "",
    message: body?.message ?? engineMessage(body) ?? `The host answered with status ${status}.`,
    hint: body?.hint ?? "",
  });
}

function engineMessage(body) {
  const message = body?.data?.message;
  if (!message) return null;
  // One damaged file of the workspace makes the engine refuse everything: name it.
  return body.data.path ? `${message} (in ${body.data.path})` : message;
}
