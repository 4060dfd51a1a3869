/** What every path manager does, seen on the toy transport. */

import type { PathContext, PathIndex, PathManager, PathManagerPlugin } from "../../core/plugin.ts";
import { memberRule } from "./member_rules.ts";
import { Fingerprint, seeded, watched } from "./random.ts";
import { Breaches, type Rule, RuleError, textOf } from "./rule.ts";
import { toyLocal, ToyPaths, type ToyPathsOptions } from "./toy_paths.ts";

const SECOND = 1e6;
/** Calls of `use` in one run that no plan needs. */
const TOO_OFTEN = 2000;

/** Something that happens while a path manager runs. */
type Step = (toy: ToyPaths) => void;

interface Scenario extends ToyPathsOptions {
  readonly name: string;
  readonly steps: readonly Step[];
}

interface Result {
  readonly breaches: Breaches;
  readonly fingerprint: number;
}

const CELLULAR = toyLocal("10.1.0.1", "cellular");
const CELLULAR_6 = toyLocal("fd01::1", "cellular");
const WIFI_6 = toyLocal("fd00::1", "wifi");

const add = (address: string, link: string): Step => ({ connection }) =>
  connection.localAdded(toyLocal(address, link));
const remove = (address: string): Step => ({ connection }) => connection.localRemoved(address);
const announced = (id: number, address: string, port = 0): Step => ({ connection }) =>
  connection.remoteAnnounced(id, { address, port });
const withdrawn = (id: number): Step => ({ connection }) => connection.remoteRemoved([id]);
const joined = (id: number, address: string, local: string): Step => (toy) => {
  toy.join(id, { address, port: 50000 + id }, local);
};
const stale = (path: PathIndex): Step => (toy) => toy.change(path, "stale");
const revived = (path: PathIndex): Step => (toy) => toy.change(path, "revived");
const left = (path: PathIndex): Step => (toy) => toy.change(path, "left");

const STEPS: readonly Step[] = [
  add("10.1.0.1", "cellular"),
  announced(2, "10.9.0.2"),
  stale(1),
  add("fd01::1", "cellular"),
  revived(1),
  announced(3, "fd09::3"),
  remove("10.1.0.1"),
  stale(1),
  left(1),
  withdrawn(2),
  add("10.1.0.1", "cellular"),
  joined(7, "10.9.0.7", "10.1.0.1"),
  announced(2, "10.9.0.2", 8080),
  remove("10.0.0.1"),
];

const FIXED: readonly Scenario[] = [
  { name: "one address each", steps: [stale(1), revived(1), stale(1), left(1)] },
  { name: "a client whose addresses come and go", steps: STEPS },
  { name: "a server whose addresses come and go", role: "server", steps: STEPS },
  {
    name: "addresses of both families",
    locals: [CELLULAR, CELLULAR_6, WIFI_6],
    steps: [announced(2, "10.9.0.2"), stale(1), announced(3, "fd09::3"), left(1), left(2)],
  },
  {
    name: "a first path over IPv6, the other address of IPv4",
    local: "fd00::1",
    locals: [CELLULAR],
    steps: [stale(1), revived(1), left(1)],
  },
  {
    name: "joins that fail, a peer that echoes nothing",
    locals: [CELLULAR],
    unreachable: ["10.9.0.1"],
    silent: true,
    steps: [announced(2, "10.9.0.2"), stale(1), announced(2, "10.9.0.2"), left(1)],
  },
  {
    name: "a server whose peer joins",
    role: "server",
    locals: [CELLULAR, CELLULAR_6],
    steps: [joined(1, "10.9.0.9", "10.1.0.1"), joined(2, "fd09::9", "fd01::1"), left(2), stale(1)],
  },
  {
    name: "a peer that wants no join to its first address",
    deny: true,
    locals: [CELLULAR],
    steps: [stale(1), announced(2, "10.9.0.2"), revived(1)],
  },
  { name: "no subflow but the first allowed", limits: { subflows: 0 }, steps: STEPS },
  { name: "paths that end while they are closed", sudden: true, steps: STEPS },
];

/** A scenario that follows from its seed. */
function drawn(seed: number): Scenario {
  const random = seeded(seed);
  const whole = (most: number): number => Math.floor(random() * most);
  const local = (): string => random() < 0.7 ? `10.${whole(4)}.0.1` : `fd0${whole(4)}::1`;
  const remote = (): string => random() < 0.7 ? `10.9.0.${whole(5)}` : `fd09::${whole(5)}`;
  const path = (): PathIndex => 1 + whole(6);
  const draw = (): Step => {
    const kinds: readonly (() => Step)[] = [
      () => add(local(), random() < 0.5 ? "cellular" : "wifi"),
      () => remove(local()),
      () => announced(1 + whole(4), remote(), random() < 0.2 ? 8080 : 0),
      () => withdrawn(whole(5)),
      () => joined(1 + whole(6), remote(), local()),
      () => stale(path()),
      () => revived(path()),
      () => left(path()),
    ];
    return kinds[whole(kinds.length)]!();
  };
  return {
    name: `drawn scenario ${seed}`,
    role: random() < 0.6 ? "client" : "server",
    local: random() < 0.7 ? "10.0.0.1" : "fd00::1",
    sudden: random() < 0.3,
    silent: random() < 0.3,
    unreachable: random() < 0.5 ? [remote(), remote()] : [],
    steps: Array.from({ length: 40 }, draw),
  };
}

const DRAWN: readonly Scenario[] = Array.from({ length: 24 }, (_, i) => drawn(i + 1));

/** The path manager under test, every call of which is looked at. */
function checked(
  plugin: PathManagerPlugin,
  breaches: Breaches,
  calls: Fingerprint,
): PathManagerPlugin {
  return {
    ...plugin,
    create: (context) => {
      let manager: PathManager = { onEvent: () => {} };
      try {
        manager = plugin.create(checkedContext(context, breaches, calls));
      } catch (error) {
        breaches.note("never-throws", `create: ${textOf(error)}`);
      }
      return {
        onEvent: (event) => {
          try {
            manager.onEvent(event);
          } catch (error) {
            breaches.note("never-throws", `onEvent(${event.type}): ${textOf(error)}`);
          }
        },
        end: () => {
          try {
            manager.end?.();
          } catch (error) {
            breaches.note("never-throws", `end: ${textOf(error)}`);
          }
        },
        refuse: (remote, local) => {
          let reason: number | null = null;
          try {
            reason = manager.refuse?.(remote, local) ?? null;
          } catch (error) {
            breaches.note("never-throws", `refuse: ${textOf(error)}`);
          }
          if (reason === null || (Number.isInteger(reason) && reason >= 0 && reason < 256)) {
            return reason;
          }
          breaches.note("sane-values", `refuse answered ${reason}`);
          return null;
        },
      };
    },
  };
}

function checkedContext(context: PathContext, breaches: Breaches, calls: Fingerprint): PathContext {
  const given = new Set<PathIndex>([1]);
  let uses = 0;
  const known = (path: PathIndex): boolean => {
    for (const view of context.paths) given.add(view.path);
    if (given.has(path)) return true;
    breaches.note("known-index", `${path} was never the index of a path`);
    return false;
  };
  return {
    role: context.role,
    token: context.token,
    get limits() {
      return context.limits;
    },
    locals: context.locals,
    remotes: context.remotes,
    paths: context.paths,
    get peerDeniesJoinToInitial() {
      return context.peerDeniesJoinToInitial;
    },
    route: context.route,
    identify: context.identify,
    limitSubflows: context.limitSubflows,
    index: (spec) => {
      const { local, remote } = spec;
      if (local.family !== remote.family) {
        breaches.note("one-family", `index of a path from ${local.address} to ${remote.address}`);
        return 1;
      }
      const path = context.index(spec);
      given.add(path);
      return path;
    },
    use: (paths) => {
      if (++uses > TOO_OFTEN) {
        breaches.note("comes-to-rest", `use was called ${TOO_OFTEN} times`);
        return;
      }
      if (paths.length === 0 && context.paths.length > 0) {
        breaches.note("keeps-a-path", "use was called with no path at all");
      }
      const once = [...new Set(paths)];
      if (once.length < paths.length) {
        breaches.note("index-once", `use names an index twice: ${paths.join(", ")}`);
      }
      for (const path of once) calls.add(path);
      calls.add(0);
      const usable = once.filter(known);
      if (usable.length > 0) context.use(usable);
    },
    setBackup: (path, backup) => {
      calls.add(backup ? -path : path);
      if (known(path)) context.setBackup(path, backup);
    },
    announce: (address) => {
      const own = context.locals.some((local) =>
        local.id === address.id && local.address === address.address
      );
      if (own) context.announce(address);
      else {breaches.note(
          "own-address",
          `${address.address} was announced and is not one of locals`,
        );}
    },
    withdraw: (address) => context.withdraw(address),
    after: (delay, callback) => {
      if (!(delay >= 0 && delay < Infinity)) {
        breaches.note("sane-values", `after was called with a delay of ${delay}`);
        return () => {};
      }
      return context.after(delay, () => {
        try {
          callback();
        } catch (error) {
          breaches.note("never-throws", `in a callback of after: ${textOf(error)}`);
        }
      });
    },
  };
}

function runPaths(plugin: PathManagerPlugin, scenario: Scenario): Result {
  const breaches = new Breaches();
  const calls = new Fingerprint();
  const toy = new ToyPaths(checked(plugin, breaches, calls), scenario);
  toy.events.at(0, () => toy.connection.start());
  scenario.steps.forEach((step, i) => toy.events.at((i + 1) * SECOND, () => step(toy)));
  const end = (scenario.steps.length + 60) * SECOND;
  toy.events.run(end);
  const before = toy.log.length;
  toy.events.run(end + 600 * SECOND);
  const late = toy.log.slice(before).find((line) => /^(open|close)/.test(line));
  if (late !== undefined) {
    breaches.note("comes-to-rest", `"${late}" a minute after the last event`);
  }
  toy.connection.stop();
  for (const error of toy.errors) breaches.note("never-throws", textOf(error));
  return { breaches, fingerprint: calls.value };
}

/** The local addresses that it uses before one of them goes, and half a minute after that is back. */
function checkReturn(plugin: PathManagerPlugin): void {
  const toy = new ToyPaths(plugin, { locals: [CELLULAR] });
  const used = (): string => {
    const addresses = toy.paths.filter(({ backup }) => !backup).map(({ local }) => local.address);
    return [...new Set(addresses)].sort().join(", ");
  };
  toy.events.at(0, () => toy.connection.start());
  toy.events.run(10 * SECOND);
  const before = used();
  toy.events.at(toy.events.now, () => toy.connection.localRemoved(CELLULAR.address));
  toy.events.run(20 * SECOND);
  toy.events.at(toy.events.now, () => toy.connection.localAdded(CELLULAR));
  toy.events.run(50 * SECOND);
  const after = used();
  toy.connection.stop();
  if (before === after) return;
  throw new RuleError("returns", `it used ${before || "none"}, and uses ${after || "none"} now`);
}

/** Rules that every run watches over. */
const EVERYWHERE: readonly (readonly [name: string, says: string])[] = [
  ["never-throws", "No call throws, whatever happens in whatever order."],
  ["one-family", "A path joins addresses of one family."],
  ["known-index", "use and setBackup name indices that index gave, or that are in use."],
  ["index-once", "use names each index once: it is a set."],
  [
    "keeps-a-path",
    "use names one path at least while any is in use: a connection without can do nothing.",
  ],
  ["own-address", "Only addresses of this host are announced."],
  ["sane-values", "Delays are numbers from 0 on; refuse answers null or an octet."],
  ["comes-to-rest", "When nothing happens any more, nothing is opened or closed a minute later."],
];

/** The rules for `plugin`. Their runs are shared and made when first needed. */
export function pathRules(plugin: PathManagerPlugin): Rule[] {
  const results = new Map<Scenario, Result>();
  const run = (scenario: Scenario): Result => {
    let result = results.get(scenario);
    if (result === undefined) {
      result = runPaths(plugin, scenario);
      results.set(scenario, result);
    }
    return result;
  };
  return [
    ...EVERYWHERE.map(([name, says]): Rule => ({
      name,
      says,
      check: () => {
        for (const scenario of [...FIXED, ...DRAWN]) {
          run(scenario).breaches.raise(name, scenario.name);
        }
      },
    })),
    {
      name: "returns",
      says: "An address of the client that was away is used again as it was before it went.",
      check: () => checkReturn(plugin),
    },
    {
      name: "own-chance",
      says: "The same events lead to the same calls: no clock and no chance of the platform.",
      check: () => {
        for (const scenario of [...FIXED, ...DRAWN.slice(0, 6)]) {
          let fingerprint = 0;
          const used = watched(() => fingerprint = runPaths(plugin, scenario).fingerprint);
          const differs = fingerprint !== run(scenario).fingerprint;
          if (used === null && !differs) continue;
          const detail = used === null ? "two runs differ" : `it calls ${used}`;
          throw new RuleError("own-chance", `${detail} (${scenario.name})`);
        }
      },
    },
    memberRule(plugin, (noted) => void runPaths(noted, FIXED[0]!)),
  ];
}
