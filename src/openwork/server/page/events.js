// The engine's events as they happen. EventSource cannot send a token, so the stream is read by hand.

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 10_000;
const SILENCE_MS = 45_000; // the engine sends a heartbeat about every 10 s

/**
 * Follows an event stream until stopped, and connects again when it breaks.
 * @param {import("./api.js").Api} api
 * @param {string} path
 * @param {Object} on
 * @param {(event: {type: string, properties: Object}) => void} on.event
 * @param {() => Promise<void>} on.connected events may have been missed: read state again. Later events wait for it.
 * @param {(error: Error|null) => void} on.lost the stream broke and is tried again
 * @param {(error: Error) => void} on.refused the token does not open it: given up
 * @returns {{stop: () => void}}
 */
export function followEvents(api, path, on) {
  const stopping = new AbortController();
  let wake = () => {};
  const nudge = () => {
    if (document.visibilityState === "visible") wake();
  };
  addEventListener("online", nudge);
  document.addEventListener("visibilitychange", nudge);
  run();
  return {
    stop() {
      removeEventListener("online", nudge);
      document.removeEventListener("visibilitychange", nudge);
      stopping.abort();
      wake();
    },
  };

  async function run() {
    let waitMs = FIRST_WAIT_MS;
    while (!stopping.signal.aborted) {
      let failed = null;
      try {
        await readOnce(api, path, stopping.signal, async (event) => {
          if (event.type === "server.connected") {
            await on.connected();
            waitMs = FIRST_WAIT_MS;
          } else {
            on.event(event);
          }
        });
      } catch (error) {
        failed = error;
      }
      if (stopping.signal.aborted) return;
      if (failed?.status === 401) {
        on.refused(failed);
        return;
      }
      on.lost(failed);
      const jittered = waitMs * (0.75 + Math.random() / 2);
      await new Promise((resolve) => {
        wake = resolve;
        setTimeout(resolve, jittered);
      });
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    }
  }
}

async function readOnce(api, path, stopped, handle) {
  const ending = new AbortController();
  const end = () => ending.abort();
  stopped.addEventListener("abort", end);
  let timer = setTimeout(end, SILENCE_MS);
  try {
    const response = await api.stream(path, ending.signal);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new EventParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
      for (const data of parser.push(value)) await handle(JSON.parse(data));
    }
  } finally {
    clearTimeout(timer);
    stopped.removeEventListener("abort", end);
    ending.abort();
  }
}

/** Cuts a text stream into the data of its events (HTML standard, server-sent events). */
export class EventParser {
  #rest = "";
  #data = [];

  /** The data of the events that `text` completes. */
  push(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    const complete = [];
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length) complete.push(this.#data.join("\n"));
        this.#data = [];
      } else if (line.startsWith("data:")) {
        this.#data.push(line.slice(5).replace(/^ /, ""));
      }
    }
    return complete;
  }
}
