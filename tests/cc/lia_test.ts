import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { lia, reno } from "../../cc/mod.ts";
import { linkedAlpha, type LinkedFlow, linkedThreshold } from "../../cc/lia.ts";
import myLia from "../../docs/examples/my_lia.ts";
import { runCongestion } from "../kit/toy_congestion.ts";
import { linkedAlphaModel } from "../reference/lia.ts";
import * as fc from "../support/property.ts";
import { ack, MSS, TestConnection, TestFlow } from "./support.ts";

type Flows = readonly (readonly [window: number, rtt: number])[];

/** Windows in segments of one byte: the draft's own unit. */
function segments(flows: Flows): LinkedFlow[] {
  return flows.map(([window, rtt]) => ({ window, rtt, mss: 1 }));
}

/** RFC 6356 §4.2 without its integers: growth in bytes for one acknowledged byte of each subflow. */
function oracle(flows: readonly LinkedFlow[]): number[] {
  let best = 0;
  let sum = 0;
  for (const { window, mss, rtt } of flows) {
    best = Math.max(best, window * mss / rtt ** 2);
    sum += window / rtt;
  }
  return flows.map(({ window, mss }) => Math.min(best / sum ** 2, mss / window));
}

/** Subflows, alpha · 2^12, acknowledged segments for each segment of growth. */
const VECTORS: readonly (readonly [flows: Flows, scaled: number, thresholds: number[]])[] = [
  [[[10, 100]], 4096, [10]],
  [[[10, 100], [10, 100]], 2048, [40, 40]],
  [[[10, 20], [20, 150]], 7659, [16, 20]],
  [[[40, 10], [4, 1000]], 4496, [40, 40]],
  [[[100, 30], [50, 60], [25, 120]], 4161, [172, 172, 172]],
  [[[10, 50], [10, 50], [10, 50], [10, 50]], 1024, [160, 160, 160, 160]],
  [[[2, 10], [80, 400]], 41984, [8, 80]],
];

/** algorithms: windows in segments, round trips in milliseconds, growth in segments for one acknowledged segment, alpha. */
const GROWTH: readonly (readonly [
  name: string,
  flows: Flows,
  growth: number[],
  alpha: number,
])[] = [
  ["V1", [[20, 100], [10, 20]], [0.05, 0.051020], 1.530612],
  ["V2", [[10, 50], [10, 50]], [0.025, 0.025], 0.5],
  ["V3", [[30, 40], [5, 200], [12, 80]], [0.021914, 0.021914, 0.021914], 1.029949],
];

describe("linkedAlpha", () => {
  for (const [flows, scaled, thresholds] of VECTORS) {
    // Draft CC-4, CC-6, CC-8: its vectors.
    it(`is ${scaled} / 4096 for ${JSON.stringify(flows)}`, () => {
      const alpha = linkedAlpha(segments(flows));
      assertEquals(alpha.scaled, scaled);
      assertEquals(flows.map(([window]) => linkedThreshold(alpha, 1, window)), thresholds);
    });
  }

  for (const [name, flows, , alpha] of GROWTH) {
    it(`is ${alpha} for vector ${name}, with what integers leave out`, () => {
      // Segments as large as those of a network: windows of ten bytes would show the rounding of others.
      const large = flows.map(([window, rtt]) => ({
        window: window * MSS,
        rtt: rtt * 1e3,
        mss: MSS,
      }));
      assertEquals(linkedAlpha(large).scaled, Math.floor(alpha * 4096));
    });
  }

  it("takes window and round trip of the subflow with the largest cwnd/rtt², not the maxima (CC-7)", () => {
    const { scaled } = linkedAlpha(segments([[10, 20], [20, 150]]));
    assertAlmostEquals(scaled / 4096, 1.87, 0.001);
    const naive = 30 * 20 / (150 * (10 / 20 + 20 / 150)) ** 2;
    assert(Math.abs(naive - 1.87) > 1.5);
  });

  it("is 1 for one subflow, whatever its window", () => {
    for (const window of [1, 1460, 65_535, 123_456_789]) {
      const { scaled } = linkedAlpha([{ window, mss: 1460, rtt: 12_345.6 }]);
      assertAlmostEquals(scaled, 4096, window < 1460 ? 4096 : 1);
    }
  });

  // Draft CC-3, CC-6.
  it("agrees with the float form within 1 %", () => {
    const flow = fc.record({
      window: fc.integer({ min: 1, max: 2000 }),
      mss: fc.constantFrom(1220, 1388, 1428, 1460, 8940),
      rtt: fc.integer({ min: 1_000, max: 2_000_000 }),
    });
    fc.assert(fc.property(fc.array(flow, { minLength: 1, maxLength: 8 }), (drawn) => {
      const flows = drawn.map(({ window, mss, rtt }) => ({ window: window * mss, mss, rtt }));
      const alpha = linkedAlpha(flows);
      oracle(flows).forEach((growth, i) => {
        const { window, mss } = flows[i]!;
        const own = mss / linkedThreshold(alpha, mss, window);
        assertAlmostEquals(own / growth, 1, 0.01);
      });
    }));
  });

  // Draft CC-3, CC-8.
  it("is what integers of any size give, bit by bit", () => {
    // Numbers of all sizes, not most of them large; the largest are what the document of linkedAlpha says.
    const sized = (bits: number) =>
      fc.tuple(fc.integer({ min: 0, max: bits }), fc.double({ min: 0, max: 1, noNaN: true }))
        .map(([size, part]) => Math.min(2 ** bits - 1, Math.floor(2 ** size * (1 + part))));
    const flow = fc.record({
      window: fc.oneof(fc.constantFrom(0, 1, 2 ** 31 - 1), sized(31)),
      mss: fc.oneof(fc.constantFrom(1, 536, 1460, 65_535), sized(16)),
      rtt: fc.tuple(sized(35), fc.constantFrom(0, 0.25, 0.5, -0.9, -1)).map(([a, b]) =>
        Math.min(2 ** 35 - 1, Math.max(0, a + b))
      ),
    });
    const alpha = { scaled: 1, total: 1 };
    fc.assert(
      fc.property(fc.array(flow, { maxLength: 8 }), (flows) => {
        const model = linkedAlphaModel(flows);
        fc.pre(model.scaled < 2 ** 53);
        assertEquals(linkedAlpha(flows, alpha), model);
      }),
      { numRuns: 3000 },
    );
    // Windows and round trips whose alpha is a whole number, or just beside one.
    const beside = fc.record({
      window: fc.tuple(fc.integer({ min: 4, max: 30 }), fc.integer({ min: -1, max: 1 }))
        .map(([power, more]) => 2 ** power + more),
      mss: fc.constantFrom(1, 1024),
      rtt: fc.constantFrom(1024, 2048, 4096),
    });
    fc.assert(
      fc.property(fc.array(beside, { minLength: 1, maxLength: 4 }), (flows) => {
        assertEquals(linkedAlpha(flows, alpha), linkedAlphaModel(flows));
      }),
      { numRuns: 3000 },
    );
  });

  it("keeps its precision where plain numbers would not", () => {
    const flows = [
      { window: 2_000_000_000, mss: 1460, rtt: 600_000 },
      { window: 1_000_000_000, mss: 8940, rtt: 300_000 },
      { window: 1460, mss: 1460, rtt: 50 },
    ];
    const alpha = linkedAlpha(flows);
    oracle(flows).forEach((growth, i) => {
      const { window, mss } = flows[i]!;
      assertAlmostEquals(mss / linkedThreshold(alpha, mss, window) / growth, 1, 0.01);
    });
  });
});

describe("lia", () => {
  for (const [name, flows, growth] of GROWTH) {
    // RFC 6356 §3: "Our proposed 'Linked Increases' algorithm MUST: For each ACK received on subflow i, increase cwnd_i by"
    it(`grows as vector ${name} says`, () => {
      growth.forEach((expected, i) => {
        const { subflows } = new TestConnection(lia(), flows);
        const flow = subflows[i]!;
        const start = flow.cwnd;
        let acked = 0;
        while (flow.cwnd === start) {
          ack(flow, 10);
          acked += 10;
        }
        assertEquals(flow.cwnd, start + MSS);
        assertAlmostEquals(MSS / acked, expected, 0.0001);
      });
    });

    it(`is what my_lia computes for vector ${name}`, () => {
      growth.forEach((expected, i) => {
        // Windows are whole bytes: large segments show more digits.
        const flow = new TestConnection(myLia(), flows, 1e7).subflows[i]!;
        const start = flow.cwnd;
        ack(flow, 1e7);
        assertAlmostEquals((flow.cwnd - start) / 1e7, expected, 5e-7);
      });
    });
  }

  it("is reno, byte for byte, with one subflow", () => {
    // A round trip and a window at which alpha's integers leave out something.
    const path = { rate: 199_863, rtt: 105_080, buffer: 103_047 };
    const one = runCongestion(lia(), [path], 20e6);
    const other = runCongestion(reno(), [path], 20e6);
    assertEquals(one.fingerprint, other.fingerprint);
    assertEquals(one.delivered, other.delivered);
  });

  // RFC 6356 §3: "Our proposed 'Linked Increases' algorithm MUST: For each ACK received on subflow i, increase cwnd_i by"
  it("never grows faster than reno", () => {
    const flow = fc.tuple(fc.integer({ min: 2, max: 200 }), fc.integer({ min: 1, max: 1000 }));
    fc.assert(
      fc.property(fc.array(flow, { minLength: 1, maxLength: 4 }), (flows) => {
        const linked = new TestConnection(lia(), flows).subflows[0]!;
        const alone = new TestConnection(reno(), [flows[0]!]).subflows[0]!;
        for (let i = 0; i < 50; i++) {
          ack(linked, linked.cwnd);
          ack(alone, linked.cwnd);
          assert(linked.cwnd <= alone.cwnd);
        }
      }),
      { numRuns: 30 },
    );
  });

  // RFC 6356 §3: "In this case, the increase MUST be set to 1."
  it("grows however small the share of an ACK is: what is less than a byte adds up", () => {
    const { subflows } = new TestConnection(lia(), [[4000, 40], [4000, 40]]);
    const flow = subflows[0]!;
    const start = flow.cwnd;
    // Each is worth less than half a byte.
    assert(MSS * MSS / (2 * flow.cwnd) < 1);
    for (let i = 0; i < 2 * 4 * 4000 && flow.cwnd === start; i++) ack(flow, MSS);
    assertEquals(flow.cwnd, start + MSS);
  });

  // Draft CC-9.
  it("computes alpha once per round trip, and after a loss", () => {
    const connection = new TestConnection(lia(), [[10, 50], [10, 50]]);
    const [flow, other] = connection.subflows;
    ack(flow!, 1);
    // The other path is suddenly far: it counts for little, and this one may grow as if alone.
    other!.srtt = 5e6;
    ack(flow!, 30 * MSS);
    assertEquals(flow!.cwnd, 10 * MSS);
    connection.now += 50e3;
    // Three quarters of a segment are there already.
    ack(flow!, 2 * MSS);
    assertEquals(flow!.cwnd, 10 * MSS);
    ack(flow!, MSS);
    assertEquals(flow!.cwnd, 11 * MSS);
  });

  it("keeps half of the part of a segment by which it has grown over a loss (RFC 6356 §2, goal 1)", () => {
    /** Segments acknowledged before the window grows again, where `acked` have been and `flight` are in flight when one is lost. */
    const next = (acked: number, flight: number): number => {
      const flow = new TestConnection(lia(), [[10, 50], [10, 50]]).subflows[0]!;
      ack(flow, acked * MSS);
      flow.controller!.onCongestion("loss", flight * MSS);
      const { cwnd } = flow;
      assertEquals(cwnd, Math.max(2, flight / 2) * MSS);
      let segments = 0;
      for (; flow.cwnd === cwnd; segments++) ack(flow, MSS);
      return segments;
    };
    // Windows of 5 and 10: one segment for 15² / 10 of them.
    assertEquals(next(0, 10), 23);
    assertEquals(next(20, 10), 17);
    assertEquals(next(39, 10), 12);
    // Two segments are more than half of three, and of what has grown, by whole ones of 12² / 10.
    assertEquals(next(0, 3), 15);
    assertEquals(next(39, 3), 15);
  });

  it("has all of that part again where the loss was none, and alpha at once (RFC 3522 §3)", () => {
    for (const cause of ["loss", "ecn", "timeout"] as const) {
      const { subflows: [flow, other] } = new TestConnection(lia(), [[10, 50], [10, 50]]);
      // A segment for 40 of them: two are missing.
      ack(flow!, 38 * MSS);
      flow!.controller!.onCongestion(cause, 10 * MSS);
      flow!.controller!.onUndo!();
      assertEquals(flow!.cwnd, 10 * MSS, cause);
      ack(flow!, MSS);
      assertEquals(flow!.cwnd, 10 * MSS, cause);
      ack(flow!, MSS);
      assertEquals(flow!.cwnd, 11 * MSS, cause);
      // Beside the smaller window after a loss the other one would grow by a segment for 23.
      ack(other!, 1);
      flow!.controller!.onCongestion(cause, 10 * MSS);
      ack(other!, 1);
      flow!.controller!.onUndo!();
      ack(other!, 35 * MSS);
      assertEquals(other!.cwnd, 10 * MSS, cause);
    }
  });

  it("has no more of it than before where the loss was none and the window has grown again meanwhile", () => {
    const flow = new TestConnection(lia(), [[10, 50], [10, 50]]).subflows[0]!;
    ack(flow, 20 * MSS);
    flow.controller!.onCongestion("loss", 10 * MSS);
    // Half of a half, and 15 of 15² / 10 for a segment of the smaller window.
    ack(flow, 15 * MSS);
    flow.controller!.onUndo!();
    assertEquals(flow.cwnd, 10 * MSS);
    // Of 40 the other 20 are missing.
    ack(flow, 19 * MSS);
    assertEquals(flow.cwnd, 10 * MSS);
    ack(flow, MSS);
    assertEquals(flow.cwnd, 11 * MSS);
  });

  it("makes the window whole segments where a loss has left half of one, as soon as that has grown", () => {
    const flow = new TestConnection(lia(), [[10, 50], [10, 50]]).subflows[0]!;
    flow.controller!.onCongestion("loss", 9 * MSS);
    assertEquals(flow.cwnd, 4.5 * MSS);
    // Windows of 4.5 and 10: half a segment for half of 14.5² / 10.
    ack(flow, 10 * MSS);
    assertEquals(flow.cwnd, 4.5 * MSS);
    ack(flow, MSS);
    assertEquals(flow.cwnd, 5 * MSS);
    ack(flow, 20 * MSS);
    assertEquals(flow.cwnd, 5 * MSS);
    ack(flow, MSS);
    assertEquals(flow.cwnd, 6 * MSS);
  });

  // Draft CC-9.
  it("takes ssthresh for the window of a subflow in recovery, and nothing of an idle one (RFC 6356 §3)", () => {
    const threshold = (
      change: (other: TestConnection["subflows"][number], connection: TestConnection) => void,
    ): number => {
      const connection = new TestConnection(lia(), [[10, 50], [10, 50]]);
      const { subflows } = connection;
      change(subflows[1]!, connection);
      let acked = 0;
      while (subflows[0]!.cwnd === 10 * MSS) {
        ack(subflows[0]!, 100);
        acked += 100;
      }
      return acked / MSS;
    };
    assertEquals(threshold(() => {}), 40);
    assertEquals(
      threshold((other) => {
        other.controller!.onCongestion("timeout", 20 * MSS);
        other.inRecovery = true;
      }),
      40,
    );
    assertEquals(threshold((other) => ack(other, MSS, { cwndLimited: false, inFlight: 0 })), 10);
    assertEquals(threshold((other) => other.stale = true), 10);
    const empty = (after: number) =>
      threshold((other, connection) => {
        other.inFlight = 0;
        connection.now = other.lastAck + other.srtt + after;
      });
    assertEquals([empty(0), empty(1)], [40, 10]);
  });

  it("grows by a segment at most for what it counted alone, where penalties have made its window small since", () => {
    const connection = new TestConnection(lia(), [[100, 50]]);
    const [flow] = connection.subflows;
    ack(flow!, 95 * MSS);
    const other = new TestFlow(2, 50e3);
    other.controller = connection.group.join(other);
    for (let i = 0; i < 4; i++) flow!.controller!.onCongestion("penalty", flow!.cwnd);
    const { cwnd } = flow!;
    assertEquals(cwnd, 100 * MSS / 16);
    connection.group.leave!(other);
    ack(flow!, MSS);
    assertEquals(flow!.cwnd, cwnd + MSS);
    ack(flow!, MSS);
    assertEquals(flow!.cwnd, cwnd + MSS);
  });

  it("forgets a subflow that has left", () => {
    const connection = new TestConnection(lia(), [[10, 50], [10, 50]]);
    const [flow, other] = connection.subflows;
    connection.group.leave!(other!);
    ack(flow!, 10 * MSS);
    assertEquals(flow!.cwnd, 11 * MSS);
  });
});
