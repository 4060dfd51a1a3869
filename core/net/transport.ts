/** What net/ asks of the stack: verbs of the application, outcomes through observers. core/host/stack.ts has this shape. */

import type { MptcpSettings } from "../connection/settings.ts";
import type { ConnectionObserver, EndReason, NetworkCode } from "../connection/host.ts";
import type { MetaSocket } from "../connection/meta_socket.ts";
import type { DrivenStack, Link } from "../host/link.ts";
import type {
  CongestionControlPlugin,
  Endpoint,
  Micros,
  PathContext,
  PathManagerPlugin,
  SchedulerPlugin,
} from "../plugin.ts";
import type { Probe } from "../subflow/probe.ts";
import type { TcpSettings } from "../subflow/settings.ts";
import type { InfoSource } from "./info.ts";

export type { ConnectionObserver, EndReason, NetworkCode };

/** The meta-socket of one connection: what its application does with it, and the figures that `info()` reads. */
export interface TransportSocket extends
  InfoSource,
  Pick<
    MetaSocket,
    | "abort"
    | "atEnd"
    | "awaitRoom"
    | "begunWith"
    | "close"
    | "closed"
    | "code"
    | "discard"
    | "filled"
    | "finish"
    | "finished"
    | "gather"
    | "lend"
    | "lendReceived"
    | "localEndpoint"
    | "observe"
    | "read"
    | "readable"
    | "reason"
    | "remoteEndpoint"
    | "setCongestionControl"
    | "setKeepAlive"
    | "setNoDelay"
    | "setNotSentLowWater"
    | "setScheduler"
    | "setTag"
    | "tuneScheduler"
    | "tcp"
    | "tries"
    | "used"
    | "write"
  > {
  /** What a path manager sees and does. */
  readonly paths: InfoSource["paths"] & { readonly context: PathContext };
}

/** What a watcher who comes late reads of a connection. */
export interface WatchedSocket extends
  Pick<
    MetaSocket,
    "attempts" | "established" | "fallback" | "fallbackReason" | "id" | "keys" | "role"
  > {
  /** Of its path side. */
  readonly paths: Pick<MetaSocket["paths"], "peerDeniesJoinToInitial">;
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
  /** Other plugins for connections that begin from now on. */
  choose(policies: NamedPolicies): void;
  /** Stops listening; connections that nobody accepted are reset. */
  close(now: Micros): void;
}

/** How to open a connection. */
export interface TransportConnectOptions {
  /** The peer. */
  readonly remote: Endpoint;
  /** Other addresses of the same name. */
  readonly others?: readonly Endpoint[];
  /** Ours; default: by the host's routes, any port. */
  readonly local?: Endpoint;
  /** User timeout. */
  readonly userTimeout?: Micros;
  /** Of the TCP engine. */
  readonly tcp?: TcpSettings;
  /** Of MPTCP. */
  readonly mptcp?: MptcpSettings;
  /** Who is told. */
  readonly observer: ConnectionObserver;
  /** Its first data; `begunWith` of the socket tells how many bytes are taken. */
  readonly data?: Uint8Array;
  /** Plugins of this connection in place of the host's. */
  readonly policies?: NamedPolicies;
}

/** Plugins in place of the host's; of those not named the host's stay. */
export interface NamedPolicies {
  /** Which path carries what. */
  readonly scheduler?: SchedulerPlugin;
  /** Which paths are opened. */
  readonly pathManager?: PathManagerPlugin;
  /** Sets the windows. */
  readonly congestionControl?: CongestionControlPlugin;
}

/** How to listen. */
export interface TransportListenOptions {
  /** Default: every address of the host. */
  readonly address?: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Most connections that wait to be accepted. */
  readonly backlog?: number;
  /** User timeout of its connections. */
  readonly userTimeout?: Micros;
  /** Of the TCP engine, for its connections. */
  readonly tcp?: TcpSettings;
  /** Of MPTCP. */
  readonly mptcp?: MptcpSettings;
  /** Plugins of its connections in place of the host's. */
  readonly policies?: NamedPolicies;
  /** Every address and port that no other listener has. */
  readonly transparent?: boolean;
  /** Who is told. */
  readonly observer: ListenerObserver;
}

/** The stack of one host. */
export interface TransportStack extends DrivenStack {
  /** The time that plugins see: stamped before each verb of a socket. */
  now: Micros;
  /** What was chosen of the TCP engine where a connection says nothing. */
  readonly tcp: TcpSettings;
  /** The same of MPTCP. */
  readonly mptcp: MptcpSettings;
  /** MIB counters. */
  readonly counters: { all(): Record<string, number> };
  /** Connections alive, lingering ones included. */
  readonly connections: number;
  /** What decides of paths where a connection names nothing else. */
  readonly pathManager: PathManagerPlugin;
  /** All connections that are alive. */
  readonly living: Iterable<WatchedSocket>;
  /** Has one more probe told; the result ends that. */
  watch(probe: Probe): () => void;
  /** Adds a link with its addresses, "10.0.0.1/24"; `transparent`: it takes packets for any other, too. */
  addLink(now: Micros, link: Link, addresses: readonly string[], transparent?: boolean): void;
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
