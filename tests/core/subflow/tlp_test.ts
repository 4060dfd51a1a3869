import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Deadlines, SUBFLOW_TIMERS, type SubflowTimer } from "../../../core/subflow/deadlines.ts";
import { TIMER_PROBE, TIMER_RTO } from "../../../core/subflow/deadlines.ts";
import { Heard } from "../../../core/subflow/heard.ts";
import { Rtt } from "../../../core/subflow/rtt.ts";
import { Tlp } from "../../../core/subflow/tlp.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";
import type { Got, Peer } from "../../support/scripted_peer.ts";

/** Payload of a full segment of plain TCP with timestamps, and without. */
const MSS = 1448;
const MSS_BARE = 1460;
/** Round trip of the handshake, and the timeout that follows from it. */
const RTT = 20e3;
const RTO = 220e3;

const at = (segment: number): number => 1 + segment * MSS;
/** The line of segments [from, to). */
const line = (from: number, to = from + 1): string => `. ${at(from)}:${at(to)}`;
const ranges = (segments: readonly Got[]): string[] =>
  segments.map(({ seq, end }) => `${(seq - 1) / MSS}:${(end - 1) / MSS}`);

/** A dialogue on plain TCP, `segments` segments written and the ten of the initial window taken out. */
function written(
  segments: number,
  options: ConstructorParameters<typeof Dialogue>[0] = {},
  offer: Parameters<Dialogue["opened"]>[0] = {},
) {
  const d = new Dialogue({ ...options, tcp: { mtuProbing: "off", ...options.tcp } });
  const { peer, app } = d.opened({ mptcp: false, ...offer });
  app.write(segments * MSS);
  const sent = peer.takeAll();
  const [subflow] = app.socket.subflows;
  return { d, peer, app, sent, subflow: subflow!, [Symbol.dispose]: () => d[Symbol.dispose]() };
}

/** Segment by segment in order: the peer has all before `segment`. */
const acks = (peer: Peer, segment: number): void => peer.sends(`. ack ${at(segment)}`);

describe("tail loss probes: their arithmetic (RFC 8985 §7.2)", () => {
  const desk = (rtt: number | null) => {
    const deadlines = new Deadlines<SubflowTimer>(SUBFLOW_TIMERS);
    const estimator = new Rtt();
    if (rtt !== null) estimator.sample(Object.assign(new Heard(), { rtt }), 0);
    deadlines.set(TIMER_RTO, 10e6);
    const tlp = new Tlp();
    tlp.sent(1e6);
    return { deadlines, rtt: estimator, tlp, due: () => deadlines.at(TIMER_PROBE) - 1e6 };
  };

  it("is two round trips after what was sent last, and a pause of the peer's on a short path", () => {
    for (const [rtt, due] of [[100e3, 200e3], [4e3, 8e3], [1e3, 5e3], [10, 4010]] as const) {
      const { tlp, deadlines, rtt: estimator, due: seen } = desk(rtt);
      tlp.arm(deadlines, estimator, false);
      assertEquals(seen(), due);
    }
  });

  it("gives what comes alone the time that its ACK may be delayed", () => {
    for (const [rtt, due] of [[100e3, 200e3], [20e3, 65e3], [1e3, 46e3]] as const) {
      const { tlp, deadlines, rtt: estimator, due: seen } = desk(rtt);
      tlp.arm(deadlines, estimator, true);
      assertEquals(seen(), due);
    }
  });

  it("is a second without a round trip, and no later than the timeout", () => {
    const { tlp, deadlines, rtt, due } = desk(null);
    tlp.arm(deadlines, rtt, false);
    assertEquals(due(), 1e6);
    deadlines.set(TIMER_RTO, 1.5e6);
    tlp.arm(deadlines, rtt, false);
    assertEquals(due(), 500e3);
  });

  it("may leave while none is on its way and a round trip was measured since the last", () => {
    const { tlp } = desk(100e3);
    assert(tlp.may);
    tlp.left(5000, true, 0);
    assert(!tlp.may && tlp.pending);
    assertEquals(tlp.onAck(4999, false, false), false);
    assert(tlp.pending);
    assertEquals(tlp.onAck(5001, false, false), true);
    assert(!tlp.pending && !tlp.may);
    tlp.sampled();
    assert(tlp.may);
  });
});

describe("tail loss probes (RFC 8985 §7)", () => {
  it("RFC 8985 §7.2: the last segment goes again two round trips after it was sent; then the timeout begins anew", () => {
    using s = written(3);
    assertEquals(s.sent.length, 3);
    assertEquals(s.d.untilSent(), 2 * RTT);
    s.peer.gets(line(2));
    s.d.silent();
    assertEquals([s.d.counter("TCPLossProbes"), s.d.counter("TCPTimeouts")], [1, 0]);
    assertEquals(s.d.untilSent(), RTO);
    s.peer.gets(line(0));
    s.d.silent();
    assertEquals([s.d.counter("TCPLossProbes"), s.d.counter("TCPTimeouts")], [1, 1]);
  });

  it("counts among the bytes that plugins see sent, as those do that are sent again: the share of these is the loss", () => {
    using s = written(3);
    s.d.untilSent();
    assertEquals([s.subflow.bytesSent, s.subflow.bytesRetrans], [4 * MSS, MSS]);
    s.peer.takeAll();
    s.d.untilSent();
    assertEquals([s.subflow.bytesSent, s.subflow.bytesRetrans], [5 * MSS, 2 * MSS]);
  });

  it("RFC 8985 §7.2: new data put it off", () => {
    using s = written(2);
    s.d.pass(30e3);
    s.app.write(2 * MSS);
    s.peer.takeAll();
    assertEquals(s.d.untilSent(), 2 * RTT);
    s.peer.gets(line(3));
  });

  it("RFC 8985 §7.2: an ACK puts it off", () => {
    using s = written(4);
    s.d.pass(15e3);
    acks(s.peer, 2);
    const { srtt } = s.subflow;
    assert(Math.abs(s.d.untilSent() - 2 * srtt) < 2);
    s.peer.gets(line(3));
  });

  it("RFC 8985 §7.2: an ACK that the peer has delayed does not", () => {
    using s = written(4);
    s.d.pass(RTT);
    acks(s.peer, 2);
    s.d.pass(30e3);
    acks(s.peer, 3);
    // Due 40 ms after the first of them.
    assertEquals(s.d.untilSent(), 10e3);
    s.peer.gets(line(3));
  });

  it("RFC 8985 §7.2: one segment alone waits as long as its ACK may be delayed", () => {
    using s = written(1);
    assertEquals(s.d.untilSent(), RTT + 45e3);
    s.peer.gets(line(0));
  });

  it("RFC 8985 §7.2: so does one that had room for a shorter DATA_ACK than there is now", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.socket.setNoDelay(true);
    for (const bytes of [100, 100, 1428]) app.write(bytes);
    peer.takeAll();
    d.pass(RTT);
    peer.sends("P. +100 ack 101 <dack8 101, map8>");
    // All of its numbers have eight octets, and so have our DATA_ACKs from now on.
    const [subflow] = app.socket.subflows;
    assertEquals(subflow!.mss, 1424);
    peer.sends(". ack 201 <dack8 201>");
    assertEquals(subflow!.sender.probeAt - d.now, 45e3);
  });

  it("RFC 8985 §7.2: is due at the timeout where that is sooner, in place of it", () => {
    using s = written(2, {}, { rtt: 300e3 });
    for (let i = 0; i < 20; i++) {
      s.d.pass(300e3);
      s.peer.acks();
      s.app.write(2 * MSS);
      s.peer.takeAll();
    }
    const { base } = s.subflow.sender.rtt;
    assert(base < 2 * s.subflow.srtt, `${base}`);
    assert(Math.abs(s.d.untilSent() - base) < 2);
    assertEquals([s.d.counter("TCPLossProbes"), s.d.counter("TCPTimeouts")], [1, 0]);
    s.peer.takeAll();
    assert(Math.abs(s.d.untilSent() - base) < 2);
    assertEquals(s.d.counter("TCPTimeouts"), 1);
  });

  it("RFC 8985 §7.2: is a second without a round trip", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0");
    d.untilSent();
    peer.gets("S 0");
    peer.offers({ timestamps: false }, "S.", []);
    peer.gets(". 1 ack 1");
    app.write(100);
    peer.gets("P. 1:101");
    assertEquals(d.untilSent(), 1e6);
    peer.gets("P. 1:101");
    assertEquals([d.counter("TCPLossProbes"), d.counter("TCPTimeouts")], [1, 0]);
  });

  it("RFC 8985 §7.2: not while something is SACKed, the reordering timer finds the hole", () => {
    using s = written(3);
    s.d.pass(RTT);
    s.peer.sends(`. ack 1 <sack ${at(2)}:${at(3)}>`);
    assertEquals(s.d.untilSent(), RTT / 4);
    assertEquals(ranges(s.peer.takeAll()), ["0:1", "1:2"]);
    assertEquals(s.d.counter("TCPLossProbes"), 0);
  });

  it("RFC 8985 §7.2: not in a recovery: its timeout is the last resort", () => {
    using s = written(6);
    s.d.pass(RTT);
    s.peer.sends(`. ack 1 <sack ${at(1)}:${at(5)}>`);
    s.peer.gets(line(0));
    const { rto } = s.subflow.sender.rtt;
    assert(s.d.untilSent() <= rto);
    assertEquals([s.d.counter("TCPLossProbes"), s.d.counter("TCPTimeouts")], [0, 1]);
  });

  it("RFC 8985 §7.2: not without SACK", () => {
    using s = written(3, {}, { sack: false });
    assertEquals(s.d.untilSent(), RTO);
    s.peer.gets(line(0));
    assertEquals(s.d.counter("TCPLossProbes"), 0);
  });

  it("RFC 8985 §7.2: not where 'tlp' is false", () => {
    using s = written(3, { tcp: { tlp: false } });
    assertEquals(s.d.untilSent(), RTO);
    assertEquals(s.d.counter("TCPLossProbes"), 0);
  });

  it("RFC 8985 §7.2: not into a window that the peer has closed", () => {
    using s = written(3);
    s.d.pass(RTT);
    s.peer.sends(`. ack ${at(1)} win 0`);
    s.d.pass(2 * RTT);
    s.d.silent();
  });

  it("RFC 8985 §7.3: new data go first, a segment beyond the congestion window", () => {
    using s = written(12);
    assertEquals(s.sent.length, 10);
    assertEquals(s.d.untilSent(), 2 * RTT);
    s.peer.gets(line(10));
    s.d.silent();
    assertEquals(s.subflow.inFlight, 11 * MSS);
    assertEquals([s.d.counter("TCPLossProbes"), s.subflow.sender.retransmits], [1, 0]);
    assertEquals(s.d.untilSent(), RTO);
    s.peer.gets(line(0));
  });

  it("RFC 8985 §7.3: new data that the peer's window does not allow do not: the last segment goes again", () => {
    using s = written(12, {}, { win: 4 * MSS, scale: 0 });
    assertEquals(s.sent.length, 4);
    s.d.untilSent();
    s.peer.gets(line(3));
    s.d.silent();
  });

  it("RFC 8985 §7.3: one is on its way at most, the timeout that follows it stands", () => {
    using s = written(3);
    s.d.untilSent();
    s.peer.gets(line(2));
    s.app.write(2 * MSS);
    assertEquals(s.peer.takeAll().length, 2);
    assertEquals(s.d.untilSent(), RTO);
    s.peer.gets(line(0));
    assertEquals(s.d.counter("TCPLossProbes"), 1);
  });

  it("RFC 8985 §7.3: none where no round trip was measured since the last", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, timestamps: false });
    app.write(2 * MSS_BARE);
    peer.takeAll();
    assertEquals(d.untilSent(), 2 * RTT);
    peer.takeAll();
    d.pass(RTT);
    // Of which of both it tells is not known (Karn).
    peer.acks();
    app.write(2 * MSS_BARE);
    peer.takeAll();
    assertEquals(d.untilSent(), RTO);
    assertEquals([d.counter("TCPLossProbes"), d.counter("TCPTimeouts")], [1, 1]);
  });

  it("RFC 8985 §7.3: the last part of a super-segment goes again, not all of it", () => {
    using s = written(10, { maxSegments: 64 });
    assertEquals(ranges(s.sent).at(-1), "8:10");
    s.d.untilSent();
    s.peer.gets(line(9));
    s.d.silent();
  });

  it("RFC 8985 §7.3: of data and a FIN the data go again, as most peers SACK no FIN; of a FIN alone the FIN", () => {
    using s = written(3);
    s.app.finish();
    s.peer.gets(`F. ${at(3)}`);
    assertEquals(s.d.untilSent(), 2 * RTT);
    s.peer.gets(line(2));
    s.d.pass(RTT);
    // The FIN, sent before the probe, is lost with the rest.
    s.peer.sends(`. ack 1 <sack ${at(2)}:${at(3)}>`);
    s.peer.gets(line(0));
    s.peer.gets(line(1));
    s.d.silent();
    s.d.pass(RTT);
    s.peer.sends(`. ack ${at(3)}`);
    s.peer.gets(`F. ${at(3)}`);
    s.peer.sends(`. ack ${at(3) + 1}`);
    using alone = written(3);
    alone.app.finish();
    alone.peer.takeAll();
    alone.d.pass(RTT);
    acks(alone.peer, 3);
    alone.d.untilSent();
    alone.peer.gets(`F. ${at(3)}`);
    assertEquals(alone.d.counter("TCPLossProbes"), 1);
  });

  it("RFC 8985 §7.4.1: its SACK tells what was sent before it and is lost: fast recovery, one reduction", () => {
    using s = written(6);
    s.d.pass(RTT);
    acks(s.peer, 3);
    s.d.untilSent();
    s.peer.gets(line(5));
    s.d.pass(RTT);
    s.peer.sends(`. ack ${at(3)} <sack ${at(5)}:${at(6)}>`);
    // Nothing is in flight: both may leave.
    assertEquals(ranges(s.peer.takeAll()), ["3:4", "4:5"]);
    s.d.pass(RTT);
    acks(s.peer, 6);
    assertEquals([s.d.counter("TCPSackRecovery"), s.d.counter("TCPTimeouts")], [1, 0]);
    assertEquals([s.d.counter("TCPLossProbeRecovery"), s.subflow.ssthresh], [0, 2 * MSS]);
  });

  it("RFC 8985 §7.4.2: a loss that it has repaired is told by what is acknowledged next, once", () => {
    using s = written(4);
    s.d.pass(RTT);
    acks(s.peer, 2);
    s.d.untilSent();
    s.peer.gets(line(3));
    s.d.pass(RTT);
    acks(s.peer, 4);
    const { cwnd } = s.subflow;
    assertEquals(s.subflow.ssthresh, Infinity);
    s.app.write(6 * MSS);
    s.peer.takeAll();
    s.d.pass(RTT);
    acks(s.peer, 6);
    assertEquals(s.d.counter("TCPLossProbeRecovery"), 1);
    assertEquals(s.subflow.ssthresh, 3 * MSS);
    assert(s.subflow.cwnd < cwnd);
    const cut = s.subflow.cwnd;
    acks(s.peer, 10);
    assertEquals([s.d.counter("TCPLossProbeRecovery"), s.subflow.cwnd >= cut], [1, true]);
    assertEquals(s.subflow.inRecovery, false);
  });

  it("RFC 7661 §4.4.1: the loss halves what was in flight when the segment left, though the rest has come since", () => {
    using s = written(10);
    s.d.pass(RTT);
    acks(s.peer, 9);
    s.d.untilSent();
    s.peer.gets(line(9));
    s.d.pass(RTT);
    acks(s.peer, 10);
    s.app.write(MSS);
    s.peer.takeAll();
    s.d.pass(RTT);
    acks(s.peer, 11);
    assertEquals([s.d.counter("TCPLossProbeRecovery"), s.subflow.ssthresh], [1, 5 * MSS]);
  });

  it("RFC 8985 §7.4.2, case 1: a D-SACK tells that nothing was lost", () => {
    using s = written(4);
    s.d.untilSent();
    s.peer.gets(line(3));
    // The first has come late, and the probe twice.
    acks(s.peer, 4);
    s.peer.sends(`. ack ${at(4)} <sack ${at(3)}:${at(4)}>`);
    s.app.write(4 * MSS);
    s.peer.takeAll();
    s.d.pass(RTT);
    acks(s.peer, 8);
    assertEquals([s.d.counter("TCPLossProbeRecovery"), s.subflow.ssthresh], [0, Infinity]);
  });

  it("RFC 8985 §7.4.2, case 2: so does a duplicate ACK without SACK", () => {
    using s = written(4);
    s.d.untilSent();
    s.peer.gets(line(3));
    s.app.write(4 * MSS);
    s.peer.takeAll();
    acks(s.peer, 4);
    acks(s.peer, 4);
    s.d.pass(RTT);
    acks(s.peer, 8);
    assertEquals([s.d.counter("TCPLossProbeRecovery"), s.subflow.ssthresh], [0, Infinity]);
  });

  it("RFC 8985 §7.4.2, case 2: also where nothing is in flight any more", () => {
    using s = written(4);
    s.d.untilSent();
    s.peer.gets(line(3));
    acks(s.peer, 4);
    acks(s.peer, 4);
    s.app.write(4 * MSS);
    s.peer.takeAll();
    s.d.pass(RTT);
    acks(s.peer, 8);
    assertEquals([s.d.counter("TCPLossProbeRecovery"), s.subflow.ssthresh], [0, Infinity]);
  });

  it("RFC 8985 §7.4.2, case 2: an ACK that opens the window is no duplicate there", () => {
    using s = written(4);
    s.d.pass(RTT);
    acks(s.peer, 2);
    s.d.untilSent();
    s.peer.gets(line(3));
    s.d.pass(RTT);
    acks(s.peer, 4);
    s.peer.sends(`. ack ${at(4)} win 61000`);
    s.app.write(4 * MSS);
    s.peer.takeAll();
    s.d.pass(RTT);
    acks(s.peer, 8);
    assertEquals(s.d.counter("TCPLossProbeRecovery"), 1);
  });

  it("RFC 8985 §7.4.2: new data as a probe repair nothing", () => {
    using s = written(12);
    s.d.untilSent();
    s.peer.gets(line(10));
    acks(s.peer, 11);
    assertEquals(ranges(s.peer.takeAll()), ["11:12"]);
    s.d.pass(RTT);
    acks(s.peer, 12);
    assertEquals([s.d.counter("TCPLossProbeRecovery"), s.subflow.ssthresh], [0, Infinity]);
  });

  it("RFC 8985 §7.1: a recovery forgets the probe", () => {
    using s = written(4);
    s.d.untilSent();
    s.peer.gets(line(3));
    s.d.untilSent();
    s.peer.gets(line(0));
    s.d.pass(RTT);
    acks(s.peer, 4);
    s.app.write(4 * MSS);
    s.peer.takeAll();
    s.d.pass(RTT);
    s.peer.acks();
    assertEquals(s.d.counter("TCPLossProbeRecovery"), 0);
  });

  it("RFC 8684 §3.3.1: the probe of a subflow repeats the whole mapping, unchanged", () => {
    using d = new Dialogue({ maxSegments: 64 });
    const { peer, app } = d.opened({});
    const [subflow] = app.socket.subflows;
    const { mss } = subflow!;
    app.write(6 * mss);
    const sent = peer.takeAll().at(-1);
    const mapping = sent!.options.find((each) => each.startsWith("map"))!;
    assertEquals(d.untilSent(), 2 * RTT);
    const again = peer.gets(`. ${1 + 5 * mss}:${1 + 6 * mss}`);
    assertEquals(again.options.find((each) => each.startsWith("map")), mapping);
  });

  it("a link that is full takes none: the timeout goes on", () => {
    using s = written(3);
    s.d.links[0]!.full = true;
    s.d.pass(2 * RTT);
    s.d.links[0]!.full = false;
    s.d.silent();
  });
});

describe("lost repeats (RFC 8985 §9.1)", () => {
  it("RFC 8985 §9.1, 1: the end of a flight is found lost by a repeat that was sent after it", () => {
    using s = written(3);
    s.d.pass(RTT);
    s.peer.sends(`. ack 1 <sack ${at(1)}:${at(2)}>`);
    s.d.untilSent();
    s.peer.gets(line(0));
    s.d.silent();
    s.d.pass(RTT);
    acks(s.peer, 2);
    s.peer.gets(line(2));
    s.d.pass(RTT);
    acks(s.peer, 3);
    assertEquals([s.d.counter("TCPTimeouts"), s.d.counter("TCPSackRecovery")], [0, 1]);
  });

  it("RFC 8985 §9.1, 2: a repeat that is lost goes again when one that was sent after it has come", () => {
    using s = written(10);
    s.d.pass(RTT);
    s.peer.sends(`. ack 1 <sack ${at(1)}:${at(4)} ${at(5)}:${at(10)}>`);
    assertEquals(ranges(s.peer.takeAll()), ["0:1", "4:5"]);
    s.d.pass(RTT);
    s.peer.sends(`. ack 1 <sack ${at(1)}:${at(10)}>`);
    s.peer.gets(line(0));
    s.d.silent();
    assertEquals(s.d.counter("TCPLostRetransmit"), 1);
    s.d.pass(RTT);
    acks(s.peer, 10);
    assertEquals(s.d.counter("TCPTimeouts"), 0);
  });

  it("RFC 8985 §6.2: a repeat that is lost once and twice goes again while new data are delivered", () => {
    using s = written(40);
    s.d.pass(RTT);
    s.peer.sends(`. ack 1 <sack ${at(1)}:${at(10)}>`);
    const first = ranges(s.peer.takeAll());
    assertEquals(first[0], "0:1");
    let highest = s.subflow.sender.board.nxt;
    for (let lost = 1; lost <= 2; lost++) {
      s.d.pass(RTT);
      s.peer.sends(`. ack 1 <sack ${at(1)}:${highest}>`);
      const sent = ranges(s.peer.takeAll());
      assertEquals(sent[0], "0:1", `${lost}: ${sent}`);
      assertEquals(s.d.counter("TCPLostRetransmit"), lost);
      highest = s.subflow.sender.board.nxt;
    }
    s.d.pass(RTT);
    s.peer.acks();
    assertEquals([s.d.counter("TCPTimeouts"), s.d.counter("TCPSackRecovery")], [0, 1]);
  });
});

describe("tail loss probes of several subflows (RFC 8985 §7, RFC 8684 §3.3)", () => {
  it("RFC 8985 §7.3: where the scheduler gives what is new to another path, the last segment goes again", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 100e3 });
    const [fast] = app.socket.subflows;
    const { mss } = fast!;
    app.write(10 * mss);
    const sent = first.takeAll();
    assertEquals(sent.length, 10);
    app.write(2 * mss);
    assertEquals(second.takeAll().length, 2);
    d.pass(20e3);
    const again = first.take();
    assertEquals([again.seq, again.end], [sent.at(-1)!.seq, sent.at(-1)!.end]);
    assertEquals([first.pending, second.pending], [false, false]);
    assertEquals(d.counter("TCPLossProbes"), 1);
  });

  it("RFC 8985 §7.3: new data of the connection go on the path that asks, where no other has room", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 100e3 });
    const { mss } = app.socket.subflows[0]!;
    app.write(30 * mss);
    const sent = [...first.takeAll(), ...second.takeAll()];
    assertEquals(sent.length, 20);
    d.pass(20e3);
    const probe = first.take();
    const next = 1 + 20 * mss;
    assert(probe.options.some((each) => each.startsWith(`map ${next} `)), `${probe.options}`);
    assertEquals(second.pending, false);
  });
});

describe("the timeout behind a probe (RFC 6298 §5)", () => {
  it("RFC 6298 §5.5: doubles each time, no probe between, up to a minute", () => {
    using s = written(2);
    assertEquals(s.d.untilSent(), 2 * RTT);
    s.peer.takeAll();
    for (let wait = RTO; wait < 60e6; wait = Math.min(60e6, 2 * wait)) {
      assertEquals(s.d.untilSent(), wait);
      s.peer.gets(line(0));
      s.d.silent();
    }
    assertEquals(s.d.untilSent(), 60e6);
    assertEquals(s.d.counter("TCPLossProbes"), 1);
  });

  it("RFC 6298 §5.7: the back-off ends with a sample, and a probe may be sent again", () => {
    using s = written(2);
    for (let i = 0; i < 3; i++) s.d.untilSent(), s.peer.takeAll();
    assertEquals(s.subflow.sender.rtt.backedOff, 2);
    s.d.pass(RTT);
    s.peer.acks();
    assertEquals(s.subflow.sender.rtt.backedOff, 0);
    const { srtt } = s.subflow;
    s.app.write(2 * MSS);
    s.peer.takeAll();
    assert(Math.abs(s.d.untilSent() - 2 * srtt) < 2);
    s.peer.gets(line(3));
    assertEquals(s.d.counter("TCPLossProbes"), 2);
  });

  it("RFC 6298 §5.3: an ACK of new data starts it anew, what it repairs goes by slow start", () => {
    using s = written(4);
    s.d.untilSent();
    s.peer.takeAll();
    s.d.untilSent();
    s.peer.gets(line(0));
    s.d.pass(RTT);
    acks(s.peer, 1);
    assertEquals(ranges(s.peer.takeAll()), ["1:2", "2:3"]);
    const { rto } = s.subflow.sender.rtt;
    assertEquals(s.d.untilSent(), rto);
    s.peer.gets(line(1));
  });
});
