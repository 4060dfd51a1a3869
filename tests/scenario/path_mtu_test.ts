/** Transfers over paths that take smaller packets than their ends; `tests/scenario/path_mtu_matrix.ts` prints all cells, over a longer time. */

import { assert } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
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
