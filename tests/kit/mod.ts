/**
 * The plugin kit: what every scheduler, congestion control and path manager does, as rules that a plugin's author can run. The rules run on toys, with no
 * network, no permission and no time, and every plugin of this repository keeps them.
 *
 * @example In a test
 * ```ts ignore
 * import { describe, it } from "@std/testing/bdd";
 * import { minRtt } from "@mptcp/mptcp";
 * import { conformance } from "@mptcp/mptcp/testing";
 *
 * describe("min_rtt", () => {
 *   for (const rule of conformance(minRtt())) it(rule.name, rule.check);
 * });
 * ```
 *
 * @example All at once
 * ```ts
 * import { lia } from "@mptcp/mptcp";
 * import { verify } from "@mptcp/mptcp/testing";
 *
 * verify(lia());
 * ```
 *
 * @module
 */

import type { Plugin } from "../../core/plugin.ts";
import { congestionRules } from "./congestion_rules.ts";
import { pathRules } from "./path_rules.ts";
import { type Rule, RuleError } from "./rule.ts";
import { schedulerRules } from "./scheduler_rules.ts";

export { type Rule, RuleError } from "./rule.ts";
export type * from "../../core/plugin.ts";

/**
 * The rules for a plugin, each of which can be checked by itself.
 *
 * @example
 * ```ts
 * import { conformance } from "@mptcp/mptcp/testing";
 * import { minRtt } from "@mptcp/mptcp";
 *
 * for (const { name, says, check } of conformance(minRtt())) {
 *   check(); // throws a RuleError if it is broken
 *   console.log(`${name}: ${says}`);
 * }
 * ```
 *
 * @throws {RuleError} When it is no plugin at all.
 */
export function conformance(plugin: Plugin): Rule[] {
  if (typeof plugin !== "object" || plugin === null) {
    const hint = typeof plugin === "function" ? "a function: call it" : String(plugin);
    throw new RuleError("plugin", `a plugin must be an object, this is ${hint}`);
  }
  if (typeof plugin.name !== "string" || !/^\S+$/.test(plugin.name)) {
    throw new RuleError("plugin", `'name' must be text without spaces, this is ${plugin.name}`);
  }
  switch (plugin.kind) {
    case "scheduler":
      return schedulerRules(plugin);
    case "congestion-control":
      if (!["loss", "delay", "model", undefined].includes(plugin.basis)) {
        throw new RuleError(
          "plugin",
          `'basis' must be one of loss, delay and model, this is ${plugin.basis}`,
        );
      }
      return congestionRules(plugin);
    case "path-manager":
      return pathRules(plugin);
    default:
      throw new RuleError(
        "plugin",
        `'kind' must be one of scheduler, congestion-control and path-manager, this is ${
          (plugin as Plugin).kind
        }`,
      );
  }
}

/**
 * Every rule that a plugin breaks; none when it is sound.
 *
 * @example
 * ```ts
 * import { brokenRules, type SchedulerPlugin } from "@mptcp/mptcp/testing";
 * import { assertEquals } from "@std/assert";
 *
 * // Sends nothing, ever.
 * const idle: SchedulerPlugin = {
 *   kind: "scheduler",
 *   name: "idle",
 *   create: () => ({ pick: () => null }),
 * };
 * assertEquals(brokenRules(idle).length > 0, true);
 * console.log(brokenRules(idle).map(({ message }) => message).join("\n"));
 * ```
 */
export function brokenRules(plugin: Plugin): RuleError[] {
  const broken: RuleError[] = [];
  for (const rule of conformance(plugin)) {
    try {
      rule.check();
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      broken.push(error);
    }
  }
  return broken;
}

/**
 * Checks all rules.
 *
 * @example
 * ```ts
 * import { verify } from "@mptcp/mptcp/testing";
 * import { aimd } from "@mptcp/mptcp/cc";
 * import { assertThrows } from "@std/assert";
 *
 * const reno = (times: number) =>
 *   aimd("mine", (subflow) => ({
 *     increase: (acked) => times * acked * subflow.mss / subflow.cwnd,
 *   }));
 * verify(reno(1));
 * assertThrows(() => verify(reno(10)));
 * ```
 *
 * @throws {RuleError} The first that is broken; its message tells all.
 */
export function verify(plugin: Plugin): void {
  const [first, ...others] = brokenRules(plugin);
  if (first === undefined) return;
  const lines = [first, ...others].map((error) => `\n  ${error.message}`);
  throw new RuleError(
    first.rule,
    `${plugin.name} breaks ${lines.length} of the rules${lines.join("")}`,
  );
}
