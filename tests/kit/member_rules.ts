/** Members of plugins and of what they make: one that is misspelt is never asked for, and does nothing, without a word. */

import { nearest } from "../../core/net/nearest.ts";
import type {
  CongestionControl,
  CongestionController,
  CongestionControlPlugin,
  PathManager,
  PathManagerPlugin,
  Plugin,
  Scheduler,
  SchedulerPlugin,
} from "../../core/plugin.ts";
import { type Rule, RuleError } from "./rule.ts";

/** What is asked for of an object, and whether it is called. */
type Members<T> = Readonly<Record<keyof T, "function" | "value">>;

const SCHEDULER: Members<Scheduler> = {
  pick: "function",
  repeat: "function",
  onAck: "function",
  onLoss: "function",
  onTimeout: "function",
  onBlocked: "function",
  onSubflow: "function",
  tune: "function",
  onClose: "function",
};
const SCHEDULER_PLUGIN: Members<SchedulerPlugin> = {
  kind: "value",
  name: "value",
  quantum: "value",
  lookAhead: "value",
  relief: "value",
  family: "value",
  create: "function",
};
const CONTROLLER: Members<CongestionController> = {
  cwnd: "value",
  ssthresh: "value",
  ssthreshLeft: "value",
  cwndLeft: "value",
  pacingRate: "value",
  ownsRecovery: "value",
  accurateEcn: "value",
  onAck: "function",
  onCongestion: "function",
  onUndo: "function",
  onRestart: "function",
};
const CONGESTION_CONTROL: Members<CongestionControl> = { join: "function", leave: "function" };
const CONGESTION_CONTROL_PLUGIN: Members<CongestionControlPlugin> = {
  kind: "value",
  name: "value",
  basis: "value",
  create: "function",
};
const PATH_MANAGER: Members<PathManager> = {
  onEvent: "function",
  refuse: "function",
  joinsAsBackup: "function",
  end: "function",
};
const PATH_MANAGER_PLUGIN: Members<PathManagerPlugin> = {
  kind: "value",
  name: "value",
  beginsAnywhere: "value",
  create: "function",
  onListener: "function",
  configure: "function",
};

/** Of each kind the plugin's members, and those of what it makes. */
const OF = {
  "scheduler": { plugin: SCHEDULER_PLUGIN, made: SCHEDULER },
  "congestion-control": { plugin: CONGESTION_CONTROL_PLUGIN, made: CONGESTION_CONTROL },
  "path-manager": { plugin: PATH_MANAGER_PLUGIN, made: PATH_MANAGER },
} as const;

/** Names of an object's own members, and of those of its classes. */
function namesOf(object: object): Set<string> {
  const names = new Set<string>();
  for (let at = object; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  }
  names.delete("constructor");
  return names;
}

function typeOf(object: object, name: string): "function" | "value" {
  return typeof Reflect.get(object, name) === "function" ? "function" : "value";
}

/** @throws {RuleError} `object` has a member that is one of `members` misspelt, or an event that there is not. */
function checkMembers(what: string, object: unknown, members: Members<object>): void {
  // What is none at all breaks other rules.
  if (typeof object !== "object" || object === null) return;
  const accepted = Object.entries(members) as [string, "function" | "value"][];
  for (const name of namesOf(object)) {
    if (Object.hasOwn(members, name)) continue;
    const type = typeOf(object, name);
    const open = accepted.filter(([one, its]) => its === type && !(one in object));
    const meant = nearest(name, open.map(([one]) => one));
    const isEvent = type === "function" && /^on[A-Z]/.test(name);
    if (meant === undefined && !isEvent) continue;
    throw new RuleError(
      "known-members",
      `nobody asks for '${name}' of ${what}: ${
        meant !== undefined
          ? `is ${meant} meant?`
          : `the members are ${accepted.map(([one]) => one).join(", ")}`
      }`,
    );
  }
}

/** The rule for `plugin`; `run` has a plugin that stands for it at work for a while. */
export function memberRule<P extends Plugin>(plugin: P, run: (plugin: P) => void): Rule {
  return {
    name: "known-members",
    says:
      "It has no member that is one of its kind's misspelt, nor an event that there is not: it would do nothing.",
    check() {
      const of = OF[plugin.kind];
      checkMembers("the plugin", plugin, of.plugin);
      const made: unknown[] = [];
      const controllers: unknown[] = [];
      const values = Object.keys(of.plugin).filter((name) => typeOf(plugin, name) === "value");
      run({
        ...Object.fromEntries(values.map((name) => [name, Reflect.get(plugin, name)])),
        create(context: never) {
          const one: unknown = plugin.create(context);
          made.push(one);
          if (plugin.kind !== "congestion-control") return one;
          const group = one as CongestionControl;
          return {
            join(subflow) {
              const controller = group.join(subflow);
              controllers.push(controller);
              return controller;
            },
            leave: (subflow) => group.leave?.(subflow),
          } satisfies CongestionControl;
        },
      } as unknown as P);
      for (const one of made) checkMembers("what it creates", one, of.made);
      for (const one of controllers) checkMembers("a controller", one, CONTROLLER);
    },
  };
}
