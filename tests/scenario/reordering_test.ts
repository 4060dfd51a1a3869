/** One flow on a path that reorders: what leaves the bottleneck over what could (RFC 8985 §6.2). */

import { assert } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { passive } from "../../pm/mod.ts";
import { cubic, lia, reno } from "../../cc/mod.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";
import { OneWay } from "../support/one_way.ts";
import { Topology } from "../support/topology.ts";

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

/** A single run is luck by 0.05. */
const SEEDS = [1, 2, 3];

/** 100 Mbit/s, 20 ms, a queue of one product of both: the share of the rate that is used. */
function utilisation(
  share: number,
  congestionControl: CongestionControlPlugin,
  seed: number,
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
        up: [meter, reorders(share, 10e3)],
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
