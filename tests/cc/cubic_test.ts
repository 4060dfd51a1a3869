import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { cubic, reno } from "../../cc/mod.ts";
import { ack, MSS, TestConnection, TestFlow } from "./support.ts";

/** Windows are whole bytes: large segments show more digits. */
const LARGE = 1e6;

/** A subflow with a window of `segments`, still in slow start, and a round trip of `srtt`. */
class Bench {
  readonly connection = new TestConnection(cubic(), []);
  readonly flow: TestFlow;

  constructor(segments: number, srtt = 0.1e6, mss = MSS) {
    const flow = this.flow = new TestFlow(1, srtt);
    flow.mss = mss;
    this.connection.now = 1e6;
    flow.controller = this.connection.group.join(flow);
    ack(flow, segments * mss - flow.cwnd);
  }

  get window(): number {
    return this.flow.cwnd / this.flow.mss;
  }

  /** A loss with all of the window in flight. */
  lose(cause: "loss" | "timeout" | "ecn" = "loss"): void {
    this.flow.controller!.onCongestion(cause, this.flow.cwnd);
  }

  /** Lets `seconds` pass, with an ACK of one byte each round trip. */
  pass(seconds: number, cwndLimited = true): void {
    const steps = Math.round(seconds * 1e6 / this.flow.srtt);
    for (let i = 0; i < steps; i++) {
      this.connection.now += this.flow.srtt;
      ack(this.flow, 1, { cwndLimited });
    }
  }

  /** A whole window is acknowledged: the window becomes that of the curve a round trip later. */
  grow(): number {
    ack(this.flow, this.flow.cwnd);
    return this.window;
  }

  /** By how many segments an ACK of one makes the window grow. */
  get perAck(): number {
    const before = this.window;
    ack(this.flow, this.flow.mss);
    return this.window - before;
  }
}

/** A window of 70 segments after a loss at 100, with congestion avoidance begun. */
function vector(mss = MSS): Bench {
  const bench = new Bench(100, 0.1e6, mss);
  bench.lose();
  ack(bench.flow, 1);
  return bench;
}

describe("cubic", () => {
  it("leaves seven tenths of the flight after a loss, two segments at least (RFC 9438 §4.6)", () => {
    const bench = new Bench(100);
    bench.lose();
    assertEquals([bench.flow.cwnd, bench.flow.ssthresh], [70 * MSS, 70 * MSS]);
    bench.flow.controller!.onCongestion("loss", 2 * MSS);
    assertEquals(bench.flow.ssthresh, 2 * MSS);
  });

  it("follows the curve through the window of the loss (RFC 9438 §4.2)", () => {
    // W(t) for W_max = 100, a window of 70 at t = 0, hence K = 4.21716 s.
    const curve = [[1, 86.681], [2, 95.64], [4, 99.996], [6, 102.267], [8, 121.653]] as const;
    const bench = vector();
    let time = 0;
    for (const [t, window] of curve) {
      // An ACK asks for the curve one round trip later (§4.4).
      bench.pass(t - 0.1 - time);
      time = t - 0.1;
      assertAlmostEquals(bench.grow(), window, 0.002, `at ${t} s`);
    }
  });

  it("grows by as many segments an ACK as are missing in a round trip (RFC 9438 §4.4)", () => {
    const start = vector(LARGE);
    assertAlmostEquals(start.perAck, 0.02977, 5e-7);
    const later = vector(LARGE);
    later.pass(1.9);
    // W(2), exactly.
    assertAlmostEquals(later.grow(), 95.64, 5e-4);
    later.pass(0.1);
    assertAlmostEquals(later.perAck, 0.005894, 1e-6);
  });

  it("never asks for more than half as much again in a round trip (RFC 9438 §4.2)", () => {
    const bench = vector();
    bench.pass(20);
    const { window } = bench;
    assertAlmostEquals(bench.grow(), window * 1.5, 0.002);
  });

  it("gives up what others want: a smaller window than at the last loss aims lower (RFC 9438 §4.7)", () => {
    const bench = new Bench(100);
    bench.lose();
    // W_max is 70 · 0.85 now, and 49 are left: K = 2.9718 s.
    bench.lose();
    ack(bench.flow, 1);
    bench.pass(2.9);
    assertAlmostEquals(bench.grow(), 59.5, 0.01);
  });

  it("takes no less than Reno with its own reduction where that is faster (RFC 9438 §4.3)", () => {
    // With a round trip of 5 ms a window of 14 is 0.53 segments of W_est larger each time, the curve takes 2.47 s for 6.
    const bench = new Bench(20, 5e3);
    bench.lose();
    const start = bench.window;
    ack(bench.flow, 1);
    for (let round = 0; round < 5; round++) {
      bench.connection.now += 5e3;
      bench.grow();
    }
    assertAlmostEquals(bench.window, start + 5 * 3 * 0.3 / 1.7, 0.05);
    // From the window of the loss on by a whole one.
    while (bench.window < 20) {
      bench.connection.now += 5e3;
      bench.grow();
    }
    const before = bench.window;
    for (let round = 0; round < 4; round++) {
      bench.connection.now += 5e3;
      bench.grow();
    }
    assertAlmostEquals(bench.window, before + 4, 0.05);
  });

  it("begins a new curve after a timeout where slow start ends: K is 0 (RFC 9438 §4.8)", () => {
    const bench = new Bench(100);
    bench.lose("timeout");
    assertEquals([bench.window, bench.flow.ssthresh], [1, 70 * MSS]);
    ack(bench.flow, 69 * MSS);
    assertEquals(bench.window, 70);
    ack(bench.flow, 1);
    bench.pass(1.9);
    // W(2) = 0.4 · 2³ + 70: it does not head for the 100 of before. (W_est is lower, 0.53 an RTT of which none has passed with ACKs.)
    assertAlmostEquals(bench.grow(), 73.2, 0.01);
  });

  it("begins a curve at its own window where slow start ended without a loss (RFC 9438 §4.10)", () => {
    const flow = new TestFlow(1, 0.1e6);
    const connection = new TestConnection(cubic(), []);
    flow.controller = connection.group.join(flow);
    let delivered = 0;
    // Round trips that grow: HyStart++ ends it.
    for (let round = 0; flow.ssthresh === Infinity; round++) {
      assert(round < 20);
      const priorDelivered = delivered;
      for (let i = 0; i < 10 && flow.ssthresh === Infinity; i++) {
        connection.now += 1e4;
        delivered += MSS;
        ack(flow, MSS, { rtt: 40e3 + 6e3 * round, delivered, priorDelivered });
      }
    }
    const { cwnd } = flow;
    for (let i = 0; i < 19; i++) {
      connection.now += 0.1e6;
      ack(flow, 1);
    }
    ack(flow, cwnd);
    assertAlmostEquals((flow.cwnd - cwnd) / MSS, 0.4 * 2 ** 3, 0.05);
  });

  it("restores curve, window and threshold when the loss was none (RFC 9438 §4.9.2)", () => {
    const bench = vector();
    bench.pass(0.9);
    const twin = vector();
    twin.pass(0.9);
    assertEquals(bench.grow(), twin.grow());
    bench.lose();
    bench.lose();
    bench.flow.controller!.onUndo!();
    // Only the last reduction is undone.
    assertAlmostEquals(bench.window, twin.window * 0.7, 0.001);
    const other = vector();
    other.pass(0.9);
    other.grow();
    other.lose("timeout");
    other.flow.controller!.onUndo!();
    assertEquals([other.flow.cwnd, other.flow.ssthresh], [twin.flow.cwnd, 70 * MSS]);
    for (const each of [other, twin]) each.pass(0.9);
    assertAlmostEquals(other.grow(), twin.grow(), 0.002);
  });

  it("does not count the time in which the application sends too little (RFC 9438 §4.2, §5.8)", () => {
    const bench = vector();
    bench.pass(0.9);
    bench.pass(30, false);
    assertAlmostEquals(bench.grow(), 86.681, 0.002);
  });

  it("does not count a pause without ACKs", () => {
    const bench = vector();
    bench.pass(0.8);
    // The ACK behind it stands for one round trip.
    bench.connection.now += 30e6;
    ack(bench.flow, 1);
    assertAlmostEquals(bench.grow(), 86.681, 0.002);
  });

  it("goes by the round trip of its own subflow", () => {
    const connection = new TestConnection(cubic(), []);
    const flows = [0.02e6, 0.2e6].map((srtt, i) => {
      const flow = new TestFlow(i + 1, srtt);
      flow.controller = connection.group.join(flow);
      ack(flow, 90 * MSS);
      flow.controller.onCongestion("loss", 100 * MSS);
      return flow;
    });
    for (const flow of flows) ack(flow, flow.cwnd);
    const at = (t: number): number => 0.4 * (t - 4.217163) ** 3 + 100;
    // W_est is above the curve where a round trip is short (§4.3).
    assertAlmostEquals(flows[0]!.cwnd / MSS, 70 + 3 * 0.3 / 1.7, 0.002);
    assertAlmostEquals(flows[1]!.cwnd / MSS, at(0.2), 0.002);
  });

  it("heads for the same window again after a pause (RFC 5681 §4.1)", () => {
    const bench = new Bench(100);
    bench.lose();
    bench.flow.controller!.onRestart!(5e6, 240e3);
    assertEquals([bench.window, bench.flow.ssthresh], [10, 70 * MSS]);
    ack(bench.flow, 60 * MSS);
    ack(bench.flow, 1);
    bench.pass(0.9);
    assertAlmostEquals(bench.grow(), 86.681, 0.002);
  });

  it("is as patient as reno where nothing is in its way", () => {
    // Slow start is the same for both.
    const [a, b] = [cubic(), reno()].map((plugin) => {
      const flow = new TestFlow(1, 50e3);
      flow.controller = new TestConnection(plugin, []).group.join(flow);
      ack(flow, 37 * MSS);
      return flow.cwnd;
    });
    assertEquals(a, b);
  });
});

describe("a window that is not used (RFC 7661 §4.4.3)", () => {
  for (const plugin of [reno(), cubic()]) {
    it(`${plugin.name}: is halved every five minutes, down to an initial one, and comes back by slow start`, () => {
      const connection = new TestConnection(plugin, []);
      const flow = new TestFlow(1, 50e3);
      flow.controller = connection.group.join(flow);
      ack(flow, 90 * MSS);
      flow.controller.onCongestion("loss", 100 * MSS);
      const { cwnd, ssthresh } = flow;
      const idle = { cwndLimited: false, inFlight: 2 * MSS };
      const pass = (seconds: number): void => {
        for (let i = 0; i < seconds; i++) {
          connection.now += 1e6;
          ack(flow, MSS, idle);
        }
      };
      pass(300);
      assertEquals(flow.cwnd, cwnd);
      pass(1);
      assertEquals([flow.cwnd, flow.ssthresh], [cwnd / 2, Math.max(ssthresh, cwnd * 3 / 4)]);
      pass(1500);
      assertEquals(flow.cwnd, 10 * MSS);
    });
  }

  it("is kept while half of it is in use, though it is not full", () => {
    const connection = new TestConnection(reno(), []);
    const flow = new TestFlow(1, 50e3);
    flow.controller = connection.group.join(flow);
    ack(flow, 90 * MSS);
    for (let i = 0; i < 1000; i++) {
      connection.now += 1e6;
      ack(flow, MSS, { cwndLimited: false, inFlight: 50 * MSS });
    }
    assertEquals(flow.cwnd, 100 * MSS);
  });
});
