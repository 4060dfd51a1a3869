/** A toy of a transport for path managers: joins that succeed or fail after a round trip, a peer that echoes, addresses that come and go. */

import type {
  Endpoint,
  HostAddress,
  Micros,
  PathIndex,
  PathManagerPlugin,
  PathSpec,
  PathView,
  SubflowChange,
} from "../../core/plugin.ts";
import { ConnectionPaths, type PathTransport } from "../../core/path/context.ts";
import type { LocalAddress } from "../../core/path/addresses.ts";
import type { PathLimits } from "../../core/path/limits.ts";
import { ToyEvents } from "./toy_events.ts";

const RTT: Micros = 30e3;

/** An address of the toy host. */
export function toyLocal(address: string, link: string): LocalAddress {
  return { address, port: 0, family: address.includes(":") ? 6 : 4, link };
}

/** Options for {@linkcode ToyPaths}. */
export interface ToyPathsOptions {
  /** @default {"client"} */
  readonly role?: "client" | "server";
  /** Address of the first subflow's local end. @default {"10.0.0.1"} */
  readonly local?: string;
  /** Its link. @default {"wifi"} */
  readonly link?: string;
  /** Further addresses of the host. */
  readonly locals?: readonly LocalAddress[];
  /** Remote addresses that joins to fail. */
  readonly unreachable?: readonly string[];
  /** The peer never echoes. */
  readonly silent?: boolean;
  /** C flag of the peer. */
  readonly deny?: boolean;
  /** Bounds. */
  readonly limits?: Partial<PathLimits>;
  /** `close` tells of its end before it returns. */
  readonly sudden?: boolean;
}

type ToyView = { -readonly [K in keyof PathView]: PathView[K] };

/** One connection's paths, with a peer and virtual time. */
export class ToyPaths implements PathTransport {
  readonly role: "client" | "server";
  readonly paths: ToyView[] = [];
  readonly peerDeniesJoinToInitial: boolean;
  readonly token = 1;
  readonly events = new ToyEvents();
  /** What it was told to do: "open 2 10.0.1.1>10.9.0.1", "close 2", "backup 2 true", "add 1", "echo 2", "remove 1". */
  readonly log: string[] = [];
  /** Paths that have been silent for long. */
  readonly silent = new Set<PathIndex>();
  /** What path managers threw. */
  readonly errors: unknown[] = [];
  /** The side under test. */
  readonly connection: ConnectionPaths;
  readonly #options: ToyPathsOptions;
  /** Half-open joins of ours. */
  readonly #opening = new Set<PathIndex>();

  constructor(plugin: PathManagerPlugin, options: ToyPathsOptions = {}) {
    const { role = "client", local = "10.0.0.1", link = "wifi", deny = false } = options;
    this.#options = options;
    this.role = role;
    this.peerDeniesJoinToInitial = deny;
    const family = local.includes(":") ? 6 : 4;
    const remote = family === 4 ? "10.9.0.1" : "fd09::1";
    const port = role === "client" ? 80 : 40000;
    const first: PathSpec = {
      local: { ...toyLocal(local, link), id: 0 },
      remote: { address: remote, port, id: 0, family, link: "" },
    };
    this.#view(1, first.local, first.remote, false);
    const { locals = [], limits = {} } = options;
    this.connection = new ConnectionPaths(this, plugin, { first, locals, limits });
  }

  get now(): Micros {
    return this.events.now;
  }

  route(remote: HostAddress): string | null {
    const locals = this.connection.context.locals;
    return locals.find(({ family }) => family === remote.family)?.address ?? null;
  }

  onStray(): () => void {
    return () => {};
  }

  at(time: Micros, callback: () => void): () => void {
    return this.events.at(time, callback);
  }

  open(path: PathIndex, spec: PathSpec, backup: boolean): boolean {
    const { local, remote } = spec;
    this.log.push(`open ${path} ${local.address}>${remote.address}${backup ? " backup" : ""}`);
    this.#opening.add(path);
    this.events.at(this.now + RTT, () => {
      if (!this.#opening.delete(path)) return;
      const refused = this.#options.unreachable?.includes(remote.address) === true;
      if (refused) this.connection.subflowChanged(path, "left", "refused");
      else this.#joined(path, { address: local.address, port: 40000 + path }, remote, backup);
    });
    return true;
  }

  unheard(path: PathIndex): boolean {
    return this.silent.has(path);
  }

  /** A path ends, a join that is on its way too. */
  end(path: PathIndex, reason: string): void {
    this.#opening.delete(path);
    const at = this.paths.findIndex((view) => view.path === path);
    if (at >= 0) this.paths.splice(at, 1);
    this.connection.subflowChanged(path, "left", reason);
  }

  close(path: PathIndex): void {
    this.log.push(`close ${path}`);
    this.#opening.delete(path);
    const at = this.paths.findIndex((view) => view.path === path);
    if (at >= 0) this.paths.splice(at, 1);
    const left = (): void => this.connection.subflowChanged(path, "left", "closed");
    if (this.#options.sudden) left();
    else this.events.at(this.now, left);
  }

  setBackup(path: PathIndex, backup: boolean): void {
    this.log.push(`backup ${path} ${backup}`);
    const view = this.paths.find((known) => known.path === path);
    if (view) view.backup = backup;
  }

  holdPort(): void {}

  releasePort(): void {}

  sendAddAddr(address: HostAddress, echo: boolean): boolean {
    this.log.push(`${echo ? "echo" : "add"} ${address.id}`);
    if (echo || this.#options.silent) return true;
    this.events.at(this.now + RTT, () => this.connection.echoReceived(address.id, address));
    return true;
  }

  sendRemoveAddr(ids: readonly number[]): boolean {
    this.log.push(`remove ${ids.join()}`);
    return true;
  }

  dirty(): void {
    this.events.at(this.now, () => this.connection.flush());
  }

  report(error: unknown): void {
    this.errors.push(error);
  }

  /** The peer joins from `remote` under `id` to `local`: the reason it is refused for, or its path. */
  join(id: number, remote: Endpoint, local: string): { reason: number } | { path: PathIndex } {
    const end = { address: local, port: 80 };
    const reason = this.connection.refuseJoin(id, remote, end);
    if (reason !== null) return { reason };
    const path = this.connection.reserve();
    this.connection.joinSeen(path, id, remote, end);
    this.#joined(path, end, remote, false);
    return { path };
  }

  /** What a path in use carries, loses and takes for it from now on. */
  measure(path: PathIndex, figures: Partial<PathView>): void {
    const view = this.paths.find((known) => known.path === path);
    if (view !== undefined) Object.assign(view, figures);
  }

  /** Something happens to a path in use; nothing when it is not. */
  change(path: PathIndex, change: SubflowChange): void {
    const at = this.paths.findIndex((view) => view.path === path);
    if (at < 0) return;
    if (change === "left") this.paths.splice(at, 1);
    else this.paths[at]!.stale = change === "stale";
    this.connection.subflowChanged(path, change, change === "left" ? "reset" : undefined);
  }

  #joined(path: PathIndex, local: Endpoint, remote: Endpoint, backup: boolean): void {
    this.#view(path, local, remote, backup);
    this.connection.subflowChanged(path, "joined");
  }

  #view(path: PathIndex, local: Endpoint, remote: Endpoint, backup: boolean): void {
    this.paths.push({
      path,
      local,
      remote,
      backup,
      stale: false,
      srtt: RTT,
      rttVar: RTT / 8,
      minRtt: RTT,
      deliveryRate: 1e6,
      bytesSent: 0,
      bytesRetrans: 0,
      bytesReceived: 0,
      localId: path - 1,
      remoteId: 0,
      delivered: 0,
      lost: 0,
      timeouts: 0,
      lastAck: 0,
    });
    this.paths.sort((a, b) => a.path - b.path);
  }
}
