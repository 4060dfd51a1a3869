/** Timestamps over a long time: old segments are told from new ones, and new ones from those of a clock that went round (RFC 7323 §5). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";

/** Payload of a full segment of plain TCP with timestamps. */
const MSS = 1448;
const DAY = 24 * 3600e6;

describe("PAWS", () => {
  it("RFC 7323 §5.2: the peer's clock wraps at 2^32, and what is of before the wrap is old", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    for (const [i, ts] of [2e9, 4e9, 4294967295, 5].entries()) {
      peer.sends(`P. ${1 + 100 * i}:${101 + 100 * i} ack 1 <TS ${ts} 0>`);
      d.pass(40e3);
      assertEquals(peer.take().options[0]!.endsWith(` ${ts}`), true);
    }
    assertEquals(app.read(), 400);
    peer.sends("P. 401:501 ack 1 <TS 4294967295 0>");
    peer.gets(". 1 ack 401");
    assertEquals([app.read(), d.counter("PAWSEstab")], [0, 1]);
    peer.sends("P. 401:501 ack 1 <TS 6 0>");
    assertEquals(app.read(), 100);
  });

  it("RFC 7323 §5.3: data of an older tick are answered and dropped, although they lie in the window", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P. 1:101 ack 1 <TS 5000 0>");
    d.pass(40e3);
    peer.gets(". 1 ack 101");
    peer.sends("P. 101:201 ack 1 <TS 4999 0>");
    peer.gets(". 1 ack 101");
    assertEquals([app.read(), d.counter("PAWSEstab")], [100, 1]);
  });

  it("data that a repeat has overtaken are taken: it fills the hole, and is younger than they are", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P. 1:101 ack 1 <TS 5000 0>");
    d.pass(40e3);
    peer.gets(". 1 ack 101");
    // 101:201 is lost, 301:401 and 501:601 are late.
    peer.sends("P. 201:301 ack 1 <TS 5001 0>");
    peer.gets(". 1 ack 101 <sack 201:301>");
    peer.sends("P. 401:501 ack 1 <TS 5003 0>");
    peer.gets(". 1 ack 101 <sack 401:501 201:301>");
    peer.sends("P. 101:201 ack 1 <TS 5020 0>");
    assertEquals(peer.take().options[0]!.endsWith(" 5020"), true);
    peer.sends("P. 301:401 ack 1 <TS 5002 0>");
    // What is echoed does not become older.
    const [timestamps] = peer.take().options;
    assertEquals(timestamps!.endsWith(" 5020"), true);
    assertEquals([app.read(), d.counter("PAWSEstab")], [500, 0]);
    peer.sends("P. 501:601 ack 1 <TS 5004 0>");
    assertEquals([app.read(), d.counter("PAWSEstab")], [100, 0]);
    d.pass(40e3);
    peer.takeAll();
    // What is older than all that came in order is old all the same.
    peer.sends("P. 601:701 ack 1 <TS 4999 0>");
    peer.gets(". 1 ack 601");
    assertEquals([app.read(), d.counter("PAWSEstab")], [0, 1]);
  });

  it("data that were overtaken long ago are old, though holes have been filled all the time", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P. 1:101 ack 1 <TS 5000 0>");
    // Each fills a hole, and there is one above.
    for (let i = 0; i < 40; i++) {
      const at = 101 + 200 * i;
      const ts = 5000 + 100 * i;
      peer.sends(`P. ${at + 100}:${at + 200} ack 1 <TS ${ts + 1} 0>`);
      peer.sends(`P. ${at + 300}:${at + 400} ack 1 <TS ${ts + 2} 0>`);
      peer.sends(`P. ${at}:${at + 100} ack 1 <TS ${ts + 3} 0>`);
      peer.takeAll();
      d.pass(100e3);
    }
    const before = app.read();
    assertEquals([before > 8000, d.counter("PAWSEstab")], [true, 0]);
    const next = 1 + before;
    peer.sends(`P. ${next}:${next + 100} ack 1 <TS 6000 0>`);
    peer.takeAll();
    assertEquals([app.read(), d.counter("PAWSEstab")], [0, 1]);
    peer.sends(`P. ${next}:${next + 100} ack 1 <TS 8500 0>`);
    assertEquals([app.read() > 0, d.counter("PAWSEstab")], [true, 1]);
  });

  it("RFC 7323 §5.3: an ACK that one of a later tick has overtaken is no reason to answer", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(6 * MSS);
    peer.takeAll();
    d.pass(20e3);
    peer.sends(`. 1 ack ${1 + 4 * MSS} <TS 5010 0>`);
    for (const n of [1, 2, 3, 4]) peer.sends(`. 1 ack ${1 + n * MSS} <TS ${5000 + n} 0>`);
    d.silent();
    assertEquals([d.counter("PAWSEstab"), d.counter("PAWSOldAck")], [0, 4]);
    assertEquals(d.counter("TCPChallengeACK"), 0);
    // What they carry in SACK blocks is news still.
    peer.sends(`. 1 ack ${1 + 3 * MSS} <TS 5003 0, sack ${1 + 5 * MSS}:${1 + 6 * MSS}>`);
    assertEquals(app.socket.subflows[0]!.sender.board.sacked, MSS);
  });

  it("RFC 7323 §5.3: an ACK of long ago, or one that acknowledges more, is answered", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(2 * MSS);
    peer.takeAll();
    d.pass(20e3);
    peer.sends(`. 1 ack ${1 + MSS} <TS 5000 0>`);
    peer.sends(`. 1 ack ${1 + MSS} <TS 4000 0>`);
    peer.gets(`. ${1 + 2 * MSS} ack 1`);
    peer.sends(`. 1 ack ${1 + 2 * MSS} <TS 4999 0>`);
    peer.gets(`. ${1 + 2 * MSS} ack 1`);
    assertEquals([d.counter("PAWSEstab"), d.counter("PAWSOldAck")], [2, 0]);
    assertEquals(app.socket.subflows[0]!.sender.board.una, 1 + MSS);
  });

  for (const days of [25, 50]) {
    it(`RFC 7323 §5.5: after ${days} idle days data are taken in both directions`, () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp: false });
      peer.data(100);
      d.pass(40e3);
      peer.gets(". 1 ack 101");
      d.pass(days * DAY);
      d.silent();
      peer.sends("P. 101:201 ack 1");
      d.pass(40e3);
      peer.gets(". 1 ack 201");
      assertEquals([app.read(), d.counter("PAWSEstab")], [200, 0]);
      app.write(100);
      peer.gets("P. 1:101 ack 201");
      d.pass(20e3);
      peer.sends(". 201 ack 101");
      const { rtt, board } = app.socket.subflows[0]!.sender;
      assertEquals(board.empty, true);
      assert(rtt.srtt < 100e3, `${rtt.srtt}`);
      d.pass(10e6);
      d.silent();
    });
  }

  it("RFC 7323 §5.5: after 23 days an older timestamp is old still", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P. 1:101 ack 1 <TS 5000 0>");
    d.pass(23 * DAY);
    peer.gets(". 1 ack 101");
    peer.sends("P. 101:201 ack 1 <TS 4999 0>");
    peer.gets(". 1 ack 101");
    assertEquals(app.read(), 100);
  });

  it("RFC 7323 §2.1: without timestamps nothing is judged by them, and none are sent", () => {
    using d = new Dialogue({ tcp: { timestamps: false } });
    const { peer, app } = d.opened({ mptcp: false, timestamps: true });
    peer.sends("P. 1:101 ack 1 <TS 5000 0>");
    d.pass(40e3);
    peer.gets(". 1 ack 101 <!TS>");
    peer.sends("P. 101:201 ack 1 <TS 4999 0>");
    assertEquals(app.read(), 200);
    app.write(1460);
    peer.gets("P. 1:1461 ack 201 <!TS>");
  });
});

describe("sequence numbers that wrap at 2^32", () => {
  it("RFC 9293 §3.4: super-segments of 30,000 bytes come over the wrap, the second first", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    d.inject(peer.packet("P. 30001:60001 ack 1"), 0, 1448);
    peer.gets(". 1 ack 1 <sack 30001:60001>");
    d.inject(peer.packet("P. 1:30001 ack 1"), 0, 1448);
    peer.gets(". 1 ack 60001 <!sack>");
    assertEquals(app.read(), 60000);
    d.inject(peer.packet("P. 15001:45001 ack 1"), 0, 1448);
    peer.gets(". 1 ack 60001 <sack 15001:45001>");
  });

  it("RFC 9293 §3.4: of a super-segment over the wrap exactly what was lost is sent again", () => {
    // 0xffff8000: the wrap comes after 32,768 bytes.
    using d = new Dialogue({ maxSegments: 64, isn: 0xffff8000, tcp: { pacing: false } });
    const { peer, app } = d.opened({ mptcp: false, rtt: 1e3 });
    const subflow = app.socket.subflows[0]!;
    app.write(10 * MSS);
    d.pass(1e3);
    peer.takeAll();
    peer.acks();
    app.write(20 * MSS);
    const sent = peer.takeAll();
    const first = sent[0]!.seq;
    const end = sent.at(-1)!.end;
    const at = (n: number): number => first + n * MSS;
    assert(first < 32768 && end > 32768 && sent.length < 20, `${first} ${end} ${sent.length}`);
    const lost = Math.floor((32768 - first) / MSS);
    d.pass(1e3);
    peer.sends(`. ack ${at(lost)} <sack ${at(lost + 1)}:${end}>`);
    peer.gets(`. ${at(lost)}:${at(lost + 1)}`);
    d.silent();
    peer.sends(`. ack ${end}`);
    d.pass(1e6);
    d.silent();
    assertEquals(subflow.sender.bytesRetransmitted, MSS);
  });
});
