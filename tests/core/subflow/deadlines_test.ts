import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import {
  Deadlines,
  SUBFLOW_TIMERS,
  TIMER_ACK,
  TIMER_END,
  TIMER_INQUIRY,
  TIMER_KEEPALIVE,
  TIMER_LATE,
  TIMER_PACE,
  TIMER_PROBE,
  TIMER_RACK,
  TIMER_RTO,
  TIMER_SIGNAL,
  TIMER_SILENCE,
  TIMER_THIRD_ACK,
} from "../../../core/subflow/deadlines.ts";
import * as fc from "../../support/property.ts";

/** All that are due at `now`, in the order in which they come. */
function drain(deadlines: Deadlines<number>, now: number): number[] {
  const names: number[] = [];
  for (let name = deadlines.due(now); name >= 0; name = deadlines.due(now)) names.push(name);
  return names;
}

describe("deadlines by name", () => {
  it("begin without any", () => {
    const deadlines = new Deadlines(3);
    assertEquals([deadlines.nearest, deadlines.due(1e15), deadlines.has(2)], [Infinity, -1, false]);
    assertEquals(deadlines.at(0), Infinity);
  });

  it("are due at their time, not before, and once", () => {
    const deadlines = new Deadlines(3);
    deadlines.set(1, 100);
    assertEquals([deadlines.at(1), deadlines.has(1), deadlines.nearest], [100, true, 100]);
    assertEquals(deadlines.due(99), -1);
    assertEquals(deadlines.due(100), 1);
    assertEquals([deadlines.due(100), deadlines.has(1), deadlines.nearest], [-1, false, Infinity]);
  });

  it("come in the order of their names, whenever they were set and whatever their time", () => {
    const deadlines = new Deadlines(4);
    for (const [name, at] of [[3, 50], [1, 50], [0, 60], [2, 10]] as const) deadlines.set(name, at);
    assertEquals(drain(deadlines, 60), [0, 1, 2, 3]);
  });

  it("are moved both ways, and taken back by Infinity", () => {
    const deadlines = new Deadlines(2);
    deadlines.set(0, 100);
    deadlines.set(1, 200);
    deadlines.set(0, 300);
    assertEquals(deadlines.nearest, 200);
    deadlines.set(1, 50);
    assertEquals(deadlines.nearest, 50);
    deadlines.set(1, Infinity);
    assertEquals([deadlines.nearest, deadlines.has(1)], [300, false]);
    deadlines.clearAll();
    assertEquals([deadlines.nearest, deadlines.due(1e15)], [Infinity, -1]);
  });

  it("agree with a plain list, whatever is set, moved and taken back", () => {
    const step = fc.record({
      name: fc.nat({ max: 4 }),
      at: fc.oneof(fc.nat({ max: 30 }), fc.constant(Infinity)),
      pass: fc.nat({ max: 8 }),
    }, { noNullPrototype: true });
    fc.assert(fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const deadlines = new Deadlines(5);
      const times = new Array<number>(5).fill(Infinity);
      let now = 0;
      for (const { name, at, pass } of steps) {
        times[name] = now + at;
        deadlines.set(name, now + at);
        assertEquals(deadlines.nearest, Math.min(...times));
        now += pass;
        assertEquals(drain(deadlines, now), [0, 1, 2, 3, 4].filter((each) => times[each]! <= now));
        for (let i = 0; i < 5; i++) if (times[i]! <= now) times[i] = Infinity;
      }
    }));
  });
});

describe("the deadlines of a subflow", () => {
  it("have a name each, in the order in which those due at once are handled", () => {
    const names = [
      TIMER_END,
      TIMER_ACK,
      TIMER_RACK,
      TIMER_THIRD_ACK,
      TIMER_PROBE,
      TIMER_RTO,
      TIMER_PACE,
      TIMER_KEEPALIVE,
      TIMER_SIGNAL,
      TIMER_INQUIRY,
      TIMER_SILENCE,
      TIMER_LATE,
    ];
    assertEquals(names, Array.from({ length: SUBFLOW_TIMERS }, (_, i) => i));
  });
});
