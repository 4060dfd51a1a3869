/** Sizes of segments in dialogues: what the SYN names, what the peer names, the link, and a bound of the user's (RFC 9293 §3.7.1, RFC 6691). */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import type { Offer } from "../../support/scripted_peer.ts";

/** Payload of the first segments of 20,000 bytes, all of the same size but for the last. */
function payload(options: DialogueOptions, offer: Offer): number {
  using d = new Dialogue(options);
  const { peer, app } = d.opened({ mptcp: false, ...offer });
  app.write(20000);
  const sizes = peer.takeAll().map(({ seq, end }) => end - seq);
  assertEquals(new Set(sizes.slice(0, -1)).size, 1);
  return sizes[0]!;
}

describe("RFC 9293 §3.7.1: the MSS", () => {
  for (
    const [family, mtu, mss] of [[4, 1500, 1460], [6, 1500, 1440], [4, 9000, 8960], [4, 576, 536], [
      6,
      1280,
      1220,
    ]] as const
  ) {
    it(`that a SYN names is the packet of the link, ${mtu}, less fixed headers (IPv${family})`, () => {
      using d = new Dialogue({ family, mtu });
      d.connect();
      const peer = d.called();
      peer.gets(`S 0 <mss ${mss}>`);
      peer.sends(`S. 0 ack 1 <mss 1000, mpc key>`);
      peer.gets(". 1 ack 1 <mpc keys>");
    });
  }

  for (const family of [4, 6] as const) {
    it(`of a peer that names none is ${family === 4 ? 536 : 1220} (IPv${family})`, () => {
      using d = new Dialogue({ family });
      const listener = d.listen();
      const peer = d.peer();
      peer.sends("S 0 win 65535");
      peer.gets("S. 0 ack 1");
      peer.sends(". 1 ack 1");
      const app = d.accept(listener);
      app.write(3000);
      const most = family === 4 ? 536 : 1220;
      peer.gets(`. 1:${1 + most} ack 1`);
      peer.gets(`. ${1 + most}:${1 + 2 * most} ack 1`);
    });
  }

  it("less the options is what a segment carries: timestamps take 12, a DSS 20 (RFC 6691)", () => {
    assertEquals(payload({}, { timestamps: false }), 1460);
    assertEquals(payload({}, {}), 1448);
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(20000);
    const { seq, end } = peer.take();
    assertEquals(end - seq, 1428);
  });

  it("of the peer above the link's is no reason to send more, nor is one of jumbo packets on a narrow link", () => {
    assertEquals(payload({}, { mss: 8960 }), 1448);
    assertEquals(payload({ mtu: 576 }, { mss: 65535 }), 524);
  });

  it("of both for jumbo packets is used whole", () => {
    assertEquals(payload({ mtu: 9000 }, { mss: 8960 }), 8948);
  });

  it("of 0 is none: 536", () => {
    assertEquals(payload({}, { mss: 0 }), 524);
  });

  it("of a few octets is taken for 64: it would not hold the options", () => {
    assertEquals(payload({}, { mss: 1 }), 52);
    assertEquals(payload({}, { mss: 63 }), 52);
    assertEquals(payload({}, { mss: 88 }), 76);
  });

  it("is bounded by the user in our SYN and in what we send, as a client and as a server", () => {
    const options = { tcp: { maxSegment: 1000 } };
    assertEquals(payload(options, {}), 988);
    assertEquals(payload(options, { mss: 700 }), 688);
    using d = new Dialogue(options);
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 <mss 1000>");
    peer.offers({ mptcp: false }, "S.", []);
    peer.gets(". 1 ack 1");
    app.write(2000);
    peer.gets(". 1:989 ack 1");
    peer.gets(". 989:1977 ack 1");
    peer.gets("P. 1977:2001 ack 1");
  });

  it("of a join is bounded like that of the first", () => {
    using d = new Dialogue({ tcp: { maxSegment: 500 } });
    const { peer } = d.opened();
    const second = d.peer({ link: 1, session: peer.session });
    second.sends("S 0 <mss 1460, join syn id 1>");
    second.gets("S. 0 ack 1 <mss 500, join synack>");
  });
});
