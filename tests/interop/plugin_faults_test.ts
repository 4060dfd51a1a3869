/** What commands make of plugins that are at fault: the default decides in their place, the transfer comes through, and the exit code tells. */

import { assertEquals, assertMatch } from "@std/assert";
import { Lab } from "../../cli/lab.ts";
import { needs } from "../support/tools.ts";
import { mptcp, QUIET, World } from "./support/gateway_world.ts";
import { Running } from "./support/running.ts";

/** Modules that are at fault, by the option that they are for. */
const FAULTY: Readonly<Record<string, readonly [option: string, code: string]>> = {
  "a scheduler that throws": [
    "scheduler",
    `create: () => ({ pick() { throw new Error("no"); } })`,
  ],
  "a scheduler that cannot be made": ["scheduler", `create() { throw new Error("no"); }`],
  "a scheduler that names what is none": ["scheduler", `create: () => ({ pick: () => 7 })`],
  "a congestion control without a window": [
    "cc",
    `create: () => ({ join: () => ({ cwnd: NaN, ssthresh: Infinity, onAck() {}, onCongestion() {} }) })`,
  ],
  "a path manager that throws": [
    "pm",
    `create: () => ({ onEvent() { throw new Error("no"); } })`,
  ],
};
const KINDS: Readonly<Record<string, string>> = {
  scheduler: "scheduler",
  cc: "congestion-control",
  pm: "path-manager",
};

/** Writes them to a folder; the words that name each. */
async function write(folder: string): Promise<Map<string, string[]>> {
  const words = new Map<string, string[]>();
  for (const [i, [what, [option, code]]] of Object.entries(FAULTY).entries()) {
    const file = `${folder}/bad${i}.ts`;
    await Deno.writeTextFile(
      file,
      `export default () => ({ kind: "${KINDS[option]}", name: "bad", ${code} });\n`,
    );
    words.set(what, [`--${option}`, file]);
  }
  return words;
}

const TOLD = /This is not the work of bad \([a-z ]+\) alone: the default decided/;

const commands = needs("kernel", "python3", "curl");

commands.describe("plugins at fault", () => {
  commands.it(
    "are told by the exit code of mptcp get and put, whose transfer comes through",
    async () => {
      const folder = await Deno.makeTempDir({ prefix: "mptcp-faults-" });
      try {
        await using lab = await Lab.create({ serve: { folder, port: 80 }, ipv6: false });
        const run = async (...words: string[]): Promise<[number, string]> => {
          const { code, stdout, stderr } = await lab.exec(mptcp(...words), false);
          return [code, stdout + stderr];
        };
        for (const [what, words] of await write(folder)) {
          const put = ["put", "--size", "100kB", "http://10.77.1.1/"];
          const get = ["get", "http://10.77.1.1/100kB", "-o", "/dev/null"];
          // What decides is the same for both.
          for (const command of what.startsWith("a path manager") ? [put, get] : [put]) {
            const [code, said] = await run(...command, ...words);
            assertEquals(code, 1, `${what}: ${said}`);
            assertMatch(said, TOLD, what);
            assertMatch(said, /100 kB in /, what);
          }
        }
        const [code, said] = await run("put", "--size", "100kB", "http://10.77.1.1/");
        assertEquals([code, TOLD.test(said)], [0, false]);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  );

  commands.it(
    "are told by the exit code of mptcp proxy, relay, gateway and serve, at their end",
    async () => {
      await using world = await World.open();
      const words = await write(world.folder);
      const bad = words.get("a congestion control without a window")!;
      const relay = await world.startRelay(null, ...bad);
      const proxy = await world.startProxy(undefined, undefined, bad);
      await world.download("300kB");
      assertEquals([await proxy.end(), await relay.end()], [1, 1]);
      for (const { said } of [proxy, relay]) assertMatch(said, TOLD);
      const { home, away } = world;
      await away.ip("addr add 192.0.2.1/32 dev lo");
      const gateway = new Running(
        home.spawn(mptcp("gateway", "--direct", "--manual", ...bad), QUIET),
      );
      await gateway.until("Ctrl-C ends");
      await home.ip("route add 192.0.2.1/32 dev mptcpgw0");
      await home.exec(["curl", "-sS", "--fail", "-o", "/dev/null", "http://192.0.2.1:8000/300kB"]);
      assertEquals(await gateway.end(), 1);
      assertMatch(gateway.said, TOLD);
      const serve = new Running(home.spawn(mptcp("serve", world.folder, ...bad), QUIET));
      await serve.until("Ctrl-C ends");
      await home.exec(["curl", "-sS", "--fail", "-o", "/dev/null", "http://10.77.1.2/relay.key"]);
      assertEquals(await serve.end(), 1);
      assertMatch(serve.said, TOLD);
    },
  );
});
