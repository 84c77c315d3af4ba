// Asks the server how it is, about once a second while someone looks.

import { page } from "./urls.js";

const INTERVAL_MS = 1000;
const INTERVAL_MAX_MS = 15000;
const TIMEOUT_MS = 5000;

export async function get(path) {
  const url = new URL(`api/v1/${path}`, page());
  const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  const body = await answer.json().catch(() => null);
  if (!answer.ok) {
    const words = body?.error?.message ?? `status ${answer.status}`;
    throw Object.assign(new Error(words), { status: answer.status });
  }
  if (body === null) throw new Error("the answer is not JSON");
  return body;
}

/**
 * Calls `ask` again and again: a second after each answer, later and later after failures, and not
 * at all while the page is hidden.
 */
export class Poll {
  #ask;
  #tell;
  #timer = null;
  #running = false;
  #again = false;
  #failures = 0;

  /** `tell` learns of each failure: the error and the milliseconds until the next try. */
  constructor(ask, tell) {
    this.#ask = ask;
    this.#tell = tell;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) clearTimeout(this.#timer);
      else this.now();
    });
    addEventListener("online", () => this.now());
  }

  /** Asks at once. What is being asked already is asked once more: it may be about another stream. */
  async now() {
    clearTimeout(this.#timer);
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = true;
    this.#again = false;
    let wait = INTERVAL_MS;
    try {
      await this.#ask();
      this.#failures = 0;
    } catch (error) {
      wait = Math.min(INTERVAL_MS * 2 ** this.#failures, INTERVAL_MAX_MS);
      this.#failures += 1;
      this.#tell(error, wait);
    }
    this.#running = false;
    if (this.#again) wait = 0;
    if (!document.hidden) this.#timer = setTimeout(() => this.now(), wait);
  }
}
