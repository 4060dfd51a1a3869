/** Makes the plugins that a scenario names by text. */

import * as cc from "../cc/mod.ts";
import {
  loadPlugin,
  type LoadPluginOptions,
  otherKind,
  type PluginKind,
  tellKind,
} from "../core/net/load_plugin.ts";
import * as pm from "../pm/mod.ts";
import * as sched from "../sched/mod.ts";
import { type HostPolicies, type Scenario, ScenarioError, type ScenarioHost } from "./scenario.ts";

/** Where {@linkcode loadScenario} finds plugins. */
export interface LoadScenarioOptions {
  /**
   * Plugins that may be named, by kind and name.
   *
   * @default what the modules `./sched`, `./cc` and `./pm` export: min_rtt, round_robin, …
   */
  readonly builtIns?: Readonly<Record<PluginKind, NonNullable<LoadPluginOptions["builtIns"]>>>;
  /**
   * What files are relative to.
   *
   * @default the current directory
   */
  readonly base?: URL;
  /**
   * What loads each of them, one after the other.
   *
   * @default loadPlugin
   */
  readonly load?: typeof loadPlugin;
}

/** Factories of a module, named as on the command line. */
function named(module: object): NonNullable<LoadPluginOptions["builtIns"]> {
  return Object.fromEntries(
    Object.entries(module)
      .filter(([name, value]) => typeof value === "function" && /^[a-z]/.test(name))
      .map((
        [name, value],
      ) => [name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]),
  );
}

const BUILT_INS = {
  "scheduler": named(sched),
  "congestion-control": named(cc),
  "path-manager": named(pm),
};

const KINDS = {
  scheduler: "scheduler",
  congestionControl: "congestion-control",
  pathManager: "path-manager",
} as const;

function memberOf(kind: PluginKind): string {
  return Object.entries(KINDS).find(([, one]) => one === kind)![0];
}

/**
 * Loads the plugins that `policies` names by text; those that are plugins stay.
 *
 * @example
 * ```ts
 * import { loadPolicies, measure, SCENARIOS } from "@mptcp/mptcp/sim";
 * import { assertEquals } from "@std/assert";
 *
 * const policies = await loadPolicies({ scheduler: "round_robin,segments=4" });
 * assertEquals(measure(SCENARIOS.requests!, policies).policies.scheduler, "round_robin");
 * ```
 *
 * @throws {ScenarioError} One cannot be loaded.
 */
export async function loadPolicies(
  policies: HostPolicies,
  options: LoadScenarioOptions = {},
  path: readonly (string | number)[] = [],
): Promise<HostPolicies> {
  const { builtIns = BUILT_INS, base, load = loadPlugin } = options;
  const loaded: Record<string, unknown> = { ...policies };
  for (const name of ["scheduler", "congestionControl", "pathManager"] as const) {
    const text = policies[name];
    if (typeof text !== "string") continue;
    const kind = KINDS[name];
    const ask = (one: PluginKind): string => `'${memberOf(one)}: ${text}'`;
    const other = otherKind(kind, text, builtIns, ask);
    if (other !== null) throw new ScenarioError([...path, name], other);
    try {
      loaded[name] = await load(kind, text, {
        builtIns: builtIns[kind],
        ...(base && { base }),
      });
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw new ScenarioError([...path, name], tellKind(error, ask));
    }
  }
  return loaded as HostPolicies;
}

/**
 * A scenario as {@linkcode measure} takes it: with the plugins that its hosts name by text.
 *
 * @example
 * ```ts
 * import { loadScenario, measure } from "@mptcp/mptcp/sim";
 *
 * const scenario = await loadScenario({
 *   hosts: { client: { congestionControl: "reno" }, server: { congestionControl: "cubic" } },
 *   links: { wire: { between: ["client", "server"], rate: "10 Mbit/s", delay: "10 ms" } },
 *   traffic: { download: { kind: "bulk", client: "client", server: "server", bytes: "1 MB" } },
 * });
 * console.assert(measure(scenario).done);
 * ```
 *
 * @throws {ScenarioError} One cannot be loaded: `path` says where it is named.
 */
export async function loadScenario(
  scenario: Scenario,
  options: LoadScenarioOptions = {},
): Promise<Scenario> {
  if (scenario.hosts === undefined) return scenario;
  const hosts: Record<string, ScenarioHost> = {};
  for (const [name, host] of Object.entries(scenario.hosts)) {
    hosts[name] = { ...host, ...await loadPolicies(host, options, ["hosts", name]) };
  }
  return { ...scenario, hosts };
}
