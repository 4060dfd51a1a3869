import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertGreater, assertMatch, assertThrows } from "@std/assert";
import { compare } from "../../bench/mod.ts";
import { decision } from "../../bench/decision.ts";
import { figuresOf, ratioOf } from "../../bench/figures.ts";
import type { SchedulerPlugin } from "../../core/plugin.ts";
import { earliest, redundant, roundRobin } from "../../sched/mod.ts";
import { type Scenario, SCENARIOS } from "../../sim/mod.ts";
import { serveRepository } from "../support/serve.ts";

const SMALL: Scenario = {
  ...SCENARIOS.bulk!,
  traffic: { down: { kind: "bulk", client: "phone", server: "server", bytes: "1 MB" } },
};
const FEW: Scenario = {
  ...SCENARIOS.requests!,
  traffic: {
    api: { kind: "requests", client: "phone", server: "server", bytes: "100 kB", count: 3 },
  },
};

describe("the cost of a decision", () => {
  it("is measured on a scheduler that is asked, and told of its subflows", () => {
    const asked: string[] = [];
    const ask = decision({
      kind: "scheduler",
      name: "counts",
      create: () => ({
        pick(ready) {
          asked.push(`pick of ${ready.length}`);
          return ready[0] ?? null;
        },
        repeat() {
          asked.push("repeat");
          return false;
        },
        onSubflow(view, change) {
          asked.push(`${view.path} ${change}`);
        },
      }),
    }, 2);
    ask();
    assertEquals(asked, ["1 joined", "2 joined", "repeat", "pick of 2"]);
  });
});

describe("compare()", () => {
  it("puts the default first, and tells each scenario's own figures", () => {
    const rows = compare({ schedulers: [redundant(), earliest()], scenarios: [SMALL, FEW] });
    assertEquals(rows.map(({ name }) => name), ["earliest", "redundant"]);
    const [base, other] = rows.map(({ results: [bulk, requests] }) => ({
      bulk: figuresOf(bulk!, "down"),
      requests: figuresOf(requests!, "api"),
      repeated: bulk!.traffic.down!.repeated,
    }));
    assertGreater(other!.repeated, base!.repeated + 0.2e6);
    assertEquals(base!.bulk.map(({ name, better }) => [name, better]), [
      ["goodput", "more"],
      ["p99 delay", "less"],
    ]);
    assertEquals(base!.requests.map(({ name, better }) => [name, better]), [
      ["mean", "less"],
      ["p99", "less"],
    ]);
    assertEquals([ratioOf(3, 2), ratioOf(0, 0), ratioOf(1, 0)], [1.5, 1, null]);
  });

  it("takes nothing but schedulers", () => {
    assertThrows(() => compare({ schedulers: [roundRobin as never] }), TypeError, "call it");
  });

  it("tells of faults, as the default's figures are not the plugin's", () => {
    const waits: SchedulerPlugin = {
      kind: "scheduler",
      name: "waits",
      create: () => ({ pick: () => null }),
    };
    const [base, row] = compare({ schedulers: [waits], scenarios: [SMALL] });
    assertEquals(base?.results[0]?.faults, []);
    assertMatch(
      row?.results[0]?.faults[0] ?? "",
      /^Plugin waits \(scheduler\) waits with nothing in flight/,
    );
  });

  it("works by URL in a bench of one's own", async () => {
    let base = "";
    await using _server = serveRepository({ port: 0, onListen: (url) => base = url });
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(
        `${folder}/mine_bench.ts`,
        `import { compare } from "${base}bench/mod.ts";
const mine = { kind: "scheduler", name: "mine", create: () => ({ pick: (ready) => ready[0] ?? null }) } as const;
compare({
  schedulers: [mine],
  scenarios: [{
    hosts: { a: {}, b: {} },
    links: { one: { between: ["a", "b"], rate: "10 Mbit/s", delay: "5 ms", queue: 50 } },
    traffic: { file: { kind: "bulk", client: "a", server: "b", bytes: "100 kB" } },
  }],
});`,
      );
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          "bench",
          "--no-check",
          `--allow-import=${new URL(base).host}`,
          "--json",
          "mine_bench.ts",
        ],
        cwd: folder,
        env: { NO_COLOR: "1" },
      }).output();
      const text = new TextDecoder().decode(stdout);
      assertMatch(text, /^mine +[\d.]+ Mbit\/s/m, new TextDecoder().decode(stderr));
      assertMatch(text, /"name": "cost of one decision: mine, 8 subflows"/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});
