/** The cells of `deno task bench:promise`: which there are, and how they are named and picked. */

import { assert, assertEquals, assertGreaterOrEqual, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createHash } from "node:crypto";
import {
  BUFFERS,
  type Cell,
  cellName,
  CONNECTIONS,
  gridCells,
  LOSSES,
  parseCell,
  pathName,
  pickCells,
  QUEUES,
  RATES,
  RTTS,
  SIZES,
} from "../../bench/promise/cells.ts";

const cells = gridCells();

/** In how many cells each value is. */
function counts<T>(values: readonly T[], of: (cell: Cell) => readonly unknown[]): number[] {
  return values.map((value) => cells.filter((cell) => of(cell).includes(value)).length);
}

describe("the grid of the promise", () => {
  it("has 2,400 cells, none of them twice", () => {
    assertEquals(new Set(cells.map(cellName)).size, 2400);
    assertEquals(cells.length, 2400);
  });

  it("has every value of every axis in at least 100 cells, and every pair of paths in 8", () => {
    const axes = [
      counts(RATES, ({ paths }) => paths.map(({ mbit }) => mbit)),
      counts(RTTS, ({ paths }) => paths.map(({ rtt }) => rtt)),
      counts(QUEUES, ({ queue }) => [queue]),
      counts(LOSSES, ({ loss }) => [loss]),
      counts(SIZES, ({ size }) => [size]),
      counts(CONNECTIONS, ({ connection }) => [connection]),
      counts(BUFFERS, ({ buffer }) => [buffer]),
    ];
    for (const axis of axes) {
      for (const count of axis) assertGreaterOrEqual(count, 100, JSON.stringify(axes));
    }
    const pairs = Map.groupBy(cells, ({ paths }) => paths.map(pathName).join());
    assertEquals([...pairs.values()].map((each) => each.length), Array(300).fill(8));
  });

  it("is the one that was chosen before anything was tuned by it", () => {
    const hash = createHash("sha256").update(cells.map(cellName).join("\n")).digest("hex");
    assertEquals(hash, "f18a4f2326de7d1724ea566ba32cdfe5523a65e3eda35bd812fc2baac0ff46f1");
  });

  it("begins with cells of all kinds", () => {
    const first = cells.slice(0, 60);
    for (const size of SIZES) assert(first.filter((cell) => cell.size === size).length >= 8);
    for (const buffer of BUFFERS) assertEquals(first.filter((c) => c.buffer === buffer).length, 15);
    for (const loss of LOSSES) assert(first.some((cell) => cell.loss === loss));
  });
});

describe("a cell", () => {
  it("is all that its name says", () => {
    for (const cell of cells) assertEquals(parseCell(cellName(cell)), cell);
  });

  it("may be one that the grid has not", () => {
    const name = "16/20+50/300 queue=1 loss=0 100kB kept buffer=auto";
    const [cell] = pickCells(name);
    assertEquals(cellName(cell!), name);
    assertEquals(parseCell(name.replace("16/20", "0/20")), null);
    assertEquals(parseCell(name.replace("loss=0", "loss=100%@1")), null);
  });

  it("is picked by words of its name", () => {
    const picked = pickCells("1MB kept 2/300", cells);
    assert(picked.length > 0);
    for (const cell of picked) {
      assertEquals([cell.size, cell.connection], [1e6, "kept"]);
      assert(cell.paths.map(pathName).includes("2/300"));
    }
    assertEquals(pickCells("2/300,kept,1MB", cells), picked);
    assertThrows(() => pickCells("5MB", cells), RangeError, "a name is");
  });
});
