/** The second estimator of the send buffer (draft SBF-4), beside the first (SBF-3). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ProgressEstimate } from "../../../core/connection/autotune.ts";
import type { Subflow } from "../../../core/subflow/subflow.ts";
import { Topology } from "../../support/topology.ts";

interface Way {
  usable: boolean;
  stale: boolean;
  backup: boolean;
  sender: { cwnd: number; board: { una: number }; rtt: { srtt: number } };
}
const way = (cwnd: number, srtt: number): Way => ({
  usable: true,
  stale: false,
  backup: false,
  sender: { cwnd, board: { una: 1 }, rtt: { srtt } },
});
const of = (...ways: Way[]): Subflow[] => ways as unknown as Subflow[];

describe("SBF-4: the bandwidth by the progress of sequence numbers", () => {
  it("is a window by the time that it took, in the longest round trip, twice", () => {
    const estimate = new ProgressEstimate();
    const [fast, slow] = [way(100_000, 10e3), way(50_000, 100e3)];
    const all = of(fast, slow);
    for (let now = 0; now <= 100e3; now += 10e3) {
      estimate.heard(all[0]!, now);
      fast.sender.board.una += 100_000;
    }
    assertEquals(estimate.ask(all), 2 * 10 * 10e3);
    for (let now = 0; now <= 200e3; now += 100e3) {
      estimate.heard(all[1]!, now);
      slow.sender.board.una += 50_000;
    }
    assertEquals(estimate.ask(all), 2 * 10.5 * 100e3);
    slow.stale = true;
    assertEquals(estimate.ask(all), 2 * 10 * 10e3);
    estimate.forget(all[0]!);
    assertEquals(estimate.ask(all), 0);
  });

  it("goes on for twice as long where a window takes too little time to tell", () => {
    const estimate = new ProgressEstimate();
    const one = way(10_000, 1e3);
    const all = of(one);
    for (let now = 0; now <= 4e3; now += 200) {
      estimate.heard(all[0]!, now);
      one.sender.board.una += 10_000;
    }
    assertEquals(estimate.ask(all), 2 * 50 * 1e3);
  });

  it("sizes the send queue of a transfer about as the windows do", () => {
    const limits = (["windows", "progress"] as const).map((sendEstimate) => {
      using t = new Topology({
        paths: {
          a: { rate: "100 Mbit/s", delay: "10 ms", queue: 100 },
          b: { rate: "50 Mbit/s", delay: "50 ms", queue: 400 },
        },
        client: { sendEstimate },
      });
      const { client } = t.connect({ bytes: 30e6 });
      t.runTo(1.5);
      const { limit } = client.socket.sendQueue;
      client.socket.abort(t.now);
      t.runTo(2.5);
      return limit;
    });
    const [windows, progress] = limits as [number, number];
    assert(progress > 0.3 * windows && progress < 2 * windows, `${limits}`);
    assert(progress > 1048576, `${limits}`);
  });
});
