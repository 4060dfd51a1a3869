/** Every plugin that a command line can name can be imported. */

import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { BUILT_INS } from "../cli/policies.ts";
import * as cc from "../cc/mod.ts";
import * as main from "../mod.ts";
import * as pm from "../pm/mod.ts";
import * as sched from "../sched/mod.ts";

describe("plugins that can be named", () => {
  const FOLDERS = { "scheduler": sched, "congestion-control": cc, "path-manager": pm };

  it("are exported by mod.ts and by the module of their kind", () => {
    for (const [kind, plugins] of Object.entries(BUILT_INS)) {
      const own = new Set<unknown>(Object.values(FOLDERS[kind as keyof typeof FOLDERS]));
      const all = new Set<unknown>(Object.values(main));
      const missing = Object.entries(plugins).flatMap(([name, module]) => [
        ...all.has(module.default) ? [] : [`${name} in mod.ts`],
        ...own.has(module.default) ? [] : [`${name} among those of its kind`],
      ]);
      assertEquals(missing, [], kind);
    }
  });
});
