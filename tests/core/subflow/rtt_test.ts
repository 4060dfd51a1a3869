import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import {
  Deadlines,
  SUBFLOW_TIMERS,
  type SubflowTimer,
  TIMER_RTO,
} from "../../../core/subflow/deadlines.ts";
import { Heard } from "../../../core/subflow/heard.ts";
import { INITIAL_RTO, MAX_RTO, MIN_RTO, Rtt } from "../../../core/subflow/rtt.ts";

/** What an ACK told whose round trip was `rtt`. */
function told(rtt: number): Heard {
  return Object.assign(new Heard(), { rtt });
}

/** The timeout, backed off, as the timer is set. */
function timeout(rtt: Rtt): number {
  const deadlines = new Deadlines<SubflowTimer>(SUBFLOW_TIMERS);
  rtt.arm(deadlines, 7);
  return deadlines.at(TIMER_RTO) - 7;
}

describe("round-trip time (RFC 6298)", () => {
  it("is a second before the first sample, and so is the timeout (§2.1)", () => {
    const rtt = new Rtt();
    assertEquals([rtt.srtt, rtt.minRtt, rtt.rttVar, timeout(rtt)], [1e6, 1e6, 0, INITIAL_RTO]);
  });

  it("is the first sample, its deviation half of it (§2.2)", () => {
    const rtt = new Rtt();
    rtt.sample(told(100e3), 0);
    assertEquals([rtt.srtt, rtt.rttVar, rtt.minRtt, rtt.base], [100e3, 50e3, 100e3, 300e3]);
  });

  it("takes the deviation of later samples from the SRTT before them (§2.3: RTTVAR first)", () => {
    const rtt = new Rtt();
    rtt.sample(told(100e3), 0);
    rtt.sample(told(180e3), 0);
    // |100 - 180| = 80: 3/4 * 50 + 1/4 * 80; with the new SRTT of 110 it would be 55.
    assertEquals([rtt.rttVar, rtt.srtt], [57.5e3, 110e3]);
    assertEquals(rtt.base, 110e3 + 4 * 57.5e3);
  });

  it("takes no sample from an ACK that brought none (Karn, §3)", () => {
    const rtt = new Rtt();
    rtt.sample(told(-1), 0);
    assertEquals([rtt.srtt, rtt.base], [1e6, INITIAL_RTO]);
  });

  it("takes a sample below a microsecond for one", () => {
    const rtt = new Rtt();
    rtt.sample(told(0), 0);
    assertEquals([rtt.srtt, rtt.minRtt], [1, 1]);
  });

  it("leaves at least 200 ms between it and the timeout, and none above 60 s (§2.5)", () => {
    const rtt = new Rtt();
    rtt.sample(told(10e3), 0);
    assertEquals(rtt.base, 10e3 + MIN_RTO);
    const hasty = new Rtt(1e3);
    for (let i = 0; i < 50; i++) hasty.sample(told(10e3), 0);
    assertEquals([hasty.base, hasty.estimate], [11e3, 11e3]);
    rtt.sample(told(500e6), 0);
    assertEquals(rtt.base, MAX_RTO);
  });

  it("doubles the timeout each time it passes, until a sample comes, whatever is answered (§5.5, §5.7)", () => {
    const rtt = new Rtt();
    rtt.sample(told(100e3), 0);
    const waits = Array.from({ length: 10 }, () => {
      const rto = timeout(rtt);
      rtt.backOff();
      return rto / 300e3;
    });
    assertEquals(waits, [1, 2, 4, 8, 16, 32, 64, 128, 200, 200]);
    assertEquals([rtt.timeouts, rtt.base], [10, 300e3]);
    rtt.answered();
    assertEquals([rtt.timeouts, rtt.backedOff, timeout(rtt)], [0, 10, MAX_RTO]);
    rtt.sample(told(100e3), 0);
    assertEquals([rtt.backedOff, timeout(rtt)], [0, rtt.base]);
  });

  it("is unknown after a lost SYN: the timeout is 3 s at least (§5.7), until a sample comes", () => {
    const rtt = new Rtt();
    rtt.begin(true);
    assertEquals([rtt.base, rtt.srtt], [3e6, 1e6]);
    rtt.sample(told(100e3), 0);
    assertEquals(rtt.base, 300e3);
  });

  it("believes an echo in doubt once, then after eight samples: lost ACKs would make each timeout longer than the last", () => {
    const rtt = new Rtt();
    rtt.sample(told(100e3), 0);
    rtt.sampleEchoed(1e6, true, 1e6);
    const { base } = rtt;
    assert(base > 300e3);
    rtt.backOff();
    rtt.sampleEchoed(10e6, true, 11e6);
    assertEquals([rtt.base, rtt.backedOff], [base, 1]);
    // One without doubt takes the back-off away.
    rtt.sampleEchoed(100e3, false, 12e6);
    assertEquals(rtt.backedOff, 0);
    for (let i = 0; i < 7; i++) rtt.sample(told(100e3), 12e6);
    const { base: settled } = rtt;
    rtt.sampleEchoed(2e6, true, 14e6);
    assert(rtt.base > settled);
  });

  it("RFC 9002 §5.3: that of the path leaves out what the peer may have delayed, unless that is shorter", () => {
    const rtt = new Rtt();
    rtt.sample(told(20e3), 0);
    rtt.sample(told(60e3), 0, true);
    assertEquals([rtt.pathRtt, rtt.srtt, rtt.minRtt], [20e3, 25e3, 20e3]);
    rtt.sample(told(60e3), 0);
    assertEquals([rtt.pathRtt, rtt.srtt], [25e3, 29375]);
    rtt.sample(told(21e3), 0, true);
    assertEquals(rtt.pathRtt, 24.5e3);
  });

  it("that of the path is the least of 10 s at least, where all that comes may have been delayed", () => {
    const rtt = new Rtt();
    rtt.sample(told(20e3), 0);
    rtt.sample(told(120e3), 10e6, true);
    assertEquals([rtt.pathRtt, rtt.minRtt], [20e3, 20e3]);
    rtt.sample(told(120e3), 10e6 + 1, true);
    assertEquals([rtt.pathRtt, rtt.minRtt], [120e3, 120e3]);
  });

  it("that of the path is a minute at most, as after a suspended hour, and comes back from there", () => {
    const rtt = new Rtt();
    rtt.sample(told(20e3), 0);
    rtt.sample(told(3600e6), 3600e6);
    assertEquals([rtt.pathRtt, rtt.minRtt], [60e6, 3600e6]);
    for (let i = 0; i < 200; i++) rtt.sample(told(20e3), 3600e6);
    assert(Math.abs(rtt.pathRtt - 20e3) <= 4, `${rtt.pathRtt}`);
  });

  it("RFC 7323 §4.1: that of the path moves to an echo no further than its tick demands", () => {
    const rtt = new Rtt();
    rtt.sample(told(20e3), 0);
    const after = (echo: number, delayed: boolean): number => {
      rtt.sampleEchoed(echo, false, 0, delayed);
      return rtt.pathRtt;
    };
    assertEquals([after(20.9e3, false), after(60e3, true)], [20e3, 20e3]);
    assertEquals([after(29e3, false), after(12e3, true)], [21e3, 20e3]);
  });

  it("keeps the least sample of the last 10 s", () => {
    const rtt = new Rtt();
    rtt.sample(told(50e3), 0);
    rtt.sample(told(60e3), 10e6);
    assertEquals(rtt.minRtt, 50e3);
    rtt.sample(told(70e3), 10e6 + 1);
    assertEquals(rtt.minRtt, 70e3);
    // An equal one begins the 10 s anew.
    rtt.sample(told(70e3), 20e6);
    rtt.sample(told(80e3), 30e6);
    assertEquals(rtt.minRtt, 70e3);
    rtt.sample(told(65e3), 30e6);
    assertEquals(rtt.minRtt, 65e3);
  });
});
