/** The short form of bench/utilisation.ts: a few cells, for some seconds of virtual time. */

import { assert } from "@std/assert";
import { CELLS, measure, measureLoss } from "../../bench/utilisation.ts";

for (const [mbit, both] of [[1, false], [10, false], [100, true]] as const) {
  const cell = CELLS.find(({ cc, path }) =>
    cc === "cubic" && path.mbit === mbit && (path.both ?? false) === both
  )!;
  Deno.test(`one flow uses its path: ${cell.name}, ${cell.cc}`, () => {
    // The rest of the minute is more of the same.
    const seconds = mbit === 100 ? 7 : 45;
    const { value, least } = measure(cell, seconds);
    assert(value >= least, `${value}, not ${least}`);
  });
}

Deno.test("a flow has the window that its losses allow: 1.27/√p, within 15 % (RFC 5348 §3.1)", () => {
  const { value, least, most } = measureLoss(0.01);
  assert(value >= least && value <= most, `${value} is not within ${least} and ${most}`);
});
