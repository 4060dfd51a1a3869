/**
 * Schedulers: which subflow carries what.
 *
 * @example Usage
 * ```ts
 * import { redundant } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(redundant().kind, "scheduler");
 * ```
 *
 * @module
 */

export { default as earliest } from "./earliest.ts";
export { type BlestOptions, default as blest } from "./blest.ts";
export { type DapsOptions, default as daps } from "./daps.ts";
export { default as ecf, type EcfOptions } from "./ecf.ts";
export { default as linux } from "./linux.ts";
export { default as minRtt } from "./min_rtt.ts";
export { default as otias, type OtiasOptions } from "./otias.ts";
export { default as peekaboo, type PeekabooOptions } from "./peekaboo.ts";
export { default as priority, type PriorityOptions } from "./priority.ts";
export { default as redundant, type RedundantOptions } from "./redundant.ts";
export { default as roundRobin, type RoundRobinOptions } from "./round_robin.ts";
export { default as rttThreshold, type RttThresholdOptions } from "./rtt_threshold.ts";
export { default as sttf, type SttfOptions } from "./sttf.ts";
export { default as timeDistance, type TimeDistanceOptions } from "./time_distance.ts";
export { default as weighted, type WeightedOptions } from "./weighted.ts";
export type * from "../core/plugin.ts";
