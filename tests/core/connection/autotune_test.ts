/** The sizes of a connection's buffers, against a model that keeps everything. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { nearMost, RightSizing, shareOf, windowsAsk } from "../../../core/connection/autotune.ts";
import type { Subflow } from "../../../core/subflow/subflow.ts";
import * as fc from "../../support/property.ts";

interface Read {
  readonly at: number;
  readonly bytes: number;
  readonly rtt: number;
}

/** What all reads up to the last ask for, worked out anew from the first. */
function naive(reads: readonly Read[]): { wanted: number; space: number } {
  let wanted = 0;
  const over: { copied: number; rate: number; rtt: number }[] = [];
  let start = 0;
  for (let i = 1; i < reads.length; i++) {
    const { at, rtt } = reads[i]!;
    const copied = reads.slice(start + 1, i + 1).reduce((sum, { bytes }) => sum + bytes, 0);
    const best = Math.max(14600, ...over.map((each) => each.copied));
    if (over.length > 0 && rtt > over.at(-1)!.rtt) {
      wanted = Math.max(wanted, Math.ceil(2 * Math.max(...over.map(({ rate }) => rate)) * rtt));
    }
    if (copied > best) {
      wanted = Math.max(wanted, Math.ceil(2 * copied * Math.min(2, copied / best)));
    }
    const length = at - reads[start]!.at;
    if (length >= Math.max(rtt, 4000)) {
      over.push({ copied, rate: copied / length, rtt });
      start = i;
    }
  }
  return { wanted, space: Math.max(14600, ...over.map(({ copied }) => copied)) };
}

describe("dynamic right-sizing", () => {
  it("asks for what a model asks for that keeps every read", () => {
    const read = fc.record({
      wait: fc.oneof(fc.nat({ max: 3000 }), fc.nat({ max: 200_000 })),
      bytes: fc.oneof(fc.nat({ max: 3000 }), fc.nat({ max: 2_000_000 })),
      rtt: fc.constantFrom(1000, 10_000, 25_000, 300_000),
    });
    fc.assert(fc.property(fc.array(read, { maxLength: 60 }), (all) => {
      const sizing = new RightSizing();
      const reads: Read[] = [];
      let now = 5e6;
      let at = 1;
      let wanted = 0;
      for (const { wait, bytes, rtt } of all) {
        now += wait;
        at += bytes;
        reads.push({ at: now, bytes, rtt });
        sizing.measure(at, rtt, now);
        assertEquals({ wanted: sizing.wanted, space: sizing.space }, naive(reads));
        assert(sizing.wanted >= wanted, "it never asks for less");
        wanted = sizing.wanted;
      }
    }));
  });

  it("never holds slow start back: at each ACK the window is as large as the peer's", () => {
    const shape = fc.record({
      rtt: fc.integer({ min: 4000, max: 300_000 }),
      flight: fc.integer({ min: 2, max: 40 }),
      // Full segments that come, are read and acknowledged at once.
      batch: fc.integer({ min: 1, max: 4 }),
      offset: fc.nat({ max: 99 }),
    });
    fc.assert(fc.property(shape, ({ rtt, flight, batch, offset }) => {
      const mss = 1448;
      const sizing = new RightSizing();
      let limit = 262144;
      let cwnd = flight * mss;
      let at = 1;
      // A read before, some time in a round trip: where the first measure begins.
      sizing.measure(at, rtt, 1e6 - rtt * offset / 100);
      for (let round = 0; cwnd < 8e6; round++) {
        const segments = Math.ceil(cwnd / mss / batch);
        for (let i = 0; i < segments; i++) {
          at += batch * mss;
          sizing.measure(at, rtt, 1e6 + round * rtt + rtt * (i / segments));
          limit = Math.max(limit, sizing.wanted);
          cwnd += batch * mss;
          assert(limit >= cwnd, `${cwnd} of ${limit} in round ${round}`);
        }
      }
    }));
  });

  it("of a reader of a constant rate is twice what it reads in a round trip, four times at most", () => {
    for (const [rate, rtt] of [[1e6, 100e3], [12.5e6, 20e3], [125e6, 100e3]] as const) {
      const sizing = new RightSizing();
      let at = 1;
      for (let now = 0; now < 50 * rtt; now += 1000) {
        at += rate / 1000;
        sizing.measure(at, rtt, now);
      }
      const each = rate * rtt / 1e6;
      assert(sizing.wanted >= 2 * each && sizing.wanted <= 4.1 * each, `${sizing.wanted}, ${each}`);
    }
  });

  it("begins with the first read, however late that is: what had come before is no rate", () => {
    const sizing = new RightSizing();
    sizing.measure(262145, 20e3, 9e6);
    assertEquals([sizing.wanted, sizing.space], [0, 14600]);
  });
});

describe("memory that runs short", () => {
  it("leaves each buffer half of what is left, and never less than a page", () => {
    const cases = [[Infinity, Infinity], [2 ** 28, 2 ** 27], [300_001, 150_000], [70_000, 65536]];
    for (const [left, share] of [...cases, [0, 65536]]) assertEquals(shareOf(left!), share);
  });
});

describe("what windows ask of the send queue", () => {
  interface Way {
    readonly cwnd: number;
    readonly srtt: number;
    readonly usable?: boolean;
    readonly stale?: boolean;
    readonly backup?: boolean;
  }
  const ask = (...ways: readonly Way[]): number =>
    windowsAsk(ways.map(({ cwnd, srtt, usable = true, stale = false, backup = false }) => ({
      usable,
      stale,
      backup,
      sender: { cwnd, rtt: { srtt } },
    })) as unknown as Subflow[]);

  it("SBF-1: is twice the window of one", () => {
    assertEquals(ask({ cwnd: 100_000, srtt: 30e3 }), 200_000);
    assertEquals(ask(), 0);
  });

  it("SBF-2, SBF-3: is twice what all send in the longest round trip, which twice the sum of windows is not", () => {
    const fast = { cwnd: 125_000, srtt: 10e3 };
    const slow = { cwnd: 12_500, srtt: 100e3 };
    assertEquals(ask(fast, slow), 2 * (1_250_000 + 12_500));
    assert(ask(fast, slow) > 9 * 2 * (fast.cwnd + slow.cwnd));
    // Of equal paths it is that sum.
    assertEquals(ask(fast, fast), 4 * fast.cwnd);
  });

  it("leaves out what carries nothing: stale, closing, and backup subflows while another works (RFC 8684 §3.3.8)", () => {
    const one = { cwnd: 10_000, srtt: 10e3 };
    const slow = { cwnd: 10_000, srtt: 1e6 };
    for (const off of [{ stale: true }, { usable: false }, { backup: true }]) {
      assertEquals(ask(one, { ...slow, ...off }), 20_000);
    }
    assertEquals(ask({ ...one, stale: true }, { ...one, backup: true }), 20_000);
  });
});

describe("what near paths may ask of the send queue", () => {
  interface Way {
    readonly minRtt: number;
    readonly srtt: number;
    readonly usable?: boolean;
    readonly stale?: boolean;
  }
  const most = (...ways: readonly Way[]): number =>
    nearMost(ways.map(({ usable = true, stale = false, ...rtt }) => ({
      usable,
      stale,
      sender: { rtt },
    })) as unknown as Subflow[]);
  const near = { minRtt: 50, srtt: 200 };

  it("is 2 MB, or what waits in their round trips at 4 Gbit/s", () => {
    assertEquals(most(near), 2_097_152);
    assertEquals(most(near, { ...near, srtt: 20e3 }), 10_000_000);
  });

  it("is anything where one that works is not near, or none is known", () => {
    const far = { minRtt: 1e3, srtt: 1e3 };
    assertEquals(most(near, far), Infinity);
    assertEquals(most(), Infinity);
    for (const off of [{ usable: false }, { stale: true }]) {
      assertEquals(most(near, { ...far, ...off }), 2_097_152);
    }
  });
});
