// One session's messages: a snapshot from the engine, kept up to date by its events. No DOM.

/** What an event belongs to. */
export function sessionOf(event) {
  const { sessionID, info, part } = event.properties;
  return sessionID ?? info?.sessionID ?? part?.sessionID ?? null;
}

export class Transcript {
  /** @type {Map<string, {info: Object, parts: Map<string, Object>}>} by message id, oldest first */
  messages = new Map();
  #waiting = null;

  /** From now on events wait for the snapshot. */
  expectSnapshot() {
    this.#waiting = [];
  }

  /** Takes the engine's list of messages, then the events that came meanwhile. */
  takeSnapshot(list) {
    const before = this.messages;
    this.messages = new Map();
    for (const { info, parts } of list) {
      const known = before.get(info.id)?.parts;
      const kept = parts.map((part) => [part.id, longer(part, known?.get(part.id))]);
      this.messages.set(info.id, { info, parts: new Map(kept) });
    }
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    waiting.forEach((event) => this.apply(event));
  }

  /** Applies an event of this session. Parts are replaced, never changed, so that a view can compare. */
  apply(event) {
    if (this.#waiting) {
      this.#waiting.push(event);
      return;
    }
    const { info, part, messageID, partID, field, delta } = event.properties;
    if (event.type === "message.updated") this.#message(info.id).info = info;
    else if (event.type === "message.removed") this.messages.delete(messageID);
    else if (event.type === "message.part.updated") this.#message(part.messageID).parts.set(part.id, part);
    else if (event.type === "message.part.removed") this.messages.get(messageID)?.parts.delete(partID);
    else if (event.type === "message.part.delta") {
      const parts = this.messages.get(messageID)?.parts;
      const growing = parts?.get(partID);
      if (growing && !growing.time?.end) {
        parts.set(partID, { ...growing, [field]: (growing[field] ?? "") + delta });
      }
    }
  }

  /** The newest message, or undefined. */
  get last() {
    return [...this.messages.values()].at(-1);
  }

  /** What is known of a part, or undefined. */
  part({ messageID, id }) {
    return this.messages.get(messageID)?.parts.get(id);
  }

  /** The tool part of a call, or undefined. */
  toolPart(messageID, callID) {
    const parts = this.messages.get(messageID)?.parts.values() ?? [];
    return [...parts].find((part) => part.callID === callID);
  }

  /** What the agent said in a message: its last text. */
  lastWords(messageID) {
    const parts = this.messages.get(messageID)?.parts.values() ?? [];
    return [...parts].filter((part) => part.type === "text" && part.text).at(-1)?.text ?? "";
  }

  #message(id) {
    if (!this.messages.has(id)) this.messages.set(id, { info: { id, role: "assistant" }, parts: new Map() });
    return this.messages.get(id);
  }
}

/**
 * The engine stores a growing text only when it is complete. What was already seen is not lost, and
 * what was missed is marked with “…” until the complete text arrives.
 */
function longer(part, known) {
  const grows = part.type === "text" || part.type === "reasoning";
  if (!grows || !part.time?.start || part.time.end) return part;
  const seen = known?.text ?? "";
  const stored = part.text ?? "";
  return { ...part, text: `${seen.length > stored.length ? seen : stored} … ` };
}
