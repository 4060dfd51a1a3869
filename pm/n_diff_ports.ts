/** Several paths over one pair of addresses. */

import type { HostAddress, PathIndex, PathManagerPlugin } from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";

/** Options for {@linkcode nDiffPorts}. */
export interface NDiffPortsOptions {
  /**
   * Subflows, the first included: 1 to 8.
   *
   * @default {2}
   */
  readonly subflows?: number;
}

/** What holds where no option says otherwise. */
export const defaults: Readonly<Required<NDiffPortsOptions>> = { subflows: 2 };

/**
 * The client opens further subflows between the addresses of the first one, from other local ports, so that routers that spread flows by their ports
 * (RFC 2992) may carry them on different ways. When one of their addresses goes, another of that side takes its place, one that there is or the next that
 * comes.
 *
 * @example
 * ```ts
 * import { emulate, nDiffPorts } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms" },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 *   pathManager: nDiffPorts({ subflows: 3 }),
 * });
 * using _listener = net.server.listen({ port: 80 });
 * using conn = await net.client.connect({ hostname: "server", port: 80 });
 * await conn.write(new Uint8Array(1000));
 * await net.sleep("1 s");
 * assertEquals(conn.info().subflows.length, 3);
 * assertEquals(new Set(conn.info().subflows.map(({ local }) => local.address)).size, 1);
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {RangeError} When `subflows` is not an integer from 1 to 8.
 */
export default function nDiffPorts(options: NDiffPortsOptions = {}): PathManagerPlugin {
  checkOptions("n_diff_ports", options, defaults);
  const { subflows = defaults.subflows } = options;
  if (!Number.isInteger(subflows) || subflows < 1 || subflows > 8) {
    throw new RangeError(
      `Cannot make n_diff_ports as 'subflows' must be an integer from 1 to 8: current value is ${subflows}`,
    );
  }
  return {
    kind: "path-manager",
    name: "n_diff_ports",
    create: ({ role, locals, remotes, paths, peerDeniesJoinToInitial, index, use }) => {
      /** Ids of the addresses that they join. */
      let home = -1;
      let target = -1;
      const mine = new Set<PathIndex>();
      const has = (addresses: readonly HostAddress[], id: number): boolean =>
        addresses.some((address) => address.id === id);
      const open = (): void => {
        if (has(locals, home) && has(remotes, target)) return;
        // RFC 8684 §3.1, C flag: not to the first address, but to another that was announced.
        const remote = remotes.find(({ id }) => id !== 0 || !peerDeniesJoinToInitial);
        const local = locals.find(({ family }) => family === remote?.family);
        if (local === undefined || remote === undefined) return;
        home = local.id;
        target = remote.id;
        const wanted = new Set<PathIndex>();
        if (has(locals, 0) && has(remotes, 0)) wanted.add(1);
        for (let copy = 0; wanted.size < subflows; copy++) {
          wanted.add(index(copy === 0 ? { local, remote } : { local, remote, copy }));
        }
        // What the peer has opened stays.
        for (const { path } of paths) if (path !== 1 && !mine.has(path)) wanted.add(path);
        for (const path of wanted) mine.add(path);
        use([...wanted]);
      };
      return {
        onEvent({ type }) {
          const matters = type === "start" || type === "local" || type === "remote";
          if (role === "client" && matters) open();
        },
      };
    },
  };
}
