import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../cc/mod.ts";
import type { PathManagerPlugin, SchedulerPlugin } from "../../core/plugin.ts";
import { fullMesh } from "../../pm/mod.ts";
import { roundRobin } from "../../sched/mod.ts";
import { sayStuck } from "../../cli/sim_pool.ts";
import { measure, type Scenario } from "../../sim/mod.ts";
import {
  noteLoading,
  noteShare,
  PluginWatch,
  watchMemory,
  watchPolicies,
  watchRun,
} from "../../sim/watch_plugins.ts";

const SCENARIO: Scenario = {
  hosts: { client: {}, server: {} },
  links: { wire: { between: ["client", "server"], rate: "10 Mbit/s", delay: "10 ms", loss: 0.01 } },
  traffic: { it: { kind: "bulk", client: "client", server: "server", bytes: "300 kB" } },
};

/** What the watch says at each of some looks. */
const NEVER_RETURNS = "what is loaded from mine.ts does not come to an end";

function looks(watch: PluginWatch, times: number): (string | null)[] {
  return Array.from({ length: times }, () => watch.stuck(3));
}

describe("a watch of plugins", () => {
  it("changes nothing of what they do", () => {
    const policies = { scheduler: roundRobin(), congestionControl: reno() };
    const plain = measure(SCENARIO, policies);
    assertEquals(measure(SCENARIO, watchPolicies(policies, watchMemory())), plain);
    assertEquals(plain.policies.scheduler, "round_robin");
    assertEquals(plain.faults, []);
  });

  it("watches plugins that are frozen", () => {
    const frozen = { scheduler: Object.freeze(roundRobin()), congestionControl: reno() };
    const watched = watchPolicies(frozen, watchMemory());
    assertEquals(measure(SCENARIO, watched), measure(SCENARIO, frozen));
    assert("create" in (watched.scheduler as SchedulerPlugin));
  });

  it("names a call that still runs after some looks, and none that has come back", () => {
    const memory = watchMemory();
    const watch = new PluginWatch(memory);
    let during: (string | null)[] = [];
    const scheduler: SchedulerPlugin = {
      kind: "scheduler",
      name: "slow",
      create: () => ({
        pick(ready) {
          if (during.length === 0) during = looks(watch, 5);
          return ready[0] ?? null;
        },
      }),
    };
    measure(SCENARIO, watchPolicies({ scheduler }, memory));
    const name = "pick() of the scheduler slow";
    assertEquals(during, [null, null, null, name, name]);
    assertEquals(looks(watch, 5), Array(5).fill(null));
  });

  it("watches plugins that a host of the scenario names, beside those of the run", () => {
    const memory = watchMemory();
    const watch = new PluginWatch(memory);
    const seen = new Set<string>();
    const slow = (name: string): SchedulerPlugin => ({
      kind: "scheduler",
      name,
      create: () => ({
        pick(ready) {
          const stuck = looks(watch, 4).at(-1);
          if (stuck !== null && stuck !== undefined) seen.add(stuck);
          return ready[0] ?? null;
        },
      }),
    });
    const { scenario, policies } = watchRun({
      scenario: { ...SCENARIO, hosts: { client: {}, server: { scheduler: slow("own") } } },
      policies: { scheduler: slow("common") },
    }, memory);
    const both = { kind: "bulk", client: "client", server: "server", bytes: "50 kB" } as const;
    const { faults } = measure(
      { ...scenario, traffic: { it: { ...both, direction: "both" } } },
      policies,
    );
    assertEquals(faults, []);
    assertEquals([...seen].sort(), [
      "pick() of the scheduler common",
      "pick() of the scheduler own",
    ]);
  });

  it("names create(), and what a congestion control's join() has given", () => {
    const memory = watchMemory();
    const watch = new PluginWatch(memory);
    const seen = new Set<string>();
    const note = (): void => {
      const name = looks(watch, 4).at(-1);
      if (name !== null && name !== undefined) seen.add(name);
    };
    const inner = reno();
    const congestionControl = {
      ...inner,
      create(...given: Parameters<typeof inner.create>) {
        note();
        const control = inner.create(...given);
        return {
          join(...subflow: Parameters<typeof control.join>) {
            const controller = control.join(...subflow);
            return Object.create(controller, {
              cwnd: { get: () => controller.cwnd },
              ssthresh: { get: () => controller.ssthresh },
              onAck: {
                configurable: true,
                value: (...ack: Parameters<typeof controller.onAck>) => {
                  note();
                  controller.onAck(...ack);
                },
              },
            });
          },
        };
      },
    };
    measure(SCENARIO, watchPolicies({ congestionControl }, memory));
    assertEquals([...seen].sort(), [
      "create() of the congestion control reno",
      "onAck() of the congestion control reno",
    ]);
  });

  it("calls the methods of a plugin with private members on itself", () => {
    class Own {
      readonly kind = "path-manager";
      readonly name = "own";
      #heard = 0;
      readonly #inner = fullMesh();
      onListener(): void {
        this.#heard++;
      }
      get heard(): number {
        return this.#heard;
      }
      create(...given: Parameters<PathManagerPlugin["create"]>) {
        this.#heard += 100;
        return this.#inner.create(...given);
      }
    }
    const pathManager = new Own();
    const { faults } = measure(SCENARIO, watchPolicies({ pathManager }, watchMemory()));
    assertEquals(faults, []);
    // Each end made one, and the server's listener came.
    assert(pathManager.heard > 200, `${pathManager.heard}`);
  });

  it("tells of a plugin that is loaded as long as the thread is not at anything else", async () => {
    const memory = watchMemory();
    const watch = new PluginWatch(memory);
    const what = `what is loaded from ${"folder/".repeat(20)}mine.ts`;
    const note = noteLoading(memory, what);
    const blocked = looks(watch, 5).at(-1);
    assert(blocked?.startsWith("…") && blocked.endsWith("folder/mine.ts"), `${blocked}`);
    // It awaits something: timers go on.
    const words = new Int32Array(memory, 0, 2);
    const before = words[1]!;
    while (words[1]! < before + 2) await new Promise((resolve) => setTimeout(resolve, 20));
    assertEquals(watch.stuck(1), null);
    note[Symbol.dispose]();
    assertEquals(looks(watch, 5), Array(5).fill(null));
  });

  it("tells a plugin that does not come from code that never returns", async () => {
    const memory = watchMemory();
    const watch = new PluginWatch(memory);
    const never = Array.from({ length: 6 }, () => null);
    const note = noteLoading(memory, "what is loaded from mine.ts", 1000);
    assertEquals(never.map(() => sayStuck(watch)).at(-1)?.replace(/:.*/, ""), NEVER_RETURNS);
    while (watch.waited === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    assertEquals(
      never.map(() => sayStuck(watch)).at(-1)?.replace(/:.*/, ""),
      "what is loaded from mine.ts has not come within 1 s",
    );
    note[Symbol.dispose]();
    assertEquals(watch.waited, 0);
  });

  it("names a callback by its name alone, where a longer text told before what was loaded", () => {
    const memory = watchMemory();
    noteLoading(memory, `what is loaded from ${"folder/".repeat(20)}mine.ts`)[Symbol.dispose]();
    const watch = new PluginWatch(memory);
    let during: string | null | undefined;
    const scheduler: SchedulerPlugin = {
      kind: "scheduler",
      name: "slow",
      create: () => {
        during ??= looks(watch, 4).at(-1);
        return { pick: (ready) => ready[0] ?? null };
      },
    };
    measure(SCENARIO, watchPolicies({ scheduler }, memory));
    assertEquals(during, "create() of the scheduler slow");
  });

  it("tells how much of a run is done", () => {
    const memory = watchMemory();
    const watch = new PluginWatch(memory);
    assertEquals(watch.share, 0);
    noteShare(memory, 0.25);
    assertEquals(watch.share, 0.25);
    assert(watch.stuck(1) === null);
  });
});
