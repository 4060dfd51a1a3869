/** The flows of a host: which subflow a packet belongs to, and which local ports are free. */

import {
  flow_insert,
  flow_remove,
  flow_secret,
  flow_value,
  memory_alloc,
  memory_free,
  u16,
  u32,
} from "../../wasm/mod.ts";
import { KEY_LOCAL_PORT, KEY_SIZE, OUT_0 } from "../../wasm/layout.ts";
import type { FlowPlan } from "../connection/host.ts";
import type { Endpoint, Micros } from "../plugin.ts";
import type { MetaSocket } from "../connection/meta_socket.ts";
import type { Subflow } from "../subflow/subflow.ts";
import type { TimeWait } from "../subflow/time_wait.ts";
import { formatAddress, parseHost } from "../wire/ip.ts";
import { endpoint, writeKey } from "./flow_key.ts";
import type { RandomStream } from "./random.ts";
import type { LocalAddress } from "./routes.ts";

/** First and last ephemeral port, as Linux has them: the ports below are those that services are found at, some above those of masquerading routers. */
const FIRST_PORT = 32768;
const LAST_PORT = 60999;
const PORTS = LAST_PORT - FIRST_PORT + 1;

/** Ports that are looked at for one which no other address has in use to the same remote end. */
const RESERVE_TRIES = 64;
/** A flow from another address. */
const OTHER = memory_alloc(KEY_SIZE);
const NOBODY: readonly LocalAddress[] = Object.freeze([]);

/** Counters of ports (RFC 6056 §3.3.4: ten at least): destinations that share one tell a little of each other. */
const PORT_COUNTERS = 256;

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
  // A Map that has as many taken out of it as put in is built anew again and again: 6 us a connection where there are 16,384.
  readonly #resting: (TimeWait | undefined)[] = [];
  #rests = 0;
  readonly #free: number[] = [];
  /** Values by the address of the peer; made when a peer first moves: on most links none does. */
  #byPeer: Map<string, Set<number>> | null = null;
  #steps = 0;
  readonly #counters = new Uint16Array(PORT_COUNTERS);
  #nextPort: number;

  /**
   * @param wasm The host's handle.
   * @param ports Where ports begin.
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
    this.#nextPort = FIRST_PORT + ports.u32() % PORTS;
    for (let i = 0; i < PORT_COUNTERS; i++) this.#counters[i] = ports.u32() % PORTS;
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
    return this.#resting[value];
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
    if (this.#byPeer !== null) this.#addTo(this.#byPeer, subflow, value);
    subflow.registered(value);
    return true;
  }

  #addTo(byPeer: Map<string, Set<number>>, subflow: Subflow, value: number): void {
    const { address } = subflow.remote;
    const values = byPeer.get(address);
    if (values === undefined) byPeer.set(address, new Set([value]));
    else values.add(value);
  }

  #takeFrom(subflow: Subflow, value: number): void {
    const values = this.#byPeer?.get(subflow.remote.address);
    if (values === undefined) return;
    values.delete(value);
    if (values.size === 0) this.#byPeer!.delete(subflow.remote.address);
  }

  /** Calls back for each subflow to an address. */
  eachTo(address: string, call: (subflow: Subflow, connection: MetaSocket) => void): void {
    let byPeer = this.#byPeer;
    if (byPeer === null) {
      byPeer = this.#byPeer = new Map();
      for (let value = 0; value < this.#subflows.length; value++) {
        this.#steps++;
        const subflow = this.#subflows[value]!;
        if (subflow !== null) this.#addTo(byPeer, subflow, value);
      }
    }
    for (const value of byPeer.get(address) ?? []) {
      this.#steps++;
      call(this.#subflows[value]!, this.#connections[value]!);
    }
  }

  /** Flows that `eachTo` has looked at so far, for tests. */
  get steps(): number {
    return this.#steps;
  }

  /** `timeWait` answers in place of its subflow; false when there are too many: a peer that opens and closes without pause shall not fill memory. */
  rest(timeWait: TimeWait): boolean {
    const subflow = this.#subflows[timeWait.flow] ?? null;
    if (subflow !== null) this.#takeFrom(subflow, timeWait.flow);
    this.#subflows[timeWait.flow] = null;
    this.#connections[timeWait.flow] = null;
    while (this.#resting.length <= timeWait.flow) this.#resting.push(undefined);
    // Its wait may begin again, by a FIN that is repeated.
    if (this.#resting[timeWait.flow] === undefined) this.#rests++;
    this.#resting[timeWait.flow] = timeWait;
    // Linux gives up at tcp_max_tw_buckets too.
    return this.#rests <= this.#timeWaits;
  }

  /** Takes a flow out; 0 is none. What was in TIME-WAIT is given back. */
  forget(value: number): void {
    const subflow = this.#subflows[value] ?? null;
    const timeWait = this.#resting[value];
    const key = subflow?.key ?? timeWait?.key;
    if (key === undefined) return;
    flow_remove(this.#wasm, key);
    if (subflow !== null) this.#takeFrom(subflow, value);
    this.#subflows[value] = null;
    this.#connections[value] = null;
    this.#free.push(value);
    if (timeWait === undefined) return;
    this.#resting[value] = undefined;
    this.#rests--;
    timeWait.free();
  }

  /** Gives back everything without a word. */
  clear(): void {
    for (const subflow of this.#subflows) subflow?.release();
    for (const timeWait of this.#resting) timeWait?.free();
  }

  /** A port that no listener has, for one; each call gives the next. */
  freePort(): number {
    while (this.#taken(this.#nextPort)) this.#advance();
    const port = this.#nextPort;
    this.#advance();
    return port;
  }

  /** What is in TIME-WAIT at a key and may give way to a new flow of ours; null: nothing is. */
  reusable(key: number, now: Micros): TimeWait | null {
    const timeWait = this.#resting[flow_value(this.#wasm, key)];
    return timeWait?.mayBeReused(now) ? timeWait : null;
  }

  /**
   * The way from `local` to `remote`; port 0 has one chosen, `wish` where that is free, or else one that joins from the addresses `beside` can have, too.
   * Null when none is free, or memory is out.
   */
  plan(
    local: LocalAddress,
    port: number,
    remote: Endpoint,
    dscp: number,
    now: Micros,
    wish = 0,
    beside: readonly LocalAddress[] = NOBODY,
  ): FlowPlan | null {
    const to = parseHost(remote.address)!;
    const key = writeKey(local.prefix.address, port, to, remote.port, dscp);
    if (key === 0) return null;
    const chosen = port !== 0
      ? port
      : wish !== 0 && this.#unused(key, wish)
      ? wish
      : this.#choosePort(key, now, (port) =>
        beside.every(({ prefix }) => {
          writeKey(prefix.address, port, to, remote.port, dscp, OTHER);
          return flow_value(this.#wasm, OTHER) === 0;
        }));
    if (chosen === 0) {
      memory_free(key);
      return null;
    }
    return {
      outlet: local.outlet,
      local: endpoint(0, local.view.address, chosen),
      remote: endpoint(1, formatAddress(to.bytes), remote.port),
      family: to.family,
      key,
    };
  }

  /**
   * Writes a free local port into a key that has none; 0 when all are in use for its other three ends. RFC 6056 §3.3.4, double-hash port selection: where
   * the ports of a destination begin nobody else can tell, and one that was used comes round last.
   */
  #choosePort(key: number, now: Micros, reserved: (port: number) => boolean): number {
    const offset = flow_secret(this.#wasm, key) >>> 0;
    const counter = u32[OUT_0]! % PORT_COUNTERS;
    let spare = 0;
    for (let tries = 0; tries < PORTS; tries++) {
      if (spare !== 0 && tries >= RESERVE_TRIES) break;
      const count = this.#counters[counter]!;
      this.#counters[counter] = (count + 1) % PORTS;
      // A small integer, as many objects hold it.
      const port = (FIRST_PORT + (offset + count) % PORTS) | 0;
      if (this.#taken(port)) continue;
      u16[(key + KEY_LOCAL_PORT) >> 1] = port;
      if (flow_value(this.#wasm, key) !== 0 && this.reusable(key, now) === null) continue;
      // RFC 8684 §3.9.1: "an implementation SHOULD reserve ephemeral ports across all local IP addresses"
      if (reserved(port)) return port;
      if (spare === 0) spare = port;
    }
    u16[(key + KEY_LOCAL_PORT) >> 1] = spare;
    return spare;
  }

  /** Writes a local port into a key; false where that flow is in use. */
  #unused(key: number, port: number): boolean {
    u16[(key + KEY_LOCAL_PORT) >> 1] = port;
    return flow_value(this.#wasm, key) === 0;
  }

  #advance(): void {
    this.#nextPort = this.#nextPort >= LAST_PORT ? FIRST_PORT : this.#nextPort + 1;
  }
}
