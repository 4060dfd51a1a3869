import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Frto } from "../../../core/subflow/frto.ts";
import { Dialogue } from "../../support/dialogue.ts";
import type { Got, Peer } from "../../support/scripted_peer.ts";

/** Payload of a full segment of plain TCP without timestamps: with them the first ACK would tell (RFC 3522). */
const MSS = 1460;
const RTT = 20e3;
const RTO = 220e3;

const at = (segment: number): number => 1 + segment * MSS;
const line = (from: number, to = from + 1): string => `. ${at(from)}:${at(to)}`;
const ranges = (segments: readonly Got[]): string[] =>
  segments.map(({ seq, end }) => `${(seq - 1) / MSS}:${(end - 1) / MSS}`);
const acks = (peer: Peer, segment: number): void => peer.sends(`. ack ${at(segment)}`);
/** An ACK of all before a segment that reports [from, to). */
const sacks = (peer: Peer, segment: number, from: number, to: number): void =>
  peer.sends(`. ack ${at(segment)} <sack ${at(from)}:${at(to)}>`);

/** A dialogue in which `segments` segments were written, ten have left, and the timeout has just sent the first again. */
function timedOut(segments: number, offer: Parameters<Dialogue["opened"]>[0] = {}) {
  const d = new Dialogue({ tcp: { tlp: false, mtuProbing: "off" } });
  const { peer, app } = d.opened({ mptcp: false, timestamps: false, ...offer });
  app.write(segments * MSS);
  peer.takeAll();
  const [subflow] = app.socket.subflows;
  const { cwnd } = subflow!;
  assertEquals(d.untilSent(), RTO);
  peer.gets(line(0));
  d.silent();
  assertEquals(subflow!.cwnd, MSS);
  return { d, peer, app, subflow: subflow!, cwnd, [Symbol.dispose]: () => d[Symbol.dispose]() };
}

/** The timeout was found needless. */
function undone({ d, subflow, cwnd }: ReturnType<typeof timedOut>): void {
  assertEquals([d.counter("TCPSpuriousRTOs"), d.counter("TCPLossUndo")], [1, 1]);
  assertEquals([subflow.inRecovery, subflow.ssthresh], [false, Infinity]);
  assert(subflow.cwnd >= cwnd, `${subflow.cwnd}`);
}

/** It was not. */
function stands({ d, subflow }: ReturnType<typeof timedOut>): void {
  assertEquals(d.counter("TCPSpuriousRTOs"), 0);
  assert(subflow.ssthresh < Infinity);
}

describe("F-RTO: what each ACK tells (RFC 5682)", () => {
  it("asks by new data once what was sent again is acknowledged, no more and no less", () => {
    const frto = new Frto(true);
    assert(!frto.holds);
    frto.sentAgain(200);
    assert(frto.holds && !frto.answered);
    assertEquals(frto.onAck(100, 100, 1000, true, 100, 1000), "wait");
    assertEquals(frto.onAck(150, 100, 1000, false, 50, 1000), "lost");
    const other = new Frto(true);
    other.sentAgain(200);
    assertEquals(other.onAck(300, 100, 1000, false, 200, 300), "new");
    assert(other.answered && !other.asked);
    other.sentNew();
    assert(other.asked);
    assertEquals(other.onAck(300, 300, 1200, false, 0, 300), "wait");
    assertEquals(other.onAck(400, 300, 1200, false, 100, 400), "spurious");
  });
});

describe("F-RTO with SACK (RFC 5682 §3.1)", () => {
  it("RFC 5682 §3.1, 2b and 3b: two new segments, and an ACK of what was not sent again: nothing was lost", () => {
    using s = timedOut(14);
    acks(s.peer, 1);
    assertEquals(ranges(s.peer.takeAll()), ["10:11", "11:12"]);
    acks(s.peer, 2);
    undone(s);
    // What the timeout took for lost is in flight: of it nothing goes again.
    assertEquals(ranges(s.peer.takeAll()), ["12:13"]);
    assertEquals(s.subflow.inFlight, 11 * MSS);
    acks(s.peer, 13);
    s.peer.takeAll();
    acks(s.peer, 14);
    s.d.pass(10e6);
    s.d.silent();
    assertEquals(s.subflow.sender.retransmits, 1);
  });

  it("RFC 5682 §3.1, 3b: a SACK of what was not sent again tells the same, though one segment is lost: that is repaired", () => {
    using s = timedOut(14);
    s.d.pass(50e3);
    acks(s.peer, 1);
    assertEquals(ranges(s.peer.takeAll()), ["10:11", "11:12"]);
    sacks(s.peer, 1, 2, 3);
    assertEquals(s.d.counter("TCPSpuriousRTOs"), 1);
    // The first one came, not its repeat: what lies between the two is not lost for that (RFC 8985 §6.2).
    assertEquals(s.subflow.sender.board.lost, 0);
    s.peer.takeAll();
    sacks(s.peer, 1, 2, 4);
    s.peer.takeAll();
    sacks(s.peer, 1, 2, 10);
    assertEquals(ranges(s.peer.takeAll())[0], "1:2");
    assertEquals(s.d.counter("TCPSackRecovery"), 1);
  });

  it("RFC 8985 §6.2: after that, what was sent before it goes again when the reordering window has passed, though nothing more comes", () => {
    using s = timedOut(14);
    acks(s.peer, 1);
    s.peer.takeAll();
    sacks(s.peer, 1, 2, 3);
    assertEquals(s.d.counter("TCPSpuriousRTOs"), 1);
    s.peer.takeAll();
    assertEquals(s.d.untilSent(), RTT / 4);
    assertEquals(ranges(s.peer.takeAll()), ["1:2"]);
  });

  it("RFC 5682 §3.1, 3a: a SACK of the new data, and of nothing below: it was lost", () => {
    using s = timedOut(14);
    acks(s.peer, 1);
    assertEquals(s.peer.takeAll().length, 2);
    s.d.pass(RTT);
    sacks(s.peer, 1, 10, 11);
    stands(s);
    assertEquals(ranges(s.peer.takeAll()), ["1:2", "2:3"]);
  });

  it("RFC 5682 §3.1, 3a: a duplicate that reports nothing new: it was lost", () => {
    using s = timedOut(14);
    acks(s.peer, 1);
    assertEquals(s.peer.takeAll().length, 2);
    acks(s.peer, 1);
    stands(s);
    s.app.write(MSS);
    acks(s.peer, 2);
    assertEquals(s.d.counter("TCPSpuriousRTOs"), 0);
  });

  it("RFC 5682 §3.1, 2: duplicates before that only fill the scoreboard", () => {
    using s = timedOut(14);
    sacks(s.peer, 0, 3, 4);
    s.d.silent();
    acks(s.peer, 1);
    assertEquals(ranges(s.peer.takeAll()), ["10:11", "11:12"]);
    acks(s.peer, 2);
    assertEquals(s.d.counter("TCPSpuriousRTOs"), 1);
  });

  it("RFC 5682 §3.1, 2a: an ACK of all that was sent tells nothing: one segment alone may have been lost", () => {
    using s = timedOut(10);
    s.d.pass(RTT);
    acks(s.peer, 10);
    stands(s);
    assertEquals([s.subflow.inRecovery, s.subflow.ssthresh], [false, 5 * MSS]);
  });

  it("RFC 5682 §3.1, 2b: no new data to ask by: the conventional recovery, at once", () => {
    using s = timedOut(10);
    acks(s.peer, 1);
    assertEquals(ranges(s.peer.takeAll()), ["1:2", "2:3"]);
    acks(s.peer, 2);
    stands(s);
  });

  it("RFC 5682 §3.1, 2b: one new segment is enough", () => {
    using s = timedOut(11);
    acks(s.peer, 1);
    assertEquals(ranges(s.peer.takeAll()), ["10:11"]);
    acks(s.peer, 2);
    undone(s);
    s.d.silent();
  });

  it("RFC 5682 §3.1, 2b: the peer's window prohibits them: the conventional recovery", () => {
    using s = timedOut(14);
    s.peer.sends(`. ack ${at(1)} win ${9 * MSS >> 7}`);
    assertEquals(ranges(s.peer.takeAll()), ["1:2", "2:3"]);
    stands(s);
  });

  it("RFC 5682 §3.1, 1: another timeout of the same segment begins anew", () => {
    using s = timedOut(14);
    assertEquals(s.d.untilSent(), 2 * RTO);
    s.peer.gets(line(0));
    s.d.silent();
    acks(s.peer, 1);
    assertEquals(ranges(s.peer.takeAll()), ["10:11", "11:12"]);
    acks(s.peer, 2);
    undone(s);
    assertEquals([s.d.counter("TCPTimeouts"), s.subflow.sender.retransmits], [2, 2]);
  });

  it("RFC 5682 §3.1, 1: another timeout after an ACK does not: the recovery that is under way misleads", () => {
    using s = timedOut(14);
    acks(s.peer, 1);
    assertEquals(s.peer.takeAll().length, 2);
    s.d.untilSent();
    s.peer.gets(line(1));
    acks(s.peer, 2);
    assertEquals(ranges(s.peer.takeAll()), ["2:3", "3:4"]);
    acks(s.peer, 3);
    assertEquals(s.d.counter("TCPSpuriousRTOs"), 0);
  });

  it("RFC 5682 §3.1: not in a fast recovery", () => {
    using d = new Dialogue({ tcp: { tlp: false } });
    const { peer, app } = d.opened({ mptcp: false, timestamps: false });
    app.write(20 * MSS);
    peer.takeAll();
    d.pass(RTT);
    sacks(peer, 0, 1, 4);
    peer.takeAll();
    d.untilSent();
    peer.gets(line(0));
    acks(peer, 4);
    // Nothing new: what is lost goes again.
    assertEquals(ranges(peer.takeAll())[0], "4:5");
    assertEquals(d.counter("TCPSpuriousRTOs"), 0);
  });

  it("RFC 5682 §3.1, 1: not where the peer has thrown away what it reported (RFC 2018 §8)", () => {
    using d = new Dialogue({ tcp: { tlp: false } });
    const { peer, app } = d.opened({ mptcp: false, timestamps: false });
    app.write(14 * MSS);
    peer.takeAll();
    d.pass(RTT);
    acks(peer, 2);
    peer.takeAll();
    sacks(peer, 2, 3, 5);
    acks(peer, 3);
    peer.takeAll();
    d.untilSent();
    peer.gets(line(3));
    acks(peer, 4);
    assertEquals(ranges(peer.takeAll())[0], "4:5");
  });

  it("RFC 5682 §2.1, 2a: an ACK of a part of what was sent again tells nothing: a peer could mislead", () => {
    using s = timedOut(14);
    s.peer.sends(`. ack ${at(1) - 700}`);
    assertEquals(ranges(s.peer.takeAll()).length > 0, true);
    acks(s.peer, 2);
    stands(s);
  });

  it("not where 'frto' is false", () => {
    using d = new Dialogue({ tcp: { tlp: false, frto: false } });
    const { peer, app } = d.opened({ mptcp: false, timestamps: false });
    app.write(14 * MSS);
    peer.takeAll();
    d.untilSent();
    peer.gets(line(0));
    acks(peer, 1);
    assertEquals(ranges(peer.takeAll()), ["1:2", "2:3"]);
  });

  it("RFC 5682 §3.1 on a subflow: new data are the connection's, under a mapping of their own", () => {
    using d = new Dialogue({ tcp: { tlp: false } });
    const { peer, app } = d.opened({ timestamps: false });
    const [subflow] = app.socket.subflows;
    const { mss, cwnd } = subflow!;
    app.write(20 * mss);
    const sent = peer.takeAll();
    const { end } = sent.at(-1)!;
    d.untilSent();
    const again = peer.take();
    assertEquals(again.seq, 1);
    peer.sends(`. ack ${again.end} <dack8 ${again.end}>`);
    const asked = peer.takeAll();
    assertEquals(asked[0]!.seq, end);
    assert(asked[0]!.options.some((each) => each.startsWith(`map ${end} ${end} `)));
    peer.sends(`. ack ${again.end + mss} <dack8 ${again.end + mss}>`);
    assertEquals(d.counter("TCPSpuriousRTOs"), 1);
    assert(subflow!.cwnd >= cwnd);
    assertEquals(subflow!.sender.retransmits, 1);
  });
});

describe("F-RTO without SACK (RFC 5682 §2.1)", () => {
  const bare = { sack: false };

  it("RFC 5682 §2.1, 3b: the second ACK advances: nothing was lost", () => {
    using s = timedOut(14, bare);
    acks(s.peer, 1);
    assertEquals(ranges(s.peer.takeAll()), ["10:11", "11:12"]);
    acks(s.peer, 2);
    undone(s);
    assertEquals(ranges(s.peer.takeAll()), ["12:13"]);
  });

  it("RFC 5682 §2.1, 3a: the second ACK is a duplicate: it was lost", () => {
    using s = timedOut(14, bare);
    acks(s.peer, 1);
    assertEquals(s.peer.takeAll().length, 2);
    s.d.pass(RTT);
    acks(s.peer, 1);
    stands(s);
    s.app.write(MSS);
    acks(s.peer, 2);
    assertEquals(s.d.counter("TCPSpuriousRTOs"), 0);
  });

  it("RFC 5682 §2.1, 2a: the first ACK is a duplicate: it was lost", () => {
    using s = timedOut(14, bare);
    acks(s.peer, 0);
    acks(s.peer, 1);
    assertEquals(ranges(s.peer.takeAll()), ["1:2", "2:3"]);
    stands(s);
  });

  it("RFC 5682 §2.1, 2a: the first ACK is of all that was sent", () => {
    using s = timedOut(10, bare);
    acks(s.peer, 10);
    stands(s);
    assertEquals(s.subflow.inRecovery, false);
  });
});
