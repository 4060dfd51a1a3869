import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fastRecovery, lossRecovery, OPEN } from "../../../core/subflow/recovery.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { type Got, type Peer, withData } from "../../support/scripted_peer.ts";

/** Payload of a full segment of plain TCP with timestamps. */
const MSS = 1448;
/** Nothing but the timeout finds what is lost at the end. */
const TIMEOUT_ONLY = { tcp: { tlp: false, frto: false } };

const ranges = (segments: readonly Got[]): string[] =>
  segments.map(({ seq, end }) => `${seq}:${end}`);

/** Acknowledges `count` times what came so far, so that cwnd and round-trip time are those of a running connection. */
function warmUp(d: Dialogue, peer: Peer, app: { write(n: number): number }, rounds = 3): void {
  for (let i = 0; i < rounds; i++) {
    app.write(10 * MSS);
    d.pass(20e3);
    while (peer.pending) {
      peer.takeAll();
      peer.acks();
    }
  }
}

describe("recovery", () => {
  it("is open, fast with a PRR of its own, or the repair after a timeout", () => {
    assertEquals(OPEN, { kind: "open" });
    const fast = fastRecovery(501, 3000);
    assert(fast.kind === "fast");
    assertEquals([fast.until, fast.prr.window], [501, 0]);
    // The flight is what the reduction is measured by: two thirds of 300 delivered bytes.
    fast.prr.onAck(300, 2700, 2000, 100, false);
    assertEquals(fast.prr.window, 2700 + 200);
    assertEquals(lossRecovery(501, null), { kind: "loss", until: 501, frto: null });
  });
});

describe("fast retransmit with SACK (RFC 6675, RFC 8985)", () => {
  it("sends again exactly what is missing, once three segments above it arrived", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(10 * MSS);
    assertEquals(peer.takeAll().length, 10);
    d.pass(20e3);
    peer.sends(`. ack 1 <sack ${1 + MSS}:${1 + 2 * MSS}>`);
    peer.sends(`. ack 1 <sack ${1 + MSS}:${1 + 3 * MSS}>`);
    d.silent();
    peer.sends(`. ack 1 <sack ${1 + MSS}:${1 + 4 * MSS}>`);
    peer.gets(`. 1:${1 + MSS}`);
    d.silent();
    assertEquals(d.counter("TCPSackRecovery"), 1);
    peer.sends(`. ack ${1 + 10 * MSS}`);
    d.silent();
    assertEquals(app.socket.subflows[0]!.inRecovery, false);
  });

  it("sends several holes of one flight, and halves the window once", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    warmUp(d, peer, app);
    const [subflow] = app.socket.subflows;
    app.write(20 * MSS);
    const first = peer.takeAll()[0]!.seq;
    const at = (n: number): number => first + n * MSS;
    d.pass(20e3);
    // 0, 4 and 9 of 20 are lost.
    const { cwnd } = subflow!;
    peer.sends(`. ack ${at(0)} <sack ${at(1)}:${at(4)} ${at(5)}:${at(9)} ${at(10)}:${at(20)}>`);
    const again = ranges(peer.takeAll());
    assertEquals(again, [0, 4, 9].map((n) => `${at(n)}:${at(n + 1)}`));
    assert(subflow!.ssthresh < 0.8 * cwnd && subflow!.ssthresh >= 2 * MSS);
    d.pass(20e3);
    peer.sends(`. ack ${at(20)}`);
    assertEquals(subflow!.inRecovery, false);
    assertEquals(d.counter("TCPSackRecovery"), 1);
  });

  it("halves what was in flight when the lost segment left, though the rest has come since (RFC 7661 §4.4.1)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    warmUp(d, peer, app);
    const [subflow] = app.socket.subflows;
    app.write(20 * MSS);
    const first = peer.takeAll()[0]!.seq;
    const at = (n: number): number => first + n * MSS;
    d.pass(20e3);
    peer.sends(`. ack ${at(15)}`);
    // Of the last five the first is lost: it was the sixteenth in flight.
    peer.sends(`. ack ${at(15)} <sack ${at(16)}:${at(20)}>`);
    assertEquals([subflow!.inRecovery, subflow!.ssthresh], [true, 8 * MSS]);
  });

  it("waits for reordering of a quarter round trip before it takes less than three segments for a loss (RFC 8985 §6.2)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    warmUp(d, peer, app, 1);
    app.write(2 * MSS);
    const first = peer.takeAll()[0]!.seq;
    d.pass(20e3);
    peer.sends(`. ack ${first} <sack ${first + MSS}:${first + 2 * MSS}>`);
    d.silent();
    const waited = d.untilSent();
    assert(waited > 1e3 && waited <= 6e3, `${waited}`);
    peer.gets(`. ${first}:${first + MSS}`);
  });

  it("one lost segment of a 64 KB super-segment leads to exactly that segment being sent again", () => {
    using d = new Dialogue({ maxSegments: 64 });
    const { peer, app } = d.opened({ rtt: 1e3 });
    const [subflow] = app.socket.subflows;
    // Slow start up to a window that lets 64 KB go at once.
    for (let i = 0; i < 12; i++) {
      app.write(100e3);
      d.pass(1e3);
      while (peer.pending) {
        peer.takeAll();
        peer.acks();
      }
    }
    const { mss } = subflow!;
    const length = 44 * mss;
    app.write(length);
    const sent = peer.takeAll();
    assertEquals(sent.length, 1);
    const [{ seq, end, gsoSize }] = sent as [Got];
    assertEquals([end - seq, gsoSize], [length, mss]);
    const mapping = sent[0]!.options.find((each) => each.startsWith("map"));
    const hole = [seq + 17 * mss, seq + 18 * mss] as const;
    d.pass(1e3);
    peer.sends(`. ack ${hole[0]} <dack8 ${peer.dataAcked - 27 * mss}, sack ${hole[1]}:${end}>`);
    const again = peer.gets(`. ${hole[0]}:${hole[1]}`);
    // A retransmission carries the whole mapping, unchanged.
    assertEquals(again.options.find((each) => each.startsWith("map")), mapping);
    d.silent();
    peer.acks();
    d.pass(10e6);
    d.silent();
    assertEquals(subflow!.sender.bytesRetransmitted, mss);
  });

  it("takes segments SACKed at any edge, and sends again what lies between", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(10 * MSS);
    peer.takeAll();
    d.pass(20e3);
    peer.sends(`. ack 1 <sack 100:200 300:${1 + 10 * MSS}>`);
    assertEquals(ranges(peer.takeAll()), ["1:100", "200:300"]);
  });

  it("ignores SACK blocks that cannot be (beyond what was sent, empty, reversed)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(4 * MSS);
    peer.takeAll();
    const [subflow] = app.socket.subflows;
    peer.sends(`. ack 1 <sack ${2 * MSS}:${1e6} 500:500 900:700>`);
    assertEquals(subflow!.sender.board.sacked, 0);
    d.silent();
  });

  it("bounds the work that hostile SACK blocks cause", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(10 * MSS);
    peer.takeAll();
    const subflow = app.socket.subflows[0]!;
    const una = subflow.sender.board.una;
    for (let i = 0; i < 2000; i++) {
      const blocks = [0, 1, 2].map((j) => 10 + 6 * i + 2 * j);
      peer.sendsMore(
        `. ack ${una} <sack ${blocks.map((n) => `${una + n}:${una + n + 1}`).join(" ")}>`,
      );
    }
    // A mapping is cut into twice its segments and one, and a block costs what it finds.
    const { pieces, steps } = subflow.sender.board;
    assert(pieces > 10 && pieces <= 2 * 10 + 10, `${pieces} pieces`);
    assert(steps <= 3 * 2000 * 100, `${steps} steps`);
  });
});

describe("loss recovery without SACK (RFC 5681 §3.2, RFC 6582)", () => {
  it("retransmits at the third duplicate, the next hole at a partial acknowledgement", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, sack: false });
    app.write(10 * MSS);
    peer.takeAll();
    d.pass(20e3);
    peer.sends(". ack 1");
    peer.sends(". ack 1");
    d.silent();
    peer.sends(". ack 1");
    peer.gets(`. 1:${1 + MSS}`);
    d.silent();
    for (let i = 0; i < 6; i++) peer.sends(". ack 1");
    d.silent();
    peer.sends(`. ack ${1 + 4 * MSS}`);
    peer.gets(`. ${1 + 4 * MSS}:${1 + 5 * MSS}`);
    peer.sends(`. ack ${1 + 10 * MSS}`);
    assertEquals(app.socket.subflows[0]!.inRecovery, false);
    assertEquals(app.socket.subflows[0]!.sender.retransmits, 2);
  });

  it("takes no ACK with data, a FIN or another window for a duplicate (RFC 5681 §2)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, sack: false });
    app.write(5 * MSS);
    peer.takeAll();
    for (let i = 0; i < 5; i++) peer.sends(". +100 ack 1");
    for (let i = 0; i < 5; i++) peer.sends(`. ack 1 win ${50000 - i}`);
    assertEquals(withData(peer.takeAll()), []);
  });

  // RFC 8684 §3: "receiving a duplicate ACK that contains an MPTCP option MUST NOT treat it as a signal of congestion"
  // RFC 8684 §3.4.1: "MUST NOT treat duplicate ACKs with any MPTCP option, with the exception of the DSS option, as indications of
  // congestion"
  // RFC 8684 §4: "A duplicate ACK that includes any MPTCP signaling (with the exception of the DSS option) MUST NOT be treated as a
  // signal of congestion."
  it("takes no ACK that carries another MPTCP option for a duplicate (RFC 8684 §3.4.1)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ sack: false });
    app.write(5000);
    peer.takeAll();
    for (let id = 1; id < 6; id++) peer.sends(`. ack 1 <echo ${id} 10.0.9.9>`);
    d.silent();
    for (let i = 0; i < 3; i++) peer.sends(". ack 1 <dack8 1>");
    peer.gets(". 1:1429");
  });
});

describe("the retransmission timer (RFC 6298)", () => {
  it("is a second before a first sample; then srtt + max(200 ms, 4 rttvar)", () => {
    using d = new Dialogue(TIMEOUT_ONLY);
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0");
    d.pass(300e3);
    peer.offers({}, "S.", []);
    peer.gets(". 1 ack 1");
    app.write(100);
    peer.gets("P. 1:101");
    // 300 ms + 4 * 150 ms
    assertEquals(d.untilSent(), 900e3);
  });

  it("backs off, sends one segment at a time, and starts slowly again", () => {
    using d = new Dialogue({ tcp: { ...TIMEOUT_ONLY.tcp, mtuProbing: "off" } });
    const { peer, app } = d.opened({ mptcp: false });
    warmUp(d, peer, app);
    const [subflow] = app.socket.subflows;
    app.write(5 * MSS);
    const first = peer.takeAll()[0]!.seq;
    const rto = subflow!.sender.rtt.base;
    assert(rto >= 200e3 && rto < 300e3);
    for (const factor of [1, 2, 4, 8]) {
      const waited = d.untilSent();
      assert(Math.abs(waited - rto * factor) < 2, `${waited}, not ${factor} * ${rto}`);
      peer.gets(`. ${first}:${first + MSS}`);
      d.silent();
      assertEquals(subflow!.cwnd, MSS);
    }
    assertEquals(d.counter("TCPTimeouts"), 4);
    peer.sends(`. ack ${first + MSS}`);
    assertEquals(
      ranges(peer.takeAll()),
      [1, 2].map((n) => `${first + n * MSS}:${first + (n + 1) * MSS}`),
    );
    peer.sends(`. ack ${first + 5 * MSS}`);
    assertEquals(subflow!.inRecovery, false);
    d.pass(100e6);
    d.silent();
  });

  it("stays backed off until what was sent once is acknowledged (Karn; RFC 6298 §5.7)", () => {
    using d = new Dialogue(TIMEOUT_ONLY);
    const { peer, app } = d.opened({ mptcp: false, timestamps: false });
    warmUp(d, peer, app);
    const { rtt } = app.socket.subflows[0]!.sender;
    const { rto } = rtt;
    app.write(100);
    peer.takeAll();
    d.pass(2 * rto);
    assertEquals(peer.takeAll().length, 1);
    assertEquals(rtt.rto, 2 * rto);
    // Of which of the two copies it tells is not known.
    peer.acks();
    app.write(100);
    peer.takeAll();
    assertEquals(d.untilSent(), 2 * rto);
    peer.takeAll();
    peer.acks();
    assertEquals(rtt.timeouts, 0);
    assertEquals(rtt.rto, 4 * rto);
    app.write(100);
    peer.takeAll();
    d.pass(20e3);
    peer.acks();
    assert(rtt.rto <= rto, `${rtt.rto}`);
  });

  it("takes a sample of what was sent twice by the timestamp that comes back (RFC 7323 §4)", () => {
    using d = new Dialogue(TIMEOUT_ONLY);
    const { peer, app } = d.opened({ mptcp: false });
    warmUp(d, peer, app);
    const { rtt } = app.socket.subflows[0]!.sender;
    const { srtt, rto } = rtt;
    app.write(100);
    const echo = peer.gets("P. +100").options[0]!.split(" ")[1];
    assertEquals(d.untilSent(), rto);
    const again = peer.take();
    d.pass(1.5 * rto);
    // The first copy has arrived: the path has become slow.
    peer.sends(`. ack ${again.end} <TS ${peer.tsval} ${echo}>`);
    assert(rtt.srtt > srtt + (2.5 * rto - srtt) / 8 - 1e3, `${srtt}, then ${rtt.srtt}`);
    assert(rtt.rto > 2.5 * rto, `${rtt.rto} for a round trip of ${2.5 * rto}`);
    assertEquals(rtt.backedOff, 0);
  });

  it("is moved by an echo no further than its tick of a millisecond demands", () => {
    using d = new Dialogue(TIMEOUT_ONLY);
    const { peer, app } = d.opened({ mptcp: false, rtt: 300 });
    const { rtt } = app.socket.subflows[0]!.sender;
    app.write(100);
    peer.takeAll();
    d.untilSent();
    peer.takeAll();
    const { srtt } = rtt;
    d.pass(300);
    peer.acks();
    assertEquals(rtt.srtt, srtt);
    assertEquals(rtt.backedOff, 0);
  });

  it("takes no sample of an echo that cannot be: of later, of long ago, of nothing", () => {
    using d = new Dialogue(TIMEOUT_ONLY);
    const { peer, app } = d.opened({ mptcp: false });
    const { rtt } = app.socket.subflows[0]!.sender;
    const { srtt } = rtt;
    for (const shift of [5000, -70000, null]) {
      app.write(100);
      peer.takeAll();
      d.untilSent();
      const again = peer.take();
      const echo = shift === null ? 0 : +again.options[0]!.split(" ")[1]! + shift >>> 0;
      peer.sends(`. ack ${again.end} <TS ${peer.tsval} ${echo}>`);
      assertEquals(rtt.srtt, srtt);
    }
    assertEquals(rtt.backedOff, 3);
  });

  it("takes no sample of what was sent twice without timestamps (Karn; RFC 6298 §3)", () => {
    using d = new Dialogue(TIMEOUT_ONLY);
    const { peer, app } = d.opened({ mptcp: false, timestamps: false });
    warmUp(d, peer, app);
    const { rtt } = app.socket.subflows[0]!.sender;
    app.write(100);
    const { srtt } = rtt;
    peer.takeAll();
    d.untilSent();
    peer.takeAll();
    d.pass(1e3);
    peer.acks();
    assertEquals(rtt.srtt, srtt);
  });

  it("nor of what was sent twice and is SACKed", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    warmUp(d, peer, app);
    const { rtt } = app.socket.subflows[0]!.sender;
    app.write(10 * MSS);
    const first = peer.takeAll()[0]!.seq;
    const at = (n: number): number => first + n * MSS;
    d.pass(20e3);
    peer.sends(`. ack ${first} <sack ${at(1)}:${at(4)} ${at(6)}:${at(10)}>`);
    assertEquals(peer.takeAll().length, 3);
    const { srtt } = rtt;
    d.pass(5e3);
    peer.sends(`. ack ${first} <sack ${at(1)}:${at(10)}>`);
    assertEquals(rtt.srtt, srtt);
  });

  // RFC 8684 §3.3.6: "The sender will declare the subflow failed after a predefined upper bound on retransmissions is reached"
  it("gives up after 15 timeouts in a row", () => {
    using d = new Dialogue(TIMEOUT_ONLY);
    const { peer, app } = d.opened({ mptcp: false });
    // The user timeout would end it before.
    app.socket.setUserTimeout(3600e6);
    app.write(100);
    peer.takeAll();
    d.pass(1800e6);
    const again = peer.takeAll();
    assertEquals(again.length, 15);
    assertEquals(app.code, "TimedOut");
  });

  it("forgets SACK information when the peer has thrown away what it reported (RFC 2018 §8)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(3 * MSS);
    peer.takeAll();
    d.pass(20e3);
    peer.sends(`. ack 1 <sack ${1 + MSS}:${1 + 3 * MSS}>`);
    d.untilSent();
    peer.gets(`. 1:${1 + MSS}`);
    peer.sends(`. ack ${1 + MSS}`);
    d.untilSent();
    peer.gets(`. ${1 + MSS}:${1 + 2 * MSS}`);
  });
});

describe("the window", () => {
  it("begins with ten segments (RFC 6928), with one where a SYN was lost (RFC 5681 §3.1)", () => {
    for (const lost of [false, true]) {
      using d = new Dialogue(TIMEOUT_ONLY);
      const app = d.connect();
      const peer = d.called();
      peer.gets("S 0");
      if (lost) {
        assertEquals(d.untilSent(), 1e6);
        peer.gets("S 0");
      }
      d.pass(20e3);
      peer.offers({}, "S.", []);
      peer.gets(". 1 ack 1");
      app.write(100e3);
      assertEquals(peer.takeAll().length, lost ? 1 : 10);
      // And three seconds until the first timeout (RFC 6298 §5.7).
      assertEquals(d.untilSent(), lost ? 3e6 : 220e3);
    }
  });

  it("begins with ten segments where the first SYN is answered late: nothing was lost, the path is slow", () => {
    using d = new Dialogue(TIMEOUT_ONLY);
    const app = d.connect();
    const peer = d.called();
    const echo = peer.gets("S 0").options.find((each) => each.startsWith("TS"))!.split(" ")[1];
    d.pass(4e6);
    assertEquals(peer.takeAll().length, 2);
    peer.timestamps = true;
    peer.sends(`S. 0 ack 1 win 65535 <mss 1460, mpc key, sackOK, TS 1000 ${echo}, ws 7>`);
    peer.gets(". 1 ack 1");
    app.write(100e3);
    assertEquals(peer.takeAll().length, 10);
    assertEquals(d.untilSent(), 12e6);
  });

  it("begins with ten segments where the first SYN/ACK is answered late", () => {
    using d = new Dialogue(TIMEOUT_ONLY);
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({ mptcp: false }, "S", []);
    const echo = peer.gets("S. 0").options.find((each) => each.startsWith("TS"))!.split(" ")[1];
    d.pass(4e6);
    assertEquals(peer.takeAll().length, 2);
    peer.sends(`. 1 ack 1 <TS 5000 ${echo}>`);
    d.accept(listener).write(100e3);
    assertEquals(peer.takeAll().length, 10);
    assertEquals(d.untilSent(), 12e6);
  });

  it("is the initial one again after a pause of more than a timeout (RFC 5681 §4.1)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    const [subflow] = app.socket.subflows;
    for (let i = 0; i < 4; i++) {
      app.write(200e3);
      d.pass(20e3);
      while (peer.pending) {
        peer.takeAll();
        peer.acks();
      }
    }
    assert(subflow!.cwnd > 30 * MSS);
    d.pass(100e3);
    app.write(MSS);
    peer.takeAll();
    peer.acks();
    assert(subflow!.cwnd > 30 * MSS);
    d.pass(1e6);
    app.write(100e3);
    assertEquals(peer.takeAll().length, 10);
  });
});

describe("a link that is full", () => {
  it("loses nothing: what did not leave goes when it takes packets again", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    d.links[0]!.full = true;
    app.write(5000);
    d.silent();
    d.links[0]!.full = false;
    d.stack.handleWritable(d.now, d.links[0]!);
    d.stack.flush(d.now);
    assertEquals(peer.takeAll().at(-1)!.end, 5001);
    peer.acks();
    assertEquals(app.socket.unacked, 0);
  });
});
