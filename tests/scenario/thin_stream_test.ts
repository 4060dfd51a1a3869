/** Small messages now and then, as games, terminals and sensors send them: what counts is how late each one is. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { SchedulerPlugin } from "../../core/plugin.ts";
import { minRtt, redundant } from "../../sched/mod.ts";
import { OneWay } from "../support/one_way.ts";
import { type PathShape, Topology } from "../support/topology.ts";

/** Bytes of a message. */
const MESSAGE = 100;

/** What became of a stream of messages. */
interface Outcome {
  /** Milliseconds from the writing of a message to the reading of its last byte, the least first. */
  readonly delays: readonly number[];
  /** Largest congestion window of each subflow in the second half, in segments. */
  readonly windows: readonly number[];
  /** Packets that went up. */
  readonly packets: number;
}

/** Sends `count` messages, one each `gap` milliseconds. */
function stream(
  paths: Readonly<Record<string, PathShape>>,
  scheduler: SchedulerPlugin,
  gap: number,
  count: number,
  seed = 1,
): Outcome {
  using t = new Topology({ paths, seed, policies: { scheduler } });
  const way = new OneWay(t);
  const written: number[] = [];
  const delays: number[] = [];
  const windows: number[] = [];
  way.onRead = () => {
    while (delays.length < Math.floor(way.read / MESSAGE)) {
      delays.push((t.now - written[delays.length]!) / 1000);
    }
  };
  for (let i = 0; i < count; i++) {
    t.at(1 + i * gap / 1000, () => {
      written.push(t.now);
      assertEquals(way.write(MESSAGE), MESSAGE);
      if (2 * i < count) return;
      way.socket.subflows.forEach(({ cwnd, mss }, at) => {
        windows[at] = Math.max(windows[at] ?? 0, cwnd / mss);
      });
    });
  }
  t.runUntil(() => way.read === count * MESSAGE, 1 + count * gap / 1000 + 30);
  const packets = Object.values(t.paths).reduce(
    (sum, path) => sum + path.forward.counts.packets,
    0,
  );
  return { delays: delays.sort((a, b) => a - b), windows, packets };
}

const percentile = ({ delays }: Outcome, share: number): number =>
  delays[Math.floor(share * delays.length)]!;

describe("a message of 100 bytes each 30 ms", () => {
  const paths = {
    wifi: { rate: "20 Mbit/s", delay: "40 ms", loss: 0.02 },
    lte: { rate: "12 Mbit/s", delay: "60 ms", loss: 0.02 },
  } as const;

  for (const seed of [1, 2, 3]) {
    it(`is no later with redundant than with min_rtt, and what is late is less late: 2 % loss on two paths (seed ${seed})`, () => {
      const [one, both] = [minRtt(), redundant()].map((plugin) =>
        stream(paths, plugin, 30, 6000, seed)
      );
      const figures = [0.5, 0.95, 0.99].map((share) =>
        [percentile(one!, share), percentile(both!, share)] as const
      );
      const [p50, p95, p99] = figures;
      const text = figures.map((pair) => pair.map((each) => each.toFixed(1))).join("; ");
      assert(p50![1] <= p50![0], text);
      assert(p95![1] < p95![0] && p99![1] < p99![0], text);
      // After each loss two segments are left; as many packets in flight as that let it grow.
      for (const window of both!.windows) assert(window >= 3, `${both!.windows} segments`);
      assert(one!.windows[0]! >= 3, `${one!.windows} segments`);
    });
  }
});

describe("small messages without Nagle", () => {
  for (const gap of [5, 2, 1, 0.5]) {
    it(`do not wait while the window has room in bytes: 100 bytes each ${gap} ms`, () => {
      const { delays, packets } = stream(
        { one: { rate: "100 Mbit/s", delay: "10 ms", queue: 1000 } },
        minRtt(),
        gap,
        4000,
      );
      assert(delays.at(-1)! < 10.1, `${delays.at(-1)} ms late`);
      assert(packets >= 4000, `${packets} packets`);
    });
  }
});
