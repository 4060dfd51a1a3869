/**
 * Congestion controls: how much may be in flight on each subflow.
 *
 * @example Usage
 * ```ts
 * import { lia } from "@mptcp/mptcp/cc";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(lia().name, "lia");
 * ```
 *
 * @module
 */

export { aimd, type AimdFormula, type SlowStartOptions } from "./aimd.ts";
export { coupledBy, type CoupledFormula, type Member } from "./members.ts";
export { default as balia } from "./balia.ts";
export { default as bbr } from "./bbr.ts";
export { default as bbr3 } from "./bbr3.ts";
export { default as coupled } from "./coupled.ts";
export { type CoupledBbrOptions, default as coupledBbr } from "./coupled_bbr.ts";
export { default as cubic } from "./cubic.ts";
export { type DctcpOptions, default as dctcp } from "./dctcp.ts";
export { default as ewtcp } from "./ewtcp.ts";
export { default as lia } from "./lia.ts";
export { default as olia } from "./olia.ts";
export { default as reno } from "./reno.ts";
export { default as semiCoupled } from "./semi_coupled.ts";
export { default as wvegas, type WvegasOptions } from "./wvegas.ts";
export type * from "../core/plugin.ts";
