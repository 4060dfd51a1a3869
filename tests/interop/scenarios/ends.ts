/** Both kinds of ends of a scenario's connection: a kernel's and ours, configured alike. */

import { fileURLToPath } from "node:url";
import type { Namespace } from "../../../cli/namespace.ts";
import type { Link } from "../../../mod.ts";
import { Host, type HostOptions } from "../../../mod.ts";
import {
  type Endpoint,
  type Endpoints,
  endpoints,
  manual,
  type ManualEvent,
  type ManualPathManager,
} from "../../../pm/mod.ts";
import { startPeer } from "../support/peer.ts";
import { sleep } from "../support/wait.ts";

/** What an endpoint is for, as `ip mptcp endpoint` has it. */
export type Flag = "signal" | "subflow" | "backup" | "fullmesh" | "laminar";

/** An address that path managers may use. */
export interface EndpointSpec {
  /** Path 1 to 4, or one beyond: an address that nothing leads to. */
  readonly path: number;
  readonly family: 4 | 6;
  /** Written as an IPv6 address that stands for it (RFC 4291 §2.5.5.2). */
  readonly mapped: boolean;
  readonly flags: readonly Flag[];
  /** Announced with this port. */
  readonly port?: number;
  /** Bound to the device of its path. */
  readonly dev: boolean;
}

/** Reads "3 signal", "2/6 subflow backup", "3 signal port 4000", "3 subflow dev", "m3 signal" for an IPv4 address in the clothes of IPv6. */
export function endpointSpec(text: string): EndpointSpec {
  const [at = "", ...words] = text.split(" ");
  const [path = "", family = "4"] = at.split("/");
  const port = words.indexOf("port");
  const number = port < 0 ? undefined : Number(words.splice(port, 2)[1]);
  const dev = words.includes("dev");
  return {
    path: Number(path.replace("m", "")),
    mapped: path.startsWith("m"),
    family: family === "6" ? 6 : 4,
    flags: words.filter((word) => word !== "dev") as Flag[],
    dev,
    ...(number === undefined ? {} : { port: number }),
  };
}

/** What holds for an end before anything is opened. */
export interface EndOptions {
  /** As `ip mptcp limits`: further subflows, and addresses taken. */
  readonly limits?: readonly [subflows: number, accepted: number];
  /** As {@linkcode endpointSpec} reads them. */
  readonly endpoints?: readonly string[];
  /** Asks for DSS checksums. */
  readonly checksum?: boolean;
  /** Sets the C flag. */
  readonly deny?: boolean;
  /** Answers all SYNs with cookies. */
  readonly cookies?: boolean;
  /** Takes and sends data with SYNs. */
  readonly fastOpen?: boolean;
  /** Bytes of a segment at most, both ways. */
  readonly maxSegment?: number;
  /** Path management is an application's: of one that listens, or of none. */
  readonly userspace?: "daemon" | "nobody";
  /** Seconds until an ADD_ADDR is sent again. */
  readonly addAddrTimeout?: number;
}

/** The verbs of a path manager in userspace, for the one connection that there is. Where a family is not said it is that of the first subflow. */
export interface Manual {
  announce(
    path: number,
    id: number,
    options?: { readonly port?: number; readonly family?: 4 | 6; readonly token?: number },
  ): Promise<void>;
  /** Takes the address of an id back. */
  remove(id: number, options?: { readonly token?: number }): Promise<void>;
  /** Opens a subflow from an address of ours, by its path, to one of the peer. */
  create(
    local: number,
    id: number,
    remote: string,
    options?: { readonly port?: number },
  ): Promise<void>;
  /** Closes the subflow that goes from an address of ours, by its path. */
  destroy(local: number, family?: 4 | 6): Promise<void>;
  /** Makes that subflow a backup. */
  backup(local: number): Promise<void>;
  /** Whether it was told that somebody listens on an address by its path, or does no longer. */
  heard(event: "created" | "closed", path: number, port: number): boolean;
}

/** Somebody who takes connections until they are taken away. */
export interface Listening extends AsyncDisposable {
  readonly port: number;
}

/** An end. */
export interface End {
  /** Its address on a path. */
  address(path: number, family?: 4 | 6): string;
  limits(subflows: number, accepted: number): Promise<void>;
  add(spec: string): Promise<void>;
  /** Takes the endpoints of these paths away, all at once as far as it can. */
  remove(...specs: readonly string[]): Promise<void>;
  /** Takes the address of the first subflow away. */
  removeInitial(): Promise<void>;
  /** Sets backup and fullmesh of an endpoint. */
  change(spec: string): Promise<void>;
  flush(): Promise<void>;
  /** Its port of the first subflow. */
  port(): Promise<number>;
  /** Listens on the address of a path. */
  listen(path: number, port?: number): Promise<Listening>;
  /** What a path manager in userspace does. */
  readonly manual: Manual;
  /** Of MPTCP, since the scenario began. */
  counters(): Promise<Record<string, number>>;
  /** Those of Fast Open, without what their names begin with. */
  fastOpens(): Promise<Record<string, number>>;
}

/** Counters less what they were before. */
function since(
  now: Readonly<Record<string, number>>,
  before: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(now).map(([name, value]) => [name, value - (before[name] ?? 0)]),
  );
}

function fastOpens(counters: Readonly<Record<string, number>>): Record<string, number> {
  const start = "TCPFastOpen";
  return Object.fromEntries(
    Object.entries(counters).filter(([name, value]) => name.startsWith(start) && value !== 0)
      .map(([name, value]) => [name.slice(start.length), value]),
  );
}

/** Paths that there are. */
export const PATHS = 4;

function addressOf(side: 1 | 2, path: number, family: 4 | 6): string {
  return family === 4 ? `10.77.${path}.${side}` : `fd00:77:${path}::${side}`;
}

const PATH_MANAGER = fileURLToPath(new URL("../support/path_manager.py", import.meta.url));

/** A kernel's. */
export class KernelEnd implements End {
  readonly namespace: Namespace;
  readonly #side: 1 | 2;
  #before: Readonly<Record<string, number>> = {};
  #beforeTcp: Readonly<Record<string, number>> = {};
  /** Addresses of its endpoints and their ids. */
  readonly #ids = new Map<string, number>();
  #nextId = 1;
  #daemon: Deno.ChildProcess | null = null;
  #limited = false;
  #reading: Promise<void> | null = null;
  /** What `ip mptcp monitor` has told. */
  #events = "";
  /** Family of the first subflow. */
  family: 4 | 6 = 4;

  constructor(namespace: Namespace, side: 1 | 2) {
    this.namespace = namespace;
    this.#side = side;
  }

  address(path: number, family: 4 | 6 = this.family): string {
    return addressOf(this.#side, path, family);
  }

  /** Forgets the scenario before. */
  async reset(options: EndOptions): Promise<void> {
    const { checksum, deny, cookies, fastOpen, userspace, addAddrTimeout = 120 } = options;
    const { maxSegment } = options;
    this.#ids.clear();
    this.#nextId = 1;
    await this.namespace.exec(["ss", "-K", "-t", "-a"], false);
    const [subflows, accepted] = options.limits ?? [8, 8];
    await this.namespace.ip(
      "mptcp endpoint flush",
      `mptcp limits set subflows ${subflows} add_addr_accepted ${accepted}`,
    );
    await this.namespace.sysctl({
      "net/mptcp/pm_type": userspace ? 1 : 0,
      "net/mptcp/checksum_enabled": checksum ? 1 : 0,
      "net/mptcp/allow_join_initial_addr_port": deny ? 0 : 1,
      "net/mptcp/add_addr_timeout": addAddrTimeout,
      "net/mptcp/blackhole_timeout": 0,
      "net/ipv4/tcp_syncookies": cookies ? 2 : 1,
      // Addresses of IPv6 would go with their device.
      "net/ipv6/conf/all/keep_addr_on_down": 1,
      ...Object.fromEntries(
        Array.from({ length: PATHS }, (_, i) => [`net/ipv6/conf/mptcp${i}/keep_addr_on_down`, 1]),
      ),
      "net/ipv4/tcp_fastopen": fastOpen ? 3 : 1,
    });
    // Where cookies are remembered.
    if (fastOpen) await this.namespace.exec(["ip", "tcp_metrics", "flush"]);
    if (maxSegment !== undefined) await this.#segments(`advmss ${maxSegment}`);
    this.#limited = maxSegment !== undefined;
    if (userspace === "daemon") {
      // The kernel asks nobody where nobody listens.
      const daemon = this.#daemon = this.namespace.spawn(
        ["stdbuf", "-oL", "ip", "mptcp", "monitor"],
        { stdin: "null", stdout: "piped", stderr: "null" },
      );
      this.#events = "";
      this.#reading = (async () => {
        for await (const piece of daemon.stdout.pipeThrough(new TextDecoderStream())) {
          this.#events += piece;
        }
      })();
      await sleep(100);
    }
    this.#before = await this.namespace.nstat();
    this.#beforeTcp = await this.namespace.nstat("TcpExt");
    for (const spec of options.endpoints ?? []) await this.add(spec);
  }

  /** Ends what runs for it. */
  async close(): Promise<void> {
    this.#daemon?.kill("SIGKILL");
    await this.#daemon?.status;
    await this.#reading;
    if (this.#limited) await this.#segments("");
  }

  /** Gives the routes of all paths metrics. */
  #segments(metrics: string): Promise<void> {
    return this.namespace.ip(
      ...Array.from(
        { length: PATHS },
        (_, i) =>
          `route replace 10.77.${i + 1}.0/24 dev mptcp${i} src ${
            this.address(i + 1, 4)
          } ${metrics}`,
      ),
    );
  }

  limits(subflows: number, accepted: number): Promise<void> {
    return this.namespace.ip(
      `mptcp limits set subflows ${subflows} add_addr_accepted ${accepted}`,
    );
  }

  async add(spec: string): Promise<void> {
    const { path, family, mapped, flags, port, dev } = endpointSpec(spec);
    const id = this.#nextId++;
    const address = `${mapped ? "::ffff:" : ""}${this.address(path, family)}`;
    this.#ids.set(address, id);
    const device = dev ? `mptcp${path - 1}` : null;
    if (flags.includes("laminar")) {
      return await this.manage("add_addr", {
        id,
        local: port === undefined ? address : `${address},${port}`,
        flags: flags.join(","),
        ...(device === null ? {} : { dev: device }),
      });
    }
    await this.#untilFree(
      `mptcp endpoint add ${address}${device === null ? "" : ` dev ${device}`} id ${id} ${
        flags.join(" ")
      }${port === undefined ? "" : ` port ${port}`}`,
    );
  }

  /** The listener of an endpoint with a port that is gone goes a moment later. */
  async #untilFree(command: string): Promise<void> {
    for (let tries = 20;; tries--) {
      try {
        return await this.namespace.ip(command);
      } catch (error) {
        if (tries === 0) throw error;
        await sleep(50);
      }
    }
  }

  /** A command of path_manager.py. */
  async manage(command: string, keys: Readonly<Record<string, string | number>>): Promise<void> {
    const words = Object.entries(keys).map(([key, value]) => `${key}=${value}`);
    await this.namespace.exec(["python3", PATH_MANAGER, command, ...words]);
  }

  #id(spec: string): number {
    const { path, family } = endpointSpec(spec);
    return this.#ids.get(this.address(path, family))!;
  }

  remove(...specs: readonly string[]): Promise<void> {
    return this.namespace.ip(
      ...specs.map((spec) => `mptcp endpoint delete id ${this.#id(spec)}`),
    );
  }

  removeInitial(): Promise<void> {
    return this.namespace.ip(`mptcp endpoint delete id 0 ${this.address(1)}`);
  }

  change(spec: string): Promise<void> {
    const { flags } = endpointSpec(spec);
    const words = (["backup", "fullmesh"] as const).map((flag) =>
      flags.includes(flag) ? flag : `no${flag}`
    );
    return this.namespace.ip(`mptcp endpoint change id ${this.#id(spec)} ${words.join(" ")}`);
  }

  flush(): Promise<void> {
    return this.namespace.ip("mptcp endpoint flush");
  }

  /** Token of the connection. */
  async #token(): Promise<number> {
    return parseInt(/token:([\da-f]+)/.exec(await this.namespace.ss())?.[1] ?? "", 16);
  }

  readonly manual: Manual = {
    announce: async (path, id, { port, family, token = null } = {}) => {
      token ??= await this.#token();
      const local = this.address(path, family) + (port === undefined ? "" : `,${port}`);
      await this.manage("announce", { token, id, local, flags: "signal" });
    },
    remove: async (id, { token = null } = {}) => {
      token ??= await this.#token();
      await this.manage("remove", { token, id });
    },
    create: async (path, id, remote, { port } = {}) => {
      const token = await this.#token();
      const to = `${remote},${port ?? await this.#remotePort()}`;
      const local = this.address(path, remote.includes(":") ? 6 : 4);
      await this.manage("create", { token, "local-id": id, local, remote: to });
    },
    destroy: async (path, family) => {
      const token = await this.#token();
      const [local, remote] = await this.#subflow(path, family);
      await this.manage("destroy", { token, local, remote });
    },
    backup: async (path) => {
      const token = await this.#token();
      const [local, remote] = await this.#subflow(path);
      await this.manage("set_flags", { token, local, remote, flags: "backup" });
    },
    heard: (event, path, port) => {
      // Before its version 6.5 iproute2 has their numbers for names, and does not say where.
      const names = event === "created" ? ["LISTENER_CREATED", "15]"] : ["LISTENER_CLOSED", "16]"];
      const where = [`=${this.address(path)} `, `sport=${port}`];
      return this.#events.split("\n").some((line) =>
        names.some((name) => line.includes(name)) &&
        (line.endsWith("]") || where.every((part) => line.includes(part)))
      );
    },
  };

  /** Both ends of the subflow from an address by its path. */
  async #subflow(path: number, family?: 4 | 6): Promise<[string, string]> {
    const address = `${this.address(path, family)},`;
    const found = (await this.#subflows()).find(([local]) => local!.startsWith(address));
    return [found?.[0] ?? "", found?.[1] ?? ""];
  }

  async listen(path: number, port = 0): Promise<Listening> {
    const options = { host: this.address(path), port, timeout: 30 };
    return await startPeer(this.namespace, "listen", "sink", options);
  }

  /** Both ends of the subflows: addresses and ports. */
  async #subflows(): Promise<string[][]> {
    const text = await this.namespace.ss(["-t", "-n", "-H"]);
    return text.trim().split("\n").map((line) =>
      line.trim().split(/\s+/).slice(3, 5).map((end) =>
        end.replace(/:(\d+)$/, ",$1").replace(/[\[\]]|%\w+|::ffff:/g, "")
      )
    );
  }

  async port(): Promise<number> {
    return Number((await this.#subflows())[0]![0]!.split(",")[1]);
  }

  async #remotePort(): Promise<string> {
    return (await this.#subflows())[0]![1]!.split(",")[1]!;
  }

  async counters(): Promise<Record<string, number>> {
    return since(await this.namespace.nstat(), this.#before);
  }

  async fastOpens(): Promise<Record<string, number>> {
    return fastOpens(since(await this.namespace.nstat("TcpExt"), this.#beforeTcp));
  }
}

/** Ours. */
export class OurEnd implements End {
  readonly host: Host;
  readonly endpoints: Endpoints;
  readonly manual: Manual;
  readonly port: () => Promise<number>;
  readonly #links: readonly Link[];
  family: 4 | 6 = 4;

  private constructor(
    host: Host,
    endpoints: Endpoints,
    daemon: ManualPathManager,
    listens: boolean,
    links: readonly Link[],
  ) {
    this.host = host;
    this.endpoints = endpoints;
    const events: ManualEvent[] = [];
    if (listens) daemon.subscribe((event) => void events.push(event));
    const own = (): number => daemon.tokens[0]!;
    const subflow = (path: number, family?: 4 | 6): readonly [Endpoint, Endpoint] => {
      const address = this.address(path, family);
      for (const event of events) {
        if (!("remote" in event && "local" in event)) continue;
        if (event.local.address === address) return [event.local, event.remote];
      }
      throw new Error(`no subflow from ${address}`);
    };
    // What they throw is what becomes of their promise, as with a kernel's.
    this.manual = {
      // deno-lint-ignore require-await
      announce: async (path, id, { port = 0, family, token = own() } = {}) =>
        daemon.announce(token, { address: this.address(path, family), id, port }),
      // deno-lint-ignore require-await
      remove: async (id, { token = own() } = {}) => daemon.remove(token, id),
      // deno-lint-ignore require-await
      create: async (path, id, remote, to = {}) => {
        const address = this.address(path, remote.includes(":") ? 6 : 4);
        daemon.createSubflow(own(), { address, id }, { address: remote, ...to });
      },
      // deno-lint-ignore require-await
      destroy: async (path, family) => daemon.destroySubflow(own(), ...subflow(path, family)),
      // deno-lint-ignore require-await
      backup: async (path) => daemon.setPriority(own(), ...subflow(path), true),
      heard: (event, path, port) =>
        events.some((each) =>
          each.type === (event === "created" ? "LISTENER_CREATED" : "LISTENER_CLOSED") &&
          each.local.address === this.address(path) && each.local.port === port
        ),
    };
    this.#links = links;
    this.port = () => Promise.resolve(subflow(1)[0].port);
  }

  static async open(interfaces: HostOptions["interfaces"], options: EndOptions): Promise<OurEnd> {
    const [subflows, addAddrAccepted] = options.limits ?? [8, 8];
    const manager = endpoints({ subflows, addAddrAccepted });
    const daemon = manual();
    const host = await Host.open({
      interfaces,
      pathManager: options.userspace ? daemon : manager,
      mptcp: {
        checksum: options.checksum ?? false,
        subflows: 8,
        addAddrAccepted: 8,
        allowJoinInitialAddress: !options.deny,
      },
      tcp: {
        ...(options.cookies ? { synCookies: "always" } : {}),
        ...(options.fastOpen ? { fastOpen: true } : {}),
        ...(options.maxSegment === undefined ? {} : { maxSegment: options.maxSegment }),
      },
    });
    const end = new OurEnd(
      host,
      manager,
      daemon,
      options.userspace === "daemon",
      interfaces.map(({ link }) => link),
    );
    for (const spec of options.endpoints ?? []) await end.add(spec);
    return end;
  }

  address(path: number, family: 4 | 6 = this.family): string {
    return addressOf(2, path, family);
  }

  limits(subflows: number, addAddrAccepted: number): Promise<void> {
    this.endpoints.limits({ subflows, addAddrAccepted });
    return Promise.resolve();
  }

  add(spec: string): Promise<void> {
    const { path, family, mapped, flags, port, dev } = endpointSpec(spec);
    const address = this.address(path, family);
    if (path > PATHS) this.host.addAddress(`${address}/24`, this.#links[0]!);
    const link = dev ? this.#links[path - 1]!.name : undefined;
    this.endpoints.add({
      address: `${mapped ? "::ffff:" : ""}${address}`,
      ...Object.fromEntries(flags.map((flag) => [flag, true])),
      ...(port === undefined ? {} : { port }),
      ...(link === undefined ? {} : { dev: link }),
    });
    return Promise.resolve();
  }

  #id(spec: string): number {
    const { path, family } = endpointSpec(spec);
    const address = this.address(path, family);
    return this.endpoints.list().find((each) => each.address === address)!.id;
  }

  remove(...specs: readonly string[]): Promise<void> {
    for (const spec of specs) this.endpoints.remove(this.#id(spec));
    return Promise.resolve();
  }

  removeInitial(): Promise<void> {
    this.endpoints.remove(0, this.address(1));
    return Promise.resolve();
  }

  change(spec: string): Promise<void> {
    const { flags } = endpointSpec(spec);
    const [backup, fullmesh] = [flags.includes("backup"), flags.includes("fullmesh")];
    this.endpoints.change(this.#id(spec), { backup, fullmesh });
    return Promise.resolve();
  }

  flush(): Promise<void> {
    this.endpoints.flush();
    return Promise.resolve();
  }

  listen(path: number, port = 0): Promise<Listening> {
    const listener = this.host.listen({ hostname: this.address(path), port });
    return Promise.resolve({
      port: listener.addr.port,
      [Symbol.asyncDispose]: () => Promise.resolve(listener.close()),
    });
  }

  counters(): Promise<Record<string, number>> {
    return Promise.resolve(this.host.counters);
  }

  fastOpens(): Promise<Record<string, number>> {
    return Promise.resolve(fastOpens(this.host.counters));
  }
}
