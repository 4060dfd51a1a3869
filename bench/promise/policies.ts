/** The plugins of a measurement by the texts that name them. */

import "../../mod.ts";
import { BUILT_INS } from "../../cli/policies.ts";
import { loadPlugin } from "../../core/net/load_plugin.ts";
import { defaultPolicies } from "../../core/net/policies.ts";
import type { Policies } from "../../core/guard/policies.ts";

/** What a host uses that is told of nothing else. */
export const DEFAULT = "default";

async function load(scheduler: string, congestion: string): Promise<Policies> {
  return {
    ...defaultPolicies(),
    ...(scheduler !== DEFAULT && {
      scheduler: await loadPlugin("scheduler", scheduler, { builtIns: BUILT_INS.scheduler }),
    }),
    ...(congestion !== DEFAULT && {
      congestionControl: await loadPlugin("congestion-control", congestion, {
        builtIns: BUILT_INS["congestion-control"],
      }),
    }),
  };
}

const loaded = new Map<string, Promise<Policies>>();

/**
 * The plugins of a scheduler and a congestion control, each {@linkcode DEFAULT} or NAME|FILE|URL as on command lines; a file is imported once.
 *
 * @throws {TypeError} one is none.
 */
export function policiesOf(scheduler: string, congestion: string): Promise<Policies> {
  const key = JSON.stringify([scheduler, congestion]);
  const known = loaded.get(key);
  if (known !== undefined) return known;
  const policies = load(scheduler, congestion);
  loaded.set(key, policies);
  return policies;
}
