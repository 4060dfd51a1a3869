import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Delivery } from "./delivery.ts";

const written = Uint8Array.from({ length: 10 }, (_, i) => i);
const delivery = (): Delivery =>
  new Delivery((from, length) => written.subarray(from, from + length));

describe("Delivery", () => {
  it("holds when all that was written was read, in any pieces, before the end", () => {
    const d = delivery();
    d.take(written.subarray(0, 3));
    d.take(written.subarray(3));
    d.end(10);
    assertEquals([d.received, d.wrong], [10, null]);
  });

  it("names bytes that are missing at the end, doubled, in a wrong place, or nobody's", () => {
    const cases: [(d: Delivery) => void, string][] = [
      [(d) => d.end(10), "it ended in order after 3 of 10 bytes"],
      [(d) => d.take(written.subarray(2, 5)), "byte 3 is not the one that was written"],
      [(d) => d.take(written.subarray(4)), "byte 3 is not the one that was written"],
      [(d) => d.take(new Uint8Array(8)), "11 bytes were read, more than were written"],
    ];
    for (const [wrong, text] of cases) {
      const d = delivery();
      d.take(written.subarray(0, 3));
      wrong(d);
      assertEquals(d.wrong, text);
    }
  });
});
