/**
 * When a path may be opened, and opened again: one rule for the first and for those that joined. One that ended, or that nobody answered on, is tried
 * again after a second, then after twice as long each time, up to a minute, for as long as its pair of addresses exists; at once when something suggests
 * that it works again. It is left alone when the peer, or this host, has said so.
 */

import type { Micros, ResetReason } from "../plugin.ts";
import { RST_OUTSTANDING, RST_PERFORMANCE, RST_PROHIBITED, RST_RESOURCE } from "../wire/mptcp.ts";

/** Wait before the first try, doubled with each. */
const FIRST_WAIT: Micros = 1e6;
/** Longest; one that lived so long begins anew with the first. */
const LONGEST_WAIT: Micros = 60e6;

/**
 * Least wait after a RST with the T flag, by its reason. RFC 8684 §3.6: "The time at which a receiver may try to re-establish this subflow is implementation
 * specific but SHOULD take into account the properties of the failure as defined by the provided reason code."
 */
function leastWait(reason: number): Micros {
  switch (reason) {
    case RST_OUTSTANDING:
      // "it is more efficient to reset and start again than it is to retransmit the queued data"
      return 0;
    case RST_RESOURCE:
      // Whoever lacks memory is not helped by another SYN at once; half-open joins of others take 15 s to expire.
      return 15e6;
    case RST_PERFORMANCE:
      // A path is seldom better a second later.
      return 30e6;
    case RST_PROHIBITED:
      // Policies are changed by people.
      return LONGEST_WAIT;
    default:
      return FIRST_WAIT;
  }
}

/** Why a path is left alone. */
type Bar =
  /** It is not. */
  | "none"
  /** Its join was refused, by whoever answered, or answered wrong (RFC 8684 §3.9.3): until its address is announced anew. */
  | "refused"
  /** Nobody answered at an address that only an ADD_ADDR tells of: until that comes again, or the network changes. */
  | "unreached"
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
  /** Nor before this, whatever else changes: the peer has asked for a while. */
  #notBefore: Micros = 0;
  #begun: Micros = -Infinity;
  #joined: Micros = Infinity;
  /** The peer's MP_TCPRST, if its RST had one. */
  #reset: ResetReason | undefined;
  /** We have ended it by a RST to open it again. */
  #replaced = false;
  #soon = false;
  #worked = false;

  /** When it may be tried; Infinity: not by itself. */
  get due(): Micros {
    return this.#bar === "none" ? this.#due : Infinity;
  }

  /** What the peer's RST has said; undefined: nothing. */
  get reset(): ResetReason | undefined {
    return this.#reset;
  }

  /** A try begins. */
  begin(now: Micros): void {
    this.#begun = now;
    this.#joined = Infinity;
    this.#replaced = this.#soon = false;
    this.#reset = undefined;
  }

  /** It carries data. */
  join(now: Micros): void {
    this.#joined = now;
    this.#worked = true;
  }

  /** It was joined once. */
  get worked(): boolean {
    return this.#worked;
  }

  /** It has carried data: the wait begins anew. */
  moved(): void {
    this.#failures = 0;
  }

  /** We end it by a RST to open it again; `soon`: without a wait. */
  replaced(soon: boolean): void {
    this.#replaced = true;
    this.#soon = soon;
  }

  /** The peer's RST had an MP_TCPRST. One without comes from a host, or a box between, that knows nothing of the path any more: as if it were transient. */
  told(reset: ResetReason): void {
    // RFC 8684 §3.6: "The host MAY use this information to decide, for example, whether it tries to re-establish the subflow immediately, later, or
    // never."
    // RFC 8684 §3.6: "the recipient of this segment MAY try to re-establish a subflow for this connection over the failed path"
    this.#reset = reset;
  }

  /**
   * It has ended, and nobody wanted that: `reason` as subflows have it, `opening`: it never carried data, `unknown`: nothing was ever reached at its far end,
   * which only an ADD_ADDR tells of.
   *
   * RFC 8684 §3.4.1: "finds that a connection set up to that IP address and port number is unsuccessful SHOULD NOT perform further connection attempts to
   * this address/port combination for this connection"
   */
  left(reason: string | undefined, opening: boolean, now: Micros, unknown = false): void {
    if (this.#bar === "permanent") return;
    const reset = this.#reset;
    const transient = this.#replaced || reset?.transient === true;
    if (reset?.transient === false) {
      // RFC 8684 §3.6: "If the error condition is considered to be Permanent, the receiver of the RST segment SHOULD NOT try to re-establish a subflow for
      // this connection over this path." Of a join that fails §3.9.3 knows an exception.
      // RFC 8684 §3.9.3: "if an MP_JOIN fails, it SHOULD NOT attempt to connect to the same IP address and port during the lifetime of the connection, unless
      // the other host refreshes the information with another ADD_ADDR option."
      this.#bar = opening ? "refused" : "permanent";
      // RFC 8684 §3.9.3: "if an MP_JOIN fails, it SHOULD NOT attempt to connect to the same IP address and port during the lifetime of the connection,
      // unless the other host refreshes the information with another ADD_ADDR option"
    } else if (reason === "refused" && !transient) this.#bar = "refused";
    else if (unknown && (reason === "timeout" || reason === "unreachable")) this.#bar = "unreached";
    else if (reason === "aborted" && !transient) this.#bar = opening ? "refused" : "permanent";
    else if (reason === "closed") this.#bar = "closed";
    if (now - this.#joined >= LONGEST_WAIT) this.#failures = 0;
    if (this.#soon) {
      this.#failures = 0;
      this.#due = now;
      return;
    }
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#failures);
    // RFC 8684 §3.6: "SHOULD take into account the properties of the failure as defined by the provided reason code"
    if (reset === undefined || !reset.transient) this.#due = now + wait;
    else {
      const least = leastWait(reset.reason);
      this.#due = least === 0 && this.#failures === 0
        ? Math.max(now, this.#begun + FIRST_WAIT)
        : now + Math.max(wait, least);
      if (least > FIRST_WAIT) this.#notBefore = this.#due;
    }
    this.#failures++;
  }

  /** Something has changed that may make it work: no wait but for the least between two tries, and what the peer has asked for. */
  hasten(now: Micros): void {
    if (this.#bar === "unreached") this.#bar = "none";
    this.#failures = 0;
    this.#due = Math.max(now, this.#begun + FIRST_WAIT, this.#notBefore);
  }

  /** The path manager asks for it anew: at once. */
  ask(): void {
    if (this.#bar === "closed" || this.#bar === "unreached") this.#bar = "none";
    this.#failures = 0;
    this.#due = 0;
  }

  /** The peer announces its address anew; true when that lifts a bar. */
  invite(now: Micros): boolean {
    const lifted = this.#bar !== "none" && this.#bar !== "permanent";
    if (lifted) this.#bar = "none";
    this.#notBefore = 0;
    this.hasten(now);
    return lifted;
  }
}
