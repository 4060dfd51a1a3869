/**
 * What a path manager works with: the path manager's side of the draft's line (§2.1) for one connection. It knows addresses and paths,
 * nothing of queues and windows.
 *
 * How a connection drives it:
 * 1. When MPTCP is agreed: `new ConnectionPaths(transport, plugin, { first, locals, limits })`. Path 1 is the first subflow's.
 * 2. When MPTCP is agreed and the peer has both keys: `start(false)`. ADD_ADDRs are sent from then on. When joins are possible (RFC 8684 §3.1: a DSS
 *    has come): `start()`.
 * 3. `localAdded`, `localRemoved` when the host's addresses change, links going up and down included.
 * 4. An ADD_ADDR whose HMAC is good: `remoteAnnounced`, which also has it echoed. An echo: `echoReceived`. A REMOVE_ADDR:
 *    `remoteRemoved`; whether the paths over the address are dead is for the connection to find out by keepalives (RFC 8684 §3.4.2).
 * 5. A SYN with MP_JOIN: `refuseJoin` gives the MP_TCPRST reason, or null; `reserve()` the index of the subflow to be; once its HMAC is good
 *    `joinSeen` lets the index name the pair, then `subflowChanged(path, "joined")`; when it fails before, `abandon`.
 * 6. `subflowChanged` for every path: "joined" and "left" of those that `open` began too, failed ones included; before a "left" by a RST with MP_TCPRST
 *    `resetTold`. A wanted path that has left is opened again as reopen.ts has it; never after `settle()`, as the connection is plain TCP, until `resume()`.
 * 7. At the end of each batch, or of those that `dirty` was called in: `flush()`.
 * 8. When the connection ends: `stop()`; no timer is left.
 *
 * Calls of {@linkcode PathTransport} may call back at once (`close` may lead to `subflowChanged` before it returns): events wait until the path
 * manager has returned.
 */

import type {
  Endpoint,
  HostAddress,
  Micros,
  PathContext,
  PathEvent,
  PathIndex,
  PathLimitsView,
  PathManager,
  PathManagerPlugin,
  PathSpec,
  PathView,
  ResetReason,
  SubflowChange,
} from "../plugin.ts";
import { Addresses, Announcer, familyOf, type LocalAddress } from "./addresses.ts";
import { formatAddress, parseHost } from "../wire/ip.ts";
import { RST_RESOURCE } from "../wire/mptcp.ts";
import { DEFAULT_LIMITS, mayAdd, type PathLimits, RESET_PROHIBITED } from "./limits.ts";
import { FewPaths } from "./few_paths.ts";
import { FIRST_PATH, PathTable, sameAddress } from "./path_table.ts";
import { Reopening } from "./reopen.ts";

/** The multipath transport as the path manager's side sees it: what a connection implements. */
export interface PathTransport {
  /** Which side opened the connection. */
  readonly role: "client" | "server";
  /** The present. */
  readonly now: Micros;
  /** Established paths; always the same array. */
  readonly paths: readonly PathView[];
  /** C flag of the peer's MP_CAPABLE. */
  readonly peerDeniesJoinToInitial: boolean;
  /** Our token. */
  readonly token: number;
  /** The address that the host's routes choose towards `remote`; null when it has none of that family. */
  route(remote: HostAddress): string | null;
  /** Begins a join from a local port of its choice; false when that cannot be done now. Its outcome comes through `subflowChanged`. */
  open(path: PathIndex, spec: PathSpec, backup: boolean): boolean;
  /** Whether a path has been silent for long. */
  unheard(path: PathIndex): boolean;
  /** Ends a path, half-open ones included; "left" follows. */
  close(path: PathIndex): void;
  /** Sends MP_PRIO. */
  setBackup(path: PathIndex, backup: boolean): void;
  /** Joins come to `address` at its port, and nothing else shall: it is announced with it. */
  holdPort(address: HostAddress): void;
  /** They do no longer for the address of this id. */
  releasePort(id: number): void;
  /** Sends an ADD_ADDR, or the echo of one; port 0 leaves the port out. False when nothing can carry it now. */
  sendAddAddr(address: HostAddress, echo: boolean): boolean;
  /** Sends a REMOVE_ADDR, on a path that does not use the addresses where there is one; false when nothing can carry it now. */
  sendRemoveAddr(ids: readonly number[]): boolean;
  /** Has `flush` called at the end of this batch. */
  dirty(): void;
  /** Calls back at `time`; the result cancels. */
  at(time: Micros, callback: () => void): () => void;
  /** Calls back when a packet comes from `address` that belongs to no path any more; the result cancels. */
  onStray(address: string, callback: () => void): () => void;
  /** A callback threw. */
  report(error: unknown): void;
}

/** What a connection begins with. */
export interface ConnectionPathsOptions {
  /** Path 1; both ends have address id 0. */
  readonly first: PathSpec;
  /** Further addresses of this host. */
  readonly locals?: readonly LocalAddress[];
  /** Bounds; those not given hold as in {@linkcode DEFAULT_LIMITS}. */
  readonly limits?: Partial<PathLimits>;
  /** Longest wait for the echo of an ADD_ADDR before its first repeat; 0: none is repeated. */
  readonly addAddrTimeout?: Micros;
}

// What holds of a path, as bits: each place of its own would take eight bytes of every path.
/** The peer opened it. */
const THEIRS = 1;
/** One of its addresses has vanished: forgotten when it leaves (PM-3). */
const PASSING = 2;
/** It is used only when no other works. */
const BACKUP = 4;
/** The path manager was told that the limit has no room for it. */
const LIMITED = 8;
/** It was joined once. */
const WORKED = 16;

/** What the transport makes of one path. */
class PathUse extends Reopening {
  state: "idle" | "opening" | "open" | "closing";
  /** Ends the watch for packets from its far end, which it has while it is to be opened again. */
  unwatch: () => void = idle;
  /** The same once more, from another port, which is to take its place; 0: none is wanted. */
  stead: PathIndex | 0 = 0;
  #flags: number;

  constructor(state: PathUse["state"], flags = 0) {
    super();
    this.state = state;
    this.#flags = flags;
  }

  is(flag: number): boolean {
    return (this.#flags & flag) !== 0;
  }

  set(flag: number, on: boolean): void {
    this.#flags = on ? this.#flags | flag : this.#flags & ~flag;
  }
}

// The same of a connection.
/** The path manager is being told. */
const TELLING = 1;
/** Addresses may be announced. */
const STARTED = 2;
/** Paths may be opened. */
const JOINS = 4;
/** The connection has ended. */
const STOPPED = 8;
/** Nothing is opened any more. */
const SETTLED = 16;

/** The bounds that a connection was made with last: as a rule all have the same, and share them. */
let bounds = DEFAULT_LIMITS;

function boundsOf(options: Partial<PathLimits> | undefined): PathLimits {
  const limits = { ...DEFAULT_LIMITS, ...options };
  const names = Object.keys(limits) as (keyof PathLimits)[];
  return names.every((name) => limits[name] === bounds[name]) ? bounds : bounds = limits;
}

function idle(): void {}

function unwatch(use: PathUse): void {
  use.unwatch();
  use.unwatch = idle;
}

/** Paths and addresses of one connection. */
export class ConnectionPaths {
  /** A verb may be taken out of it, and is made when it is asked for: every connection has a context, and few verbs of it are used. */
  static readonly #Context = class implements PathContext {
    readonly #of: ConnectionPaths;

    constructor(of: ConnectionPaths) {
      this.#of = of;
    }

    get role(): PathContext["role"] {
      return this.#of.#transport.role;
    }

    get token(): number {
      return this.#of.#transport.token;
    }

    get limits(): PathLimitsView {
      return this.#of.#limits;
    }

    get locals(): readonly HostAddress[] {
      return this.#of.#addresses.locals;
    }

    get remotes(): readonly HostAddress[] {
      return this.#of.#addresses.remotes;
    }

    get paths(): readonly PathView[] {
      return this.#of.#transport.paths;
    }

    get peerDeniesJoinToInitial(): boolean {
      return this.#of.#transport.peerDeniesJoinToInitial;
    }

    get route(): PathContext["route"] {
      return (remote) => this.#of.route(remote);
    }

    get identify(): PathContext["identify"] {
      return (address, id) => this.#of.identify(address, id);
    }

    get limitSubflows(): PathContext["limitSubflows"] {
      return (subflows) => this.#of.limitSubflows(subflows);
    }

    get index(): PathContext["index"] {
      return (spec) => this.#of.index(spec);
    }

    get use(): PathContext["use"] {
      return (paths) => this.#of.useOnly(paths);
    }

    get setBackup(): PathContext["setBackup"] {
      return (path, backup) => this.#of.setBackup(path, backup);
    }

    get announce(): PathContext["announce"] {
      return (address) => this.#of.announce(address);
    }

    get withdraw(): PathContext["withdraw"] {
      return (address) => this.#of.withdraw(address.id);
    }

    get after(): PathContext["after"] {
      return (delay, callback) => this.#of.after(delay, callback);
    }
  };

  /** What the path manager gets, and an application through `conn.paths`. */
  readonly context: PathContext;
  readonly #transport: PathTransport;
  readonly #first: PathSpec;
  #limits: PathLimits;
  readonly #addresses: Addresses;
  /** Made when something is first to be announced, confirmed or taken back. */
  #madeAnnouncer: Announcer | null = null;
  readonly #addAddrTimeout: Micros | undefined;
  readonly #table: PathTable;
  readonly #uses = new FewPaths<PathUse>();
  /** Null before the first. */
  #timers: Set<() => void> | null = null;
  readonly #manager: PathManager;
  /** Those that wait until the path manager has returned; null: none does, nor did while it was told the last. */
  #events: PathEvent[] | null = null;
  /** The last full set; null until the path manager has named one. */
  #wanted: PathIndex[] | null = null;
  /** The host's limit of subflows. */
  readonly #most: number;
  #flags = 0;
  /** Of the nearest try. */
  #cancelTry: () => void = idle;

  /** Makes the tables, then the path manager. */
  constructor(
    transport: PathTransport,
    plugin: PathManagerPlugin,
    options: ConnectionPathsOptions,
  ) {
    this.#transport = transport;
    this.#first = options.first;
    this.#limits = boundsOf(options.limits);
    this.#most = this.#limits.subflows;
    this.#addresses = new Addresses(options.first, this.#limits);
    this.#table = new PathTable(options.first, this.#limits.paths);
    this.#addAddrTimeout = options.addAddrTimeout;
    this.#uses.set(FIRST_PATH, new PathUse("open"));
    for (const address of options.locals ?? []) this.#addresses.addLocal(address);
    this.context = new ConnectionPaths.#Context(this);
    this.#manager = plugin.create(this.context);
  }

  private is(flag: number): boolean {
    return (this.#flags & flag) !== 0;
  }

  private set(flag: number, on: boolean): void {
    this.#flags = on ? this.#flags | flag : this.#flags & ~flag;
  }

  private announcer(): Announcer {
    const begun = this.is(STARTED) && !this.is(SETTLED);
    return this.#madeAnnouncer ??= new Announcer(this.#transport, this.#addAddrTimeout, begun);
  }

  /** The bounds in force. */
  get limits(): PathLimitsView {
    return this.#limits;
  }

  /** Announcements of ours that the peer has not confirmed. */
  get unconfirmed(): number {
    return this.#madeAnnouncer?.unconfirmed ?? 0;
  }

  /** How many addresses the peer was told that were not taken back. */
  get announced(): number {
    return this.#madeAnnouncer?.announced ?? 0;
  }

  /** How many of the peer's announcements are in force. */
  get accepted(): number {
    return this.#addresses.accepted;
  }

  /** Messages 2 and 3 of the draft (§2.1): what a path names, local port 0 unless it is the first; undefined when it names nothing. */
  spec(path: PathIndex): PathSpec | undefined {
    return this.#table.get(path);
  }

  /** The id of an address of this host, for MP_JOIN; -1 when it is none. */
  localId(address: string): number {
    return this.#addresses.local(address)?.id ?? -1;
  }

  /** Addresses may be announced now and, where `joins` are possible, paths be opened. */
  start(joins = true): void {
    if (this.is(STOPPED)) return;
    const possible = joins && !this.is(JOINS);
    if (joins) this.set(JOINS, true);
    if (!this.is(STARTED)) {
      this.set(STARTED, true);
      if (!this.is(SETTLED)) this.#madeAnnouncer?.start();
      this.tell({ type: "start" });
    }
    if (possible) this.tell({ type: "established" });
    this.reconcile();
  }

  /** Ends a batch: what it has withdrawn is told to the peer. */
  flush(): void {
    this.#madeAnnouncer?.flush();
  }

  /** The connection has ended: nothing is told, sent or waited for any more. */
  stop(): void {
    if (this.is(STOPPED)) return;
    this.set(STOPPED, true);
    this.settle();
    for (const cancel of this.#timers ?? []) cancel();
    this.#timers = null;
    this.#events = null;
    this.guard(() => this.#manager.end?.());
  }

  /** No path is opened any more, nothing announced: the connection has ended, or is plain TCP now, or about to be. */
  settle(): void {
    this.set(SETTLED, true);
    this.#madeAnnouncer?.stop();
    this.#cancelTry();
    for (const use of this.#uses.values()) unwatch(use);
  }

  /** It is not to be plain TCP after all. */
  resume(): void {
    if (this.is(STOPPED) || !this.is(SETTLED)) return;
    this.set(SETTLED, false);
    if (this.is(STARTED)) this.#madeAnnouncer?.start();
    for (const [path, use] of this.#uses) if (use.state === "idle") this.watch(path, use);
    this.reconcile();
  }

  /** The host has one more address (PM-1), or has it again: what waits is tried at once. */
  localAdded(address: LocalAddress): void {
    const added = this.#addresses.addLocal(address);
    if (added !== null) this.tell({ type: "local", address: added, change: "added" });
    this.hasten();
  }

  /** The network has changed: what waits is tried at once. */
  private hasten(): void {
    const { now } = this.#transport;
    for (const use of this.#uses.values()) use.hasten(now);
    this.reconcile();
  }

  /** The peer's RST on a path had an MP_TCPRST (RFC 8684 §3.6). "left" follows. */
  resetTold(path: PathIndex, reset: ResetReason): void {
    this.#uses.get(path)?.told(reset);
  }

  /**
   * A path that this side opened has become {@linkcode PathTransport.unheard}, and no other one works: what is wanted is also tried from another port, which takes its place if it is answered while the
   * path is not. A translator on the way may have forgotten the path, and drop what comes of it: no packet from the same port would ever pass again.
   */
  silent(path: PathIndex): void {
    const use = this.#uses.get(path);
    const spec = this.#table.get(path);
    if (use === undefined || spec === undefined || !this.is(JOINS) || this.is(SETTLED)) return;
    if (use.state !== "open" || use.stead !== 0 || use.is(PASSING)) return;
    if (this.#wanted?.includes(path) !== true || this.denies(spec)) return;
    const stead = this.#table.reserve();
    if (!this.#table.bind(stead, spec)) return;
    use.stead = stead;
    // The path manager has not named it: it need not know that there is no room for it.
    const other = new PathUse("idle", use.is(BACKUP) ? BACKUP | LIMITED : LIMITED);
    this.#uses.set(stead, other);
    this.#wanted.push(stead);
    this.reconcile();
  }

  /** The path in whose stead `path` is; 0: none. */
  private insteadOf(path: PathIndex): PathIndex | 0 {
    for (const [other, { stead }] of this.#uses) if (stead === path) return other;
    return 0;
  }

  /** What is in the stead of a path is wanted no longer. */
  private dismiss(use: PathUse): void {
    const { stead } = use;
    const other = this.#uses.get(stead);
    use.stead = 0;
    this.unwanted(stead);
    if (other === undefined) return;
    if (other.state === "idle") return this.forget(stead);
    other.set(PASSING, true);
    this.close(stead);
  }

  /** What is in the stead of `path` names from now on what that did, which goes. */
  private replace(path: PathIndex, use: PathUse): void {
    this.#table.swap(path, use.stead);
    use.stead = 0;
    use.set(PASSING, true);
    this.unwanted(path);
    this.close(path);
  }

  private unwanted(path: PathIndex): void {
    if (this.#wanted !== null) this.#wanted = this.#wanted.filter((other) => other !== path);
  }

  /** The subflow of a path has moved data. "left" follows. */
  moved(path: PathIndex): void {
    this.#uses.get(path)?.moved();
  }

  /** We have reset the subflow of a path to open it again; `soon`: at once. "left" follows. */
  replaced(path: PathIndex, soon: boolean): void {
    this.#uses.get(path)?.replaced(soon);
  }

  /**
   * The host has lost an address: the peer is told if it may know it, and paths over it end.
   *
   * RFC 8684 §3.4.2: "Even if an address is not in use by an MPTCP connection, if it has been previously announced, an implementation SHOULD announce its
   * removal."
   */
  localRemoved(address: string): void {
    const removed = this.#addresses.removeLocal(address);
    if (removed === null) return;
    // RFC 8684 §3.4.2: "the affected host SHOULD announce this situation so that the peer can remove subflows related to this address"
    this.withdraw(removed.id);
    this.vanish((spec) => spec.local.id === removed.id);
    this.tell({ type: "local", address: removed, change: "removed" });
    this.hasten();
  }

  /** The peer announced an address, and its HMAC is good (PM-2); port 0 = none was named: then `via`, that of the subflow which brought it. IPv4 in the form of IPv6 is IPv4: nothing else leads there. */
  remoteAnnounced(id: number, endpoint: Endpoint, via?: number): boolean {
    const before = this.#addresses.remote(id);
    const host = parseHost(endpoint.address);
    const at = host === null ? endpoint.address : formatAddress(host.bytes);
    const learned = this.#addresses.announced(id, { address: at, port: endpoint.port }, via);
    if (learned === "conflict") return true;
    const known = this.#addresses.remote(id);
    const { address, port } = endpoint;
    // RFC 8684 §3.4.1: the same option goes back, so with the address and port as they came.
    const echoed = this.announcer().owe({
      id,
      address,
      port,
      family: familyOf(address),
      link: "",
    });
    if (learned === "full") {
      this.tell({
        type: "limit",
        limit: "addAddrAccepted",
        address: { ...endpoint, address: at, id, family: familyOf(at), link: "" },
      });
    }
    if (known === undefined) return echoed;
    // RFC 8684 §3.4.1: "If the port number is different, the receiving host SHOULD try to set up a new subflow to this new address/port combination."
    if (learned === "changed") {
      this.vanish(({ remote }) => remote.id === id && remote.port === before?.port);
    }
    if (learned === "added") {
      this.tell({ type: "remote", address: known, change: "added", announced: true });
    }
    const lifted = learned === "known" && this.invite(id);
    if (learned === "changed" || lifted) {
      this.tell({ type: "remote", address: known, change: "changed", announced: true });
    }
    // RFC 8684 §3.4.1: "a host MUST treat address advertisements as soft state, and it MAY choose to refresh advertisements periodically"
    if (learned === "known") this.reconcile();
    return echoed;
  }

  /** The peer confirmed an announcement of ours; port 0 = none was named. */
  echoReceived(id: number, endpoint: Endpoint): void {
    const address = this.#madeAnnouncer?.echo(id, endpoint) ?? null;
    if (address !== null) this.tell({ type: "echo", address });
  }

  /** The peer may not have heard that these addresses of ours are gone: it is told again, but of what is used again. */
  withdrawnAgain(ids: readonly number[]): void {
    const announcer = this.announcer();
    const used = (id: number): boolean =>
      announcer.told(id) || this.pathsOver(({ local }) => local.id === id, false).length > 0;
    announcer.again(ids.filter((id) => !used(id)));
  }

  /** The peer took addresses back; unknown ids are ignored (RFC 8684 §3.4.2). */
  remoteRemoved(ids: readonly number[]): void {
    for (const id of ids) {
      const removed = this.#addresses.removeRemote(id);
      if (removed === null) continue;
      this.vanish((spec) => spec.remote.id === id);
      this.tell({ type: "remote", address: removed, change: "removed" });
    }
  }

  /** Whether a join from `remote` under `remoteId` to `local` is refused: the MP_TCPRST reason, or null. */
  refuseJoin(remoteId: number, remote: Endpoint, local: Endpoint): number | null {
    const own = this.#addresses.local(local.address);
    // RFC 8684 §3.2: "If the token received at Host B is unknown or local policy prohibits the acceptance of the new subflow, the recipient MUST respond with
    // a TCP RST for the subflow."
    if (own === undefined) return RESET_PROHIBITED;
    const full = this.refuseMore();
    if (full !== null) return full;
    const known = this.#addresses.remote(remoteId);
    const peer: HostAddress = known ?? { ...remote, id: remoteId, family: own.family, link: "" };
    try {
      return this.#manager.refuse?.(peer, own) ?? null;
    } catch (error) {
      this.#transport.report(error);
      return null;
    }
  }

  /** Whether a join to `address` is answered with the B flag. */
  joinsAsBackup(address: string): boolean {
    const own = this.#addresses.local(address);
    if (own === undefined) return false;
    try {
      return this.#manager.joinsAsBackup?.(own) ?? false;
    } catch (error) {
      this.#transport.report(error);
      return false;
    }
  }

  /** Why no further join is taken: the MP_TCPRST reason; null when one may come. Half-open joins of the peer have no place yet. */
  refuseMore(): number | null {
    if (!mayAdd(this.proved(false), this.#limits)) return RESET_PROHIBITED;
    // Those that end count until they have: nobody shall heap them up. Their places come free.
    return mayAdd(this.proved(true), this.#limits) ? null : RST_RESOURCE;
  }

  /** The index of a join that has begun; it counts as in use. */
  reserve(): PathIndex {
    const path = this.#table.reserve();
    this.#uses.set(path, new PathUse("opening", THEIRS));
    return path;
  }

  /** A reserved index comes to nothing. */
  abandon(path: PathIndex): void {
    this.#uses.delete(path);
    this.reconcile();
  }

  /** A join is authentic: its index names its pair, and its source is known from now on (PM-2). */
  joinSeen(path: PathIndex, remoteId: number, remote: Endpoint, local: Endpoint): void {
    const own = this.#addresses.local(local.address);
    if (own === undefined) return;
    const { address, added } = this.#addresses.joined(remoteId, remote);
    this.#table.bind(path, { local: own, remote: address });
    this.#wanted?.push(path);
    if (added) this.tell({ type: "remote", address, change: "added" });
  }

  /** The peer has answered a join at `remote` under `id`: an address that is not known is from now on. */
  remoteNamed(id: number, remote: Endpoint): void {
    const address = this.#addresses.named(id, remote);
    if (address !== null) this.tell({ type: "remote", address, change: "added" });
  }

  /** A subflow changed; "left" also when it never came to be. */
  subflowChanged(path: PathIndex, change: SubflowChange, reason?: string): void {
    const use = this.#uses.get(path);
    const reset = change === "left" ? use?.reset : undefined;
    if (use !== undefined && change === "joined") {
      use.state = "open";
      use.set(LIMITED, false);
      use.set(WORKED, true);
      use.join(this.#transport.now);
    }
    if (use !== undefined && change === "left") {
      const { now } = this.#transport;
      const opening = use.state === "opening";
      if (use.state !== "closing") {
        use.left(reason, opening, now, opening && this.neverReached(path));
      }
      use.state = "idle";
      if (use.stead !== 0) {
        // One of them is enough: that which is on its way.
        if (this.use(use.stead).state === "opening") this.replace(path, use);
        else this.dismiss(use);
      }
      if (use.is(PASSING) || use.is(THEIRS)) this.forget(path);
      else this.watch(path, use);
    }
    this.tell({
      type: "subflow",
      path,
      change,
      ...(reason !== undefined && { reason }),
      ...(reset !== undefined && { reset }),
    });
    if (change === "left") this.reconcile();
    if (change !== "joined") return;
    const silent = this.insteadOf(path);
    const before = this.#uses.get(silent);
    if (before === undefined) return;
    if (this.#transport.unheard(silent)) this.replace(silent, before);
    else this.dismiss(before);
  }

  /** What it names is kept under the addresses that are known: copies of them would each be kept as well. */
  private index(spec: PathSpec): PathIndex {
    const { locals, remotes } = this.#addresses;
    const local = locals.find((known) => sameAddress(known, spec.local)) ?? spec.local;
    const remote = remotes.find((known) => sameAddress(known, spec.remote)) ?? spec.remote;
    return this.#table.index(
      spec.copy === undefined && spec.dscp === undefined
        ? { local, remote }
        : { ...spec, local, remote },
    );
  }

  private useOnly(paths: readonly PathIndex[]): void {
    const wanted = new Set<PathIndex>();
    for (const path of paths) {
      this.check("use", path);
      if (wanted.has(path)) throw new RangeError(`Cannot use path ${path} as it is named twice`);
      wanted.add(path);
    }
    if (this.is(STOPPED)) return;
    const before = this.#wanted;
    for (const path of wanted) {
      const { stead } = this.#uses.get(path) ?? { stead: 0 };
      if (stead !== 0) wanted.add(stead);
    }
    this.#wanted = [...wanted];
    for (const [path, use] of this.#uses) if (!wanted.has(path)) use.set(LIMITED, false);
    for (const path of this.#wanted) {
      if (before !== null && !before.includes(path)) this.#uses.get(path)?.ask();
    }
    for (const [path, use] of [...this.#uses]) {
      // A join of the peer that is not told as "joined" is none that the path manager could have left out.
      const inUse = use.state === "open" || (use.state === "opening" && !use.is(THEIRS));
      if (inUse && !wanted.has(path)) this.close(path);
      if (use.stead !== 0 && !wanted.has(path)) this.dismiss(use);
    }
    this.reconcile();
  }

  /** Opens what is wanted and can be, in its order, up to the limits (ARC-3). */
  private reconcile(): void {
    // RFC 8684 §3.1: "new subflows MUST NOT be established … until a DSS option has been successfully received across the path"
    if (!this.is(STARTED) || !this.is(JOINS) || this.is(SETTLED)) return;
    const { now } = this.#transport;
    const wanted = this.#wanted ?? [];
    let next = Infinity;
    for (const path of wanted) {
      // Opening may come back here with another set.
      if (this.#wanted !== wanted) return;
      if (!this.canOpen(path)) continue;
      const use = this.use(path);
      const silent = this.insteadOf(path);
      if (silent !== 0 && use.due <= now && !this.#transport.unheard(silent)) {
        this.dismiss(this.use(silent));
        return this.reconcile();
      }
      // Where the limit is reached, the next that leaves makes room.
      if (use.due <= now) {
        if (mayAdd(this.used(), this.#limits)) this.open(path, use, now);
        else if (!use.is(LIMITED)) {
          use.set(LIMITED, true);
          this.tell({ type: "limit", limit: "subflows", path });
        }
      }
      if (use.state === "idle" && use.due > now) next = Math.min(next, use.due);
    }
    if (this.is(SETTLED) || this.#wanted !== wanted) return;
    this.#cancelTry();
    this.#cancelTry = next === Infinity ? idle : this.#transport.at(next, () => this.reconcile());
  }

  private open(path: PathIndex, use: PathUse, now: Micros): void {
    use.state = "opening";
    use.begin(now);
    unwatch(use);
    const opened = this.#transport.open(path, this.#table.get(path)!, use.is(BACKUP));
    if (opened || use.state !== "opening") return;
    use.state = "idle";
    use.left("unreachable", true, now);
  }

  /** Whether only an ADD_ADDR tells of the far end of a path: no path ever led there. */
  private neverReached(path: PathIndex): boolean {
    const far = this.#table.get(path)?.remote;
    if (far === undefined || !this.#addresses.wasAnnounced(far.id)) return false;
    for (const [other, { remote }] of this.#table.entries()) {
      const same = remote.address === far.address && remote.port === far.port;
      if (same && this.#uses.get(other)?.is(WORKED) === true) return false;
    }
    return true;
  }

  /** A path is to be opened again: what comes from its far end shows that there is a way. */
  private watch(path: PathIndex, use: PathUse): void {
    const spec = this.#table.get(path);
    if (spec === undefined || this.is(SETTLED)) return;
    unwatch(use);
    use.unwatch = this.#transport.onStray(spec.remote.address, () => {
      use.hasten(this.#transport.now);
      this.reconcile();
    });
  }

  private canOpen(path: PathIndex): boolean {
    const spec = this.#table.get(path);
    if (spec === undefined || this.denies(spec)) return false;
    return (this.#uses.get(path)?.state ?? "idle") === "idle";
  }

  /** Whether the peer takes no joins where a path goes. */
  private denies({ remote }: PathSpec): boolean {
    return this.#transport.peerDeniesJoinToInitial && this.isInitial(remote);
  }

  /** Whether `remote` is where the first subflow goes, by whatever id. RFC 8684 §3.1: "the receiver MUST NOT try to open any additional subflows toward this address and port" */
  private isInitial({ id, address, port }: HostAddress): boolean {
    const { remote } = this.#first;
    return id === 0 || (address === remote.address && port === remote.port);
  }

  private route(remote: HostAddress): HostAddress | null {
    const address = this.#transport.route(remote);
    return address === null ? null : this.#addresses.local(address) ?? null;
  }

  /** Ids are free to choose as long as the peer knows the address by none (RFC 8684 §3.4.1). */
  private identify(address: HostAddress, id: number): HostAddress {
    const own = this.#addresses.local(address.address);
    if (own === undefined) {
      throw new RangeError(`Cannot give ${address.address} an id as it is not one of locals`);
    }
    if (own.id === id) return own;
    if (this.known(own.id)) {
      throw new RangeError(
        `Cannot give ${own.address} the id ${id} as the peer may know it by its id ${own.id}`,
      );
    }
    const other = this.#addresses.locals.find((local) => local.id === id);
    if (other !== undefined && id !== 0 && this.known(id)) {
      throw new RangeError(`Cannot give ${own.address} the id ${id} as ${other.address} has it`);
    }
    // Paths that were named and never opened would keep the old ones.
    this.vanish((spec) => spec.local.id === own.id || spec.local.id === id);
    return this.#addresses.identify(own, id);
  }

  /** The peer may know an address of ours by this id. */
  private known(id: number): boolean {
    return id === 0 || this.#madeAnnouncer?.told(id) === true ||
      this.pathsOver((spec) => spec.local.id === id).length > 0;
  }

  private limitSubflows(subflows: number): void {
    if (!Number.isInteger(subflows) || subflows < 0) {
      throw new RangeError(
        `Cannot limit subflows as their number must be an integer from 0 on: current value is ${subflows}`,
      );
    }
    this.#limits = { ...this.#limits, subflows: Math.min(subflows, this.#most) };
    this.reconcile();
  }

  private setBackup(path: PathIndex, backup: boolean): void {
    this.check("make a backup of", path);
    const use = this.use(path);
    use.set(BACKUP, backup);
    if (this.is(STOPPED)) return;
    if (use.state === "open") this.#transport.setBackup(path, backup);
  }

  private announce(address: HostAddress): void {
    const own = this.#addresses.local(address.address);
    if (own === undefined || own.id !== address.id) {
      throw new RangeError(`Cannot announce ${address.address} as it is not one of locals`);
    }
    if (address.port === 0) this.#transport.releasePort(address.id);
    else if (!this.is(SETTLED)) this.#transport.holdPort(address);
    // RFC 8684 §3.4.1: "a host MAY advertise such addresses"
    this.announcer().announce(address);
  }

  /** The peer is told that an address is used no longer where it may know it, by an announcement or a join, and paths over it end. */
  private withdraw(id: number): void {
    // RFC 8684 §3.4.2: "A host MAY also choose to announce that a valid IP address should not be used any longer"
    const paths = this.pathsOver((spec) => spec.local.id === id);
    this.#transport.releasePort(id);
    if (!this.announcer().withdraw(id, paths.length > 0)) return;
    // Else they would be opened again: whoever uses the address again says so.
    if (paths.length > 0 && this.#wanted !== null) {
      this.#wanted = this.#wanted.filter((path) => !paths.includes(path));
    }
    for (const path of paths) this.close(path);
  }

  private after(delay: Micros, callback: () => void): () => void {
    if (!(delay >= 0 && delay < Infinity)) {
      throw new RangeError(
        `Cannot wait as the delay must be a number of microseconds: current value is ${delay}`,
      );
    }
    if (this.is(STOPPED)) return () => {};
    const stop = this.#transport.at(this.#transport.now + delay, () => {
      this.#timers?.delete(cancel);
      this.guard(callback);
    });
    const cancel = (): void => {
      if (this.#timers?.delete(cancel)) stop();
    };
    this.#timers ??= new Set();
    this.#timers.add(cancel);
    return cancel;
  }

  private check(verb: string, path: PathIndex): void {
    if (this.#table.known(path)) return;
    throw new RangeError(
      typeof path === "number"
        ? `Cannot ${verb} path ${path} as no path has that index: it must be what index() gives`
        : `Cannot ${verb} ${
          typeof path === "object" ? "an object" : JSON.stringify(path)
        } as a path: it must be what index() gives`,
    );
  }

  private use(path: PathIndex): PathUse {
    let use = this.#uses.get(path);
    if (use === undefined) {
      use = new PathUse("idle");
      this.#uses.set(path, use);
    }
    return use;
  }

  private close(path: PathIndex): void {
    const use = this.#uses.get(path);
    if (use === undefined || use.state === "idle" || use.state === "closing") return;
    use.state = "closing";
    this.#transport.close(path);
  }

  /** Paths that are or are about to be; with `closing` also those that end. */
  private used(closing = false): number {
    let used = 0;
    for (const { state } of this.#uses.values()) {
      if (state === "open" || state === "opening" || (closing && state === "closing")) used++;
    }
    return used;
  }

  /** The same without joins of the peer whose third ACK is still to come; those that end are also those whose address the peer has taken back. */
  private proved(closing: boolean): number {
    let used = this.used(closing);
    for (const use of this.#uses.values()) {
      if (use.is(THEIRS) && use.state === "opening") used--;
      else if (!closing && use.is(PASSING) && use.state === "open") used--;
    }
    return used;
  }

  /** Paths in use of which `over` holds; with `closing` also those that end. */
  private pathsOver(over: (spec: PathSpec) => boolean, closing = true): PathIndex[] {
    const paths: PathIndex[] = [];
    for (const [path, spec] of this.#table.entries()) {
      const state = this.#uses.get(path)?.state ?? "idle";
      if (over(spec) && state !== "idle" && (closing || state !== "closing")) paths.push(path);
    }
    return paths;
  }

  /** The peer announced `id` anew: joins to it may be tried again. True when one had been refused. */
  private invite(id: number): boolean {
    const { now } = this.#transport;
    let lifted = false;
    for (const [path, spec] of this.#table.entries()) {
      const use = this.#uses.get(path);
      if (use === undefined || spec.remote.id !== id || use.state !== "idle") continue;
      lifted = use.invite(now) || lifted;
    }
    return lifted;
  }

  /** An address of these pairs has vanished: they go from the table (PM-3), those in use when they leave. */
  private vanish(gone: (spec: PathSpec) => boolean): void {
    for (const [path, spec] of [...this.#table.entries()]) {
      if (!gone(spec)) continue;
      const use = this.#uses.get(path);
      if (use === undefined || use.state === "idle") this.forget(path);
      else use.set(PASSING, true);
    }
  }

  private forget(path: PathIndex): void {
    const use = this.#uses.get(path);
    if (use !== undefined) unwatch(use);
    this.#table.drop(path);
    this.#uses.delete(path);
  }

  private tell(event: PathEvent): void {
    if (this.is(STOPPED)) return;
    if (this.is(TELLING)) {
      (this.#events ??= []).push(event);
      return;
    }
    this.set(TELLING, true);
    for (
      let next: PathEvent | undefined = event;
      next !== undefined;
      next = this.#events?.shift()
    ) {
      const told = next;
      this.guard(() => this.#manager.onEvent(told));
    }
    this.#events = null;
    this.set(TELLING, false);
  }

  private guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#transport.report(error);
    }
  }
}
