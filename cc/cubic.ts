/** CUBIC (RFC 9438): the window is a cubic function of the time since the last loss, flat where that loss came, whatever the round trip is. */

import type {
  AckSample,
  CongestionControlPlugin,
  ConnectionView,
  Micros,
  SubflowView,
} from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import { aimd, type AimdFormula, checkHystart, type SlowStartOptions } from "./aimd.ts";

/** Segments per second cubed (RFC 9438 §5). */
const C = 0.4;
/** What a loss leaves of the window (§4.6). */
const BETA = 0.7;
/** Segments per round trip by which a flow grows that takes as much as Reno and keeps {@linkcode BETA} (§4.3). */
const ALPHA = 3 * (1 - BETA) / (1 + BETA);

/** Where one subflow is on its curve; windows in bytes. */
interface Curve {
  /** The window before the last loss, less where it was smaller than the one before that (§4.7); 0: none is known. */
  wMax: number;
  /** The window before the last reduction. */
  prior: number;
  /** When this stage of congestion avoidance began, by the curve's own clock; -1: it is still to begin. */
  epoch: Micros;
  /** When the curve reaches `wMax`. */
  k: Micros;
  /** The window that Reno would have. */
  wEst: number;
}

/** The curve of one subflow. */
class Cubic implements AimdFormula {
  readonly hystart: boolean;
  readonly #subflow: SubflowView;
  readonly #connection: ConnectionView;
  readonly #curve: Curve = { wMax: 0, prior: 0, epoch: -1, k: 0, wEst: 0 };
  /** As it was before the last congestion (§4.9). */
  readonly #saved: Curve = { ...this.#curve };
  /** When the last acknowledgement came. */
  #last: Micros = 0;
  /** Time that has passed while the window was the limit. */
  #clock: Micros = 0;

  constructor(subflow: SubflowView, connection: ConnectionView, hystart: boolean) {
    this.#subflow = subflow;
    this.#connection = connection;
    this.hystart = hystart;
  }

  /** §4.2: time in which something else than the window limits does not count. ACKs that are further apart than a round trip had nothing to acknowledge. */
  sample({ cwndLimited }: AckSample): void {
    const { now } = this.#connection;
    if (cwndLimited) this.#clock += Math.min(now - this.#last, this.#subflow.srtt);
    this.#last = now;
  }

  increase(acked: number, cwnd: number): number {
    const curve = this.#curve;
    const { mss, srtt } = this.#subflow;
    if (curve.epoch < 0) this.#begin(cwnd, mss);
    const elapsed = this.#clock - curve.epoch;
    // §4.3: it has made up for what the smaller reduction left it; from the window of then on it grows as Reno.
    curve.wEst += (curve.wEst < curve.prior ? ALPHA : 1) * acked * mss / cwnd;
    // §4.4, §4.5: it is to be where the curve is a round trip later.
    const target = Math.min(this.#at(elapsed + srtt, mss), 1.5 * cwnd);
    return Math.max(0, curve.wEst - cwnd, (target - cwnd) * acked / cwnd);
  }

  /** A stage of congestion avoidance begins at a window of `cwnd`. After a timeout, or slow start without a loss, nothing is known: K is 0 (§4.8, §4.10). */
  #begin(cwnd: number, mss: number): void {
    const curve = this.#curve;
    curve.epoch = this.#clock;
    curve.wEst = cwnd;
    curve.wMax = Math.max(curve.wMax, cwnd);
    curve.k = Math.cbrt((curve.wMax - cwnd) / (C * mss)) * 1e6;
  }

  /** W_cubic(t) in bytes (§4.2). */
  #at(time: Micros, mss: number): number {
    const { k, wMax } = this.#curve;
    const t = (time - k) / 1e6;
    return C * t * t * t * mss + wMax;
  }

  decrease(flightSize: number, cause: "loss" | "ecn" | "timeout"): number {
    const curve = this.#curve;
    const { cwnd } = this.#subflow;
    Object.assign(this.#saved, curve);
    curve.prior = cwnd;
    // §4.7: others want more room than it had last time.
    curve.wMax = cwnd < curve.wMax ? cwnd * (1 + BETA) / 2 : cwnd;
    if (cause === "timeout") curve.wMax = 0;
    curve.epoch = -1;
    // §4.6
    return flightSize * BETA;
  }

  undo(): void {
    Object.assign(this.#curve, this.#saved);
  }

  reset(): void {
    this.#curve.epoch = -1;
  }
}

/** What holds where no option says otherwise. */
export const defaults: { readonly hystart: boolean } = { hystart: true };

/**
 * The congestion control that most hosts use (RFC 9438): on long fat paths it comes back to the window of the last loss within seconds, whatever the round
 * trip is, and takes as much as Reno where that takes more. Uncoupled: several subflows take as much of a shared bottleneck as several connections.
 *
 * @example
 * ```ts
 * import { cubic, emulate } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms" },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 *   congestionControl: cubic(),
 * });
 * using _listener = net.server.listen({ port: 80 });
 * using conn = await net.client.connect({ hostname: "server", port: 80 });
 * await conn.write(new Uint8Array(200e3));
 * for (const { path, tcp } of conn.info().subflows) console.log(path, tcp.snd_cwnd);
 * conn.setCongestionControl(cubic({ hystart: false })); // from here on
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {TypeError} `hystart` is neither true nor false.
 */
export default function cubic(options: SlowStartOptions = {}): CongestionControlPlugin {
  checkOptions("cubic", options, defaults);
  const { hystart = defaults.hystart } = options;
  checkHystart("cubic", hystart);
  return aimd("cubic", (subflow, connection) => new Cubic(subflow, connection, hystart));
}
