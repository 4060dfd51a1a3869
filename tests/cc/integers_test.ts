import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { floorOfRatio, floorOverSquare } from "../../cc/integers.ts";
import * as fc from "../support/property.ts";

/** Positive integers below 2^bits of all sizes, not most of them large. */
function sized(bits: number): fc.Arbitrary<number> {
  return fc.tuple(fc.nat(bits - 1), fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }))
    // The largest part is rounded up.
    .map(([size, part]) => Math.min(2 ** bits - 1, Math.floor(2 ** size * (1 + part))));
}

describe("floorOfRatio()", () => {
  const model = (a: number, b: number, c: number): number =>
    Number(BigInt(a) * BigInt(b) / BigInt(c));

  it("is what integers of any size give", () => {
    fc.assert(
      fc.property(sized(35), sized(48), sized(35), (a, b, c) => {
        fc.pre(model(a, b, c) <= Number.MAX_SAFE_INTEGER);
        assertEquals(floorOfRatio(a, b, c), model(a, b, c));
      }),
      { numRuns: 2000 },
    );
  });

  it("is not rounded up to a whole number that it misses by 1 / c", () => {
    fc.assert(
      fc.property(sized(35), sized(12), (c, times) => {
        const [a, b] = [c - 1, times * c + 1];
        assertEquals(floorOfRatio(a, b, c), model(a, b, c));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("floorOverSquare()", () => {
  const model = (a: number, b: number, c: number): number =>
    Number((BigInt(a) * BigInt(b) << 20n) / (BigInt(c) * BigInt(c)));
  const check = (a: number, b: number, c: number): void => {
    fc.pre(model(a, b, c) <= Number.MAX_SAFE_INTEGER);
    assertEquals(floorOverSquare(a, b, c), model(a, b, c));
  };

  it("is what integers of any size give", () => {
    fc.assert(fc.property(sized(48), sized(49), sized(48), check), { numRuns: 2000 });
  });

  it("is exact beside whole numbers", () => {
    fc.assert(
      fc.property(sized(47), sized(12), fc.integer({ min: -1, max: 1 }), (c, k, more) => {
        check(c + more, c, c);
        check(Math.min(c * k, 2 ** 48 - 1), c, c);
        check(c, 2 * c + more, c);
      }),
      { numRuns: 2000 },
    );
    check(2 ** 48 - 1, 2 ** 49 - 1, 2 ** 48 - 1);
    // All 97 bits of the product.
    check(3 * 2 ** 46, 3 * 2 ** 47, 2 ** 45);
    // Where numbers have few bits left for what is behind the point.
    fc.assert(
      fc.property(
        sized(48),
        sized(49),
        (a, b) => check(a, b, Math.ceil(Math.sqrt(a * b) / 2 ** 14)),
      ),
      { numRuns: 2000 },
    );
  });
});
