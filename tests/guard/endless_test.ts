/** Plugins that ask without end: time goes on, the transfer is done, and the fault is told. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { guardPathManager } from "../../core/guard/paths.ts";
import type {
  ConnectionView,
  PathContext,
  PathManagerPlugin,
  Plugin,
  Scheduler,
} from "../../core/plugin.ts";
import type { PluginFault } from "../../core/guard/faults.ts";
import { fullMesh, passive } from "../../pm/mod.ts";
import { toyLocal, ToyPaths } from "../kit/toy_paths.ts";
import { type PathShape, Topology } from "../support/topology.ts";
import { hears } from "./support.ts";

const WIFI: PathShape = { rate: "20 Mbit/s", delay: "15 ms" };
const LTE: PathShape = { rate: "12 Mbit/s", delay: "40 ms" };

function manages(
  name: string,
  onEvent: (context: PathContext, type: string) => void,
): PathManagerPlugin {
  return {
    kind: "path-manager",
    name,
    create: (context) => ({ onEvent: ({ type }) => onEvent(context, type) }),
  };
}

function schedules(
  name: string,
  create: (connection: ConnectionView) => Partial<Scheduler>,
): Plugin {
  return {
    kind: "scheduler",
    name,
    create: (connection) => ({ pick: ([first]) => first ?? null, ...create(connection) }),
  };
}

/** The second path of the context. */
function second({ locals, remotes, index }: PathContext): number {
  const [, local] = locals;
  return local === undefined ? 1 : index({ local, remote: remotes[0]! });
}

/** Each with where its first fault is and which rule it breaks; null: none. */
const PLUGINS: readonly (readonly [plugin: Plugin, fault: string | null])[] = [
  [
    manages("after 0 leads to after 0", ({ after }) => {
      const again = (): void => void after(0, again);
      again();
    }),
    "after comes-to-an-end",
  ],
  [
    manages("each callback asks for two", ({ after }) => {
      const again = (): void => {
        after(0, again);
        after(1e-6, again);
      };
      again();
    }),
    "after comes-to-an-end",
  ],
  [
    manages("priority leads to priority", ({ paths, setBackup }) => {
      for (const { path, backup } of paths) setBackup(path, !backup);
    }),
    "onEvent comes-to-an-end",
  ],
  [
    manages("opens and closes", (context) => {
      if (context.role === "server") return;
      context.use([...new Set([1, second(context)])]);
      context.use([1]);
    }),
    "onEvent comes-to-an-end",
  ],
  [
    manages("announces and takes back", ({ role, locals, announce, withdraw }) => {
      for (let i = 0; role === "client" && i < 1e5; i++) {
        announce(locals[1]!);
        withdraw(locals[1]!);
      }
    }),
    "onEvent never-throws",
  ],
  [
    manages("has ten thousand timers", ({ after }) => {
      for (let i = 0; i < 1e4; i++) after(1e6 + i, () => {});
    }),
    "onEvent never-throws",
  ],
  [
    manages("waits for longer than time", ({ after }) => void after(1e300, () => {})),
    "onEvent never-throws",
  ],
  [
    schedules("asks for a wake at once", (connection) => ({
      pick: () => (connection.wake(connection.now + 1e-6), null),
    })),
    "pick makes-progress",
  ],
  [
    schedules("asks for a wake at once, and sends", (connection) => ({
      pick: ([first]) => (connection.wake(connection.now + 1e-6), first!),
      onAck: () => connection.wake(connection.now + 1e-6),
    })),
    null,
  ],
  [
    schedules("asks for a wake after the end of time", (connection) => ({
      pick: () => (connection.wake(1e300), null),
    })),
    "pick never-throws",
  ],
];

describe("a transfer over two paths is done with a plugin that", () => {
  for (const [plugin, fault] of PLUGINS) {
    it(plugin.name, () => {
      using t = new Topology({
        paths: { wifi: WIFI, lte: LTE },
        policies: plugin.kind === "scheduler"
          ? { scheduler: plugin }
          : plugin.kind === "path-manager"
          ? { pathManager: plugin }
          : {},
      });
      const pair = t.connect({ bytes: 2e5 }, { bytes: 2e5 });
      const told: string[] = [];
      t.runUntil(() => {
        for (const each of t.faults.splice(0)) {
          told.push(`${each.callback} ${each.rule}`);
          assertEquals(each.plugin, plugin.name);
        }
        return pair.client.done && pair.server()?.done === true;
      }, 10);
      assertEquals(told[0] ?? null, fault);
      t.complete(pair, 1);
    });
  }
});

describe("a path manager", () => {
  /** A guarded path manager on the toy; its faults. */
  function toy(
    plugin: PathManagerPlugin,
    fallback: PathManagerPlugin,
  ): { toy: ToyPaths; faults: PluginFault[] } {
    const faults: PluginFault[] = [];
    let now = (): number => 0;
    const host = hears((fault) => faults.push(fault), () => now());
    const made = new ToyPaths(guardPathManager(plugin, fallback, host), {
      locals: [toyLocal("10.1.0.1", "cellular")],
    });
    now = () => made.now;
    return { toy: made, faults };
  }

  it("gets its callbacks later, not never, and once", () => {
    const fired: number[] = [];
    let running: ToyPaths | null = null;
    const { toy: made, faults } = toy(
      manages("has many", ({ after }) => {
        for (let i = 0; i < 250; i++) after(0, () => fired.push(running!.now));
      }),
      passive(),
    );
    running = made;
    made.connection.start(false);
    made.events.run(1e6);
    assertEquals(fired.length, 250);
    const at = [0, 1e3, 2e3].map((time) => fired.filter((each) => each === time).length);
    assertEquals(at, [99, 100, 51]);
    assertEquals(faults.map(({ what }) => what), [
      "had 100 callbacks in 1000 us, as many as there may be: the others come later",
      "had 100 callbacks in 1000 us, as many as there may be: the others come later",
    ]);
  });

  it("can cancel those that were put off, and have others in their place", () => {
    let fired = 0;
    let cancelled = 0;
    const cancels: (() => void)[] = [];
    const { toy: made } = toy(
      manages("cancels", ({ after }) => {
        for (let i = 0; i < 1000; i++) cancels.push(after(0, () => fired++));
        assertThrows(() => after(0, () => fired++), RangeError, "1000 timers");
      }),
      passive(),
    );
    made.connection.start(false);
    made.events.run(500);
    for (const cancel of [...cancels, ...cancels]) {
      cancel();
      cancelled++;
    }
    made.events.run(1e6);
    assertEquals([fired, cancelled], [99, 2000]);
    made.connection.localAdded(toyLocal("10.2.0.1", "wired"));
    made.events.run(2e6);
    assert(fired > 999);
  });

  it("that is replaced leaves the default a connection to begin on", () => {
    const { toy: made, faults } = toy(
      manages("storms", ({ after }) => {
        const again = (): void => void after(0, again);
        again();
      }),
      fullMesh(),
    );
    made.connection.start();
    made.events.run(1e6);
    assertEquals(faults.at(-1)?.replaced, true);
    assertEquals(made.log, ["open 2 10.1.0.1>10.9.0.1"]);
    // Its timers have come to an end.
    const { length } = faults;
    made.events.run(2e6);
    assertEquals(faults.length, length);
  });
});
