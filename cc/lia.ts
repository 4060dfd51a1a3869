/** Linked increases (RFC 6356), with alpha in the fixed point of draft §3.5.3.1: the default congestion control. */

import type {
  CongestionControl,
  CongestionControlPlugin,
  ConnectionView,
  Micros,
  SubflowView,
} from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import {
  AimdController,
  type AimdFormula,
  ByteCounter,
  checkHystart,
  type SlowStartOptions,
} from "./aimd.ts";
import { floorOfRatio, floorOverSquare } from "./integers.ts";
import { Member } from "./members.ts";

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
  scaled: number;
  /** Sum of the windows in segments · 2^10. */
  total: number;
}

/**
 * RFC 6356 eq. (4) in its form for several MSS (§4.2), which keeps one fraction only:
 *
 *     alpha = total · cwnd_best · MSS_best² / (Σ rtt_best · cwnd_i · MSS_i / rtt_i)²
 *
 * `best` is the subflow with the largest cwnd·MSS²/rtt², not the one with the largest window or round trip. The scales are the draft's, 2^32 above
 * and 2^10 below; each product is made before it is divided, without loss while windows are below 2 GiB and round trips below 9 hours. What is
 * larger gives alpha to 15 digits.
 *
 * Writes to `alpha` and makes nothing new.
 */
export function linkedAlpha(
  flows: readonly LinkedFlow[],
  alpha: Alpha = { scaled: 0, total: 0 },
): Alpha {
  let best: LinkedFlow | undefined;
  let most = -1;
  let total = 0;
  for (let i = 0; i < flows.length; i++) {
    const flow = flows[i]!;
    const { window, mss, rtt } = flow;
    total += Math.floor(window * 1024 / mss);
    const rate = window * mss / (rtt * rtt);
    if (!(rate > most)) continue;
    most = rate;
    best = flow;
  }
  alpha.total = total;
  alpha.scaled = 4096;
  if (best === undefined || best.window === 0) return alpha;
  const bestRtt = integer(best.rtt);
  let sum = 0;
  for (let i = 0; i < flows.length; i++) {
    const { window, rtt } = flows[i]!;
    sum += floorOfRatio(bestRtt, window * 1024, integer(rtt));
  }
  // A window in bytes is cwnd·MSS already. 2^10 of the 2^32 are in `total`.
  alpha.scaled = Math.max(1, floorOverSquare(total, best.window * best.mss * 4, sum));
  return alpha;
}

function integer(rtt: Micros): number {
  return Math.max(1, Math.round(rtt));
}

/** Acknowledged bytes for which a window of `cwnd` bytes grows by one segment: max(total·MSS / alpha, cwnd) (RFC 6356 eq. 1, draft CC-5). */
export function linkedThreshold(
  { scaled, total }: Readonly<Alpha>,
  mss: number,
  cwnd: number,
): number {
  // RFC 6356 §3: "Our proposed 'Linked Increases' algorithm MUST: For each ACK received on subflow i, increase cwnd_i by"
  return Math.max(Math.floor(total * mss * 4 / scaled), cwnd);
}

/** A subflow with what it has grown by since its window was last whole segments: the formula of its controller. */
class LiaMember extends Member implements LinkedFlow, AimdFormula {
  /** While it is alone. Made when it first grows beyond slow start. */
  #counter: ByteCounter | null = null;
  /** Bytes, less than a segment: the part beside others that is not in the window. */
  #grown = 0;
  /** What that was before the last loss. */
  #before = 0;
  readonly #group: Group;

  constructor(subflow: SubflowView, group: Group) {
    super(subflow);
    this.#group = group;
  }

  get hystart(): boolean | undefined {
    return this.#group.options.hystart;
  }

  /**
   * As much as RFC 6356 eq. 1 says; the window takes it when it makes whole segments, as a part of one cannot be sent (draft CC-4).
   *
   * RFC 6356 §3: "In this case, the increase MUST be set to 1."
   */
  increase(acked: number, cwnd: number): number {
    const { mss } = this.subflow;
    // With one subflow it is reno, byte for byte.
    if (this.#group.alone) return (this.#counter ??= new ByteCounter()).count(acked, cwnd, mss);
    this.#grown += acked * mss / this.#group.threshold(this.subflow);
    const part = cwnd % mss;
    const segments = Math.floor((part + this.#grown) / mss);
    if (segments === 0) return 0;
    const growth = segments * mss - part;
    this.#grown -= growth;
    return growth;
  }

  /**
   * RFC 6356 §3: half, as TCP. So it is of what has grown and is not in the window: each of n subflows whose windows are an nth of one TCP's would lose half a
   * segment by each loss, as that does of all, and together they would get less (goal 1). Nothing is left of it where eq. 4 of RFC 5681 leaves more than half.
   */
  decrease(flightSize: number): number {
    this.#group.dropped();
    this.limited = true;
    this.#counter?.reset();
    this.#before = this.#grown;
    this.#grown = flightSize < 4 * this.subflow.mss ? 0 : this.#grown / 2;
    return flightSize / 2;
  }

  /** The window is that of before, and so is what it has grown by. */
  undo(): void {
    this.#group.dropped();
    this.#grown = this.#before;
  }
}

/** The subflows of one connection. */
class Group implements CongestionControl {
  readonly options: SlowStartOptions;
  readonly #connection: ConnectionView;
  #members: readonly LiaMember[] = [];
  readonly #alpha: Alpha = { scaled: 4096, total: 0 };
  /** Computed at; -Infinity after a change that calls for it at once. */
  #at: Micros = -Infinity;

  constructor(connection: ConnectionView, options: SlowStartOptions) {
    this.#connection = connection;
    this.options = options;
  }

  join(subflow: SubflowView): AimdController {
    const member = new LiaMember(subflow, this);
    this.#members = this.#members.concat(member);
    this.dropped();
    return new AimdController(subflow, this.#connection, member);
  }

  leave(subflow: SubflowView): void {
    this.#members = this.#members.filter((member) => member.subflow !== subflow);
    this.dropped();
  }

  /** Alpha is to be computed anew, at once. */
  dropped(): void {
    this.#at = -Infinity;
  }

  /** There is one subflow: alpha is 1, but for what its integers leave out. */
  get alone(): boolean {
    return this.#members.length === 1;
  }

  /** Acknowledged bytes for which the window of `subflow` grows by a segment. */
  threshold(subflow: SubflowView): number {
    // RFC 6356 §4.1: once per round trip, and on every drop.
    if (this.#connection.now - this.#at >= subflow.srtt) this.refresh();
    return linkedThreshold(this.#alpha, subflow.mss, subflow.cwnd);
  }

  private refresh(): void {
    const { now } = this.#connection;
    for (let i = 0; i < this.#members.length; i++) this.#members[i]!.look(now);
    linkedAlpha(this.#members, this.#alpha);
    this.#at = now;
  }
}

/** What holds where no option says otherwise. */
export const defaults: { readonly hystart: boolean } = { hystart: true };

/**
 * Couples the increases so that all subflows together take as much as one TCP connection on the best path, at least that much, and less where it is
 * crowded (RFC 6356 §2). With one subflow it is reno.
 *
 * @example
 * ```ts
 * import { emulate, lia } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms" },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 *   congestionControl: lia(),
 * });
 * using _listener = net.server.listen({ port: 80 });
 * using conn = await net.client.connect({ hostname: "server", port: 80 });
 * await conn.write(new Uint8Array(200e3));
 * for (const { path, tcp } of conn.info().subflows) console.log(path, tcp.snd_cwnd);
 * conn.setCongestionControl(lia({ hystart: false })); // from here on
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {TypeError} `hystart` is neither true nor false.
 */
export default function lia(options: SlowStartOptions = {}): CongestionControlPlugin {
  checkOptions("lia", options, defaults);
  const { hystart = defaults.hystart } = options;
  checkHystart("lia", hystart);
  const slowStart: SlowStartOptions = { hystart };
  return {
    kind: "congestion-control",
    name: "lia",
    create: (connection) => new Group(connection, slowStart),
  };
}
