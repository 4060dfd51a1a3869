/** Plain TCP between us and a kernel over a lossy path, beside two kernels over the same path: the short form of `deno task bench:kernel-paths`. */

import { assert } from "@std/assert";
import { it } from "@std/testing/bdd";
import { transfer, WAYS } from "../../bench/kernel/impaired.ts";
import { needs } from "../support/tools.ts";

const BYTES = 500_000;
const SEED = 1;
/** Times what two kernels take, and seconds for two timeouts that they may have been spared. */
const TIMES = 2;
const SPARE = 1;

needs("kernel", "python3").describe("a path of 100 Mbit/s and 20 ms that loses 1 %", () => {
  it("holds us up no more than a kernel, in both directions, and all arrives", async () => {
    const path = { mbit: 100, rtt: 20, mtu: 1500, family: 4, loss: 0.01 } as const;
    const times: number[] = [];
    for (const way of WAYS) {
      const { seconds, passed } = await transfer(way, path, BYTES, SEED);
      times.push(seconds);
      const { loss = 0 } = passed.data.dropped;
      assert(loss > 0, `${way}: nothing was lost by seed ${SEED}`);
    }
    const [kernels = 0, ...ours] = times;
    assert(Math.max(...ours) < TIMES * kernels + SPARE, `seed ${SEED}: ${times} s`);
  });
});
