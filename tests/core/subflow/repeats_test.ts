import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Repeats } from "../../../core/subflow/repeats.ts";
import * as fc from "../../support/property.ts";

describe("Repeats", () => {
  it("know how many bytes of a span were sent again, and count none twice", () => {
    const span = fc.record({
      start: fc.integer({ min: 1, max: 120 }),
      length: fc.integer({ min: 1, max: 12 }),
      twice: fc.boolean(),
    });
    fc.assert(fc.property(fc.array(span, { maxLength: 80 }), (list) => {
      const repeats = new Repeats();
      const known = new Set<number>();
      let open = 0;
      for (const { start, length, twice } of list) {
        const bytes = Array.from({ length }, (_, i) => start + i);
        if (twice) {
          const told = Math.min(open, bytes.filter((each) => known.has(each)).length);
          assertEquals(repeats.twice(start, start + length), told);
          open -= told;
        } else {
          repeats.add(start, start + length);
          for (const each of bytes) known.add(each);
          open += length;
        }
      }
    }));
  });

  it("remember the highest 1024 spans", () => {
    const repeats = new Repeats();
    const add = (from: number, to: number): void => {
      for (let i = from; i < to; i++) repeats.add(10 * i, 10 * i + 5);
    };
    // Of what lies apart from all others each is one more; what lies lowest is forgotten at once.
    add(1000, 5000);
    add(0, 1000);
    const known = (from: number, to: number): number => {
      let count = 0;
      for (let i = from; i < to; i++) if (repeats.twice(10 * i, 10 * i + 1) === 1) count++;
      return count;
    };
    assertEquals(known(0, 3976), 0);
    assertEquals(known(3976, 5000), 1024);
    // One in the middle moves those above it, and the lowest gives way to it.
    repeats.add(45_007, 45_008);
    assertEquals(repeats.twice(45_007, 45_009), 1);
    assertEquals([known(3976, 3977), known(3977, 5000)], [0, 1023]);
    // What fills the room between two makes one of them.
    repeats.add(45_005, 45_010);
    add(5000, 5002);
    assertEquals(known(3977, 5002), 1025);
    repeats.clear();
    assertEquals(known(0, 5002), 0);
    repeats.add(7, 9);
    assertEquals(repeats.twice(8, 10), 1);
  });
});
