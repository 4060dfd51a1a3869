/** Loses exactly the packets that a function names: for tests that need a certain loss rather than a likely one. */

import { u8 } from "../../../../wasm/mod.ts";
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
  return {
    name: "filter",
    create(context, output) {
      let index = 0;
      return {
        push(packet) {
          context.complete(packet);
          const bytes = u8.subarray(packet.address, packet.address + packet.length);
          if (keep(bytes, index++)) output(packet);
          else context.drop(packet);
        },
      };
    },
  };
}
