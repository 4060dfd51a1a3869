import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import { giveRing, Ring, takeRing } from "../../../core/subflow/ring.ts";
import * as fc from "../../support/property.ts";

interface Span {
  readonly end: number;
}

/** A ring of `count` elements of ten offsets each, from 0 on. */
function ringOf(count: number): Ring<Span> {
  const ring = new Ring<Span>();
  for (let i = 1; i <= count; i++) ring.push({ end: 10 * i });
  return ring;
}

describe("ring", () => {
  it("gives elements back in the order in which they came, under numbers that stay", () => {
    const ring = ringOf(3);
    assertEquals([ring.first, ring.next], [0, 3]);
    assertEquals(ring.shift(), { end: 10 });
    ring.push({ end: 40 });
    assertEquals([ring.first, ring.next], [1, 4]);
    assertEquals([1, 2, 3].map((serial) => ring.at(serial).end), [20, 30, 40]);
  });

  it("finds the element that holds an offset: its first is in it, its end is not", () => {
    const ring = ringOf(5);
    assertEquals([0, 9, 10, 19, 20, 49].map((offset) => ring.find(offset)), [0, 0, 1, 1, 2, 4]);
    assertEquals(ring.find(50), 5);
    ring.shift();
    assertEquals([ring.find(3), ring.find(15)], [1, 1]);
    assertEquals(new Ring<Span>().find(0), 0);
  });

  it("needs two steps for an offset near the last one, and bisects for any other", () => {
    const ring = ringOf(10_000);
    ring.find(50_000);
    for (let i = 0; i < 1000; i++) {
      ring.steps = 0;
      assertEquals(ring.find(50_000 + 5 * i), 5000 + (i >> 1));
      assert(ring.steps <= 2, `${ring.steps} steps`);
    }
    for (let i = 0; i < 10_000; i += 7) {
      ring.steps = 0;
      const far = i * 7919 % 10_000;
      assertEquals(ring.find(10 * far + 3), far);
      assert(ring.steps <= 16, `${ring.steps} steps`);
    }
  });

  it("is lent on when it is empty, shared with no other, and counts from 0 again", () => {
    const rings: (Ring<Span> | null)[] = [null, null, null, null];
    const names = new Map<Span, number>();
    let end = 0;
    for (let round = 0; round < 50; round++) {
      for (const i of rings.keys()) {
        let ring = rings[i] ?? null;
        if (ring === null) {
          ring = rings[i] = takeRing<Span>();
          assertEquals([ring.first, ring.next, ring.steps, ring.find(end)], [0, 0, 0, 0]);
        }
        // Each grows to another size, and is empty at another time.
        for (let n = 0; n <= (round * (i + 3)) % 97; n++) {
          const element = { end: ++end };
          names.set(element, i);
          ring.push(element);
        }
        const left = (round + i) % 3;
        while (ring.next - ring.first > left) assertEquals(names.get(ring.shift()), i);
        if (left > 0) continue;
        giveRing(ring);
        rings[i] = null;
      }
    }
    for (const [i, ring] of rings.entries()) {
      if (ring === null) continue;
      for (let at = ring.first; at < ring.next; at++) assertEquals(names.get(ring.at(at)), i);
    }
  });

  it("gives its room back when it is given back, and not when it is next lent: a burst of many connections would keep all of it", () => {
    const ring = takeRing<Span>();
    for (let i = 1; i <= 1000; i++) ring.push({ end: i });
    while (ring.first < ring.next) ring.shift();
    ring.steps = 1;
    giveRing(ring);
    assertEquals([ring.first, ring.next, ring.steps], [0, 0, 0]);
  });

  it("does what an array does", () => {
    const operation = fc.oneof(
      fc.record({ push: fc.integer({ min: 1, max: 90 }) }),
      fc.record({ shift: fc.integer({ min: 1, max: 90 }) }),
      fc.record({ find: fc.double({ min: -0.1, max: 1.1, noNaN: true }) }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60, size: "max" }), (operations) => {
        const ring = new Ring<Span>();
        const model: Span[] = [];
        let gone = 0;
        let end = 2 ** 33;
        let start = end;
        for (const each of operations) {
          if ("push" in each) {
            for (let i = 0; i < each.push; i++) {
              const element = { end: end += 1 + (i * 7) % 5 };
              ring.push(element);
              model.push(element);
            }
          } else if ("shift" in each) {
            for (let i = Math.min(each.shift, model.length); i > 0; i--) {
              const element = model.shift();
              assert(ring.shift() === element);
              gone++;
              start = element?.end ?? start;
            }
          } else {
            const offset = Math.floor(start + each.find * (end - start));
            const index = model.findIndex((element) => element.end > offset);
            assertEquals(ring.find(offset), gone + (index < 0 ? model.length : index));
          }
          assertEquals([ring.first, ring.next], [gone, gone + model.length]);
          for (const [i, element] of model.entries()) assert(ring.at(gone + i) === element);
        }
      }),
    );
  });
});
