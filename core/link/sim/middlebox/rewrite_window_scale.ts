/** Changes the window scale that SYNs announce, and nothing else. */

import { u8 } from "../../../../wasm/mod.ts";
import type { ElementFactory } from "../elements/element.ts";
import { rewriting } from "./box.ts";
import { NOP, WINDOW_SCALE } from "./segment.ts";
import { checkInteger } from "./select.ts";

/** Largest shift (RFC 7323 §2.3). */
const MOST = 14;

/**
 * Writes `shift`, 0 to 14, into the window scale option of SYNs and SYN/ACKs, or takes the option away where `shift` is null. The windows that follow stay
 * as they are, so that a sender takes them for larger or smaller than they are meant: the fault of firewalls that know windows of 16 bits alone. Whoever
 * has it in one direction only lies about the windows of one end.
 *
 * @throws {TypeError} If it is neither a number nor null.
 * @throws {RangeError} If it is not an integer from 0 to 14.
 * @example Windows of 64 KB at most
 * ```ts
 * import { emulate, rewriteWindowScale } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({
 *   paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms", elements: [rewriteWindowScale(null)] } },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 * ]);
 * assertEquals(conn.info().mptcp.flags & 1, 0); // no plain TCP
 * ```
 */
export function rewriteWindowScale(shift: number | null): ElementFactory {
  if (shift !== null) checkInteger("rewrite the window scale", "shift", shift, 0, MOST);
  return rewriting("rewriteWindowScale", (segment) => {
    const at = segment.syn ? segment.option(WINDOW_SCALE) : 0;
    if (at === 0) return false;
    if (shift === null) u8.fill(NOP, at, at + u8[at + 1]!);
    else u8[at + 2] = shift;
    return true;
  });
}
