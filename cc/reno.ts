/** The congestion control of RFC 5681, on each subflow alone. */

import type { CongestionControlPlugin } from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import { aimd, ByteCounter, checkHystart, type SlowStartOptions } from "./aimd.ts";

/** What holds where no option says otherwise. */
export const defaults: { readonly hystart: boolean } = { hystart: true };

/**
 * One segment more per window of acknowledged bytes (RFC 5681 §3.1), half of the flight less per loss. Uncoupled: several subflows take as much of a
 * shared bottleneck as several connections.
 *
 * @example
 * ```ts
 * import { emulate, reno } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms" },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 *   congestionControl: reno(),
 * });
 * using _listener = net.server.listen({ port: 80 });
 * using conn = await net.client.connect({ hostname: "server", port: 80 });
 * await conn.write(new Uint8Array(200e3));
 * for (const { path, tcp } of conn.info().subflows) console.log(path, tcp.snd_cwnd);
 * conn.setCongestionControl(reno({ hystart: false })); // from here on
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {TypeError} `hystart` is neither true nor false.
 */
export default function reno(options: SlowStartOptions = {}): CongestionControlPlugin {
  checkOptions("reno", options, defaults);
  const { hystart = defaults.hystart } = options;
  checkHystart("reno", hystart);
  return aimd("reno", (subflow) => {
    const counter = new ByteCounter();
    return {
      hystart,
      increase: (acked) => counter.count(acked, subflow.cwnd, subflow.mss),
      decrease(flightSize) {
        counter.reset();
        return flightSize / 2;
      },
    };
  });
}
