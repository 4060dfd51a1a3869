/**
 * Many connections, as `deno task bench:scale` has them: what is idle costs nothing, and nothing is left in the end. `SOAK_CONNECTIONS` tells how many: 10,000
 * take a minute.
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Crowd } from "../../bench/crowd.ts";
import { rowsOf } from "../../bench/scale.ts";
import type { ScaleFigures } from "../../bench/scale_load.ts";
import { MetaSocket } from "../../core/connection/meta_socket.ts";
import { Subflow } from "../../core/subflow/subflow.ts";

const CONNECTIONS = Number(Deno.env.get("SOAK_CONNECTIONS") ?? 300);
const PIECE = new Uint8Array(2000);
/** None of its probes is due within the test. */
const KEEP_ALIVE = { idle: 7200e6, interval: 75e6, count: 9 };

/** How often methods and accessors of connections and of subflows are called while `work` is done. */
function calls(work: () => void): number {
  const prototypes: readonly object[] = [MetaSocket.prototype, Subflow.prototype];
  const before = prototypes.map((prototype) => Object.getOwnPropertyDescriptors(prototype));
  let count = 0;
  for (const [i, prototype] of prototypes.entries()) {
    for (const [name, property] of Object.entries(before[i]!)) {
      const { value, get } = property;
      if (name === "constructor" || (typeof value !== "function" && get === undefined)) continue;
      Object.defineProperty(prototype, name, {
        ...property,
        ...(get === undefined
          ? {
            value(this: unknown, ...args: unknown[]): unknown {
              count++;
              return value.apply(this, args);
            },
          }
          : {
            get(this: unknown): unknown {
              count++;
              return get.call(this);
            },
          }),
      });
    }
  }
  try {
    work();
  } finally {
    for (const [i, prototype] of prototypes.entries()) {
      Object.defineProperties(prototype, before[i]!);
    }
  }
  return count;
}

describe("many connections with two subflows each", () => {
  it("cost nothing while they are idle: neither a tick of the clock, nor a link that takes packets again, nor their number", () => {
    using crowd = new Crowd();
    crowd.open(CONNECTIONS);
    for (let i = 0; i < CONNECTIONS; i++) crowd.send(i, PIECE);
    crowd.rest();
    assertEquals(crowd.usage.timers, 0);
    assertEquals(calls(() => crowd.touch()), 0);
    // What is counted is what happens.
    assert(calls(() => crowd.send(0, PIECE)) > 10);
  });

  it("cost nothing while each waits for a deadline that is far: a tick looks at the nearest alone", () => {
    using crowd = new Crowd();
    crowd.open(CONNECTIONS);
    crowd.rest();
    crowd.keepAlive(KEEP_ALIVE);
    assertEquals(crowd.usage.timers, 2 * CONNECTIONS);
    // The first look takes out what was put off.
    crowd.touch();
    const { timerSteps } = crowd;
    assertEquals(calls(() => crowd.touch()), 0);
    assertEquals(crowd.timerSteps, timerSteps);
    assertEquals(crowd.connections, 2 * CONNECTIONS);
    crowd.close();
    assertEquals(crowd.usage.timers, 0);
  });

  it("leave nothing when they are closed: no object, no handle, no page, no byte", () => {
    using crowd = new Crowd();
    const use = (): void => {
      crowd.open(CONNECTIONS);
      for (let i = 0; i < CONNECTIONS; i++) crowd.send(i, PIECE);
      assertEquals(crowd.usage.connections, 2 * CONNECTIONS);
      assertEquals(crowd.usage.tokens, 2 * CONNECTIONS);
      assertEquals(crowd.usage.flows, 4 * CONNECTIONS);
      crowd.close();
      for (const [what, count] of Object.entries(crowd.usage)) assertEquals(count, 0, what);
    };
    use();
    // The flow tables keep their room: it is used again.
    const before = crowd.bytes;
    use();
    assertEquals(crowd.bytes, before);
  });
});

describe("the table of deno task bench:scale", () => {
  const left = { connections: 0, tokens: 0, flows: 0, timers: 0, handles: 0, pages: 0 };
  const figures = (held: number, all: number): ScaleFigures => (
    { open: 100, held, heldWasm: 1000, one: 2, all, close: 50, left }
  );

  it("has medians, and ratios to the fewest connections of the same round", () => {
    const one = [figures(9e4, 1), figures(9e4, 2), figures(9e4, 10)];
    const many = [figures(9e3, 1.5), figures(8e3, 2), figures(1e4, 20)];
    const rows = rowsOf([1, 1000], [one, many]);
    assertEquals(rows[0]!.slice(0, 3), ["1", "-", "-"]);
    assertEquals(rows[1]!.slice(0, 7), ["1,000", "9.0", "1.0", "2.00", "1.00", "2.00", "1.50"]);
  });

  it("says when something is left over", () => {
    const leak = { ...figures(9e3, 1), left: { ...left, pages: 1 } };
    assertEquals(rowsOf([1000], [[leak]])[0]!.at(-1), "something");
  });
});
