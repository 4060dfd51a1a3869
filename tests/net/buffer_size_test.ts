/** What buffers should hold, by the worked cases of the draft (CFG-4; RFC 6182 §5.3). */

import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type BufferPath, bufferSize } from "../../core/net/buffer_size.ts";

const path = (mbit: number, ms: number): BufferPath => ({
  rate: `${mbit} Mbit/s`,
  rtt: `${ms} ms`,
});

describe("CFG-4: 2·ΣBW·RTT_max", () => {
  const cases: readonly (readonly [bytes: number, ...paths: BufferPath[]])[] = [
    [375_000, path(8, 20), path(2, 150)],
    [500_000, path(100, 10), path(100, 10)],
    [25_000_000, path(100, 1), path(100, 500)],
    [25_250_000, path(100, 10), path(1, 1000)],
    [250_000, path(100, 10)],
  ];
  for (const [bytes, ...paths] of cases) {
    it(`of ${paths.map(({ rate, rtt }) => `${rate} ${rtt}`).join(" and ")} is ${bytes}`, () => {
      assertEquals(bufferSize(paths), bytes);
    });
  }

  it("refuses what is no path", () => {
    assertThrows(() => bufferSize([]), RangeError, "there must be one path at least");
    assertThrows(() => bufferSize([path(0, 10)]), RangeError, "must be above 0");
    assertThrows(() => bufferSize([path(1, -1)]), RangeError, "must be 0 or more");
    assertThrows(() => bufferSize([{ rate: "1 Mbit/s", rtt: "10" } as never]), TypeError, "'rtt'");
  });
});
