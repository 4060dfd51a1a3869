/** `deno bench -A bench/congestion_bench.ts`: what one acknowledgement costs each congestion control of this repository; reno is what the others are measured by. */

import { BUILT_INS } from "../cli/policies.ts";
import { acknowledgement } from "./acknowledgement.ts";

const { reno, ...others } = BUILT_INS["congestion-control"];

for (const paths of [1, 2, 8]) {
  for (const [name, module] of Object.entries({ reno, ...others })) {
    Deno.bench({
      group: `cost of one acknowledgement, ${paths} ${paths === 1 ? "subflow" : "subflows"}`,
      name: `cost of one acknowledgement: ${name}, ${paths}`,
      baseline: name === "reno",
      fn: acknowledgement(module.default(), paths),
    });
  }
}
