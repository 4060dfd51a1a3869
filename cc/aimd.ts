/** Loss-based congestion control from one formula: slow start, halving and the rest of RFC 5681 are the same for all of them. */

import type {
  AckSample,
  CongestionController,
  CongestionControlPlugin,
  ConnectionView,
  Micros,
  SubflowView,
} from "../core/plugin.ts";
import { HyStart } from "./hystart.ts";

/** A number of `name`'s options, within its range. */
export function checkRange(
  name: string,
  option: string,
  value: unknown,
  [least, most]: readonly [least: number, most: number],
): void {
  if (typeof value !== "number") {
    throw new TypeError(
      `Cannot make ${name} as '${option}' must be a number: current value is ${String(value)}`,
    );
  }
  if (value >= least && value <= most) return;
  throw new RangeError(
    `Cannot make ${name} as '${option}' must be from ${least} to ${most}: current value is ${value}`,
  );
}

/** Whether slow start is watched, as an option says; "false" in quotes is no answer. */
export function checkHystart(name: string, hystart: unknown): boolean {
  if (typeof hystart === "boolean") return hystart;
  throw new TypeError(
    `Cannot make ${name} as 'hystart' must be true or false: current value is ${
      typeof hystart === "string" ? JSON.stringify(hystart) : String(hystart)
    }`,
  );
}

/** Options that the loss-based controllers share. */
export interface SlowStartOptions {
  /**
   * Whether the first slow start watches the round trips (RFC 9406) and trains of acknowledgements. False: it goes on until a loss, as before HyStart and in most papers.
   *
   * @default {true}
   */
  readonly hystart?: boolean | undefined;
}

/** What tells one loss-based controller from another. */
export interface AimdFormula extends SlowStartOptions {
  /** Bytes by which the window, which has come to `cwnd`, grows in congestion avoidance for `acked` newly acknowledged ones; fractions add up. */
  increase(acked: number, cwnd: number): number;
  /** The window after a loss with `flightSize` bytes in flight, half of it by default; {@linkcode AimdFormula.least} is kept. */
  decrease?(flightSize: number, cause: "loss" | "ecn" | "timeout"): number;
  /** Sees each acknowledgement first. */
  sample?(ack: AckSample): void;
  /** Fewest segments that a loss leaves. @default {2, RFC 5681 eq. 4} */
  least?(): number;
  /**
   * Bytes by which slow start grows for `acked` newly acknowledged ones, and -1 when it is over at the present window; asked in place of HyStart++, and in
   * every slow start.
   */
  slowStart?(ack: AckSample, acked: number): number;
  /** What {@linkcode AimdFormula.decrease} was last asked for was none: the window before it holds again. */
  undo?(): void;
  /** Counts marks: as {@linkcode CongestionController.accurateEcn}. */
  readonly accurateEcn?: boolean;
  /** The window has changed by neither growth nor loss: after a pause, by a penalty. */
  reset?(): void;
}

/** A window that was not needed for so long is no longer believed (RFC 7661 §4.4.3). */
const NON_VALIDATED: Micros = 300e6;

/** Segments of a window of which a part of one is worth telling. */
const FEW_SEGMENTS = 40;

/** A controller around a formula. */
export class AimdController implements CongestionController {
  /** Bytes that may be in flight. */
  cwnd: number;
  /** The formula counts marks. */
  readonly accurateEcn: boolean;
  /** Null before a first loss. Boxed once (CONTRIBUTING.md, Garbage). */
  #ssthresh: number | null = null;
  readonly #subflow: SubflowView;
  readonly #connection: ConnectionView;
  readonly #formula: AimdFormula;
  /** When at least half of the window was last in use. */
  #validated: Micros;
  /** Growth below one byte. */
  #fraction = 0;
  /** Slow start is to be left in time. */
  readonly #searches: boolean;
  /** Made when it first grows in slow start. */
  #hystart: HyStart | null = null;
  #priorCwnd = 0;
  #priorSsthresh: number | null = null;

  /** Starts at the window of `subflow`, and where another controller has ruled it, at its threshold: slow start is not repeated. */
  constructor(subflow: SubflowView, connection: ConnectionView, formula: AimdFormula) {
    this.#subflow = subflow;
    this.#connection = connection;
    this.#formula = formula;
    this.#validated = connection.now;
    this.cwnd = subflow.cwnd;
    if (subflow.ssthresh < Infinity) this.#ssthresh = subflow.ssthresh;
    this.accurateEcn = formula.accurateEcn === true;
    this.#searches = formula.hystart !== false;
  }

  /** Where slow start ends. What the acknowledgements of the first one tell of the path may be taken back; it is two segments at least (RFC 5681 §3.1 eq. 4). */
  get ssthresh(): number {
    if (this.#ssthresh !== null) return this.#ssthresh;
    if (this.#hystart === null) return Infinity;
    return Math.max(2 * this.#subflow.mss, this.#hystart.threshold);
  }

  /** What a train of acknowledgements tells alone may be refuted, but only by who has seen it: to another one slow start goes on. */
  get ssthreshLeft(): number {
    return this.#ssthresh ?? Infinity;
  }

  /** Grows the window, unless something else than it held the sender back (RFC 7661). */
  onAck(ack: AckSample): void {
    this.#formula.sample?.(ack);
    if (ack.cwndLimited || ack.inFlight >= this.cwnd / 2) this.#validated = this.#connection.now;
    if (!ack.cwndLimited) return this.#unused();
    // RFC 3168 §6.1.2. A repair goes on: before its end nothing new can tell the peer that its echo was heeded.
    if (ack.marked > 0 && !this.#subflow.inRecovery) return;
    let { acked } = ack;
    if (this.#ssthresh === null || this.cwnd < this.#ssthresh) acked = this.#slowStart(ack);
    // In recovery only slow start after a timeout goes on; RFC 6675 §5 keeps the window otherwise.
    if (acked === 0 || this.#subflow.inRecovery) return;
    this.#fraction += this.#formula.increase(acked, this.cwnd);
    const whole = Math.trunc(this.#fraction);
    this.#fraction -= whole;
    this.cwnd = Math.max(this.#subflow.mss, this.cwnd + whole);
    // A formula that takes away does not mean slow start.
    if (whole < 0) this.#ssthresh = Math.min(this.ssthresh, this.cwnd);
  }

  /** RFC 7661 §4.4.3: a window of which less than half was in use for five minutes is halved, and so on, down to an initial one. */
  #unused(): void {
    const { now } = this.#connection;
    if (now - this.#validated <= NON_VALIDATED) return;
    this.#validated = now;
    this.#shrink(this.cwnd / 2);
  }

  /** The window says nothing of the path any more: down to `cwnd`, or an initial window (RFC 6928), and back by slow start to most of it (RFC 7661 §4.4.3). */
  #shrink(cwnd: number): void {
    const least = Math.max(cwnd, this.#subflow.initialWindow);
    if (this.cwnd <= least) return;
    // Slow start that had come to a queue ends there the next time, and not five rounds from here.
    if (this.#ssthresh !== null || this.#hystart?.cautious === true) {
      this.#ssthresh = Math.max(this.#ssthresh ?? 0, Math.floor(this.cwnd * 3 / 4));
    }
    this.cwnd = Math.floor(least);
    this.#fraction = 0;
    this.#formula.reset?.();
  }

  /**
   * RFC 5681 §3.1; bytes are counted whole (RFC 3465), since one ACK stands for a batch of segments here. Less than a segment of a window cannot be used: that
   * doubles like the rest, while it is a part worth telling, or it would be missing in each window that follows. Returns those left for what follows it.
   */
  #slowStart(ack: AckSample): number {
    const { cwnd } = this;
    const { mss } = this.#subflow;
    const whole = cwnd - cwnd % mss;
    const small = whole > 0 && cwnd < FEW_SEGMENTS * mss;
    const acked = small ? ack.acked * cwnd / whole : ack.acked;
    const own = this.#formula.slowStart !== undefined;
    if (own || (this.#ssthresh === null && this.#searches)) {
      const growth = own
        ? this.#formula.slowStart!(ack, acked)
        : (this.#hystart ??= new HyStart()).growth(ack, acked, cwnd, mss, this.#connection.now);
      if (growth < 0) {
        this.#ssthresh = this.cwnd;
        return acked;
      }
      const room = (this.#ssthresh ?? Infinity) - this.cwnd;
      this.cwnd += Math.floor(Math.min(growth, room));
      return growth < room ? 0 : acked - room;
    }
    const room = (this.#ssthresh ?? Infinity) - cwnd;
    // Whole bytes: a part of one cannot be sent.
    this.cwnd = cwnd + Math.floor(Math.min(acked, room));
    return acked < room ? 0 : acked - room;
  }

  /** RFC 5681 §3.1 eq. 4 and §3.2; marks as losses (RFC 3168 §6.1.2); the penalty of NSDI'12 halves the window of a path that holds up others. */
  onCongestion(cause: "loss" | "ecn" | "timeout" | "penalty", flightSize: number): void {
    const { mss } = this.#subflow;
    if (cause === "penalty") {
      // Slow start goes on up to the threshold, which no loss has told to be too much since.
      if (this.cwnd >= this.ssthresh) {
        if (this.#ssthresh === null) this.#hystart?.penalise();
        else this.#ssthresh = Math.max(2 * mss, Math.floor(this.#ssthresh / 2));
      }
      this.cwnd = Math.max(mss, Math.floor(this.cwnd / 2));
      this.#formula.reset?.();
      return;
    }
    this.#priorCwnd = this.cwnd;
    this.#priorSsthresh = this.#ssthresh;
    this.#fraction = 0;
    const kept = this.#formula.decrease?.(flightSize, cause) ?? flightSize / 2;
    this.#ssthresh = Math.max((this.#formula.least?.() ?? 2) * mss, Math.floor(kept));
    // What is in flight may be more than the window since a penalty: no loss raises it.
    this.cwnd = cause === "timeout" ? mss : Math.min(this.cwnd, this.ssthresh);
  }

  /** It was no loss: as before it, but for what RFC 5681 §3.1 eq. 4 leaves at least: segments may have grown (RFC 4821). */
  onUndo(): void {
    if (this.#priorCwnd === 0) return;
    const { mss } = this.#subflow;
    this.cwnd = Math.max(this.cwnd, this.#priorCwnd);
    this.#ssthresh = this.#priorSsthresh;
    if (this.#ssthresh !== null && this.#ssthresh < 2 * mss) this.#ssthresh = 2 * mss;
    this.#priorCwnd = 0;
    this.#formula.undo?.();
  }

  /**
   * RFC 5681 §4.1: after a pause of two timeouts nothing is left of the window. It fades through the second of them: a pause that is a millisecond longer than
   * another one does not make the next answer take twice as long.
   */
  onRestart(idle: Micros, timeout: Micros): void {
    this.#validated = this.#connection.now;
    this.#shrink(this.cwnd * Math.max(0, 2 - idle / timeout));
  }
}

/**
 * A congestion control from its formula, which is made anew for each subflow.
 *
 * @example Usage
 * ```ts
 * import { aimd } from "@mptcp/mptcp/cc";
 * import { assertEquals } from "@std/assert";
 *
 * const half = aimd("half", (subflow) => ({
 *   increase: (acked) => acked * subflow.mss / subflow.cwnd / 2,
 * }));
 * assertEquals(half.kind, "congestion-control");
 * ```
 */
export function aimd(
  name: string,
  formula: (subflow: SubflowView, connection: ConnectionView) => AimdFormula,
): CongestionControlPlugin {
  return {
    kind: "congestion-control",
    name,
    create: (connection) => ({
      join: (subflow) => new AimdController(subflow, connection, formula(subflow, connection)),
    }),
  };
}

/** Counts acknowledged bytes and grows the window by one segment for every `threshold` of them, as RFC 3465 and draft §3.5.3.1 do. */
export class ByteCounter {
  #counted = 0;

  /** Bytes to grow by for `acked` more. */
  count(acked: number, threshold: number, mss: number): number {
    // Of a window that has become small since, by a penalty and not by a loss, what was counted before is worth one segment, as of the one that it was counted for.
    // RFC 6356 §3: "In this case, the increase MUST be set to 1."
    this.#counted = Math.min(this.#counted, threshold) + acked;
    if (this.#counted < threshold) return 0;
    const segments = Math.floor(this.#counted / threshold);
    this.#counted -= segments * threshold;
    return segments * mss;
  }

  /** Counts from zero. */
  reset(): void {
    this.#counted = 0;
  }
}
