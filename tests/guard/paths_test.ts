import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { PluginFault } from "../../core/guard/faults.ts";
import { facePaths, guardPathManager } from "../../core/guard/paths.ts";
import type { PathContext, PathManager, PathManagerPlugin } from "../../core/plugin.ts";
import { fullMesh, passive } from "../../pm/mod.ts";
import foreignFamily from "../broken/foreign_family.ts";
import indexTwice from "../broken/index_twice.ts";
import { toyLocal, ToyPaths } from "../kit/toy_paths.ts";
import { hears } from "./support.ts";

describe("guardPathManager", () => {
  it("lets the default handle an event that the plugin fails at", () => {
    for (
      const [plugin, what] of [[foreignFamily(), "families"], [indexTwice(), "twice"]] as const
    ) {
      const faults: PluginFault[] = [];
      const guarded = guardPathManager(plugin, fullMesh(), hears((fault) => faults.push(fault)));
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
    const guarded = guardPathManager(plugin, fullMesh(), hears(({ what }) => faults.push(what)));
    const toy = new ToyPaths(guarded, { role: "server" });
    toy.events.run(100);
    assertEquals(toy.join(1, { address: "10.9.0.9", port: 50000 }, "10.0.0.1"), { path: 2 });
    assertEquals(faults, ["threw in a callback of after", "refused a join with reason 256"]);
  });

  it("catches faults in joinsAsBackup: the join is answered as the default has it", () => {
    const faults: string[] = [];
    const answers: unknown[] = [true, 1, undefined];
    const plugin = {
      kind: "path-manager" as const,
      name: "odd",
      create: () => ({
        onEvent: () => {},
        joinsAsBackup: () => {
          if (answers.length === 0) throw new Error("no");
          return answers.shift() as boolean;
        },
      }),
    };
    const guarded = guardPathManager(plugin, fullMesh(), hears(({ what }) => faults.push(what)));
    const toy = new ToyPaths(guarded, { role: "server" });
    const said = Array.from({ length: 4 }, () => toy.connection.joinsAsBackup("10.0.0.1"));
    assertEquals(said, [true, false, false, false]);
    assertEquals(faults, ["answered 1 in joinsAsBackup", "threw in joinsAsBackup"]);
  });

  // Draft ARC-9: the default takes over.
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
    const guarded = guardPathManager(plugin, fullMesh(), hears((fault) => faults.push(fault)));
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
      guardPathManager(unmade, fullMesh(), hears((fault) => faults.push(fault))),
      {
        locals: [toyLocal("10.1.0.1", "cellular")],
      },
    );
    other.connection.start();
    assertEquals(other.log, ["open 2 10.1.0.1>10.9.0.1"]);
    assertEquals(faults.at(-1)?.what, "threw in create");
  });

  it("replaces at once what a path manager cannot be, and takes promises for faults", () => {
    const faults: PluginFault[] = [];
    const later = (): Promise<never> => Promise.reject(new Error("nobody hears of it"));
    const make = (create: (context: PathContext) => unknown): ToyPaths =>
      new ToyPaths(
        guardPathManager(
          { kind: "path-manager", name: "odd", create } as PathManagerPlugin,
          passive(),
          hears((fault) => faults.push(fault)),
        ),
        { role: "server" },
      );
    make(() => undefined);
    make(() => ({}));
    const late = make(({ after }) => {
      after(1, later);
      return { onEvent: later, refuse: later };
    });
    late.connection.start();
    late.join(1, { address: "10.9.0.9", port: 50000 }, "10.0.0.1");
    late.events.run(10);
    assertEquals(
      [...new Set(faults.map(({ what, replaced }) => `${what} ${replaced}`))],
      [
        "answered undefined in create true",
        "made a path manager whose onEvent is undefined, no function true",
        "answered a promise in onEvent false",
        "answered a promise in refuse false",
        "answered a promise in a callback of after false",
      ],
    );
  });

  it("tells events and addresses that nobody can write to", () => {
    const seen: object[] = [];
    const manager: PathManager = {
      onEvent(event) {
        seen.push(event);
        if (event.type === "local") seen.push(event.address);
      },
      refuse: (...ends) => (seen.push(...ends), null),
    };
    const plugin: PathManagerPlugin = { kind: "path-manager", name: "a", create: () => manager };
    const toy = new ToyPaths(guardPathManager(plugin, passive(), hears()), { role: "server" });
    toy.connection.localAdded(toyLocal("10.1.0.1", "cellular"));
    toy.join(1, { address: "10.9.0.9", port: 50000 }, "10.0.0.1");
    assertEquals(seen.filter((each) => !Object.isFrozen(each)), []);
    assert(seen.length >= 4);
    assertStrictEquals(seen[1], facePaths(toy.connection.context).locals[1]);
  });
});

describe("facePaths", () => {
  const locals = [toyLocal("10.1.0.1", "cellular")];

  it("shows live arrays", () => {
    const toy = new ToyPaths(passive(), { locals });
    const { locals: shown, remotes, paths, role, peerDeniesJoinToInitial } = facePaths(
      toy.connection.context,
    );
    assertEquals([shown.length, remotes.length, paths.length], [2, 1, 1]);
    toy.connection.localAdded(toyLocal("10.2.0.1", "wired"));
    assertEquals(shown.map(({ link }) => link), ["wifi", "cellular", "wired"]);
    assertEquals([...shown], toy.connection.context.locals);
    assertStrictEquals(shown.find(({ link }) => link === "wired"), shown[2]);
    assert(Array.isArray(shown) && shown.includes(shown[2]!));
    assertEquals([role, peerDeniesJoinToInitial], ["client", false]);
    toy.change(1, "stale");
    assertEquals(paths[0]!.stale, true);
  });

  it("can be looked at in a console", () => {
    const { context } = new ToyPaths(passive(), { role: "server" }).connection;
    const shown = Deno.inspect(facePaths(context));
    for (const part of ['role: "server"', "token: ", "limits: {", "locals: [", "paths: ["]) {
      assert(shown.includes(part), shown);
    }
  });

  it("refuses writing, wherever it is tried", () => {
    const toy = new ToyPaths(passive(), { locals });
    const context = facePaths(toy.connection.context);
    for (const name of ["locals", "remotes", "paths"] as const) {
      const list = context[name] as unknown as object[];
      const [first] = list;
      const attempts: (() => void)[] = [
        () => list.pop(),
        () => list.push(first!),
        () => list.splice(0, 1),
        () => list.length = 0,
        () => list[0] = {},
        () => delete list[0],
        () => Object.freeze(list),
        () => Object.setPrototypeOf(list, null),
      ];
      for (const attempt of attempts) {
        assertThrows(attempt, TypeError, `Cannot change ${name} as it is the connection's`);
      }
      assertThrows(() => Object.assign(first!, { port: 1, stale: true }), TypeError);
      const { value } = Object.getOwnPropertyDescriptor(list, 0)!;
      assertStrictEquals(value, first);
    }
    assertThrows(() => Object.assign(context.paths[0]!.local, { port: 1 }), TypeError);
    assertThrows(() => Object.assign(context, { role: "server" }), TypeError);
    assertEquals(toy.connection.context.locals.length, 2);
  });

  // Draft ARC-1.
  it("shows path managers neither queues nor windows", () => {
    const toy = new ToyPaths(passive());
    Object.assign(toy.paths[0]!, { cwnd: 1, room: 1 });
    const [face] = facePaths(toy.connection.context).paths;
    assert(!("cwnd" in face!) && !("room" in face!));
  });

  it("takes copies of what verbs are given", () => {
    const toy = new ToyPaths(passive(), { locals });
    const { locals: shown, remotes, index, announce } = facePaths(toy.connection.context);
    const spec = { local: { ...shown[1]! }, remote: { ...remotes[0]! } };
    const path = index(spec);
    spec.local.address = "10.66.0.1";
    assertEquals(toy.connection.spec(path)!.local.address, "10.1.0.1");
    toy.connection.start();
    const address = { ...shown[1]!, port: 80 };
    announce(address);
    address.id = 77;
    assertEquals(toy.log, ["add 1"]);
    toy.events.run(1e6);
    assertEquals(toy.connection.unconfirmed, 0);
  });

  it("refuses what verbs cannot take", () => {
    const toy = new ToyPaths(passive());
    const face = facePaths(toy.connection.context);
    const { setBackup, after } = face;
    assertThrows(() => setBackup(1, "no" as unknown as boolean), TypeError, "must be a boolean");
    assertThrows(() => after(1, 5 as unknown as () => void), TypeError, "must be a function");
    const [local] = face.locals;
    const text = "10.0.0.1" as never;
    for (
      const [of, call] of [
        ["locals", () => face.index({ local: text, remote: face.remotes[0]! })],
        ["remotes", () => face.index({ local: local!, remote: undefined as never })],
        ["remotes", () => face.route(text)],
        ["locals", () => face.identify(text, 7)],
        ["locals", () => face.announce(text)],
        ["locals", () => face.withdraw(text)],
      ] as const
    ) {
      assertThrows(call, TypeError, `as an address as it must be one of ${of}`);
    }
    assertThrows(
      () => face.use(undefined as never),
      TypeError,
      "Cannot use undefined as paths as it must be an array of what index() gives",
    );
    assertThrows(() => face.use(1 as never), TypeError, "Cannot use 1 as paths");
    assertThrows(
      () => face.index(undefined as never),
      TypeError,
      "Cannot use undefined as a path as it must be { local, remote }, of locals and remotes",
    );
    face.use(new Set([1]) as never); // what can be iterated over will do
  });
});
