/** How large the buffers of a connection over some paths should be (draft §3.4.1, §3.5.1, §4.2). */

import { type Duration, parseDuration, parseRate, type Rate } from "../link/units.ts";

/** A path as an administrator knows it. */
export interface BufferPath {
  /** What it carries. */
  readonly rate: Rate;
  /** Its round trip, there and back, with the queues that are usual. */
  readonly rtt: Duration;
}

/**
 * Bytes that a connection over `paths` needs as receive and as send buffer, to fill them all and to go on while one repairs a loss: 2·ΣBW·RTT_max (RFC 6182
 * §5.3; draft RBF-1, SBF-1, CFG-4). Each byte that comes behind a hole waits until the slowest path has filled that, so the round trip that counts is the
 * longest, for all: far more than the paths want each for itself. Buffers grow to it by themselves; this is for what limits them, `receiveBuffer` and
 * `sendBuffer` of {@linkcode TcpOptions}, as a limit below costs goodput.
 *
 * Where one path is so slow that it would cost more memory than it brings, it is better left out, or opened as a backup: 100 Mbit/s of 10 ms want 250 kB, and
 * 25.25 MB together with 1 Mbit/s of 1 s.
 *
 * @example Usage
 * ```ts
 * import { bufferSize, emulate } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * const max = bufferSize([
 *   { rate: "8 Mbit/s", rtt: "20 ms" },
 *   { rate: "2 Mbit/s", rtt: "150 ms" },
 * ]);
 * assertEquals(max, 375_000);
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "8 Mbit/s", delay: "10 ms" },
 *     cellular: { rate: "2 Mbit/s", delay: "75 ms" },
 *   },
 *   tcp: { receiveBuffer: { max }, sendBuffer: { max } },
 * });
 * ```
 *
 * @throws {TypeError} A rate or a round trip is no quantity with its unit.
 * @throws {RangeError} There is no path, a rate is not above 0, or a round trip below 0.
 */
export function bufferSize(paths: readonly BufferPath[]): number {
  if (paths.length === 0) {
    throw new RangeError("Cannot compute a buffer size as there must be one path at least");
  }
  let rate = 0;
  let longest = 0;
  for (const path of paths) {
    rate += parseRate(path.rate);
    longest = Math.max(longest, parseDuration(path.rtt, "rtt"));
  }
  return Math.ceil(2 * rate * longest / 1e6);
}
