import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { timestampAt, Timestamps } from "../../../core/subflow/timestamps.ts";
import { comes } from "../../support/parts.ts";

const DAYS_24 = 24 * 24 * 3600e6;

/** Timestamps of a subflow whose peer's SYN had TSval `tsval` at time 0. */
function agreed(tsval: number): Timestamps {
  const timestamps = new Timestamps(0);
  comes({ ts: [tsval, 0] });
  timestamps.agree(0);
  return timestamps;
}

/** Whether a segment with TSval `tsval` is old. */
function old(timestamps: Timestamps, tsval: number, now = 0): boolean {
  comes({ ts: [tsval, 0] });
  return timestamps.old(true, now);
}

describe("our clock", () => {
  it("ticks in milliseconds from its offset, in 32 bits (RFC 7323 §5.4)", () => {
    assertEquals([999, 1000, 1999].map((now) => timestampAt(now, 5)), [5, 6, 6]);
    assertEquals(timestampAt(2000, 0xffffffff), 1);
    const timestamps = new Timestamps(7);
    assertEquals(timestamps.value(3000), 10);
  });
});

describe("our clock while it is held", () => {
  it("is one tick, for a second at most, and never goes back (RFC 7323 §5.4)", () => {
    const timestamps = agreed(1);
    const at = (times: readonly number[]): number[] => times.map((now) => timestamps.value(now));
    assertEquals(timestamps.hold(5e6), true);
    assertEquals(timestamps.hold(5.5e6), false);
    assertEquals(at([5e6, 5.5e6, 6e6 - 1, 6e6]), [5000, 5000, 5000, 6000]);
    assertEquals(timestamps.hold(7e6), true);
    assertEquals(at([7.2e6]), [7000]);
    timestamps.release(7.3e6);
    assertEquals(at([7.3e6, 7.301e6]), [7300, 7301]);
    timestamps.release(9e6);
    assertEquals(at([9e6]), [9000]);
    assertEquals(timestamps.clock(7.2e6), 7200);
  });

  it("tells no round trip by that tick, then or later; what it answers was sent before the tick ended", () => {
    const timestamps = agreed(1);
    const told = (tsecr: number, now: number): number[] => {
      comes({ ts: [1, tsecr] });
      return [timestamps.roundTrip(now), timestamps.answeredBefore(now)];
    };
    assertEquals(told(5000, 5.02e6), [20e3, 5.001e6]);
    timestamps.hold(5e6);
    assertEquals(told(4999, 5.02e6), [21e3, 5e6]);
    assertEquals(told(5000, 5.0202e6), [-1, 5.0202e6]);
    // What a timeout sends again then, as the tick ends, has another.
    timestamps.release(5.0305e6);
    assertEquals(told(5000, 5.05e6), [-1, 5.0305e6]);
    assertEquals(told(5030, 5.05e6), [20e3, 5.031e6]);
    // Held for less than a tick of its own.
    timestamps.hold(6.0002e6);
    timestamps.release(6.0004e6);
    assertEquals(told(6000, 6.02e6), [-1, 6.001e6]);
  });

  it("tells none by the ticks of the hold before, either, nor by any of one that was to go on: echoes may be on their way still", () => {
    const timestamps = agreed(1);
    const told = (tsecr: number, now: number): number[] => {
      comes({ ts: [1, tsecr] });
      return [timestamps.roundTrip(now), timestamps.answeredBefore(now)];
    };
    timestamps.hold(5e6);
    timestamps.release(5.3e6);
    timestamps.hold(5.4e6);
    assertEquals(told(5000, 5.5e6), [-1, 5.3e6]);
    assertEquals(told(5350, 5.5e6), [150e3, 5.351e6]);
    // The tick may not be longer, but what is repaired is.
    timestamps.hold(6.4e6);
    timestamps.hold(7.5e6);
    for (const tick of [5400, 6400, 7500]) assertEquals(told(tick, 7.6e6), [-1, 7.6e6]);
    assertEquals(told(5000, 7.6e6), [-1, 5.3e6]);
    timestamps.release(8e6);
    assertEquals(told(5400, 8.1e6), [-1, 8e6]);
    timestamps.hold(9e6);
    assertEquals(told(5400, 9.1e6), [-1, 8e6]);
    assertEquals(told(5000, 9.1e6), [4100e3, 5.001e6]);
  });

  it("tells nothing by a tick that is as far away as the clock takes to go round", () => {
    const timestamps = agreed(1);
    timestamps.hold(5e6);
    timestamps.release(5.5e6);
    const round = 2 ** 32 * 1000;
    comes({ ts: [1, 5000] });
    assertEquals(timestamps.roundTrip(round + 5.02e6), 20e3);
    assertEquals(timestamps.answeredBefore(round + 5.02e6), round + 5.001e6);
  });

  it("tells nothing where a segment has none", () => {
    const timestamps = new Timestamps(0);
    timestamps.hold(0);
    comes({});
    assertEquals([timestamps.roundTrip(10), timestamps.answeredBefore(10)], [-1, Infinity]);
  });
});

describe("timestamps (RFC 7323)", () => {
  it("are sent where the peer's SYN has one, which is the first to be echoed", () => {
    const timestamps = agreed(1234);
    assertEquals([timestamps.on, timestamps.recent], [true, 1234]);
    comes({});
    const without = new Timestamps(0);
    assertEquals(without.on, true);
    without.agree(0);
    assertEquals([without.on, without.recent], [false, 0]);
  });

  it("begin with any number", () => {
    for (const tsval of [1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      assertEquals(agreed(tsval).recent, tsval | 0);
    }
  });

  it("are not taken up again by a later segment", () => {
    const timestamps = new Timestamps(0);
    comes({});
    timestamps.agree(0);
    comes({ ts: [5, 0] });
    timestamps.agree(0);
    assertEquals([timestamps.on, timestamps.old(true, 0)], [false, false]);
  });

  it("tell an old segment by one that is lower, not by an equal one (§5.3)", () => {
    const timestamps = agreed(1000);
    assertEquals([999, 1000, 1001].map((tsval) => old(timestamps, tsval)), [true, false, false]);
  });

  it("are compared around 2^32: half of the numbers are lower (§5.2)", () => {
    const timestamps = agreed(5);
    assertEquals(old(timestamps, 0xffffffff), true);
    assertEquals(old(timestamps, 5 + 2 ** 31 - 1), false);
    assertEquals(old(timestamps, 5 + 2 ** 31), true);
  });

  it("say nothing where a segment has none", () => {
    const timestamps = agreed(1000);
    comes({});
    assertEquals(timestamps.old(true, 0), false);
  });

  it("tell old from new for 24 days (§5.5), counted from the last one taken", () => {
    const timestamps = agreed(1000);
    assertEquals([old(timestamps, 999, DAYS_24), old(timestamps, 999, DAYS_24 + 1)], [true, false]);
    comes({ ts: [2000, 0] });
    timestamps.take(false, DAYS_24);
    assertEquals(timestamps.recent, 2000);
    assertEquals(old(timestamps, 1999, 2 * DAYS_24), true);
  });
});
