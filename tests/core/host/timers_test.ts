import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RateLimit } from "../../../core/host/counters.ts";
import { seededRandom } from "../../../core/host/random.ts";
import { Callback, TimerQueue } from "../../../core/host/timers.ts";
import * as fc from "../../support/property.ts";

describe("the queue of deadlines", () => {
  it("fires by time, equal times in the order in which they were set", () => {
    const queue = new TimerQueue();
    const fired: string[] = [];
    const timer = (name: string): Callback => new Callback(() => fired.push(name));
    const [a, b, c] = [timer("a"), timer("b"), timer("c")] as const;
    queue.arm(b, 5);
    queue.arm(a, 5);
    queue.arm(c, 1);
    assertEquals(queue.next(), 1);
    queue.fire(5);
    assertEquals(fired, ["c", "b", "a"]);
    assertEquals(queue.next(), Infinity);
    assertEquals(queue.size, 0);
  });

  it("fires equal times in the order in which they were set, however many there are", () => {
    for (let count = 2; count <= 20; count++) {
      const queue = new TimerQueue();
      const fired: number[] = [];
      for (let i = 0; i < count; i++) queue.arm(new Callback(() => fired.push(i)), 5);
      queue.fire(5);
      assertEquals(fired, Array.from({ length: count }, (_, i) => i));
    }
  });

  it("fires what is set for now while it fires", () => {
    const queue = new TimerQueue();
    const fired: number[] = [];
    const second = new Callback(() => fired.push(2));
    queue.arm(
      new Callback(() => {
        fired.push(1);
        queue.arm(second, 10);
      }),
      10,
    );
    queue.fire(10);
    assertEquals(fired, [1, 2]);
  });

  it("agrees with a plain list, whatever is set, moved and taken back", () => {
    const step = fc.record({
      timer: fc.nat({ max: 7 }),
      at: fc.oneof(fc.nat({ max: 50 }), fc.constant(Infinity)),
      pass: fc.nat({ max: 5 }),
    }, { noNullPrototype: true });
    fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new TimerQueue();
      const fired: number[] = [];
      const timers = Array.from({ length: 8 }, (_, i) => new Callback(() => fired.push(i)));
      const deadlines = new Array<number>(8).fill(Infinity);
      let now = 0;
      for (const { timer, at, pass } of steps) {
        deadlines[timer] = now + at;
        queue.arm(timers[timer]!, now + at);
        assertEquals(queue.next(), Math.min(...deadlines));
        now += pass;
        queue.fire(now);
        const due = deadlines.map((time, i) => [time, i] as const).filter(([time]) => time <= now);
        const times = fired.map((i) => deadlines[i]!);
        assertEquals(times, [...times].sort((a, b) => a - b));
        assertEquals([...fired].sort(), due.map(([, i]) => i).sort());
        for (const [, i] of due) deadlines[i] = Infinity;
        fired.length = 0;
        assertEquals(queue.size, deadlines.filter((time) => time !== Infinity).length);
      }
    }));
  });
});

describe("a limit of events", () => {
  it("allows so many a second, and no more after a pause", () => {
    const limit = new RateLimit(10);
    const burst = (now: number): number => {
      let taken = 0;
      while (limit.take(now)) taken++;
      return taken;
    };
    assertEquals(burst(0), 10);
    assertEquals(burst(100e3), 1);
    assertEquals(burst(600e3), 5);
    assertEquals(burst(3600e6), 10);
  });

  it("that others can watch is not to be counted exactly", () => {
    const { float } = seededRandom(1)("replies");
    const bursts = Array.from({ length: 50 }, () => {
      const limit = new RateLimit(1000, float);
      let taken = 0;
      while (limit.take(0)) taken++;
      return taken;
    });
    assert(new Set(bursts).size > 10, bursts.join(" "));
    for (const taken of bursts) assert(taken > 900 && taken < 1100, `${taken}`);
  });
});
