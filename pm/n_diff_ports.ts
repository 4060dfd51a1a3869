/** Several paths over one pair of addresses. */

import type { PathIndex, PathManagerPlugin } from "../core/plugin.ts";

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
 * (RFC 2992) may carry them on different ways. When their address goes, another takes its place,
 * one that there is or the next that comes. Where the server takes no joins to the address of the
 * first subflow (C flag, RFC 8684 §3.1), they go to the first that it announces.
 *
 * @throws {RangeError} When `subflows` is not an integer from 1 to 8.
 */
export default function nDiffPorts(
  { subflows = defaults.subflows }: NDiffPortsOptions = {},
): PathManagerPlugin {
  if (!Number.isInteger(subflows) || subflows < 1 || subflows > 8) {
    throw new RangeError(
      `Cannot make n_diff_ports as 'subflows' must be an integer from 1 to 8: current value is ${subflows}`,
    );
  }
  return {
    kind: "path-manager",
    name: "n_diff_ports",
    create: (context) => {
      const { role, locals, remotes, paths, index, use } = context;
      /** Id of the address that they leave from. */
      let home = -1;
      const open = (first: readonly PathIndex[]): void => {
        const remote = remotes.find(({ id }) => id !== 0 || !context.peerDeniesJoinToInitial);
        const local = locals.find(({ family }) => family === remote?.family);
        if (!local || !remote) return;
        home = local.id;
        const wanted = [...first];
        for (let copy = wanted.length; copy < subflows; copy++) {
          wanted.push(index(copy === 0 ? { local, remote } : { local, remote, copy }));
        }
        use(wanted);
      };
      return {
        onEvent(event) {
          if (role !== "client") return;
          if (event.type === "start") return open([1]);
          if (event.type === "remote" && home < 0 && context.peerDeniesJoinToInitial) {
            return open(paths.some(({ path }) => path === 1) ? [1] : []);
          }
          if (event.type !== "local") return;
          if (event.change === "removed" && event.address.id === home) home = -1;
          if (home < 0) open([]);
        },
      };
    },
  };
}
