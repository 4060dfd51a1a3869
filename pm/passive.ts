/** Opens nothing. */

import type { PathManagerPlugin } from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";

/** It has no options. */
export const defaults: Readonly<Record<string, never>> = {};

/**
 * Accepts what the peer opens, opens and announces nothing itself.
 *
 * @example
 * ```ts
 * import { emulate, passive } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms" },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 *   pathManager: passive(),
 * });
 * using _listener = net.server.listen({ port: 80 });
 * using conn = await net.client.connect({ hostname: "server", port: 80 });
 * await net.sleep("1 s");
 * assertEquals(conn.info().subflows.length, 1);
 * ```
 *
 * @throws {TypeError} It has no such option.
 */
export default function passive(
  options: Readonly<Record<string, never>> = {},
): PathManagerPlugin {
  checkOptions("passive", options, defaults);
  return { kind: "path-manager", name: "passive", create: () => ({ onEvent: () => {} }) };
}
