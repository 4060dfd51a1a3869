/** What a packet may cost. */

import type { Load } from "./count.ts";

/** Most bytes of garbage of a congestion control per acknowledgement: two numbers that are boxed, and no object. */
export const ACKNOWLEDGEMENT_LIMIT = 32;

/** Most bytes of garbage, and most calls into WebAssembly, per packet of a load. */
export const LIMITS: Readonly<
  Record<"garbage" | "crossings", readonly (readonly [load: Load, limit: number])[]>
> = {
  garbage: [["bulk", 40], ["two_paths", 80], ["two_paths_curious", 110], ["two_paths_loss", 120]],
  crossings: [["bulk", 8]],
};
