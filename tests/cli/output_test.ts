import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertThrows } from "@std/assert";
import {
  explain,
  formatBytes,
  formatRate,
  formatShare,
  formatTime,
  parseSize,
} from "../../cli/output.ts";

describe("output", () => {
  it("words bytes, rates, times and shares", () => {
    assertEquals(formatBytes(0), "0 B");
    assertEquals(formatBytes(999), "999 B");
    assertEquals(formatBytes(32e6), "32.0 MB");
    assertEquals(formatRate(3.9e6), "31.2 Mbit/s");
    assertEquals(formatTime(45_000), "45 ms");
    assertEquals(formatTime(8_250_000), "8.25 s");
    assertEquals([formatShare(1, 3), formatShare(0, 0)], ["33 %", "-"]);
  });

  it("puts errors of the system in words", () => {
    const words = (message: string): string => explain(new Error(message));
    assertEquals(
      words("No such file or directory (os error 2): writefile '/a/b.svg'"),
      "Cannot write /a/b.svg: no such file or directory",
    );
    assertEquals(
      words("Permission denied (os error 13): frob 'x'"),
      "Cannot frob x: permission denied",
    );
    assertEquals(words("Cannot connect"), "Cannot connect");
  });

  it("reads sizes", () => {
    assertEquals(["1", "32MB", "500kB", "1.5 MB", "2gb"].map(parseSize), [
      1,
      32e6,
      500e3,
      1.5e6,
      2e9,
    ]);
    for (const text of ["", "0", "-1", "MB", "1 TB", "x"]) {
      assertThrows(() => parseSize(text), RangeError, "size");
    }
  });
});
