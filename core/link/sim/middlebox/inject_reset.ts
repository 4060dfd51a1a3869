/** Ends connections of others. */

import type { ElementFactory } from "../elements/element.ts";
import { Model } from "./forge.ts";
import { RST, TcpSegment } from "./segment.ts";
import { checkInteger, checkNames } from "./select.ts";

/** Which reset {@linkcode injectReset} sends. */
export interface InjectResetOptions {
  /**
   * In front of which segment with data of this direction, from 1.
   *
   * @default {20}
   */
  readonly before?: number;
  /**
   * What its sequence number is too high by, 0 to 4294967295. With 0 it is the number that the receiver awaits; another one in the window is answered by a
   * challenge (RFC 5961 §3.2), and one beyond is dropped.
   *
   * @default {0}
   */
  readonly offset?: number;
}

/**
 * Slips one RST, as from the sender, in front of a segment, as boxes do that want to end connections (filters, load balancers that have forgotten them).
 * Its receiver takes it for its peer's. MPTCP goes on by other subflows, or new ones (RFC 8684 §3.3.3).
 *
 * @throws {TypeError} If an option is wrong.
 * @throws {RangeError} If a number is out of its range.
 * @example
 * ```ts
 * import { emulate, injectReset } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms", up: [injectReset({ before: 50 })] },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 * });
 * ```
 */
export function injectReset(options: InjectResetOptions = {}): ElementFactory {
  const doing = "inject a reset";
  checkNames(doing, options, ["before", "offset"]);
  const before = checkInteger(doing, "before", options.before ?? 20, 1, 1e9);
  const offset = checkInteger(doing, "offset", options.offset ?? 0, 0, 0xffffffff);
  return {
    name: "injectReset",
    create(context, output) {
      const segment = new TcpSegment(context);
      let count = 0;
      return {
        push(packet) {
          if (segment.read(packet) && segment.length > 0 && ++count === before) {
            const { seq, ackNumber } = segment;
            const numbers = { seq: seq + offset, ack: ackNumber, flags: RST };
            const reset = Model.of(segment, packet, false).make(numbers);
            if (reset !== null) output(reset);
          }
          output(packet);
        },
      };
    },
  };
}
