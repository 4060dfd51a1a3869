import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../cc/mod.ts";
import { fullMesh, passive } from "../../pm/mod.ts";
import { minRtt, roundRobin } from "../../sched/mod.ts";
import {
  checkOptions,
  completePolicies,
  describe as inWords,
  namedPolicies,
  type Policies,
  provideDefaults,
} from "../../core/net/policies.ts";

const defaults = { scheduler: minRtt(), pathManager: fullMesh(), congestionControl: reno() };
provideDefaults(defaults);

describe("policies", () => {
  // Draft CC-2, SCH-5.
  it("are those named, else the defaults", () => {
    assertEquals(completePolicies({}), defaults);
    const scheduler = roundRobin();
    assertStrictEquals(completePolicies({ scheduler }).scheduler, scheduler);
    assertStrictEquals(completePolicies({ scheduler }).pathManager, defaults.pathManager);
    const pathManager = passive();
    assertEquals(namedPolicies({ pathManager, scheduler: undefined }), { pathManager });
  });

  it("must be plugins of their kind", () => {
    assertThrows(
      () => namedPolicies({ congestionControl: minRtt } as unknown as Policies),
      TypeError,
      "Cannot use minRtt as a congestion control as it is a function: call it, congestionControl: minRtt()",
    );
    assertThrows(
      () => namedPolicies({ pathManager: reno() } as unknown as Policies),
      TypeError,
      "Cannot use reno as a path manager as it is a congestion control",
    );
  });
});

describe("checkOptions()", () => {
  it("refuses options that there are not", () => {
    const check = (options: unknown): void =>
      checkOptions("try", options as { seed?: number }, { seed: true });
    check({ seed: 1 });
    check({});
    assertThrows(
      () => check({ sede: 1 }),
      TypeError,
      "Cannot try as there is no option 'sede': the options are seed",
    );
    assertThrows(
      () => check(undefined),
      TypeError,
      "Cannot try as its options must be an object: current value is undefined",
    );
  });
});

describe("describe()", () => {
  it("puts values in words for messages", () => {
    const values = [
      "a",
      1,
      null,
      undefined,
      [],
      [1, "b"],
      {},
      new Map(),
      inWords,
      Symbol("s"),
      new ArrayBuffer(1),
      new Error("x"),
      new Uint8Array(1),
      new URL("http://a/"),
      new (class {})(),
      Object.create(null),
      { constructor: { name: 7 } },
    ];
    assertEquals(values.map(inWords), [
      '"a"',
      "1",
      "null",
      "undefined",
      "[]",
      '[1, "b"]',
      "an object",
      "a Map",
      "function describe",
      "Symbol(s)",
      "an ArrayBuffer",
      "an Error",
      "a Uint8Array",
      "a URL",
      "an object",
      "an object",
      "an object",
    ]);
  });
});
