import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { Heard } from "../../../core/subflow/heard.ts";
import { Rack } from "../../../core/subflow/rack.ts";
import { lossRecovery, OPEN, type Recovery } from "../../../core/subflow/recovery.ts";
import { Rtt } from "../../../core/subflow/rtt.ts";
import { Scoreboard } from "../../../core/subflow/scoreboard.ts";
import { host_new, stream_new } from "../../../wasm/mod.ts";

const MSS = 1000;
/** Round trip of the path, all in microseconds. */
const RTT = 20_000;

/** RACK over a scoreboard; segment n is [1 + n * MSS, 1 + (n + 1) * MSS). */
class Desk {
  readonly board = new Scoreboard(stream_new(host_new(1, 2), 1));
  readonly rtt = new Rtt();
  readonly rack = new Rack(this.board, this.rtt);
  readonly heard = new Heard();
  recovery: Recovery = OPEN;

  constructor() {
    this.board.synSent();
    this.board.synAcked();
    this.rtt.sample(Object.assign(new Heard(), { rtt: RTT }), 0);
  }

  /** Sends so many segments, each by itself. */
  send(segments: number, now: number): void {
    for (let i = 0; i < segments; i++) {
      const { nxt } = this.board;
      const mapping = { dsn: nxt, ssn: nxt, length: MSS, checksum: -1, first: false };
      const delivery = { delivered: 0, deliveredTime: 0, firstSent: 0, appLimited: false };
      this.board.send(mapping, MSS, MSS, delivery, now);
    }
  }

  /** Sends what is lost again. */
  resend(now: number): void {
    const delivery = { delivered: 0, deliveredTime: 0, firstSent: 0, appLimited: false };
    for (let lost = this.board.nextLost(); lost !== null; lost = this.board.nextLost()) {
      this.board.resent(lost.end - lost.seq, delivery, now);
    }
  }

  /** An ACK of all before segment `ack`, with blocks [from, to) in segments; the segments that it shows to be lost. */
  ack(now: number, ack: number, ...blocks: readonly (readonly [number, number])[]): number {
    const { board, heard } = this;
    const before = board.una;
    board.acknowledge(1 + ack * MSS, this.rtt.minRtt, now, heard);
    for (const [from, to] of blocks) board.sack(1 + from * MSS, 1 + to * MSS, now, heard);
    const progress = board.una > before ? "advanced" : "none";
    return this.rack.onAck(heard, progress, this.recovery, MSS, now) / MSS;
  }
}

describe("RACK (RFC 8985)", () => {
  it("finds nothing while nothing was reported out of order", () => {
    const desk = new Desk();
    desk.send(10, 0);
    assertEquals(desk.ack(RTT, 5), 0);
    assertEquals([desk.board.lost, desk.rack.timer], [0, Infinity]);
  });

  it("waits a quarter of the least round trip for what may only be reordered (§6.2 step 4)", () => {
    const desk = new Desk();
    desk.send(2, 0);
    assertEquals(desk.ack(RTT, 0, [1, 2]), 0);
    assertEquals(desk.rack.timer, RTT + RTT / 4);
    assertEquals(desk.rack.onTimer(OPEN, MSS, RTT + RTT / 4 - 1), 0);
    assertEquals(desk.rack.timer, RTT + RTT / 4);
    assertEquals(desk.rack.onTimer(OPEN, MSS, RTT + RTT / 4), MSS);
    assertEquals([desk.board.lost, desk.rack.timer], [MSS, Infinity]);
  });

  it("does not wait once three segments were reported, as long as no reordering was seen (§6.2 step 4)", () => {
    const desk = new Desk();
    desk.send(4, 0);
    assertEquals(desk.ack(RTT, 0, [1, 2]), 0);
    assertEquals(desk.ack(RTT, 0, [1, 3]), 0);
    assertEquals(desk.ack(RTT, 0, [1, 4]), 1);
  });

  it("does not wait in a recovery, however little was reported", () => {
    const desk = new Desk();
    desk.send(2, 0);
    desk.recovery = lossRecovery(desk.board.nxt, null);
    assertEquals(desk.ack(RTT, 0, [1, 2]), 1);
  });

  it("waits from then on where reordering was seen: three segments tell nothing any more (§6.2 step 4)", () => {
    const desk = new Desk();
    desk.send(3, 0);
    assertEquals(desk.ack(RTT, 0, [2, 3]), 0);
    assertEquals(desk.ack(RTT, 3), 0); // 0 and 1 come after 2
    assertEquals(desk.rack.reorderings, 2);
    desk.send(5, RTT);
    assertEquals(desk.ack(2 * RTT, 3, [4, 8]), 0);
    assertEquals(desk.rack.timer, 2 * RTT + RTT / 4);
    assertEquals(desk.rack.onTimer(desk.recovery, MSS, 2 * RTT + RTT / 4), MSS);
  });

  it("never takes for lost what was sent after what was reported (§6.2 step 5)", () => {
    const desk = new Desk();
    desk.send(4, 0);
    desk.send(3, 100);
    assertEquals(desk.ack(RTT, 0, [1, 4]), 1);
    assertEquals(desk.ack(RTT + 100, 0, [1, 4]), 0);
    // Of those sent at once, what lies above it.
    assertEquals(desk.ack(RTT + 100, 0, [1, 4], [5, 6]), 1);
    assertEquals(desk.board.lost, 2 * MSS);
  });

  it("finds a repeat that is lost again by what was sent after it", () => {
    const desk = new Desk();
    desk.send(4, 0);
    assertEquals(desk.ack(RTT, 0, [1, 4]), 1);
    desk.resend(RTT);
    desk.recovery = lossRecovery(desk.board.nxt, null);
    desk.send(1, RTT + 1);
    assertEquals(desk.ack(2 * RTT + 1, 0, [1, 5]), 1);
  });

  it("is not misled by a repeat that is acknowledged sooner than any round trip: its original came (§6.2 step 2)", () => {
    const desk = new Desk();
    desk.send(2, 0);
    assertEquals(desk.ack(RTT, 0, [1, 2]), 0);
    assertEquals(desk.rack.onTimer(OPEN, MSS, 2 * RTT), MSS);
    desk.send(3, 2 * RTT);
    desk.resend(2 * RTT + 10);
    // The repeat left after the three: were it taken for delivered, all of them would be lost.
    assertEquals(desk.ack(2 * RTT + 20, 2, [4, 5]), 0);
    assertEquals(desk.board.lost, 0);
  });

  /** The window that it waits now, in quarters of a round trip, once reordering was seen. */
  function quarters(desk: Desk, now: number): number {
    const first = (desk.board.nxt - 1) / MSS;
    desk.send(2, now);
    assertEquals(desk.ack(now + RTT, first, [first + 1, first + 2]), 0);
    const wait = desk.rack.timer - now - RTT;
    desk.ack(now + RTT, first + 2);
    return wait / (RTT / 4);
  }

  /** An ACK of everything that tells of bytes that came twice. */
  function twice(desk: Desk, now: number, recovery: Recovery = OPEN): void {
    desk.board.acknowledge(desk.board.nxt, RTT, now, desk.heard);
    desk.heard.twice(MSS);
    desk.rack.onAck(desk.heard, "none", recovery, MSS, now);
  }

  it("widens its window by a quarter in each round trip with a D-SACK, and takes it for reordering (§6.2 step 4)", () => {
    const desk = new Desk();
    assertEquals(quarters(desk, 0), 1);
    assertEquals(desk.rack.reorderings, 1);
    twice(desk, 2 * RTT);
    assertEquals([quarters(desk, 3 * RTT), desk.rack.reorderings], [2, 3]);
    // A second one of the same round: SND.UNA is below what SND.NXT was at the first.
    desk.send(1, 4 * RTT);
    twice(desk, 5 * RTT);
    assertEquals(quarters(desk, 5 * RTT), 3);
    desk.send(2, 6 * RTT);
    desk.heard.begin(RTT);
    desk.heard.twice(MSS);
    desk.rack.onAck(desk.heard, "none", OPEN, MSS, 7 * RTT);
    desk.ack(7 * RTT, (desk.board.nxt - 1) / MSS - 1);
    desk.heard.begin(RTT);
    desk.heard.twice(MSS);
    desk.rack.onAck(desk.heard, "none", OPEN, MSS, 7 * RTT);
    desk.ack(7 * RTT, (desk.board.nxt - 1) / MSS);
    assertEquals(quarters(desk, 8 * RTT), 4);
    // Four quarters are the round trip: no more than that.
    twice(desk, 10 * RTT);
    assertEquals(quarters(desk, 11 * RTT), 4);
  });

  it("goes back to a quarter after 16 recoveries without a D-SACK (§6.2 step 4)", () => {
    const desk = new Desk();
    twice(desk, RTT);
    for (let i = 0; i < 15; i++) desk.rack.ended();
    assertEquals(quarters(desk, 2 * RTT), 2);
    twice(desk, 4 * RTT);
    for (let i = 0; i < 15; i++) desk.rack.ended();
    assertEquals(quarters(desk, 5 * RTT), 3);
    desk.rack.ended();
    assertEquals(quarters(desk, 7 * RTT), 1);
  });

  it("takes a D-SACK after a timeout for what the timeout was, not for reordering", () => {
    const desk = new Desk();
    twice(desk, RTT, lossRecovery(desk.board.nxt, null));
    assertEquals(desk.rack.reorderings, 0);
    assertEquals(quarters(desk, 2 * RTT), 1);
  });

  it("is due at no time when nothing is missing any more", () => {
    const desk = new Desk();
    desk.send(2, 0);
    desk.ack(RTT, 0, [1, 2]);
    assertEquals(desk.rack.timer, RTT + RTT / 4);
    desk.ack(RTT + 10, 2);
    assertEquals(desk.rack.timer, Infinity);
  });
});
