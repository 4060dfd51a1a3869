/** What a packet may cost. */

import type { Load } from "./count.ts";

/** Most bytes of garbage of a congestion control per acknowledgement: two numbers that are boxed, and no object. */
export const ACKNOWLEDGEMENT_LIMIT = 32;

/** Most bytes that an end of an idle connection with two subflows holds, and that it may have left behind: tables keep their room, to be used again. */
export const IDLE_LIMITS = { idle: 7_470, used: 8_060, left: 90 } as const;

/** Most bytes of garbage when all is compiled, and most calls into WebAssembly, per packet of a load. */
export const LIMITS: Readonly<
  Record<"garbage" | "crossings", readonly (readonly [load: Load, limit: number])[]>
> = {
  garbage: [["bulk", 16], ["two_paths", 76], ["two_paths_curious", 98], ["two_paths_loss", 76]],
  crossings: [["bulk", 8]],
};
