/** A path manager that is configured as the kernel's is, by endpoints and limits, also while connections are open. */

import type {
  HostAddress,
  PathContext,
  PathEvent,
  PathIndex,
  PathManager,
  PathManagerPlugin,
} from "../../../pm/mod.ts";

/** What an endpoint is for, as `ip mptcp endpoint` has it. */
export type Flag = "signal" | "subflow" | "backup" | "fullmesh" | "laminar";

/** An address of ours that path managers may use. */
export interface Endpoint {
  readonly address: string;
  readonly flags: readonly Flag[];
}

/** MP_TCPRST reason (RFC 8684 §3.6). */
const PROHIBITED = 3;

/** Endpoints and limits of a host. */
export class Endpoints {
  /** As `ip mptcp limits`. */
  limits = { subflows: 8, accepted: 8 };
  readonly list: Endpoint[] = [];
  readonly #managers = new Set<Manager>();

  /** The path manager that follows them. */
  plugin(): PathManagerPlugin {
    return {
      kind: "path-manager",
      name: "endpoints",
      create: (context) => {
        const manager = new Manager(context, this);
        this.#managers.add(manager);
        return manager;
      },
    };
  }

  add({ address, flags }: Endpoint): void {
    this.list.push({ address: address.replace("::ffff:", ""), flags });
    for (const manager of this.#managers) manager.added();
  }

  /** Takes those of these addresses away. */
  remove(addresses: readonly string[]): void {
    for (const address of addresses) {
      const at = this.list.findIndex((each) => each.address === address);
      if (at >= 0) this.list.splice(at, 1);
    }
    for (const manager of this.#managers) manager.removed(addresses);
  }

  change(address: string, flags: readonly Flag[]): void {
    const at = this.list.findIndex((each) => each.address === address);
    this.list[at] = { address, flags };
    for (const manager of this.#managers) manager.changed(this.list[at]!);
  }
}

/** That of one connection. */
class Manager implements PathManager {
  readonly #context: PathContext;
  readonly #config: Endpoints;
  readonly #opening = new Set<PathIndex>();
  readonly #accepted = new Set<number>();
  readonly #tried = new Set<PathIndex>();
  readonly #announced = new Set<string>();
  readonly #backups = new Set<PathIndex>();
  #started = false;

  constructor(context: PathContext, config: Endpoints) {
    this.#context = context;
    this.#config = config;
  }

  onEvent(event: PathEvent): void {
    if (event.type === "start") {
      this.#started = true;
      this.added();
    } else if (event.type === "remote") {
      // The source of a join is not announced.
      const { paths } = this.#context;
      const met = paths.some(({ remote }) => remote.address === event.address.address);
      if (event.change === "added") {
        if (!met) this.#answer(event.address);
      } else this.#accepted.delete(event.address.id);
    } else if (event.type === "subflow" && event.change !== "stale") {
      if (event.change === "joined" || event.change === "left") this.#opening.delete(event.path);
      // The kernel tries each once; what is not named would be closed.
      if (event.change === "left") {
        this.#use([]);
        this.added();
      }
    }
  }

  refuse(): number | null {
    return this.#used < this.#config.limits.subflows ? null : PROHIBITED;
  }

  /** Subflows beside the first, those that are being opened included. */
  get #used(): number {
    const { paths } = this.#context;
    return paths.filter(({ path }) => path !== 1).length +
      [...this.#opening].filter((path) => !paths.some((each) => each.path === path)).length;
  }

  #local(address: string): HostAddress | undefined {
    return this.#context.locals.find((local) => local.address === address);
  }

  /** There are new endpoints. */
  added(): void {
    if (!this.#started) return;
    const { remotes, announce } = this.#context;
    for (const { address, flags } of this.#config.list) {
      const local = this.#local(address);
      if (local?.id === 0 && flags.includes("backup")) this.#prioritise(1, true);
      if (local === undefined || local.id === 0) continue;
      if (flags.includes("signal") && !this.#announced.has(address)) {
        this.#announced.add(address);
        announce(local);
      }
      if (!flags.includes("subflow")) continue;
      for (const remote of remotes) {
        const all = flags.includes("fullmesh") && this.#accepted.has(remote.id);
        if (remote.id === 0 ? !this.#context.peerDeniesJoinToInitial : all) {
          this.#open(local, remote, flags.includes("backup"));
        }
      }
    }
  }

  /** The peer has announced an address. */
  #answer(remote: HostAddress): void {
    const { limits, list } = this.#config;
    if (this.#accepted.size >= limits.accepted || this.#used >= limits.subflows) return;
    const { locals } = this.#context;
    const of = (flag: Flag) =>
      list.filter(({ flags, address }) =>
        flags.includes(flag) && this.#local(address)?.family === remote.family
      );
    const mesh = of("fullmesh");
    const laminar = of("laminar").slice(0, 1);
    this.#accepted.add(remote.id);
    for (const { address, flags } of mesh.length > 0 ? mesh : laminar) {
      this.#open(this.#local(address)!, remote, flags.includes("backup"));
    }
    if (mesh.length > 0 || laminar.length > 0) return;
    // Where the routes lead: the address in the same network.
    const network = (address: string): string => address.replace(/[.:][^.:]*$/, "");
    const near = locals.find(({ address }) => network(address) === network(remote.address));
    const local = near ?? locals.find(({ family }) => family === remote.family);
    if (local === undefined) return;
    const backup = list.some(({ address, flags }) =>
      address === local.address && flags.includes("backup")
    );
    this.#open(local, remote, backup);
  }

  #open(local: HostAddress, remote: HostAddress, backup: boolean): void {
    if (local.family !== remote.family || this.#used >= this.#config.limits.subflows) return;
    const { index, paths } = this.#context;
    const path = index({ local, remote });
    if (this.#tried.has(path) || paths.some((each) => each.path === path)) return;
    this.#tried.add(path);
    if (backup) this.#prioritise(path, true);
    this.#use([path]);
  }

  #prioritise(path: PathIndex, backup: boolean): void {
    if (this.#backups.has(path) === backup) return;
    if (backup) this.#backups.add(path);
    else this.#backups.delete(path);
    this.#context.setBackup(path, backup);
  }

  #use(more: readonly PathIndex[]): void {
    for (const path of more) this.#opening.add(path);
    const { paths, use } = this.#context;
    use([...new Set([...paths.map(({ path }) => path), ...this.#opening])]);
  }

  removed(addresses: readonly string[]): void {
    const { paths, withdraw, use } = this.#context;
    this.#tried.clear();
    for (const { path } of paths) this.#tried.add(path);
    for (const { path, local } of paths) {
      if (addresses.includes(local.address)) this.#tried.delete(path);
    }
    for (const address of addresses) {
      const local = this.#local(address);
      this.#announced.delete(address);
      if (local !== undefined && local.id !== 0) withdraw(local);
    }
    use(paths.filter(({ local }) => !addresses.includes(local.address)).map(({ path }) => path));
  }

  changed({ address, flags }: Endpoint): void {
    for (const { path, local } of [...this.#context.paths]) {
      if (local.address === address) this.#prioritise(path, flags.includes("backup"));
    }
    if (flags.includes("fullmesh")) this.added();
  }
}
