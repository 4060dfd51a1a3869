/** Acknowledges data, and loses them. */

import { type Middlebox, Outbox, twoSided } from "./box.ts";
import { Model } from "./forge.ts";
import { ACK, TcpSegment } from "./segment.ts";
import { checkInteger, checkNames } from "./select.ts";

/** What {@linkcode acknowledgeAndDrop} loses. */
export interface AcknowledgeAndDropOptions {
  /**
   * One of how many segments with data, from 1.
   *
   * @default {25}
   */
  readonly every?: number;
  /**
   * Segments with data that pass before it begins, from 0.
   *
   * @default {20}
   */
  readonly after?: number;
}

/**
 * Acknowledges some segments with data of the way up to their sender, and then drops them: a proxy that promises what it cannot keep, the worst that plain
 * TCP can meet. MPTCP has acknowledgements of its own, and sends again on another subflow what the first level takes for delivered (RFC 8684 §3.3.6,
 * "middleboxes that proactively ACK data"). For data of the other direction, give `down: [box.up], up: [box.down]`.
 *
 * @throws {TypeError} If an option is wrong.
 * @throws {RangeError} If a number is out of its range.
 * @example
 * ```ts
 * import { acknowledgeAndDrop, emulate } from "@mptcp/mptcp";
 *
 * const box = acknowledgeAndDrop({ every: 100 });
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms", up: [box.up], down: [box.down] },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 * });
 * ```
 */
export function acknowledgeAndDrop(options: AcknowledgeAndDropOptions = {}): Middlebox {
  const doing = "acknowledge and drop";
  checkNames(doing, options, ["every", "after"]);
  const every = checkInteger(doing, "every", options.every ?? 25, 1, 1e9);
  const after = checkInteger(doing, "after", options.after ?? 20, 0, 1e9);
  let back: Outbox | null = null;
  return twoSided(
    "acknowledgeAndDrop",
    (context, output) => {
      const segment = new TcpSegment(context);
      let count = 0;
      return {
        push(packet) {
          const data = segment.read(packet) && segment.length > 0 && !segment.syn;
          if (!data || back === null || ++count <= after || count % every !== 0) {
            output(packet);
            return;
          }
          const { seq, length, ackNumber } = segment;
          const numbers = { seq: ackNumber, ack: seq + length, flags: ACK };
          back.send(Model.of(segment, packet, true).make(numbers));
          context.drop(packet);
        },
      };
    },
    (context, output) => {
      const own = back = new Outbox(context, output);
      return { push: output, clear: () => own.clear() };
    },
  );
}
