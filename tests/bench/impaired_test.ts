/** The elements of `deno task bench:kernel-paths`, in virtual time. */

import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import { elementsOf, type Impairment } from "../../bench/kernel/impaired.ts";
import { CELLS, CUBIC_CELLS, within } from "../../bench/kernel/paths.ts";
import { Chain } from "../../core/link/sim/chain.ts";
import { Clock } from "../../core/link/clock.ts";
import { freePacket, takePacket } from "../../core/link/sim/elements/packet.ts";

const PACKETS = 2000;
const PATH = { mbit: 100, rtt: 20, mtu: 1500, family: 4 } as const;

/** Lengths of the packets that come out, where each that goes in has its own. */
function pass(impairment: Impairment, seed: number, name = "forward"): number[] {
  const clock = new Clock();
  const out: number[] = [];
  const surroundings = {
    get now() {
      return clock.now;
    },
    at: clock.at.bind(clock),
    timer: clock.timer.bind(clock),
    random: () => Math.random,
  };
  const elements = elementsOf({ ...PATH, ...impairment }, "data", seed);
  const chain = new Chain(name, elements, surroundings, (packet) => {
    out.push(packet.length);
    freePacket(packet);
  });
  for (let i = 0; i < PACKETS; i++) {
    clock.at(i * 1000, () => chain.push(takePacket(100 + i)!));
  }
  while (clock.next !== Infinity) clock.step();
  return out;
}

describe("a path between this stack and a kernel", () => {
  const all = Array.from({ length: PACKETS }, (_, i) => 100 + i);

  it("is left as it is without an impairment", () => {
    assertEquals(pass({}, 1), all);
  });

  it("loses, delivers twice and reorders its share of the packets", () => {
    const share = (out: readonly number[]): number => Math.abs(out.length - PACKETS) / PACKETS;
    for (const seed of [1, 2, 3]) {
      const lost = pass({ loss: 0.05 }, seed);
      assert(share(lost) > 0.03 && share(lost) < 0.07, `seed ${seed}: ${lost.length}`);
      const twice = pass({ duplicated: 0.05 }, seed);
      assert(share(twice) > 0.03 && share(twice) < 0.07, `seed ${seed}: ${twice.length}`);
      assertEquals([...new Set(twice)], all);
      const reordered = pass({ reordered: 0.05 }, seed);
      // A packet a millisecond, held for 10 at most: one in twenty is overtaken, unless it is held for less than one.
      const late = reordered.filter((length, i) => length < Math.max(...reordered.slice(0, i)));
      assert(late.length > 50 && late.length < 150, `seed ${seed}: ${late.length}`);
      assertEquals(reordered.toSorted((a, b) => a - b), all);
    }
  });

  it("does the same to the same packets wherever its elements are", () => {
    assertEquals(pass({ loss: 0.05 }, 7), pass({ loss: 0.05 }, 7, "far/send"));
    assert(pass({ loss: 0.05 }, 7).join() !== pass({ loss: 0.05 }, 8).join());
  });

  it("has one impairment a cell, and cells have names of their own", () => {
    assertEquals(new Set(CELLS.map(({ name }) => name)).size, CELLS.length);
    for (const { name, path } of CELLS) {
      const { mbit, rtt, mtu, family, ...impairments } = path;
      // Slower ones are told by their rate, and are what they are.
      if (mbit !== 100) {
        assert(name.startsWith(`${mbit} Mbit/s RTT ${rtt} ms`), name);
        continue;
      }
      const changes = [rtt !== PATH.rtt, mtu !== PATH.mtu || family !== PATH.family];
      assert(Object.keys(impairments).length + changes.filter(Boolean).length <= 1, name);
    }
  });

  it("is judged by bounds on both sides where the control is to be the same", () => {
    const same = [1 / 1.1, 1.1] as const;
    for (
      const [ratio, holds] of [[0.9, false], [0.91, true], [1.104, true], [1.11, false]] as const
    ) {
      assertEquals(within(ratio, same), holds, `${ratio}`);
    }
    assert(within(0.5, [0, 1.15]) && !within(1.16, [0, 1.15]));
    assertEquals(CUBIC_CELLS.length, 3);
    // Windows of less than the path holds: 1.22 / sqrt(p) segments, and a third more.
    for (const { name, path: { mbit, rtt, loss = 0 } } of CUBIC_CELLS.slice(0, 2)) {
      assert(1.6 / Math.sqrt(loss) < mbit * rtt / 12, name);
    }
  });
});
