/** The transfers within one process that benchmarks time, compared by their sums. */

import "../support/growing_memory.ts";
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { describe, it } from "@std/testing/bdd";
import { carry } from "../../bench/load.ts";
import { Rig, type RigOptions } from "../../bench/rig.ts";
import { loss } from "../../core/link/sim/elements/loss.ts";
import { mtu } from "../../core/link/sim/elements/mtu.ts";
import { nDiffPorts } from "../../pm/mod.ts";
import { memory_reserve } from "../../wasm/mod.ts";
import { pattern } from "../support/streams.ts";

const BYTES = 12_500_000;

const CASES: Readonly<Record<string, Partial<RigOptions>>> = {
  "TCP": { mptcp: false },
  "MPTCP, 1 subflow": { policies: { pathManager: nDiffPorts({ subflows: 1 }) } },
  "MPTCP, 2 subflows": { policies: { pathManager: nDiffPorts({ subflows: 2 }) } },
};

describe("a transfer within one process", () => {
  for (const [name, options] of Object.entries(CASES)) {
    for (const elements of [[], [loss(0.001)], [mtu(1300)]]) {
      const path = elements.map(({ name }) => name).join() || "nothing";
      it(`brings what was sent while memory grows: ${name}, ${path} in between`, () => {
        const [sent, received] = [createHash("sha256"), createHash("sha256")];
        let [into, out, growth] = [0, 0, 20];
        {
          // What is left in it is told of its end, too.
          using rig = new Rig({ paths: { link: elements }, ...options });
          const move = carry(rig, pattern(65_521, 7), {
            sent(bytes) {
              into += bytes.length;
              sent.update(bytes);
            },
            received(bytes) {
              out += bytes.length;
              received.update(bytes);
              if (growth-- > 0) assertEquals(memory_reserve(65536), 1);
            },
          });
          for (let times = 0; times < 2; times++) move(BYTES);
        }
        assert(growth < 0);
        assertEquals([into, out], [2 * BYTES, 2 * BYTES]);
        assertEquals(received.digest("hex"), sent.digest("hex"));
      });
    }
  }
});
