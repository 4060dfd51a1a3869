/** One flow on a path that reorders: what leaves the bottleneck over what could (RFC 8985 §6.2). */

import { assert } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import {
  get16,
  get32,
  optionLength,
  SYN,
  TIMESTAMPS,
} from "../../core/link/sim/middlebox/segment.ts";
import { tcpOffset } from "../../core/link/segment_header.ts";
import { passive } from "../../pm/mod.ts";
import { cubic, lia, reno } from "../../cc/mod.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";
import { OneWay } from "../support/one_way.ts";
import { Topology } from "../support/topology.ts";
import { u8 } from "../../wasm/mod.ts";

/** Measured from second 5 to this one. */
const UNTIL = Number(Deno.env.get("SOAK_SECONDS") ?? 20);
const BYTES_A_SECOND = 12.5e6;

/** Holds a share of the packets for up to `most` microseconds, so that others overtake them. */
function reorders(share: number, most: number): ElementFactory {
  return {
    name: "reorders",
    create: (context, output) => ({
      push(packet) {
        if (context.random() >= share) output(packet);
        else context.at(context.now + context.random() * most, () => output(packet));
      },
    }),
  };
}

/**
 * What a receiver does that judges data by TS.Recent alone (RFC 7323 §5.3), as Linux does: what a repeat has overtaken that has filled the hole in front is old,
 * and dropped. One segment a packet, all from one side, whose sequence numbers stay below 2^31 from the first.
 */
function dropsOld(counts: { old: number }): ElementFactory {
  return {
    name: "drops old",
    create(context, output) {
      /** What came above a hole: ends by sequence number. */
      const above = new Map<number, number>();
      let first = 0;
      let next = 0;
      let recent = 0;
      return {
        push(packet) {
          const tcp = packet.address + tcpOffset(packet.address);
          const payload = tcp + (u8[tcp + 12]! >> 4) * 4;
          let at = tcp + 20;
          while (u8[at] !== TIMESTAMPS && at < payload) at += optionLength(at, payload);
          const timestamp = get32(at + 2);
          const length = packet.address + get16(packet.address + 2) - payload;
          if ((u8[tcp + 13]! & SYN) !== 0) first = get32(tcp + 4) + 1;
          if (length === 0) return output(packet);
          const seq = (get32(tcp + 4) - first) >>> 0;
          if (((timestamp - recent) | 0) < 0 && next > 0) {
            counts.old++;
            return context.drop(packet);
          }
          if (seq <= next) recent = timestamp;
          above.set(seq, Math.max(seq + length, above.get(seq) ?? 0));
          for (let end = above.get(next); end !== undefined; end = above.get(next)) {
            above.delete(next);
            next = end;
          }
          output(packet);
        },
      };
    },
  };
}

/** A single run is luck by 0.05. */
const SEEDS = [1, 2, 3];

/** 100 Mbit/s, 20 ms, a queue of one product of both: the share of the rate that is used. */
function utilisation(
  share: number,
  congestionControl: CongestionControlPlugin,
  seed: number,
  counts?: { old: number },
): number {
  let bytes = 0;
  const meter: ElementFactory = {
    name: "meter",
    create: (context, output) => ({
      push(packet) {
        if (context.now >= 5e6 && context.now < UNTIL * 1e6) bytes += packet.length;
        output(packet);
      },
    }),
  };
  using t = new Topology({
    seed,
    paths: {
      a: {
        rate: "100 Mbit/s",
        delay: "10 ms",
        queue: 167,
        up: [meter, reorders(share, 10e3), ...(counts === undefined ? [] : [dropsOld(counts)])],
      },
    },
    client: { mptcp: false },
    policies: { congestionControl, pathManager: passive() },
  });
  const way = new OneWay(t);
  for (let at = 0.05; at < UNTIL; at += 0.01) t.at(at, () => way.write(1 << 20));
  t.runTo(UNTIL);
  return bytes / (UNTIL - 5) / BYTES_A_SECOND;
}

describe("a path of 100 Mbit/s and 20 ms that holds some packets for up to 10 ms", () => {
  const cases = [
    [cubic(), 0.05, 0.96],
    [cubic(), 0.001, 0.97],
    [reno(), 0.05, 0.97],
    [lia(), 0.05, 0.97],
  ] as const;
  for (const [control, share, least] of cases) {
    it(`is used to ${least} by ${control.name} where these are ${100 * share} %`, () => {
      const used = SEEDS.reduce((sum, seed) => sum + utilisation(share, control, seed), 0) /
        SEEDS.length;
      assert(used >= least, `${used}`);
    });
  }
});

describe("such a path to a receiver that drops what a repeat has overtaken (RFC 7323 §5.3)", () => {
  for (const control of [cubic(), reno()]) {
    it(`is used to 0.97 by ${control.name}: what is dropped so, and repeated, makes nothing else old`, () => {
      const counts = { old: 0 };
      const used = SEEDS.reduce(
        (sum, seed) => sum + utilisation(0.05, control, seed, counts),
        0,
      ) / SEEDS.length;
      assert(used >= 0.97, `${used}`);
      // It is what a repeat overtakes alone.
      assert(counts.old > 0 && counts.old < 12 * SEEDS.length, `${counts.old}`);
    });
  }
});
