/** Changes TCP options in place. */

import { u8 } from "../../../../wasm/mod.ts";
import type { ElementFactory } from "../elements/element.ts";
import { rewritingSome } from "./box.ts";
import { optionLength, type SeenSegment } from "./segment.ts";
import {
  checkNames,
  checkOptionSelection,
  checkSelection,
  type OptionSelection,
  type SegmentSelection,
  shown,
} from "./select.ts";

/** What {@linkcode rewriteOptions} changes, and how. */
export interface RewriteOptionsOptions {
  /**
   * Which options.
   *
   * @default {"MPTCP"}
   */
  readonly options?: OptionSelection;
  /**
   * Of which segments.
   *
   * @default {"all"}
   */
  readonly on?: SegmentSelection;
  /** Changes one option in place, from its kind and length on. What has another length octet then is sent as it is. */
  readonly change: (option: Uint8Array, segment: SeenSegment) => void;
}

/**
 * Changes TCP options as a function says, and makes the checksums of the segment right: boxes that do not understand what they touch, and peers that send what
 * they must not, for tests of the other end. `impair(tun("mptcp0"), { send: [rewriteOptions({ … })] })` does it on real packets.
 *
 * @throws {TypeError} If an option is wrong.
 * @throws {RangeError} If the number of a kind is not from 2 to 255.
 * @example A HMAC that is wrong (RFC 8684 §3.2): the server refuses the second path
 * ```ts
 * import { emulate, rewriteOptions } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms" },
 *     lte: {
 *       rate: "12 Mbit/s",
 *       delay: "40 ms",
 *       up: [
 *         rewriteOptions({
 *           options: ["MP_JOIN"],
 *           on: "ack",
 *           change(join) {
 *             join[23]! ^= 1;
 *           },
 *         }),
 *       ],
 *     },
 *   },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 * ]);
 * await conn.write(new Uint8Array(1000));
 * await net.sleep("500 ms");
 * assertEquals(conn.info().subflows.length, 1);
 * assertEquals(net.server.counters["MPJoinAckHMacFailure"], 1);
 * ```
 */
export function rewriteOptions(options: RewriteOptionsOptions): ElementFactory {
  const doing = "rewrite options";
  checkNames(doing, options, ["options", "on", "change"]);
  const { options: which = "MPTCP", on = "all", change } = options;
  if (typeof change !== "function") {
    throw new TypeError(
      `Cannot ${doing} as 'change' must be a function: current value is ${shown(change)}`,
    );
  }
  const chosen = checkOptionSelection(doing, which);
  return rewritingSome("rewriteOptions", checkSelection(doing, on), (segment) => {
    const end = segment.payload;
    let found = false;
    let size: number;
    for (let at = segment.options; (size = optionLength(at, end)) > 0; at += size) {
      if (!chosen(at)) continue;
      change(u8.subarray(at, at + size), segment);
      found = true;
    }
    return found;
  });
}
