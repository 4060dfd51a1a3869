/** Loss recovery by what is SACKed, without a clock (RFC 6675). */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SackLoss } from "../../../core/subflow/sack_loss.ts";
import { fastRecovery } from "../../../core/subflow/recovery.ts";
import { Heard } from "../../../core/subflow/heard.ts";
import { Scoreboard } from "../../../core/subflow/scoreboard.ts";
import { type App, Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import type { Peer } from "../../support/scripted_peer.ts";

/** Payload of a full segment of plain TCP with timestamps. */
const MSS = 1448;
const RTT = 20e3;

/** Start of the segment `n` of those sent. */
const at = (n: number): number => 1 + n * MSS;
/** The line of segments [from, to). */
const line = (from: number, to = from + 1): string => `. ${at(from)}:${at(to)}`;
/** An ACK of all before segment `ack`, with runs of segments SACKed. */
const sacks = (ack: number, ...runs: readonly (readonly [number, number])[]): string =>
  `. ack ${at(ack)} <sack ${runs.map(([from, to]) => `${at(from)}:${at(to)}`).join(" ")}>`;

/** `segments` segments written on plain TCP, the first ten of them in flight. */
function flight(
  segments: number,
  options: DialogueOptions = {},
  dialled = false,
): { d: Dialogue; peer: Peer; app: App } {
  const d = new Dialogue({
    ...options,
    tcp: { lossDetection: "sack", mtuProbing: "off", ...options.tcp },
  });
  const { peer, app } = dialled ? d.dialled({ mptcp: false }) : d.opened({ mptcp: false });
  app.write(segments * MSS);
  assertEquals(peer.takeAll().length, Math.min(10, segments));
  d.pass(RTT);
  return { d, peer, app };
}

describe("loss detection by SACK (RFC 6675)", () => {
  for (const dialled of [false, true]) {
    it(`RFC 6675 §5 steps 3 and 4, ${dialled ? "client" : "server"}: two duplicates let new data go, the third sends the first segment again`, () => {
      const { d, peer, app } = flight(30, {}, dialled);
      using _d = d;
      // One more each, as slow start goes on.
      peer.sends(sacks(0, [1, 2]));
      peer.gets(line(10));
      peer.gets(line(11));
      d.silent();
      peer.sends(sacks(0, [1, 3]));
      peer.gets(line(12));
      peer.gets(line(13));
      d.silent();
      assertEquals(d.counter("TCPSackRecovery"), 0);
      peer.sends(sacks(0, [1, 4]));
      peer.gets(line(0));
      d.silent();
      // Step 4.2: half of the window, without what limited transmit has sent beyond it.
      assertEquals(app.socket.subflows[0]!.ssthresh, Math.floor((14600 + 2 * 1460) / 2));
      assertEquals(d.counter("TCPSackRecovery"), 1);
    });
  }

  it("RFC 6675 §2: an ACK that SACKs nothing new is no duplicate, however often it comes", () => {
    const { d, peer } = flight(10);
    using _d = d;
    for (let i = 0; i < 5; i++) peer.sends(`. ack 1`);
    for (let i = 0; i < 5; i++) peer.sends(sacks(0, [1, 3]));
    d.silent();
    assertEquals(d.counter("TCPSackRecovery"), 0);
  });

  it("RFC 6675 §5 step 2: one ACK that SACKs more than two segments is enough", () => {
    const { d, peer } = flight(10);
    using _d = d;
    peer.sends(sacks(0, [1, 3]));
    d.silent();
    peer.sends(sacks(0, [1, 4]));
    peer.gets(line(0));
    d.silent();
    assertEquals(d.counter("TCPSackRecovery"), 1);
  });

  it("RFC 6675 §4 IsLost: three runs above, however short", () => {
    const { d, peer } = flight(10);
    using _d = d;
    const runs = [[at(2), at(2) + 100], [at(4), at(4) + 100], [at(6), at(6) + 100]];
    const blocks = runs.map(([from, to]) => `${from}:${to}`);
    peer.sends(`. ack 1 <sack ${blocks[1]} ${blocks[0]}>`);
    d.silent();
    peer.sends(`. ack 1 <sack ${blocks[2]} ${blocks[1]} ${blocks[0]}>`);
    peer.gets(line(0));
    // The second segment is lost, too, but only the first leaves whatever the window.
    d.silent();
  });

  it("RFC 6675 §5 step 1: three duplicates that SACK less than two segments begin recovery, too", () => {
    const { d, peer } = flight(10);
    using _d = d;
    for (const bytes of [100, 200]) {
      peer.sends(`. ack 1 <sack ${at(1)}:${at(1) + bytes}>`);
      d.silent();
    }
    peer.sends(`. ack 1 <sack ${at(1)}:${at(1) + 300}>`);
    peer.gets(line(0));
    d.silent();
  });

  it("RFC 6675 §5 step 3: reordering by two is no loss", () => {
    const { d, peer } = flight(10);
    using _d = d;
    peer.sends(sacks(0, [1, 2]));
    peer.sends(sacks(0, [1, 3]));
    peer.sends(`. ack ${at(3)}`);
    peer.sends(sacks(3, [4, 5]));
    peer.sends(sacks(3, [4, 6]));
    peer.sends(`. ack ${at(10)}`);
    d.silent();
    assertEquals(d.counter("TcpRetransSegs"), 0);
  });

  it("RFC 6675 §5 step C: nothing leaves before the pipe is a segment below the halved window, then one for each that has left", () => {
    const { d, peer } = flight(30);
    using _d = d;
    peer.sends(sacks(0, [1, 4]));
    // Three SACKed, one lost and sent again: seven in the pipe.
    peer.gets(line(0));
    d.silent();
    for (const end of [5, 6]) {
      peer.sends(sacks(0, [1, end]));
      d.silent();
    }
    // Rule 2: new data.
    for (const [end, next] of [[7, 10], [8, 11], [9, 12]] as const) {
      peer.sends(sacks(0, [1, end]));
      peer.gets(line(next));
      d.silent();
    }
  });

  it("RFC 6675 §4 NextSeg rule 1: what is lost goes first, in order, and what lies too high for that waits", () => {
    const { d, peer } = flight(30);
    using _d = d;
    peer.sends(sacks(0, [1, 2], [3, 4], [5, 6]));
    // Lost: 0, below three runs. Pipe: 7 others and its repeat.
    peer.gets(line(0));
    d.silent();
    peer.sends(sacks(0, [5, 8], [3, 4], [1, 2]));
    // Lost: 2 and 4 as well: 8, 9 and the repeat in the pipe of five.
    peer.gets(line(2));
    peer.gets(line(4));
    d.silent();
    peer.sends(sacks(2, [3, 4], [5, 8]));
    // New data behind them.
    peer.gets(line(10));
    d.silent();
  });

  it("RFC 6675 §4 NextSeg rule 3: without new data, what lies below the highest SACKed goes again, and counts twice", () => {
    const { d, peer } = flight(10);
    using _d = d;
    peer.sends(sacks(0, [1, 6]));
    peer.gets(line(0));
    d.silent();
    // 6 and 8 may only be late; 6 goes: 0, 6, 8 in the pipe, and 6 once more, leave room for another: 8.
    peer.sends(sacks(0, [9, 10], [7, 8], [1, 6]));
    peer.gets(line(6));
    peer.gets(line(8));
    d.silent();
    // Rule 4: the highest that is not SACKed once more.
    peer.sends(sacks(6, [9, 10], [7, 8]));
    peer.gets(line(8));
    d.silent();
    peer.sends(`. ack ${at(10)}`);
    d.silent();
    assertEquals(d.counter("TcpRetransSegs"), 4);
    assertEquals(d.counter("TCPTimeouts"), 0);
  });

  it("RFC 6675 §4 NextSeg rule 2: new data go before what is in doubt", () => {
    const { d, peer } = flight(12);
    using _d = d;
    peer.sends(sacks(0, [1, 6]));
    peer.gets(line(0));
    d.silent();
    // 6 may be lost: 10 goes, 11 goes, then 6.
    peer.sends(sacks(0, [7, 8], [1, 6]));
    peer.gets(line(10));
    d.silent();
    peer.sends(sacks(6, [7, 8]));
    peer.gets(line(11));
    d.silent();
    peer.sends(sacks(6, [7, 9]));
    peer.gets(line(6));
    d.silent();
  });

  it("RFC 6675 §4 NextSeg rule 4: the last segment is rescued, once, and what the answer shows in doubt follows", () => {
    const { d, peer } = flight(10);
    using _d = d;
    // Lost: 0, 8 and 9, and later the rescue, too.
    peer.sends(sacks(0, [1, 4]));
    peer.gets(line(0));
    for (let end = 5; end <= 8; end++) peer.sends(sacks(0, [1, end]));
    // RescueRxt: not while the first segment is under way.
    d.silent();
    d.pass(RTT);
    peer.sends(`. ack ${at(8)}`);
    peer.gets(line(9));
    d.silent();
    // Rule 3, as 9 is SACKed.
    peer.sends(sacks(8, [9, 10]));
    peer.gets(line(8));
    d.silent();
    peer.sends(`. ack ${at(10)}`);
    d.silent();
    assertEquals(d.counter("TCPTimeouts"), 0);
  });

  it("RFC 6675 §4 NextSeg rule 4: where the rescue is lost, the timeout comes", () => {
    const { d, peer } = flight(10, { tcp: { frto: false } });
    using _d = d;
    peer.sends(sacks(0, [1, 8]));
    peer.gets(line(0));
    d.pass(RTT);
    peer.sends(`. ack ${at(8)}`);
    peer.gets(line(9));
    peer.sends(`. ack ${at(8)}`);
    d.silent();
    d.untilSent();
    assertEquals(d.counter("TCPTimeouts"), 1);
    peer.gets(line(8));
  });

  it("RFC 6675 §5 step A: the recovery ends where it began to be, and later losses are a new one", () => {
    const { d, peer, app } = flight(30);
    using _d = d;
    peer.sends(sacks(0, [1, 10]));
    peer.gets(line(0));
    for (let n = 10; n < 14; n++) peer.gets(line(n));
    d.silent();
    d.pass(RTT);
    // Of the four that were sent since, the first is lost as well; RecoveryPoint is the tenth segment.
    peer.sends(sacks(10, [11, 12]));
    assertEquals(peer.takeAll().map(({ seq }) => (seq - 1) / MSS), [14, 15]);
    assertEquals(d.counter("TCPSackRecovery"), 1);
    const { ssthresh } = app.socket.subflows[0]!;
    peer.sends(sacks(10, [11, 14]));
    peer.gets(line(10));
    assertEquals(d.counter("TCPSackRecovery"), 2);
    assertEquals(app.socket.subflows[0]!.ssthresh < ssthresh, true);
  });

  it("RFC 6675 §5: what was sent again and is lost once more waits for the timeout", () => {
    const { d, peer } = flight(30, { tcp: { frto: false } });
    using _d = d;
    peer.sends(sacks(0, [1, 10]));
    peer.gets(line(0));
    for (let n = 10; n < 14; n++) peer.gets(line(n));
    d.pass(RTT);
    for (let n = 11; n <= 14; n++) peer.sends(sacks(0, [1, n]));
    assertEquals(peer.takeAll().map(({ seq }) => (seq - 1) / MSS), [14, 15, 16, 17]);
    d.untilSent();
    peer.gets(line(0));
    assertEquals(d.counter("TCPTimeouts"), 1);
    assertEquals(d.counter("TCPLostRetransmit"), 0);
  });

  it("RFC 6675 §5.1: after a timeout no recovery begins before all is acknowledged that was in flight; what was SACKed is not sent again", () => {
    const { d, peer } = flight(10, { tcp: { frto: false } });
    using _d = d;
    d.untilSent();
    peer.gets(line(0));
    const again = () => peer.takeAll().map(({ seq }) => (seq - 1) / MSS);
    peer.sends(sacks(0, [5, 10]));
    // The window of the timeout, which slow start widens.
    assertEquals(again(), [1, 2, 3, 4]);
    for (let end = 2; end <= 4; end++) {
      peer.sends(sacks(0, [5, 10], [1, end]));
      d.silent();
    }
    assertEquals(d.counter("TCPSackRecovery"), 0);
    peer.sends(`. ack ${at(10)}`);
    d.silent();
  });

  it("RFC 6675 §5 has no probe: a lost tail waits for the timeout", () => {
    const { d, peer } = flight(3, { tcp: { frto: false } });
    using _d = d;
    assertEquals(d.untilSent(), 200e3);
    peer.gets(line(0));
    assertEquals(d.counter("TCPLossProbes"), 0);
    assertEquals(d.counter("TCPTimeouts"), 1);
  });

  // RFC 8684 §3.3.1: "A sender MUST NOT change this mapping after it has been declared"
  it("RFC 6675 §5, RFC 8684 §3.3.1: on MPTCP a repeat has the mapping of the original", () => {
    using d = new Dialogue({ tcp: { lossDetection: "sack" } });
    const { peer, app } = d.opened();
    for (let i = 0; i < 5; i++) app.write(1000);
    const sent = peer.takeAll();
    assertEquals(sent.length, 5);
    d.pass(RTT);
    const [first, second] = sent;
    const { end } = sent.at(-1)!;
    peer.sends(`. ack 1 <sack ${second!.seq}:${end}>`);
    const again = peer.take();
    const told = ({ seq, end, options }: typeof again) => [
      seq,
      end,
      options.filter((option) => !option.startsWith("TS")),
    ];
    assertEquals(told(again), told(first!));
    d.silent();
  });

  it("RFC 6582 §3.2: without SACK duplicates are counted, and nothing is watched by time", () => {
    using d = new Dialogue({ tcp: { lossDetection: "sack" } });
    const { peer, app } = d.opened({ mptcp: false, sack: false });
    app.write(10 * MSS);
    peer.takeAll();
    for (let i = 0; i < 3; i++) peer.sends(". ack 1");
    peer.gets(line(0));
    d.silent();
    assertEquals(d.counter("TCPRenoRecovery"), 1);
  });
});

describe("steps of RFC 6675", () => {
  it("for an ACK are at most 40 on average, two bisections among them, with 12,000 mappings in flight of which every second is lost", () => {
    const board = new Scoreboard(0);
    const sack = new SackLoss(board);
    const heard = new Heard();
    const delivery = { delivered: 0, deliveredTime: 0, appLimited: false, firstSent: 0 };
    board.synSent();
    board.synAcked();
    const mappings = 12_000;
    for (let i = 0; i < mappings; i++) {
      const ssn = board.nxt;
      const mapping = { dsn: ssn, ssn, length: MSS, checksum: -1, first: false };
      board.send(mapping, MSS, MSS, delivery, i);
    }
    const recovery = fastRecovery(board.nxt, 1);
    let worst = 0;
    for (let i = 1; i < mappings; i += 2) {
      const before = board.steps;
      board.acknowledge(1, 1, mappings + i, heard);
      for (const back of [0, 2, 4]) {
        const n = Math.max(1, i - back);
        sack.take(at(n), at(n + 1), mappings + i, heard);
      }
      sack.onAck(heard, "none", recovery, MSS, mappings + i);
      worst = Math.max(worst, board.steps - before);
    }
    assertEquals(board.lost > (mappings / 2 - 4) * MSS, true);
    assertEquals(worst <= 64, true, `${worst}`);
    assertEquals(board.steps <= 40 * mappings / 2, true, `${board.steps / (mappings / 2)}`);
    board.clear();
  });
});
