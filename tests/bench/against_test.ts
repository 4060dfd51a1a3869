/** What bench/against.ts makes of its figures. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ratios, spread } from "../../bench/against.ts";

describe("a comparison with another checkout", () => {
  it("gives median and quartiles in whatever order the figures came", () => {
    assertEquals(spread([5, 1, 4, 2, 3]), { median: 3, lower: 2, upper: 4 });
  });

  it("takes the place between two figures where none is in the middle", () => {
    assertEquals(spread([1, 2, 3, 10]), { median: 2.5, lower: 1.75, upper: 4.75 });
  });

  it("compares figures of one round with each other: a slow machine slows both", () => {
    assertEquals(ratios([2, 20, 200], [1, 10, 100]), { median: 2, lower: 2, upper: 2 });
  });
});
