/** Gateway, proxy and relay where programs, paths or both have IPv6. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Namespace } from "../../cli/namespace.ts";
import { needs } from "../support/tools.ts";
import { assertBoth, CURL, mptcp, PROXY, QUIET, shares, World } from "./support/gateway_world.ts";
import { Running } from "./support/running.ts";
import { until } from "./support/wait.ts";

/** What a relay has, and the paths at home, by the families that they speak. */
const RELAYS = {
  4: ["--tun", "mptcp0=10.78.1.2/24"],
  6: ["--tun", "mptcp0=fd00:78:1::2/64"],
  both: ["--tun", "mptcp0=10.78.1.2/24,fd00:78:1::2/64"],
} as const;
const PATHS = {
  4: ["--tun", "mptcp0=10.77.1.2/24", "--tun", "mptcp1=10.77.2.2/24"],
  6: ["--tun", "mptcp0=fd00:77:1::2/64", "--tun", "mptcp1=fd00:77:2::2/64"],
  both: [
    ...["--tun", "mptcp0=10.77.1.2/24,fd00:77:1::2/64"],
    ...["--tun", "mptcp1=10.77.2.2/24,fd00:77:2::2/64"],
  ],
  /** The first path has IPv4 alone, the second IPv6. */
  mixed: ["--tun", "mptcp0=10.77.1.2/24", "--tun", "mptcp1=fd00:77:2::2/64"],
} as const;
const RELAY4 = "10.78.1.2";
const RELAY6 = "[fd00:78:1::2]:1081";

const RULES = `
classes:
  second: { paths: [mptcp1] }
  past: { bypass: true }
rules:
  - { to: 2001:db8::2/128, class: past }
  - { to: [192.0.2.3/32, "2001:db8::3/128"], port: 8000-8001, class: second }
  - { uid: nobody, class: second }
  - { dscp: af41, class: second }
`;

/** Gives the servers away their addresses, and a network behind home. */
async function addNetwork({ home, away }: World, lan: Namespace): Promise<void> {
  await lan.open();
  await home.ip(`link add lan type veth peer name wan netns ${lan.name}`);
  await home.ip(
    "addr add 10.92.0.1/24 dev lan",
    "addr add fd00:92::1/64 dev lan nodad",
    "addr add fe80::1/64 dev lan nodad",
    "link set lan up",
    "route add default via 10.91.1.2",
    "route add default via fd00:91:1::2",
  );
  await lan.ip(
    "addr add 10.92.0.2/24 dev wan",
    "addr add fd00:92::2/64 dev wan nodad",
    "link set wan up",
    "route add default via 10.92.0.1",
    "route add default via fd00:92::1",
  );
  await away.ip(
    "route add 10.92.0.0/24 via 10.91.1.1",
    "route add fd00:92::/64 via fd00:91:1::1",
    ...[1, 2, 3].flatMap((i) => [
      `addr add 192.0.2.${i}/32 dev lo`,
      `addr add 2001:db8::${i}/128 dev lo nodad`,
    ]),
  );
}

/** A world of both families with a gateway in it. */
class Flows implements AsyncDisposable {
  readonly world: World;
  readonly lan = new Namespace();
  gateway: Running | null = null;

  private constructor(world: World) {
    this.world = world;
  }

  static async open(): Promise<Flows> {
    const flows = new Flows(await World.open("20mbit", true));
    try {
      await addNetwork(flows.world, flows.lan);
      return flows;
    } catch (error) {
      await flows[Symbol.asyncDispose]();
      throw error;
    }
  }

  async startGateway(...words: string[]): Promise<void> {
    const { home, folder } = this.world;
    await Deno.writeTextFile(`${folder}/rules.yaml`, RULES);
    const all = ["gateway", "--json", "--ipv6", "--rules", `${folder}/rules.yaml`, ...words];
    this.gateway = new Running(home.spawn(mptcp(...all), QUIET));
    await this.gateway.until("Ctrl-C ends");
  }

  /** Has a program download, and gives the record of the flow that it begins. */
  async record(work: Promise<unknown>): Promise<Record<string, unknown>> {
    const { gateway } = this;
    assert(gateway !== null);
    const count = gateway.records.length;
    await work;
    await until("it is told of", () => gateway.records.length > count);
    const record = gateway.records.at(-1)!;
    assertEquals([record.outcome, record.fallback, record.error], ["connected", false, null]);
    return record;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lan.close();
    await this.world[Symbol.asyncDispose]();
  }
}

const gateway = needs("kernel", "python3", "curl", "sha256sum", "nft", "setpriv");

gateway.describe("mptcp gateway --ipv6", () => {
  for (const [paths, relay, at] of [[4, 4, RELAY4], [6, 6, RELAY6]] as const) {
    gateway.it(
      `carries IPv6 and IPv4 over paths of IPv${paths}, by rules of IPv6, past the stack by nft's`,
      async () => {
        await using flows = await Flows.open();
        const { lan, world } = flows;
        const { home } = world;
        await world.startRelay(RELAYS[relay]);
        await flows.startGateway("--relay", at, "--key", world.key, ...PATHS[paths]);
        for (const from of [lan, home]) {
          for (const host of ["[2001:db8::1]", "192.0.2.1"]) {
            const record = await flows.record(
              from.exec([...CURL, `http://${host}:8000/4MB`]),
            );
            assertEquals(record.target, `${host}:8000`);
            assertBoth(record);
          }
        }
        // By what the kernel alone knows, by where it goes, and by its codepoint.
        const url = "http://[2001:db8::1]:8000/1MB";
        const only = async (work: Promise<unknown>): Promise<string[]> =>
          Object.keys(shares(await flows.record(work)));
        const asNobody = home.exec(["setpriv", "--reuid=65534", ...CURL, url]);
        assertEquals(await only(asNobody), ["mptcp1"]);
        assertEquals(await only(lan.exec([...CURL, "http://[2001:db8::3]:8000/1MB"])), ["mptcp1"]);
        await lan.exec(["nft", "add table ip6 t"]);
        await lan.exec(["nft", "add chain ip6 t c { type filter hook postrouting priority 0 ; }"]);
        await lan.exec(["nft", "add rule ip6 t c ip6 dscp set af41"]);
        assertEquals(await only(lan.exec([...CURL, url])), ["mptcp1"]);
        await lan.exec(["nft", "delete table ip6 t"]);
        // What bypasses it goes by the default route, and the gateway hears nothing of it.
        const before = flows.gateway!.records.length;
        for (const from of [lan, home]) {
          const { stdout } = await from.exec([
            "curl",
            "-sS",
            "--max-time",
            "60",
            "http://[2001:db8::2]:8000/1kB.sha256",
          ]);
          assertMatch(stdout, /^[0-9a-f]{64}/);
        }
        assertEquals(flows.gateway!.records.length, before);
        // Where nothing listens, the program hears a reset.
        const { code } = await lan.exec(
          ["curl", "-sS", "--max-time", "30", "http://[2001:db8::1]:9"],
          false,
        );
        assert(code === 55 || code === 56, `${code}`);
        // All of it is taken back, in both families.
        assertEquals(await flows.gateway!.end("SIGTERM"), 0);
        const left = await Promise.all([
          home.exec(["ip", "rule"]),
          home.exec(["ip", "-6", "rule"]),
          home.exec(["nft", "list", "tables"]),
        ]);
        for (const { stdout } of left) assert(!/mptcp_gateway|0x4d5/.test(stdout), stdout);
      },
    );
  }

  gateway.it("leaves IPv6 alone unless it is told to take it", async () => {
    await using flows = await Flows.open();
    const { lan, world } = flows;
    await world.startRelay(RELAYS[4]);
    const words = ["--json", "--relay", RELAY4, "--key", world.key];
    const gateway = new Running(world.home.spawn(mptcp("gateway", ...words), QUIET));
    await gateway.until("Ctrl-C ends");
    await lan.exec([...CURL, "http://[2001:db8::1]:8000/10kB"]);
    await lan.exec([...CURL, "http://192.0.2.1:8000/10kB"]);
    await until("it is told of", () => gateway.records.length > 0);
    assertEquals(gateway.records.map(({ target }) => target), ["192.0.2.1:8000"]);
  });

  gateway.it("connects to servers themselves by IPv6 (--direct)", async () => {
    await using flows = await Flows.open();
    const { lan, world: { home } } = flows;
    await flows.startGateway("--direct", ...PATHS.both);
    const gateway = flows.gateway!;
    for (const from of [lan, home]) {
      const count = gateway.records.length;
      await from.exec([...CURL, "http://[2001:db8::1]:8000/1MB"]);
      await until("it is told of", () => gateway.records.length > count);
      const { where, outcome, error } = gateway.records.at(-1)!;
      assertEquals([where, outcome, error], ["[2001:db8::1]:8000", "connected", null]);
    }
  });
});

gateway.describe("mptcp proxy and mptcp relay over IPv6", () => {
  for (
    const [paths, relay, at] of [
      [6, 6, RELAY6],
      ["both", "both", RELAY4],
      ["mixed", "both", RELAY4],
      ["mixed", "both", RELAY6],
    ] as const
  ) {
    gateway.it(
      `carry both families over both paths: paths ${paths}, relay ${relay}, reached at ${at}`,
      async () => {
        await using world = await World.open("20mbit", true);
        const lan = new Namespace();
        await using _lan = lan;
        await addNetwork(world, lan);
        await world.startRelay(RELAYS[relay]);
        const proxy = await world.startProxy(at, world.key, PATHS[paths]);
        for (const host of ["[2001:db8::1]", "192.0.2.1"]) {
          for (const by of [`socks5h://${PROXY}`, `http://${PROXY}`]) {
            const count = proxy.records.length;
            await world.home.exec([
              ...CURL,
              ...["--proxy", by, "--proxytunnel", `http://${host}:8000/4MB`],
            ]);
            await until("it is told of", () => proxy.records.length > count);
            const record = proxy.records.at(-1)!;
            assertEquals([record.target, record.fallback], [`${host}:8000`, false]);
            assertBoth(record);
          }
        }
      },
    );
  }

  gateway.it("listen on IPv6 for programs and proxies, also on sockets of the kernel", async () => {
    await using world = await World.open("20mbit", true);
    const words = ["relay", "--key", world.key, "--allow-local", "--kernel", "[fd00:91:1::2]:1081"];
    const relay = new Running(world.away.spawn(mptcp(...words), QUIET));
    await relay.until("Ctrl-C ends");
    await world.startProxy("[fd00:91:1::2]:1081", world.key, [
      ...PATHS[6],
      ...["--listen", "[::1]:1080"],
    ]);
    const by = ["--proxy", "socks5h://[::1]:1080"];
    await world.home.exec([...CURL, ...by, "http://localhost:8000/1MB"]);
    await world.home.exec([...CURL, ...by, "http://[::1]:8000/1MB"]);
  });
});
