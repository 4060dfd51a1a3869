/** A path that is cut for a while, cell by cell: time without progress, time until it is used again, every byte once and in order. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Cut, cuts, printCuts, runCut } from "./path_cut_matrix.ts";

/** Lengths in seconds, as "1,10,60": the whole table takes half a minute; `deno task soak` sets this. */
const LENGTHS = Deno.env.get("SOAK_CUTS");

function* chosen(): Generator<Cut> {
  if (LENGTHS !== undefined) yield* cuts(LENGTHS.split(",").map(Number));
  // What the peer does not hear and what we do not hear are told apart by the longer table.
  else for (const cut of cuts([10])) if (cut.way === "both") yield cut;
}

describe("a path that is cut (RFC 8684 §3.3.6, §3.3.8; draft SQ-6)", () => {
  it("RFC 8684 §3.3.8: is left after its timeout, asked each second, used within a second and a round trip of its return", () => {
    const results = [...chosen()].map(runCut);
    const wrong = results.filter((result) => result.wrong !== null).length;
    assertEquals(wrong, 0, wrong === 0 ? "" : `${wrong} cells are wrong\n${printCuts(results)}`);
  });
});
