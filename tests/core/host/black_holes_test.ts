import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BlackHoles } from "../../../core/host/black_holes.ts";

const HOUR = 3600e6;
const AT = "10.0.0.1";

describe("black holes", () => {
  it("are believed in for as long as is asked for, the address named alone", () => {
    const holes = new BlackHoles();
    holes.found(AT, 5, HOUR);
    assertEquals(holes.has(AT, 5 + HOUR - 1, HOUR), true);
    assertEquals(holes.has("10.0.0.2", 6, HOUR), false);
    assertEquals(holes.has(AT, 5 + HOUR, HOUR), false);
    assertEquals([holes.has(AT, 1e6, 2e6), holes.has(AT, 2e6 + 5, 2e6)], [true, false]);
    assertEquals(holes.has(AT, 6, 0), false);
  });

  it("are believed in for twice as long each time that they are found again, up to 64 times", () => {
    const holes = new BlackHoles();
    let now = 0;
    for (const hours of [1, 2, 4, 8, 16, 32, 64, 64, 64]) {
      holes.found(AT, now, HOUR);
      now += hours * HOUR;
      assertEquals([holes.has(AT, now - 1, HOUR), holes.has(AT, now, HOUR)], [true, false]);
    }
  });

  it("are found once by all that find them while they are believed in", () => {
    const holes = new BlackHoles();
    for (let i = 0; i < 5; i++) holes.found(AT, i * 1e6, HOUR);
    assertEquals(holes.has(AT, HOUR, HOUR), false);
    holes.found(AT, HOUR, HOUR);
    assertEquals(holes.has(AT, 3 * HOUR - 1, HOUR), true);
    assertEquals(holes.has(AT, 3 * HOUR, HOUR), false);
  });

  it("are forgotten where MPTCP passes, however often they were found", () => {
    const holes = new BlackHoles();
    holes.found(AT, 0, HOUR);
    holes.found(AT, HOUR, HOUR);
    holes.passed(AT);
    assertEquals(holes.has(AT, HOUR + 1, HOUR), false);
    holes.found(AT, 2 * HOUR, HOUR);
    assertEquals(holes.has(AT, 3 * HOUR, HOUR), false);
    holes.passed("10.0.0.2");
    assertEquals(holes.has(AT, 2 * HOUR, HOUR), true);
  });

  it("are 256 at most: the one found first is forgotten", () => {
    const holes = new BlackHoles();
    for (let i = 0; i <= 256; i++) holes.found(`10.0.1.${i}`, i, HOUR);
    assertEquals([0, 1, 256].map((i) => holes.has(`10.0.1.${i}`, 300, HOUR)), [false, true, true]);
  });
});
