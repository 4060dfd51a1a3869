/** The test of the example: the rules that every scheduler keeps, and its own. */

import { assertEquals } from "@std/assert";
import type { SubflowView } from "../../core/plugin.ts";
import { conformance } from "../../tests/kit/mod.ts";
import { chunk, connection, subflow } from "../../tests/sched/support.ts";
import finishFirst from "./finish_first.ts";

for (const { name, check } of conformance(finishFirst())) Deno.test(`finish_first ${name}`, check);

Deno.test("finish_first waits where the fast path is done sooner, and only there", () => {
  const fast = subflow(1, 20, { inFlight: 14_000, room: 0 });
  const slow = subflow(2, 200);
  // log2(1 + 1) + 0.5 rounds of 20 ms against half of 200 ms; log2(1 + 30) + 0.5 against that.
  for (const [left, path] of [[14_000, 1], [420_000, 2]] as const) {
    const { pick } = finishFirst().create(connection([fast, slow], { left }));
    assertEquals((pick([slow], chunk()) as SubflowView).path, path);
  }
});
