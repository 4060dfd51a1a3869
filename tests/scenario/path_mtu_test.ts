/** Transfers over paths that take smaller packets than their ends; `tests/scenario/path_mtu_matrix.ts` prints all cells, over a longer time. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { mtu } from "../../core/link/sim/elements/mtu.ts";
import { Topology } from "../support/topology.ts";
import { type Cell, cellName, cells, run } from "./path_mtu_matrix.ts";

/** Bits per second of each path: the fewer the sooner it is done. */
const RATE = 2e6;
/** `deno task soak` sets this: all cells. Else each of a kind. */
const ALL = Deno.env.get("SOAK_MATRIX_BYTES") !== undefined;

describe("a path of which only small packets come out", () => {
  const whole = new Map<string, number>();
  const untouched = (cell: Cell): number => {
    const rest = { ...cell, limit: 1500, icmp: true, down: false };
    const name = cellName(rest);
    let bytes = whole.get(name);
    if (bytes === undefined) whole.set(name, bytes = run(rest, 5, 8, RATE).bytes);
    return bytes;
  };
  let index = 0;
  for (const cell of cells()) {
    // 11 has no divisor in common with how often each choice comes.
    if (!ALL && index++ % 11 !== 0) continue;
    it(`${cellName(cell)}: complete, and at least .9 of the rate`, () => {
      const { bytes, complete } = run(cell, 5, 8, RATE);
      const share = bytes / untouched(cell);
      assert(complete && share >= .9, `${complete ? "complete" : "not complete"}, ${share}`);
    });
  }
});

describe("an only path that swallows all but the smallest packets", () => {
  /** Seconds from the first of five timeouts that there may be, each twice as long as the one before, to where smaller segments are tried. */
  const FOUND = 20;

  for (const way of ["up", "down"] as const) {
    for (const delay of ["5 ms", "50 ms"] as const) {
      for (const narrowed of [false, true]) {
        const when = narrowed ? "after the first data" : "from the start";
        const joins = narrowed && way === "up" ? 1 : 0;
        it(`${when}, ${delay}, data go ${way}: ${joins} joins, as what has just been made smaller is awaited`, () => {
          const elements = [mtu(narrowed ? 1500 : 640, { icmp: false })];
          using t = new Topology({ paths: { a: { rate: "20 Mbit/s", delay, elements } } });
          const load = { bytes: 1e6 };
          const none = { bytes: 0 };
          const pair = way === "up" ? t.connect(load, none) : t.connect(none, load);
          if (narrowed) t.at(delay === "5 ms" ? 0.1 : 0.4, () => t.paths.a!.set({ mtu: 640 }));
          t.complete(pair, FOUND);
          assertEquals(t.client.counters.get("MPJoinSynTx"), joins);
        });
      }
    }
  }
});
