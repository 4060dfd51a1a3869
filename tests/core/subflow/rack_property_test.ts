/** RACK against the pseudocode of RFC 8985 §6.2, over a list of segments that is walked from end to end. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Heard } from "../../../core/subflow/heard.ts";
import { Rack } from "../../../core/subflow/rack.ts";
import { fastRecovery, OPEN, type Recovery } from "../../../core/subflow/recovery.ts";
import { Rtt } from "../../../core/subflow/rtt.ts";
import { Scoreboard } from "../../../core/subflow/scoreboard.ts";
import { host_free, host_new, stream_new } from "../../../wasm/mod.ts";
import * as fc from "../../support/property.ts";

const MSS = 1000;
const RTT = 20_000;
const DELIVERY = { delivered: 0, deliveredTime: 0, appLimited: false, firstSent: 0 };

interface Segment {
  readonly seq: number;
  readonly end: number;
  time: number;
  retransmitted: boolean;
  sacked: boolean;
  lost: boolean;
}

/** The pseudocode, in the words of the RFC. Lost segments have no time of sending: they do not come again. */
class Naive {
  segments: Segment[] = [];
  xmit = -1;
  endSeq = 0;
  rtt = 0;
  fack = 0;
  reorderingSeen = false;
  dsackRound: number | null = null;
  mult = 1;
  persist = 0;
  timer = Infinity;

  send(seq: number, now: number): void {
    const end = seq + MSS;
    const segment = { seq, end, time: now, retransmitted: false, sacked: false, lost: false };
    this.segments.push(segment);
  }

  resend(now: number): void {
    for (const segment of this.segments.filter(({ lost }) => lost)) {
      Object.assign(segment, { time: now, retransmitted: true, lost: false });
    }
  }

  /** Steps 2 to 5. Returns the numbers of what is lost now and was not before. */
  ack(
    una: number,
    nxt: number,
    blocks: readonly (readonly [number, number])[],
    dsack: boolean,
    recovery: boolean,
    minRtt: number,
    srtt: number,
    now: number,
  ): number[] {
    const inside = ({ seq, end }: Segment): boolean =>
      blocks.some(([left, right]) => left <= seq && end <= right);
    const fresh = this.segments.filter((each) => !each.sacked && (each.end <= una || inside(each)));
    const before = this.fack;
    for (const segment of fresh) {
      if (segment.end > this.fack) this.fack = segment.end;
      if (segment.end <= before && !segment.retransmitted) this.reorderingSeen = true;
    }
    for (const segment of fresh.sort((a, b) => a.time - b.time || a.end - b.end)) {
      const rtt = now - segment.time;
      segment.sacked = true;
      segment.lost = false;
      if (segment.retransmitted && rtt < minRtt) continue;
      if (segment.time > this.xmit || (segment.time === this.xmit && segment.end > this.endSeq)) {
        this.rtt = rtt;
        this.xmit = segment.time;
        this.endSeq = segment.end;
      }
    }
    this.segments = this.segments.filter(({ end }) => end > una);
    if (dsack) {
      this.reorderingSeen = true;
      if (this.dsackRound !== null && una >= this.dsackRound) this.dsackRound = null;
      this.persist = 16;
      if (this.dsackRound === null) {
        this.dsackRound = nxt;
        this.mult++;
      }
    }
    return this.detect(recovery, minRtt, srtt, now);
  }

  ended(): void {
    if (--this.persist <= 0) this.mult = 1;
  }

  window(recovery: boolean, minRtt: number, srtt: number): number {
    const sacked = this.segments.filter((each) => each.sacked).length;
    if (!this.reorderingSeen && (recovery || sacked >= 3)) return 0;
    return Math.min(this.mult * minRtt / 4, srtt);
  }

  detect(recovery: boolean, minRtt: number, srtt: number, now: number): number[] {
    const window = this.window(recovery, minRtt, srtt);
    const due = this.segments.filter((each) =>
      !each.sacked && !each.lost &&
      (each.time < this.xmit || (each.time === this.xmit && each.end <= this.endSeq))
    );
    const lost = due.filter(({ time }) => time + this.rtt + window <= now);
    for (const segment of lost) segment.lost = true;
    this.timer = Math.min(
      ...due.filter((each) => !each.lost).map(({ time }) => time + this.rtt + window),
    );
    return lost.map(({ seq }) => seq).sort((a, b) => a - b);
  }
}

const move = fc.oneof(
  fc.record({ kind: fc.constant("send" as const), count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ kind: fc.constant("pass" as const), time: fc.integer({ min: 1, max: 15_000 }) }),
  fc.record({
    kind: fc.constant("ack" as const),
    /** Of what is in flight. */
    ack: fc.double({ min: 0, max: 1, noNaN: true }),
    blocks: fc.array(fc.tuple(fc.nat(12), fc.integer({ min: 1, max: 4 })), { maxLength: 3 }),
    dsack: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("resend" as const) }),
  fc.record({ kind: fc.constant("recovery" as const) }),
);

describe("RACK and the pseudocode of RFC 8985 §6.2", () => {
  it("find the same segments lost at the same times", () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
        const host = host_new(1, 2);
        const board = new Scoreboard(stream_new(host, 1));
        const rtt = new Rtt();
        const heard = new Heard();
        const rack = new Rack(board, rtt);
        const naive = new Naive();
        let recovery: Recovery = OPEN;
        let now = 0;
        board.synSent();
        board.synAcked();
        rtt.sample(Object.assign(new Heard(), { rtt: RTT }), 0);
        const { minRtt, srtt } = rtt;
        /** What is newly lost, all that is, and what of it comes first. */
        const check = (lost: number, expected: readonly number[]): void => {
          assertEquals(lost, expected.length * MSS);
          const all = naive.segments.filter((each) => each.lost);
          assertEquals(board.lost, all.length * MSS);
          assertEquals(board.nextLost()?.seq, all[0]?.seq);
        };
        for (const each of moves) {
          if (each.kind === "send") {
            for (let i = 0; i < each.count; i++) {
              const { nxt } = board;
              naive.send(nxt, now);
              const mapping = { dsn: nxt, ssn: nxt, length: MSS, checksum: -1, first: false };
              board.send(mapping, MSS, MSS, DELIVERY, now);
            }
          } else if (each.kind === "pass") {
            // A timer that is due on the way is heeded.
            const until = now + each.time;
            while (rack.timer <= until) {
              now = Math.max(now, rack.timer);
              const lost = rack.onTimer(recovery, MSS, now);
              check(lost, naive.detect(recovery !== OPEN, minRtt, srtt, now));
            }
            now = until;
          } else if (each.kind === "resend") {
            naive.resend(now);
            for (let part = board.nextLost(); part !== null; part = board.nextLost()) {
              board.resent(Math.min(MSS, part.end - part.seq), DELIVERY, now);
            }
          } else if (each.kind === "recovery") {
            if (recovery === OPEN) recovery = fastRecovery(board.nxt, 1);
            else {
              recovery = OPEN;
              rack.ended();
              naive.ended();
            }
          } else {
            const flight = (board.nxt - board.una) / MSS;
            const una = board.una + MSS * Math.floor(flight * each.ack);
            const dsack = each.dsack;
            const blocks = each.blocks.map(([at, size]) =>
              [una + MSS * (at + 1), Math.min(board.nxt, una + MSS * (at + 1 + size))] as const
            ).filter(([left, right]) => left < right);
            board.acknowledge(una, minRtt, now, heard);
            for (const [left, right] of blocks) board.sack(left, right, now, heard);
            heard.twice(dsack ? MSS : 0);
            const expected = naive.ack(
              una,
              board.nxt,
              blocks,
              dsack,
              recovery !== OPEN,
              minRtt,
              srtt,
              now,
            );
            check(rack.onAck(heard, "none", recovery, MSS, now), expected);
            assertEquals(rack.timer, naive.timer);
          }
        }
        board.clear();
        host_free(host);
      }),
      { numRuns: 500 },
    );
  });
});
