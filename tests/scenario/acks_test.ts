/** How many ACKs a receiver sends whose packets come some at a time: by the clock of a loop, or of a device (RFC 5681 §4.2, RFC 9293 §3.8.6.3). */

import { assert } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { cubic } from "../../cc/mod.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import type { Packet } from "../../core/link/sim/elements/packet.ts";
import { passive } from "../../pm/mod.ts";
import { OneWay } from "../support/one_way.ts";
import { Topology } from "../support/topology.ts";

const SECONDS = 1.5;

/** Hands over what has come at times that lie `period` microseconds apart, all at once. */
function turns(period: number): ElementFactory {
  return {
    name: "turns",
    create: (context, output) => {
      let held: Packet[] = [];
      const release = (): void => {
        const packets = held;
        held = [];
        for (const packet of packets) output(packet);
      };
      return {
        push(packet) {
          held.push(packet);
          if (held.length > 1) return;
          context.at((Math.floor(context.now / period) + 1) * period, release);
        },
      };
    },
  };
}

/** Shows packets to `see`. */
function meter(see: (length: number) => void): ElementFactory {
  return {
    name: "meter",
    create: (_context, output) => ({
      push(packet) {
        see(packet.length);
        output(packet);
      },
    }),
  };
}

/** Full segments for each ACK, and bytes that arrived, of a flow of so many Mbit/s with an RTT of 20 ms. */
function run(mbit: number, period: number): { readonly ratio: number; readonly bytes: number } {
  let segments = 0;
  let acks = 0;
  const full = meter((length) => length > 1000 && segments++);
  using t = new Topology({
    paths: {
      a: {
        rate: `${mbit} Mbit/s`,
        delay: "10 ms",
        queue: Math.round(mbit * 1.7),
        up: period > 0 ? [turns(period), full] : [full],
        down: [meter(() => acks++)],
      },
    },
    client: { mptcp: false },
    policies: { congestionControl: cubic(), pathManager: passive() },
  });
  const way = new OneWay(t);
  for (let at = 0.05; at < SECONDS; at += 0.01) t.at(at, () => way.write(1 << 20));
  t.runTo(SECONDS);
  return { ratio: segments / acks, bytes: way.read };
}

describe("full segments that come some at a time", () => {
  for (const mbit of [20, 50, 100]) {
    it(`are acknowledged two by two at ${mbit} Mbit/s, in turns of a millisecond`, () => {
      const { ratio, bytes } = run(mbit, 1000);
      assert(ratio < 2.1, `${ratio} segments for an ACK`);
      const smooth = run(mbit, 0);
      assert(bytes > 0.98 * smooth.bytes, `${bytes} of ${smooth.bytes} bytes`);
    });
  }

  it("are acknowledged more at a time where they are many", () => {
    const { ratio } = run(100, 4000);
    assert(ratio > 4, `${ratio} segments for an ACK`);
  });
});
