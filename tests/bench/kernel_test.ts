/** What `deno task bench:kernel` measures with, and what it makes of its figures. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type Contestant,
  DumbOverTun,
  KernelOverVeth,
  StackOverTun,
} from "../../bench/kernel/ends.ts";
import { casesOf, cellsOf, measure, nameOf, rowsOf } from "../../bench/kernel/figures.ts";
import { sharesBetween } from "../../bench/kernel/machine.ts";
import { needs } from "../support/tools.ts";

const SECONDS = 0.05;

needs("kernel", "python3").describe("each contestant of the benchmark with the kernel", () => {
  const contestants: Readonly<Record<string, () => Promise<Contestant>>> = {
    "kernel over veth": () => KernelOverVeth.open(),
    "this stack over TUN": () => StackOverTun.open(true, {}),
    "dumb endpoint": () => DumbOverTun.open(true),
    "dumb endpoint, no offload": () => DumbOverTun.open(false),
  };
  for (const [name, open] of Object.entries(contestants)) {
    it(`gives every figure: ${name}`, async () => {
      await using contestant = await open();
      assertEquals(contestant.name, name);
      for (const one of casesOf(false, ["2 subflows", "64 bytes", "connect"])) {
        const figures = await measure(contestant, one, SECONDS);
        const joins = one.kind === "open" && one.subflows > 1;
        assertEquals(figures === null, joins && name.startsWith("dumb"), nameOf(one));
        for (const [figure, value] of Object.entries(figures ?? {})) {
          // The clock of a process may tick every hundredth of a second.
          const least = figure === "near" || figure === "both" ? 0 : Number.MIN_VALUE;
          assert(value >= least && value < Infinity, `${nameOf(one)}: ${figure} ${value}`);
        }
      }
    });
  }
});

describe("the figures of the benchmark with the kernel", () => {
  const one = { kind: "open", subflows: 1 } as const;

  it("are medians, and ratios of what was measured in the same round", () => {
    const figures = (rates: number[]) => rates.map((rate) => ({ rate, near: 1 }));
    const results = [figures([10, 1000, 100]), figures([5, 800, 40]), figures([10, 1600, 80])];
    const [rate] = rowsOf(one, results, [{ rate: 7 }, { rate: 8 }, null]);
    assertEquals(cellsOf(rate!, [-1, 2, -1]), ["100 /s", "40 /s", "0.50", "0.50", "80 /s"]);
  });

  it("of the first connections of a process stand alone, and a missing one is a dash", () => {
    const cold = rowsOf(one, [[], [], []], [{ rate: 7 }, { rate: 8 }, null])[1]!;
    assertEquals(cellsOf(cold, [-1, 2, -1]), ["7 /s", "8 /s", "1.14", "-", "-"]);
  });

  it("are picked by a part of their names", () => {
    assertEquals(casesOf(false, ["2 subflows"]).map(nameOf), [
      "from the kernel: MPTCP, 2 subflows",
      "to the kernel: MPTCP, 2 subflows",
    ]);
    assertEquals(casesOf(false, ["nothing of the kind"]), []);
  });

  it("name what other machines took of the processors", () => {
    const before = "cpu  100 0 50 800 0 0 0 50 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
    const after = "cpu  150 0 60 820 0 0 0 70 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
    assertEquals(sharesBetween(before, after), { idle: 0.2, steal: 0.2 });
    assertEquals(sharesBetween(before, before), { idle: 0, steal: 0 });
  });
});
