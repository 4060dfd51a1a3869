import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";

describe("an unacceptable segment (RFC 9293 §3.10.7.4, first)", () => {
  it("below the window is answered with an ACK", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P. 1:101");
    assertEquals(app.read(), 100);
    d.pass(40e3);
    peer.gets(". 1 ack 101");
    peer.sends("P. 1:51");
    peer.gets(". 1 ack 101");
    assertEquals(app.read(), 0);
  });

  it("above the window is answered with an ACK and not kept", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 20000 } });
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P. 20200:20300");
    peer.gets(". 1 ack 1 <!sack>");
    assertEquals(app.socket.subflows[0]!.receiver.ranges, 0);
  });

  it("keeps what of it lies inside the window", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P. 1:101");
    peer.sends("P. 51:201");
    assertEquals(app.read(), 200);
  });

  it("is answered within the limit of RFC 5961 §7: ten times in five seconds", () => {
    for (const line of ["S 5000000", "R 101", ". 0", ". 1 ack 5000000", ". 1 <TS 1 0>"]) {
      using d = new Dialogue();
      const { peer } = d.opened({ mptcp: false });
      for (let i = 0; i < 3000; i++) peer.sends(line);
      assertEquals(peer.takeAll().length, 10, line);
      assertEquals(d.counter("TCPChallengeACK"), 10);
      assertEquals(d.counter("TCPACKSkippedChallenge"), 2990);
      d.pass(5e6);
      peer.sends(line);
      assertEquals(peer.takeAll().length, 1);
    }
  });

  it("has that limit on each connection: none tells of another's (CVE-2016-5696)", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false });
    d.listen(81);
    const other = d.peer({ port: 81 });
    other.offers({ mptcp: false }, "S", []);
    other.take();
    other.sends(". 1 ack 1");
    for (let i = 0; i < 2000; i++) peer.sends("R 101");
    peer.takeAll();
    for (let i = 0; i < 10; i++) {
      other.sends("R 101");
      other.gets(". 1 ack 1");
    }
  });

  it("is always acknowledged when it has payload or a FIN: it may be repeated for want of our ACK", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P. 1:1001 ack 1");
    d.pass(40e3);
    peer.gets(". 1 ack 1001");
    assertEquals(app.read(), 1000);
    for (let i = 0; i < 2000; i++) peer.sends("R 1101");
    peer.takeAll();
    for (const line of ["P. 1:501 ack 1", "P. 1:501 ack 1 <TS 1 0>", "F. 500 ack 1"]) {
      for (let i = 0; i < 20; i++) {
        peer.sends(line);
        peer.gets(". 1 ack 1001");
      }
    }
  });
});

describe("PAWS (RFC 7323 §5)", () => {
  it("drops an old duplicate by its timestamp and answers it with an ACK", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    d.pass(1e6);
    peer.sends("P. 1:101");
    d.pass(40e3);
    peer.gets(". 1 ack 101");
    assertEquals(app.read(), 100);
    peer.sends("P. 101:201 <TS 1500 1>");
    peer.gets(". 1 ack 101");
    assertEquals(app.read(), 0);
    assertEquals(d.counter("PAWSEstab"), 1);
  });

  it("lets a RST through (RFC 7323 §5.2)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("R 1 <TS 1 1>");
    assertEquals(app.code, "ConnectionReset");
  });

  it("takes a segment without timestamps", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P. 1:101 <noTS>");
    assertEquals(app.read(), 100);
  });

  it("echoes the timestamp of the segment that the ACK is for (RFC 7323 §4.3)", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false });
    // A delayed ACK echoes the first of the segments that it acknowledges.
    peer.sends("P. 1:101 <TS 3000 1>");
    d.pass(10e3);
    peer.sends("P. 101:201 <TS 3010 1>");
    d.pass(40e3);
    const ack = peer.gets(". 1 ack 201");
    assertEquals(ack.options[0]!.split(" ")[2], "3000");
    // Out of order: the last one that advanced.
    peer.sends("P. 301:401 <TS 3050 1>");
    assertEquals(peer.gets(". 1 ack 201").options[0]!.split(" ")[2], "3000");
    peer.sends("P. 201:301 <TS 3060 1>");
    assertEquals(peer.gets(". 1 ack 401").options[0]!.split(" ")[2], "3060");
  });

  it("forgets a timestamp of 24 days ago (RFC 7323 §5.5)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    d.pass(25 * 24 * 3600e6);
    peer.sends("P. 1:101 <TS 900 1>");
    assertEquals(app.read(), 100);
  });
});

describe("RFC 5961", () => {
  it("§3.2: a RST resets only with the exact number; inside the window it is challenged", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("R 2");
    peer.gets(". 1 ack 1");
    peer.sends("R 100000");
    assertEquals(app.code, undefined);
    peer.takeAll();
    peer.sends("R 400000000");
    d.silent();
    peer.sends("R 1");
    assertEquals(app.code, "ConnectionReset");
    d.silent();
  });

  it("§4.2: a SYN is challenged, wherever it lies", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    for (const seq of [0, 1, 50, 900000000]) {
      peer.sends(`S ${seq} <noTS>`);
      peer.gets(". 1 ack 1");
    }
    assertEquals(app.code, undefined);
  });

  it("§5.2: an ACK of what was never sent, or of very long ago, is challenged and its data dropped", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, scale: 0 });
    peer.sends("P. 1:101 ack 2");
    peer.gets(". 1 ack 1");
    peer.sends("P. 1:101 ack -70000");
    peer.gets(". 1 ack 1");
    assertEquals(app.read(), 0);
    peer.sends("P. 1:101 ack 0");
    assertEquals(app.read(), 100);
  });
});

describe("a segment without ACK", () => {
  it("is dropped (RFC 9293 §3.10.7.4, fifth)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P 1:101");
    assertEquals(app.read(), 0);
    d.silent();
  });
});

describe("text behind a FIN", () => {
  it("is ignored (RFC 9293 §3.10.7.4, seventh)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("F. 1:101");
    peer.gets(". 1 ack 102");
    peer.sends("P. 102:202");
    assertEquals(app.read(), 100);
    assertEquals(app.socket.atEnd, true);
    peer.gets(". 1 ack 102");
  });

  it("makes a FIN below it none: only one that can be the last is heeded", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P. 101:201");
    peer.sends("F. 51 ack 1");
    peer.sends("P. 1:101");
    assertEquals(app.read(), 200);
    assertEquals(app.socket.atEnd, false);
    peer.sends("F. 201 ack 1");
    assertEquals(app.socket.atEnd, true);
  });

  it("is ignored also when it comes before the FIN is in order", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("F. 101:201");
    peer.sends("P. 201:301");
    peer.sends("P. 1:101");
    assertEquals(app.read(), 200);
    assertEquals(app.socket.atEnd, true);
    const last = peer.takeAll().at(-1)!;
    assertEquals(last.ack, 202);
  });
});
