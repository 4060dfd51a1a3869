import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { KnownBlocks } from "../../../core/subflow/known_blocks.ts";
import * as fc from "../../support/property.ts";

/** What is left of [left, right) when `known` were added. */
function left(
  known: readonly (readonly [number, number])[],
  ...[from, to]: readonly [number, number]
): number[] {
  const blocks = new KnownBlocks();
  for (const block of known) blocks.add(...block);
  blocks.cut(from, to);
  return blocks.from < blocks.to ? [blocks.from, blocks.to] : [];
}

describe("known SACK blocks", () => {
  it("leave of a block that has grown what is new, at either end", () => {
    assertEquals(left([], 10, 20), [10, 20]);
    assertEquals(left([[10, 20]], 10, 20), []);
    assertEquals(left([[10, 20]], 10, 30), [20, 30]);
    assertEquals(left([[10, 20]], 5, 20), [5, 10]);
    assertEquals(left([[10, 20]], 12, 18), []);
    assertEquals(left([[10, 20], [30, 40]], 10, 40), [20, 30]);
  });

  it("leave a block alone that they only lie in, or beside", () => {
    assertEquals(left([[12, 18]], 10, 20), [10, 20]);
    assertEquals(left([[20, 30]], 10, 20), [10, 20]);
  });

  it("are eight; a ninth takes the place of the oldest, one that covers another that of the other", () => {
    const nine = Array.from({ length: 9 }, (_, i) => [10 * i, 10 * i + 5] as const);
    assertEquals(left(nine, 0, 5), [0, 5]);
    assertEquals(left(nine, 10, 15), []);
    assertEquals(left([...nine.slice(0, 8), [0, 6]], 10, 15), []);
    assertEquals(left([...nine.slice(0, 8), [1, 4]], 10, 15), []);
  });

  it("are none when what was SACKed is no more", () => {
    const blocks = new KnownBlocks();
    blocks.add(10, 20);
    blocks.clear();
    blocks.cut(10, 20);
    assertEquals([blocks.from, blocks.to], [10, 20]);
  });

  it("never cut off a byte that was in none of them", () => {
    const block = fc.tuple(fc.nat({ max: 60 }), fc.integer({ min: 1, max: 20 }))
      .map(([from, length]) => [from, from + length] as const);
    fc.assert(fc.property(fc.array(block, { maxLength: 20 }), block, (known, [from, to]) => {
      const [first = to, last = to] = left(known, from, to);
      for (let byte = from; byte < to; byte++) {
        const kept = byte >= first && byte < last;
        const reported = known.some(([begin, end]) => begin <= byte && byte < end);
        assertEquals(kept || reported, true, `${byte}`);
      }
    }));
  });
});
