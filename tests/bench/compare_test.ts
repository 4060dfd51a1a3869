import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals, assertGreater, assertMatch, assertThrows } from "@std/assert";
import { compare } from "../../bench/mod.ts";
import { decision } from "../../bench/decision.ts";
import { type Figures, runScenario, type Scenario, WIFI_LTE } from "../../bench/scenario.ts";
import type { SchedulerPlugin } from "../../core/plugin.ts";
import { minRtt, redundant, roundRobin } from "../../sched/mod.ts";
import { serveRepository } from "../support/serve.ts";

const SMALL: Scenario = { ...WIFI_LTE, bytes: 1e6 };

describe("a scenario", () => {
  it("is the same again with the same seed", () => {
    assertEquals(
      runScenario({ scheduler: minRtt() }, SMALL),
      runScenario({ scheduler: minRtt() }, SMALL),
    );
  });

  it("tells what its paths carried", () => {
    const run = (scenario: Scenario): Figures => runScenario({}, scenario);
    const { lte } = SMALL.paths;
    assert(lte);
    const one = run({ ...SMALL, paths: { lte } });
    assertEquals(one.paths.map(({ name }) => name), ["lte"]);
    assertEquals(one.paths[0]?.bytes, 1e6 + one.repeated);
    // A byte takes at least one way and its own serialisation.
    assertGreater(one.delay99, 40e3);
    assertGreater(one.share, 0.5);
    assert(one.share <= 1);
    const both = run(SMALL);
    const carried = both.paths.reduce((sum, { bytes }) => sum + bytes, 0);
    assertEquals(carried, 1e6 + both.repeated);
    assertGreater(both.goodput, one.goodput);
  });

  it("shows that a redundant scheduler repeats and delays less", () => {
    const one = runScenario({ scheduler: minRtt() }, SMALL);
    const all = runScenario({ scheduler: redundant() }, SMALL);
    assertGreater(all.repeated, one.repeated + 0.2 * SMALL.bytes);
  });
});

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
  it("puts min_rtt first and takes nothing but schedulers", () => {
    const rows = compare({ schedulers: [roundRobin(), minRtt()], scenario: SMALL });
    assertEquals(rows.map(({ name }) => name), ["min_rtt", "round_robin"]);
    assertThrows(() => compare({ schedulers: [roundRobin as never] }), TypeError, "call it");
  });

  it("tells of faults, as the default's figures are not the plugin's", () => {
    const waits: SchedulerPlugin = {
      kind: "scheduler",
      name: "waits",
      create: () => ({ pick: () => null }),
    };
    const [base, row] = compare({ schedulers: [waits], scenario: SMALL });
    assertEquals(base?.faults, []);
    assertMatch(row?.faults[0] ?? "", /^Plugin waits \(scheduler\) waits with nothing in flight/);
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
compare({ schedulers: [mine], scenario: { bytes: 1e5, paths: { one: { rate: "10 Mbit/s", delay: "5 ms", queue: 50 } } } });`,
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
