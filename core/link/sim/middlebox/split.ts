/** Cuts segments in two. */

import { u8 } from "../../../../wasm/mod.ts";
import type { ElementFactory } from "../elements/element.ts";
import { takePacket } from "../elements/packet.ts";
import { FIN, PSH, putChecksums, putLength, TcpSegment } from "./segment.ts";
import { checkChoice, checkNames, checkSelection, type SegmentSelection } from "./select.ts";
import { wipeMptcp } from "./strip_options.ts";

/** How {@linkcode splitSegments} cuts. */
export interface SplitSegmentsOptions {
  /**
   * Which part has the MPTCP options; the other has no-operations.
   *
   * @default {"both"}
   */
  readonly options?: "first" | "second" | "both";
  /**
   * Which segments; those with less than two octets of payload are left alone.
   *
   * @default {"data"}
   */
  readonly on?: SegmentSelection;
}

/**
 * Cuts segments in two halves, as boxes and network cards do where large segments go on in small packets. A mapping of MPTCP covers both where its option
 * stays on either (RFC 8684 §3.3.1).
 *
 * @throws {TypeError} If an option is wrong.
 * @example
 * ```ts
 * import { emulate, splitSegments } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: {
 *       rate: "20 Mbit/s",
 *       delay: "15 ms",
 *       elements: [splitSegments({ options: "first" })],
 *     },
 *   },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn, peer] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 * ]);
 * await conn.write(new Uint8Array(10_000));
 * await peer.read(new Uint8Array(10_000));
 * assertEquals(conn.info().mptcp.flags & 1, 0); // no plain TCP
 * ```
 */
export function splitSegments(options: SplitSegmentsOptions = {}): ElementFactory {
  const doing = "split segments";
  checkNames(doing, options, ["options", "on"]);
  const keep = checkChoice(doing, "options", options.options ?? "both", [
    "first",
    "second",
    "both",
  ]);
  const chosen = checkSelection(doing, options.on ?? "data");
  return {
    name: "splitSegments",
    create(context, output) {
      const segment = new TcpSegment(context);
      const second = new TcpSegment(context);
      return {
        push(packet) {
          const some = segment.read(packet) && chosen(segment) && !segment.merged;
          const head = some ? segment.length >> 1 : 0;
          const tail = head === 0 ? null : takePacket(packet.length - head);
          if (tail === null) {
            output(packet);
            return;
          }
          const { ip, payload, end, seq, tcp } = segment;
          const headers = payload - ip;
          u8.copyWithin(tail.address, ip, payload);
          u8.copyWithin(tail.address + headers, payload + head, end);
          tail.verified = packet.verified;
          putLength(tail.address, tail.length);
          putChecksums(tail.address, tail.length);
          second.read(tail);
          second.seq = seq + head;
          segment.cut(payload + head);
          // These belong to the end.
          u8[tcp + 13]! &= ~(FIN | PSH);
          if (keep === "first") wipeMptcp(second);
          if (keep === "second") wipeMptcp(segment);
          segment.seal();
          second.seal();
          output(packet);
          output(tail);
        },
      };
    },
  };
}
