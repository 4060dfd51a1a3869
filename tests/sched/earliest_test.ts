/** Earliest delivery first: its formulas by hand (docs/default_scheduler.md), and what it decides. */

import { assert, assertAlmostEquals, assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { arrival, supply } from "../../sched/earliest.ts";
import { earliest } from "../../sched/mod.ts";
import type { ConnectionView, SubflowView } from "../../core/plugin.ts";
import { Dialogue } from "../support/dialogue.ts";
import { OneWay } from "../support/one_way.ts";
import { type PathShape, Topology } from "../support/topology.ts";
import { joined } from "../support/joins.ts";
import { chunk, connection, subflow } from "./support.ts";

/** A path of `rtt` ms and `mbit` Mbit/s that is known to carry so much, with `inFlight` bytes in it and a window of `cwnd`. */
function known(
  path: number,
  rtt: number,
  mbit: number,
  cwnd: number,
  inFlight = 0,
  more: Partial<SubflowView> = {},
): SubflowView {
  return subflow(path, rtt, {
    cwnd,
    inFlight,
    room: Math.max(0, cwnd - inFlight),
    ssthresh: cwnd,
    inSlowStart: false,
    peakRate: mbit * 125_000,
    oldestSent: inFlight > 0 ? 0 : Infinity,
    ...more,
  });
}

/** What is picked of `ready`, where `all` are in use. */
function picks(
  all: readonly SubflowView[],
  ready: readonly SubflowView[],
  more: Partial<ConnectionView> = {},
  ...sentOn: SubflowView[]
): number | null {
  const scheduler = earliest().create(connection(all, more));
  const choice = scheduler.pick(ready, chunk(...sentOn));
  return choice === null ? null : (choice as SubflowView).path;
}

describe("when a byte would arrive", () => {
  it("is half a round trip later, and its variation, where nothing has come back yet", () => {
    assertEquals(arrival(subflow(1, 100, { rttVar: 50e3 }), 1400), 100e3);
  });

  it("is half a round trip later in slow start: what comes back was let out by half of the window", () => {
    const grows = { peakRate: 1e5, inFlight: 20_000, rttVar: 5e3 };
    assertEquals(arrival(subflow(1, 100, grows), 1000), 50e3 + 5e3);
    assertEquals(arrival(subflow(1, 100, { ...grows, inFlight: 30_000 }), 1000), 50e3 + 5e3 + 50e3);
    // 117 ms of at least 100: there is a queue, and what comes out of it is what the path carries.
    const queued = { ...grows, minRtt: 100e3, inFlight: 20_000 };
    assertEquals(arrival(subflow(1, 117, queued), 1400), 50e3 + 14e3 + 100e3);
    assertEquals(arrival(subflow(1, 115, queued), 1400), 57.5e3);
    // Of a short path a quarter is enough.
    const short = { peakRate: 1e6, minRtt: 10e3, inFlight: 20_000, rttVar: 1e3 };
    assertEquals(arrival(subflow(1, 12, short), 1000), 6e3);
    assertEquals(arrival(subflow(1, 13, short), 1000), 5e3 + 1e3 + 10e3);
  });

  it("is after what waits before it at the bottleneck", () => {
    // 8 Mbit/s are 1000 bytes in a millisecond, 20 ms hold 20,000.
    assertEquals(arrival(known(1, 20, 8, 60_000), 2000), 12e3);
    assertEquals(arrival(known(1, 20, 8, 60_000, 20_000), 2000), 12e3);
    assertEquals(arrival(known(1, 20, 8, 60_000, 50_000), 2000), 42e3);
  });

  it("is told by how bursts come through, where answers that do not fill the path show a part of its rate", () => {
    // 100 Mbit/s of 100 ms, used by 50 kB a time.
    const short = known(1, 100, 4, 100_000, 25_000, { oldestSent: 0 });
    assertEquals(arrival(short, 1000), 50e3 + 2e3);
    assertEquals(arrival({ ...short, burstRate: 12.5e6 }, 1000), 50e3 + 80);
    // No slower than it was seen to be, in slow start twice as fast.
    assertEquals(arrival({ ...short, burstRate: 1e5 }, 1000), 50e3 + 2e3);
    const growing = { ...short, inSlowStart: true, ssthresh: Infinity };
    assertEquals(arrival({ ...growing, burstRate: 8e5 }, 1000), 50e3 + 1e3);
    assertEquals(arrival({ ...growing, burstRate: 2e6 }, 1000), 50e3 + 500);
  });

  it("is after what has left just now, although that is no more than fills the path", () => {
    const burst = known(1, 100, 4, 100_000, 50_000, { oldestSent: 1e6, burstRate: 1e6 });
    assertEquals([0, 20e3, 50e3, 100e3].map((age) => arrival(burst, 1000, 1e6 + age)), [
      50e3 + 1e3 + 50e3,
      50e3 + 1e3 + 30e3,
      50e3 + 1e3,
      50e3 + 1e3,
    ]);
    // A rate by round trips of such bursts has that in it.
    assertEquals(arrival({ ...burst, burstRate: 0 }, 1000, 1e6), 50e3 + 2e3);
  });

  it("is not later for a queue of its own that has drained since: what a full window adds to the round trip", () => {
    const after = (cwnd: number) =>
      arrival(known(1, 20, 8, cwnd, 10_000, { srtt: 60e3, minRtt: 20e3 }), 2000);
    // Full, the window is 60 ms of what the path carries.
    assertEquals(after(60_000), 12e3);
    // 20 ms of the round trip are of this window, the rest is of others; or all of it.
    assertEquals(after(40_000), 20e3);
    assertEquals(after(20_000), 30e3);
  });

  it("takes a path for no slower than a quarter of its window in a round trip: a trickle tells no rate", () => {
    const path = { ...known(1, 20, 0.08, 80_000), rttVar: 0 };
    assertEquals(arrival(path, 2000), 12e3);
    // What varies by as much as half of it may be twice as long.
    assertEquals(arrival({ ...path, rttVar: 10e3 }, 2000), 14e3);
  });
});

describe("what a path can still take in some time", () => {
  it("is nothing before a byte could be there", () => {
    assertEquals(supply(known(1, 20, 8, 20_000), 0, 9e3, 1e6), 0);
  });

  it("is the free window, and then what acknowledgements make room for", () => {
    // All of the window is out, sent 5 ms ago: in 15 ms the first acknowledgement, in 20 ms the last.
    const path = known(1, 20, 80, 20_000, 20_000);
    assertEquals(supply(path, 5e3, 10e3 + 15e3, 1e6), 0);
    assertEquals(supply(path, 5e3, 10e3 + 17.5e3, 1e6), 10_000);
    assertEquals(supply(path, 5e3, 10e3 + 20e3, 1e6), 20_000);
    assertEquals(supply(path, 5e3, 10e3 + 50e3, 1e6), 20_000 + 30_000);
  });

  it("doubles with each round trip of slow start, up to its threshold", () => {
    const path = subflow(1, 20, { cwnd: 10_000, ssthresh: 35_000, oldestSent: Infinity });
    assertEquals(supply(path, 0, 10e3 + 20e3, 1e6), 10_000);
    assertEquals(supply(path, 0, 10e3 + 40e3, 1e6), 30_000);
    assertEquals(supply(path, 0, 10e3 + 80e3, 1e6), 30_000 + 35_000 + 35_000);
    assertGreater(supply(path, 0, 1e12, 1e6), 1e6 - 1);
  });

  it("is less where others keep a queue at the bottleneck: what leaves comes behind that", () => {
    // A window of 3,000 of 30 ms, which take 60: of 30 ms the last half is no longer enough.
    const beside = known(1, 60, 8, 3000, 3000, { minRtt: 30e3 });
    assertEquals([29e3, 60e3, 90e3].map((time) => supply(beside, 30e3, time, 1e6)), [0, 0, 3000]);
    const alone = known(1, 30, 8, 3000, 3000);
    assertEquals([29e3, 60e3, 90e3].map((time) => supply(alone, 30e3, time, 1e6)), [
      1400,
      4500,
      7500,
    ]);
  });

  it("is no more than the path carries, whatever the window", () => {
    const path = known(1, 20, 8, 80_000);
    assertAlmostEquals(supply(path, 0, 15e3, 1e6), 5000);
    assertAlmostEquals(supply({ ...path, inFlight: 30_000 }, 0, 30e3, 1e6), 10_000);
  });
});

describe("earliest", () => {
  const fast = known(1, 10, 80, 100_000);
  const full = known(1, 10, 80, 100_000, 100_000, { srtt: 12e3 });
  const slow = known(2, 100, 8, 100_000);

  it("takes the path on which a byte arrives first", () => {
    assertEquals(picks([fast, slow], [slow, fast]), 1);
    // 200 ms wait before it there.
    const busy = known(1, 10, 8, 300_000, 210_000, { srtt: 200e3 });
    assertEquals(picks([busy, slow], [busy, slow]), 2);
  });

  it("waits for a full path that will have carried all that is left before a slow one could deliver any of it", () => {
    // Until the slow path's 52.8 ms are over the other carries four windows.
    assertEquals(picks([full, slow], [slow], { left: 390_000, window: 1e7 }), null);
    assertEquals(picks([full, slow], [slow], { left: 410_000, window: 1e7 }), 2);
    assertEquals(picks([full, slow], [slow], { left: Infinity, window: 1e7 }), 2);
  });

  it("waits where the slow path would fill the receive window meanwhile, whatever is left", () => {
    // A round trip of the slow path lasts 105 ms: the other sends a megabyte.
    const more = { left: Infinity, unacked: 100_000 };
    assertEquals(picks([full, slow], [slow], { ...more, window: 500_000 }), null);
    assertEquals(picks([full, slow], [slow], { ...more, window: 1_500_000 }), 2);
    // What the slow path has out already needs room as well.
    const used = known(2, 100, 8, 1_000_000, 600_000);
    assertEquals(picks([full, used], [used], { ...more, window: 1_500_000 }), null);
  });

  it("counts that a window comes back, after a pause, to what it was, and no more than the path carries", () => {
    const back = known(1, 10, 80, 14_000, 14_000, { srtt: 12e3, ssthresh: 100_000 });
    const more = { left: Infinity, unacked: 14_000 };
    // At the pace of now 120 kB in the round trip of the slow path, but it doubles.
    assertEquals(picks([back, slow], [slow], { ...more, window: 300_000 }), null);
    assertEquals(
      picks([{ ...back, ssthresh: 14_000 }, slow], [slow], { ...more, window: 300_000 }),
      2,
    );
    const thin = { ...back, peakRate: 1e6 };
    assertEquals(picks([thin, slow], [slow], { ...more, window: 300_000 }), 2);
  });

  it("has a request take the shorter round trip, whatever windows and rates tell of who has sent little else", () => {
    // A lost request has left two segments of the window, and round trips vary: two segments in a quarter of a window each would take 400 ms.
    const near = known(1, 63, 0, 2800, 0, { minRtt: 46e3, rttVar: 17e3, peakRate: 3000 });
    const far = subflow(2, 84, { minRtt: 80e3, rttVar: 19e3, peakRate: 2000 });
    assertEquals(picks([near, far], [near, far], { left: 200 }), 1);
    assertEquals(picks([near, far], [near, far], { left: 28_000 }), 2);
  });

  it("does not wait for a path that could not deliver a segment sooner, however small the window", () => {
    const equal = known(2, 10, 80, 100_000);
    assertEquals(picks([full, equal], [equal], { left: Infinity, window: 10_000 }), 2);
  });

  it("does not wait for who is stale, silent after a timeout, or a backup of others", () => {
    const more = { left: 10_000, window: 1e7 };
    assertEquals(picks([full, slow], [slow], more), null);
    assertEquals(picks([{ ...full, stale: true }, slow], [slow], more), 2);
    assertEquals(picks([{ ...full, cwnd: 1400 }, slow], [slow], more), 2);
    assertEquals(picks([{ ...full, backup: true }, slow], [slow], more), 2);
    // Nothing is out there that would be acknowledged: it has no room for another reason.
    assertEquals(picks([{ ...full, inFlight: 0 }, slow], [slow], more), 2);
  });

  it("does not wait for who is late: nothing has come for a round trip since its answer was due", () => {
    const late = (now: number, other: Partial<SubflowView> = {}) => {
      const silent = { ...full, srtt: 10e3, rttVar: 1e3, oldestSent: 0, ...other };
      return picks([silent, slow], [slow], { left: 10_000, window: 1e7, now });
    };
    assertEquals([19e3, 21e3].map((now) => late(now)), [null, 2]);
    // Round trips vary, something has come, or the peer may delay its ACK.
    assertEquals(late(21e3, { rttVar: 3e3 }), null);
    assertEquals(late(21e3, { lastAck: 12e3 }), null);
    assertEquals(late(21e3, { inFlight: 2000, cwnd: 100_000 }), null);
  });

  it("gives what goes again to a path that has not carried it", () => {
    assertEquals(picks([fast, slow], [fast, slow], {}, fast), 2);
    assertEquals(picks([fast, slow], [fast, slow], {}, slow), 1);
    assertEquals(picks([fast, slow], [fast, slow], {}, fast, slow), 1);
  });

  it("tries a path of which nothing is known by four segments, the first subflow excepted", () => {
    const left = { left: Infinity, window: 1e7 };
    const fresh = (path: number, inFlight: number) => subflow(path, 10, { inFlight });
    assertEquals(picks([full, fresh(2, 4200)], [fresh(2, 4200)], left), 2);
    assertEquals(picks([full, fresh(2, 5600)], [fresh(2, 5600)], left), null);
    assertEquals(picks([fresh(1, 5600)], [fresh(1, 5600)], left), 1);
    assertEquals(picks([fresh(1, 5600), slow], [fresh(1, 5600)], left), 1);
  });

  it("tries no path where the windows of known ones have room for all that is left, and goes on without one that is tried", () => {
    const idle = known(1, 20, 1, 40_000);
    const untried = subflow(2, 10, { room: 14_000, rttVar: 1e3 });
    // The answer of a path that is as near may come after all that is left.
    const quick = known(1, 20, 80, 40_000);
    const near = subflow(2, 10, { room: 14_000, rttVar: 11e3 });
    assertEquals(picks([quick, near], [quick, near], { left: 10_000 }), 1);
    assertEquals(picks([idle, untried], [idle, untried], { left: 50_000 }), 2);
    // Its pacer holds the known one back.
    const held = known(1, 20, 80, 40_000, 8_000, { room: 0 });
    assertEquals(picks([held, near], [near], { left: 10_000 }), null);
    const trying = subflow(2, 10, { room: 14_000, rttVar: 1e3, inFlight: 4 * untried.mss });
    assertEquals(picks([idle, trying], [idle, trying], { left: 50_000 }), 1);
    // Nobody waits for it either.
    assertEquals(picks([slow, trying], [slow], { left: 2000 }), 2);
  });

  it("tries a path with what is no more than a trial, where that is back before the known ones had delivered it", () => {
    const far = known(1, 100, 1, 40_000);
    const request = { left: 200 };
    const near = (rtt: number, rttVar: number, more = {}): SubflowView =>
      subflow(2, rtt, { rttVar: rttVar * 1e3, ...more });
    const tried = near(40, 20);
    assertEquals(picks([far, tried], [far, tried], request), 2);
    // 40 + 2 · 30 ms are no less than the round trip of the known one.
    const later = near(40, 30);
    assertEquals(picks([far, later], [far, later], request), 1);
    // Of more than a trial only a part goes there: 40 + 30 ms.
    assertEquals(picks([far, later], [far, later], { left: 5601 }), 2);
    const farther = near(40, 61);
    assertEquals(picks([far, farther], [far, farther], { left: 5601 }), 1);
    // One known path is as near.
    const other = known(3, 40, 8, 40_000);
    assertEquals(picks([far, tried, other], [far, tried, other], request), 3);
    // A trial, and what is left of one.
    assertEquals(picks([far, later], [far, later], { left: 5600 }), 1);
    assertEquals(picks([far, tried], [far, tried], { left: 5600 }), 2);
    // ACKs that the peer has delayed have made the round trip of the known one longer than its path is; or it delivers that slowly.
    const delayed = known(1, 100, 8, 20_000, 0, { minRtt: 50e3 });
    assertEquals(picks([delayed, tried], [delayed, tried], { left: 4200 }), 1);
    const slower = { ...delayed, peakRate: 50e3 };
    assertEquals(picks([slower, tried], [slower, tried], { left: 4200 }), 2);
    const begun = near(40, 20, { inFlight: 1400 });
    assertEquals(picks([far, begun], [far, begun], { left: 4200 }), 2);
    assertEquals(picks([far, begun], [far, begun], { left: 4201 }), 2);
    const both = near(40, 20, { inFlight: 2800 });
    assertEquals(picks([far, both], [far, both], { left: 2801 }), 1);
    const laterBegun = near(40, 30, { inFlight: 1400 });
    assertEquals(picks([far, laterBegun], [far, laterBegun], { left: 4200 }), 1);
  });

  it("has what a path that is gone leaves behind go over one of which nothing is known, though nothing else is left", () => {
    const fresh = subflow(3, 20);
    assertEquals(picks([fresh], [fresh], { left: 0 }), 3);
    const full = known(2, 20, 8, 20_000, 20_000);
    assertEquals(picks([full, fresh], [fresh], { left: 0 }), 3);
  });

  it("says nothing where nobody has room", () => {
    assertEquals(picks([full], []), null);
  });
});

/** A receive window that is no limit. */
const WIDE = { scale: 8, win: 60_000 };

describe("earliest, at work", () => {
  it("leaves a slow path alone with a short answer, and uses it with a long one", () => {
    for (const [bytes, uses] of [[20_000, false], [2_000_000, true]] as const) {
      using d = new Dialogue({ policies: { scheduler: earliest() } });
      const { first, second, app } = joined(d, { rtt: 20e3, ...WIDE }, { rtt: 60e3 });
      app.write(bytes);
      assertEquals([first.pending, second.pending], [true, uses]);
    }
  });

  it("has a request go over the path with the shorter round trip, though nothing was sent there yet", () => {
    for (const [rtt, near] of [[20e3, true], [60e3, false]] as const) {
      using d = new Dialogue({ policies: { scheduler: earliest() } });
      const { first, second, app } = joined(d, { rtt: 100e3, ...WIDE }, { rtt });
      app.write(200);
      assertEquals([first.pending, second.pending], [!near, near]);
    }
  });

  it("is told of the end by the message that was announced", () => {
    for (const [message, uses] of [[0, false], [2_000_000, true]] as const) {
      using d = new Dialogue({ policies: { scheduler: earliest() } });
      const { first, second, app } = joined(d, { rtt: 20e3, ...WIDE }, { rtt: 60e3 });
      app.socket.write(d.now, new Uint8Array(20_000), 0, false, 0, message);
      d.stack.flush(d.now);
      assertEquals([first.pending, second.pending], [true, uses]);
    }
  });
});

type Rate = PathShape["rate"];

describe("a kept connection of short answers", () => {
  /** Milliseconds of answers of `size` bytes, `pause` ms after each other, for `seconds`, over paths of which the first is `near`; its rate becomes `later` after 5 s. */
  function answers(
    { size, pause, seconds = 20, only = null, later = null, rate = "50 Mbit/s" }: {
      size: number;
      pause: number;
      seconds?: number;
      only?: "far" | null;
      later?: Rate | null;
      rate?: Rate;
    },
  ): number[] {
    const near: PathShape = { rate, delay: "10 ms" };
    const far: PathShape = { rate: "10 Mbit/s", delay: "20 ms" };
    using topology = new Topology({ paths: only === null ? { near, far } : { far } });
    const flow = new OneWay(topology, 80, { scheduler: earliest() });
    topology.runTo(0.3);
    if (later !== null) topology.at(5, () => topology.paths.near!.set({ rate: later }));
    const times: number[] = [];
    for (let at = 0.3; at < seconds; at = topology.seconds + pause / 1e3) {
      topology.runTo(at);
      const begin = topology.seconds;
      const end = flow.read + size;
      let left = size;
      topology.at(begin, () => {
        left -= flow.write(left);
      });
      topology.runUntil(() => flow.read >= end, 60);
      times.push((topology.seconds - begin) * 1e3);
    }
    return times.slice(-Math.floor(times.length / 3));
  }
  const mean = (times: readonly number[]): number =>
    times.reduce((sum, time) => sum + time, 0) / times.length;

  it("that has begun on a path that is slow tries the other one, though the window has room for all of each", () => {
    for (const rate of ["2 Mbit/s", "1 Mbit/s"] as const) {
      const [both, far] = [null, "far" as const].map((only) =>
        mean(answers({ size: 20e3, pause: 100, rate, only }))
      );
      assert(both! <= 1.1 * far!, `${rate}: ${both} and ${far} ms`);
    }
  });

  it("leaves a path that has become slower for good, though no answer is enough to fill it", () => {
    for (
      const [size, later, most] of [
        [20e3, "2 Mbit/s", 1.1],
        [20e3, "1 Mbit/s", 1.1],
        [60e3, "2 Mbit/s", 1.2],
        [100e3, "2 Mbit/s", 1.1],
      ] as const
    ) {
      const given = { size, pause: 150 };
      const [both, far] = [
        mean(answers({ ...given, later })),
        mean(answers({ ...given, only: "far" })),
      ];
      assert(both <= most * far, `${size} bytes, ${later}: ${both} and ${far} ms`);
    }
  });
});
