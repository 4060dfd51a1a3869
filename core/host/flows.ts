/** The flows of a host: which subflow a packet belongs to, and which local ports are free. */

import { flow_insert, flow_remove } from "../../wasm/mod.ts";
import type { FlowPlan } from "../connection/host.ts";
import type { Endpoint } from "../plugin.ts";
import { destroyQuietly } from "../subflow/close.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { formatAddress, parseAddress } from "../wire/ip.ts";
import { writeKey } from "./flow_key.ts";
import type { RandomStream } from "./random.ts";
import type { LocalAddress } from "./routes.ts";

/** First and last ephemeral port, as Linux has them. */
const FIRST_PORT = 32768;
const LAST_PORT = 60999;

/** Flow table and ephemeral ports of one host. */
export class Flows {
  readonly #wasm: number;
  readonly #taken: (port: number) => boolean;
  readonly #slots: (Subflow | null)[] = [null];
  readonly #free: number[] = [];
  #nextPort: number;

  /** @param wasm The host's handle. @param ports Where the ports begin. @param taken Whether a listener has a port. */
  constructor(wasm: number, ports: RandomStream, taken: (port: number) => boolean) {
    this.#wasm = wasm;
    this.#taken = taken;
    this.#nextPort = FIRST_PORT + ports.u32() % (LAST_PORT - FIRST_PORT + 1);
  }

  /** The subflow of a flow table's value. */
  of(value: number): Subflow | null {
    return this.#slots[value] ?? null;
  }

  /** Enters a subflow; false when its flow is taken, or memory is out. */
  register(subflow: Subflow): boolean {
    const index = this.#free.pop() ?? this.#slots.length;
    if (flow_insert(this.#wasm, subflow.key, index) === 0) {
      if (index < this.#slots.length) this.#free.push(index);
      return false;
    }
    this.#slots[index] = subflow;
    subflow.flow = index;
    return true;
  }

  /** Takes a subflow out. */
  forget(subflow: Subflow): void {
    if (subflow.flow === 0) return;
    flow_remove(this.#wasm, subflow.key);
    this.#slots[subflow.flow] = null;
    this.#free.push(subflow.flow);
    subflow.flow = 0;
  }

  /** Gives back every subflow without a word. */
  clear(): void {
    for (const subflow of this.#slots) if (subflow !== null) destroyQuietly(subflow);
  }

  /** A port that no listener has; each call gives the next. */
  freePort(): number {
    while (this.#taken(this.#nextPort)) this.#advance();
    const port = this.#nextPort;
    this.#advance();
    return port;
  }

  /** The way from `local` to `remote`; port 0 has one chosen. */
  plan(local: LocalAddress, port: number, remote: Endpoint, dscp: number): FlowPlan {
    const chosen = port === 0 ? this.freePort() : port;
    const to = parseAddress(remote.address)!;
    return {
      outlet: local.outlet,
      local: { address: local.view.address, port: chosen },
      remote: { address: formatAddress(to.bytes), port: remote.port },
      family: to.family,
      key: writeKey(local.prefix.address, chosen, to, remote.port, dscp),
    };
  }

  #advance(): void {
    this.#nextPort = this.#nextPort >= LAST_PORT ? FIRST_PORT : this.#nextPort + 1;
  }
}
