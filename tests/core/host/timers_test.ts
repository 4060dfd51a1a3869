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

  it("holds nothing of what was taken back, or set to an earlier time, beyond as much as is set", () => {
    const takenBack = (queue: TimerQueue, timer: Callback): void => queue.arm(timer, Infinity);
    const earlier = (queue: TimerQueue, timer: Callback): void => queue.arm(timer, 1e6);
    for (const [change, left] of [[takenBack, 200], [earlier, 1200]] as const) {
      const queue = new TimerQueue();
      const timers = Array.from({ length: 1200 }, () => new Callback(() => {}));
      for (const timer of timers) queue.arm(timer, 120e6);
      for (const timer of timers.slice(200)) change(queue, timer);
      assertEquals(queue.size, left);
      assert(queue.entries <= 2 * left + 64, `${queue.entries}`);
      // What is moved again and again, as the deadlines of a connection at work are, is filed once.
      for (let i = 0; i < 10_000; i++) {
        queue.arm(timers[0]!, Infinity);
        queue.arm(timers[0]!, 120e6 + i);
      }
      assert(queue.entries <= 2 * left + 64, `${queue.entries}`);
    }
  });

  it("agrees with a plain list when hundreds are taken back and set again", () => {
    const random = seededRandom(7)("timers").float;
    const queue = new TimerQueue();
    const fired: number[] = [];
    const timers = Array.from({ length: 400 }, (_, i) => new Callback(() => fired.push(i)));
    const deadlines = new Array<number>(400).fill(Infinity);
    for (let now = 0; now < 4000; now++) {
      for (let change = 0; change < 20; change++) {
        const i = Math.floor(random() * 400);
        // More are set in some hundreds of steps, more are taken back in the next.
        const gone = random() < (now % 400 < 200 ? 0.2 : 0.8);
        deadlines[i] = gone ? Infinity : now + 1 + Math.floor(random() * 1000);
        queue.arm(timers[i]!, deadlines[i]!);
      }
      const due = deadlines.flatMap((at, i) => at <= now ? [i] : []);
      for (const i of due) deadlines[i] = Infinity;
      assertEquals(queue.next(), Math.min(...deadlines, ...due.map(() => now)));
      queue.fire(now);
      assertEquals(fired.splice(0).sort((a, b) => a - b), due);
      const set = deadlines.filter((at) => at !== Infinity).length;
      assertEquals(queue.size, set);
      assert(queue.entries <= 2 * set + 64);
    }
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
