/** A stack without a network: two hosts whose sockets are joined by buffers in memory. For tests of net/, which see only its verbs and observers. */

import { DEFAULT_MPTCP, type MptcpSettings } from "../../core/connection/settings.ts";
import type { Link } from "../../core/host/link.ts";
import type {
  CongestionControlPlugin,
  Endpoint,
  Micros,
  PathContext,
  PathManagerPlugin,
  SchedulerPlugin,
} from "../../core/plugin.ts";
import type { FirstTry } from "../../core/connection/race.ts";
import { Figures } from "../../core/connection/figures.ts";
import { DEFAULT_SETTINGS, type KeepAlive, type TcpSettings } from "../../core/subflow/settings.ts";
import { ReceiveWindow } from "../../core/subflow/receive_window.ts";
import type { Subflow } from "../../core/subflow/subflow.ts";
import type { Runtime } from "../../core/net/runtime.ts";
import type {
  ConnectionObserver,
  EndReason,
  ListenerObserver,
  NamedPolicies,
  NetworkCode,
  TransportConnectOptions,
  TransportListener,
  TransportListenOptions,
  TransportSocket,
  TransportStack,
} from "../../core/net/transport.ts";

const NOBODY: ConnectionObserver = {
  onEstablished() {},
  onReadable() {},
  onWritable() {},
  onClosed() {},
};

interface Wait {
  readonly what: string;
  readonly counts: boolean;
  readonly fail: (error: Error) => void;
}

/** Moves bytes between sockets, one turn of the event loop at a time, and its clock to the next timer when there is nothing to move. */
export class FakeNet {
  /** The time. */
  time: Micros = 0;
  /** Calls that wait. */
  readonly waits: Set<Wait> = new Set();
  /** Sockets that are not over. */
  readonly sockets: Set<FakeSocket> = new Set();
  /** Listeners by "address:port" and ":port". */
  readonly listeners: Map<string, FakeListener> = new Map();
  /** Addresses that nothing answers from: attempts time out after 10 s. */
  readonly silent: Set<string> = new Set();
  #timers: { time: Micros; callback: () => void }[] = [];
  #scheduled = false;

  /** Calls back at `time`. */
  at(time: Micros, callback: () => void): () => void {
    const timer = { time, callback };
    this.#timers.push(timer);
    this.#timers.sort((a, b) => a.time - b.time);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Something may have to be done. */
  wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    let moved = false;
    for (const socket of [...this.sockets]) moved = socket.move() || moved;
    if (![...this.waits].some(({ counts }) => counts)) return;
    if (!moved) {
      const timer = this.#timers.shift();
      if (timer === undefined) {
        for (const { what, counts, fail } of [...this.waits]) {
          if (counts) fail(new Error(`Cannot ${what} as nothing is left to happen`));
        }
        return;
      }
      this.time = Math.max(this.time, timer.time);
      timer.callback();
    }
    this.wake();
  }

  /** A runtime over it. */
  runtime(): FakeRuntime {
    return new FakeRuntime(this);
  }
}

/** The runtime of one fake host. */
export class FakeRuntime implements Runtime {
  /** What `hold` said last. */
  held = false;
  /** close() has been called. */
  closed = false;
  readonly #net: FakeNet;

  constructor(net: FakeNet) {
    this.#net = net;
  }

  now(): Micros {
    return this.#net.time;
  }

  wake(): void {
    this.#net.wake();
  }

  wait(what: string, counts: boolean, fail: (error: Error) => void): () => void {
    const wait = { what, counts, fail };
    this.#net.waits.add(wait);
    this.#net.wake();
    return () => void this.#net.waits.delete(wait);
  }

  at(time: Micros, callback: () => void): () => void {
    return this.#net.at(time, callback);
  }

  hold(alive: boolean): void {
    this.held = alive;
  }

  start(): void {}

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

const NO_PATHS: PathContext = {
  role: "client",
  token: 1,
  limits: { subflows: 8, addAddrAccepted: 8 },
  locals: [],
  remotes: [],
  paths: [],
  peerDeniesJoinToInitial: false,
  route: () => null,
  identify: (address) => address,
  limitSubflows() {},
  index: () => 1,
  use() {},
  setBackup() {},
  announce() {},
  withdraw() {},
  after: () => () => {},
};

/** One end of a pipe. */
export class FakeSocket implements TransportSocket {
  readonly localEndpoint: Endpoint;
  readonly remoteEndpoint: Endpoint;
  observer: ConnectionObserver;
  peer: FakeSocket | null = null;
  /** Bytes in the send queue and received, and the most of each. */
  readonly outgoing: number[] = [];
  readonly incoming: number[] = [];
  capacity = 65536;
  established = false;
  get joinable(): boolean {
    return this.established;
  }
  closed = false;
  code: NetworkCode | null = null;
  reason: EndReason | null = null;
  noDelay = true;
  keepAlive: KeepAlive | null = null;
  /** Of each write. */
  readonly corks: boolean[] = [];
  readonly hints: number[] = [];
  tag = 0;
  tuned: Readonly<Record<string, unknown>> | null = null;
  /** Of each that has announced one. */
  readonly messages: number[] = [];
  readonly tcp: TcpSettings = DEFAULT_SETTINGS;
  readonly mptcp: MptcpSettings = DEFAULT_MPTCP;
  lowWater = Infinity;
  begunWith = 0;
  finSent = false;
  finAcked = false;
  peerFinished = false;
  discarding = false;
  appClosed = false;
  scheduler: SchedulerPlugin | null = null;
  congestionControl: CongestionControlPlugin | null = null;
  /** The peer takes nothing from it. */
  stuck = false;
  readonly paths = {
    context: NO_PATHS,
    accepted: 0,
    signalled: 0,
    limits: { subflows: 8, addAddrAccepted: 8 },
  };
  readonly timer = { probes: 0 };

  bytesAcked = 0;
  bytesReceived = 0;
  bytesSent = 0;
  fallback = false;
  readonly fallbackReason = null;
  readonly policyNames = { scheduler: "", congestion_control: "", path_manager: "" };
  readonly figures = new Figures();
  readonly keys = {
    checksum: false,
    idsn: { high: 0xffffffff, low: 0xfffffffe },
    peerIdsn: { high: 1, low: 2 },
    token: 0xfedcba98 | 0,
  };
  subflows: Subflow[] = [];
  readonly attempts: Subflow[] = [];
  readonly tries: readonly FirstTry[] = [];
  readonly subflowsTotal = 1;
  readonly #net: FakeNet;
  #told = false;
  #readableTold = 0;

  constructor(net: FakeNet, local: Endpoint, remote: Endpoint, observer: ConnectionObserver) {
    this.#net = net;
    this.localEndpoint = local;
    this.remoteEndpoint = remote;
    this.observer = observer;
    net.sockets.add(this);
  }

  get tail(): number {
    return 1 + this.bytesSent + this.outgoing.length;
  }

  get receiveQueue(): TransportSocket["receiveQueue"] {
    return { held: 0, space: 0, window: new ReceiveWindow(this.capacity) };
  }

  get sendQueue(): TransportSocket["sendQueue"] {
    return { limit: this.capacity, unsent: this.outgoing.length };
  }

  get dataUna(): number {
    return 1 + this.bytesAcked;
  }

  get dataRcvNxt(): number {
    return 1 + this.bytesReceived;
  }

  get readable(): number {
    return this.incoming.length;
  }

  get atEnd(): boolean {
    return this.peerFinished && this.incoming.length === 0;
  }

  get finished(): boolean {
    return this.finAcked && this.peerFinished;
  }

  write(
    _now: Micros,
    source: Uint8Array,
    from: number,
    cork = false,
    hint = 0,
    message = 0,
  ): number {
    this.corks.push(cork);
    this.hints.push(hint);
    if (message > 0) this.messages.push(message);
    const count = Math.min(source.length - from, this.capacity - this.outgoing.length);
    for (let i = 0; i < count; i++) this.outgoing.push(source[from + i]!);
    return count;
  }

  lent: Uint8Array<ArrayBuffer> | null = null;

  lend(): Uint8Array<ArrayBuffer> | null {
    const room = this.capacity - this.outgoing.length;
    return this.lent = room > 0 && !this.closed ? new Uint8Array(room) : null;
  }

  filled(_now: Micros, bytes: number, cork = false, hint = 0, message = 0): void {
    this.corks.push(cork);
    this.hints.push(hint);
    if (message > 0) this.messages.push(message);
    for (const byte of this.lent!.subarray(0, bytes)) this.outgoing.push(byte);
    this.lent = null;
  }

  /** More is likely to be written in the job at hand. */
  gathers = false;

  gather(gathers: boolean): void {
    this.gathers = gathers;
  }

  awaitRoom(): number {
    return this.closed ? 0 : this.capacity - this.outgoing.length;
  }

  lendReceived(): Uint8Array<ArrayBuffer> | null {
    return this.incoming.length > 0 ? Uint8Array.from(this.incoming) : null;
  }

  used(_now: Micros, bytes: number): void {
    this.incoming.splice(0, bytes);
  }

  read(_now: Micros, target: Uint8Array): number {
    const bytes = this.incoming.splice(0, target.length);
    target.set(bytes);
    return bytes.length;
  }

  observe(observer: ConnectionObserver): void {
    this.observer = observer;
  }

  setNoDelay(noDelay: boolean): void {
    this.noDelay = noDelay;
  }

  setKeepAlive(_now: Micros, choice: KeepAlive | null): void {
    this.keepAlive = choice;
  }

  setNotSentLowWater(bytes: number): void {
    this.lowWater = bytes;
  }

  finish(): void {
    this.finSent = true;
  }

  discard(): void {
    this.discarding = true;
    this.incoming.length = 0;
  }

  close(now: Micros): void {
    if (this.appClosed) return;
    this.appClosed = true;
    if (this.incoming.length > 0) this.abort(now);
    else this.finish();
  }

  abort(_now: Micros): void {
    this.end("ConnectionAborted");
    this.peer?.end("ConnectionReset");
  }

  setScheduler(_now: Micros, plugin: SchedulerPlugin): void {
    this.scheduler = plugin;
  }

  setTag(_now: Micros, tag: number): void {
    this.tag = tag;
  }

  tuneScheduler(_now: Micros, parameters: Readonly<Record<string, unknown>>): void {
    this.tuned = parameters;
  }

  setCongestionControl(_now: Micros, plugin: CongestionControlPlugin): void {
    this.congestionControl = plugin;
  }

  /** The first subflow is there. */
  establish(): void {
    this.established = true;
    this.observer.onEstablished();
  }

  /** It is over. */
  end(code: NetworkCode | null, reason: EndReason | null = null): void {
    if (this.closed) return;
    this.closed = true;
    this.code = code;
    this.reason = reason;
    this.#net.wake();
  }

  /** Moves what can be moved to the peer and tells the observer; true when anything happened. */
  move(): boolean {
    const { peer } = this;
    let moved = false;
    if (peer !== null && !this.closed && !this.stuck) {
      const room = peer.discarding ? Infinity : peer.capacity - peer.incoming.length;
      const bytes = this.outgoing.splice(0, Math.min(room, this.outgoing.length));
      if (bytes.length > 0) {
        moved = true;
        this.bytesSent += bytes.length;
        this.bytesAcked += bytes.length;
        peer.bytesReceived += bytes.length;
        if (!peer.discarding) { for (const byte of bytes) peer.incoming.push(byte); }
        peer.observer.onReadable();
        this.observer.onWritable();
      }
      if (this.finSent && !this.finAcked && this.outgoing.length === 0) {
        moved = true;
        this.finAcked = true;
        peer.peerFinished = true;
        peer.observer.onReadable();
      }
      if (this.finished && this.outgoing.length === 0) this.end(null);
    }
    if (this.closed && !this.#told) {
      moved = true;
      this.#told = true;
      this.#net.sockets.delete(this);
      this.observer.onClosed(this.code, this.reason);
    }
    return moved;
  }
}

/** A listening port. */
export class FakeListener implements TransportListener {
  readonly address: string;
  readonly port: number;
  readonly observer: ListenerObserver;
  readonly waiting: FakeSocket[] = [];
  /** Plugins chosen after it began. */
  readonly chosen: NamedPolicies[] = [];
  readonly #net: FakeNet;

  constructor(net: FakeNet, address: string, port: number, observer: ListenerObserver) {
    this.#net = net;
    this.address = address;
    this.port = port;
    this.observer = observer;
  }

  accept(): FakeSocket | null {
    return this.waiting.shift() ?? null;
  }

  choose(policies: NamedPolicies): void {
    this.chosen.push(policies);
  }

  close(now: Micros): void {
    this.#net.listeners.delete(`${this.address}:${this.port}`);
    for (const socket of this.waiting) socket.abort(now);
  }
}

/** The stack of one host. */
export class FakeStack implements TransportStack {
  readonly tcp: TcpSettings = DEFAULT_SETTINGS;
  readonly mptcp: MptcpSettings = DEFAULT_MPTCP;
  readonly pathManager: PathManagerPlugin = {
    kind: "path-manager",
    name: "fake",
    create: () => ({ onEvent() {} }),
  };
  readonly living: readonly never[] = [];
  readonly counters = { all: (): Record<string, number> => ({ MPCapableSYNTX: 1 }) };
  now = 0;
  /** What was done, in words. */
  readonly log: string[] = [];
  /** Batches that have ended. */
  flushes = 0;
  /** Every socket it made. */
  readonly sockets: FakeSocket[] = [];
  /** Options of the last connect and listen. */
  connected: TransportConnectOptions | null = null;
  listened: TransportListenOptions | null = null;
  readonly #net: FakeNet;
  readonly #address: string;
  #port = 40000;

  constructor(net: FakeNet, address: string) {
    this.#net = net;
    this.#address = address;
  }

  watch(): () => void {
    return () => {};
  }

  get connections(): number {
    return this.sockets.filter((socket) => !socket.closed).length;
  }

  connect(_now: Micros, options: TransportConnectOptions): FakeSocket {
    this.connected = options;
    const net = this.#net;
    const { observer, others = [] } = options;
    // The first that answers, or else the last.
    const remote = [options.remote, ...others].find((end) => this.#answers(end)) ??
      others.at(-1) ?? options.remote;
    const local = { address: options.local?.address ?? this.#address, port: this.#port++ };
    const socket = new FakeSocket(net, local, remote, observer);
    this.sockets.push(socket);
    if (net.silent.has(remote.address)) {
      net.at(net.time + 10e6, () => socket.end("TimedOut"));
      return socket;
    }
    const { address, port } = remote;
    const listener = net.listeners.get(`${address}:${port}`) ?? net.listeners.get(`:${port}`);
    if (listener === undefined) {
      socket.end("ConnectionRefused");
      return socket;
    }
    net.at(net.time + 10e3, () => {
      if (socket.closed) return;
      const other = new FakeSocket(net, remote, local, NOBODY);
      other.established = true;
      other.peer = socket;
      socket.peer = other;
      listener.waiting.push(other);
      socket.establish();
      listener.observer.onConnection();
    });
    return socket;
  }

  #answers({ address, port }: Endpoint): boolean {
    const { silent, listeners } = this.#net;
    return !silent.has(address) &&
      (listeners.has(`${address}:${port}`) || listeners.has(`:${port}`));
  }

  listen(_now: Micros, options: TransportListenOptions): FakeListener {
    this.listened = options;
    const { address = "", port, observer } = options;
    if (address !== "" && address !== this.#address) {
      throw Object.assign(new Error("listen"), { code: "AddrNotAvailable" });
    }
    if (this.#net.listeners.has(`${address}:${port}`)) {
      throw Object.assign(new Error("listen"), { code: "AddrInUse" });
    }
    const listener = new FakeListener(
      this.#net,
      address,
      port === 0 ? this.#port++ : port,
      observer,
    );
    this.#net.listeners.set(`${address}:${listener.port}`, listener);
    return listener;
  }

  addLink(): void {}

  addAddress(_now: Micros, link: Link, address: string): void {
    this.log.push(`add ${address} to ${link.name}`);
  }

  removeAddress(_now: Micros, address: string): void {
    this.log.push(`remove ${address}`);
  }

  setLinkUp(_now: Micros, link: Link, up: boolean): void {
    this.log.push(`${link.name} ${up ? "up" : "down"}`);
  }

  close(now: Micros): void {
    this.log.push("close");
    for (const socket of this.sockets) socket.abort(now);
  }

  free(): void {
    this.log.push("free");
  }

  handlePacket(): void {}
  handleWritable(): void {}
  handleTimeout(): void {}
  pollTimeout(): Micros {
    return Infinity;
  }
  flush(): void {
    this.flushes++;
  }
}
