import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { aimd, lia, reno } from "../../cc/mod.ts";
import {
  guardCongestionControl,
  guardPathManager,
  guardScheduler,
  MOST_FAULTS,
  type PluginFault,
} from "../../core/host/plugin_guard.ts";
import type {
  Choice,
  CongestionController,
  Scheduler,
  SchedulerPlugin,
  SubflowView,
} from "../../core/plugin.ts";
import { fullMesh } from "../../pm/mod.ts";
import { minRtt, redundant } from "../../sched/mod.ts";
import { ack, MSS, TestConnection } from "../cc/support.ts";
import { runToy } from "../kit/toy_connection.ts";
import { brokenRules } from "../kit/mod.ts";
import { toyLocal, ToyPaths } from "../kit/toy_paths.ts";
import { chunk, connection, subflow } from "../sched/support.ts";
import cwndNan from "../broken/cwnd_nan.ts";
import foreignFamily from "../broken/foreign_family.ts";
import ignoresBackup from "../broken/ignores_backup.ts";
import indexTwice from "../broken/index_twice.ts";
import namesClosedPath from "../broken/names_closed_path.ts";
import throwsAt100thPick from "../broken/throws_at_100th_pick.ts";
import waitsForEver from "../broken/waits_for_ever.ts";

const [near, far] = [subflow(1, 20), subflow(2, 200)] as const;

function scheduler(name: string, made: Partial<Scheduler>): SchedulerPlugin {
  return {
    kind: "scheduler",
    name,
    create: () => ({ pick: (ready) => ready[0] ?? null, ...made }),
  };
}

function path(choice: Choice): number | null {
  return choice === null ? null : (choice as SubflowView).path;
}

/** Guards a scheduler that answers `choice`, and asks it once. */
function judged(choice: unknown, subflows = [near, far]): PluginFault[] {
  const faults: PluginFault[] = [];
  const plugin = scheduler("odd", { pick: () => choice as Choice });
  const guarded = guardScheduler(plugin, minRtt(), (fault) => faults.push(fault));
  const answer = guarded.create(connection(subflows)).pick([far, near], chunk());
  if (faults.length === 0) assertEquals(answer, choice);
  else assertEquals(path(answer), 1);
  return faults;
}

describe("guardScheduler", () => {
  it("lets right answers through as they are", () => {
    for (const choice of [near, far, { path: 2 }, [near, far], [{ path: 1 }]]) {
      assertEquals(judged(choice), []);
    }
  });

  it("takes unknown paths and what is no answer for faults, and the default decides", () => {
    const whats = [{ path: 3 }, { path: NaN }, [near, { path: 9 }], undefined, 1, [near, near], [
      {},
    ]]
      .map((choice) => judged(choice)[0]?.what);
    assertEquals(whats, [
      "named path 3, which is not in use",
      "named path NaN, which is not in use",
      "named path 9, which is not in use",
      "answered undefined in pick",
      "answered 1 in pick",
      "named path 1 twice",
      "named path undefined, which is not in use",
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
    const guarded = guardScheduler(plugin, minRtt(), (fault) => faults.push(fault)).create(live);
    assertEquals(guarded.pick([near], chunk()), null);
    now = 9;
    assertEquals(guarded.pick([near], chunk()), null);
    now = 10;
    assertEquals(path(guarded.pick([near], chunk())), 1);
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
      const guarded = guardScheduler(plugin, minRtt(), (fault) => faults.push(fault));
      assertEquals(path(guarded.create(connection([near])).pick([near], chunk())), 1);
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
    const guarded = guardScheduler(plugin, minRtt(), (fault) => faults.push(fault))
      .create(connection([near, far]));
    assert(guarded.repeat);
    for (let i = 0; i < 150; i++) assertEquals(path(guarded.pick([far, near], chunk())), 1);
    assertEquals(calls, MOST_FAULTS);
    assertEquals(faults.length, MOST_FAULTS);
    assertEquals(faults.map(({ count }) => count), Array.from({ length: 100 }, (_, i) => i + 1));
    assertEquals(faults.findIndex(({ replaced }) => replaced), 99);
    const { kind, plugin: name, what, error } = faults[0]!;
    assertEquals([kind, name, what], ["scheduler", "bad", "threw in pick"]);
    assertEquals((error as Error).message, "no");
    assertEquals(guarded.repeat, undefined);
  });

  it("catches faults in the other calls", () => {
    const faults: string[] = [];
    const fails = (): never => {
      throw new Error("no");
    };
    const plugin = scheduler("bad", { repeat: fails, onAck: fails, onSubflow: fails });
    const guarded = guardScheduler(plugin, redundant(), ({ what }) => faults.push(what))
      .create(connection([near, far]));
    assertEquals(guarded.repeat!(near, chunk(far)), true);
    guarded.onAck!(near, 1);
    guarded.onSubflow!(near, "stale");
    assertEquals(faults, ["threw in repeat", "threw in onAck", "threw in onSubflow"]);
  });

  it("tells the default of the subflows that are there, once it is called in", () => {
    const seen: string[] = [];
    const fallback = scheduler("default", {
      onSubflow: (each, change) => seen.push(`${each.path} ${change}`),
    });
    const plugin = scheduler("bad", { pick: () => ({ path: 7 }) });
    const guarded = guardScheduler(plugin, fallback, () => {}).create(connection([near, far]));
    guarded.onSubflow!(near, "joined");
    guarded.pick([near], chunk());
    guarded.onSubflow!(far, "stale");
    assertEquals(seen, ["1 joined", "2 joined", "2 stale"]);
  });

  it("replaces at once what cannot be made", () => {
    const faults: PluginFault[] = [];
    const plugin: SchedulerPlugin = {
      kind: "scheduler",
      name: "unmade",
      create: () => {
        throw new Error("no");
      },
    };
    const guarded = guardScheduler(plugin, minRtt(), (fault) => faults.push(fault));
    assertEquals(path(guarded.create(connection([near])).pick([near], chunk())), 1);
    assertEquals(faults.map(({ what, replaced }) => [what, replaced]), [["threw in create", true]]);
  });

  it("keeps transfers alive with every scheduler that names, waits or throws wrongly", () => {
    for (
      const plugin of [namesClosedPath(), waitsForEver(), throwsAt100thPick(), ignoresBackup()]
    ) {
      const faults: PluginFault[] = [];
      const guarded = guardScheduler(plugin, minRtt(), (fault) => faults.push(fault));
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
      const guarded = guardScheduler(plugin, minRtt(), (fault) => {
        throw new Error(fault.what);
      });
      assertEquals(brokenRules(guarded), []);
      const scenario = {
        name: "bulk",
        paths: [{ rate: 1e6, rtt: 20e3 }, { rate: 5e5, rtt: 90e3 }],
        writes: [{ at: 0, bytes: 1e6 }],
      };
      assertEquals(runToy(guarded, scenario).fingerprint, runToy(plugin, scenario).fingerprint);
    }
  });
});

/** A controller of one value. */
function constant(cwnd: number, more: Partial<CongestionController> = {}): CongestionController {
  return { cwnd, ssthresh: Infinity, onAck: () => {}, onCongestion: () => {}, ...more };
}

describe("guardCongestionControl", () => {
  it("keeps the default's window where the plugin's is no positive number", () => {
    const faults: PluginFault[] = [];
    const guarded = guardCongestionControl(cwndNan(), reno(), (fault) => faults.push(fault));
    const { subflows } = new TestConnection(guarded, [[10, 50], [20, 50]]);
    const [flow, other] = subflows;
    ack(flow!, 10 * MSS);
    assertEquals([flow!.cwnd, flow!.ssthresh], [10 * MSS, 10 * MSS]);
    for (let i = 0; i < 30; i++) ack(flow!, 10 * MSS);
    assert(flow!.cwnd > 20 * MSS);
    assertEquals(faults[0]?.what, "set cwnd to NaN");
    assertEquals(faults[0]?.plugin, "cwnd_nan");
    // The other subflow's controller is sound until it has its own NaN.
    assertEquals(other!.cwnd, 20 * MSS);
    for (let i = 0; i < 200; i++) ack(flow!, MSS);
    assertEquals(faults.length, MOST_FAULTS);
    assertEquals(faults.at(-1)?.replaced, true);
    const before = other!.cwnd;
    ack(other!, 2 * before);
    assert(other!.cwnd > before);
  });

  it("refuses windows, thresholds and rates that are none", () => {
    const wrong: CongestionController[] = [
      constant(NaN),
      constant(0),
      constant(-1),
      constant(Infinity),
      constant(10 * MSS, { ssthresh: NaN }),
      constant(10 * MSS, { ssthresh: 0 }),
      constant(10 * MSS, { pacingRate: NaN }),
      constant(10 * MSS, { pacingRate: -5 }),
    ];
    for (const controller of wrong) {
      const faults: string[] = [];
      const plugin = {
        kind: "congestion-control" as const,
        name: "wrong",
        create: () => ({ join: () => controller }),
      };
      const guarded = guardCongestionControl(plugin, lia(), ({ what }) => faults.push(what));
      const [flow] = new TestConnection(guarded, [[10, 50]]).subflows;
      assert(faults[0]?.startsWith("set "), faults.join());
      assertEquals([flow!.cwnd, flow!.ssthresh], [10 * MSS, 10 * MSS]);
      assertEquals(flow!.controller!.pacingRate, undefined);
    }
  });

  it("goes on where the plugin was, when the default is called in", () => {
    let broken = false;
    const plugin = aimd("late", (each) => ({
      increase: (acked) => broken ? NaN : acked * each.mss / each.cwnd,
    }));
    const guarded = guardCongestionControl(plugin, lia(), () => {});
    const { subflows } = new TestConnection(guarded, [[30, 50], [40, 50]]);
    broken = true;
    ack(subflows[0]!, MSS);
    assertEquals(subflows.map(({ cwnd, ssthresh }) => [cwnd, ssthresh]), [
      [30 * MSS, 30 * MSS],
      [40 * MSS, 40 * MSS],
    ]);
  });

  it("catches what calls throw; a loss counts all the same", () => {
    const faults: string[] = [];
    const fails = (): never => {
      throw new Error("no");
    };
    const plugin = {
      kind: "congestion-control" as const,
      name: "throws",
      create: () => ({
        join: () =>
          constant(20 * MSS, {
            onAck: fails,
            onCongestion: fails,
            onUndo: fails,
            onRestart: fails,
          }),
        leave: fails,
      }),
    };
    const guarded = guardCongestionControl(plugin, reno(), ({ what }) => faults.push(what));
    const connection = new TestConnection(guarded, []);
    const [flow] = new TestConnection(guarded, [[20, 50]]).subflows;
    assertEquals(faults, ["threw in onAck", "threw in onCongestion"]);
    assertEquals(flow!.cwnd, 20 * MSS);
    flow!.controller!.onCongestion("loss", 20 * MSS);
    assertEquals(flow!.cwnd, 10 * MSS);
    flow!.controller!.onUndo!();
    flow!.controller!.onRestart!(1);
    connection.group.leave!(flow!);
    assertEquals(faults.slice(2), [
      "threw in onCongestion",
      "threw in onUndo",
      "threw in onRestart",
      "threw in leave",
    ]);
  });

  it("passes pacing and recovery through", () => {
    const plugin = {
      kind: "congestion-control" as const,
      name: "paced",
      create: () => ({ join: () => constant(MSS, { pacingRate: 5, ownsRecovery: true }) }),
    };
    const [flow] = new TestConnection(guardCongestionControl(plugin, reno(), () => {}), [[1, 50]])
      .subflows;
    const { pacingRate, ownsRecovery } = flow!.controller!;
    assertEquals([pacingRate, ownsRecovery], [5, true]);
  });

  it("replaces at once what cannot be made", () => {
    const faults: PluginFault[] = [];
    const plugin = {
      kind: "congestion-control" as const,
      name: "unmade",
      create: () => {
        throw new Error("no");
      },
    };
    const guarded = guardCongestionControl(plugin, reno(), (fault) => faults.push(fault));
    const [flow] = new TestConnection(guarded, [[10, 50]]).subflows;
    ack(flow!, 10 * MSS);
    assertEquals(flow!.cwnd, 11 * MSS);
    assertEquals(faults.length, 1);
  });

  it("changes nothing for sound plugins", () => {
    for (const plugin of [reno(), lia()]) {
      assertEquals(
        brokenRules(guardCongestionControl(plugin, reno(), ({ what }) => {
          throw new Error(what);
        })),
        [],
      );
    }
  });
});

describe("guardPathManager", () => {
  it("lets the default handle an event that the plugin fails at", () => {
    for (
      const [plugin, what] of [[foreignFamily(), "families"], [indexTwice(), "twice"]] as const
    ) {
      const faults: PluginFault[] = [];
      const guarded = guardPathManager(plugin, fullMesh(), (fault) => faults.push(fault));
      const locals = [toyLocal("10.1.0.1", "cellular"), toyLocal("fd00::1", "wifi")];
      const toy = new ToyPaths(guarded, { locals });
      toy.connection.start();
      toy.connection.localAdded(toyLocal("10.2.0.1", "wired"));
      toy.events.run(1e6);
      assert(faults.length > 0, what);
      assertEquals(faults[0]?.what, "threw in onEvent");
      assert(faults[0]?.error instanceof RangeError);
      assertEquals(toy.paths.map(({ local }) => local.address), [
        "10.0.0.1",
        "10.1.0.1",
        "10.2.0.1",
      ]);
      assertEquals(toy.errors, []);
    }
  });

  it("catches faults in refuse and in callbacks", () => {
    const faults: string[] = [];
    const plugin = {
      kind: "path-manager" as const,
      name: "throws",
      create: ({ after }: { after(delay: number, callback: () => void): () => void }) => {
        after(10, () => {
          throw new Error("no");
        });
        return { onEvent: () => {}, refuse: () => 256 };
      },
    };
    const guarded = guardPathManager(plugin, fullMesh(), ({ what }) => faults.push(what));
    const toy = new ToyPaths(guarded, { role: "server" });
    toy.events.run(100);
    assertEquals(toy.join(1, { address: "10.9.0.9", port: 50000 }, "10.0.0.1"), { path: 2 });
    assertEquals(faults, ["threw in a callback of after", "refused a join with reason 256"]);
  });

  it("replaces after 100 faults, and at once what cannot be made", () => {
    const faults: PluginFault[] = [];
    let calls = 0;
    const plugin = {
      kind: "path-manager" as const,
      name: "throws",
      create: () => ({
        onEvent(): void {
          calls++;
          throw new Error("no");
        },
      }),
    };
    const guarded = guardPathManager(plugin, fullMesh(), (fault) => faults.push(fault));
    const toy = new ToyPaths(guarded, {});
    for (let i = 0; i < 150; i++) toy.connection.subflowChanged(1, "stale");
    assertEquals([calls, faults.length, faults.at(-1)?.replaced], [100, 100, true]);
    const unmade = {
      kind: "path-manager" as const,
      name: "unmade",
      create: () => {
        throw new Error("no");
      },
    };
    const other = new ToyPaths(
      guardPathManager(unmade, fullMesh(), (fault) => faults.push(fault)),
      {
        locals: [toyLocal("10.1.0.1", "cellular")],
      },
    );
    other.connection.start();
    assertEquals(other.log, ["open 2 10.1.0.1>10.9.0.1"]);
    assertEquals(faults.at(-1)?.what, "threw in create");
  });
});
