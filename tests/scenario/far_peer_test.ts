/** Waits at the edge of what timers can hold: a round trip of ten minutes, a window closed for an hour, an RTO backed off to its limit. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { emulate } from "../../mod.ts";
import { Dialogue } from "../support/dialogue.ts";

describe("RFC 9293 §3.8.3: a round trip of ten minutes, with the user timeout raised", () => {
  for (const mptcp of [true, false]) {
    it(`carries a question and a long answer, and ends in order (${mptcp ? "MPTCP" : "plain TCP"})`, async () => {
      await using net = emulate({
        paths: { far: { rate: "1 Mbit/s", delay: "300 s" } },
        mptcp,
      });
      const waits = {
        userTimeout: "36000 s",
        linger: "36000 s",
        // A second, two, four … a minute: the answer to the first SYN comes after ten.
        tcp: { synRetries: 20 },
      } as const;
      using listener = net.server.listen({ port: 80, ...waits });
      const question = new Uint8Array(2000).fill(7);
      const answer = Uint8Array.from({ length: 60000 }, (_, i) => i * 7 + (i >> 8));
      const serving = (async () => {
        await using peer = await listener.accept();
        const read = new Uint8Array(await new Response(peer.readable).arrayBuffer());
        assertEquals(read, question);
        await peer.write(answer);
        await peer.closeWrite();
        await peer.closed;
      })();
      await using conn = await net.client.connect({ hostname: "server", port: 80, ...waits });
      assert(net.now >= 600e6, `${net.now}`);
      await conn.write(question);
      await conn.closeWrite();
      const got = new Uint8Array(await new Response(conn.readable).arrayBuffer());
      assertEquals(got, answer);
      await Promise.all([conn.closed, serving]);
      // One for the handshake, one for question and answer, one for the ends; slow start takes the rest.
      const roundTrips = net.now / 600e6;
      assert(roundTrips < 6, `${roundTrips}`);
    });
  }
});

for (const mptcp of [true, false]) {
  const kind = mptcp ? "MPTCP" : "plain TCP";
  const dack = (n: number): string => mptcp ? ` <dack8 ${n}>` : "";

  describe(`RFC 9293 §3.8.6.1: a window that is closed for an hour (${kind})`, () => {
    it("is probed after 200 ms or more, then twice as late each time up to a minute, and used as soon as it opens", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0, win: 1000 });
      app.write(1000);
      peer.takeAll();
      peer.sends(`. ack 1001 win 0${dack(1001)}`);
      app.write(1000);
      const start = d.now;
      const waits: number[] = [];
      while (d.now - start < 3600e6) {
        waits.push(d.untilSent());
        peer.gets(". 1000 ack 1");
        peer.sends(`. ack 1001 win 0${dack(1001)}`);
        d.silent();
      }
      assert(waits[0]! >= 200e3 && waits[0]! < 1e6, `${waits[0]}`);
      for (let i = 1; i < waits.length; i++) {
        assertEquals(waits[i], Math.min(2 * waits[i - 1]!, 60e6));
      }
      assert(waits.length > 60 && waits.length < 75, `${waits.length}`);
      assertEquals([app.code, app.socket.subflows[0]!.stale], [undefined, false]);
      peer.sends(`. ack 1001 win 1000${dack(1001)}`);
      peer.gets("P. 1001:2001 ack 1");
      peer.sends(`. ack 2001 win 1000${dack(2001)}`);
      d.silent();
    });

    it("is found open by the next probe where the peer's update is lost, and the wait is short again when it closes again", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0, win: 1000 });
      app.write(1000);
      peer.takeAll();
      peer.sends(`. ack 1001 win 0${dack(1001)}`);
      app.write(2000);
      const first = d.untilSent();
      peer.gets(". 1000 ack 1");
      for (let i = 0; i < 12; i++) {
        peer.sends(`. ack 1001 win 0${dack(1001)}`);
        d.untilSent();
        peer.gets(". 1000 ack 1");
      }
      // The answer to this one tells of the window.
      peer.sends(`. ack 1001 win 1000${dack(1001)}`);
      assertEquals(peer.take().end, 2001);
      peer.sends(`. ack 2001 win 0${dack(2001)}`);
      const again = d.untilSent();
      assert(again <= 2 * first, `${again} after ${first}`);
      peer.gets(". 2000 ack 1");
    });

    it("and a peer that then answers nothing ends after the user timeout", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0, win: 1000 });
      app.write(1000);
      peer.takeAll();
      peer.sends(`. ack 1001 win 0${dack(1001)}`);
      app.write(1000);
      const start = d.now;
      while (d.now - start < 3600e6) {
        d.untilSent();
        peer.takeAll();
        peer.sends(`. ack 1001 win 0${dack(1001)}`);
      }
      d.pass(290e6);
      assertEquals(app.code, undefined);
      d.pass(11e6);
      assertEquals(app.code, "TimedOut");
    });
  });

  describe(`RFC 6298 §5: back-off of the retransmission timeout, and its reset (${kind})`, () => {
    it("doubles up to a minute while nothing answers, and falls back with the next round trip (§5.5, §5.7)", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp });
      app.socket.setUserTimeout(3600e6);
      app.write(100);
      peer.gets("P. 1:101 ack 1");
      const waits: number[] = [];
      for (let i = 0; i < 12; i++) {
        waits.push(d.untilSent());
        peer.gets("P. 1:101 ack 1");
      }
      // The first is a probe (RFC 8985 §7.3).
      for (let i = 2; i < waits.length; i++) {
        assertEquals(waits[i], Math.min(2 * waits[i - 1]!, 60e6));
      }
      assertEquals(waits.at(-1), 60e6);
      peer.sends(`. ack 101${dack(101)}`);
      // What is sent once tells a round trip.
      app.write(100);
      peer.gets("P. 101:201 ack 1");
      d.pass(20e3);
      peer.sends(`. ack 201${dack(201)}`);
      app.write(100);
      peer.gets("P. 201:301 ack 1");
      d.untilSent();
      peer.gets("P. 201:301 ack 1");
      const wait = d.untilSent();
      peer.gets("P. 201:301 ack 1");
      assert(wait < 1e6, `${wait}`);
    });

    it("ends the connection with the user timeout, not before (RFC 9293 §3.8.3)", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp });
      app.write(100);
      d.pass(299e6);
      assertEquals(app.code, undefined);
      assert(peer.takeAll().length > 8);
      d.pass(2e6);
      assertEquals(app.code, "TimedOut");
      assertEquals(peer.take().flags, "R.");
    });
  });
}
