/**
 * Congestion controls: how much may be in flight on each subflow.
 *
 * @example Usage
 * ```ts
 * import { lia } from "./mod.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(lia().name, "lia");
 * ```
 *
 * @module
 */

export { aimd, type AimdFormula, type SlowStartOptions } from "./aimd.ts";
export { default as cubic } from "./cubic.ts";
export { default as lia } from "./lia.ts";
export { default as reno } from "./reno.ts";
export type * from "../core/plugin.ts";
