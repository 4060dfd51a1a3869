/** Changes sequence numbers. */

import { u8 } from "../../../../wasm/mod.ts";
import { type Middlebox, rewriting, twoSided } from "./box.ts";
import { get32, put32, SACK, type TcpSegment } from "./segment.ts";
import { checkBoolean, checkInteger, checkNames } from "./select.ts";

/** How {@linkcode renumber} changes numbers. */
export interface RenumberOptions {
  /**
   * What is added to the sequence numbers on the way up, and taken from the acknowledgements on the way down, 0 to 4294967295.
   *
   * @default {305419896}
   */
  readonly up?: number;
  /**
   * The same for sequence numbers on the way down.
   *
   * @default {0}
   */
  readonly down?: number;
  /**
   * Whether the numbers in SACK blocks are changed as well. False: the fault of firewalls that know none (they then tell of data that was never sent).
   *
   * @default {true}
   */
  readonly sack?: boolean;
}

/** Takes a constant from acknowledgement numbers. */
export function shiftAcknowledged(segment: TcpSegment, shift: number, sack: boolean): void {
  if (segment.ack) segment.ackNumber -= shift;
  const at = sack ? segment.option(SACK) : 0;
  if (at === 0) return;
  for (let edge = at + 2; edge + 4 <= at + u8[at + 1]!; edge += 4) put32(edge, get32(edge) - shift);
}

/**
 * Adds a constant to sequence numbers and takes it from the acknowledgements of the other direction, as firewalls do that do not trust the initial sequence
 * numbers of others. MPTCP does not mind: its mappings count from the first octet (RFC 8684 §3.3.1).
 *
 * @throws {TypeError} If an option is wrong.
 * @throws {RangeError} If a number is out of its range.
 * @example
 * ```ts
 * import { emulate, renumber } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * const box = renumber({ up: 12345, down: 67890 });
 * await using net = emulate({
 *   paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms", up: [box.up], down: [box.down] } },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 * ]);
 * assertEquals(conn.info().mptcp.flags & 1, 0); // no plain TCP
 * ```
 */
export function renumber(options: RenumberOptions = {}): Middlebox {
  const doing = "renumber";
  checkNames(doing, options, ["up", "down", "sack"]);
  const up = checkInteger(doing, "up", options.up ?? 0x12345678, 0, 0xffffffff);
  const down = checkInteger(doing, "down", options.down ?? 0, 0, 0xffffffff);
  const sack = checkBoolean(doing, "sack", options.sack ?? true);
  const side = (ahead: number, back: number) =>
    rewriting("renumber", (segment) => {
      segment.seq += ahead;
      shiftAcknowledged(segment, back, sack);
      return true;
    }).create;
  return twoSided("renumber", side(up, down), side(down, up));
}
