import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Duration, parseDuration, parseRate, type Rate } from "../../core/link/units.ts";

describe("parseRate()", () => {
  it("gives bytes per second", () => {
    const cases: [Rate, number][] = [
      ["8 bit/s", 1],
      ["8 kbit/s", 1e3],
      ["20 Mbit/s", 2.5e6],
      ["1.5 Mbit/s", 187500],
      ["10 Gbit/s", 1.25e9],
      ["1e3 Mbit/s", 1.25e8],
    ];
    for (const [text, bytes] of cases) assertEquals(parseRate(text), bytes, text);
  });

  it("throws TypeError on what is not a number with a unit, and says what one looks like", () => {
    // @ts-expect-error: not a unit of a rate
    assertThrows(() => parseRate("20 Mbps"), TypeError, 'such as "20 Mbit/s"');
    // @ts-expect-error: not text
    assertThrows(() => parseRate(20), TypeError, "Cannot read 20 as a rate");
    // @ts-expect-error: the space is missing
    assertThrows(() => parseRate("20Mbit/s"), TypeError, "a number, a space");
    // @ts-expect-error: a name that every object has
    assertThrows(() => parseRate("1 constructor"), TypeError);
    assertThrows(() => parseRate("NaN Mbit/s" as Rate), TypeError);
  });

  it("throws RangeError on rates that carry nothing", () => {
    assertThrows(() => parseRate("0 Mbit/s"), RangeError, "above 0");
    assertThrows(() => parseRate("-1 Mbit/s"), RangeError, "above 0");
    assertThrows(() => parseRate("1e999 Mbit/s" as Rate), RangeError);
  });
});

describe("parseDuration()", () => {
  it("gives microseconds", () => {
    const cases: [Duration, number][] = [["15 ms", 15e3], ["0 us", 0], ["2.5 us", 2.5], [
      "1 s",
      1e6,
    ]];
    for (const [text, micros] of cases) assertEquals(parseDuration(text), micros, text);
  });

  it("throws TypeError on wrong units and RangeError below 0", () => {
    // @ts-expect-error: not a unit of time
    assertThrows(() => parseDuration("15 min"), TypeError, "one of us, ms, s");
    assertThrows(() => parseDuration("-1 ms"), RangeError, "0 or more");
  });
});
