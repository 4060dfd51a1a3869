/** A path from each address to each address: the default path manager. */

import type { HostAddress, PathIndex, PathManagerPlugin } from "../core/plugin.ts";

/** Options for {@linkcode fullMesh}. */
export interface FullMeshOptions {
  /**
   * Paths over each pair of addresses, from different local ports: 1 to 8.
   *
   * @default {1}
   */
  readonly copies?: number;
}

/** What holds where no option says otherwise. */
export const defaults: Readonly<Required<FullMeshOptions>> = { copies: 1 };

/**
 * The client opens a path from each of its addresses to each of the server's, as many as the limits allow; the server announces its addresses and
 * only accepts, since clients tend to be behind address translators (draft §3.3, RFC 8041 §3.3). Pairs that share no address come first.
 *
 * @throws {RangeError} When `copies` is not an integer from 1 to 8.
 */
export default function fullMesh(
  { copies = defaults.copies }: FullMeshOptions = {},
): PathManagerPlugin {
  if (!Number.isInteger(copies) || copies < 1 || copies > 8) {
    throw new RangeError(
      `Cannot make full_mesh as 'copies' must be an integer from 1 to 8: current value is ${copies}`,
    );
  }
  return {
    kind: "path-manager",
    name: "full_mesh",
    beginsAnywhere: true,
    create: ({ role, locals, remotes, paths, index, use, announce }) => {
      const mesh = (): void => {
        // Those that the peer opened stay.
        const wanted = new Set<PathIndex>(paths.map(({ path }) => path));
        for (let copy = 0; copy < copies; copy++) {
          for (const family of [4, 6] as const) {
            for (const pair of pairs(locals, remotes, family)) {
              wanted.add(index(copy === 0 ? pair : { ...pair, copy }));
            }
          }
        }
        use([...wanted]);
      };
      return {
        onEvent(event) {
          if (event.type !== "start" && event.type !== "local" && event.type !== "remote") return;
          if (role === "client") mesh();
          else for (const local of locals) if (local.id !== 0) announce(local);
        },
      };
    },
  };
}

/** All pairs of one family, each round with every local address once: (1,1) (2,2) (1,2) (2,1). */
function* pairs(
  locals: readonly HostAddress[],
  remotes: readonly HostAddress[],
  family: 4 | 6,
): Generator<{ local: HostAddress; remote: HostAddress }> {
  const ours = locals.filter((address) => address.family === family);
  const theirs = remotes.filter((address) => address.family === family);
  for (let round = 0; round < theirs.length; round++) {
    for (let i = 0; i < ours.length; i++) {
      yield { local: ours[i]!, remote: theirs[(i + round) % theirs.length]! };
    }
  }
}
