/** What Linux's in-kernel path manager does, configured like `ip mptcp`. */

import type {
  HostAddress,
  PathContext,
  PathEvent,
  PathIndex,
  PathManager,
  PathManagerPlugin,
} from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import { configure, FLAGS, readEndpoint } from "./endpoint_words.ts";

/** What an endpoint is for, as the flags of `ip mptcp endpoint`. */
export interface EndpointFlags {
  /** The address is announced to the peer (ADD_ADDR). */
  readonly signal: boolean;
  /** A path is opened from it to the address that the first subflow goes to. */
  readonly subflow: boolean;
  /** Its paths are used only when no other works. */
  readonly backup: boolean;
  /** Its paths go to each address of the peer that is known. Needs `subflow`, excludes `signal`. */
  readonly fullmesh: boolean;
  /** An announcement of the peer is answered from it, from each such endpoint once. */
  readonly laminar: boolean;
  /** It was made for an address that a path was opened from and that no endpoint has; it does nothing by itself. */
  readonly implicit: boolean;
}

/** An address of the host, and what it is for. */
export interface EndpointEntry extends EndpointFlags {
  /** 1 to 255: what the peer calls the address, on connections whose first subflow does not use it (there it is 0). */
  readonly id: number;
  /** The address, as RFC 5952 has it. */
  readonly address: string;
  /** Only while the address is on the link of this name; empty: on any. */
  readonly dev: string;
  /** Announced with the address; 0: none. */
  readonly port: number;
}

/** What {@linkcode Endpoints.add} takes: one flag at least. */
export interface EndpointOptions extends Partial<Omit<EndpointFlags, "implicit">> {
  /** An address of the host, IPv4 or IPv6; while the host does not have it, the endpoint waits. */
  readonly address: string;
  /**
   * 1 to 255.
   *
   * @default the lowest that is free
   */
  readonly id?: number;
  /**
   * The name of a link.
   *
   * @default any
   */
  readonly dev?: string;
  /**
   * 1 to 65535: where the peer connects to. Needs `signal`.
   *
   * @default none: the port of the first subflow
   */
  readonly port?: number;
}

/** As `ip mptcp limits`. Those of the host, `mptcp: { subflows, addAddrAccepted }`, stand above them. */
export interface EndpointLimits {
  /** Most subflows besides the first, whichever side opens them: 0 to 8. */
  readonly subflows: number;
  /** Most announcements of the peer that paths are opened to: 0 to 8. */
  readonly addAddrAccepted: number;
}

/** Options for {@linkcode endpoints}. */
export interface EndpointsOptions extends Partial<EndpointLimits> {
  /**
   * The endpoints to begin with, or the same in the words of `ip mptcp endpoint add`, with semicolons between:
   * "10.1.0.1 subflow backup; 10.2.0.1 dev lte id 7 signal port 8080".
   *
   * @default {""}
   */
  readonly add?: string | readonly EndpointOptions[];
}

/** What holds where no option says otherwise: as in Linux. */
export const defaults: Readonly<EndpointLimits & { add: string }> = {
  subflows: 2,
  addAddrAccepted: 0,
  add: "",
};

/** MPTCP_PM_ADDR_MAX: the ninth endpoint is refused, and no limit is higher. */
const MOST = 8;
const LAST_ID = 255;
/** In place of the address that an announcement was answered from: it was withdrawn, and the announcement is not answered again. */
const SPENT = "";
const MEMBERS: readonly string[] = ["address", "id", "dev", "port", ...FLAGS];

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** The one text that an address has (RFC 5952), IPv4 in the form of IPv6 as IPv4; null when it is none. */
function canonical(address: unknown): string | null {
  if (typeof address !== "string") return null;
  const dotted = address.replace(/^::ffff:(?=[\d.]+$)/i, "");
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(dotted)) {
    return dotted.split(".").every((octet) => Number(octet) < 256 && !/^0\d/.test(octet))
      ? dotted
      : null;
  }
  if (!/^[\da-f:.]+$/i.test(address) || !address.includes(":")) return null;
  const url = URL.canParse(`http://[${address}]/`) ? new URL(`http://[${address}]/`) : null;
  const text = url === null ? "" : url.hostname.slice(1, -1);
  const mapped = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(text);
  if (mapped === null) return text === "" ? null : text;
  const [high, low] = [parseInt(mapped[1]!, 16), parseInt(mapped[2]!, 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

function checkAddress(verb: string, address: unknown): string {
  const text = canonical(address);
  if (text !== null) return text;
  throw new TypeError(
    `Cannot ${verb} as 'address' must be an IPv4 or IPv6 address: current value is ${
      show(address)
    }`,
  );
}

function checkInteger(verb: string, name: string, value: unknown, least: number, most: number) {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) {
    return value as number;
  }
  throw new (typeof value === "number" ? RangeError : TypeError)(
    `Cannot ${verb} as '${name}' must be an integer from ${least} to ${most}: current value is ${
      show(value)
    }`,
  );
}

function checkFlag(verb: string, name: string, value: unknown): boolean {
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw new TypeError(
    `Cannot ${verb} as '${name}' must be true or false: current value is ${show(value)}`,
  );
}

/** Flags that exclude or need one another; what `ip mptcp` refuses too. */
function checkFlags(verb: string, flags: EndpointFlags, port: number): void {
  if (flags.signal && flags.fullmesh) {
    throw new TypeError(`Cannot ${verb} as it cannot be both signal and fullmesh`);
  }
  if (flags.fullmesh && !flags.subflow) {
    throw new TypeError(`Cannot ${verb} as fullmesh needs subflow`);
  }
  if (port !== 0 && !flags.signal) {
    throw new TypeError(`Cannot ${verb} as a port needs signal: it is announced`);
  }
}

/** Endpoints in the words of `ip mptcp endpoint add`. */
function parseEndpoints(text: string): EndpointOptions[] {
  const parts = text.split(";").map((part) => part.trim()).filter((part) => part !== "");
  return parts.map((part) => readEndpoint(part.split(/\s+/)));
}

/**
 * Linux's in-kernel path manager: endpoints and limits, for all connections of the hosts that use it, changed while they run. Keep the object:
 *
 * @example A second address as a backup, later in use like the first
 * ```ts
 * import { emulate } from "@mptcp/mptcp";
 * import { endpoints } from "@mptcp/mptcp/pm";
 * import { assertEquals } from "@std/assert";
 *
 * const eps = endpoints({ subflows: 4 });
 * const id = eps.add({ address: "10.0.2.1", subflow: true, backup: true });
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms" },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 *   pathManager: eps,
 * });
 * using listener = net.server.listen({ port: 80 });
 * const conn = await net.client.connect({ hostname: "server", port: 80 });
 * await conn.write(new Uint8Array(1000));
 * await net.sleep("1 s");
 * assertEquals(conn.info().subflows.map(({ backup }) => backup), [false, true]);
 * eps.change(id, { backup: false }); // MP_PRIO
 * await net.sleep("1 s");
 * assertEquals(conn.info().subflows.map(({ backup }) => backup), [false, false]);
 * eps.remove(id); // REMOVE_ADDR
 * ```
 */
export class Endpoints implements PathManagerPlugin {
  /** It is one. */
  readonly kind = "path-manager";
  /** For reports and tables. */
  readonly name = "endpoints";
  /** Connections begin where the routes choose, as in Linux. */
  readonly beginsAnywhere = false;
  #entries: EndpointEntry[] = [];
  #limits: EndpointLimits;
  readonly #managers = new Set<EndpointManager>();

  /** Made by {@linkcode endpoints}. */
  constructor(options: EndpointsOptions = {}) {
    checkOptions("endpoints", options, defaults);
    const { subflows = defaults.subflows, addAddrAccepted = defaults.addAddrAccepted } = options;
    this.#limits = checkLimits("make endpoints", { subflows, addAddrAccepted });
    const { add = defaults.add } = options;
    if (typeof add !== "string" && !Array.isArray(add)) {
      throw new TypeError(
        `Cannot make endpoints as 'add' must be text or an array of endpoints: current value is ${
          show(add)
        }`,
      );
    }
    for (const entry of typeof add === "string" ? parseEndpoints(add) : add) this.add(entry);
  }

  /** One for each connection; called by the stack. */
  create(context: PathContext): PathManager {
    const manager = new EndpointManager(this, context, () => this.#managers.delete(manager));
    this.#managers.add(manager);
    return manager;
  }

  /**
   * Does what `ip mptcp endpoint` or `ip mptcp limits` would with the same words: so `mptcp endpoint add 10.0.2.1 subflow` acts on a running host. Gives
   * what is to be shown.
   *
   * @throws {TypeError | RangeError} the words are not known, or ask for what cannot be.
   *
   * @example
   * ```ts
   * import { endpoints } from "@mptcp/mptcp/pm";
   * import { assertEquals } from "@std/assert";
   *
   * const eps = endpoints();
   * eps.configure("endpoint", ["add", "10.0.2.1", "subflow", "backup"]);
   * eps.configure("limits", ["set", "subflows", "4"]);
   * assertEquals(eps.list()[0]?.backup, true);
   * assertEquals(eps.limits().subflows, 4);
   * ```
   */
  configure(object: "endpoint" | "limits", words: readonly string[]): unknown {
    return configure(this, object, words);
  }

  /** The endpoints, in the order in which they were added. */
  list(): readonly EndpointEntry[] {
    return this.#entries;
  }

  /**
   * Adds an endpoint; connections announce it, or open paths from it, as far as their limits allow. One that was made by itself (`implicit`) takes the new
   * flags and keeps its id. Gives its id.
   *
   * @throws {TypeError} an option is not of its kind, is missing, or excludes another.
   * @throws {RangeError} a value is out of its range or taken, or there are eight.
   */
  add(options: EndpointOptions): number {
    if (typeof options !== "object" || options === null) {
      throw new TypeError(
        `Cannot add an endpoint as it must be an object such as { address: "10.0.0.1", subflow: true }: current value is ${
          show(options)
        }`,
      );
    }
    const address = checkAddress("add an endpoint", options.address);
    const verb = `add endpoint ${address}`;
    for (const name of Object.keys(options)) {
      if (MEMBERS.includes(name)) continue;
      throw new TypeError(
        `Cannot ${verb} as there is no option '${name}': the options are ${MEMBERS.join(", ")}`,
      );
    }
    const { id, dev = "", port } = options;
    if (typeof dev !== "string") {
      throw new TypeError(
        `Cannot ${verb} as 'dev' must be the name of a link: current value is ${show(dev)}`,
      );
    }
    const given = id === undefined ? undefined : checkInteger(verb, "id", id, 1, LAST_ID);
    const at = port === undefined ? 0 : checkInteger(verb, "port", port, 1, 65535);
    const flags: EndpointFlags = { ...readFlags(verb, options), implicit: false };
    if (!FLAGS.some((name) => flags[name])) {
      throw new TypeError(`Cannot ${verb} as it needs one of ${FLAGS.join(", ")}`);
    }
    checkFlags(verb, flags, at);
    const known = this.#entries.find((entry) => entry.address === address);
    if (known !== undefined && (!known.implicit || (given ?? known.id) !== known.id)) {
      throw new RangeError(`Cannot ${verb} as it is there: its id is ${known.id}`);
    }
    const entry = { id: known?.id ?? given ?? this.#freeId(), address, dev, port: at, ...flags };
    if (known !== undefined) {
      this.#entries = this.#entries.map((each) => each === known ? Object.freeze(entry) : each);
    } else this.#insert(verb, entry);
    this.#apply((manager) => manager.plan());
    return entry.id;
  }

  #insert(verb: string, entry: EndpointEntry): void {
    const other = this.#entries.find(({ id }) => id === entry.id);
    if (other !== undefined) {
      throw new RangeError(`Cannot ${verb} as the id ${entry.id} is that of ${other.address}`);
    }
    if (this.#entries.length >= MOST) {
      throw new RangeError(`Cannot ${verb} as there are ${MOST} endpoints, which is the most`);
    }
    this.#entries = [...this.#entries, Object.freeze(entry)];
  }

  /**
   * Removes an endpoint: each connection that has announced its address or opened paths from it tells its peer (REMOVE_ADDR) and closes these. Id 0 with
   * an address: the first subflow of those connections that began from it, without an endpoint.
   *
   * @throws {RangeError} there is none of that id.
   */
  remove(id: number, address?: string): void {
    if (id === 0) {
      const text = checkAddress("remove endpoint 0", address);
      this.#apply((manager) => manager.withdraw(text, true));
      return;
    }
    const entry = this.#find("remove", id);
    this.#entries = this.#entries.filter((each) => each !== entry);
    this.#apply((manager) => manager.withdraw(entry.address, false));
  }

  /** Removes all endpoints, as {@linkcode Endpoints.remove} does. */
  flush(): void {
    const gone = this.#entries;
    this.#entries = [];
    this.#apply((manager) => {
      for (const { address } of gone) manager.withdraw(address, false);
    });
  }

  /**
   * Changes flags on the fly: `backup` is told to the peer for each path over the address (MP_PRIO), `fullmesh` opens the paths that are missing or closes
   * those that are not wanted any more.
   *
   * @throws {RangeError} there is none of that id.
   * @throws {TypeError} it is no flag that can be changed, or excludes another.
   */
  change(id: number, flags: Partial<Pick<EndpointFlags, "backup" | "fullmesh">>): void {
    const entry = this.#find("change", id);
    const verb = `change endpoint ${id}`;
    for (const name of Object.keys(flags)) {
      if (name === "backup" || name === "fullmesh") continue;
      throw new TypeError(`Cannot ${verb} as only backup and fullmesh can be changed, not ${name}`);
    }
    const changed: EndpointEntry = {
      ...entry,
      backup: checkFlag(verb, "backup", flags.backup ?? entry.backup),
      fullmesh: checkFlag(verb, "fullmesh", flags.fullmesh ?? entry.fullmesh),
    };
    checkFlags(verb, changed, changed.port);
    this.#entries = this.#entries.map((each) => each === entry ? Object.freeze(changed) : each);
    this.#apply((manager) => {
      if (changed.backup !== entry.backup) manager.prioritize(changed);
      manager.plan();
    });
  }

  /**
   * The limits, changed by what is given: for connections that there are, too. What is above them already stays.
   *
   * @throws {TypeError | RangeError} a limit is no integer from 0 to 8.
   */
  limits(change: Partial<EndpointLimits> = {}): EndpointLimits {
    this.#limits = checkLimits("set limits", { ...this.#limits, ...change });
    if (Object.keys(change).length > 0) {
      this.#apply((manager) => {
        manager.limit();
        manager.plan();
      });
    }
    return this.#limits;
  }

  /**
   * An endpoint for an address that a path is to be opened from and that has none, if there is room.
   *
   * @internal
   */
  imply(address: string): void {
    if (this.#entries.length >= MOST) return;
    if (this.#entries.some((entry) => entry.address === address)) return;
    const none = Object.fromEntries(FLAGS.map((name) => [name, false]));
    const flags = { ...none, implicit: true } as unknown as EndpointFlags;
    this.#insert("imply", { id: this.#freeId(), address, dev: "", port: 0, ...flags });
  }

  #find(verb: string, id: unknown): EndpointEntry {
    const found = this.#entries.find((entry) => entry.id === id);
    if (found !== undefined) return found;
    const ids = this.#entries.map((entry) => entry.id).join(", ");
    throw new RangeError(
      `Cannot ${verb} endpoint ${show(id)} as there is none: the ids are ${ids || "none"}`,
    );
  }

  #freeId(): number {
    let id = 1;
    while (this.#entries.some((entry) => entry.id === id)) id++;
    return id;
  }

  /** Whoever changes something does so outside of the connections' batches. */
  #apply(change: (manager: EndpointManager) => void): void {
    for (const manager of this.#managers) manager.later(() => change(manager));
  }
}

function readFlags(
  verb: string,
  options: EndpointOptions,
): Omit<EndpointFlags, "implicit"> {
  return {
    signal: checkFlag(verb, "signal", options.signal),
    subflow: checkFlag(verb, "subflow", options.subflow),
    backup: checkFlag(verb, "backup", options.backup),
    fullmesh: checkFlag(verb, "fullmesh", options.fullmesh),
    laminar: checkFlag(verb, "laminar", options.laminar),
  };
}

function checkLimits(verb: string, limits: EndpointLimits): EndpointLimits {
  for (const name of Object.keys(limits)) {
    if (name in defaults && name !== "add") continue;
    throw new TypeError(
      `Cannot ${verb} as there is no limit '${name}': the limits are subflows, addAddrAccepted`,
    );
  }
  return Object.freeze({
    subflows: checkInteger(verb, "subflows", limits.subflows, 0, MOST),
    addAddrAccepted: checkInteger(verb, "addAddrAccepted", limits.addAddrAccepted, 0, MOST),
  });
}

/** One connection's part of it. */
class EndpointManager implements PathManager {
  readonly #shared: Endpoints;
  readonly #context: PathContext;
  readonly #onEnd: () => void;
  /** Announcements that paths are opened to: id of the remote, and the address that was chosen for it where no endpoint stands for all. */
  readonly #accepted = new Map<number, string | null>();
  /** Paths that were asked for here. */
  readonly #mine = new Set<PathIndex>();
  /** Those whose peer was asked to use them as a backup, or not. */
  readonly #backup = new Map<PathIndex, boolean>();
  /** The first subflow's address was withdrawn: it is one like the others from now on. */
  #initialGone = false;
  /** The peer has taken back the address that the first subflow goes to. */
  #peerGone = false;
  /** Paths that end as their address was withdrawn. */
  readonly #leaving = new Set<PathIndex>();
  #started = false;

  constructor(shared: Endpoints, context: PathContext, onEnd: () => void) {
    this.#shared = shared;
    this.#context = context;
    this.#onEnd = onEnd;
    this.limit();
    this.#identify();
  }

  onEvent(event: PathEvent): void {
    switch (event.type) {
      case "start":
        this.#started = true;
        this.#prioritizeFirst();
        return this.plan();
      case "local":
        return this.plan();
      case "remote":
        if (event.change === "removed") {
          this.#accepted.delete(event.address.id);
          if (event.address.id === 0) this.#peerGone = true;
          this.#leave(event.address.address);
        } else if (event.announced === true) this.#consider(event.address);
        return this.plan();
      case "subflow":
        if (event.change === "joined") this.#joined(event.path);
        else if (event.change === "left") {
          this.#backup.delete(event.path);
          this.#leaving.delete(event.path);
        }
    }
  }

  end(): void {
    this.#onEnd();
  }

  later(change: () => void): void {
    this.#context.after(0, change);
  }

  /** RFC 8684 §3.4.2: "it is the responsibility of the host that sent the REMOVE_ADDR to shut down the subflow": what goes to the address stays till then. */
  #leave(address: string): void {
    for (const { path, remote } of this.#context.paths) {
      if (remote.address === address) this.#mine.delete(path);
    }
  }

  /** The limits are those of the shared object. */
  limit(): void {
    this.#context.limitSubflows(this.#shared.limits().subflows);
  }

  /** An endpoint is gone: so is what was announced or opened for it. `initial`: only where it is the first subflow's. */
  withdraw(address: string, initial: boolean): void {
    const local = this.#context.locals.find((each) => each.address === address);
    if (local !== undefined && (!initial || local.id === 0)) {
      if (local.id === 0) this.#initialGone = true;
      for (const [remote, chosen] of this.#accepted) {
        if (chosen === address) this.#accepted.set(remote, SPENT);
      }
      for (const view of this.#context.paths) {
        if (view.local.address === address) this.#leaving.add(view.path);
      }
      this.#context.withdraw(local);
    }
    this.plan();
  }

  /** Tells the peer how the paths over an endpoint are to be used. */
  prioritize({ address, backup }: EndpointEntry): void {
    for (const { path, local } of [...this.#context.paths]) {
      if (local.address === address) this.#setBackup(path, backup);
    }
  }

  /** Opens, announces and closes what the endpoints ask for now. */
  plan(): void {
    if (!this.#started) return;
    this.#identify();
    const { paths, use } = this.#context;
    for (const entry of this.#shared.list()) {
      const local = entry.signal ? this.#local(entry) : undefined;
      // The peer has the address that it is reached at.
      if (local !== undefined && (local.id !== 0 || this.#initialGone)) {
        this.#context.announce({ ...local, port: entry.port });
      }
    }
    const wanted = new Set<PathIndex>();
    // The first, and those that the peer has opened.
    if (this.#context.role === "client" && !this.#initialGone && !this.#peerGone) wanted.add(1);
    for (const { path } of paths) {
      if (!this.#mine.has(path) && !this.#leaving.has(path)) wanted.add(path);
    }
    this.#mine.clear();
    this.#fromEndpoints(wanted);
    this.#toAnnounced(wanted);
    if (wanted.size > 0 || paths.length === 0) use([...wanted]);
  }

  /** Ids of endpoints are those of their addresses, except for what the peer knows otherwise. */
  #identify(): void {
    for (const entry of this.#shared.list()) {
      const local = this.#local(entry);
      if (local === undefined || local.id === 0 || local.id === entry.id) continue;
      try {
        this.#context.identify(local, entry.id);
      } catch {
        // It was used before it was an endpoint: on this connection it keeps its id.
      }
    }
  }

  /** The host's address of an endpoint, where it is as the endpoint asks for. */
  #local({ address, dev }: EndpointEntry): HostAddress | undefined {
    return this.#context.locals.find((local) =>
      local.address === address && (dev === "" || local.link === dev)
    );
  }

  /** Paths to the address of the first subflow, and from endpoints with `fullmesh` to all that are known. */
  #fromEndpoints(wanted: Set<PathIndex>): void {
    const { remotes, peerDeniesJoinToInitial } = this.#context;
    const known = remotes.filter(({ id }) =>
      id === 0 ? !peerDeniesJoinToInitial : this.#accepted.has(id)
    );
    for (const entry of this.#shared.list()) {
      const local = entry.subflow ? this.#local(entry) : undefined;
      if (local === undefined) continue;
      for (const remote of known) {
        if (entry.fullmesh || remote.id === 0) this.#want(wanted, entry, local, remote);
      }
    }
  }

  /** One path to each announced address, where no endpoint with `fullmesh` takes care of it. */
  #toAnnounced(wanted: Set<PathIndex>): void {
    const { remotes } = this.#context;
    for (const id of this.#accepted.keys()) {
      const remote = remotes.find((each) => each.id === id);
      if (remote === undefined) continue;
      const mesh = this.#shared.list().some((entry) =>
        entry.fullmesh && this.#local(entry)?.family === remote.family
      );
      if (mesh) continue;
      for (const local of this.#answerFrom(remote)) {
        const entry = this.#shared.list().find(({ address }) => address === local.address);
        this.#want(wanted, entry, local, remote);
      }
    }
  }

  /** The addresses that an announcement is answered from: what was chosen once stays. */
  #answerFrom(remote: HostAddress): HostAddress[] {
    const { locals } = this.#context;
    const before = this.#accepted.get(remote.id) ?? null;
    if (before === SPENT) return [];
    const kept = locals.find((local) => local.address === before);
    if (kept !== undefined) return [kept];
    const entries = this.#shared.list();
    if (entries.some(({ laminar }) => laminar)) {
      const taken = new Set(this.#accepted.values());
      const free = entries.find((entry) =>
        entry.laminar && !taken.has(entry.address) && this.#local(entry)?.family === remote.family
      );
      this.#accepted.set(remote.id, free?.address ?? null);
      const local = free === undefined ? undefined : this.#local(free);
      return local === undefined ? [] : [local];
    }
    if (this.#context.peerDeniesJoinToInitial && this.#shared.limits().addAddrAccepted === 0) {
      // Its endpoints can be used for nothing else, as the peer wants no join to its first address.
      const ours = entries.flatMap((entry) => entry.subflow ? this.#local(entry) ?? [] : []);
      const fitting = ours.filter(({ family }) => family === remote.family);
      if (fitting.length > 0) return fitting;
    }
    const local = this.#context.route(remote);
    if (local === null) return [];
    if (local.id !== 0) {
      this.#shared.imply(local.address);
      this.#identify();
    }
    this.#accepted.set(remote.id, local.address);
    const named = locals.find(({ address }) => address === local.address);
    return named === undefined ? [] : [named];
  }

  /** The peer has announced an address: taken as far as the limit goes, and one at least where nothing else is left to connect to. */
  #consider({ id }: HostAddress): void {
    if (this.#accepted.has(id)) return;
    const { addAddrAccepted } = this.#shared.limits();
    const { peerDeniesJoinToInitial, paths } = this.#context;
    const only = peerDeniesJoinToInitial && addAddrAccepted === 0 && paths.length <= 1;
    if (this.#accepted.size < addAddrAccepted || only) this.#accepted.set(id, null);
  }

  #want(
    wanted: Set<PathIndex>,
    entry: EndpointEntry | undefined,
    local: HostAddress,
    remote: HostAddress,
  ): void {
    if (local.family !== remote.family) return;
    // That is the first subflow itself.
    if (local.id === 0 && remote.id === 0 && !this.#initialGone && !this.#peerGone) return;
    const path = this.#context.index({ local, remote });
    this.#mine.add(path);
    wanted.add(path);
    if (entry !== undefined) this.#setBackup(path, entry.backup);
  }

  #setBackup(path: PathIndex, backup: boolean): void {
    if ((this.#backup.get(path) ?? false) === backup) return;
    this.#backup.set(path, backup);
    this.#context.setBackup(path, backup);
  }

  /** The address of the first subflow may be that of an endpoint. */
  #prioritizeFirst(): void {
    for (const entry of this.#shared.list()) {
      if (entry.backup && this.#local(entry)?.id === 0) this.#setBackup(1, true);
    }
  }

  joinsAsBackup(local: HostAddress): boolean {
    return this.#shared.list().some(({ address, backup }) => address === local.address && backup);
  }

  /** The peer has opened a path: our SYN/ACK has said whether its address is a backup. */
  #joined(path: PathIndex): void {
    if (this.#mine.has(path)) return;
    const view = this.#context.paths.find((each) => each.path === path);
    if (view?.backup) this.#backup.set(path, true);
  }
}

/**
 * Linux's in-kernel path manager, for all connections of the hosts that it is given to: its endpoints and limits, which {@linkcode Endpoints} changes while
 * they run.
 *
 * @example
 * ```ts
 * import { endpoints } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * const eps = endpoints({ subflows: 4 });
 * const id = eps.add({ address: "10.0.2.1", subflow: true, backup: true });
 * assertEquals(eps.list().map(({ address }) => address), ["10.0.2.1"]);
 * eps.remove(id);
 * assertEquals(eps.list(), []);
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {TypeError} an option is not of its kind.
 * @throws {RangeError} a value is out of its range.
 */
export default function endpoints(options: EndpointsOptions = {}): Endpoints {
  return new Endpoints(options);
}
