/** Schedulers of other implementations, written against the interface: each in 25 lines, each at work. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Answer, Choice, SchedulerPlugin } from "../../core/plugin.ts";
import { brokenRules } from "../kit/mod.ts";
import { each, mean, percentile, run, type Scenario } from "../sched/scenarios.ts";
import { minRtt } from "../../sched/mod.ts";
import { chunk, connection, subflow } from "../sched/support.ts";
import * as omr from "./openmptcprouter.ts";
import * as progmp from "./progmp.ts";
import * as xquic from "./xquic.ts";

const PORTS: readonly SchedulerPlugin[] = [
  omr.bkup(),
  omr.first(),
  omr.minrtt(),
  omr.red(),
  omr.rr(),
  omr.dscp({}),
  omr.weight({}),
  omr.weightRr({}),
  progmp.simple(),
  progmp.roundRobin(),
  progmp.redundant(),
  progmp.opportunisticRedundant(),
  progmp.redundantIfNoQ(),
  progmp.compensating(),
  progmp.targetRate(2),
  xquic.rapid(),
  xquic.backup(2),
  xquic.deadline(),
];

function path(choice: Choice): number | null {
  return choice === null ? null : (choice as Answer).path;
}

const [near, far] = [subflow(1, 20), subflow(2, 200)] as const;
/** Loss, so that repeats have something to repair. */
const LOSSY: Scenario = {
  paths: {
    a: { rate: "10 Mbit/s", delay: "20 ms", loss: 0.02 },
    b: { rate: "10 Mbit/s", delay: "25 ms", loss: 0.02 },
  },
  writes: each(0.2, 4000, 100),
};

describe("ports", () => {
  it("take 25 lines each at most", async () => {
    for (const file of ["openmptcprouter", "progmp", "xquic"]) {
      const text = await Deno.readTextFile(new URL(`${file}.ts`, import.meta.url));
      const functions = [...text.matchAll(/^export function (\w+)[^]*?^}$/gm)];
      assert(functions.length >= 3);
      for (const [whole, name] of functions) {
        assert(whole.split("\n").length <= 25, `${file} ${name}: ${whole.split("\n").length}`);
      }
    }
  });

  for (const plugin of PORTS) {
    it(`${plugin.name} is sound`, () => {
      const broken = brokenRules(plugin);
      assertEquals(broken.map(({ message }) => message), []);
    });
  }
});

describe("OpenMPTCProuter's", () => {
  it("dscp pins a class to a WAN by local address, and to an address id at the server", () => {
    const view = connection([near, far], { tag: 46 });
    assertEquals(path(omr.dscp({ 46: "10.2.0.1" }).create(view).pick([near, far], chunk())), 2);
    assertEquals(path(omr.dscp({ 46: 2 }).create(view).pick([near, far], chunk())), 2);
    assertEquals(path(omr.dscp({ 8: 2 }).create(view).pick([near, far], chunk())), 1);
  });

  it("weight takes the heaviest, as set from outside while it runs", () => {
    const { pick, tune } = omr.weight({ "10.2.0.1": 200 }).create(connection([near, far]));
    assertEquals(path(pick([near, far], chunk())), 2);
    tune!({ "10.1.0.1": 300 });
    assertEquals(path(pick([near, far], chunk())), 1);
  });

  it("weight-rr shares turns by weight, smoothly", () => {
    const { pick } = omr.weightRr({ "10.1.0.1": 300 }).create(connection([near, far]));
    const turns = Array.from({ length: 8 }, () => path(pick([near, far], chunk())));
    assertEquals(turns, [1, 1, 2, 1, 1, 1, 2, 1]);
  });
});

describe("ProgMP's", () => {
  it("compensating repeats what slow subflows carry once the application has said that it ends", () => {
    const { repeat, tune } = progmp.compensating().create(connection([near, far], { unsent: 0 }));
    assertEquals(repeat!(near, chunk(far)), false);
    tune!({ R1: 1 });
    assertEquals([repeat!(near, chunk(far)), repeat!(far, chunk(near))], [true, "skip"]);
  });

  it("target rate spares the metered subflow while the others reach it", () => {
    const busy = subflow(1, 20, { inFlight: 14000, room: 0, deliveryRate: 1e6 });
    const { pick, tune } = progmp.targetRate(2).create(connection([busy, far]));
    assertEquals(path(pick([far], chunk())), 2);
    tune!({ R1: 5e5 });
    assertEquals(path(pick([far], chunk())), 1);
  });
});

describe("XQUIC's", () => {
  it("rapid and deadline repair what is lost before its sender does, at a part of redundancy's price", () => {
    const base = run(minRtt(), LOSSY, 1);
    for (const plugin of [xquic.rapid(), xquic.deadline()]) {
      const outcome = run(plugin, LOSSY, 1);
      const late = percentile(outcome, 0.97);
      assert(mean(outcome) < mean(base) && late < 0.8 * percentile(base, 0.97), `${late} ms`);
    }
    const again = (plugin: SchedulerPlugin): number => run(plugin, LOSSY, 1).again;
    assert(again(xquic.deadline()) < again(xquic.rapid()));
  });

  it("backup leaves the standby path alone but for what the others are late with", () => {
    const { pick, repeat } = xquic.backup(2).create(connection([near, far], { now: 1e6 }));
    assertEquals(path(pick([near, far], chunk())), 1);
    const young = { ...chunk(near), sentAt: 1e6 - 10e3 };
    const old = { ...chunk(near), sentAt: 1e6 - 31e3 };
    assertEquals([repeat!(far, young), repeat!(far, old), repeat!(near, old)], [
      "skip",
      true,
      false,
    ]);
  });
});
