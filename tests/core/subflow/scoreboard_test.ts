import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { Heard } from "../../../core/subflow/heard.ts";
import { Scoreboard } from "../../../core/subflow/scoreboard.ts";
import { PAGE, USAGE_PAGES } from "../../../wasm/layout.ts";
import {
  host_free,
  host_new,
  host_usage,
  stream_append,
  stream_new,
  stream_pin,
  stream_release,
} from "../../../wasm/mod.ts";

/** Payload of a segment. */
const MSS = 1000;

/** A scoreboard whose connection is established; segment n holds [n, n + 1) * MSS, plus 1 for the SYN. */
class Desk {
  readonly board: Scoreboard;
  readonly heard = new Heard();
  minRtt = 10;
  // What is noted with all that is sent.
  delivered = 0;
  deliveredTime = 0;
  firstSent = 0;
  appLimited = false;

  constructor(stream = 0) {
    this.board = new Scoreboard(stream);
    this.board.synSent();
    this.board.synAcked();
  }

  /** Sends a mapping of so many segments, of which the link takes `sent` bytes. */
  send(segments: number, now = 0, sent = segments * MSS): void {
    const { nxt } = this.board;
    const mapping = { dsn: nxt, ssn: nxt, length: segments * MSS, checksum: -1, first: false };
    this.board.send(mapping, sent, MSS, this, now);
  }

  /** An ACK of all before segment `ack`, with blocks [from, to) in segments. */
  ack(ack: number, now = 0, ...blocks: readonly (readonly [number, number])[]): Heard {
    const { board, heard } = this;
    board.acknowledge(1 + ack * MSS, this.minRtt, now, heard);
    for (const [from, to] of blocks) board.sack(1 + from * MSS, 1 + to * MSS, now, heard);
    return heard;
  }

  /** Sends what is lost first again, or its first `segments`. */
  resend(now: number, segments = Infinity): void {
    const piece = this.board.nextLost()!;
    this.board.resent(Math.min(piece.end - piece.seq, segments * MSS), this, now);
  }

  /** Takes all for lost that was sent before the end of segment `end`, which was sent at `time`. */
  lose(time: number, end = Infinity, now = 1e6): number {
    return this.board.loseSentBefore(time, end * MSS, 0, 0, now) / MSS;
  }

  /** Bytes in flight, SACKed and lost, in segments. */
  get bytes(): readonly number[] {
    const { inFlight, sacked, lost } = this.board;
    return [inFlight / MSS, sacked / MSS, lost / MSS];
  }

  /** What is lost, in order, as segments; it is sent again by that. */
  repair(now: number): string[] {
    const pieces: string[] = [];
    for (let lost = this.board.nextLost(); lost !== null; lost = this.board.nextLost()) {
      pieces.push(`${(lost.seq - 1) / MSS}:${(lost.end - 1) / MSS}`);
      this.resend(now);
    }
    return pieces;
  }
}

describe("scoreboard", () => {
  it("begins with the SYN, which takes offset 0", () => {
    const board = new Scoreboard(0);
    board.synSent();
    assertEquals([board.una, board.nxt, board.inFlight], [0, 1, 1]);
    board.synAcked();
    assertEquals([board.una, board.nxt, board.inFlight, board.empty], [1, 1, 0, true]);
  });

  it("has each byte in flight, SACKed or lost until it is acknowledged (RFC 6675 §2)", () => {
    const desk = new Desk();
    for (let i = 0; i < 5; i++) desk.send(2, i);
    assertEquals(desk.bytes, [10, 0, 0]);
    desk.ack(1, 20, [6, 8]);
    assertEquals(desk.bytes, [7, 2, 0]);
    assertEquals(desk.lose(3, 8), 5);
    assertEquals(desk.bytes, [2, 2, 5]);
    desk.resend(30);
    assertEquals(desk.bytes, [3, 2, 4]);
    desk.ack(8, 40);
    assertEquals(desk.bytes, [2, 0, 0]);
    desk.ack(10, 41);
    assertEquals([desk.board.empty, desk.board.pieces], [true, 0]);
  });

  it("gives what the link did not take to be sent next, for the first time", () => {
    const desk = new Desk();
    desk.send(5, 0, 3 * MSS);
    assertEquals(desk.bytes, [3, 0, 2]);
    const { seq, end, data, sends, fin, mapping } = desk.board.nextLost()!;
    assertEquals([seq, end, data, sends, fin], [3001, 5001, 3001, 0, false]);
    const { dsn, ssn, length, checksum, first } = mapping;
    assertEquals({ dsn, ssn, length, checksum, first }, {
      dsn: 1,
      ssn: 1,
      length: 5000,
      checksum: -1,
      first: false,
    });
    desk.resend(1);
    assertEquals([desk.bytes, desk.board.repeated], [[5, 0, 0], 0]);
  });

  it("cuts where a block begins and ends, and joins what is SACKed, within a mapping", () => {
    const desk = new Desk();
    desk.send(5);
    desk.send(5);
    assertEquals(desk.board.pieces, 2);
    desk.ack(0, 0, [1, 2], [3, 4]);
    assertEquals(desk.board.pieces, 6);
    desk.ack(0, 0, [1, 4]);
    assertEquals(desk.board.pieces, 4);
    // The next mapping stays on its own: it has to go again as such (RFC 8684 §3.3.1).
    desk.ack(0, 0, [1, 10]);
    assertEquals([desk.board.pieces, desk.bytes], [3, [1, 9, 0]]);
  });

  it("takes no block that cannot be: old, a D-SACK, empty, reversed, never sent", () => {
    const desk = new Desk();
    desk.send(6);
    desk.ack(2, 0, [0, 1], [1, 3], [4, 4], [5, 4], [5, 7]);
    assertEquals([desk.bytes, desk.heard.delivered], [[4, 0, 0], 2 * MSS]);
  });

  it("is cut into at most twice its segments and one", () => {
    const desk = new Desk();
    desk.send(1);
    desk.send(3);
    const { board, heard } = desk;
    board.acknowledge(1, 0, 0, heard);
    for (let i = 0; i < 20; i++) board.sack(1001 + 10 * i, 1002 + 10 * i, 0, heard);
    assertEquals([board.pieces, board.sacked], [7, 3]);
    // There is room for the next when the first are acknowledged.
    board.acknowledge(1012, 0, 1, heard);
    board.sack(1031, 1032, 1, heard);
    assertEquals([board.pieces, board.sacked], [5, 2]);
    // In another mapping there always was.
    desk.send(1);
    board.sack(4001, 4101, 2, heard);
    assertEquals(board.sacked, 102);
  });

  it("needs no room where a block holds all pieces, however many we made", () => {
    const desk = new Desk();
    desk.send(1);
    desk.board.loseAll();
    for (let i = 0; i < 5; i++) desk.board.resent(100, desk, i);
    assertEquals(desk.board.pieces, 6);
    desk.ack(0, 9, [0, 1]);
    assertEquals([desk.board.pieces, desk.bytes], [1, [0, 1, 0]]);
  });

  it("counts a joined piece as sent again when a part of it was", () => {
    const desk = new Desk();
    desk.send(3);
    desk.ack(0, 0, [1, 2]);
    desk.lose(1);
    desk.resend(5);
    desk.resend(5);
    desk.ack(0, 30, [1, 3]);
    assertEquals([desk.board.pieces, desk.board.repeated], [2, 2]);
    desk.ack(0, 31, [0, 3]);
    assertEquals([desk.board.pieces, desk.board.repeated], [1, 1]);
    desk.ack(3, 32);
    assertEquals([desk.board.pieces, desk.board.repeated], [0, 0]);
  });

  it("knows the blocks of the ACK before: again they cost nothing", () => {
    const desk = new Desk();
    for (let i = 0; i < 1000; i++) desk.send(2);
    const blocks = [[1801, 1802], [1001, 1002], [101, 102]] as const;
    desk.ack(0, 0, ...blocks);
    const { steps } = desk.board;
    desk.ack(0, 0, ...blocks);
    desk.ack(0, 0);
    desk.ack(0, 0, ...blocks);
    assertEquals(desk.board.steps, steps);
    desk.ack(0, 0, [1801, 1803], [1001, 1002], [101, 102]);
    assertEquals(desk.bytes, [1996, 4, 0]);
  });

  it("names data that the peer has not acknowledged on this subflow, but no FIN", () => {
    const desk = new Desk();
    desk.send(2);
    desk.send(3);
    desk.send(1);
    desk.board.sendFin(desk, 0);
    desk.ack(3, 0, [4, 6]);
    const { board } = desk;
    const ranges = [];
    for (let serial = board.firstChunk; serial < board.nextChunk; serial++) {
      ranges.push(board.dataEnd(serial) - board.dataStart(serial));
    }
    assertEquals(ranges, [2 * MSS, MSS, 0]);
    assertEquals(board.dataStart(board.firstChunk), 1 + 3 * MSS);
  });

  it("sends a FIN again as any octet", () => {
    const desk = new Desk();
    desk.send(1);
    desk.board.sendFin(desk, 5);
    desk.board.loseAll();
    desk.resend(6);
    assertEquals(desk.board.nextLost()?.fin, true);
    desk.board.resent(1, desk, 7);
    const { board } = desk;
    assertEquals([board.inFlight, board.repeated, board.nxt], [1001, 2, 1002]);
    board.acknowledge(1002, 0, 8, desk.heard);
    assertEquals([board.empty, board.una, desk.heard.delivered], [true, 1002, 1001]);
  });
});

describe("what an ACK tells", () => {
  it("a round-trip time: that of what was reported last and sent once (RFC 6298 §3)", () => {
    const desk = new Desk();
    for (let i = 0; i < 6; i++) desk.send(1, i);
    assertEquals(desk.ack(2, 100).rtt, 99);
    assertEquals(desk.ack(2, 101, [5, 6], [3, 4]).rtt, 98);
    desk.lose(5);
    desk.resend(110);
    assertEquals(desk.ack(3, 120).rtt, -1);
    assertEquals(desk.ack(3, 121).rtt, -1);
  });

  it("no round-trip time of what lay behind a hole that was sent again", () => {
    const desk = new Desk();
    for (let i = 0; i < 4; i++) desk.send(1, i);
    desk.board.loseHead(MSS);
    desk.resend(50);
    assertEquals(desk.ack(3, 60).rtt, -1);
  });

  it("no round-trip time when the ACK ends inside what was sent again", () => {
    const desk = new Desk();
    desk.send(2, 0, MSS);
    desk.send(2, 1);
    desk.board.loseAll();
    desk.ack(1, 40);
    assertEquals(desk.repair(50), ["1:2", "2:4"]);
    // Segment 1 was sent once, the two behind it again.
    assertEquals(desk.ack(3, 60).rtt, -1);
    desk.send(1, 65);
    // What a block reports tells it nevertheless.
    assertEquals(desk.ack(4, 80, [4, 5]).rtt, 15);
  });

  it("a rate sample: the figures of what was sent when most had been delivered", () => {
    const desk = new Desk();
    for (let i = 0; i < 3; i++) {
      desk.delivered = 100 * i;
      desk.deliveredTime = 10 * i;
      desk.appLimited = i === 1;
      desk.send(1, i);
    }
    const sample = ({ priorDelivered, priorTime, appLimited }: Heard) => [
      priorDelivered,
      priorTime,
      appLimited,
    ];
    assertEquals(sample(desk.ack(1, 20, [1, 2])), [100, 10, true]);
    assertEquals(sample(desk.ack(2, 21, [2, 3])), [200, 20, false]);
    assertEquals(sample(desk.ack(3, 22)), [-1, 0, false]);
  });

  it("the segment sent last among those reported (RFC 8985 §6.2 step 2)", () => {
    const desk = new Desk();
    const newest = ({ sentTime, sentEnd, sentRtt }: Heard) => [sentTime, sentEnd, sentRtt];
    for (let i = 0; i < 6; i++) desk.send(1, 10 + (i >> 1));
    assertEquals(newest(desk.ack(1, 40, [4, 5], [2, 3])), [12, 1 + 5 * MSS, 28]);
    desk.lose(12, 5);
    desk.resend(50);
    // A copy cannot have come back that fast: it was the original.
    assertEquals(newest(desk.ack(2, 59)), [-1, 0, 0]);
    desk.resend(60);
    assertEquals(newest(desk.ack(4, 70)), [60, 1 + 4 * MSS, 10]);
  });

  it("how many pieces came after what was sent behind them (RFC 8985 §6.2 step 4)", () => {
    const desk = new Desk();
    for (let i = 0; i < 8; i++) desk.send(1, i);
    assertEquals(desk.ack(0, 20, [6, 7]).reordered, 0);
    assertEquals(desk.ack(1, 21, [6, 7], [3, 5], [7, 8]).reordered, 3);
    desk.lose(7);
    desk.resend(30);
    // What was sent again tells nothing.
    assertEquals(desk.ack(2, 50, [5, 8]).reordered, 1);
  });
});

describe("what is lost", () => {
  it("is what was sent before the newest that came, and long enough ago (RFC 8985 §6.2 step 5)", () => {
    const desk = new Desk();
    for (let i = 0; i < 6; i++) desk.send(1, 10 * (i >> 1));
    desk.ack(0, 100, [3, 4]);
    const { board } = desk;
    // Segments 0 and 1 were sent at 0, 2 at 10, 4 and 5 at 20: a round trip of 90 and a window of 5.
    assertEquals(board.loseSentBefore(10, 1 + 4 * MSS, 90, 5, 96), 2 * MSS);
    assertEquals(board.nextDue, 105);
    assertEquals(board.loseSentBefore(10, 1 + 4 * MSS, 90, 5, 104.9), 0);
    assertEquals(board.loseSentBefore(10, 1 + 4 * MSS, 90, 5, 105), MSS);
    assertEquals([board.nextDue, desk.bytes], [Infinity, [2, 1, 3]]);
  });

  it("is told from what was sent at the same time by its end", () => {
    const desk = new Desk();
    desk.send(4);
    desk.ack(0, 0, [2, 3]);
    assertEquals(desk.board.loseSentBefore(0, 1 + 3 * MSS, 0, 0, 50), 2 * MSS);
    assertEquals(desk.bytes, [1, 1, 2]);
    // Sent at the same time as what lies above it.
    desk.send(2, 60);
    desk.resend(60);
    assertEquals(desk.board.loseSentBefore(60, 1 + 2 * MSS, 0, 0, 90), 3 * MSS);
    assertEquals(desk.bytes, [2, 1, 3]);
  });

  it("counts from its last sending", () => {
    const desk = new Desk();
    for (let i = 0; i < 4; i++) desk.send(1, i);
    desk.lose(1);
    desk.resend(10);
    assertEquals([desk.lose(9), desk.repair(20)], [2, ["1:2", "2:3", "3:4"]]);
    assertEquals([desk.lose(10), desk.repair(30)], [1, ["0:1"]]);
  });

  it("is the first segment after three duplicates, once (RFC 6582 §3.2)", () => {
    const desk = new Desk();
    assertEquals(desk.board.loseHead(MSS), 0);
    desk.send(5);
    assertEquals(desk.board.loseHead(MSS), MSS);
    assertEquals(desk.board.loseHead(MSS), 0);
    assertEquals(desk.repair(1), ["0:1"]);
    desk.ack(4);
    assertEquals(desk.board.loseHead(2 * MSS), MSS);
  });

  it("is all that is not SACKed after a timeout", () => {
    const desk = new Desk();
    for (let i = 0; i < 4; i++) desk.send(2, i);
    desk.ack(1, 9, [3, 5]);
    desk.board.loseAll();
    assertEquals(desk.bytes, [0, 2, 5]);
    assertEquals(desk.repair(10), ["1:2", "2:3", "5:6", "6:8"]);
  });

  it("is all at a timeout when the peer has the first byte only by its SACK (RFC 2018 §8)", () => {
    const desk = new Desk();
    for (let i = 0; i < 4; i++) desk.send(2, i);
    desk.ack(0, 9, [0, 2], [5, 8]);
    desk.board.loseAll();
    assertEquals(desk.bytes, [0, 0, 8]);
    assertEquals(desk.repair(10), ["0:2", "2:4", "4:5", "5:6", "6:8"]);
    // The same block again is news.
    desk.ack(0, 30, [5, 8]);
    assertEquals(desk.bytes, [5, 3, 0]);
    assertEquals(desk.heard.delivered, 3 * MSS);
  });

  it("goes again from the lowest on, in whatever order it was lost", () => {
    const desk = new Desk();
    for (let i = 0; i < 6; i++) desk.send(1, i);
    desk.lose(6);
    desk.resend(7);
    desk.resend(8);
    desk.board.loseHead(MSS);
    desk.resend(9);
    desk.resend(10);
    // Last sent: 1, 0, 2.
    assertEquals(desk.lose(10), 3);
    assertEquals(desk.repair(11), ["0:1", "1:2", "2:3", "3:4", "4:5", "5:6"]);
  });

  it("goes again from the lowest on, although what was lost before it has come meanwhile", () => {
    const desk = new Desk();
    for (let i = 0; i < 6; i++) desk.send(1, i);
    desk.lose(6);
    for (let i = 0; i < 4; i++) desk.resend(7 + i);
    desk.lose(7);
    desk.lose(8);
    desk.ack(0, 9, [1, 2]);
    desk.lose(10);
    assertEquals(desk.repair(11), ["0:1", "2:3", "3:4", "4:5", "5:6"]);
  });

  it("is cut where only a part is sent again", () => {
    const desk = new Desk();
    desk.send(5);
    desk.lose(1);
    desk.board.cut(3 * MSS);
    assertEquals(desk.board.nextLost()?.end, 1 + 3 * MSS);
    desk.resend(10, 2);
    assertEquals([desk.bytes, desk.board.pieces, desk.board.repeated], [[2, 0, 3], 3, 1]);
    assertEquals(desk.repair(10), ["2:3", "3:5"]);
  });
});

describe("pages of the send queue", () => {
  it("stay while a piece touches them, and no longer", () => {
    const host = host_new(1, 2);
    const stream = stream_new(host, 1);
    for (let i = 0; i < 3; i++) {
      stream_append(stream, PAGE - (i === 0 ? 1 : 0));
    }
    const pages = () => host_usage(host, USAGE_PAGES);
    const desk = new Desk(stream);
    for (let i = 0; i < 3; i++) desk.send(60);
    // The data level has all of it: on another subflow.
    stream_release(stream, 3 * PAGE);
    assertEquals(pages(), 3);
    desk.ack(10, 1, [64, 66], [60, 67]);
    desk.ack(65, 2);
    assertEquals(pages(), 3);
    desk.ack(66, 3, [70, 150]);
    assertEquals(pages(), 2);
    desk.board.clear();
    assertEquals([pages(), desk.bytes], [0, [114, 0, 0]]);
    host_free(host);
  });

  it("are pinned once more for a cut, unless it is where one page ends", () => {
    for (const cut of [500, 1000, 1500]) {
      const host = host_new(1, 2);
      const stream = stream_new(host, 0);
      for (let i = 0; i < 2; i++) {
        stream_append(stream, PAGE);
      }
      const pages = () => host_usage(host, USAGE_PAGES);
      const { board, heard, ...desk } = new Desk(stream);
      const mapping = { dsn: PAGE - 1000, ssn: 1, length: 2000, checksum: -1, first: false };
      board.send(mapping, 2000, MSS, desk, 0);
      stream_release(stream, 2 * PAGE);
      board.acknowledge(1, 0, 1, heard);
      board.sack(1 + cut, 2001, 1, heard);
      board.sack(1, 1 + cut, 1, heard);
      assertEquals([board.pieces, pages()], [1, 2]);
      board.acknowledge(2001, 0, 1, heard);
      assertEquals(pages(), 0);
      host_free(host);
    }
  });

  it("are none of a FIN's", () => {
    const host = host_new(1, 2);
    const stream = stream_new(host, 0);
    stream_append(stream, 10);
    // Another subflow's.
    stream_pin(stream, 0, 10);
    const desk = new Desk(stream);
    desk.board.sendFin(desk, 0);
    desk.board.acknowledge(2, 0, 1, desk.heard);
    stream_release(stream, 10);
    assertEquals(host_usage(host, USAGE_PAGES), 1);
    host_free(host);
  });
});

describe("the highest data that is not SACKed (RFC 6675 §4, rule 4)", () => {
  it("lies below a run of mappings that ends with the FIN, whatever these have been before", () => {
    // Of many runs mappings and pieces of before are used again.
    const before = new Desk();
    for (let i = 0; i < 8; i++) before.send(1);
    before.ack(0, 0, [2, 3], [4, 5], [6, 7]);
    before.ack(8);
    const desk = new Desk();
    for (let i = 0; i < 4; i++) desk.send(1);
    desk.board.sendFin(desk, 0);
    const { nxt } = desk.board;
    for (const from of [4, 3, 2]) {
      desk.ack(0);
      desk.board.sack(1 + from * MSS, nxt, 1, desk.heard);
      const piece = desk.board.lastUnsacked(MSS)!;
      assertEquals([piece.seq, piece.end], [1 + (from - 1) * MSS, 1 + from * MSS]);
    }
    desk.board.clear();
  });
});
