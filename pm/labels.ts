/** Several paths over one pair of addresses, told apart by a label that routers read (draft A.2). */

import type { PathIndex, PathManagerPlugin } from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";

/** Options for {@linkcode labels}. */
export interface LabelsOptions {
  /**
   * The label of each further path, as Differentiated Services codepoints (RFC 2474): 1 to 8 integers from 0 to 63, none twice, in an array or as text with
   * spaces between. The first path has what `tcp.dscp` says.
   *
   * @default {"10"}
   */
  readonly dscp?: string | readonly number[];
}

/** What holds where no option says otherwise. */
export const defaults: Readonly<{ dscp: string }> = { dscp: "10" };

/**
 * The client opens a further path for each label, over the addresses of the first one: routers that route by DSCP carry each on a way of its own. Nothing but
 * the name of a path is different: schedulers, congestion controls and the transport know of no labels (draft ALT-2, ARC-1). A server answers a join with the
 * label that the join had, so that the way back is the same.
 *
 * @example
 * ```ts
 * import { labels } from "@mptcp/mptcp/pm";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(labels({ dscp: [10, 46] }).name, "labels");
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {TypeError} `dscp` is neither text nor an array.
 * @throws {RangeError} a label is no integer from 0 to 63, or there are none, too many, or two of one kind.
 */
export default function labels(options: LabelsOptions = {}): PathManagerPlugin {
  checkOptions("labels", options, defaults);
  const { dscp = defaults.dscp } = options;
  if (typeof dscp !== "string" && !Array.isArray(dscp)) {
    throw new TypeError(
      `Cannot make labels as 'dscp' must be text or an array of numbers: current value is ${dscp}`,
    );
  }
  const given: readonly number[] = typeof dscp === "string"
    ? dscp.trim().split(/\s+/).map((word) => word === "" ? NaN : Number(word))
    : [...dscp];
  const fits = given.every((label) => Number.isInteger(label) && label >= 0 && label <= 63);
  if (!fits || given.length < 1 || given.length > 8 || new Set(given).size < given.length) {
    throw new RangeError(
      `Cannot make labels as 'dscp' must be 1 to 8 different integers from 0 to 63: current value is ${
        typeof dscp === "string" ? JSON.stringify(dscp) : `[${dscp.join(", ")}]`
      }`,
    );
  }
  return {
    kind: "path-manager",
    name: "labels",
    create: ({ role, locals, remotes, paths, peerDeniesJoinToInitial, index, use }) => {
      const open = (): void => {
        const wanted = new Set<PathIndex>(paths.map(({ path }) => path));
        // RFC 8684 §3.1, C flag: not to the first address, but to another that was announced.
        const remote = remotes.find(({ id }) => id !== 0 || !peerDeniesJoinToInitial);
        const local = locals.find(({ family }) => family === remote?.family);
        if (local !== undefined && remote !== undefined) {
          for (const label of given) wanted.add(index({ local, remote, dscp: label }));
        }
        if (wanted.size > 0) use([...wanted]);
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
