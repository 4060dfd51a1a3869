/**
 * A kernel to talk to: a network namespace of its own whose TUN devices are the paths, set up as an MPTCP peer. For `mptcp lab`, the tests and the
 * benches. Nothing outside the namespace changes, but that cubic is allowed as a congestion control inside namespaces.
 */

import { type Link, tun, type TunOptions } from "../mod.ts";
import { parseRate, type Rate } from "../core/link/units.ts";
import { HTTP_SERVER } from "./lab_server.ts";
import { Namespace } from "./namespace.ts";

/** How a lab is made. */
export interface LabOptions {
  /**
   * Name of its namespace, as `ip netns` shows it.
   *
   * @default one that no other has
   */
  readonly name?: string;
  /**
   * How many paths, 1 to 8: devices mptcp0, mptcp1, …
   *
   * @default {2}
   */
  readonly paths?: number;
  /** Rate of each path in both directions, made by the kernel (tbf); the last one stands for those that follow. @default unlimited */
  readonly rates?: readonly Rate[];
  /** Packets that wait at most for the rate of each path; as many as there are rates. @default 50 ms worth of them */
  readonly queues?: readonly (number | undefined)[];
  /**
   * Largest IP packet in bytes.
   *
   * @default {1500}
   */
  readonly mtu?: number;
  /**
   * Whether the devices have IPv6 addresses too.
   *
   * @default {true}
   */
  readonly ipv6?: boolean;
  /**
   * Whether the kernel speaks MPTCP; without, it is a peer with plain TCP.
   *
   * @default {true}
   */
  readonly mptcp?: boolean;
  /**
   * Whether the kernel asks for DSS checksums.
   *
   * @default {false}
   */
  readonly checksum?: boolean;
  /**
   * Family of the addresses that the kernel announces and opens subflows from, those of all paths but the first; "none": it knows the first only.
   *
   * @default {4}
   */
  readonly endpoints?: 4 | 6 | "none";
  /**
   * The kernel's congestion control.
   *
   * @default {"cubic"}
   */
  readonly congestionControl?: "cubic" | "reno" | "bbr";
  /** Serves HTTP over MPTCP there: files of this folder, and /32MB for as many bytes. @default no server */
  readonly serve?: { readonly folder: string; readonly port: number };
  /** Told what is being done. */
  readonly progress?: (step: string) => void;
}

/** One path of a lab. */
export interface LabPath {
  /** The TUN device. */
  readonly device: string;
  /** The kernel's addresses on it: IPv4, then IPv6. */
  readonly kernel: readonly string[];
  /** Addresses for a host of ours on it, with prefix lengths: IPv4, then IPv6. */
  readonly host: readonly string[];
}

/** Options of {@linkcode Lab.interfaces}. */
export interface LabInterfaceOptions {
  /** Family of the host's addresses. @default both, as the lab has them */
  readonly family?: 4 | 6;
  /** How many of the paths, from the first. @default all */
  readonly paths?: number;
  /** How each device is opened. */
  readonly tun?: TunOptions;
  /** Puts something around each link, such as `impair()`. */
  readonly wrap?: (link: Link, index: number) => Link;
}

function pathOf(index: number, ipv6: boolean): LabPath {
  const n = index + 1;
  return {
    device: `mptcp${index}`,
    kernel: [`10.77.${n}.1`, ...(ipv6 ? [`fd00:77:${n}::1`] : [])],
    host: [`10.77.${n}.2/24`, ...(ipv6 ? [`fd00:77:${n}::2/64`] : [])],
  };
}

/** Commands of `ip -batch` for the devices of a path. */
function deviceCommands(path: LabPath, mtu: number): string[] {
  const { device } = path;
  return [
    `tuntap add dev ${device} mode tun vnet_hdr`,
    `link set ${device} mtu ${mtu} txqueuelen 10000`,
    ...path.kernel.map((address) =>
      address.includes(":")
        ? `address add ${address}/64 dev ${device} nodad`
        : `address add ${address}/24 dev ${device}`
    ),
    `link set ${device} up`,
  ];
}

/** Bytes of a full packet, by which queues are counted. */
const FRAME = 1500;

/** Commands of `tc -batch` that hold what leaves by a device, and what comes in by it, to a rate; the latter by way of an ifb device. */
function rateCommands(
  device: string,
  ifb: string,
  rate: Rate,
  queue: number | undefined,
): string[] {
  const bytes = parseRate(rate);
  // Enough for the kernel's clock ticks, and a full-sized frame in any case.
  const burst = Math.max(4000, Math.round(bytes / 250));
  const limit = queue === undefined ? "latency 50ms" : `limit ${queue * FRAME}`;
  const tbf = `tbf rate ${Math.round(bytes * 8)}bit burst ${burst} ${limit}`;
  return [
    `qdisc add dev ${device} root ${tbf}`,
    `qdisc add dev ${device} ingress`,
    `filter add dev ${device} parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev ${ifb}`,
    `qdisc add dev ${ifb} root ${tbf}`,
  ];
}

/** A namespace with a kernel peer in it. Everything is removed by `close()`, or at the end of `await using`. */
export class Lab extends Namespace {
  /** Its paths. */
  readonly paths: readonly LabPath[];
  #server: Deno.ChildProcess | null = null;

  private constructor(name: string | undefined, paths: readonly LabPath[]) {
    super(name);
    this.paths = paths;
  }

  /**
   * Makes a lab.
   *
   * @throws {Deno.errors.NotSupported} If there can be none here; the text says what is missing.
   * @throws {RangeError} If an option is out of its range.
   */
  static async create(options: LabOptions = {}): Promise<Lab> {
    const { paths = 2, ipv6 = true } = options;
    if (!Number.isInteger(paths) || paths < 1 || paths > 8) {
      throw new RangeError(
        `Cannot make a lab as 'paths' must be an integer from 1 to 8: current value is ${paths}`,
      );
    }
    const lab = new Lab(options.name, Array.from({ length: paths }, (_, i) => pathOf(i, ipv6)));
    options.progress?.(`namespace ${lab.name}`);
    await lab.open();
    try {
      await lab.#fill(options);
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  async #fill(options: LabOptions): Promise<void> {
    const { mptcp = true, checksum = false, congestionControl = "cubic", mtu = 1500 } = options;
    const { progress = () => {}, rates = [], queues = [] } = options;
    progress(`kernel: MPTCP ${mptcp ? "on" : "off"}, ${congestionControl}`);
    await this.sysctl({
      "net/mptcp/enabled": mptcp ? 1 : 0,
      "net/mptcp/checksum_enabled": checksum ? 1 : 0,
      "net/ipv4/tcp_congestion_control": congestionControl,
    });
    progress(`TUN devices ${this.paths.map(({ device }) => device).join(", ")}`);
    await this.ip(...this.paths.flatMap((path) => deviceCommands(path, mtu)));
    await this.#limit(rates, queues, progress);
    if (mptcp) {
      await this.ip("mptcp limits set subflows 8 add_addr_accepted 8");
      const { endpoints = 4 } = options;
      if (endpoints !== "none") {
        progress(`endpoints of IPv${endpoints} on all paths but the first`);
        for (const index of this.paths.keys()) {
          if (index > 0) await this.addEndpoint(index, ["signal", "subflow"], endpoints);
        }
      }
    }
    if (options.serve) await this.#serve(options.serve, mptcp, progress);
  }

  async #limit(
    rates: readonly Rate[],
    queues: readonly (number | undefined)[],
    progress: (step: string) => void,
  ): Promise<void> {
    if (rates.length === 0) return;
    progress(`rates ${rates.join(", ")}`);
    await this.ip(...this.paths.map((_, i) => `link add ifb${i} type ifb`));
    await this.ip(...this.paths.map((_, i) => `link set ifb${i} up`));
    await this.tc(
      ...this.paths.flatMap(({ device }, i) => {
        const which = Math.min(i, rates.length - 1);
        return rateCommands(device, `ifb${i}`, rates[which]!, queues[which]);
      }),
    );
  }

  async #serve(
    { folder, port }: { readonly folder: string; readonly port: number },
    mptcp: boolean,
    progress: (step: string) => void,
  ): Promise<void> {
    progress(`HTTP server over ${mptcp ? "MPTCP" : "TCP"} on port ${port}`);
    const server = this.spawn(
      ["python3", "-c", HTTP_SERVER, mptcp ? "262" : "6", String(port), folder],
      { stdin: "piped", stdout: "piped", stderr: "piped" },
    );
    this.#server = server;
    let said = "";
    // To the end of the line: it may come in pieces, and the server would not survive a pipe closed in the middle of one.
    for await (const piece of server.stdout.pipeThrough(new TextDecoderStream())) {
      said += piece;
      if (said.includes("\n")) break;
    }
    if (said === "ready\n") {
      await server.stderr.cancel();
      return;
    }
    const complaint = (await new Response(server.stderr).text()).trim();
    throw new Error(`Cannot start the HTTP server: ${complaint}`);
  }

  /** Path `index`; `RangeError` when there is none. */
  path(index: number): LabPath {
    const path = this.paths[index];
    if (path === undefined) {
      throw new RangeError(
        `Cannot use path ${index} as the lab has paths 0 to ${this.paths.length - 1}`,
      );
    }
    return path;
  }

  /** The device of path `index` as a link of this process, whatever namespace this process is in. */
  tun(index: number, options: TunOptions = {}): ReturnType<typeof tun> {
    return tun(this.path(index).device, { ...options, namespace: this.name });
  }

  /** Links and addresses for `Host.open()`. */
  interfaces(options: LabInterfaceOptions = {}): { link: Link; addresses: string[] }[] {
    const { family, wrap = (link) => link } = options;
    return this.paths.slice(0, options.paths).map(({ host }, i) => ({
      link: wrap(this.tun(i, options.tun), i),
      addresses: host.filter((address) =>
        family === undefined || address.includes(":") === (family === 6)
      ),
    }));
  }

  /** Lets the kernel use its address on path `index` for further subflows. */
  async addEndpoint(
    index: number,
    flags: readonly ("signal" | "subflow" | "backup" | "fullmesh")[],
    family: 4 | 6 = 4,
  ): Promise<void> {
    const { device, kernel } = this.path(index);
    const address = kernel[family === 4 ? 0 : 1];
    if (address === undefined) {
      throw new TypeError(
        `Cannot add an endpoint of IPv${family} as the lab has no such addresses`,
      );
    }
    await this.ip(`mptcp endpoint add ${address} dev ${device} ${flags.join(" ")}`);
  }

  /** Takes the device of path `index` up or down. */
  async setUp(index: number, up: boolean): Promise<void> {
    await this.ip(`link set ${this.path(index).device} ${up ? "up" : "down"}`);
  }

  override async close(): Promise<void> {
    await this.#server?.stdin.close().catch(() => {});
    await super.close();
  }
}
