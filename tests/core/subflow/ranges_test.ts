/** Ranges of what is bound and not sent, against a set of numbers. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Ranges } from "../../../core/subflow/ranges.ts";
import * as fc from "../../support/property.ts";

describe("ranges", () => {
  it("hold what was put in and not taken out", () => {
    const step = fc.record({
      put: fc.boolean(),
      from: fc.nat({ max: 40 }),
      length: fc.nat({ max: 12 }),
    });
    fc.assert(fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const ranges = new Ranges();
      const naive = new Set<number>();
      for (const { put, from, length } of steps) {
        let cut = 0;
        for (let n = from; n < from + length; n++) {
          if (put) naive.add(n);
          else if (naive.delete(n)) cut++;
        }
        if (put) ranges.add(from, from + length);
        else assertEquals(ranges.cut(from, from + length), cut);
        assertEquals(ranges.bytes, naive.size);
        assertEquals(ranges.first, naive.size === 0 ? Infinity : Math.min(...naive));
        const all: number[] = [];
        let last = -1;
        ranges.each((offset, end) => {
          for (let n = offset; n < end; n++) all.push(n);
          assertEquals(offset > last, true, "ranges that touch are one");
          last = end;
        });
        assertEquals(all, [...naive].sort((a, b) => a - b));
        const { first } = ranges;
        let end = first;
        while (naive.has(end)) end++;
        assertEquals([ranges.firstEnd, ranges.empty], [end, naive.size === 0]);
        for (let n = 0; n < 60; n += 7) {
          assertEquals(ranges.before(n), all.filter((each) => each < n).length);
          assertEquals(ranges.firstFrom(n), all.find((each) => each >= n) ?? Infinity);
          let end = n;
          while (naive.has(end)) end++;
          assertEquals(ranges.endOf(n), end);
        }
      }
    }));
  });

  it("name the first number that two of them have", () => {
    const some = fc.array(fc.record({ from: fc.nat({ max: 60 }), length: fc.nat({ max: 9 }) }), {
      maxLength: 6,
    });
    fc.assert(fc.property(some, some, (these, those) => {
      const [a, b] = [these, those].map((list) => {
        const ranges = new Ranges();
        const naive = new Set<number>();
        for (const { from, length } of list) {
          ranges.add(from, from + length);
          for (let n = from; n < from + length; n++) naive.add(n);
        }
        return { ranges, naive };
      });
      const both = [...a!.naive].filter((n) => b!.naive.has(n));
      assertEquals(a!.ranges.firstIn(b!.ranges), Math.min(...both));
    }));
  });

  it("move to another one by one", () => {
    const from = new Ranges();
    const to = new Ranges();
    from.add(10, 20);
    from.add(30, 35);
    assertEquals([from.move(to), from.bytes, to.first, to.bytes], [10, 5, 10, 10]);
    assertEquals([from.move(to), from.move(to), to.bytes], [5, 0, 15]);
  });
});
