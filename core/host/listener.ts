/**
 * A listening port (RFC 9293 §3.10.2): connections between SYN and third ACK, and those that wait to be accepted. Each of the two has a limit of its own:
 * nobody is kept out by those who never finish a handshake, and an application that is slow to accept is no flood.
 */

import type { MetaSocket } from "../connection/meta_socket.ts";
import type { Micros } from "../plugin.ts";
import { DEFAULT_MPTCP, type MptcpSettings } from "../connection/settings.ts";
import { DEFAULT_SETTINGS, type TcpSettings } from "../subflow/settings.ts";
import type { Policies } from "../guard/policies.ts";
import { FastOpenQueue } from "./fast_open.ts";

/** Told when a connection waits to be accepted. */
export interface ListenerObserver {
  /** `accept()` gives at least one. */
  onConnection(): void;
}

/** Most connections that wait to be accepted, where nothing else is asked for. */
export const DEFAULT_BACKLOG = 511;
/** Most half-open ones where nothing else is asked for: each takes some 8 KB. */
const MOST_HALF_OPEN = 1024;

/** What was chosen for the connections of a listener. */
export interface ConnectionChoices {
  /** User timeout; undefined: the default. */
  readonly userTimeout?: Micros | undefined;
  /** Of the TCP engine. */
  readonly tcp?: TcpSettings;
  /** Of MPTCP. */
  readonly mptcp?: MptcpSettings;
  /** Plugins in place of the host's. */
  readonly policies?: Partial<Policies>;
  /** It takes connections to every address and port that no other listener has; its own port is 0. */
  readonly transparent?: boolean;
}

/** One listening port. */
export class Listener {
  /** Its address; empty = every address of the host. */
  readonly address: string;
  /** Its port. */
  readonly port: number;
  /** User timeout of its connections; undefined: the default. */
  readonly userTimeout: Micros | undefined;
  /** What was chosen of the TCP engine for them. */
  readonly tcp: TcpSettings;
  /** What was chosen of MPTCP for them. */
  readonly mptcp: MptcpSettings;
  #policies: Partial<Policies>;
  /** It takes connections to every address and port that no other has. */
  readonly transparent: boolean;
  /** Connections between SYN and third ACK. */
  readonly halfOpen: Set<MetaSocket> = new Set();
  /** Those that are given out before their third ACK. */
  readonly fastOpens: FastOpenQueue;
  readonly #waiting: MetaSocket[] = [];
  readonly #backlog: number;
  readonly #synBacklog: number;
  readonly #observer: ListenerObserver;
  readonly #onClose: (listener: Listener) => void;
  #told = false;
  #closed = false;

  /** Made by the stack. */
  constructor(
    address: string,
    port: number,
    backlog: number,
    observer: ListenerObserver,
    onClose: (listener: Listener) => void,
    choices: ConnectionChoices = {},
  ) {
    const { userTimeout, tcp = DEFAULT_SETTINGS, mptcp = DEFAULT_MPTCP, policies = {} } = choices;
    this.transparent = choices.transparent ?? false;
    this.address = address;
    this.port = port;
    this.#backlog = backlog;
    this.#synBacklog = tcp.synBacklog ?? Math.min(backlog, MOST_HALF_OPEN);
    this.fastOpens = new FastOpenQueue(tcp.fastOpenQueue ?? backlog);
    this.#observer = observer;
    this.#onClose = onClose;
    this.userTimeout = userTimeout;
    this.tcp = tcp;
    this.mptcp = mptcp;
    this.#policies = policies;
  }

  /** Plugins of its connections in place of the host's. */
  get policies(): Partial<Policies> {
    return this.#policies;
  }

  /** Others for connections that begin from now on; those not named stay. */
  choose(policies: Partial<Policies>): void {
    this.#policies = { ...this.#policies, ...policies };
  }

  /** Whether no more may wait to be accepted. */
  get full(): boolean {
    return this.#waiting.length >= this.#backlog;
  }

  /** Whether no more half-open ones are kept. */
  get crowded(): boolean {
    return this.halfOpen.size >= this.#synBacklog;
  }

  /** Makes room by dropping the oldest half-open connection, if its SYN/ACK was sent again without an answer: a flood of SYNs ages fast. */
  evict(now: Micros): boolean {
    for (const connection of this.halfOpen) {
      if (connection.attempts[0]?.handshakeRepeated === false) return false;
      this.halfOpen.delete(connection);
      connection.close(now);
      return true;
    }
    return false;
  }

  /** A half-open connection is established. */
  opened(connection: MetaSocket): void {
    this.halfOpen.delete(connection);
    this.#waiting.push(connection);
    this.#told = false;
  }

  /** Tells the observer of what came in this batch. */
  notify(): void {
    if (this.#told || this.#waiting.length === 0) return;
    this.#told = true;
    this.#observer.onConnection();
  }

  /** The next established connection; null when none waits. */
  accept(): MetaSocket | null {
    return this.#waiting.shift() ?? null;
  }

  /** Stops listening; connections that nobody accepted are reset. May be called twice. */
  close(now: Micros): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose(this);
    for (const connection of [...this.halfOpen, ...this.#waiting]) {
      connection.abort(now);
      connection.close(now);
    }
    this.halfOpen.clear();
    this.#waiting.length = 0;
  }
}

/** The listeners of a host, and which of them each half-open connection belongs to. */
export class Listeners {
  /** In the order in which they began; one may close as another is told. */
  readonly #list = new Set<Listener>();
  #transparent: Listener | undefined;
  readonly #halfOpen = new Map<MetaSocket, Listener>();
  /** Of those given out before their third ACK. */
  readonly #early = new Map<MetaSocket, Listener>();

  /** The listener for a destination. */
  find(address: string, port: number): Listener | undefined {
    return this.having(address, port) ?? this.transparent;
  }

  /** The one that has an address and a port of its own; the empty address asks for any. */
  having(address: string, port: number): Listener | undefined {
    for (const each of this.#list) {
      if (each.port !== port || each.transparent) continue;
      if (each.address === address || each.address === "" || address === "") return each;
    }
    return undefined;
  }

  /** The one that has all others. */
  get transparent(): Listener | undefined {
    return this.#transparent;
  }

  /** Begins to listen; the port must be free. */
  add(
    address: string,
    port: number,
    backlog: number,
    observer: ListenerObserver,
    choices: ConnectionChoices = {},
    onClose: (listener: Listener) => void = () => {},
  ): Listener {
    const listener = new Listener(address, port, backlog, observer, (closed) => {
      this.#list.delete(closed);
      if (closed.transparent) this.#transparent = undefined;
      for (const connection of closed.halfOpen) this.#halfOpen.delete(connection);
      onClose(closed);
    }, choices);
    this.#list.add(listener);
    if (listener.transparent) this.#transparent = listener;
    return listener;
  }

  /** A connection has begun with a SYN. */
  begun(listener: Listener, connection: MetaSocket): void {
    listener.halfOpen.add(connection);
    this.#halfOpen.set(connection, listener);
  }

  /** It is to be given out before its third ACK. */
  begunEarly(listener: Listener, connection: MetaSocket): void {
    listener.fastOpens.begun();
    this.#early.set(connection, listener);
  }

  /** That has come, or it has ended before; `reset`: by a RST. */
  proved(connection: MetaSocket, reset: boolean, now: Micros): void {
    const fastOpens = this.#early.get(connection)?.fastOpens;
    this.#early.delete(connection);
    if (reset) fastOpens?.reset(now);
    else fastOpens?.over();
  }

  /** Whether it may be opened: where the queue of its listener is full it stays half-open. */
  mayOpen(connection: MetaSocket): boolean {
    return this.#halfOpen.get(connection)?.full !== true;
  }

  /** Its third ACK has come. */
  opened(connection: MetaSocket): void {
    this.#halfOpen.get(connection)?.opened(connection);
    this.#halfOpen.delete(connection);
  }

  /** A half-open connection that came to nothing is nobody's: it is given back here. */
  settle(connection: MetaSocket, now: Micros): void {
    if (!connection.closed || !this.#halfOpen.has(connection)) return;
    this.forget(connection);
    connection.close(now);
  }

  /** Nothing is left of a connection. */
  forget(connection: MetaSocket): void {
    this.#halfOpen.get(connection)?.halfOpen.delete(connection);
    this.#halfOpen.delete(connection);
  }

  /** Tells the observers of what came in this batch. */
  notify(): void {
    for (const listener of this.#list) listener.notify();
  }

  /** Closes all. */
  close(now: Micros): void {
    for (const listener of [...this.#list]) listener.close(now);
  }
}
