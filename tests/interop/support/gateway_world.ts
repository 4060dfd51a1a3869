/** Two machines with two shaped paths between them: programs at home, servers and a relay away; and what runs on them. */

import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { writeKeyFile } from "../../../cli/gateway/key.ts";
import { HTTP_SERVER } from "../../../cli/lab_server.ts";
import { Namespace } from "../../../cli/namespace.ts";
import { Running } from "./running.ts";
import { RUN } from "../../support/command.ts";

const CLI = fileURLToPath(new URL("../../../cli/mod.ts", import.meta.url));
/** Where the proxy listens. */
export const PROXY = "127.0.0.1:1080";
/** What the programs ask for: a name that the relay's machine knows, and no other. */
export const SERVER = "http://localhost:8000";

/** How commands are started whose words are read. */
export const QUIET = { stdin: "null", stdout: "piped", stderr: "piped" } as const;

/** Downloads, and says nothing. */
export const CURL = ["curl", "-sS", "--fail", "--max-time", "120", "-o", "/dev/null"] as const;

/** Bytes by each path, of what the gateway tells of a connection. */
export function shares({ paths }: Record<string, unknown>): Record<string, number> {
  return paths as Record<string, number>;
}

/** Both networks have carried a good part of 4 MB, or 1 MB: to whichever address of the relay's. */
export function assertBoth(record: Record<string, unknown>): void {
  for (const device of ["mptcp0", "mptcp1"]) {
    let bytes = 0;
    for (const [path, some] of Object.entries(shares(record))) {
      if (path.split(" ", 1)[0] === device) bytes += some;
    }
    assert(bytes > 0.4e6, JSON.stringify(record));
  }
}

/** Both namespaces, what runs in them, and a folder. */
export class World implements AsyncDisposable {
  readonly home = new Namespace();
  readonly away = new Namespace();
  readonly folder = Deno.makeTempDirSync({ prefix: "mptcp-gateway-" });
  readonly key = `${this.folder}/relay.key`;
  /** The HTTP server ends with its input. */
  #server: WritableStream | null = null;
  relay: Running | null = null;
  proxy: Running | null = null;
  /** Words for the `deno run` of relays and proxies. */
  flags: readonly string[] = [];

  /** @param ipv6 The paths have IPv6 as well: fd00:77:1::2 goes by the first, fd00:77:2::2 by the second, fd00:78:1::2 is away. */
  static async open(rate = "20mbit", ipv6 = false): Promise<World> {
    const world = new World();
    try {
      await world.#open(rate);
      if (ipv6) await world.#addIpv6();
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #open(rate: string): Promise<void> {
    const { home, away } = this;
    for (const each of [home, away]) {
      await each.open();
      await each.sysctl({ "net/ipv4/ip_forward": 1 });
    }
    for (const i of [1, 2]) {
      await home.ip(`link add gw${i} type veth peer name gw${i} netns ${away.name}`);
      await home.ip(
        `addr add 10.91.${i}.1/24 dev gw${i}`,
        `link set gw${i} up`,
        `rule add from 10.77.${i}.2 table 10${i}`,
      );
      await away.ip(
        `addr add 10.91.${i}.2/24 dev gw${i}`,
        `link set gw${i} up`,
        `route add 10.77.${i}.0/24 via 10.91.${i}.1`,
      );
      await home.ip(`route add default via 10.91.${i}.2 table 10${i}`);
      for (const each of [home, away]) {
        await each.tc(`qdisc add dev gw${i} root tbf rate ${rate} burst 16k limit 200k`);
      }
    }
    await Deno.mkdir(`${this.folder}/www`);
    const child = away.spawn(["python3", "-c", HTTP_SERVER, "6", "8000", `${this.folder}/www`], {
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    });
    this.#server = child.stdin;
    const server = new Running(child);
    await server.until("ready");
    await writeKeyFile(this.key);
  }

  async #addIpv6(): Promise<void> {
    const { home, away } = this;
    for (const each of [home, away]) await each.sysctl({ "net/ipv6/conf/all/forwarding": 1 });
    for (const i of [1, 2]) {
      await home.ip(
        `addr add fd00:91:${i}::1/64 dev gw${i} nodad`,
        // Without one a router asks nobody for his neighbours.
        `addr add fe80::1/64 dev gw${i} nodad`,
        `route add default via fd00:91:${i}::2 table 10${i}`,
      );
      await home.exec(["ip", "-6", "rule", "add", "from", `fd00:77:${i}::2`, "table", `10${i}`]);
      await away.ip(
        `addr add fd00:91:${i}::2/64 dev gw${i} nodad`,
        `addr add fe80::2/64 dev gw${i} nodad`,
        `route add fd00:77:${i}::/64 via fd00:91:${i}::1`,
      );
    }
  }

  /** Starts a relay on a TUN device, on the kernel's sockets, over UDP, or as the words say. */
  async startRelay(
    on: "mptcp" | "tcp" | "udp" | readonly string[] | null = null,
    ...more: readonly string[]
  ): Promise<Running> {
    const kernel = ["--kernel", "0.0.0.0:1081"];
    const end = on === null
      ? ["--tun", "mptcp0=10.78.1.2/24"]
      : on === "udp"
      ? ["--via", "udp"]
      : typeof on !== "string"
      ? on
      : kernel;
    const words = ["relay", "--key", this.key, "--allow-local", "--json", ...end, ...more];
    const child = on === "mptcp"
      ? this.away.spawn(["mptcpize", "run", ...mptcp(...words)], QUIET)
      : this.away.spawn([Deno.execPath(), ...RUN, ...this.flags, CLI, ...words], QUIET);
    this.relay = new Running(child);
    await this.relay.until("Ctrl-C ends");
    return this.relay;
  }

  startProxy(
    relay = "10.78.1.2",
    key = this.key,
    more: readonly string[] = [],
    flags: readonly string[] = [],
  ): Promise<Running> {
    return this.#startProxy(["--key", key, "--relay", relay, ...more], flags);
  }

  /** A proxy that goes by a Transport Converter, without the key. */
  startConvertingProxy(converter: string): Promise<Running> {
    return this.#startProxy(["--convert", converter]);
  }

  async #startProxy(
    upstream: readonly string[],
    flags: readonly string[] = [],
  ): Promise<Running> {
    const words = [...RUN, ...this.flags, ...flags, CLI, "proxy", ...upstream, "--json"];
    this.proxy = new Running(this.home.spawn([Deno.execPath(), ...words], QUIET));
    await this.proxy.until("Ctrl-C ends");
    return this.proxy;
  }

  /** Runs curl at home through the proxy; what it has printed. */
  async curl(...words: string[]): Promise<string> {
    const proxy = ["--proxy", `socks5h://${PROXY}`];
    const { stdout } = await this.home.exec([
      "curl",
      "-sS",
      "--fail",
      "--max-time",
      "120",
      ...proxy,
      ...words,
    ]);
    return stdout;
  }

  /** What curl says where there is no connection. */
  async refused(): Promise<string> {
    const { code, stderr } = await this.home.exec([
      "curl",
      "-sS",
      "--max-time",
      "60",
      "--proxy",
      `http://${PROXY}`,
      "--proxytunnel",
      `${SERVER}/1kB`,
    ], false);
    assert(code !== 0);
    return stderr;
  }

  /** Downloads so much, and sees that it is what the server has. */
  async download(size: string, ...words: string[]): Promise<void> {
    await this.downloadFrom(SERVER, size, ...words);
  }

  async downloadFrom(server: string, size: string, ...words: string[]): Promise<void> {
    const file = `${this.folder}/${size}`;
    await this.curl("-o", file, ...words, `${server}/${size}`);
    const { stdout } = await this.home.exec(["sha256sum", file]);
    assertEquals(stdout.slice(0, 64), (await this.curl(`${server}/${size}.sha256`)).trim());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.close().catch(() => {});
    await this.home.close();
    await this.away.close();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** The command line of `mptcp`. */
export function mptcp(...args: string[]): string[] {
  return [Deno.execPath(), ...RUN, CLI, ...args];
}
