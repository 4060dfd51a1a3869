/** `mptcp gateway`: programs without any setting, on the gateway itself and in a network behind it. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Namespace } from "../../cli/namespace.ts";
import { needs } from "../support/tools.ts";
import { assertBoth, CURL, mptcp, QUIET, shares, World } from "./support/gateway_world.ts";
import { Running } from "./support/running.ts";
import { until } from "./support/wait.ts";

/** The server away, by its own address: nobody at home has heard of a relay. */
const SERVER = "http://192.0.2.1:8000";
/** Another of its addresses: what goes there is to bypass the stack. */
const BYPASSED = "http://192.0.2.2:8000";
const FLOWS = Number(Deno.env.get("SOAK_FLOWS") ?? 100);

const RULES = `
classes:
  second: { paths: [mptcp1] }
  past: { bypass: true }
rules:
  - { to: 192.0.2.2/32, class: past }
  - { to: 192.0.2.3, port: 8000-8001, class: second }
  - { uid: nobody, class: second }
  - { dscp: af41, class: second }
`;

/** Paths over UDP, by the names that the rules have. */
const UDP = ["--udp", "mptcp0=10.91.1.1", "--udp", "mptcp1=10.91.2.1"];

/** The world of the proxy, a server with addresses of its own, a network behind the gateway, and the gateway. */
class Flows implements AsyncDisposable {
  readonly world: World;
  readonly lan = new Namespace();
  #gateway: Running | null = null;

  readonly #way: "udp" | null;

  private constructor(world: World, way: "udp" | null) {
    this.world = world;
    this.#way = way;
  }

  /** @param way How packets travel to the relay: through TUN devices, or over UDP. */
  static async open(way: "udp" | null = null): Promise<Flows> {
    const flows = new Flows(await World.open(), way);
    try {
      await flows.#open();
      return flows;
    } catch (error) {
      await flows[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #open(): Promise<void> {
    const { lan, world: { home, away, folder } } = this;
    await lan.open();
    await home.ip(`link add lan type veth peer name wan netns ${lan.name}`);
    await home.ip(
      "addr add 10.92.0.1/24 dev lan",
      "link set lan up",
      "route add default via 10.91.1.2",
    );
    await lan.ip(
      "addr add 10.92.0.2/24 dev wan",
      "link set wan up",
      "route add default via 10.92.0.1",
    );
    await away.ip(
      "addr add 192.0.2.1/32 dev lo",
      "addr add 192.0.2.2/32 dev lo",
      "addr add 192.0.2.3/32 dev lo",
      "route add 10.92.0.0/24 via 10.91.1.1",
    );
    await Deno.writeTextFile(`${folder}/rules.yaml`, RULES);
    await this.world.startRelay(this.#way, "--connections", `${2 * FLOWS}`);
    await this.startGateway(this.#way ?? "relay");
  }

  async startGateway(way: "direct" | "relay" | "udp"): Promise<void> {
    const { home, folder, key } = this.world;
    const to = way === "direct"
      ? ["--direct"]
      : way === "relay"
      ? ["--relay", "10.78.1.2", "--key", key]
      : ["--relay", "10.91.1.2", "--key", key, "--via", "udp", ...UDP];
    const words = ["--json", "--rules", `${folder}/rules.yaml`, "--connections", `${2 * FLOWS}`];
    this.#gateway = new Running(home.spawn(mptcp("gateway", ...words, ...to), QUIET));
    await this.#gateway.until("Ctrl-C ends");
  }

  /** The gateway's records of its flows. */
  get records(): readonly Record<string, unknown>[] {
    return this.gateway.records;
  }

  get gateway(): Running {
    assert(this.#gateway !== null);
    return this.#gateway;
  }

  /** Has a program do something, and gives the record of the flow that it begins. */
  async record(work: Promise<unknown>): Promise<Record<string, unknown>> {
    const before = this.records.length;
    await work;
    await until("it is told of", () => this.records.length > before);
    return this.records.at(-1)!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lan.close();
    await this.world[Symbol.asyncDispose]();
  }
}

const gateway = needs("kernel", "python3", "curl", "sha256sum", "nft", "setpriv");

gateway.describe("mptcp gateway", () => {
  gateway.it(
    "carries what a network behind it, and programs here, do without any setting",
    async () => {
      await using flows = await Flows.open();
      const { lan, world: { home } } = flows;
      for (const from of [lan, home]) {
        const record = await flows.record(from.exec([...CURL, `${SERVER}/4MB`]));
        assertEquals([record.target, record.fallback, record.error], [
          "192.0.2.1:8000",
          false,
          null,
        ]);
        assertBoth(record);
      }
      // By what the kernel alone knows, by where it goes, and by its codepoint.
      const only = async (work: Promise<unknown>): Promise<string[]> =>
        Object.keys(shares(await flows.record(work)));
      const asNobody = home.exec(["setpriv", "--reuid=65534", ...CURL, `${SERVER}/1MB`]);
      assertEquals(await only(asNobody), ["mptcp1"]);
      assertEquals(await only(lan.exec([...CURL, "http://192.0.2.3:8000/1MB"])), ["mptcp1"]);
      await lan.exec(["nft", "add table ip t"]);
      await lan.exec(["nft", "add chain ip t c { type filter hook postrouting priority 0 ; }"]);
      await lan.exec(["nft", "add rule ip t c ip dscp set af41"]);
      assertEquals(await only(lan.exec([...CURL, `${SERVER}/1MB`])), ["mptcp1"]);
      await lan.exec(["nft", "delete table ip t"]);
      // What bypasses it goes by the default route, and the gateway hears nothing of it.
      const before = flows.records.length;
      for (const from of [lan, home]) {
        const { stdout } = await from.exec([
          "curl",
          "-sS",
          "--max-time",
          "60",
          `${BYPASSED}/1kB.sha256`,
        ]);
        assertMatch(stdout, /^[0-9a-f]{64}/);
      }
      assertEquals(flows.records.length, before);
    },
  );

  gateway.it(
    "goes on without a device that flows come by, and ends with the last one",
    async () => {
      await using flows = await Flows.open();
      const { gateway, lan, world: { home } } = flows;
      await home.ip("link del mptcpgw1");
      await gateway.until(
        "Device mptcpgw1 is gone: flows of class second that came by it go past the gateway",
      );
      const record = await flows.record(lan.exec([...CURL, `${SERVER}/1MB`]));
      assertEquals([record.outcome, record.error], ["connected", null]);
      await home.ip("link del mptcpgw0");
      assertEquals(await gateway.ended(), 1);
      assertMatch(gateway.said, /No device is left that flows come by: start mptcp gateway again/);
      // The kernel is as it was.
      assertEquals((await home.exec(["nft", "list", "ruleset"])).stdout, "");
    },
  );

  gateway.it("carries them in UDP datagrams as well, by the paths of their class", async () => {
    await using flows = await Flows.open("udp");
    /** Bytes by each address here, wherever the relay has its. */
    const byPath = async (url: string): Promise<Record<string, number>> => {
      const record = await flows.record(flows.lan.exec([...CURL, url]));
      assertEquals([record.fallback, record.error], [false, null]);
      const sums: Record<string, number> = {};
      for (const [path, bytes] of Object.entries(shares(record))) {
        const [name = ""] = path.split(" ");
        sums[name] = (sums[name] ?? 0) + bytes;
      }
      return sums;
    };
    const { mptcp0 = 0, mptcp1 = 0 } = await byPath(`${SERVER}/4MB`);
    assert(mptcp0 > 0.4e6 && mptcp1 > 0.4e6, `${mptcp0} ${mptcp1}`);
    assertEquals(Object.keys(await byPath("http://192.0.2.3:8000/1MB")), ["mptcp1"]);
    const { world: { key, home } } = flows;
    const to = ["--relay", "10.91.1.2", "--key", key, "--via", "udp"];
    // The card of the network behind is no path, unless it is named.
    const { stderr: told } = await home.exec(mptcp("gateway", ...to, "--print-rules"));
    assertMatch(
      told,
      /^lan \(10\.92\.0\.1\) is no path, as no route leads from it to 10\.91\.1\.2:.*\n$/,
    );
    const all = ["10.91.1.1", "10.92.0.1"].flatMap((address) => ["--udp", address]);
    const { stderr: chosen } = await home.exec(mptcp("gateway", ...to, ...all, "--print-rules"));
    assertEquals(chosen, "");
    const { code, stderr } = await home.exec(mptcp("gateway", ...to, "--direct"), false);
    assertEquals(code, 2);
    assertMatch(stderr, /--direct does not go with --via udp/);
  });

  gateway.it(
    "goes on where a path swallows all, says so at both ends, and uses it again",
    async () => {
      await using flows = await Flows.open("udp");
      const { lan, gateway, world: { home, away, folder, relay } } = flows;
      const ends = [home, away];
      const file = `${folder}/60MB`;
      const download = lan.exec(["curl", "-sS", "--fail", "-o", file, `${SERVER}/60MB`]);
      // What the second path brings is gone, both ways, and nobody is told.
      await until("it has begun", async () => {
        const { size = 0 } = await Deno.stat(file).catch(() => ({})) as Partial<Deno.FileInfo>;
        return size > 1e6;
      });
      const drop = "table inet cut {\nchain c {\n" +
        "type filter hook prerouting priority -300;\niifname gw2 drop;\n}\n}";
      await Promise.all(ends.map((each) => each.exec(["nft", drop])));
      const told = (what: string): boolean =>
        gateway.said.includes(`Path mptcp1 (10.91.2.1) to 10.91.1.2 is ${what}`) &&
        relay!.said.includes(`Path gw1 (10.91.1.2) to 10.91.2.1 is ${what}`);
      await until("both say that it is down", () => told("down: nothing comes back"), 60);
      await Promise.all(ends.map((each) => each.exec(["nft", "delete", "table", "inet", "cut"])));
      await until("both say that it is back", () => told("back"), 60);
      await download;
      const { stdout: sum } = await lan.exec(["sha256sum", file]);
      const { stdout: theirs } = await lan.exec(["curl", "-sS", `${SERVER}/60MB.sha256`]);
      assertEquals(sum.slice(0, 64), theirs.trim());
      assert(!/Path mptcp0 .* is down/.test(gateway.said), gateway.said);
    },
  );

  gateway.it(
    "carries many flows at once, and forgets them; ends in order, also where another was killed",
    async () => {
      await using flows = await Flows.open();
      const { lan, world: { home, away } } = flows;
      const server = new Running(
        away.spawn(["python3", "-c", ANSWER, "7000"], QUIET),
      );
      await server.until("ready");
      const { stdout } = await lan.exec(["python3", "-c", ASK, "192.0.2.1", "7000", `${FLOWS}`]);
      // A slow machine takes longer, and loses none.
      for (let told = -1; told < Math.min(FLOWS, flows.records.length);) {
        told = flows.records.length;
        await until(
          "more are told of",
          () => flows.records.length >= Math.min(FLOWS, told + 1),
          120,
        );
      }
      const broken = flows.records.filter(({ outcome, error }) =>
        outcome !== "connected" || error !== null
      );
      assertEquals(broken.slice(0, 3), [], `${broken.length} are broken`);
      assertEquals(stdout.trim(), `${FLOWS} of ${FLOWS}`);
      assertEquals(flows.records.map(({ down }) => down), flows.records.map(() => 2000));
      // Where nothing listens, the program hears a reset and not an end in order.
      const { code } = await lan.exec(
        ["curl", "-sS", "--max-time", "30", "http://192.0.2.1:9"],
        false,
      );
      assert(code === 55 || code === 56, `${code}`);

      const ours = async (): Promise<string> => {
        const { stdout: table } = await home.exec(["nft", "list", "tables"]);
        const { stdout: rules } = await home.exec(["ip", "rule"]);
        return [table, rules].flatMap((text) =>
          text.split("\n").filter((line) => /mptcp_gateway|0x4d5/.test(line))
        ).join("\n");
      };
      assertEquals((await ours()).split("\n").length, 3);
      await flows.gateway.end("SIGKILL");
      assertEquals((await ours()).split("\n").length, 3);
      await flows.startGateway("direct");
      const record = await flows.record(lan.exec([...CURL, `${SERVER}/100kB`]));
      assertEquals([record.where, record.outcome], ["192.0.2.1:8000", "connected"]);
      assertEquals((await ours()).split("\n").length, 3);
      assertEquals(await flows.gateway.end("SIGHUP"), 0);
      assertEquals(await ours(), "");
      await server.end();
    },
  );
});

/** Answers each connection by 2,000 bytes once it has said something. */
const ANSWER = `
import asyncio, sys
async def serve(reader, writer):
    await reader.readline()
    writer.write(b"x" * 2000)
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", int(sys.argv[1]), backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
`;

/** Opens so many connections, and when all are open asks on each; prints how many were answered whole. */
const ASK = `
import asyncio, sys
async def main(host, port, count):
    ends = await asyncio.gather(*[asyncio.open_connection(host, port) for _ in range(count)])
    async def ask(reader, writer):
        writer.write(b"go\\n")
        try:
            data = await asyncio.wait_for(reader.read(-1), 300)
        except OSError:
            data = b""
        writer.close()
        return len(data) == 2000
    whole = sum(await asyncio.gather(*[ask(*end) for end in ends]))
    print(f"{whole} of {count}")
asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
`;
