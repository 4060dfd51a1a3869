/** What coupled congestion controls share: the subflows of one connection, what each has of its window in use, and reno where there is only one. */

import type {
  AckSample,
  CongestionControl,
  CongestionControlPlugin,
  ConnectionView,
  Micros,
  SubflowView,
} from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import { AimdController, type AimdFormula, ByteCounter, type SlowStartOptions } from "./aimd.ts";

/**
 * A subflow and how much of its window it last used.
 *
 * @example
 * ```ts
 * import { coupledBy, type Member } from "@mptcp/mptcp/cc";
 *
 * // Bytes of all windows that are in use.
 * const total = (members: readonly Member[]) => members.reduce((sum, { window }) => sum + window, 0);
 *
 * const shared = coupledBy("shared", () => ({
 *   growth: ({ mss }, members) => mss / total(members),
 * }));
 * console.assert(shared.name === "shared");
 * ```
 */
export class Member {
  /** What the plugin sees of it. */
  readonly subflow: SubflowView;
  /** The window was what held it back when it was last acknowledged. */
  limited = false;
  /** What it has lost is being answered: its threshold is still that of the loss before. */
  losing = false;
  /** Nothing is in flight on it, and nothing has come back for a round trip: it is left alone. */
  idle = false;
  #flight = 0;

  /** A member that has used nothing yet. */
  constructor(subflow: SubflowView) {
    this.subflow = subflow;
  }

  /** Notes what an acknowledgement tells of its use. */
  sample(ack: AckSample): void {
    this.limited = ack.cwndLimited;
    this.#flight = ack.inFlight;
  }

  /** Looks whether it is in use at `now`: whoever decides may leave it alone, whatever its window was. */
  look(now: Micros): void {
    const { subflow } = this;
    // Times are read where they decide: each would be boxed.
    this.idle = subflow.inFlight === 0 && now - subflow.lastAck > subflow.srtt;
  }

  /** Bytes of a full segment. */
  get mss(): number {
    return this.subflow.mss;
  }

  /** Smoothed round trip. */
  get rtt(): Micros {
    return this.subflow.srtt;
  }

  /** RFC 6356 §3: ssthresh in fast retransmit, no more than the flight where the application sends less than the window; none of a stale path, or an idle one. */
  get window(): number {
    const { cwnd, ssthresh, inRecovery, stale } = this.subflow;
    if (stale || this.idle) return 0;
    const window = inRecovery && !this.losing && ssthresh < Infinity ? ssthresh : cwnd;
    return Math.floor(this.limited ? window : Math.min(window, this.#flight));
  }
}

/** What tells one coupled control from another, where a connection has several subflows. Each call sees the windows of all as they are. */
export interface CoupledFormula<M extends Member = Member> {
  /** A subflow has joined. @default {new Member(subflow)} */
  member?(subflow: SubflowView): M;
  /**
   * Segments by which the window of `member` grows for one segment acknowledged on it; less than none shrinks it. Asked for each acknowledgement in
   * congestion avoidance, and not while there is one subflow only.
   */
  growth(member: M, members: readonly M[]): number;
  /**
   * Bytes that a loss with `flightSize` bytes in flight leaves; half of them by default. Told of each loss, also while there is one subflow only, of which
   * half is left whatever it says.
   */
  decrease?(member: M, members: readonly M[], flightSize: number): number;
  /** The last loss was none. */
  undo?(member: M): void;
  /** Fewest segments that a loss leaves while there are several subflows. @default {2} */
  readonly least?: number;
}

/** The subflows of one connection. */
class Group<M extends Member> implements CongestionControl {
  readonly #connection: ConnectionView;
  readonly #formula: CoupledFormula<M>;
  readonly #hystart: boolean | undefined;
  readonly #members: M[] = [];

  constructor(
    connection: ConnectionView,
    formula: CoupledFormula<M>,
    hystart: boolean | undefined,
  ) {
    this.#connection = connection;
    this.#formula = formula;
    this.#hystart = hystart;
  }

  join(subflow: SubflowView): AimdController {
    const formula = this.#formula;
    const members = this.#members;
    const member = formula.member?.(subflow) ?? new Member(subflow) as M;
    members.push(member);
    const counter = new ByteCounter();
    const own: AimdFormula = {
      hystart: this.#hystart,
      sample: (ack) => {
        const { now } = this.#connection;
        for (let i = 0; i < members.length; i++) members[i]!.look(now);
        member.sample(ack);
      },
      increase: (acked, cwnd) => {
        // With one subflow it is reno, byte for byte.
        if (members.length === 1) return counter.count(acked, cwnd, subflow.mss);
        return acked * formula.growth(member, members);
      },
      decrease: (flightSize) => {
        counter.reset();
        // What was lost was in flight: the window is in use.
        member.limited = true;
        if (formula.decrease === undefined) return flightSize / 2;
        member.losing = true;
        try {
          const kept = formula.decrease(member, members, flightSize);
          return members.length === 1 ? flightSize / 2 : kept;
        } finally {
          member.losing = false;
        }
      },
      undo: () => formula.undo?.(member),
      least: () => members.length === 1 ? 2 : formula.least ?? 2,
    };
    return new AimdController(subflow, this.#connection, own);
  }

  leave(subflow: SubflowView): void {
    const members = this.#members;
    for (let i = 0; i < members.length; i++) {
      if (members[i]!.subflow === subflow) members.splice(i--, 1);
    }
  }
}

/**
 * A coupled congestion control from its formula, which is made anew for each connection. Slow start, recovery and the rest are those of RFC 5681 on each
 * subflow (RFC 6356 §3), and with a single subflow it is reno.
 *
 * @example Usage
 * ```ts
 * import { coupledBy } from "@mptcp/mptcp/cc";
 * import { assertEquals } from "@std/assert";
 *
 * // All subflows together grow as slowly as one.
 * const shared = coupledBy("shared", () => ({
 *   growth: (_, members) => 1 / members.reduce((sum, { window, mss }) => sum + window / mss, 0),
 * }));
 * assertEquals(shared.kind, "congestion-control");
 * ```
 *
 * @throws {TypeError} It has no such option.
 */
export function coupledBy<M extends Member = Member>(
  name: string,
  formula: (connection: ConnectionView) => CoupledFormula<M>,
  options: SlowStartOptions = {},
): CongestionControlPlugin {
  checkOptions(name, options, { hystart: true });
  const { hystart } = options;
  return {
    kind: "congestion-control",
    name,
    create: (connection) => new Group(connection, formula(connection), hystart),
  };
}

/** The windows of all in segments, of those that are alive; one segment at least, as what divides. */
export function totalSegments(members: readonly Member[]): number {
  let total = 0;
  for (let i = 0; i < members.length; i++) {
    const member = members[i]!;
    total += member.window / member.mss;
  }
  return Math.max(1, total);
}

/** Windows over round trips, summed: segments per microsecond, of all. */
export function totalRate(members: readonly Member[]): number {
  let total = 0;
  for (let i = 0; i < members.length; i++) total += rateOf(members[i]!);
  return total;
}

/** The window of one over its round trip. */
export function rateOf(member: Member): number {
  return member.window / member.mss / member.rtt;
}
