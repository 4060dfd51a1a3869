/** Several paths over one pair of addresses. */

import type { PathManagerPlugin } from "../core/plugin.ts";

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
 * (RFC 2992) may carry them on different ways.
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
    create: ({ role, locals, remotes, index, use }) => ({
      onEvent(event) {
        const [local] = locals;
        const [remote] = remotes;
        if (event.type !== "start" || role !== "client" || !local || !remote) return;
        const wanted = [1];
        for (let copy = 1; copy < subflows; copy++) wanted.push(index({ local, remote, copy }));
        use(wanted);
      },
    }),
  };
}
