import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type GuardHost, MOST_FAULTS, type PluginFault } from "../../core/guard/faults.ts";
import { guardScheduler } from "../../core/guard/scheduler.ts";
import type { Choice, Chunk, Scheduler, SchedulerPlugin, SubflowView } from "../../core/plugin.ts";
import patient from "../../docs/examples/patient.ts";
import { minRtt, redundant } from "../../sched/mod.ts";
import ignoresBackup from "../broken/ignores_backup.ts";
import namesClosedPath from "../broken/names_closed_path.ts";
import throwsAt100thPick from "../broken/throws_at_100th_pick.ts";
import waitsForEver from "../broken/waits_for_ever.ts";
import { brokenRules } from "../kit/mod.ts";
import { runToy } from "../kit/toy_connection.ts";
import { chunk, connection, subflow } from "../sched/support.ts";
import { hears, SOUND } from "./support.ts";

const [near, far] = [subflow(1, 20), subflow(2, 200)] as const;

function scheduler(name: string, made: Partial<Scheduler>): SchedulerPlugin {
  return {
    kind: "scheduler",
    name,
    create: () => ({ pick: (ready) => ready[0] ?? null, ...made }),
  };
}

/** Guards a scheduler that answers `choice`, and asks it once over the far and the near path. */
function asked(
  choice: unknown,
  subflows = [near, far],
): { answer: SubflowView | readonly SubflowView[] | null; faults: PluginFault[] } {
  const faults: PluginFault[] = [];
  const plugin = scheduler("odd", { pick: () => choice as Choice });
  const guarded = guardScheduler(plugin, minRtt(), hears((fault) => faults.push(fault)));
  const answer = guarded.create(connection(subflows)).pick([far, near], chunk());
  if (faults.length > 0) assertStrictEquals(answer, near);
  return { answer, faults };
}

/** What an answer was taken for; the default then chose the near path. */
function judged(choice: unknown, subflows = [near, far]): PluginFault[] {
  return asked(choice, subflows).faults;
}

describe("guardScheduler", () => {
  it("gives back what it was given, whatever the scheduler says it with", () => {
    for (
      const choice of [near, { path: 1 }, {
        get path() {
          return 1;
        },
      }]
    ) {
      assertStrictEquals(asked(choice).answer, near);
    }
    for (const choice of [[near, far], [{ path: 1 }, { path: 2 }]]) {
      const { answer, faults } = asked(choice);
      assert(Array.isArray(answer) && answer !== choice);
      assertEquals([answer.length, faults], [2, []]);
      assertStrictEquals(answer[0], near);
      assertStrictEquals(answer[1], far);
    }
  });

  it("leaves out of several those that have no room", () => {
    const full = subflow(3, 5, { room: 0 });
    assertEquals(asked([full, near], [near, far, full]).answer, [near]);
  });

  it("reads an answer once", () => {
    for (const several of [false, true]) {
      let reads = 0;
      const choice = {
        get path() {
          return ++reads === 1 ? 1 : 9;
        },
      };
      const { answer } = asked(several ? [choice] : choice);
      assertEquals([answer, reads], [several ? [near] : near, 1]);
    }
  });

  it("takes unknown paths and what is no answer for faults, and the default decides", () => {
    const fails = {
      get path(): number {
        throw new Error("no");
      },
    };
    const whats = [
      { path: 3 },
      { path: NaN },
      [near, { path: 9 }],
      undefined,
      1,
      [near, near],
      [{}],
      [null],
      "1",
      () => near,
      Promise.resolve(near),
      Promise.reject(new Error("nobody hears of it")),
      fails,
      [fails],
    ].map((choice) => judged(choice)[0]?.what);
    assertEquals(whats, [
      "named path 3, which is not in use",
      "named path NaN, which is not in use",
      "named path 9, which is not in use",
      "answered undefined in pick",
      "answered 1 in pick",
      "named path 1 twice",
      "named path undefined, which is not in use",
      "named path undefined, which is not in use",
      'answered "1" in pick',
      "answered a function in pick",
      "answered a promise in pick",
      "answered a promise in pick",
      "threw in pick",
      "threw in pick",
    ]);
  });

  it("takes a wait that nothing ends for a fault", () => {
    const what = "waits with nothing in flight and no wake due";
    const full = subflow(3, 5, { room: 0 });
    for (const choice of [null, [], { path: 3 }]) {
      assertEquals(judged(choice, [near, far, full])[0]?.what, what);
      const busy = subflow(4, 5, { inFlight: 1400 });
      assertEquals(judged(choice, [near, far, full, busy]), []);
    }
  });

  it("lets a scheduler wait until a wake that it asked for", () => {
    let now = 0;
    const wakes: number[] = [];
    const faults: PluginFault[] = [];
    const plugin: SchedulerPlugin = {
      kind: "scheduler",
      name: "later",
      create: (view) => ({
        pick() {
          if (wakes.length === 0) view.wake(view.now + 10);
          return null;
        },
      }),
    };
    const view = connection([near], { wake: (at) => wakes.push(at) });
    const live = Object.defineProperty({ ...view }, "now", { get: () => now });
    const guarded = guardScheduler(plugin, minRtt(), hears((fault) => faults.push(fault))).create(
      live,
    );
    assertEquals(guarded.pick([near], chunk()), null);
    now = 9;
    assertEquals(guarded.pick([near], chunk()), null);
    now = 10;
    assertStrictEquals(guarded.pick([near], chunk()), near);
    assertEquals([wakes, faults.length], [[10], 1]);
  });

  it("takes a wake that is not ahead for a fault", () => {
    for (const at of [0, -1, NaN, Infinity]) {
      const faults: PluginFault[] = [];
      const plugin: SchedulerPlugin = {
        kind: "scheduler",
        name: "now",
        create: (view) => ({
          pick() {
            view.wake(at);
            return null;
          },
        }),
      };
      const guarded = guardScheduler(plugin, minRtt(), hears((fault) => faults.push(fault)));
      assertStrictEquals(guarded.create(connection([near])).pick([near], chunk()), near);
      assertEquals(faults[0]?.what, "threw in pick");
      assert(faults[0]?.error instanceof RangeError);
    }
  });

  it("reports name, count and cause, and replaces after 100 faults", () => {
    const faults: PluginFault[] = [];
    let calls = 0;
    const plugin = scheduler("bad", {
      pick() {
        calls++;
        throw new Error("no");
      },
      repeat: () => true,
    });
    const guarded = guardScheduler(plugin, minRtt(), hears((fault) => faults.push(fault)))
      .create(connection([near, far]));
    assert(guarded.repeats);
    for (let i = 0; i < 150; i++) assertStrictEquals(guarded.pick([far, near], chunk()), near);
    assertEquals(calls, MOST_FAULTS);
    assertEquals(faults.length, MOST_FAULTS);
    assertEquals(faults.map(({ count }) => count), Array.from({ length: 100 }, (_, i) => i + 1));
    assertEquals(faults.findIndex(({ replaced }) => replaced), 99);
    const { kind, plugin: name, callback, rule, what, error } = faults[0]!;
    assertEquals([kind, name, what], ["scheduler", "bad", "threw in pick"]);
    assertEquals([callback, rule], ["pick", "never-throws"]);
    assertEquals((error as Error).message, "no");
    assert(!guarded.repeats);
  });

  it("catches faults in the other calls", () => {
    const faults: string[] = [];
    const fails = (): never => {
      throw new Error("no");
    };
    const plugin = scheduler("bad", { repeat: fails, onAck: fails, onSubflow: fails });
    const guarded = guardScheduler(plugin, redundant(), hears(({ what }) => faults.push(what)))
      .create(connection([near, far]));
    assertEquals(guarded.repeat(near, chunk(far)), true);
    guarded.onAck(near, 1);
    guarded.onSubflow(near, "stale");
    assertEquals(faults, ["threw in repeat", "threw in onAck", "threw in onSubflow"]);
  });

  it("tells the default of the subflows that are there, once it is called in", () => {
    const seen: string[] = [];
    const fallback = scheduler("default", {
      onSubflow: (each, change) => seen.push(`${each.path} ${change}`),
    });
    const plugin = scheduler("bad", { pick: () => ({ path: 7 }) });
    const guarded = guardScheduler(plugin, fallback, hears()).create(connection([near, far]));
    guarded.onSubflow(near, "joined");
    guarded.pick([near], chunk());
    guarded.onSubflow(far, "stale");
    assertEquals(seen, ["1 joined", "2 joined", "2 stale"]);
  });

  it("takes answers that are no yes and no no, and promises, for faults", () => {
    const faults: string[] = [];
    const later = (): Promise<never> => Promise.reject(new Error("nobody hears of it"));
    const answers: unknown[] = [undefined, 1, later()];
    const plugin = scheduler("late", {
      repeat: () => answers.shift() as boolean,
      onAck: later,
      onSubflow: later,
    });
    const guarded = guardScheduler(plugin, redundant(), hears(({ what }) => faults.push(what)))
      .create(connection([near, far]));
    for (let i = 0; i < 3; i++) assertEquals(guarded.repeat(near, chunk(far)), true);
    guarded.onAck(near, 1);
    guarded.onSubflow(near, "stale");
    assertEquals(faults, [
      "answered undefined in repeat",
      "answered 1 in repeat",
      "answered a promise in repeat",
      "answered a promise in onAck",
      "answered a promise in onSubflow",
    ]);
  });

  it("replaces at once what cannot be made", () => {
    const fails = (): never => {
      throw new Error("no");
    };
    const pick = minRtt().create(connection([])).pick;
    const getter = {
      pick,
      get onAck(): never {
        throw new Error("no");
      },
    };
    const wrong: [create: () => unknown, what: string][] = [
      [fails, "threw in create"],
      [() => getter, "threw in create"],
      [() => undefined, "answered undefined in create"],
      [() => null, "answered null in create"],
      [() => pick, "answered a function in create"],
      [() => Promise.resolve({ pick }), "answered a promise in create"],
      [() => ({}), "made a scheduler whose pick is undefined, no function"],
      [() => ({ pick: 3 }), "made a scheduler whose pick is 3, no function"],
      [() => ({ pick, repeat: "no" }), 'made a scheduler whose repeat is "no", no function'],
    ];
    for (const [create, text] of wrong) {
      const faults: PluginFault[] = [];
      const plugin = { kind: "scheduler", name: "unmade", create } as SchedulerPlugin;
      const guarded = guardScheduler(plugin, minRtt(), hears((fault) => faults.push(fault)));
      assertStrictEquals(guarded.create(connection([near])).pick([near], chunk()), near);
      assertEquals(faults.map(({ what, replaced }) => [what, replaced]), [[text, true]]);
    }
  });

  it("shows views that nobody can write to, and that say the same as the stack's", () => {
    const seen: {
      ready: readonly SubflowView[];
      chunk: Chunk;
      subflows: readonly SubflowView[];
    }[] = [];
    const plugin: SchedulerPlugin = {
      kind: "scheduler",
      name: "looks",
      create: (view) => ({
        pick(ready, chunk) {
          seen.push({ ready, chunk, subflows: view.subflows });
          for (const face of [...ready, ...view.subflows, ...chunk.sentOn, chunk, view]) {
            for (let at: object | null = face; at !== null; at = Object.getPrototypeOf(at)) {
              if (at === Object.prototype) break;
              assert(Object.isFrozen(at));
            }
          }
          assertThrows(() => Object.assign(ready[0]!, { stale: true }), TypeError);
          assertThrows(() => Object.assign(ready[0]!.local, { port: 1 }), TypeError);
          assertThrows(() => Object.assign(ready[0]!, { usable: false }), TypeError);
          assertThrows(() => Object.assign(chunk, { length: 1e9 }), TypeError);
          assertThrows(() => Object.assign(view, { window: 0 }), TypeError);
          return ready[0]!;
        },
      }),
    };
    const guarded = guardScheduler(plugin, minRtt(), SOUND).create(connection([near, far]));
    assertStrictEquals(guarded.pick([far], chunk(near)), far);
    const [{ ready, chunk: shown, subflows } = { ready: [], chunk: chunk(), subflows: [] }] = seen;
    assertEquals([shown.offset, shown.length], [1, 1400]);
    assertStrictEquals(ready[0], subflows[1]);
    assertStrictEquals(shown.sentOn[0], subflows[0]);
    const names = Object.keys(near) as (keyof SubflowView)[];
    for (const name of names) assertEquals(subflows[0]![name], near[name], name);
  });

  it("does not show those that are being closed: who waited for them would wait in vain", () => {
    const seen: number[][] = [];
    const plugin: SchedulerPlugin = {
      kind: "scheduler",
      name: "looks",
      create: ({ subflows }) => ({
        pick(ready) {
          seen.push(subflows.map(({ path }) => path));
          return ready[0] ?? null;
        },
      }),
    };
    const leaving = { ...subflow(3, 5, { inFlight: 1400, room: 0 }), usable: true };
    const subflows = [near, far, leaving];
    const guarded = guardScheduler(plugin, minRtt(), SOUND).create(connection(subflows));
    guarded.pick([far], chunk());
    leaving.usable = false;
    guarded.pick([far], chunk());
    leaving.usable = true;
    guarded.pick([far], chunk());
    assertEquals(seen, [[1, 2, 3], [1, 2], [1, 2, 3]]);
    leaving.usable = false;
    const waits = guardScheduler(patient(), minRtt(), SOUND).create(connection([far, leaving]));
    assertStrictEquals(waits.pick([far], chunk()), far);
  });

  it("mends what a scheduler does to arrays, before the next call", () => {
    const lengths: number[][] = [];
    const spoilers: ((array: SubflowView[]) => void)[] = [
      (array) => array.pop(),
      (array) => array.length = 0,
      (array) => array.reverse(),
      (array) => array.push(array[0]!, array[0]!),
      (array) => array.fill({ ...near, path: 2, room: 1e9 }),
      (array) => delete array[0],
    ];
    const plugin: SchedulerPlugin = {
      kind: "scheduler",
      name: "spoils",
      create: ({ subflows }) => ({
        pick(ready, { sentOn }) {
          lengths.push([subflows, ready, sentOn].map(({ length }) => length));
          assertEquals([...subflows, ...ready, ...sentOn].map(({ path }) => path), [1, 2, 1, 2, 2]);
          const spoil = spoilers.shift();
          for (const array of [subflows, ready, sentOn]) spoil?.(array as SubflowView[]);
          return { path: 2 };
        },
      }),
    };
    const stack = [near, far];
    const [ready, carriers] = [[near, far], [far]];
    const guarded = guardScheduler(plugin, minRtt(), SOUND).create(connection(stack));
    for (let i = 0; i < 7; i++) {
      assertStrictEquals(guarded.pick(ready, chunk(...carriers)), far);
      assertEquals([stack, ready, carriers], [[near, far], [near, far], [far]]);
    }
    assertEquals(lengths, Array.from({ length: 7 }, () => [2, 2, 1]));
  });

  it("has another array where a scheduler froze one", () => {
    const faults: PluginFault[] = [];
    const plugin = scheduler("freezes", {
      pick: (ready) => Object.freeze(ready)[0] ?? null,
    });
    const guarded = guardScheduler(plugin, minRtt(), hears((fault) => faults.push(fault)))
      .create(connection([near, far]));
    assertStrictEquals(guarded.pick([far], chunk()), far);
    assertStrictEquals(guarded.pick([near], chunk()), near);
    assertEquals(faults, []);
  });

  it("shows the same view of a subflow until that has left", () => {
    const seen: SubflowView[] = [];
    const plugin = scheduler("keeps", {
      onSubflow: (face) => seen.push(face),
      pick: (ready) => (seen.push(ready[0]!), null),
      repeat: (face, { sentOn }) => (seen.push(face, sentOn[0]!), true),
      onAck: (face) => seen.push(face),
    });
    const busy = subflow(4, 5, { inFlight: 1400 });
    const guarded = guardScheduler(plugin, minRtt(), SOUND).create(connection([busy]));
    guarded.onSubflow(busy, "joined");
    guarded.pick([busy], chunk());
    guarded.repeat(busy, chunk(busy));
    guarded.onAck(busy, 1);
    guarded.onSubflow(busy, "left");
    assertEquals([seen.length, new Set(seen).size], [6, 1]);
    guarded.onSubflow(busy, "joined");
    assertEquals(new Set(seen).size, 2);
  });

  it("gives each scheduler a stream of its own", () => {
    const drawn: string[] = [];
    const host: GuardHost = {
      report: () => {},
      now: () => 0,
      random: (stream) => (drawn.push(stream), 0.5),
    };
    const draws = (name: string): SchedulerPlugin => ({
      kind: "scheduler",
      name,
      create: (view) => ({
        pick: () => view.random() === 0.5 && name === "default" ? { path: 1 } : { path: 9 },
      }),
    });
    guardScheduler(draws("mine"), draws("default"), host).create(connection([near]))
      .pick([near], chunk());
    assertEquals(drawn, ["plugin mine", "plugin default"]);
  });

  it("keeps transfers alive with every scheduler that names, waits or throws wrongly", () => {
    for (
      const plugin of [namesClosedPath(), waitsForEver(), throwsAt100thPick(), ignoresBackup()]
    ) {
      const faults: PluginFault[] = [];
      const guarded = guardScheduler(plugin, minRtt(), hears((fault) => faults.push(fault)));
      const { done, breaches } = runToy(guarded, {
        name: "a path leaves",
        paths: [{ rate: 1e6, rtt: 20e3, until: 3e5 }, { rate: 1e6, rtt: 30e3 }],
        writes: [{ at: 0, bytes: 2e6 }],
      });
      assert(done < 10e6, `${plugin.name}: ${done}`);
      for (const rule of ["never-throws", "known-path", "waits-end", "delivers"]) {
        breaches.raise(rule, plugin.name);
      }
      assertEquals(faults.length > 0, plugin.name !== "ignores_backup", plugin.name);
    }
  });

  it("changes nothing for sound plugins", () => {
    for (const plugin of [minRtt(), redundant()]) {
      const guarded = guardScheduler(plugin, minRtt(), SOUND);
      // What it says of itself is for the kit, and nothing to the guard.
      const { family } = plugin;
      assertEquals(brokenRules({ ...guarded, ...(family !== undefined && { family }) }), []);
      const scenario = {
        name: "bulk",
        paths: [{ rate: 1e6, rtt: 20e3 }, { rate: 5e5, rtt: 90e3 }],
        writes: [{ at: 0, bytes: 1e6 }],
      };
      assertEquals(runToy(guarded, scenario).fingerprint, runToy(plugin, scenario).fingerprint);
    }
  });
});
