/** How many challenge ACKs one flow sends (RFC 5961 §7). */

import type { Micros } from "../plugin.ts";

/** Most in a period; both are the example of RFC 5961 §7. */
const MOST = 10;
const PERIOD: Micros = 5e6;

/** The allowance of one flow. One for the whole host could be counted from outside, and so tell of others' connections (CVE-2016-5696). */
export class Challenges {
  #sent = 0;
  #since: Micros = -Infinity;

  /** Whether one more may be sent. */
  take(now: Micros): boolean {
    if (now - this.#since >= PERIOD) {
      this.#since = now;
      this.#sent = 0;
    }
    return ++this.#sent <= MOST;
  }
}
