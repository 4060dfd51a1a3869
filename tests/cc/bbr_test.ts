import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { bbr, bbr3, coupledBbr } from "../../cc/mod.ts";
import { LeastRtt, Rounds, WindowedMax } from "../../cc/path_model.ts";
import type { AckSample, CongestionControlPlugin } from "../../core/plugin.ts";
import { runShared } from "../kit/toy_shared.ts";
import { ack, MSS, TestConnection, TestFlow } from "./support.ts";

/** A path of 10^6 bytes per second and 50 ms: 50 segments fill it. */
const RATE = 1e6;
const RTT = 50e3;

/** A subflow over that path: one acknowledgement for each millisecond. */
class Path {
  readonly connection: TestConnection;
  delivered = 0;
  readonly #history: number[] = [];

  constructor(plugin: CongestionControlPlugin) {
    this.connection = new TestConnection(plugin, []);
    // Before anything was lost.
    const flow = new TestFlow(1, RTT);
    this.connection.subflows.push(flow);
    flow.controller = this.connection.group.join(flow);
  }

  get flow(): TestFlow {
    return this.connection.subflows[0]!;
  }

  /** Lets `time` pass in which the path delivers `rate` and nothing waits. */
  run(time: number, rate = RATE, more: Partial<AckSample> = {}): void {
    for (let i = 0; i < time / 1e3; i++) {
      this.connection.now += 1e3;
      const bytes = rate / 1e3;
      this.delivered += bytes;
      this.#history.push(this.delivered);
      const priorDelivered = this.#history.at(-1 - RTT / 1e3) ?? 0;
      const pace = this.flow.controller!.pacingRate!;
      // More than the path carries waits, and more and more of it.
      const pipes = pace > rate ? 1.3 : 1;
      this.flow.inFlight = Math.min(this.flow.cwnd, pipes * rate * RTT / 1e6);
      ack(this.flow, bytes, {
        rtt: RTT,
        delivered: this.delivered,
        priorDelivered,
        deliveryRate: rate,
        ...more,
      });
    }
  }
}

describe("the model of a path", () => {
  it("has the largest rate of the last periods, and forgets the older", () => {
    const max = new WindowedMax(3);
    for (const value of [5, 9, 2]) {
      max.add(value);
      max.advance();
    }
    assertEquals(max.max, 9);
    max.add(4);
    max.advance();
    assertEquals(max.max, 4);
  });

  it("keeps the rate where nothing came in all those periods", () => {
    const max = new WindowedMax(3);
    max.add(7);
    for (let i = 0; i < 9; i++) max.advance();
    assertEquals(max.max, 7);
  });

  it("has the least round trip until it is old", () => {
    const least = new LeastRtt(10e6);
    least.add(50, 0);
    least.add(60, 5e6);
    least.add(-1, 6e6);
    assertEquals([least.value, least.old(10e6), least.old(10e6 + 1)], [50, false, true]);
    least.add(60, 11e6);
    assertEquals([least.value, least.old(12e6)], [60, false]);
  });

  it("counts a round when something comes back that was sent after the last began", () => {
    const rounds = new Rounds();
    const at = (priorDelivered: number, delivered: number) =>
      rounds.ends({ priorDelivered, delivered } as AckSample);
    assertEquals([at(0, 10), at(5, 20), at(10, 30), at(20, 40), at(30, 50)], [
      true,
      false,
      true,
      false,
      true,
    ]);
    assertEquals(rounds.count, 3);
  });
});

for (const make of [bbr, bbr3, coupledBbr]) {
  const plugin = make();
  describe(plugin.name, () => {
    it("says that it goes by a model, keeps its window in recovery, and is paced from the start", () => {
      const { flow } = new Path(plugin);
      assertEquals([plugin.basis, flow.controller!.ownsRecovery], ["model", true]);
      assert(flow.controller!.pacingRate! > 2.5 * 10 * MSS * 1e6 / RTT);
    });

    it("leaves STARTUP when three rounds bring no quarter more, and paces at the rate then", () => {
      const path = new Path(plugin);
      path.run(2 * RTT);
      assertEquals(path.flow.ssthresh, Infinity);
      assert(path.flow.controller!.pacingRate! > 2.5 * RATE);
      path.run(10 * RTT);
      assert(path.flow.ssthresh < Infinity);
      const rates = new Set<number>();
      for (let i = 0; i < 40; i++) {
        path.run(RTT / 2);
        rates.add(Math.round(path.flow.controller!.pacingRate! / RATE * 100) / 100);
      }
      assert([...rates].every((rate) => rate <= 1.24), `${[...rates]}`);
      assert(rates.has(0.99), `${[...rates]}`);
    });

    it("keeps about twice what fills the path in flight at most", () => {
      const path = new Path(plugin);
      path.run(60 * RTT);
      assert(path.flow.cwnd <= 2.6 * RATE * RTT / 1e6, `${path.flow.cwnd}`);
      assert(path.flow.cwnd >= RATE * RTT / 1e6, `${path.flow.cwnd}`);
    });

    it("is not slowed by a loss, and has its window again behind it", () => {
      const path = new Path(plugin);
      path.run(20 * RTT);
      const { cwnd } = path.flow;
      const rate = path.flow.controller!.pacingRate!;
      path.flow.inRecovery = true;
      path.flow.controller!.onCongestion("loss", cwnd);
      assert(path.flow.cwnd <= cwnd);
      path.run(2 * RTT, RATE, { lost: 0 });
      path.flow.inRecovery = false;
      path.run(2 * RTT);
      assert(path.flow.cwnd >= 0.9 * cwnd, `${cwnd} ${path.flow.cwnd}`);
      assert(path.flow.controller!.pacingRate! >= 0.7 * rate);
    });

    it("begins with one segment after a timeout, and takes that back where it was none", () => {
      const path = new Path(plugin);
      path.run(20 * RTT);
      const { cwnd } = path.flow;
      path.flow.controller!.onCongestion("timeout", cwnd);
      assertEquals(path.flow.cwnd, MSS);
      path.flow.controller!.onUndo!();
      assertEquals(path.flow.cwnd, cwnd);
    });

    it("leaves what fills the path to another one, also where its own window is a segment or a few", () => {
      const fills = RATE * RTT / 1e6;
      const path = new Path(plugin);
      assertEquals(path.flow.controller!.ssthreshLeft, Infinity);
      path.run(20 * RTT);
      const left = (): void => {
        assertAlmostEquals(path.flow.controller!.ssthreshLeft! / fills, 1, 0.15);
      };
      left();
      path.flow.controller!.onCongestion("timeout", path.flow.cwnd);
      left();
      path.flow.controller!.onUndo!();
      for (let i = 0; i < 400 && path.flow.cwnd >= 0.8 * fills; i++) {
        path.run(RTT, RATE, { rtt: RTT + 1e3 });
      }
      assert(path.flow.cwnd < 0.8 * fills, `${path.flow.cwnd}`);
      left();
    });

    it("believes no rate that the application limits, unless it is more", () => {
      const path = new Path(plugin);
      path.run(20 * RTT);
      path.run(3e6, RATE / 10, { appLimited: true });
      assert(path.flow.controller!.pacingRate! > 0.7 * RATE);
      path.run(3 * RTT, 2 * RATE, { appLimited: true });
      assert(path.flow.controller!.pacingRate! > 1.4 * RATE);
    });

    it("lets the queue drain now and then to measure the round trip", () => {
      const path = new Path(plugin);
      let least = Infinity;
      for (let i = 0; i < 240; i++) {
        path.run(RTT, RATE, { rtt: i === 0 ? RTT : RTT + 1e3 });
        if (i > 20) least = Math.min(least, path.flow.cwnd);
      }
      const most = plugin.name === "bbr3" ? RATE * RTT / 1e6 / 2 : 4 * MSS;
      assert(least <= most + MSS, `${least}`);
      path.run(10 * RTT);
      assert(path.flow.cwnd > RATE * RTT / 1e6, `${path.flow.cwnd}`);
    });

    it("uses a path that loses one packet of a hundred", () => {
      const bottleneck = { rate: RATE, rtt: 40e3, buffer: 8e4, loss: 0.01 };
      const [result] = runShared([bottleneck], [{ plugin, paths: [0] }], 10e6, 60e6);
      const share = result!.delivered[0]! / 50 / RATE;
      assert(share > (plugin.name === "bbr3" ? 0.6 : 0.93), `${share}`);
    });
  });
}

describe("bbr3", () => {
  it("heeds losses of more than two in a hundred where it probes: it gives way to reno in a short queue, and bbr does not", () => {
    const bottleneck = { rate: 2 * RATE, rtt: 40e3, buffer: 2e4 };
    const lost = [bbr(), bbr3()].map((plugin) => {
      const users = [{ plugin, paths: [0] }, { plugin, paths: [0] }];
      const results = runShared([bottleneck], users, 10e6, 60e6);
      const sum = (what: "lost" | "delivered") =>
        results.reduce((all, result) => all + result[what][0]!, 0);
      return sum("lost") / sum("delivered");
    });
    assert(lost[1]! < lost[0]! / 3, `${lost}`);
  });
});

describe("coupled_bbr", () => {
  /** Two subflows of three bottlenecks, `always` or not: what they get of what both carry. */
  const share = (always: boolean): number => {
    const bottleneck = { rate: RATE, rtt: 40e3, buffer: 8e4 };
    const plugin = coupledBbr({ always });
    const [result] = runShared([bottleneck, bottleneck], [{ plugin, paths: [0, 1] }], 10e6, 60e6);
    return result!.delivered.reduce((a, b) => a + b) / 50 / RATE / 2;
  };

  it("takes all of two paths that nobody else uses; always coupled, as in the paper, what one would carry", () => {
    assert(share(false) > 0.93, `${share(false)}`);
    assertAlmostEquals(share(true), 0.5, 0.06);
  });

  it("takes about as much as one bbr from a bottleneck that two subflows share with it, and two that are not coupled twice", () => {
    const bottleneck = { rate: 2 * RATE, rtt: 40e3, buffer: 2e5 };
    const [coupled, alone] = [coupledBbr(), bbr()].map((plugin) => {
      const users = [{ plugin, paths: [0, 0] }, { plugin: bbr(), paths: [0] }];
      const [mine, other] = runShared([bottleneck], users, 20e6, 140e6).map(({ delivered }) =>
        delivered.reduce((a, b) => a + b)
      );
      return mine! / other!;
    });
    assert(coupled! < 1.3, `${coupled}`);
    assert(alone! > 1.6, `${alone}`);
  });

  it("refuses an 'always' that is no boolean", () => {
    assertThrows(() => coupledBbr({ always: "no" as unknown as boolean }), TypeError, "always");
  });
});
