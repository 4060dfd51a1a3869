import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Hints } from "../../../core/connection/hints.ts";

describe("hints of writes", () => {
  it("say of each byte what its write said, and when that was", () => {
    const hints = new Hints();
    hints.write(1, 7, 100);
    hints.write(11, 7, 200);
    hints.write(21, 0, 300);
    hints.write(31, 9, 400);
    const told = [1, 10, 11, 21, 30, 31].map((at) => `${hints.at(at)} ${hints.written(at)}`);
    assertEquals(told, ["7 100", "7 100", "7 200", "0 0", "0 0", "9 400"]);
    assertEquals([1, 11, 21, 31].map((at) => hints.end(at)), [21, 21, 31, Infinity]);
  });

  it("count the last word where a write that found no room comes again", () => {
    const hints = new Hints();
    hints.write(1, 7, 100);
    hints.write(1, 7, 200);
    assertEquals(hints.written(1), 200);
    hints.write(5, 8, 300);
    hints.write(5, 0, 400);
    assertEquals([hints.at(4), hints.at(5)], [7, 0]);
  });

  it("say nothing of bytes before the first, and look no further than a mapping reaches", () => {
    const hints = new Hints();
    hints.write(100_000, 7, 100);
    assertEquals([hints.at(1), hints.written(1), hints.end(1)], [0, 0, Infinity]);
    assertEquals(hints.end(99_000), 100_000);
  });

  it("are over once what had one is DATA_ACKed and what follows has none", () => {
    const hints = new Hints();
    hints.write(1, 7, 100);
    hints.write(11, 0, 200);
    assertEquals(hints.acknowledged(10), false);
    assertEquals(hints.acknowledged(11), true);
  });
});
