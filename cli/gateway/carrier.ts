/** The transparent gateway: takes whole flows, and carries each over a connection of its own. */

import type { MptcpConn } from "../../mod.ts";
import { Places } from "./limits.ts";
import type { Done } from "./relay_server.ts";
import { classify, type FlowClass, type FlowRules } from "./rules.ts";
import { type Carried, carryBoth } from "./stream.ts";
import { asTargetError, type Target, TargetError } from "./target.ts";

/** How a carrier is made. */
export interface CarrierOptions {
  /** What becomes of which flows. */
  readonly rules: FlowRules;
  /** Connects to a target as its class wants; what it has said already. */
  readonly open: (
    target: Target,
    how: FlowClass,
  ) => Promise<{ readonly stream: MptcpConn; readonly rest: Uint8Array; readonly where: string }>;
  /** Most flows at once. */
  readonly most: number;
  /** Told of each flow once it is carried; the result is told when it is over. */
  readonly begun?: (stream: MptcpConn, where: string) => void;
  /** Told of each flow when it is over. */
  readonly done?: (done: Done, stream: MptcpConn | null) => void;
}

/** Carries flows. */
export class Carrier {
  readonly #options: CarrierOptions;
  readonly #places: Places;

  /** Makes one that carries nothing yet. */
  constructor(options: CarrierOptions) {
    this.#options = options;
    this.#places = new Places(options.most);
  }

  /** Flows under way. */
  get flows(): number {
    return this.#places.taken;
  }

  /**
   * Carries a flow to its end; never rejects. The program has its connection already: where there is none behind it, it is reset.
   *
   * @param chosen The class that the kernel has chosen; null: what its packets say decides.
   */
  async carry(flow: MptcpConn, chosen: FlowClass | null): Promise<void> {
    const start = performance.now();
    const { hostname: host, port } = flow.localAddr;
    const target: Target = { host, port };
    const carried: Carried = { up: 0, down: 0 };
    let outcome: Done["outcome"] = "failed";
    let error: string | null = null;
    let stream: MptcpConn | null = null;
    const leave = this.#places.take();
    try {
      if (leave === null) {
        throw new TargetError("busy", "the gateway has as many flows as it takes");
      }
      const { rules, open, begun } = this.#options;
      const dscp = flow.info().subflows[0]?.dscp ?? 0;
      const how = chosen ?? classify(rules, host, port, dscp);
      if (how.bypass) {
        throw new TargetError(
          "not allowed",
          `it is to bypass the stack (class ${how.name}), and was routed here all the same`,
        );
      }
      const opened = await open(target, how);
      stream = opened.stream;
      outcome = "connected";
      begun?.(stream, opened.where);
      await carryBoth(flow, stream, new Uint8Array(), opened.rest, carried);
    } catch (thrown) {
      const failure = asTargetError(thrown);
      if (outcome !== "connected") outcome = failure.outcome;
      error = failure.message;
      flow.abort(thrown);
      stream?.abort(thrown);
    } finally {
      leave?.();
    }
    const seconds = (performance.now() - start) / 1000;
    this.#options.done?.({ target, outcome, error, seconds, ...carried }, stream);
  }
}
