/** Lowers the MSS of SYNs. */

import type { ElementFactory } from "../elements/element.ts";
import { rewriting } from "./box.ts";
import { get16, MSS, put16 } from "./segment.ts";
import { checkInteger } from "./select.ts";

/** Least that Linux takes for one. */
const LEAST = 88;

/**
 * Makes the MSS option of SYNs and SYN/ACKs at most `mss` bytes, 88 to 65535, as routers in front of tunnels do ("MSS clamping"). Put it into both
 * directions: each limits what comes back.
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is not an integer from 88 to 65535.
 * @example Segments of at most 1,000 bytes, in both directions
 * ```ts
 * import { emulate, rewriteMss } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({
 *   paths: { dsl: { rate: "20 Mbit/s", delay: "15 ms", elements: [rewriteMss(1000)] } },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 * ]);
 * assertEquals(conn.info().mptcp.flags & 1, 0); // no plain TCP
 * ```
 */
export function rewriteMss(mss: number): ElementFactory {
  checkInteger("rewrite the MSS", "mss", mss, LEAST, 65535);
  return rewriting("rewriteMss", (segment) => {
    const at = segment.syn ? segment.option(MSS) : 0;
    if (at === 0 || get16(at + 2) <= mss) return false;
    put16(at + 2, mss);
    return true;
  });
}
