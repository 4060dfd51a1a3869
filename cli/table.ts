/** Tables for a terminal. */

import { Table } from "./deps.ts";

/** A table without borders, which would make it wider than a terminal of 80 columns. */
export function plainTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const edges = ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left"];
  const inner = ["bottom-right", "left", "left-mid", "mid", "mid-mid", "right", "right-mid"];
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], "padding-left": 0, "padding-right": 1 },
    chars: Object.fromEntries([...edges, ...inner, "middle"].map((name) => [name, ""])),
    colAligns: ["left", ...head.slice(1).map(() => "right" as const)],
  });
  for (const row of rows) table.push([...row]);
  return table.toString().split("\n").map((line) => line.trimEnd()).join("\n");
}
