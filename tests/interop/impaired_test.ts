/** Plain TCP between us and a kernel over a lossy path, beside two kernels over the same path: the short form of `deno task bench:kernel-paths`. */

import { assert } from "@std/assert";
import { it } from "@std/testing/bdd";
import { transfer, WAYS } from "../../bench/kernel/impaired.ts";
import { needs } from "../support/tools.ts";

const PATH = { mbit: 100, rtt: 20, mtu: 1500, family: 4, loss: 0.01 } as const;
const BYTES = 500_000;
/** Times what two kernels take. */
const MOST = 3;
/** A machine that does something else for a moment is forgiven: one of these is to hold. */
const SEEDS = [1, 2, 3];

/** Seconds by way; what arrives is compared on the way. */
async function measure(seed: number): Promise<number[]> {
  const times: number[] = [];
  for (const way of WAYS) {
    const { seconds, passed } = await transfer(way, PATH, BYTES, seed);
    times.push(seconds);
    const { loss = 0 } = passed.data.dropped;
    assert(loss > 0, `${way}: nothing was lost by seed ${seed}`);
  }
  return times;
}

needs("kernel", "python3").describe("a path of 100 Mbit/s and 20 ms that loses 1 %", () => {
  it("holds us up little more than a kernel, in both directions, and all arrives", async () => {
    const tried: string[] = [];
    for (const seed of SEEDS) {
      const [kernels = 0, ...ours] = await measure(seed);
      if (Math.max(...ours) <= MOST * kernels) return;
      tried.push(`seed ${seed}: ${ours.join(" s, ")} s where two kernels take ${kernels} s`);
    }
    assert(false, tried.join("\n"));
  });
});
