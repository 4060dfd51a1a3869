import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import * as cc from "../cc/mod.ts";
import { BUILT_INS } from "../cli/policies.ts";
import { loadPlugin, type PluginKind, type PluginModule } from "../core/net/load_plugin.ts";
import type { Plugin } from "../core/plugin.ts";
import * as pm from "../pm/mod.ts";
import * as sched from "../sched/mod.ts";

/** What the rooms export beside factories: what makes plugins of formulas, and the classes of what factories give. */
const OTHERS: readonly unknown[] = [
  cc.aimd,
  cc.coupledBy,
  pm.Endpoints,
  pm.ManualPathManager,
];

type Factory = (...args: readonly unknown[]) => Plugin;

const FACTORIES = [sched, cc, pm].flatMap((room) => Object.entries(room))
  .filter(([, made]) => typeof made === "function" && !OTHERS.includes(made))
  .map(([exported, made]) => ({ exported, make: made as Factory }));

/** The module of a plugin, as the command line knows it. */
function moduleOf({ kind, name }: Plugin): PluginModule {
  const modules: Readonly<Record<string, PluginModule>> = BUILT_INS[kind];
  assert(Object.hasOwn(modules, name), `the command line has no ${kind} ${name}`);
  return modules[name]!;
}

const NO_OBJECTS: readonly (readonly [unknown, string])[] = [
  [null, "null"],
  [7, "7"],
  [true, "true"],
  ["wifi", `"wifi"`],
  [["wifi"], "an array"],
  [Symbol("x"), "Symbol(x)"],
  [() => 1, "a function"],
];

describe("the options of every factory of sched/, cc/ and pm/", () => {
  it("are those of its defaults, and another is refused by name", () => {
    assertEquals(FACTORIES.length, Object.values(BUILT_INS).flatMap(Object.keys).length);
    for (const { exported, make } of FACTORIES) {
      const plugin = make();
      const module = moduleOf(plugin);
      assert((module.default as unknown) === make, exported);
      const defaults = module.defaults ?? {};
      assertEquals([make({}), make(undefined), make(defaults)].map(({ name }) => name), [
        plugin.name,
        plugin.name,
        plugin.name,
      ]);
      const known = Object.keys(defaults).join(", ");
      for (const options of [{ los: 0.2 }, { ...defaults, los: undefined }]) {
        const { message } = assertThrows(() => make(options), TypeError, undefined, exported);
        assertEquals(
          message,
          `Cannot make ${plugin.name} as there is no option 'los': ${
            known === "" ? "it has none" : `the options are ${known}`
          }`,
        );
      }
      // What every object has is no option.
      assertThrows(() => make({ toString: 1 }), TypeError, "no option 'toString'", exported);
    }
  });

  it("are an object", () => {
    for (const { exported, make } of FACTORIES) {
      const { name } = make();
      for (const [value, says] of NO_OBJECTS) {
        const { message } = assertThrows(() => make(value), TypeError, undefined, exported);
        assertEquals(
          message,
          `Cannot make ${name} as its options must be an object: current value is ${says}`,
        );
      }
    }
  });

  it("are told as those that `new` and a formula of one's own take", () => {
    assertThrows(
      () => new pm.Endpoints({ limit: 2 } as object),
      TypeError,
      "Cannot make endpoints as there is no option 'limit': the options are subflows,",
    );
    assertThrows(
      () => cc.coupledBy("mine", () => ({ growth: () => 0 }), { histart: false } as object),
      TypeError,
      "Cannot make mine as there is no option 'histart': the options are hystart",
    );
  });

  it("are refused in the same way when a text gives them, whether the loader knows the defaults or not", async () => {
    for (const { make } of FACTORIES) {
      const { kind, name } = make();
      const given: readonly { readonly [name: string]: PluginModule | Factory }[] = [
        BUILT_INS[kind as PluginKind],
        { [name]: make },
      ];
      for (const builtIns of given) {
        assertEquals((await loadPlugin(kind, name, { builtIns })).name, name);
        const { message } = await assertRejects(
          () => loadPlugin(kind, `${name},los=1`, { builtIns }),
          TypeError,
        );
        const own = assertThrows(() => make({ los: 1 }), TypeError).message;
        assertEquals(message.split(" as there is ")[1], own.split(" as there is ")[1]);
      }
    }
  });
});
