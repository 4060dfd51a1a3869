import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { Figures } from "../../../core/connection/figures.ts";

/** All figures by name. */
function all(figures: Figures): Record<string, number> {
  const { bytesSent, repeated, repeats } = figures;
  const { lastSent, lastReceived, lastAcked } = figures;
  return {
    bytesSent,
    repeated,
    repeats,
    lastSent,
    lastReceived,
    lastAcked,
  };
}

const NONE = all(new Figures());

describe("figures of a connection", () => {
  it("begin with 0", () => {
    assertEquals([...new Set(Object.values(NONE))], [0]);
  });

  it("are added up, times are the last ones, and none moves another", () => {
    const does = (...steps: readonly ((figures: Figures) => void)[]): Record<string, number> => {
      const figures = new Figures();
      for (const step of steps) step(figures);
      return all(figures);
    };
    assertEquals(does((f) => f.sent(100, 5), (f) => f.sent(50, 7)), {
      ...NONE,
      bytesSent: 150,
      lastSent: 7,
    });
    assertEquals(does((f) => f.repeat(100), (f) => f.repeat(50)), {
      ...NONE,
      repeated: 150,
      repeats: 2,
    });
    assertEquals(does((f) => f.received(5)), { ...NONE, lastReceived: 5 });
    assertEquals(does((f) => f.acked(5)), { ...NONE, lastAcked: 5 });
  });
});
