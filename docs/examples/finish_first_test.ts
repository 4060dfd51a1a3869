/** The test of the example: the rules that every scheduler keeps, and its own. */

import { assertEquals } from "@std/assert";
import {
  type Chunk,
  conformance,
  type ConnectionView,
  type SubflowView,
} from "../../tests/kit/mod.ts";
import finishFirst from "./finish_first.ts";

for (const { name, check } of conformance(finishFirst())) Deno.test(`finish_first ${name}`, check);

Deno.test("finish_first waits where the fast path is done sooner, and only there", () => {
  const view = { mss: 1400, cwnd: 14_000, inFlight: 0, stale: false, backup: false };
  const fast = { ...view, path: 1, srtt: 20e3, inFlight: 14_000 } as SubflowView;
  const slow = { ...view, path: 2, srtt: 200e3 } as SubflowView;
  const chunk: Chunk = { offset: 1, length: 1400, sentOn: [], sentAt: 0, hint: 0, written: 0 };
  // log2(1 + 1) + 0.5 rounds of 20 ms against half of 200 ms; log2(1 + 30) + 0.5 against that.
  for (const [left, path] of [[14_000, 1], [420_000, 2]] as const) {
    const connection = { subflows: [fast, slow], left } as unknown as ConnectionView;
    const answer = finishFirst().create(connection).pick([slow], chunk);
    assertEquals((answer as SubflowView).path, path);
  }
});
