import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";

describe("an acknowledgement (RFC 9293 §3.8.6.3, RFC 5681 §4.2)", () => {
  it("of one segment waits at most 40 ms", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false });
    peer.sends("P. 1:101");
    d.silent();
    assertEquals(d.untilSent(), 40e3);
    peer.gets(". 1 ack 101");
  });

  it("of every second full segment leaves at once, at whatever size the peer sends them", () => {
    for (const size of [1448, 1400, 1380]) {
      using d = new Dialogue();
      const { peer } = d.opened({ mptcp: false });
      for (let i = 0; i < 10; i++) {
        peer.sends(`. +${size}`);
        if (i % 2 === 1) peer.gets(`. 1 ack ${1 + (i + 1) * size}`);
        else d.silent();
      }
    }
  });

  it("is one for each second full segment also where they come in a batch, but for many", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false });
    for (let i = 0; i < 9; i++) peer.sendsMore(". +1448");
    peer.sends(". +1448");
    for (let i = 2; i <= 10; i += 2) peer.gets(`. 1 ack ${1 + i * 1448}`);
    d.silent();
    d.pass(1000);
    for (let i = 0; i < 29; i++) peer.sendsMore(". +1448");
    peer.sends(". +1448");
    for (const i of [12, 14, 16, 18, 40]) peer.gets(`. 1 ack ${1 + i * 1448}`);
    d.silent();
  });

  it("rides on data", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("P. 1:101");
    app.write(10);
    peer.gets("P. 1:11 ack 101");
    peer.sends(". 101 ack 11");
    d.pass(1e6);
    d.silent();
  });

  it("leaves at once for what is out of order, what fills a hole and what came before, with SACK (RFC 2018)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends(". 101:201");
    peer.gets(". 1 ack 1 <sack 101:201>");
    peer.sends(". 301:401");
    peer.gets(". 1 ack 1 <sack 301:401 101:201>");
    peer.sends(". 501:601");
    peer.gets(". 1 ack 1 <sack 501:601 301:401 101:201>");
    peer.sends(". 701:801");
    // Three blocks beside timestamps, the latest first (RFC 2018 §4).
    peer.gets(". 1 ack 1 <sack 701:801 501:601 301:401>");
    peer.sends(". 201:301");
    peer.gets(". 1 ack 1 <sack 101:401 701:801 501:601>");
    peer.sends(". 1:101");
    peer.gets(". 1 ack 401 <sack 701:801 501:601>");
    peer.sends(". 1:101");
    peer.gets(". 1 ack 401");
    assertEquals(app.read(), 400);
  });

  it("has no SACK for a peer that did not permit it", () => {
    using d = new Dialogue();
    const { peer } = d.opened({ mptcp: false, sack: false });
    peer.sends(". 101:201");
    peer.gets(". 1 ack 1 <!sack>");
  });

  it("beside a DATA_ACK that moved has fewer blocks, and all of them when it did not (RFC 8684 appendix A)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    // Before, each ACK has it: the peer may not have got one.
    app.write(10);
    peer.gets("P. 1:11");
    peer.sends(". ack 11 <dack8 11>");
    peer.sends(". 101:201 ack 11 <dack8 11, map8 101 101 100>");
    peer.sends(". 301:401 ack 11 <dack8 11, map8 301 301 100>");
    peer.sends(". 501:601 ack 11 <dack8 11, map8 501 501 100>");
    peer.gets(". 11 ack 1 <sack 101:201, dack8 1>");
    peer.gets(". 11 ack 1 <sack 301:401 101:201, !dack8>");
    peer.gets(". 11 ack 1 <sack 501:601 301:401 101:201, !dack8>");
    peer.sends(". 1:101 ack 11 <dack8 11, map8 1 1 100>");
    peer.gets(". 11 ack 201 <sack 501:601, dack8 201>");
  });

  it("of data is not lost when an option of its own goes first", () => {
    using d = new Dialogue();
    const { peer } = d.opened();
    peer.data(100);
    peer.sends(". ack 1 <add 3 10.0.9.9>");
    peer.gets(". 1 ack 101 <echo 3 10.0.9.9>");
    d.pass(40e3);
    peer.gets(". 1 ack 101 <dack8 101>");
  });
});

describe("a super-segment", () => {
  it("is one segment: placed, acknowledged and read as such", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    d.inject(peer.packet("P. +60000 <dack8 1, map8 1 1 60000>"), 0, 1400);
    peer.gets(". 1 ack 60001 <dack8 60001>");
    assertEquals(app.read(), 60000);
    d.silent();
  });
});

describe("the first copy of a byte", () => {
  // RFC 8684 §3.3.1: "an implementation SHOULD treat the first data that is received at a subflow for the data sequence space as the data that
  // should be delivered to the application"
  it("wins, whatever a repeat says", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends(". 101:201");
    peer.sends(". 51", new Uint8Array(200).fill(0xee));
    peer.sends(". 1:101");
    // 201..250 came in the false segment alone.
    const target = new Uint8Array(400);
    assertEquals(app.socket.read(d.now, target), 250);
    const expected = [...Array(250).keys()].map((i) => {
      const offset = i + 1;
      return (offset >= 51 && offset < 101) || offset >= 201
        ? 0xee
        : (offset * 7 + (offset >>> 8) * 13 + 101) & 255;
    });
    assertEquals([...target.subarray(0, 250)], expected);
  });
});
