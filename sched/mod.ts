/**
 * Schedulers: which subflow carries what.
 *
 * @example Usage
 * ```ts
 * import { redundant } from "./mod.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(redundant().kind, "scheduler");
 * ```
 *
 * @module
 */

export { default as earliest } from "./earliest.ts";
export { default as minRtt } from "./min_rtt.ts";
export { default as redundant } from "./redundant.ts";
export { default as roundRobin, type RoundRobinOptions } from "./round_robin.ts";
export { default as rttThreshold, type RttThresholdOptions } from "./rtt_threshold.ts";
export { default as timeDistance, type TimeDistanceOptions } from "./time_distance.ts";
export type * from "../core/plugin.ts";
