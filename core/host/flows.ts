/** The flows of a host: which subflow a packet belongs to, and which local ports are free. */

import { flow_insert, flow_remove, flow_value, memory_free } from "../../wasm/mod.ts";
import type { FlowPlan } from "../connection/host.ts";
import type { Endpoint, Micros } from "../plugin.ts";
import type { MetaSocket } from "../connection/meta_socket.ts";
import type { Subflow } from "../subflow/subflow.ts";
import type { TimeWait } from "../subflow/time_wait.ts";
import { formatAddress, parseHost } from "../wire/ip.ts";
import { writeKey } from "./flow_key.ts";
import type { RandomStream } from "./random.ts";
import type { LocalAddress } from "./routes.ts";

/** First and last ephemeral port, as Linux has them. */
const FIRST_PORT = 32768;
const LAST_PORT = 60999;

/** Most subflows of a host in TIME-WAIT, where nothing else is asked for. */
const MOST_TIME_WAITS = 16384;

/** Flow table and ephemeral ports of one host. */
export class Flows {
  readonly #wasm: number;
  readonly #taken: (port: number) => boolean;
  readonly #timeWaits: number;
  // By the values of the flow table, of which 0 is none's.
  readonly #subflows: (Subflow | null)[] = [null];
  readonly #connections: (MetaSocket | null)[] = [null];
  readonly #resting = new Map<number, TimeWait>();
  readonly #free: number[] = [];
  #nextPort: number;

  /**
   * @param wasm The host's handle.
   * @param ports Where the ports begin.
   * @param taken Whether a listener has a port.
   * @param timeWaits Most flows in TIME-WAIT.
   */
  constructor(
    wasm: number,
    ports: RandomStream,
    taken: (port: number) => boolean,
    timeWaits = MOST_TIME_WAITS,
  ) {
    this.#timeWaits = timeWaits;
    this.#wasm = wasm;
    this.#taken = taken;
    this.#nextPort = FIRST_PORT + ports.u32() % (LAST_PORT - FIRST_PORT + 1);
  }

  /** The subflow of a flow table's value; null for none, and in TIME-WAIT. */
  subflow(value: number): Subflow | null {
    return this.#subflows[value] ?? null;
  }

  /** Its connection. */
  connection(value: number): MetaSocket | null {
    return this.#connections[value] ?? null;
  }

  /** What answers for a value in TIME-WAIT. */
  resting(value: number): TimeWait | undefined {
    return this.#resting.get(value);
  }

  /** Enters a subflow of `connection`; false when its flow is taken, or memory is out. */
  register(subflow: Subflow, connection: MetaSocket): boolean {
    const value = this.#free.pop() ?? this.#subflows.length;
    if (flow_insert(this.#wasm, subflow.key, value) === 0) {
      if (value < this.#subflows.length) this.#free.push(value);
      return false;
    }
    this.#subflows[value] = subflow;
    this.#connections[value] = connection;
    subflow.registered(value);
    return true;
  }

  /** `timeWait` answers in place of its subflow; false when there are too many: a peer that opens and closes without pause shall not fill memory. */
  rest(timeWait: TimeWait): boolean {
    this.#subflows[timeWait.flow] = null;
    this.#connections[timeWait.flow] = null;
    this.#resting.set(timeWait.flow, timeWait);
    // Linux gives up at tcp_max_tw_buckets too.
    return this.#resting.size <= this.#timeWaits;
  }

  /** Takes a flow out; 0 is none. What was in TIME-WAIT is given back. */
  forget(value: number): void {
    const subflow = this.#subflows[value] ?? null;
    const timeWait = this.#resting.get(value);
    const key = subflow?.key ?? timeWait?.key;
    if (key === undefined) return;
    flow_remove(this.#wasm, key);
    this.#subflows[value] = null;
    this.#connections[value] = null;
    this.#resting.delete(value);
    this.#free.push(value);
    timeWait?.free();
  }

  /** Gives back everything without a word. */
  clear(): void {
    for (const subflow of this.#subflows) subflow?.release();
    for (const timeWait of this.#resting.values()) timeWait.free();
  }

  /** A port that no listener has; each call gives the next. */
  freePort(): number {
    while (this.#taken(this.#nextPort)) this.#advance();
    const port = this.#nextPort;
    this.#advance();
    return port;
  }

  /** What is in TIME-WAIT at a key and may give way to a new flow of ours; null: nothing is. */
  reusable(key: number, now: Micros): TimeWait | null {
    const timeWait = this.#resting.get(flow_value(this.#wasm, key));
    return timeWait?.mayBeReused(now) ? timeWait : null;
  }

  /** The way from `local` to `remote`; port 0 has one chosen that is free for it, if there is one. */
  plan(
    local: LocalAddress,
    port: number,
    remote: Endpoint,
    dscp: number,
    now: Micros,
  ): FlowPlan {
    const to = parseHost(remote.address)!;
    let chosen = port === 0 ? this.freePort() : port;
    let key = writeKey(local.prefix.address, chosen, to, remote.port, dscp);
    for (let tries = FIRST_PORT; port === 0 && key !== 0 && tries < LAST_PORT; tries++) {
      if (flow_value(this.#wasm, key) === 0 || this.reusable(key, now) !== null) break;
      memory_free(key);
      chosen = this.freePort();
      key = writeKey(local.prefix.address, chosen, to, remote.port, dscp);
    }
    return {
      outlet: local.outlet,
      local: { address: local.view.address, port: chosen },
      remote: { address: formatAddress(to.bytes), port: remote.port },
      family: to.family,
      key,
    };
  }

  #advance(): void {
    this.#nextPort = this.#nextPort >= LAST_PORT ? FIRST_PORT : this.#nextPort + 1;
  }
}
