/** What net/ asks of the stack: verbs of the application, outcomes through observers. core/host/stack.ts has this shape. */

import type { Link } from "../host/link.ts";
import type {
  CongestionControlPlugin,
  Endpoint,
  Micros,
  PathContext,
  PathManagerPlugin,
  SchedulerPlugin,
} from "../plugin.ts";
import type { DrivenStack } from "./runtime.ts";

/** Outcomes on the network, named as in `Deno.errors` where that has the name. */
export type NetworkCode =
  | "ConnectionRefused"
  | "ConnectionReset"
  | "ConnectionAborted"
  | "TimedOut"
  | "NetworkUnreachable"
  | "HostUnreachable"
  | "AddrInUse"
  | "AddrNotAvailable";

/** Told at the end of a batch, at most once each. Verbs may be called from inside. */
export interface ConnectionObserver {
  /** The first subflow is established. */
  onEstablished(): void;
  /** There may be bytes to read, or the end. */
  onReadable(): void;
  /** There is room in the send queue. */
  onWritable(): void;
  /** It is over: in order (null) or for a reason. */
  onClosed(code: NetworkCode | null): void;
}

/** The meta-socket of one connection. */
export interface TransportSocket {
  /** Who is told. */
  observer: ConnectionObserver;
  /** Bytes that `read` would give now. */
  readonly readable: number;
  /** The peer's DATA_FIN was reached and all was read. */
  readonly atEnd: boolean;
  /** Both DATA_FINs are done. */
  readonly finished: boolean;
  /** Nothing is left of it on the network. */
  readonly closed: boolean;
  /** Why it ended; null while it has not, or when it ended in order. */
  readonly code: NetworkCode | null;
  /** Local end of the first subflow. */
  readonly localEndpoint: Endpoint;
  /** Remote end of the first subflow. */
  readonly remoteEndpoint: Endpoint;
  /** What a path manager sees and does. */
  readonly paths: PathContext;
  /** Takes bytes of `source` from `from` on into the send queue; returns how many. */
  write(now: Micros, source: Uint8Array, from: number): number;
  /** Copies received bytes; returns how many. */
  read(now: Micros, target: Uint8Array): number;
  /** DATA_FIN after what was written. */
  finish(now: Micros): void;
  /** Incoming bytes are dropped from now on. */
  discard(now: Micros): void;
  /** What was written is still sent; unread received data means MP_FASTCLOSE. */
  close(now: Micros): void;
  /** MP_FASTCLOSE. */
  abort(now: Micros): void;
  /** Swaps the scheduler. */
  setScheduler(now: Micros, plugin: SchedulerPlugin): void;
}

/** Told when a connection waits to be accepted. */
export interface ListenerObserver {
  /** `accept()` gives at least one. */
  onConnection(): void;
}

/** A listening port. */
export interface TransportListener {
  /** Its address; empty = every address of the host. */
  readonly address: string;
  /** Its port. */
  readonly port: number;
  /** The next established connection; null when none waits. */
  accept(): TransportSocket | null;
  /** Stops listening; connections that nobody accepted are reset. */
  close(now: Micros): void;
}

/** How to open a connection. */
export interface TransportConnectOptions {
  /** The peer. */
  readonly remote: Endpoint;
  /** Ours; default: by the host's routes, any port. */
  readonly local?: Endpoint;
  /** Who is told. */
  readonly observer: ConnectionObserver;
  /** Plugins of this connection in place of the host's. */
  readonly policies?: {
    readonly scheduler?: SchedulerPlugin;
    readonly pathManager?: PathManagerPlugin;
    readonly congestionControl?: CongestionControlPlugin;
  };
}

/** How to listen. */
export interface TransportListenOptions {
  /** Default: every address of the host. */
  readonly address?: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Most connections that wait to be accepted. */
  readonly backlog?: number;
  /** Who is told. */
  readonly observer: ListenerObserver;
}

/** The stack of one host. */
export interface TransportStack extends DrivenStack {
  /** MIB counters. */
  readonly counters: { all(): Record<string, number> };
  /** Connections alive, lingering ones included. */
  readonly connections: number;
  /** Adds a link with its addresses, "10.0.0.1/24". */
  addLink(now: Micros, link: Link, addresses: readonly string[]): void;
  /** Opens a connection; what becomes of it is told to the observer. */
  connect(now: Micros, options: TransportConnectOptions): TransportSocket;
  /** Listens. Throws an error whose `code` is "AddrInUse" or "AddrNotAvailable". */
  listen(now: Micros, options: TransportListenOptions): TransportListener;
  /** Adds an address. */
  addAddress(now: Micros, link: Link, address: string): void;
  /** Removes one. */
  removeAddress(now: Micros, address: string): void;
  /** Takes a link up or down. */
  setLinkUp(now: Micros, link: Link, up: boolean): void;
  /** Aborts all connections. */
  close(now: Micros): void;
  /** Gives memory back. */
  free(): void;
}
