import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";

/** A server to a client whose first data have come, on MP_CAPABLE; what the server answers is taken. */
function served(d: Dialogue) {
  const listener = d.listen();
  const peer = d.peer();
  peer.offers({}, "S", ["mpc"]);
  peer.gets("S. 0 ack 1");
  d.pass(20e3);
  peer.sends(". 1 ack 1 <mpc keys>");
  const app = d.accept(listener);
  peer.sends("P. 1:101 ack 1 <mpc keys len 100>");
  d.pass(50e3);
  peer.gets(". 1 ack 101 <dack 101>");
  assertEquals(app.read(), 100);
  return { peer, app };
}

describe("a path that takes MPTCP options away in one direction only (RFC 8684 §3.7)", () => {
  // RFC 8684 §3.7: "before any additional subflows are added, the implementation MUST drop out of MPTCP mode and fall back to regular TCP"
  it("leads to plain TCP when data are acknowledged without a DATA_ACK", () => {
    using d = new Dialogue();
    const { peer, app } = served(d);
    app.write(500);
    peer.gets("P. 1:501 ack 101 <map 1 1 500>");
    peer.sends(". 101 ack 501");
    assertEquals(app.socket.fallback, true);
    assertEquals(d.counter("DssFallback"), 1);
    app.write(500);
    peer.gets("P. 501:1001 ack 101 <!map, !map8, !dack, !dack8>");
    peer.sends(". 101 ack 1001");
    assertEquals(app.socket.unacked, 0);
    peer.sends("P. 101:201 ack 1001");
    assertEquals(app.read(), 100);
  });

  it("leads to plain TCP when the peer sends data without a mapping, as Linux does after it fell back", () => {
    using d = new Dialogue();
    const { peer, app } = served(d);
    // Under way before it saw our first ACK: mapped, the second of them lost.
    peer.sends(". 101:201 ack 1 <map8 101 101 100>");
    assertEquals(app.read(), 100);
    peer.sends("P. 301:401 ack 1");
    assertEquals(app.socket.fallback, false);
    peer.sends("P. 201:301 ack 1");
    // A middlebox that splits segments may have left the mapping on the next one.
    assertEquals(app.socket.fallback, false);
    d.pass(500e3);
    assertEquals(app.socket.fallback, true);
    assertEquals(d.counter("DssFallback"), 1);
    assertEquals(app.read(), 200);
    d.pass(50e3);
    d.sent.length = 0;
    app.write(10);
    peer.gets("P. 1:11 ack 401 <!map, !map8, !dack, !dack8>");
    peer.sends("F. 401 ack 11");
    assertEquals(app.read(), 0);
    assertEquals(app.socket.atEnd, true);
  });

  it("leads to plain TCP by an infinite mapping", () => {
    using d = new Dialogue();
    const { peer, app } = served(d);
    peer.sends("P. 101:201 ack 1 <map8 101 101 0>");
    assertEquals(app.socket.fallback, true);
    assertEquals(app.read(), 100);
    assertEquals(d.counter("InfiniteMapRx"), 1);
  });

  // RFC 8684 §3.3.2: "the Data ACK is present in segments only when the Data ACK value advances, and this behavior MUST be treated as valid"
  it("is not seen where a DATA_ACK gave way to SACK blocks", () => {
    using d = new Dialogue();
    const { peer, app } = served(d);
    app.write(5000);
    d.sent.length = 0;
    peer.sends(". 101 ack 1429 <sack 2857:4285>");
    assertEquals(app.socket.fallback, false);
    peer.sends(". 101 ack 4285 <dack8 4285>");
    peer.sends(". 101 ack 5001");
    assertEquals(app.socket.fallback, false);
  });

  it("is no reason to fall back when a second path is in use", () => {
    using d = new Dialogue();
    const { peer, app } = served(d);
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 2"]);
    second.gets("S. 0 ack 1 <join synack>");
    second.sends(". 1 ack 1 <join ack>");
    second.gets(". 1 ack 1");
    app.write(500);
    d.sent.length = 0;
    peer.sends(". 101 ack 501");
    second.sends(". 1 ack 501");
    peer.sends("P. 101:201 ack 501");
    assertEquals(app.socket.fallback, false);
    assertEquals(app.read(), 0);
  });
});
