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

/** What has gone wrong with a path so far, or was said against it: most never have any of it. */
class Failures {
  bar: Bar = "none";
  count = 0;
  /** No try before. */
  due: Micros = 0;
  /** Nor before this, whatever else changes: the peer has asked for a while. */
  notBefore: Micros = 0;
  /** The peer's MP_TCPRST, if its RST had one. */
  reset: ResetReason | undefined = undefined;
  /** We have ended it by a RST to open it again. */
  replaced = false;
  soon = false;
}

/** The tries of one path. */
export class Reopening {
  /** When the last try began; null: before the first. */
  #begun: Micros | null = null;
  /** When that came to carry data; null: not yet. */
  #joined: Micros | null = null;
  /** Made for the first. */
  #failures: Failures | null = null;

  /** When it may be tried; Infinity: not by itself. */
  get due(): Micros {
    const failures = this.#failures;
    if (failures === null) return 0;
    return failures.bar === "none" ? failures.due : Infinity;
  }

  /** What the peer's RST has said; undefined: nothing. */
  get reset(): ResetReason | undefined {
    return this.#failures?.reset;
  }

  /** A try begins. */
  begin(now: Micros): void {
    this.#begun = now;
    this.#joined = null;
    const failures = this.#failures;
    if (failures === null) return;
    failures.replaced = failures.soon = false;
    failures.reset = undefined;
  }

  /** It carries data. */
  join(now: Micros): void {
    this.#joined = now;
  }

  /** It has carried data: the wait begins anew. */
  moved(): void {
    if (this.#failures !== null) this.#failures.count = 0;
  }

  /** We end it by a RST to open it again; `soon`: without a wait. */
  replaced(soon: boolean): void {
    const failures = this.#failures ??= new Failures();
    failures.replaced = true;
    failures.soon = soon;
  }

  /** The peer's RST had an MP_TCPRST. One without comes from a host, or a box between, that knows nothing of the path any more: as if it were transient. */
  told(reset: ResetReason): void {
    // RFC 8684 §3.6: "The host MAY use this information to decide, for example, whether it tries to re-establish the subflow immediately, later, or
    // never."
    // RFC 8684 §3.6: "the recipient of this segment MAY try to re-establish a subflow for this connection over the failed path"
    (this.#failures ??= new Failures()).reset = reset;
  }

  /**
   * It has ended, and nobody wanted that: `reason` as subflows have it, `opening`: it never carried data, `unknown`: nothing was ever reached at its far end,
   * which only an ADD_ADDR tells of.
   *
   * RFC 8684 §3.4.1: "finds that a connection set up to that IP address and port number is unsuccessful SHOULD NOT perform further connection attempts to
   * this address/port combination for this connection"
   */
  left(reason: string | undefined, opening: boolean, now: Micros, unknown = false): void {
    const failures = this.#failures ??= new Failures();
    if (failures.bar === "permanent") return;
    const { reset } = failures;
    const transient = failures.replaced || reset?.transient === true;
    if (reset?.transient === false) {
      // RFC 8684 §3.6: "If the error condition is considered to be Permanent, the receiver of the RST segment SHOULD NOT try to re-establish a subflow for
      // this connection over this path." Of a join that fails §3.9.3 knows an exception.
      // RFC 8684 §3.9.3: "if an MP_JOIN fails, it SHOULD NOT attempt to connect to the same IP address and port during the lifetime of the connection, unless
      // the other host refreshes the information with another ADD_ADDR option."
      failures.bar = opening ? "refused" : "permanent";
      // RFC 8684 §3.9.3: "if an MP_JOIN fails, it SHOULD NOT attempt to connect to the same IP address and port during the lifetime of the connection,
      // unless the other host refreshes the information with another ADD_ADDR option"
    } else if (reason === "refused" && !transient) failures.bar = "refused";
    else if (unknown && (reason === "timeout" || reason === "unreachable")) {
      failures.bar = "unreached";
    } else if (reason === "aborted" && !transient) failures.bar = opening ? "refused" : "permanent";
    else if (reason === "closed") failures.bar = "closed";
    if (this.#joined !== null && now - this.#joined >= LONGEST_WAIT) failures.count = 0;
    if (failures.soon) {
      failures.count = 0;
      failures.due = now;
      return;
    }
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** failures.count);
    // RFC 8684 §3.6: "SHOULD take into account the properties of the failure as defined by the provided reason code"
    if (reset === undefined || !reset.transient) failures.due = now + wait;
    else {
      const least = leastWait(reset.reason);
      failures.due = least === 0 && failures.count === 0
        ? Math.max(now, (this.#begun ?? -Infinity) + FIRST_WAIT)
        : now + Math.max(wait, least);
      if (least > FIRST_WAIT) failures.notBefore = failures.due;
    }
    failures.count++;
  }

  /** Something has changed that may make it work: no wait but for the least between two tries, and what the peer has asked for. */
  hasten(now: Micros): void {
    // What was never tried, and against which nothing was said, is due in any case.
    const failures = this.#failures;
    if (failures === null) return;
    if (failures.bar === "unreached") failures.bar = "none";
    failures.count = 0;
    failures.due = Math.max(now, (this.#begun ?? -Infinity) + FIRST_WAIT, failures.notBefore);
  }

  /** The path manager asks for it anew: at once. */
  ask(): void {
    const failures = this.#failures;
    if (failures === null) return;
    if (failures.bar === "closed" || failures.bar === "unreached") failures.bar = "none";
    failures.count = 0;
    failures.due = 0;
  }

  /** The peer announces its address anew; true when that lifts a bar. */
  invite(now: Micros): boolean {
    const failures = this.#failures;
    if (failures === null) return false;
    const lifted = failures.bar !== "none" && failures.bar !== "permanent";
    if (lifted) failures.bar = "none";
    failures.notBefore = 0;
    this.hasten(now);
    return lifted;
  }
}
