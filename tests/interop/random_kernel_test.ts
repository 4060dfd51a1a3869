/**
 * Random runs with a kernel: whatever the paths, what goes wrong meanwhile and what programs do, each reader gets what was written, in order and to its end, or
 * both ends have an error that what happened explains; in time; nobody falls back where nothing takes options away; and nothing is left over in the host.
 * `SOAK_KERNEL_RUNS` tells how many seeds are run, from `SOAK_KERNEL_FIRST` on; 1 and a seed repeat one. What a seed stands for is in its failure; how packets
 * meet is chance, so that one may have to be repeated.
 */

import { assert } from "@std/assert";
import { needs } from "../support/tools.ts";
import { describeRun, perform, runOf } from "./support/random_kernel.ts";

const RUNS = Number(Deno.env.get("SOAK_KERNEL_RUNS") ?? 6);
const FIRST = Number(Deno.env.get("SOAK_KERNEL_FIRST") ?? 1);

/** Seeds that failed once, of those that take little time, and what was wrong then: always run. */
const KEPT: ReadonlyMap<number, string> = new Map([
  [3017, "the first bytes came again without a DATA_ACK, and the kernel fell back"],
]);

needs("kernel", "python3").describe("a random run with a kernel", () => {
  const seeds = Array.from({ length: RUNS }, (_, i) => FIRST + i);
  const kept = Deno.env.has("SOAK_KERNEL_FIRST") ? [] : [...KEPT.keys()];
  for (const seed of [...kept, ...seeds]) {
    const was = KEPT.get(seed);
    const name = was === undefined ? `seed ${seed}` : `seed ${seed}, where once ${was}`;
    needs("kernel", "python3").it(`leaves nothing lost, twice or over: ${name}`, async () => {
      const run = runOf(seed);
      const { wrong, notes } = await perform(run);
      const again = `SOAK_KERNEL_RUNS=1 SOAK_KERNEL_FIRST=${seed}`;
      assert(
        wrong.length === 0,
        `${
          wrong.join("; ")
        }\n  again: ${again} deno test -A tests/interop/random_kernel_test.ts\n  ${
          describeRun(run)
        }\n  ${
          JSON.stringify(notes, (_, value) => typeof value === "bigint" ? `${value}` : value)
        }`,
      );
    });
  }
});
