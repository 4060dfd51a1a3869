import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Clock, type Timer } from "../../core/link/clock.ts";
import * as fc from "../support/property.ts";

describe("Clock", () => {
  it("jumps to the next event and stands still without one", () => {
    const clock = new Clock();
    const seen: number[] = [];
    clock.at(30.5, () => seen.push(clock.now));
    clock.at(10, () => seen.push(clock.now));
    assertEquals(clock.next, 10);
    while (clock.step());
    assertEquals(seen, [10, 30.5]);
    assertEquals(clock.next, Infinity);
    assertEquals(clock.step(), false);
    assertEquals(clock.now, 30.5);
  });

  it("calls equal times in the order in which they were set", () => {
    const clock = new Clock();
    const seen: string[] = [];
    const a = clock.timer(() => seen.push("a"));
    const b = clock.timer(() => seen.push("b"));
    a.arm(5);
    b.arm(5);
    clock.at(5, () => seen.push("c"));
    a.arm(5); // set again: now the last
    while (clock.step());
    assertEquals(seen, ["b", "c", "a"]);
  });

  it("takes a time that has passed for now, behind what is set for now", () => {
    const clock = new Clock();
    const seen: string[] = [];
    clock.at(10, () => {
      clock.at(3, () => seen.push(`late ${clock.now}`));
      seen.push("first");
    });
    clock.at(10, () => seen.push("second"));
    while (clock.step());
    assertEquals(seen, ["first", "second", "late 10"]);
  });

  it("lets a timer set itself again, or take itself back, while it is called", () => {
    const clock = new Clock();
    const seen: number[] = [];
    const timer: Timer = clock.timer(() => {
      seen.push(clock.now);
      assertEquals(timer.armed, false);
      timer.arm(clock.now + 1);
      if (clock.now === 3) timer.disarm();
    });
    timer.arm(1);
    while (clock.step());
    assertEquals(seen, [1, 2, 3]);
    assertEquals(clock.pending, 0);
  });

  it("goes on after a callback that throws", () => {
    const clock = new Clock();
    let called = 0;
    clock.at(1, () => {
      throw new Error("hook");
    });
    clock.at(2, () => called++);
    assertThrows(() => clock.step(), Error, "hook");
    assertEquals(clock.pending, 1);
    clock.step();
    assertEquals(called, 1);
  });

  it("keeps the order of those that are left when a callback cancels another", () => {
    const clock = new Clock();
    const called: string[] = [];
    let cancel = (): void => {};
    const set = (name: string, time: number): () => void =>
      clock.at(time, () => {
        called.push(name);
        cancel();
        cancel = () => {};
      });
    set("a", 0);
    const b = set("b", 1);
    for (const [name, time] of [["c", 10], ["d", 2], ["e", 3], ["f", 20]] as const) set(name, time);
    cancel = b;
    while (clock.step());
    assertEquals(called, ["a", "d", "e", "c", "f"]);
  });

  it("refuses NaN", () => {
    assertThrows(() => new Clock().at(NaN, () => {}), RangeError, "NaN");
  });

  it("agrees with a sorted list, whatever is set, moved and cancelled, also from inside callbacks", () => {
    const action = fc.record({
      timer: fc.integer({ min: 0, max: 9 }),
      time: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constant(Infinity)),
      step: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), fc.array(action), (actions, inside) => {
        const clock = new Clock();
        let model: { timer: number; time: number; order: number }[] = [];
        let order = 0;
        const fired: number[] = [];
        const nested = [...inside];
        function arm(timer: number, after: number): void {
          timers[timer]!.arm(clock.now + after);
          model = model.filter((entry) => entry.timer !== timer);
          if (after !== Infinity) model.push({ timer, time: clock.now + after, order: order++ });
        }
        const timers: Timer[] = Array.from({ length: 10 }, (_, i) =>
          clock.timer(() => {
            fired.push(i);
            for (let k = 0; k < 2; k++) {
              const next = nested.pop();
              if (next !== undefined) arm(next.timer, next.time);
            }
          }));
        function step(): boolean {
          model.sort((a, b) => a.time - b.time || a.order - b.order);
          const expected = model.shift();
          const before = fired.length;
          const happened = clock.step();
          assertEquals(happened, expected !== undefined);
          if (expected !== undefined) {
            assertEquals(fired[before], expected.timer);
            assertEquals(clock.now, expected.time);
          }
          assertEquals(clock.pending, model.length);
          return happened;
        }
        for (const { timer, time, step: go } of actions) {
          if (go) step();
          else arm(timer, time);
        }
        while (step());
      }),
      { numRuns: 300 },
    );
  });
});
