/** Connections without a byte, cut at their begin: lost third ACKs and DATA_FINs are repaired as fast as what TCP itself repeats (RFC 8684 §3.1, §3.3.3). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Topology } from "../support/topology.ts";

/** Seconds after which both ends have closed an empty connection over one path that is cut at `at` for `length` seconds. */
function closes(mptcp: boolean, at: number, length: number): number {
  using t = new Topology({
    paths: { only: { rate: "5 Mbit/s", delay: "10 ms" } },
    client: { mptcp },
  });
  const ends = t.connect({ bytes: 0 }, { bytes: 0 });
  t.at(at, () => t.paths["only"]!.cut());
  t.at(at + length, () => t.paths["only"]!.restore());
  t.runUntil(() => ends.client.code !== undefined && ends.server()?.code !== undefined, 120);
  assertEquals([ends.client.code, ends.server().code], [null, null]);
  return t.seconds;
}

describe("an empty connection", () => {
  for (const at of [0.02, 0.025, 0.03, 0.05, 0.07]) {
    for (const length of [0.05, 1, 3, 20]) {
      it(`cut at ${at} s for ${length} s ends when what is backed off goes again`, () => {
        const seconds = closes(true, at, length);
        // A timeout doubles: what went last before the path came back goes again after at most as long as it was away, and 3 of the first; before a
        // round trip was measured that is a second.
        const rto = at < 0.021 ? 1 : 0.3;
        assert(seconds < at + 2 * length + 3 * rto, `${seconds}`);
      });
    }
  }

  it("is repaired no later than on plain TCP, and a timeout", () => {
    for (const at of [0.03, 0.05]) {
      for (const length of [0.5, 3, 10]) {
        const plain = closes(false, at, length);
        const seconds = closes(true, at, length);
        assert(seconds < 1.5 * plain + 0.7, `${at} ${length}: ${seconds} ${plain}`);
      }
    }
  });
});
