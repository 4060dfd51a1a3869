/** What the sender of one subflow tells a probe: the ranges that were lost, what was sampled, and each change of window and recovery. Made only where somebody watches. */

import type { Micros, PathIndex } from "../plugin.ts";
import type { SafeProbe } from "./probe.ts";
import type { Recovery } from "./recovery.ts";

/** Who tells the probe of one sender. */
export class Witness {
  readonly #probe: SafeProbe;
  readonly #connection: number;
  readonly #path: PathIndex;
  /** Edges of the ranges lost since they were last told, in pairs. */
  readonly #lost: number[] = [];
  #cwnd = -1;
  #ssthresh = -1;
  #recovery: Recovery["kind"] = "open";

  /** Of the subflow `path` of `connection`. */
  constructor(probe: SafeProbe, connection: number, path: PathIndex) {
    this.#probe = probe;
    this.#connection = connection;
    this.#path = path;
  }

  /** [from, to) is lost; adjoining ranges are told as one. */
  loses(from: number, to: number): void {
    const lost = this.#lost;
    if (lost.length > 0 && lost.at(-1) === from) lost[lost.length - 1] = to;
    else lost.push(from, to);
  }

  /** Tells of what was lost. */
  lost(why: "ack" | "reordering" | "timeout" | "size", now: Micros): void {
    const lost = this.#lost;
    for (let i = 0; i < lost.length; i += 2) {
      this.#probe.segmentLost(now, this.#connection, this.#path, lost[i]!, lost[i + 1]!, why);
    }
    lost.length = 0;
  }

  /** [from, to) has left again. */
  repeats(from: number, to: number, times: number, now: Micros): void {
    this.#probe.segmentRetransmitted(now, this.#connection, this.#path, from, to, times);
  }

  /** A round trip was measured, and `rtt` has taken it in. */
  sampled(
    sample: Micros,
    rtt: { readonly srtt: Micros; readonly rttVar: Micros; readonly rto: Micros },
    now: Micros,
  ): void {
    const { srtt, rttVar, rto } = rtt;
    this.#probe.rttSampled(now, this.#connection, this.#path, sample, srtt, rttVar, rto);
  }

  /** The retransmission timer has passed. */
  timedOut(timeouts: number, rto: Micros, now: Micros): void {
    this.#probe.timedOut(now, this.#connection, this.#path, timeouts, rto);
  }

  /** Tells of recovery and windows where they are others than they were. */
  settled(
    recovery: Recovery,
    cwnd: number,
    ssthresh: number,
    inFlight: number,
    now: Micros,
  ): void {
    if (recovery.kind !== this.#recovery) {
      this.#recovery = recovery.kind;
      const until = recovery.kind === "open" ? -1 : recovery.until;
      this.#probe.recoveryChanged(now, this.#connection, this.#path, recovery.kind, until);
    }
    if (cwnd === this.#cwnd && ssthresh === this.#ssthresh) return;
    this.#cwnd = cwnd;
    this.#ssthresh = ssthresh;
    this.#probe.windowChanged(now, this.#connection, this.#path, cwnd, ssthresh, inFlight);
  }
}
