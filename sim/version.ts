/**
 * The version that results carry: that of deno.json.
 *
 * @example
 * ```ts
 * import { VERSION } from "@mptcp/mptcp/sim";
 *
 * console.assert(/^\d+\.\d+\.\d+/.test(VERSION));
 * ```
 */
export const VERSION = "0.1.0";
