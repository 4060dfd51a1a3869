import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { dctcp, reno } from "../../cc/mod.ts";
import { runCongestion } from "../kit/toy_congestion.ts";
import { ack, MSS, TestConnection } from "./support.ts";

/** A subflow of 100 segments and the means to let whole windows of data pass, some of it marked. */
function flowOf(plugin = dctcp()) {
  const { subflows: [flow] } = new TestConnection(plugin, [[100, 50]]);
  let delivered = 0;
  return {
    flow: flow!,
    /** One window; `marked` segments of 100 are. */
    window(marked: number): void {
      const prior = delivered;
      delivered += 100 * MSS;
      // Not limited by the window: it shall not grow meanwhile.
      const more = { cwndLimited: false, delivered, priorDelivered: prior };
      ack(flow!, 100 * MSS, { ...more, marked: marked * MSS });
    },
    /** Segments of 100 that a reduction for marks takes. */
    cut(): number {
      const before = flow!.cwnd;
      flow!.controller!.onCongestion("ecn", before);
      return (before - flow!.cwnd) / before * 100;
    },
  };
}

describe("dctcp", () => {
  it("RFC 8257 §3.3: alpha begins at 1: a mark after a first window without takes nearly half", () => {
    assertAlmostEquals(flowOf().cut(), 50 * 15 / 16, 0.01);
  });

  it("RFC 8257 §3.3: alpha moves by g towards the marked share, once for each window of data", () => {
    const { window, cut } = flowOf();
    let alpha = 15 / 16;
    for (let i = 0; i < 40; i++) {
      window(0);
      alpha *= 15 / 16;
    }
    assertAlmostEquals(cut(), alpha / 2 * 100, 0.01);
  });

  it("takes half of what is marked where it stays so", () => {
    const { window, cut } = flowOf();
    for (let i = 0; i < 200; i++) window(10);
    assertAlmostEquals(cut(), 5, 0.01);
  });

  it("heeds 'g', and refuses what it cannot be", () => {
    const { window, cut } = flowOf(dctcp({ g: 1 }));
    window(20);
    assertAlmostEquals(cut(), 10, 0.01);
    assertThrows(() => dctcp({ g: 0 }), RangeError, "'g' must be from 0.001 to 1");
    assertThrows(() => dctcp({ g: "1" as unknown as number }), TypeError, "'g' must be a number");
  });

  it("asks for marks as they come", () => {
    assertEquals(flowOf().flow.controller!.accurateEcn, true);
  });

  it("RFC 8257 §3.5: is reno, byte for byte, where nothing is marked", () => {
    const path = { rate: 1e6, rtt: 40e3, buffer: 3e4 };
    const [one, other] = [dctcp(), reno()].map((plugin) => runCongestion(plugin, [path], 20e6));
    assertEquals(one!.fingerprint, other!.fingerprint);
  });
});
