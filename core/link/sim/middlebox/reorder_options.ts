/** Puts TCP options into another order. */

import { u8 } from "../../../../wasm/mod.ts";
import type { ElementFactory } from "../elements/element.ts";
import { rewritingSome } from "./box.ts";
import { NOP, optionLength, type TcpSegment } from "./segment.ts";
import { checkNames, checkSelection, type SegmentSelection } from "./select.ts";

/** Which segments {@linkcode reorderOptions} deals with. */
export interface ReorderOptionsOptions {
  /**
   * Of which segments.
   *
   * @default {"all"}
   */
  readonly on?: SegmentSelection;
}

/** Most octets of options. */
const MOST = 40;

/** Writes the options last one first, and no-operations behind them; whether there were two. */
function reverse(segment: TcpSegment, before: Uint8Array): boolean {
  const { options, payload } = segment;
  const length = payload - options;
  before.set(u8.subarray(options, payload));
  let count = 0;
  let to = payload;
  let size: number;
  for (let at = options; (size = optionLength(at, payload)) > 0; at += size) {
    if (u8[at] !== NOP) count++;
  }
  if (count < 2) return false;
  // From here on what is read are the copied ones.
  for (let at = 0; at < length;) {
    const kind = before[at]!;
    if (kind === 0) break;
    size = kind === NOP ? 1 : before[at + 1]!;
    if (size === 0 || at + size > length) break;
    if (kind !== NOP) {
      to -= size;
      u8.set(before.subarray(at, at + size), to);
    }
    at += size;
  }
  u8.copyWithin(options, to, payload);
  u8.fill(NOP, options + (payload - to), payload);
  return true;
}

/**
 * Writes the TCP options of segments last one first, with the no-operations behind them, as boxes do that take headers apart and put them together
 * again. No option may mind (RFC 9293 §3.1).
 *
 * @throws {TypeError} If an option is wrong.
 * @example
 * ```ts
 * import { emulate, reorderOptions } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({
 *   paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms", elements: [reorderOptions()] } },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 * ]);
 * assertEquals(conn.info().mptcp.flags & 1, 0); // no plain TCP
 * ```
 */
export function reorderOptions(options: ReorderOptionsOptions = {}): ElementFactory {
  const doing = "reorder options";
  checkNames(doing, options, ["on"]);
  const before = new Uint8Array(MOST);
  return rewritingSome(
    "reorderOptions",
    checkSelection(doing, options.on ?? "all"),
    (segment) => reverse(segment, before),
  );
}
