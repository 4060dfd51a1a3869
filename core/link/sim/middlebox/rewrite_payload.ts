/** Changes payload, and makes the TCP checksum right. */

import { u8 } from "../../../../wasm/mod.ts";
import { Ranges } from "../../../subflow/ranges.ts";
import type { ElementFactory } from "../elements/element.ts";
import { rewriting, rewritingSome } from "./box.ts";
import { FlowTable } from "./flow_table.ts";
import type { SeenSegment } from "./segment.ts";
import { checkNames, checkSelection, type SegmentSelection, shown } from "./select.ts";

/** What {@linkcode rewritePayload} changes. */
export interface RewritePayloadOptions {
  /**
   * Of which segments; those without payload are left alone.
   *
   * @default {"data"}
   */
  readonly on?: SegmentSelection;
  /**
   * Changes the payload in place; its length stays.
   *
   * @default {one bit of one octet}
   */
  readonly change?: (payload: Uint8Array, segment: SeenSegment) => void;
}

function flip(payload: Uint8Array, { index }: SeenSegment): void {
  payload[payload.length - 1 - index % payload.length]! ^= 4;
}

/**
 * Changes the payload of segments, and makes their checksums right, as application-level gateways and boxes that compress pictures do. Nobody but the DSS
 * checksum of MPTCP can tell (RFC 8684 §3.3.1).
 *
 * @throws {TypeError} If an option is wrong.
 * @example Found out by the checksum
 * ```ts
 * import { emulate, rewritePayload } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: {
 *       rate: "20 Mbit/s",
 *       delay: "15 ms",
 *       up: [rewritePayload({ on: ({ length, index }) => length > 0 && index > 100 })],
 *     },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 *   mptcp: { checksum: true },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn, peer] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 * ]);
 * const sending = conn.write(new Uint8Array(1e6)).then(() => conn.closeWrite());
 * let wrong = 0;
 * for await (const chunk of peer.readable) wrong += chunk.filter((byte) => byte !== 0).length;
 * await sending;
 * assertEquals(wrong, 0);
 * ```
 */
export function rewritePayload(options: RewritePayloadOptions = {}): ElementFactory {
  const doing = "rewrite payload";
  checkNames(doing, options, ["on", "change"]);
  const { on = "data", change = flip } = options;
  if (typeof change !== "function") {
    throw new TypeError(
      `Cannot ${doing} as 'change' must be a function: current value is ${shown(change)}`,
    );
  }
  return rewritingSome("rewritePayload", checkSelection(doing, on), (segment) => {
    if (segment.length === 0) return false;
    change(u8.subarray(segment.payload, segment.end), segment);
    return true;
  });
}

/** What has come of a connection, by offsets from where the first that came began. */
interface Seen {
  /** Sequence number of that. */
  readonly seq: number;
  /** One past the last. */
  end: number;
  /** What has not come, of all below. */
  readonly holes: Ranges;
  /** How often something was changed. */
  changes: number;
}

/**
 * Changes the last octet of data that it has seen before, and makes their checksums right: what comes the second time is not what came the first time, as
 * from a box that keeps parts of a stream and mixes them up, or from somebody who wants to deceive one. What was lost before it came here is left alone.
 *
 * @example It is the first data that count (RFC 8684 §3.3.1)
 * ```ts
 * import { emulate, rewriteRepeats } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms", loss: 0.01, up: [rewriteRepeats()] } },
 * });
 * ```
 */
export function rewriteRepeats(): ElementFactory {
  return {
    name: "rewriteRepeats",
    create(context, output) {
      const seen = new FlowTable<Seen>();
      return rewriting("rewriteRepeats", (segment) => {
        const { length, seq } = segment;
        if (segment.syn) seen.remove(segment, false);
        if (length === 0) return false;
        const before = seen.find(segment, false);
        if (before === undefined) {
          seen.add(segment, false, { seq, end: length, holes: new Ranges(), changes: 0 });
          return false;
        }
        const from = before.end + (seq - before.seq - before.end | 0);
        const to = from + length;
        const { end, holes } = before;
        const fresh = holes.cut(from, to);
        if (to > end) {
          holes.add(end, from);
          before.end = to;
          return false;
        }
        if (fresh > 0) return false;
        // Each in another bit: changes of one mapping that cancel out, as by 1, by 2 and by -3, are none to its checksum.
        u8[segment.end - 1]! ^= 1 << (before.changes++ & 7);
        return true;
      }).create(context, output);
    },
  };
}
