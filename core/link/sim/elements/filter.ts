/** Loses exactly the packets that a function names: for tests that need a certain loss rather than a likely one. */

import { u8 } from "../../../../wasm/mod.ts";
import { shown } from "../middlebox/select.ts";
import type { ElementFactory } from "./element.ts";

/**
 * Lets through the packets for which `keep` gives true. `bytes` is the packet with its checksums filled in, valid during the call;
 * `index` counts the packets of this direction that came here, from 0.
 *
 * @example
 * ```ts
 * import { emulate, filter } from "@mptcp/mptcp";
 *
 * // The third packet of each direction is lost.
 * await using net = emulate({
 *   paths: {
 *     wifi: {
 *       rate: "20 Mbit/s",
 *       delay: "15 ms",
 *       elements: [filter((_bytes, index) => index !== 2)],
 *     },
 *   },
 * });
 * using _listener = net.server.listen({ port: 80 });
 * using _conn = await net.client.connect({ hostname: "server", port: 80 });
 * ```
 */
export function filter(
  keep: (bytes: Uint8Array, index: number) => boolean,
): ElementFactory {
  if (typeof keep !== "function") {
    throw new TypeError(
      `Cannot filter packets as 'keep' must be a function: current value is ${shown(keep)}`,
    );
  }
  return {
    name: "filter",
    create(context, output) {
      let index = 0;
      return {
        push(packet) {
          context.complete(packet);
          const bytes = u8.subarray(packet.address, packet.address + packet.length);
          const kept: unknown = keep(bytes, index++);
          if (kept === true) return output(packet);
          context.drop(packet);
          // One that only looks, or is async, would lose all, or nothing.
          if (kept !== false) {
            throw new TypeError(
              `Cannot filter packets as the function must return true or false: it returned ${
                shown(kept)
              }`,
            );
          }
        },
      };
    },
  };
}
