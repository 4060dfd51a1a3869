import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { wvegas } from "../../cc/mod.ts";
import { runShared } from "../kit/toy_shared.ts";
import { ack, MSS, TestConnection, type TestFlow } from "./support.ts";

const BASE = 50e3;

/** Lets a round trip pass in which each of eight acknowledgements took `rtt`. */
function round(flow: TestFlow, rtt: number, samples = 8): void {
  const delivered = (rounds.get(flow) ?? 0) + flow.cwnd;
  for (let i = 0; i < samples; i++) {
    const priorDelivered = i === 0 ? rounds.get(flow) ?? 0 : -1;
    ack(flow, i === 0 ? 1 : 0, { rtt, delivered, priorDelivered });
  }
  rounds.set(flow, delivered);
}

const rounds = new WeakMap<TestFlow, number>();

/** A subflow in congestion avoidance that knows its least round trip. */
function flowOf(segments: number, plugin = wvegas()): TestFlow {
  const { subflows: [flow] } = new TestConnection(plugin, [[segments, BASE / 1e3]]);
  round(flow!, BASE);
  return flow!;
}

/** Segments by which the window changes when a round of `rtt` is judged. */
function step(flow: TestFlow, rtt: number): number {
  round(flow, rtt);
  const before = flow.cwnd;
  round(flow, rtt);
  return (flow.cwnd - before) / MSS;
}

/** The round trip at which `queued` of `window` segments wait. */
function waiting(queued: number, window: number): number {
  return BASE / (1 - queued / window);
}

describe("wvegas", () => {
  it("grows by a segment in a round trip while fewer wait than may", () => {
    assertEquals(step(flowOf(100), waiting(1, 100)), 1);
  });

  it("knows its weight once two segments wait: alone it may keep ten there", () => {
    const flow = flowOf(100);
    assertEquals(step(flow, waiting(5, 101)), 1);
    assertEquals(step(flow, waiting(15, 100)) < 0, true);
  });

  it("shrinks by a segment where more wait", () => {
    const flow = flowOf(100);
    step(flow, waiting(8, 101));
    // No more than twice what waited before: nothing to drain.
    assertEquals(step(flow, waiting(12, 103)), -1);
  });

  it("shares what may wait by rate", () => {
    const connection = new TestConnection(wvegas(), [[50, 50], [150, 50]]);
    const [slow, fast] = connection.subflows;
    for (const flow of [slow!, fast!]) {
      round(flow, BASE);
      round(flow, BASE);
    }
    // 2.5 of ten, by a quarter of the rate: three are too many, and 7 of 7.5 are not.
    step(slow!, waiting(2.2, slow!.cwnd / MSS));
    assertEquals(step(slow!, waiting(3, slow!.cwnd / MSS)), -1);
    step(fast!, waiting(6, fast!.cwnd / MSS));
    assertEquals(step(fast!, waiting(7, fast!.cwnd / MSS)), 1);
  });

  it("drains the queue where twice as much waits as ever did", () => {
    const flow = flowOf(100);
    step(flow, waiting(11, 101));
    const before = flow.cwnd;
    const rtt = waiting(40, before / MSS);
    round(flow, rtt);
    round(flow, rtt);
    assert(Math.abs(flow.cwnd - before * BASE / (2 * rtt)) < 2 * MSS, `${before} ${flow.cwnd}`);
  });

  it("is reno in a round trip of two samples or fewer", () => {
    const { subflows: [flow] } = new TestConnection(wvegas(), [[4, BASE / 1e3]]);
    for (let i = 0; i < 4; i++) {
      round(flow!, BASE, 2);
      ack(flow!, flow!.cwnd, { rtt: -1, priorDelivered: -1 });
    }
    assertEquals(flow!.cwnd >= 7 * MSS, true);
  });

  it("halves its window by a loss, and keeps two segments", () => {
    const flow = flowOf(100);
    flow.controller!.onCongestion("loss", flow.cwnd);
    assertEquals(flow.cwnd, 50 * MSS);
  });

  it("measures the least round trip anew after a pause", () => {
    // Not more than an initial window, which a pause leaves as it is.
    const flow = flowOf(10);
    flow.controller!.onRestart!(1e6, 240e3);
    round(flow, 3 * BASE);
    assertEquals(step(flow, 3 * BASE), 1);
  });

  it("keeps ten packets in a queue, with one subflow as with four", () => {
    const path = { rate: 1.25e6, rtt: 40e3, buffer: 5e5 };
    for (const paths of [[0], [0, 0, 0, 0]]) {
      const [result] = runShared([path], [{ plugin: wvegas(), paths }], 10e6, 40e6);
      const delivered = result!.delivered.reduce((a, b) => a + b);
      const packets = Math.max(...result!.waited) * path.rate / 1e6 / 1400;
      assert(packets > 4 && packets < 20, `${packets} packets wait with ${paths.length}`);
      assert(delivered > 0.98 * 30 * path.rate, `${delivered}`);
    }
  });

  it("refuses an 'alpha' that cannot be", () => {
    assertThrows(() => wvegas({ alpha: 1 }), RangeError, "'alpha' must be from 2 to 1000");
    assertThrows(() => wvegas({ alpha: "6" as unknown as number }), TypeError, "a number");
  });
});
