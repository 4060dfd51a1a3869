/** Linked increases (RFC 6356), with alpha in the fixed point of draft §3.5.3.1: the default congestion control. */

import type {
  AckSample,
  CongestionControl,
  CongestionControlPlugin,
  ConnectionView,
  Micros,
  SubflowView,
} from "../core/plugin.ts";
import { AimdController, ByteCounter, type SlowStartOptions } from "./aimd.ts";

/** What alpha needs to know of a subflow. */
export interface LinkedFlow {
  /** Bytes; whole ones. */
  readonly window: number;
  /** Bytes of a full segment. */
  readonly mss: number;
  /** Smoothed round trip in any unit, the same for all. */
  readonly rtt: Micros;
}

/** Alpha and the window it belongs to. */
export interface Alpha {
  /** Alpha · 2^12. */
  readonly scaled: number;
  /** Sum of the windows in segments · 2^10. */
  readonly total: number;
}

/**
 * RFC 6356 eq. (4) in its form for several MSS (§4.2), which keeps one fraction only:
 *
 *     alpha = total · cwnd_best · MSS_best² / (Σ rtt_best · cwnd_i · MSS_i / rtt_i)²
 *
 * `best` is the subflow with the largest cwnd·MSS²/rtt², not the one with the largest window or round trip. The scales are the draft's, 2^32 above
 * and 2^10 below; each product is made before it is divided, in integers of any size, so that no window is too large and none too small.
 */
export function linkedAlpha(flows: readonly LinkedFlow[]): Alpha {
  let best: LinkedFlow | undefined;
  let most = -1;
  let total = 0;
  for (const flow of flows) {
    const { window, mss, rtt } = flow;
    total += Math.floor(window * 1024 / mss);
    const rate = window * mss / (rtt * rtt);
    if (rate <= most) continue;
    most = rate;
    best = flow;
  }
  if (best === undefined || best.window === 0) return { scaled: 4096, total };
  const bestRtt = integer(best.rtt);
  let sum = 0n;
  for (const { window, rtt } of flows) sum += (bestRtt * BigInt(window) << 10n) / integer(rtt);
  // A window in bytes is cwnd·MSS already. 2^10 of the 2^32 are in `total`.
  const above = BigInt(total) * BigInt(best.window) * BigInt(best.mss) << 22n;
  return { scaled: Math.max(1, Number(above / (sum * sum))), total };
}

function integer(rtt: Micros): bigint {
  return BigInt(Math.max(1, Math.round(rtt)));
}

/** Acknowledged bytes for which a window of `cwnd` bytes grows by one segment: max(total·MSS / alpha, cwnd) (RFC 6356 eq. 1, draft CC-5). */
export function linkedThreshold({ scaled, total }: Alpha, mss: number, cwnd: number): number {
  return Math.max(Math.floor(total * mss * 4 / scaled), cwnd);
}

/** A subflow and how much of its window it last used. */
class Member {
  readonly subflow: SubflowView;
  readonly counter = new ByteCounter();
  limited = false;
  #flight = 0;

  constructor(subflow: SubflowView) {
    this.subflow = subflow;
  }

  sample(ack: AckSample): void {
    this.limited = ack.cwndLimited;
    this.#flight = ack.inFlight;
  }

  /** RFC 6356 §3: ssthresh in fast retransmit, no more than the flight where the application sends less than the window. */
  get window(): number {
    const { cwnd, ssthresh, inRecovery } = this.subflow;
    const window = inRecovery && ssthresh < Infinity ? ssthresh : cwnd;
    return Math.floor(this.limited ? window : Math.min(window, this.#flight));
  }
}

/** The subflows of one connection. */
class Group implements CongestionControl {
  readonly #connection: ConnectionView;
  readonly #options: SlowStartOptions;
  #members: Member[] = [];
  #alpha: Alpha = { scaled: 4096, total: 0 };
  /** Computed at; -Infinity after a change that calls for it at once. */
  #at: Micros = -Infinity;

  constructor(connection: ConnectionView, options: SlowStartOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  join(subflow: SubflowView): AimdController {
    const member = new Member(subflow);
    this.#members.push(member);
    this.#at = -Infinity;
    return new AimdController(subflow, {
      hystart: this.#options.hystart,
      sample: (ack) => member.sample(ack),
      increase: (acked) => {
        // RFC 6356 §4.1: once per round trip, and on every drop.
        if (this.#connection.now - this.#at >= subflow.srtt) this.#refresh();
        const threshold = linkedThreshold(this.#alpha, subflow.mss, subflow.cwnd);
        return member.counter.count(acked, threshold, subflow.mss);
      },
      decrease: (flightSize) => {
        this.#at = -Infinity;
        member.limited = true;
        member.counter.reset();
        return flightSize / 2;
      },
    });
  }

  leave(subflow: SubflowView): void {
    this.#members = this.#members.filter((member) => member.subflow !== subflow);
    this.#at = -Infinity;
  }

  #refresh(): void {
    const flows: LinkedFlow[] = [];
    for (const { subflow, window } of this.#members) {
      if (!subflow.stale) flows.push({ window, mss: subflow.mss, rtt: subflow.srtt });
    }
    this.#alpha = linkedAlpha(flows);
    this.#at = this.#connection.now;
  }
}

/**
 * Couples the increases so that all subflows together take as much as one TCP connection on the best path, at least that much, and less where it is
 * crowded (RFC 6356 §2). With one subflow it is reno.
 */
export default function lia({ hystart }: SlowStartOptions = {}): CongestionControlPlugin {
  return {
    kind: "congestion-control",
    name: "lia",
    create: (connection) => new Group(connection, { hystart }),
  };
}
