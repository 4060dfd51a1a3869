/** What coupled congestion control is for (RFC 6356 §2; draft §3.5.3): fair to TCP where paths are shared, and away from congestion. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { balia, lia, olia, reno } from "../../cc/mod.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";
import { nDiffPorts, passive } from "../../pm/mod.ts";
import { OneWay } from "../support/one_way.ts";
import { Topology } from "../support/topology.ts";

/** Bytes that each took in virtual time from `from` to `to`; each `begins` so long after the rest could. */
function race(
  t: Topology,
  flows: readonly OneWay[],
  from: number,
  to: number,
  begins: () => number = () => 0,
): number[] {
  for (const flow of flows) {
    for (let at = 0.05 + begins(); at < to; at += 0.05) t.at(at, () => flow.write(1 << 20));
  }
  t.runTo(from);
  const before = flows.map(({ read }) => read);
  t.runTo(to);
  return flows.map(({ read }, i) => read - before[i]!);
}

/** How many times as much as one TCP connection MPTCP with `subflows` over the same bottleneck takes. */
function share(congestionControl: CongestionControlPlugin, subflows: number): number {
  using t = new Topology({
    paths: { only: { rate: "8 Mbit/s", delay: "20 ms", queue: 40 } },
    tcp: { pacing: false },
  });
  const tcp = new OneWay(t, 80, { congestionControl: reno(), pathManager: passive() });
  const pathManager = subflows > 1 ? nDiffPorts({ subflows }) : passive();
  const mptcp = new OneWay(t, 81, { congestionControl, pathManager });
  const [one = 0, other = 0] = race(t, [tcp, mptcp], 5, 45);
  return other / one;
}

/** Runs whose mean is taken: one alone is 0.05 off, as two flows that share a queue fall into one of several patterns. */
const SEEDS = [1, 2, 3, 4] as const;

/**
 * What MPTCP takes of a bottleneck that it shares with one TCP connection, in times of the half that TCP in its place would have. When each begins to send is
 * all that differs between the runs; who writes at the same times goes the same way in each.
 */
function harm(congestionControl: CongestionControlPlugin, subflows: number): number {
  const shares = SEEDS.map((seed) => {
    using t = new Topology({
      seed,
      paths: { only: { rate: "8 Mbit/s", delay: "25 ms", queue: 34 } },
    });
    const tcp = new OneWay(t, 80, { congestionControl: reno(), pathManager: passive() });
    const pathManager = nDiffPorts({ subflows });
    const mptcp = new OneWay(t, 81, { congestionControl, pathManager });
    const begins = t.network.random("begins");
    const [one = 0, other = 0] = race(t, [tcp, mptcp], 20, 110, () => 2 * begins());
    return 2 * other / (one + other);
  });
  assertEquals(new Set(shares).size, SEEDS.length, "runs are alike");
  return shares.reduce((sum, each) => sum + each, 0) / SEEDS.length;
}

describe("do no harm (RFC 6356 §2, goal 2)", () => {
  for (const plugin of [lia(), olia(), balia()]) {
    for (const subflows of [2, 3, 4]) {
      it(`${plugin.name} takes 1.1 times what one TCP takes at most, with ${subflows} subflows over one bottleneck`, () => {
        const taken = harm(plugin, subflows);
        assert(taken <= 1.1 && taken > 0.6, `${taken}`);
      });
    }
  }
});

describe("CC-10: coupled congestion control", () => {
  for (const subflows of [2, 3]) {
    it(`takes about as much as one TCP connection from a bottleneck, with ${subflows} subflows over it`, () => {
      const taken = share(lia(), subflows);
      assert(taken > 0.6 && taken < 1.5, `${taken}`);
    });
  }

  it("is what makes it so: uncoupled, three subflows take much more", () => {
    const taken = share(reno(), 3);
    assert(taken > 2, `${taken}`);
  });

  it("moves away from a path that loses, and keeps the sum", () => {
    using t = new Topology({
      paths: {
        good: { rate: "8 Mbit/s", delay: "20 ms" },
        bad: { rate: "8 Mbit/s", delay: "20 ms", loss: 0.02 },
      },
    });
    const flow = new OneWay(t, 80, { congestionControl: lia() });
    const [taken = 0] = race(t, [flow], 5, 25);
    const [good = 0, bad = 0] = flow.socket.subflows.map(({ sender }) => sender.bytesSent);
    assert(bad < good / 3, `${good} ${bad}`);
    assert(taken > 0.9 * 20 * 1e6, `${taken}`);
  });
});
