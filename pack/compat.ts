/**
 * What the command uses of Deno, and of browsers, where it runs in Node or Bun; loaded before all else, in workers too. The library itself needs
 * none of it.
 */

import { Deno as shim } from "npm:@deno/shim-deno@0.19.2";
import NodeWorker from "npm:web-worker@1.5.0";
import { availableParallelism } from "node:os";

const scope = globalThis as Record<string, unknown>;
// Both runtimes have the one or the other by themselves.
if (scope["Deno"] === undefined) scope["Deno"] = shim;
if (scope["Worker"] === undefined) scope["Worker"] = NodeWorker;
if (scope["navigator"] === undefined) {
  scope["navigator"] = { hardwareConcurrency: availableParallelism() };
}
