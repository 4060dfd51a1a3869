import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { aimd, reno } from "../../cc/mod.ts";
import { ack, MSS, TestConnection, TestFlow } from "./support.ts";

/** A subflow of ten segments in slow start. */
function fresh(plugin = reno()): TestFlow {
  const flow = new TestFlow(1, 50e3);
  const { group } = new TestConnection(plugin, []);
  flow.controller = group.join(flow);
  return flow;
}

describe("aimd", () => {
  it("starts at the window of the subflow, in slow start", () => {
    const flow = fresh();
    assertEquals([flow.cwnd, flow.ssthresh], [10 * MSS, Infinity]);
    ack(flow, 3 * MSS);
    assertEquals(flow.cwnd, 13 * MSS);
  });

  it("goes from slow start to congestion avoidance in the middle of an ACK", () => {
    const flow = fresh();
    flow.controller!.onCongestion("timeout", 10 * MSS);
    assertEquals([flow.cwnd, flow.ssthresh], [MSS, 5 * MSS]);
    ack(flow, 4 * MSS);
    assertEquals(flow.cwnd, 5 * MSS);
    ack(flow, 5 * MSS);
    assertEquals(flow.cwnd, 6 * MSS);
  });

  it("has a window of whole bytes in slow start, also after a timeout, or without HyStart++", () => {
    for (const plugin of [reno(), reno({ hystart: false })]) {
      const flow = fresh(plugin);
      flow.mss = 1428;
      flow.controller!.onCongestion("timeout", 100 * flow.mss);
      for (let i = 0; i < 60; i++) {
        ack(flow, i % 3 === 0 ? 1300 : flow.mss);
        assertEquals(flow.cwnd % 1, 0, `${flow.cwnd} bytes after ${i + 1} acknowledgements`);
      }
      assertEquals(flow.cwnd, 50 * flow.mss);
    }
  });

  // Draft CC-5.
  it("grows by one segment per window of acknowledged bytes (RFC 5681 §3.1)", () => {
    const flow = new TestConnection(reno(), [[10, 50]]).subflows[0]!;
    for (let i = 0; i < 9; i++) ack(flow, MSS);
    assertEquals(flow.cwnd, 10 * MSS);
    ack(flow, MSS);
    assertEquals(flow.cwnd, 11 * MSS);
  });

  it("does not grow while the window is not what limits (RFC 7661)", () => {
    const flow = fresh();
    ack(flow, 5 * MSS, { cwndLimited: false });
    assertEquals(flow.cwnd, 10 * MSS);
  });

  it("does not grow in fast recovery, but slow-starts after a timeout", () => {
    const flow = fresh();
    flow.controller!.onCongestion("loss", 10 * MSS);
    flow.inRecovery = true;
    ack(flow, 20 * MSS);
    assertEquals(flow.cwnd, 5 * MSS);
    flow.controller!.onCongestion("timeout", 10 * MSS);
    ack(flow, 20 * MSS);
    assertEquals(flow.cwnd, 5 * MSS);
  });

  it("halves the flight, not the window (RFC 5681 eq. 4), and keeps two segments", () => {
    const flow = fresh();
    flow.controller!.onCongestion("loss", 6 * MSS);
    assertEquals([flow.cwnd, flow.ssthresh], [3 * MSS, 3 * MSS]);
    flow.controller!.onCongestion("ecn", 3 * MSS);
    assertEquals([flow.cwnd, flow.ssthresh], [2 * MSS, 2 * MSS]);
  });

  it("does not grow by marks, but while something is repaired (RFC 3168 §6.1.2)", () => {
    const flow = fresh();
    ack(flow, 2 * MSS, { marked: MSS });
    assertEquals(flow.cwnd, 10 * MSS);
    flow.controller!.onCongestion("timeout", 10 * MSS);
    flow.inRecovery = true;
    ack(flow, MSS, { marked: MSS });
    assertEquals(flow.cwnd, 2 * MSS);
  });

  it("halves window and threshold for a penalty, and never below a segment", () => {
    const slow = fresh();
    slow.controller!.onCongestion("penalty", 0);
    assertEquals([slow.cwnd, slow.ssthresh], [5 * MSS, Infinity]);
    const flow = new TestConnection(reno(), [[10, 50]]).subflows[0]!;
    for (let i = 0; i < 5; i++) flow.controller!.onCongestion("penalty", 10 * MSS);
    assertEquals([flow.cwnd, flow.ssthresh], [MSS, 2 * MSS]);
  });

  it("leaves the threshold to which slow start goes on as it is by a penalty (algorithms.md 2.3, M2)", () => {
    const flow = fresh();
    flow.controller!.onCongestion("timeout", 40 * MSS);
    ack(flow, 9 * MSS);
    flow.controller!.onCongestion("penalty", 10 * MSS);
    assertEquals([flow.cwnd, flow.ssthresh], [5 * MSS, 20 * MSS]);
  });

  it("never raises the window by a loss, also with more in flight than it allows", () => {
    const flow = fresh();
    flow.controller!.onCongestion("penalty", 10 * MSS);
    flow.controller!.onCongestion("penalty", 10 * MSS);
    flow.controller!.onCongestion("loss", 10 * MSS);
    assertEquals([flow.cwnd, flow.ssthresh], [2500, 5 * MSS]);
  });

  it("undoes a timeout that was none, once", () => {
    const flow = fresh();
    flow.controller!.onCongestion("timeout", 10 * MSS);
    flow.controller!.onUndo!();
    assertEquals([flow.cwnd, flow.ssthresh], [10 * MSS, Infinity]);
    flow.controller!.onCongestion("penalty", 10 * MSS);
    flow.controller!.onUndo!();
    assertEquals(flow.cwnd, 5 * MSS);
  });

  it("brings back no threshold that segments have outgrown meanwhile (RFC 5681 §3.1 eq. 4)", () => {
    const flow = fresh();
    flow.mss = 500;
    flow.controller!.onCongestion("loss", 2500);
    assertEquals(flow.ssthresh, 1250);
    flow.mss = 1400;
    flow.controller!.onCongestion("loss", 10_000);
    assertEquals(flow.ssthresh, 5000);
    flow.controller!.onUndo!();
    assertEquals(flow.ssthresh, 2800);
  });

  it("starts again with an initial window after a pause (RFC 5681 §4.1)", () => {
    const flow = fresh();
    ack(flow, 90 * MSS);
    flow.controller!.onRestart!(5e6, 240e3);
    assertEquals(flow.cwnd, 10 * MSS);
    flow.controller!.onCongestion("timeout", 10 * MSS);
    flow.controller!.onRestart!(5e6, 240e3);
    assertEquals(flow.cwnd, MSS);
  });

  it("fades through the second timeout of a pause: what is a little longer is no other pause (RFC 5681 §4.1)", () => {
    const windows = [1, 1.001, 1.5, 1.9, 2, 9].map((timeouts) => {
      const flow = fresh();
      ack(flow, 90 * MSS);
      flow.controller!.onRestart!(timeouts * 240e3, 240e3);
      return flow.cwnd / MSS;
    });
    assertEquals(windows.map((window) => Math.round(window)), [100, 100, 50, 10, 10, 10]);
  });

  it("ends the slow start that a pause has interrupted where it was, once a queue was seen (RFC 9406, RFC 7661 §4.4.3)", () => {
    const flow = fresh();
    // Rounds of which the second takes longer by a half.
    let delivered = 0;
    for (const rtt of [20e3, 30e3]) {
      const priorDelivered = delivered;
      for (let i = 0; i < 10; i++) {
        delivered += MSS;
        ack(flow, MSS, { rtt, priorDelivered, delivered });
      }
    }
    const { cwnd } = flow;
    assertEquals(flow.ssthresh, Infinity);
    flow.controller!.onRestart!(5e6, 240e3);
    assertEquals([flow.cwnd, flow.ssthresh], [10 * MSS, Math.floor(cwnd * 3 / 4)]);
  });

  it("adds fractions up, takes growth that is negative, and asks the formula for the window after a loss", () => {
    const plugin = aimd(
      "drift",
      () => ({ increase: (acked) => acked / 4, decrease: () => 7777.7 }),
    );
    const flow = new TestConnection(plugin, [[10, 50]]).subflows[0]!;
    const start = flow.cwnd;
    for (let i = 0; i < 6; i++) ack(flow, 1);
    assertEquals(flow.cwnd, start + 1);
    flow.controller!.onCongestion("loss", 0);
    assertEquals([flow.cwnd, flow.ssthresh], [7777, 7777]);
    const down = aimd("down", (subflow) => ({ increase: () => -subflow.mss }));
    const sinking = new TestConnection(down, [[3, 50]]).subflows[0]!;
    for (let i = 0; i < 5; i++) ack(sinking, MSS);
    assertEquals(sinking.cwnd, MSS);
  });

  it("follows a change of the MSS", () => {
    const flow = fresh();
    flow.mss = 500;
    flow.controller!.onCongestion("timeout", MSS);
    assertEquals([flow.cwnd, flow.ssthresh], [500, 1000]);
  });
});
