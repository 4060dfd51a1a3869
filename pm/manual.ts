/** Paths by the user's word alone: what Linux's userspace path manager is to a daemon. */

import type {
  Endpoint,
  HostAddress,
  PathContext,
  PathEvent,
  PathIndex,
  PathManager,
  PathManagerPlugin,
} from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";

/** Which connection, and whether it is one that was accepted. */
export interface ConnectionEvent {
  /** CREATED: addresses may be announced. ESTABLISHED: paths may be opened. */
  readonly type: "CREATED" | "ESTABLISHED";
  /** Names the connection on this host. */
  readonly token: number;
  /** IP version of the first subflow. */
  readonly family: 4 | 6;
  /** Our end of it. */
  readonly local: Endpoint;
  /** The peer's. */
  readonly remote: Endpoint;
  /** It was accepted. */
  readonly serverSide: boolean;
  /** The peer wants no path to the address of its first subflow (C flag). */
  readonly denyJoinId0: boolean;
}
/** One that has ended. */
export interface ClosedEvent {
  /** Nothing can be asked of it any more. */
  readonly type: "CLOSED";
  /** Names the connection. */
  readonly token: number;
}
/** An ADD_ADDR of the peer. */
export interface AnnouncedEvent {
  /** It has come, and is confirmed. */
  readonly type: "ANNOUNCED";
  /** Names the connection. */
  readonly token: number;
  /** What the peer calls the address. */
  readonly remoteId: number;
  /** IP version. */
  readonly family: 4 | 6;
  /** The address, and its port: that of the first subflow where none was named. */
  readonly remote: Endpoint;
}
/** A REMOVE_ADDR of the peer, for one id. */
export interface RemovedEvent {
  /** It has come; paths to the address end. */
  readonly type: "REMOVED";
  /** Names the connection. */
  readonly token: number;
  /** What the peer called the address. */
  readonly remoteId: number;
}
/** Something about a subflow beside the first; of the first its priority and its end. */
export interface SubflowEvent {
  /** It carries data; it has ended, or did not come to be; the peer has sent MP_PRIO. */
  readonly type: "SUB_ESTABLISHED" | "SUB_CLOSED" | "SUB_PRIORITY";
  /** Names the connection. */
  readonly token: number;
  /** IP version. */
  readonly family: 4 | 6;
  /** Id of our address. */
  readonly localId: number;
  /** Id of the peer's. */
  readonly remoteId: number;
  /** Our end; port 0 where none was chosen. */
  readonly local: Endpoint;
  /** The peer's. */
  readonly remote: Endpoint;
  /** Used only when no other works. */
  readonly backup: boolean;
  /** The link that it leaves by. */
  readonly link: string;
  /** Of SUB_CLOSED, where it failed: the number of Linux's error, 111 refused, 104 reset, 110 timed out, 113 no route, 103 aborted. */
  readonly error?: number;
  /** Of SUB_CLOSED, where the peer's RST had an MP_TCPRST: its reason (RFC 8684 §3.6). */
  readonly resetReason?: number;
  /** And its flags: 1 is T, transient. */
  readonly resetFlags?: number;
}
/** A listener of a host that uses it for all its connections. */
export interface ListenerEvent {
  /** It listens; it does no longer. */
  readonly type: "LISTENER_CREATED" | "LISTENER_CLOSED";
  /** IP version; 6 for one that listens on every address. */
  readonly family: 4 | 6;
  /** Where; "::" is everywhere. */
  readonly local: Endpoint;
}
/** What `ip mptcp monitor` tells of. */
export type ManualEvent =
  | ConnectionEvent
  | ClosedEvent
  | AnnouncedEvent
  | RemovedEvent
  | SubflowEvent
  | ListenerEvent;

/** One end of a path that is to be. */
export interface ManualEnd {
  /** An IP address. */
  readonly address: string;
  /**
   * Of the peer's end: where it is connected to.
   *
   * @default the port that was announced with the address, or that of the first subflow
   */
  readonly port?: number;
  /**
   * Id of the address: 1 to 255.
   *
   * @default the one that it has
   */
  readonly id?: number;
}

/** It has no options. */
export const defaults: Readonly<Record<string, never>> = {};

const ERRORS: Readonly<Record<string, number>> = {
  refused: 111,
  reset: 104,
  timeout: 110,
  unreachable: 113,
  aborted: 103,
};

function familyOf(address: string): 4 | 6 {
  return address.includes(":") ? 6 : 4;
}

/**
 * Opens, announces and closes nothing but what its verbs say, and tells what happens, as Linux's userspace path manager does for a daemon: verbs name a
 * connection by its token and are those of the netlink family `mptcp_pm`, ANNOUNCE, REMOVE, SUBFLOW_CREATE, SUBFLOW_DESTROY and SET_FLAGS. While nobody
 * listens to its events, joins of peers are refused. What a verb asks for happens in the next batch.
 *
 * @example A daemon that opens one more path on each connection
 * ```ts
 * import { emulate } from "@mptcp/mptcp";
 * import { manual } from "@mptcp/mptcp/pm";
 * import { assertEquals } from "@std/assert";
 *
 * const pm = manual();
 * const seen: string[] = [];
 * pm.subscribe((event) => {
 *   if ("serverSide" in event && !event.serverSide) seen.push(event.type);
 *   if (event.type !== "ESTABLISHED" || event.serverSide) return;
 *   pm.createSubflow(event.token, { address: "10.0.2.1" }, { address: event.remote.address });
 * });
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms" },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 *   pathManager: pm,
 * });
 * using listener = net.server.listen({ port: 80 });
 * const conn = await net.client.connect({ hostname: "server", port: 80 });
 * await conn.write(new Uint8Array(1000));
 * await net.sleep("1 s");
 * assertEquals(seen, ["CREATED", "ESTABLISHED"]);
 * assertEquals(conn.info().subflows.length, 2);
 * ```
 */
export class ManualPathManager implements PathManagerPlugin {
  /** It is one. */
  readonly kind = "path-manager";
  /** For reports and tables. */
  readonly name = "manual";
  /** Connections begin where the routes choose, as in Linux. */
  readonly beginsAnywhere = false;
  readonly #connections = new Map<number, ManualConnection>();
  readonly #listening = new Set<(event: ManualEvent) => void>();

  /** One for each connection; called by the stack. */
  create(context: PathContext): PathManager {
    const { token } = context;
    const connection = new ManualConnection(context, this, () => {
      if (this.#connections.get(token) === connection) this.#connections.delete(token);
    });
    this.#connections.set(token, connection);
    return connection;
  }

  /** Told of the listeners of a host that uses it for all its connections; called by the stack. */
  onListener(change: "created" | "closed", { address, port }: Endpoint): void {
    const local = { address: address === "" ? "::" : address, port };
    const type = change === "created" ? "LISTENER_CREATED" : "LISTENER_CLOSED";
    this.tell({ type, family: familyOf(local.address), local });
  }

  /** Calls `listener` for each event from now on; the result ends that. */
  subscribe(listener: (event: ManualEvent) => void): () => void {
    if (typeof listener !== "function") {
      throw new TypeError(
        `Cannot subscribe as the listener must be a function: current value is ${listener}`,
      );
    }
    this.#listening.add(listener);
    return () => void this.#listening.delete(listener);
  }

  /** Tokens of the connections that there are. */
  get tokens(): readonly number[] {
    return [...this.#connections.keys()];
  }

  /** Whether anybody listens. */
  get active(): boolean {
    return this.#listening.size > 0;
  }

  /**
   * Announces an address of the host (ANNOUNCE: ADD_ADDR).
   *
   * @throws {RangeError} there is no such connection or address, or it cannot have that id or port.
   */
  announce(token: number, address: ManualEnd): void {
    this.#find("announce an address", token).announce(address);
  }

  /**
   * Takes an address back by its id, announced or used by a path, and ends the paths over it (REMOVE: REMOVE_ADDR); 0 is that of the first subflow.
   *
   * @throws {RangeError} there is no such connection or id.
   */
  remove(token: number, id: number): void {
    this.#find("remove an address", token).remove(id);
  }

  /**
   * Opens a path from an address of the host to one of the peer, that need not be announced (SUBFLOW_CREATE). What becomes of it SUB_ESTABLISHED or
   * SUB_CLOSED tells; it is tried once.
   *
   * @throws {RangeError} there is no such connection or address, the families differ, or the limit of subflows is reached.
   */
  createSubflow(token: number, local: Omit<ManualEnd, "port">, remote: ManualEnd): void {
    this.#find("create a subflow", token).create(local, remote);
  }

  /**
   * Closes the path between two ends (SUBFLOW_DESTROY), by a FIN exchange.
   *
   * @throws {RangeError} there is no such connection or path.
   */
  destroySubflow(token: number, local: Endpoint, remote: Endpoint): void {
    this.#find("destroy a subflow", token).destroy(local, remote);
  }

  /**
   * Makes the path between two ends a backup or not (SET_FLAGS: MP_PRIO).
   *
   * @throws {RangeError} there is no such connection or path.
   */
  setPriority(token: number, local: Endpoint, remote: Endpoint, backup: boolean): void {
    if (typeof backup !== "boolean") {
      throw new TypeError(
        `Cannot set a priority as 'backup' must be true or false: current value is ${backup}`,
      );
    }
    this.#find("set a priority", token).setPriority(local, remote, backup);
  }

  /**
   * Calls those who listen; all of them, and the first error of theirs is thrown then.
   *
   * @internal
   */
  tell(event: ManualEvent): void {
    let failure: { readonly error: unknown } | null = null;
    for (const listener of [...this.#listening]) {
      try {
        listener(Object.freeze(event));
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== null) throw failure.error;
  }

  #find(verb: string, token: unknown): ManualConnection {
    const found = this.#connections.get(token as number);
    if (found !== undefined) return found;
    throw new RangeError(
      `Cannot ${verb} as no connection has the token ${token}: the tokens are ${
        this.tokens.join(", ") || "none"
      }`,
    );
  }
}

/** What is known of one subflow, for when it has left. */
type Known = Omit<SubflowEvent, "type" | "token" | "backup">;

class ManualConnection implements PathManager {
  readonly #context: PathContext;
  readonly #shared: ManualPathManager;
  readonly #onEnd: () => void;
  readonly #known = new Map<PathIndex, Known>();
  /** Paths that were asked for and have not left. */
  readonly #asked = new Set<PathIndex>();
  /** Paths that end as they were to. */
  readonly #leaving = new Set<PathIndex>();
  /** The change of a priority is our own. */
  #saying = false;

  constructor(context: PathContext, shared: ManualPathManager, onEnd: () => void) {
    this.#context = context;
    this.#shared = shared;
    this.#onEnd = onEnd;
  }

  onEvent(event: PathEvent): void {
    const { token } = this.#context;
    switch (event.type) {
      case "start":
        this.#learn(1);
        return this.#tellOf("CREATED");
      case "established":
        return this.#tellOf("ESTABLISHED");
      case "limit":
        if (event.address !== undefined) this.#announced(event.address);
        return;
      case "remote":
        if (event.change === "removed") {
          this.#tell({ type: "REMOVED", token, remoteId: event.address.id });
        } else if (event.announced === true) this.#announced(event.address);
        return;
      case "subflow":
        this.#subflow(event);
    }
  }

  refuse(): number | null {
    // As Linux does where no daemon listens: administratively prohibited.
    return this.#shared.active ? null : 3;
  }

  end(): void {
    this.#onEnd();
    this.#shared.tell({ type: "CLOSED", token: this.#context.token });
  }

  announce({ address, port = 0, id }: ManualEnd): void {
    if (!Number.isInteger(port) || port < 0 || port > 65535) {
      throw new RangeError(
        `Cannot announce ${address} as 'port' must be an integer from 0 to 65535: current value is ${port}`,
      );
    }
    const local = this.#local("announce", address, id);
    this.#later(() => this.#context.announce({ ...local, port }));
  }

  remove(id: number): void {
    const local = this.#context.locals.find((each) => each.id === id);
    if (local === undefined) {
      throw new RangeError(
        `Cannot remove the address of id ${id} as there is none: the ids are ${
          this.#context.locals.map((each) => each.id).join(", ")
        }`,
      );
    }
    this.#later(() => {
      for (const { path, local: end } of this.#context.paths) {
        if (end.address !== local.address) continue;
        this.#asked.delete(path);
        this.#leaving.add(path);
      }
      this.#context.withdraw(local);
    });
  }

  create({ address, id }: Omit<ManualEnd, "port">, remote: ManualEnd): void {
    const { remotes, paths, limits, index } = this.#context;
    const local = this.#local("create a subflow from", address, id);
    const pending = [...this.#asked].filter((path) => !paths.some((view) => view.path === path));
    if (paths.length + pending.length > limits.subflows) {
      throw new RangeError(
        `Cannot create a subflow as the limit is ${limits.subflows} beside the first`,
      );
    }
    const known = remotes.find((each) => each.address === remote.address);
    const to: HostAddress = {
      address: remote.address,
      port: remote.port ?? known?.port ?? 0,
      id: remote.id ?? known?.id ?? 0,
      family: familyOf(remote.address),
      link: "",
    };
    let path = index({ local, remote: to });
    for (let copy = 1; this.#taken(path); copy++) path = index({ local, remote: to, copy });
    this.#asked.add(path);
    this.#known.set(path, {
      family: to.family,
      localId: local.id,
      remoteId: to.id,
      local: { address: local.address, port: 0 },
      remote: { address: to.address, port: to.port },
      link: local.link,
    });
    this.#later(() => this.#use());
  }

  destroy(local: Endpoint, remote: Endpoint): void {
    const path = this.#path("destroy the subflow", local, remote);
    this.#later(() => {
      this.#asked.delete(path);
      this.#leaving.add(path);
      this.#use();
    });
  }

  setPriority(local: Endpoint, remote: Endpoint, backup: boolean): void {
    const path = this.#path("set the priority of the subflow", local, remote);
    this.#later(() => {
      this.#saying = true;
      try {
        this.#context.setBackup(path, backup);
      } finally {
        this.#saying = false;
      }
    });
  }

  #taken(path: PathIndex): boolean {
    return this.#asked.has(path) || this.#context.paths.some((view) => view.path === path);
  }

  /** Names what there is and what was asked for. */
  #use(): void {
    const wanted = new Set<PathIndex>(this.#context.paths.map(({ path }) => path));
    for (const path of this.#leaving) wanted.delete(path);
    for (const path of this.#asked) wanted.add(path);
    this.#context.use([...wanted]);
  }

  #local(verb: string, address: string, id: number | undefined): HostAddress {
    const local = this.#context.locals.find((each) => each.address === address);
    if (local === undefined) {
      throw new RangeError(
        `Cannot ${verb} ${address} as it is no address of this host: there are ${
          this.#context.locals.map((each) => each.address).join(", ")
        }`,
      );
    }
    return id === undefined || local.id === id ? local : this.#context.identify(local, id);
  }

  #path(verb: string, local: Endpoint, remote: Endpoint): PathIndex {
    const equal = (a: Endpoint, b: Endpoint): boolean =>
      a.address === b.address && a.port === b.port;
    const found = this.#context.paths.find((view) =>
      equal(view.local, local) && equal(view.remote, remote)
    );
    if (found !== undefined) return found.path;
    const show = ({ address, port }: Endpoint): string => `${address} port ${port}`;
    throw new RangeError(
      `Cannot ${verb} from ${show(local)} to ${show(remote)} as there is none`,
    );
  }

  #later(change: () => void): void {
    this.#context.after(0, change);
  }

  #subflow({ path, change, reason, reset }: PathEvent & { readonly type: "subflow" }): void {
    const { token, paths } = this.#context;
    const view = paths.find((each) => each.path === path);
    const backup = view?.backup ?? false;
    if (change === "joined") {
      this.#learn(path);
      this.#tellSubflow("SUB_ESTABLISHED", path, backup);
    } else if (change === "priority" && !this.#saying) {
      this.#tellSubflow("SUB_PRIORITY", path, backup);
    } else if (change === "left") {
      const known = this.#known.get(path);
      const error = reason === undefined ? undefined : ERRORS[reason];
      // It is tried once: whoever wants it again says so.
      const wanted = this.#asked.delete(path) || path === 1;
      if (this.#leaving.delete(path) || wanted) this.#use();
      this.#known.delete(path);
      if (known === undefined) return;
      this.#tell({
        type: "SUB_CLOSED",
        token,
        ...known,
        backup,
        ...(error !== undefined && { error }),
        ...(reset !== undefined && {
          resetReason: reset.reason,
          resetFlags: reset.transient ? 1 : 0,
        }),
      });
    }
  }

  #tellSubflow(type: "SUB_ESTABLISHED" | "SUB_PRIORITY", path: PathIndex, backup: boolean): void {
    const known = this.#known.get(path);
    if (known !== undefined) this.#tell({ type, token: this.#context.token, ...known, backup });
  }

  #learn(path: PathIndex): void {
    const { locals, remotes, paths } = this.#context;
    const view = paths.find((each) => each.path === path);
    if (view === undefined) return;
    const local = locals.find(({ address }) => address === view.local.address);
    const remote = remotes.find(({ address }) => address === view.remote.address);
    const before = this.#known.get(path);
    this.#known.set(path, {
      family: familyOf(view.local.address),
      localId: local?.id ?? 0,
      remoteId: before?.remoteId ?? remote?.id ?? 0,
      local: view.local,
      remote: view.remote,
      link: local?.link ?? "",
    });
  }

  #announced({ id, address, port, family }: HostAddress): void {
    const { token } = this.#context;
    this.#tell({ type: "ANNOUNCED", token, remoteId: id, family, remote: { address, port } });
  }

  #tellOf(type: "CREATED" | "ESTABLISHED"): void {
    const { token, role, peerDeniesJoinToInitial } = this.#context;
    const known = this.#known.get(1);
    if (known === undefined) return;
    const { family, local, remote } = known;
    const serverSide = role === "server";
    this.#tell({
      type,
      token,
      family,
      local,
      remote,
      serverSide,
      denyJoinId0: peerDeniesJoinToInitial,
    });
  }

  /** What a listener throws is reported as a fault, and leaves what happens here as it is. */
  #tell(event: ManualEvent): void {
    try {
      this.#shared.tell(event);
    } catch (error) {
      this.#context.after(0, () => {
        throw error;
      });
    }
  }
}

/**
 * A path manager that does what it is told and tells what happens: {@linkcode ManualPathManager}.
 *
 * @example
 * ```ts
 * import { manual } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * const seen: string[] = [];
 * const pm = manual();
 * const stop = pm.subscribe(({ type }) => seen.push(type));
 * assertEquals(pm.name, "manual");
 * stop();
 * ```
 *
 * @throws {TypeError} It has no such option.
 */
export default function manual(
  options: Readonly<Record<string, never>> = {},
): ManualPathManager {
  checkOptions("manual", options, defaults);
  return new ManualPathManager();
}
