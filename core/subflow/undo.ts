/** What tells that a loss was none: an ACK of what was sent before the repeat (Eifel, RFC 3522), or the repeats came twice (D-SACK, RFC 3708). */

import type { Micros } from "../plugin.ts";

/** The repeats of one recovery, and a round trip beyond. */
export class Undo {
  #on = false;
  /** When something was first sent again; null: nothing was. Boxed once (CONTRIBUTING.md, Garbage). */
  #since: Micros | null = null;
  /** Bytes sent again that are not told to have come twice. */
  #open = 0;
  /** Of a timeout that was none: these will. */
  #known = 0;
  #original = false;
  #loss = false;
  /** SND.NXT at the end of the recovery; Infinity: it goes on. */
  #until = Infinity;
  /** Window and threshold before it. */
  #cwnd = 0;
  #ssthresh = Infinity;
  #handedOn = false;

  /** There is something to take back. */
  get on(): boolean {
    return this.#on;
  }

  /** Something was sent again. */
  get repeated(): boolean {
    return this.#since !== null;
  }

  /** What came was sent before anything was sent again, all of it. */
  get needless(): boolean {
    return this.#original && !this.#loss;
  }

  /** A recovery begins, before which window and threshold were these. What one before it has sent again counts on while D-SACKs may still tell of that: of which they do is not known. */
  begin(cwnd: number = 0, ssthresh: number = Infinity): void {
    if (!this.#on) this.#open = this.#known = 0;
    this.#on = true;
    this.#cwnd = cwnd;
    this.#ssthresh = ssthresh;
    this.#handedOn = false;
    this.#since = null;
    this.#original = this.#loss = false;
    this.#until = Infinity;
  }

  /** Another controller rules from now on: it was not told of the loss. */
  handOn(): void {
    this.#handedOn = true;
  }

  /** There is one. */
  get handedOn(): boolean {
    return this.#handedOn;
  }

  /** The window before the recovery. */
  get cwnd(): number {
    return this.#cwnd;
  }

  /** The threshold. */
  get ssthresh(): number {
    return this.#ssthresh;
  }

  /** `bytes` have left again. */
  sentAgain(bytes: number, now: Micros): void {
    this.#since ??= now;
    this.#open += bytes;
  }

  /** Something is acknowledged that was sent again; what this answers was sent before `newest`, as far as the ACK tells; Infinity: it tells nothing. */
  answered(newest: Micros): void {
    if (this.#since === null || newest <= this.#since) this.#original = true;
    else if (newest < Infinity) this.#loss = true;
  }

  /** `bytes` came twice. True when that is all that was sent again. */
  twice(bytes: number): boolean {
    const open = this.#open;
    this.#open = Math.max(0, open - bytes);
    return this.#on && open > 0 && bytes >= open;
  }

  /** The recovery is over, SND.NXT is `nxt`: what was sent again is heard of until something sent from now on is acknowledged. */
  recovered(nxt: number): void {
    this.#until = nxt;
  }

  /** All before `ack` is acknowledged. */
  acknowledged(ack: number): void {
    if (ack > this.#until) this.drop();
  }

  /** It is taken back, or the window has changed for another reason; `timeout`: it was a timeout that was none. */
  drop(timeout = false): void {
    this.#on = false;
    this.#known = timeout ? this.#open : 0;
    this.#open = 0;
  }

  /** Of `bytes` that came twice so many tell more than that a timeout was none, which is known. */
  unknown(bytes: number): number {
    const known = Math.min(this.#known, bytes);
    this.#known -= known;
    return bytes - known;
  }
}
