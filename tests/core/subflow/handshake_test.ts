import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";

describe("EST-1: the three-way handshake of the first subflow, passive", () => {
  it("answers with MSS, SACK-permitted, timestamps, window scale and MP_CAPABLE, in the order of Linux", () => {
    using d = new Dialogue();
    const listener = d.listen();
    const peer = d.peer();
    peer.sends("S 0 win 64000 <mss 1400, sackOK, TS 7 0, ws 9, mpc>");
    const synAck = peer.gets("S. 0 ack 1 win 65535 <mss 1460, sackOK, ws 10, mpc key>");
    assertEquals(synAck.options[2]!.split(" ")[2], "7"); // TSecr
    const options = [...synAck.bytes.subarray(40)];
    const kinds: number[] = [];
    for (let i = 0; i < options.length;) {
      kinds.push(options[i]!);
      i += options[i] === 1 ? 1 : options[i + 1]!;
    }
    assertEquals(kinds, [2, 4, 8, 1, 3, 30]);
    assertEquals(listener.accept(), null);
    peer.timestamps = true;
    peer.sends(". 1 ack 1 <mpc keys>");
    const app = d.accept(listener);
    assertEquals(app.socket.state, "ESTAB");
    assertEquals(app.socket.remoteEndpoint, { address: "10.0.0.2", port: peer.remotePort });
  });

  it("leaves out what the peer did not offer", () => {
    using d = new Dialogue();
    const peer = d.peer();
    d.listen();
    peer.sends("S 0 <mss 1200>");
    peer.gets("S. 0 ack 1 <mss 1460, !sackOK, !TS, !ws, !mpc>");
  });

  it("repeats the SYN/ACK when the SYN comes again, and when nothing comes", () => {
    using d = new Dialogue();
    const { stack } = d;
    const peer = d.peer();
    const listener = d.listen();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1");
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1 <mpc key>");
    d.silent();
    for (const wait of [1, 2, 4, 8, 16, 32]) {
      assertEquals(d.untilSent(), wait * 1e6);
      peer.gets("S. 0 ack 1");
    }
    d.pass(200e6);
    d.silent();
    assertEquals(listener.halfOpen.size, 0);
    assertEquals(stack.usage(), {
      connections: 0,
      tokens: 0,
      flows: 0,
      timers: 0,
      handles: 0,
      pages: 0,
    });
  });

  it("answers copies of a SYN twice a second, and they keep it no longer", () => {
    using d = new Dialogue();
    const peer = d.peer();
    const listener = d.listen();
    for (let i = 0; i < 100; i++) peer.offers({}, "S", ["mpc"]);
    assertEquals(peer.takeAll().length, 2);
    d.pass(500e3);
    for (let i = 0; i < 100; i++) peer.offers({}, "S", ["mpc"]);
    assertEquals(peer.takeAll().length, 1);
    assertEquals(d.counter("TCPACKSkippedSynRecv"), 99 - 1 + 99);
    const [first] = listener.halfOpen;
    while (listener.halfOpen.has(first!)) {
      assert(d.now < 140e6, `half open for ${d.now / 1e6} s`);
      d.pass(500e3);
      peer.offers({}, "S", ["mpc"]);
    }
  });

  for (const timestamps of [true, false]) {
    it(`begins as if a SYN had come once when the network doubles it, ${timestamps ? "with" : "without"} timestamps`, () => {
      using d = new Dialogue({ tcp: { tlp: false } });
      const listener = d.listen();
      const peer = d.peer();
      for (let i = 0; i < 2; i++) peer.offers({ mptcp: false, timestamps }, "S", []);
      assertEquals(peer.takeAll().length, 2);
      d.pass(20e3);
      peer.sends(". 1 ack 1");
      const app = d.accept(listener);
      app.write(100e3);
      assertEquals(peer.takeAll().length, 10);
      // Without timestamps nobody knows which of the two was answered (Karn).
      assertEquals(d.untilSent(), timestamps ? 220e3 : 1e6);
    });
  }

  it("refuses an ACK of something never sent with a RST that fits it (RFC 9293 §3.10.7.4, fifth)", () => {
    using d = new Dialogue();
    const peer = d.peer();
    const listener = d.listen();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1");
    peer.sends(". 1 ack 2 <mpc keys>");
    peer.gets("R 2");
    peer.sends(". 1 ack 1 <mpc keys>");
    d.accept(listener);
  });

  it("goes back to listening on a RST (RFC 9293 §3.10.7.4, second)", () => {
    using d = new Dialogue();
    const peer = d.peer();
    const listener = d.listen();
    peer.offers({}, "S", ["mpc"]);
    peer.gets("S. 0 ack 1");
    peer.sends("R 1");
    assertEquals(listener.halfOpen.size, 0);
    assertEquals(d.usage.connections, 0);
    d.silent();
  });

  it("takes data on the third ACK", () => {
    using d = new Dialogue();
    const peer = d.peer();
    const listener = d.listen();
    peer.offers({}, "S", []);
    peer.gets("S. 0 ack 1");
    peer.sends("P. 1:101 ack 1");
    const app = d.accept(listener);
    assertEquals(app.read(), 100);
  });

  it("keeps a window scale above 14 at 14 (RFC 7323 §2.3)", () => {
    using d = new Dialogue();
    const { app } = d.opened({ scale: 200, mptcp: false });
    assertEquals(app.socket.subflows[0]!.sender.window.scale, 14);
  });

  it("assumes 536 octets of a peer without MSS, 1220 over IPv6 (RFC 9293 §3.7.1)", () => {
    for (const [family, mss] of [[4, 536], [6, 1220]] as const) {
      using d = new Dialogue({ family });
      const listener = d.listen();
      const peer = d.peer();
      peer.sends("S 0 <ws 0>");
      peer.gets("S. 0 ack 1");
      peer.sends(". 1 ack 1");
      const app = d.accept(listener);
      app.write(2000);
      peer.gets(`. 1:${1 + mss} ack 1`);
    }
  });

  it("sends nothing larger than its own link takes, whatever the peer offers", () => {
    using d = new Dialogue({ mtu: 1280 });
    const { peer, app } = d.opened({ mss: 8960, mptcp: false });
    app.write(5000);
    assertEquals(peer.take().bytes.length, 1280);
  });

  it("keeps to a tiny MSS of the peer, but not below 64 octets", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mss: 1 });
    app.write(100);
    const segments = peer.takeAll();
    assertEquals(segments.map(({ seq, end }) => end - seq), [32, 32, 36]);
  });
});

describe("EST-1: the three-way handshake of the first subflow, active", () => {
  it("offers MPTCP and everything else, and takes what the peer grants", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 win 65535 <mss 1460, sackOK, ws 10, mpc>");
    assertEquals(app.log, []);
    peer.sends("S. 0 ack 1 <mss 1300, ws 2, mpc key>");
    peer.gets(". 1 ack 1 <mpc keys, !TS>");
    assertEquals(app.log, ["established"]);
    assertEquals(app.socket.subflows[0]!.mtu.segment, 1300);
    assertEquals(app.socket.subflows[0]!.sender.sackPermitted, false);
  });

  it("repeats the SYN with back-off and gives up", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    for (const wait of [1, 2, 4, 8, 16, 32]) {
      assertEquals(d.untilSent(), wait * 1e6);
      peer.gets("S 0");
    }
    d.pass(70e6);
    d.silent();
    assertEquals(app.log, ["readable", "closed TimedOut"]);
    app.close();
    assertEquals(d.usage.connections, 0);
  });

  it("answers an ACK of something else with a RST, so that an old half-open connection clears (RFC 9293 §3.5.1)", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0");
    peer.sends(". 5000 ack 300");
    peer.gets("R 300");
    peer.sends("S. 0 ack 1 <mpc key>");
    peer.gets(". 1 ack 1");
    assertEquals(app.log, ["established"]);
  });

  it("takes a RST for a refusal only when it acknowledges the SYN (RFC 9293 §3.10.7.3)", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0");
    peer.sends("R 0");
    peer.sends("R. 0 ack 0");
    assertEquals(app.log, []);
    peer.sends("R. 0 ack 1");
    assertEquals(app.code, "ConnectionRefused");
    d.silent();
  });

  it("repeats the third ACK when the SYN/ACK comes again", () => {
    using d = new Dialogue();
    d.connect();
    const peer = d.called();
    peer.gets("S 0");
    for (let i = 0; i < 2; i++) {
      peer.offers({}, "S.", ["mpc key"]);
      peer.gets(". 1 ack 1 <mpc keys>");
    }
    for (let i = 0; i < 100; i++) peer.offers({}, "S.", ["mpc key"]);
    d.silent();
    d.pass(500e3);
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
  });

  it("survives a simultaneous open, as plain TCP (RFC 9293 §3.5)", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0");
    peer.sends("S 0 <mss 1460>");
    peer.gets("S. 0 ack 1");
    peer.sends("S. 0 ack 1 <mss 1460>");
    peer.gets(". 1 ack 1");
    peer.sends(". 1 ack 1");
    assertEquals(app.log, ["established"]);
    app.write(10);
    peer.gets("P. 1:11 ack 1 <!map>");
  });
});
