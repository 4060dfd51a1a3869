/** The short form of `deno task bench:promise`, with bounds. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { gridCells } from "../../bench/promise/cells.ts";
import { bySchedulers, cellsOver, classTable, runGrid } from "../../bench/promise/grid.ts";
import { QUICK } from "../../bench/promise/main.ts";
import { DEFAULT } from "../../bench/promise/policies.ts";
import { spreadOf } from "../../bench/promise/summary.ts";

/**
 * What the default scheduler keeps in the cells of `--quick`: tighter with each improvement. The worst is 50/40+300/100 with 1 MB on a kept connection: before it
 * the near path has carried most, so that the window of the far one, by which alone TCP goes in one round trip, has grown by less.
 */
const BOUNDS = { median: 1.001, p95: 1.022, worst: 1.452, fresh: 1.016, repeated: 0.01 } as const;

describe("a second path, in 60 cells of the grid", () => {
  it("costs no more than the bounds, and sends no more extra bytes", async () => {
    const cells = gridCells().slice(0, QUICK.cells);
    const { figures, failed } = await runGrid(cells, {
      schedulers: [DEFAULT],
      congestion: DEFAULT,
      seeds: QUICK.seeds,
    });
    assertEquals(failed, []);
    const { [DEFAULT]: measured } = bySchedulers(figures);
    const text = classTable({ [DEFAULT]: measured! });
    const all = spreadOf(measured!);
    assert(all.median <= BOUNDS.median, `median ${all.median}\n${text}`);
    assert(all.p95 <= BOUNDS.p95, `p95 ${all.p95}\n${text}`);
    const [worst] = cellsOver(measured!);
    assert(all.worst <= BOUNDS.worst, `${worst?.run.ratio} in ${worst?.name}`);
    const fresh = spreadOf(measured!.filter(({ cell }) => cell.connection === "fresh"));
    assert(fresh.worst <= BOUNDS.fresh, `fresh: worst ${fresh.worst}\n${text}`);
    assert(all.repeated <= BOUNDS.repeated, `extra ${all.repeated}`);
    assertEquals(measured!.flatMap(({ run }) => run.faults), []);
  });
});
