import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BlackHoles } from "../../../core/host/black_holes.ts";

describe("black holes", () => {
  it("are believed in for an hour from when they were last found", () => {
    const holes = new BlackHoles();
    holes.found("10.0.0.1", 0);
    holes.found("10.0.0.1", 1800e6);
    assertEquals(holes.has("10.0.0.1", 5399e6), true);
    assertEquals(holes.has("10.0.0.2", 5399e6), false);
    assertEquals(holes.has("10.0.0.1", 5400e6), false);
  });

  it("are 256 at most: the oldest is forgotten", () => {
    const holes = new BlackHoles();
    for (let i = 0; i <= 256; i++) holes.found(`10.0.1.${i}`, i);
    assertEquals([0, 1, 256].map((i) => holes.has(`10.0.1.${i}`, 300)), [false, true, true]);
  });
});
