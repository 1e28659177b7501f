// Where a task is typed, sent and stopped.
import { byId, setText, show } from "./dom.js";

const TOUCH = "(pointer: coarse)";

export class ComposerView {
  #field = byId("task");
  #sending = false;
  #busy = false;

  /**
   * @param {boolean} mayWork whether the token allows tasks
   * @param {{send: (text: string) => Promise<void>, stop: () => Promise<void>}} on
   */
  constructor(mayWork, on) {
    this.mayWork = mayWork;
    this.on = on;
    byId("composer").onsubmit = (event) => {
      event.preventDefault();
      this.submit();
    };
    byId("stop").onclick = () => this.#attempt(on.stop);
    this.#field.onkeydown = (event) => {
      // A phone's keyboard has no Shift+Enter: there, Enter begins a new line.
      const sends = event.key === "Enter" && !event.shiftKey && !event.isComposing;
      if (!sends || matchMedia(TOUCH).matches) return;
      event.preventDefault();
      this.submit();
    };
    this.#field.oninput = () => this.#renderState();
    this.#field.value = "";
    this.#renderState();
  }

  /** Fills a text in and sends it. */
  async submit(text = this.#field.value) {
    const task = text.trim();
    if (!task || this.#sending || this.#busy || !this.mayWork) return;
    this.#sending = true;
    this.#renderState();
    const sent = await this.#attempt(() => this.on.send(task));
    this.#sending = false;
    if (sent && this.#field.value.trim() === task) this.#field.value = "";
    this.#renderState();
  }

  /** @param {boolean} busy whether the session works on something */
  render(busy) {
    this.#busy = busy;
    this.#renderState();
  }

  /** Puts the keyboard's place here; not on a phone, where that would open the keyboard. */
  focus() {
    if (this.mayWork && !matchMedia(TOUCH).matches) this.#field.focus({ preventScroll: true });
  }

  #help() {
    if (!this.mayWork) return "You can watch, but not give tasks: this link is for viewing only.";
    const early = this.#busy && !this.#sending && this.#field.value.trim();
    return early ? "You can send this when the agent is done, or after you stop it." : "";
  }

  async #attempt(action) {
    setText(byId("composer-problem"), "");
    try {
      await action();
      return true;
    } catch (error) {
      setText(byId("composer-problem"), error.words ?? error.message);
      return false;
    }
  }

  #renderState() {
    const hadFocus = document.activeElement === byId("stop") || document.activeElement === byId("send");
    this.#field.disabled = !this.mayWork;
    byId("send").disabled = !this.mayWork || this.#sending || !this.#field.value.trim();
    setText(byId("composer-help"), this.#help());
    show(byId("send"), !this.#busy);
    show(byId("stop"), this.#busy && this.mayWork);
    // A button that goes away must not take the keyboard's place with it.
    if (hadFocus && document.activeElement === document.body) this.focus();
  }
}
