/** A path from each address to each address: the default path manager. */

import type {
  PathContext,
  PathEvent,
  PathIndex,
  PathManager,
  PathManagerPlugin,
} from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";

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

const FAMILIES = [4, 6] as const;

/**
 * The client opens a path from each of its addresses to each of the server's, as many as the limits allow; the server announces its addresses and
 * only accepts, since clients tend to be behind address translators (draft §3.3, RFC 8041 §3.3). Pairs that share no address come first.
 *
 * @example
 * ```ts
 * import { emulate, fullMesh } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms" },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 *   pathManager: fullMesh(),
 * });
 * using _listener = net.server.listen({ port: 80 });
 * using conn = await net.client.connect({ hostname: "server", port: 80 });
 * await conn.write(new Uint8Array(1000));
 * await net.sleep("1 s");
 * assertEquals(conn.info().subflows.map(({ local }) => local.address), ["10.0.1.1", "10.0.2.1"]);
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {RangeError} When `copies` is not an integer from 1 to 8.
 */
export default function fullMesh(options: FullMeshOptions = {}): PathManagerPlugin {
  checkOptions("full_mesh", options, defaults);
  const { copies = defaults.copies } = options;
  if (!Number.isInteger(copies) || copies < 1 || copies > 8) {
    throw new RangeError(
      `Cannot make full_mesh as 'copies' must be an integer from 1 to 8: current value is ${copies}`,
    );
  }
  return {
    kind: "path-manager",
    name: "full_mesh",
    beginsAnywhere: true,
    create: (context) => new FullMesh(context, copies),
  };
}

/** No closure, and no verb taken out of the context before it is needed: each connection has a path manager, and most are idle. */
class FullMesh implements PathManager {
  readonly #context: PathContext;
  readonly #copies: number;

  constructor(context: PathContext, copies: number) {
    this.#context = context;
    this.#copies = copies;
  }

  onEvent({ type }: PathEvent): void {
    if (type !== "start" && type !== "local" && type !== "remote") return;
    const context = this.#context;
    if (context.role === "client") mesh(context, this.#copies);
    else for (const local of context.locals) if (local.id !== 0) context.announce(local);
  }
}

/** Uses a path from each address to each, and what the peer has opened. */
function mesh(context: PathContext, copies: number): void {
  const { index } = context;
  // Copied once: each look at an address of theirs asks the connection.
  const locals = [...context.locals];
  const remotes = [...context.remotes];
  const wanted = new Set<PathIndex>();
  for (const { path } of context.paths) wanted.add(path);
  for (let copy = 0; copy < copies; copy++) {
    for (const family of FAMILIES) {
      const ours = locals.filter((address) => address.family === family);
      const theirs = remotes.filter((address) => address.family === family);
      // All pairs of one family, each round with every local address once: (1,1) (2,2) (1,2) (2,1).
      for (let round = 0; round < theirs.length; round++) {
        for (let i = 0; i < ours.length; i++) {
          const pair = { local: ours[i]!, remote: theirs[(i + round) % theirs.length]! };
          wanted.add(index(copy === 0 ? pair : { ...pair, copy }));
        }
      }
    }
  }
  context.use([...wanted]);
}
