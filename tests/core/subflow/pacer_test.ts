import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import {
  Deadlines,
  SUBFLOW_TIMERS,
  type SubflowTimer,
  TIMER_PACE,
} from "../../../core/subflow/deadlines.ts";
import { burst, Pacer } from "../../../core/subflow/pacer.ts";
import * as fc from "../../support/property.ts";

const MSS = 1000;

/** When the pacer has the subflow asked again. */
function next(pacer: Pacer): number {
  const deadlines = new Deadlines<SubflowTimer>(SUBFLOW_TIMERS);
  pacer.arm(deadlines);
  return deadlines.at(TIMER_PACE);
}

/** Sends at most `most` bytes whenever the pacer lets it until `end`: the times and bytes. */
function drain(pacer: Pacer, rate: number, from: number, end: number, most = Infinity): number[][] {
  const sent: number[][] = [];
  for (let now = from; now < end; now = next(pacer)) {
    const bytes = Math.min(pacer.budget(rate, MSS, now), most);
    if (bytes === 0) continue;
    pacer.sent(bytes);
    sent.push([now, bytes]);
  }
  return sent;
}

/** A token bucket in the simplest words: what has come in since the start, less what left, never above the brim. */
class Bucket {
  credit: number;
  quantum: number;
  #rate: number;
  #at = 0;

  constructor(rate: number) {
    this.#rate = rate;
    this.quantum = Bucket.quantum(rate);
    this.credit = this.brim(rate);
  }

  brim(rate: number): number {
    return Math.max(2 * this.quantum, rate / 500);
  }

  static quantum(rate: number): number {
    let segments = 2;
    while ((segments + 1) * MSS <= Math.min(65536, rate / 1000)) segments++;
    return segments * MSS;
  }

  at(now: number, rate: number): void {
    this.credit += this.#rate * (now - this.#at) / 1e6;
    this.#at = now;
    this.#rate = rate;
    this.quantum = Bucket.quantum(rate);
    this.credit = Math.min(this.credit, this.brim(rate));
  }
}

describe("a pacer", () => {
  it("begins with a burst of two quanta, and sends a quantum each time from then on", () => {
    // 2 segments: 10 ms at 200 kB/s.
    const pacer = new Pacer(200e3, MSS, 0);
    assertEquals(drain(pacer, 200e3, 0, 31e3), [
      [0, 4 * MSS],
      [10e3, 2 * MSS],
      [20e3, 2 * MSS],
      [30e3, 2 * MSS],
    ]);
  });

  it("has quanta of what the rate gives in a millisecond, in whole segments, 64 KiB at most", () => {
    const quanta = [1, 2e6, 2.9e6, 10e6, 65.6e6, 1e9].map((rate) => {
      const pacer = new Pacer(rate, MSS, 0);
      pacer.sent(burst(rate, MSS));
      return pacer.budget(rate, MSS, next(pacer)) / MSS;
    });
    assertEquals(quanta.map(Math.floor), [2, 2, 2, 10, 65, 65]);
  });

  it("begins with what the rate gives in two milliseconds, four segments at least", () => {
    const bursts = [1, 2e6, 2.9e6, 10e6, 65.6e6, 1e9, 1e300].map((rate) => burst(rate, MSS) / MSS);
    assertEquals(bursts, [4, 4, 5.8, 20, 131.2, 2000, 2e294]);
  });

  it("gives nothing before a quantum has come together", () => {
    const pacer = new Pacer(200e3, MSS, 0);
    pacer.sent(4 * MSS);
    assertEquals(pacer.budget(200e3, MSS, 9990), 0);
    assertEquals(pacer.budget(200e3, MSS, 10e3), 2 * MSS);
  });

  it("loses nothing when the wake comes late by a quantum, and saves up no more", () => {
    const pacer = new Pacer(200e3, MSS, 0);
    pacer.sent(4 * MSS);
    assertEquals(pacer.budget(200e3, MSS, 20e3), 4 * MSS);
    pacer.sent(4 * MSS);
    assertEquals(pacer.budget(200e3, MSS, 600e6), 4 * MSS);
  });

  it("is owed what left beyond the budget", () => {
    const pacer = new Pacer(200e3, MSS, 0);
    pacer.sent(10 * MSS);
    assertEquals([pacer.budget(200e3, MSS, 0), next(pacer)], [0, 40e3]);
  });

  it("counts what has come in by the rate of then, and goes on at that of now", () => {
    const pacer = new Pacer(200e3, MSS, 0);
    pacer.sent(4 * MSS);
    assertEquals(pacer.budget(100e3, MSS, 5e3), 0);
    assertEquals(next(pacer), 15e3);
    assertEquals(pacer.budget(10e6, MSS, 10e3), 0);
    // 1500 bytes are there; a quantum of ten segments lacks 8500.
    assertEquals(next(pacer), 10e3 + 850);
  });

  it("follows a change of the segment's size", () => {
    const pacer = new Pacer(200e3, MSS, 0);
    pacer.sent(4 * MSS);
    assertEquals(pacer.budget(200e3, 500, 5e3), MSS);
    assertEquals(pacer.budget(200e3, 500, 60e6), 2 * MSS);
  });

  it("never names a time that has come already", () => {
    const pacer = new Pacer(1e300, MSS, 7.5);
    pacer.sent(1e6);
    pacer.budget(1e300, MSS, 7.5);
    assert(next(pacer) > 7.5);
  });

  it("keeps to the rate, and never bursts, as a plain token bucket has it", () => {
    const step = fc.record({
      wait: fc.oneof(
        fc.integer({ min: 0, max: 3000 }),
        fc.double({ min: 0, max: 5e6, noNaN: true }),
      ),
      rate: fc.oneof(fc.constant(0), fc.double({ min: 100, max: 2e9, noNaN: true })),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
      toNext: fc.boolean(),
    }, { noNullPrototype: true });
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let rate = 1e6;
      let now = 0;
      const pacer = new Pacer(rate, MSS, 0);
      const bucket = new Bucket(rate);
      for (const each of steps) {
        now = each.toNext ? next(pacer) : now + each.wait;
        if (each.rate > 0 && !each.toNext) rate = each.rate;
        bucket.at(now, rate);
        const budget = pacer.budget(rate, MSS, now);
        // A byte and a half: the pacer's rounding, and that of its own steps.
        const near = Math.abs(bucket.credit - bucket.quantum) <= 1.5;
        if (!near) {
          const open = bucket.credit >= bucket.quantum;
          assert(Math.abs(budget - (open ? bucket.credit : 0)) <= 1.5, `${budget}`);
        }
        if (each.toNext) assert(budget >= bucket.quantum - 1.5, `${budget} when its time had come`);
        assert(budget <= bucket.brim(rate) + 1);
        const bytes = Math.floor(budget * each.part);
        pacer.sent(bytes);
        bucket.credit -= bytes;
      }
    }));
  });

  it("sends in any time no more than its rate and a burst", () => {
    fc.assert(fc.property(fc.double({ min: 1e3, max: 1e9, noNaN: true }), (rate) => {
      const pacer = new Pacer(rate, MSS, 0);
      const length = 50 * burst(rate, MSS) / rate * 1e6;
      const sent = drain(pacer, rate, 0, length);
      const total = sent.reduce((sum, [, bytes]) => sum + bytes!, 0);
      assert(total <= rate * length / 1e6 + burst(rate, MSS) + 60, `${total}`);
      // No less either: at least 99 in a hundred, as times are whole microseconds.
      if (rate < 1e8) assert(total >= 0.99 * rate * length / 1e6, `${total} at ${rate}`);
    }));
  });
});
