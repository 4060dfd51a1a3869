/** Coupled BBR (Han, Xing, Xue and Hong, IEEE TWC 20(11) 2021): all subflows together are as one BBR connection on the best path. */

import type {
  AckSample,
  CongestionControl,
  CongestionControlPlugin,
  ConnectionView,
  Micros,
  SubflowView,
} from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import { BbrController } from "./bbr.ts";

/** Options of {@linkcode coupledBbr}. */
export interface CoupledBbrOptions {
  /**
   * Couple all paths, as in the paper; false: those alone where others, or other subflows, are seen to send.
   *
   * @default {false}
   */
  readonly always?: boolean | undefined;
}

/** Segments in a round trip where a path gets less than its probes need. */
const LEAST_IN_ROUND = 4;
/** A path is shared where the least round trip of a cycle, while it neither probed nor drained, was so many times the least one known. */
const QUEUED = 1.1;

/** The controller of one subflow. */
class CoupledController extends BbrController {
  readonly #members: readonly CoupledController[];
  readonly #always: boolean;
  #cruiseRtt: Micros = Infinity;
  #shared = false;

  constructor(
    subflow: SubflowView,
    connection: ConnectionView,
    members: readonly CoupledController[],
    always: boolean,
  ) {
    super(subflow, connection);
    this.#members = members;
    this.#always = always;
  }

  override onAck(ack: AckSample): void {
    if (ack.rtt > 0 && this.cruising) this.#cruiseRtt = Math.min(this.#cruiseRtt, ack.rtt);
    super.onAck(ack);
  }

  protected override cycled(): void {
    this.#shared = this.#cruiseRtt < Infinity && this.#cruiseRtt > QUEUED * this.leastRtt;
    this.#cruiseRtt = Infinity;
  }

  protected override get cruiseGain(): number {
    if (!this.#always && !this.#shared) return 1;
    const members = this.#members;
    let best = 0;
    let squares = 0;
    for (let i = 0; i < members.length; i++) {
      const { bandwidth, subflow } = members[i]!;
      if (subflow.stale) continue;
      best = Math.max(best, bandwidth);
      squares += bandwidth * bandwidth;
    }
    const { bandwidth } = this;
    if (squares === 0 || bandwidth === 0) return 1;
    const alpha = (4 * bandwidth * best / squares - 1) / 3;
    return Math.max(alpha, LEAST_IN_ROUND * this.subflow.mss * 1e6 / this.leastRtt / bandwidth);
  }
}

/** The subflows of one connection. */
class Group implements CongestionControl {
  readonly #connection: ConnectionView;
  readonly #always: boolean;
  readonly #members: CoupledController[] = [];

  constructor(connection: ConnectionView, always: boolean) {
    this.#connection = connection;
    this.#always = always;
  }

  join(subflow: SubflowView): CoupledController {
    const controller = new CoupledController(
      subflow,
      this.#connection,
      this.#members,
      this.#always,
    );
    this.#members.push(controller);
    return controller;
  }

  leave(subflow: SubflowView): void {
    const members = this.#members;
    for (let i = 0; i < members.length; i++) {
      if (members[i]!.isOf(subflow)) members.splice(i--, 1);
    }
  }
}

/** What holds where no option says otherwise. */
export const defaults: { readonly always: boolean } = { always: false };

/**
 * Coupled BBR (Han et al., IEEE TWC 20(11) 2021): {@linkcode bbr} on each subflow, but for the six round trips of a cycle that neither probe nor drain. They are
 * paced at α_i times the rate, with B the rates that the subflows were seen to deliver:
 *
 *     β_i = B_i · max B / Σ B²        α_i = (4 β_i − 1) / 3, 4 segments in a round trip at least
 *
 * so that a cycle takes β_i B_i in the mean, and all of them together what the best would. The paper couples always, and leaves half of two equal paths
 * unused that nobody else uses. Here only paths are coupled on which a queue stays in those round trips, when this flow makes none: somebody else sends there, or
 * another subflow. `always: true` is the paper's.
 *
 * @example Usage
 * ```ts
 * import { coupledBbr } from "@mptcp/mptcp/cc";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(coupledBbr({ always: true }).name, "coupled_bbr");
 * ```
 * @throws {TypeError} It has no such option.
 * @throws {TypeError} `always` is neither true nor false.
 */
export default function coupledBbr(options: CoupledBbrOptions = {}): CongestionControlPlugin {
  checkOptions("coupled_bbr", options, defaults);
  const { always = defaults.always } = options;
  if (typeof always !== "boolean") {
    throw new TypeError(
      `Cannot make coupled_bbr as 'always' must be true or false: current value is ${
        typeof always === "string" ? JSON.stringify(always) : String(always)
      }`,
    );
  }
  return {
    kind: "congestion-control",
    name: "coupled_bbr",
    basis: "model",
    create: (connection) => new Group(connection, always),
  };
}
