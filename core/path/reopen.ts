/**
 * When a path may be opened, and opened again: one rule for the first and for those that joined. One that ended, or that nobody answered on, is tried
 * again after a second, then after twice as long each time, up to a minute, for as long as its pair of addresses exists; at once when something suggests
 * that it works again. It is left alone when the peer, or this host, has said so.
 */

import type { Micros } from "../plugin.ts";

/** Wait before the first try, doubled with each. */
const FIRST_WAIT: Micros = 1e6;
/** Longest; one that lived so long begins anew with the first. */
const LONGEST_WAIT: Micros = 60e6;

/** Why a path is left alone. */
type Bar =
  /** It is not. */
  | "none"
  /** Its join was refused, by whoever answered, or answered wrong (RFC 8684 §3.9.3): until its address is announced anew. */
  | "refused"
  /** The peer closed it in order: until it, or the path manager, asks for it anew. */
  | "closed"
  /** An MP_TCPRST without the T flag has ended it, from either side (RFC 8684 §3.6): for good. */
  | "permanent";

/** The tries of one path. */
export class Reopening {
  #bar: Bar = "none";
  #failures = 0;
  /** No try before. */
  #due: Micros = 0;
  #begun: Micros = -Infinity;
  #joined: Micros = Infinity;
  #transient = false;
  #soon = false;

  /** When it may be tried; Infinity: not by itself. */
  get due(): Micros {
    return this.#bar === "none" ? this.#due : Infinity;
  }

  /** A try begins. */
  begin(now: Micros): void {
    this.#begun = now;
    this.#joined = Infinity;
    this.#transient = this.#soon = false;
  }

  /** It carries data. */
  join(now: Micros): void {
    this.#joined = now;
  }

  /** It has carried data: the wait begins anew. */
  moved(): void {
    this.#failures = 0;
  }

  /** We end it by a RST to open it again; `soon`: without a wait. */
  replaced(soon: boolean): void {
    this.#transient = true;
    this.#soon = soon;
  }

  /** The peer's RST had an MP_TCPRST. One without comes from a host, or a box between, that knows nothing of the path any more: as if it were transient. */
  told(transient: boolean): void {
    if (transient) this.#transient = true;
    else this.#bar = "permanent";
  }

  /** It has ended, and nobody wanted that: `reason` as subflows have it, `opening`: it never carried data. */
  left(reason: string | undefined, opening: boolean, now: Micros): void {
    if (this.#bar === "permanent") return;
    if (reason === "refused" && !this.#transient) this.#bar = "refused";
    else if (reason === "aborted" && !this.#transient) {
      this.#bar = opening ? "refused" : "permanent";
    } else if (reason === "closed") this.#bar = "closed";
    if (now - this.#joined >= LONGEST_WAIT) this.#failures = 0;
    if (this.#soon) {
      this.#failures = 0;
      this.#due = now;
      return;
    }
    this.#due = now + Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#failures);
    this.#failures++;
  }

  /** Something has changed that may make it work: no wait but for the least between two tries. */
  hasten(now: Micros): void {
    this.#failures = 0;
    this.#due = Math.max(now, this.#begun + FIRST_WAIT);
  }

  /** The path manager asks for it anew: at once. */
  ask(): void {
    if (this.#bar === "closed") this.#bar = "none";
    this.#failures = 0;
    this.#due = 0;
  }

  /** The peer announces its address anew; true when that lifts a bar. */
  invite(now: Micros): boolean {
    const lifted = this.#bar === "refused" || this.#bar === "closed";
    if (lifted) this.#bar = "none";
    this.hasten(now);
    return lifted;
  }
}
