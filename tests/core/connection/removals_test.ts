/** REMOVE_ADDR, the sentences of RFC 8684 §3.4.2 one by one: in both families, sent and received. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fullMesh } from "../../../pm/mod.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { join, joined } from "../../support/joins.ts";
import type { Peer } from "../../support/scripted_peer.ts";

/** Takes what is sent to `peer` within `time`: flags and milliseconds since the beginning. */
function within(d: Dialogue, peer: Peer, time: number): string {
  const begun = d.now;
  const all: string[] = [];
  for (let t = 0; t <= time; t += 10e3) {
    for (const { flags, seq } of peer.takeAll()) {
      all.push(`${flags}${seq} ${Math.round((d.now - begun) / 1e3)}`);
    }
    d.pass(10e3);
  }
  return all.join(", ");
}

/** A connection of ours to the first address of a server, and one more path that the server's ADD_ADDR led to. */
function toAnnounced(d: Dialogue): { app: App; first: Peer; second: Peer } {
  const { peer: first, app } = d.dialled();
  d.sent.length = 0;
  first.sends(`. 1 ack 1 <noTS, add 3 ${d.address(1, 2)}>`);
  first.takeAll();
  let second: Peer | null = null;
  while (d.sent.length > 0) {
    const each = d.called(first.session);
    if (each.link === 1) second = each;
    each.gets("S 0 <join syn>");
  }
  assert(second !== null);
  second.offers({}, "S.", ["join synack id 3"]);
  second.gets(". 1 ack 1 <join ack>");
  second.sends(". 1 ack 1 <dack8 1>");
  d.sent.length = 0;
  return { app, first, second };
}

for (const family of [4, 6] as const) {
  describe(`REMOVE_ADDR, received (RFC 8684 §3.4.2, IPv${family})`, () => {
    // RFC 8684 §3.4.2: "The receipt of REMOVE_ADDR SHOULD first trigger the sending of a TCP keepalive [RFC1122] on the path, and if a response is received, the path SHOULD NOT be removed."
    it("RFC 8684 §3.4.2: has the path asked by a keepalive; one that answers stays, until the peer ends it", () => {
      using d = new Dialogue({ family });
      const { first, second, app } = joined(d);
      first.sends(". 1 ack 1 <rm 1>");
      second.gets(". 0 ack 1 <dack 1>");
      d.silent();
      d.pass(20e3);
      second.sends(". 1 ack 1 <dack8 1>");
      d.pass(600e6);
      d.silent();
      assertEquals(app.socket.subflows.length, 2);
      assertEquals(["RmAddr", "RmSubflow", "TcpOutRsts", "TCPKeepAlive"].map((n) => d.counter(n)), [
        1,
        0,
        0,
        1,
      ]);
      second.data(100);
      assertEquals(app.read(), 100);
      second.takeAll();
      second.sends("F. 101 ack 1 <dack8 1>");
      second.gets("F. 1");
      second.sends(". 102 ack 2 <dack8 1>");
      d.pass(1e6);
      assertEquals(app.socket.subflows.length, 1);
    });

    // RFC 8684 §3.4.2: "The sending and receipt (if no keepalive response was received) of this message SHOULD trigger the sending of RSTs by both hosts on the affected subflow(s) (if possible)"
    it("RFC 8684 §3.4.2: resets a path that answers none of three keepalives, each awaited twice as long, and those over the address alone", () => {
      using d = new Dialogue({ family });
      const { first, second, app } = joined(d);
      const timeout = app.socket.subflows[1]!.sender.rtt.base / 1e3;
      first.sends(". 1 ack 1 <rm 1>");
      const at = [0, timeout, 3 * timeout, 7 * timeout].map((time) => Math.ceil(time / 10) * 10);
      assertEquals(
        within(d, second, 10e6),
        `.0 ${at[0]}, .0 ${at[1]}, .0 ${at[2]}, R.1 ${at[3]}`,
      );
      assertEquals([app.socket.subflows.length, d.usage.flows, d.counter("MPRstTx")], [1, 1, 1]);
      first.data(100);
      assertEquals(app.read(), 100);
    });

    it("takes for an answer what a host that keeps nothing of it says: a RST ends it", () => {
      using d = new Dialogue({ family });
      const { first, second, app } = joined(d);
      first.sends(". 1 ack 1 <rm 1>");
      second.gets(". 0 ack 1");
      d.pass(20e3);
      second.sends("R 1");
      assertEquals(app.socket.subflows.length, 1);
      d.pass(10e6);
      d.silent();
    });

    it("takes for no answer what was on its way before", () => {
      using d = new Dialogue({ family });
      const { first, second, app } = joined(d, {}, { rtt: 100e3 });
      first.sends(". 1 ack 1 <rm 1>");
      second.data(100);
      d.pass(40e3);
      second.data(100);
      assertEquals(app.read(), 200);
      const flags = within(d, second, 20e6);
      assert(flags.includes("R.1"), flags);
      assertEquals(app.socket.subflows.length, 1);
    });

    it("offers what the path carries to the others at once, and gives it nothing new while it is asked", () => {
      using d = new Dialogue({ family });
      const { first, second, app } = joined(d, { rtt: 50e3 }, { rtt: 10e3 });
      app.write(1000);
      second.gets("P. 1:1001 <map 1 1 1000>");
      first.sends(". 1 ack 1 <dack8 1, rm 1>");
      first.gets("P. 1:1001 <map 1 1 1000>");
      second.gets(". 0 ack 1");
      app.write(1000);
      first.gets("P. 1001:2001 <map 1001 1001 1000>");
      d.silent();
      d.pass(20e3);
      second.sends(". 1 ack 1001 <dack8 1001>");
      first.sends(". 1 ack 2001 <dack8 2001>");
      d.pass(300e3);
      app.write(1000);
      second.gets("P. 1001:2001 <map 2001 1001 1000>");
    });

    it("asks again when it comes again, once at a time; those with a question open are left", () => {
      using d = new Dialogue({ family });
      const { first, second, app } = joined(d);
      for (let i = 0; i < 5; i++) first.sends(". 1 ack 1 <rm 1>");
      second.gets(". 0 ack 1");
      d.silent();
      d.pass(20e3);
      second.sends(". 1 ack 1 <dack8 1>");
      d.pass(5e6);
      first.sends(". 1 ack 1 <rm 1>");
      second.gets(". 0 ack 1");
      d.silent();
      assertEquals([d.counter("RmAddr"), app.socket.subflows.length], [6, 2]);
    });

    it("of the only path, which answers, changes nothing; one that does not leaves the connection time for another", () => {
      for (const answers of [true, false]) {
        using d = new Dialogue({ family });
        const { peer, app } = d.opened();
        peer.sends(". 1 ack 1 <rm 0>");
        peer.gets(". 0 ack 1");
        d.pass(20e3);
        if (answers) peer.sends(". 1 ack 1 <dack8 1>");
        d.pass(30e6);
        assertEquals([app.socket.subflows.length, app.code], [answers ? 1 : 0, undefined]);
        d.sent.length = 0;
        join(d, peer, 1);
        app.write(10);
        assertEquals(d.sent.length, 1);
      }
    });

    // RFC 8684 §3.4.2: "If the path is found to still be alive, the receiving host SHOULD no longer use the specified address for future connections"
    it("RFC 8684 §3.4.2: opens nothing to the address any more, though the path that is there lives", () => {
      const d = new Dialogue({ family, policies: { pathManager: fullMesh() } });
      const { app, first, second } = toAnnounced(d);
      first.sends(". 1 ack 1 <rm 3>");
      // The half-open path to it ends.
      second.gets(". 0 ack 1");
      d.pass(30e3);
      second.sends(". 1 ack 1 <dack8 1>");
      d.pass(5e6);
      d.sent.length = 0;
      assertEquals(app.socket.subflows.length, 2);
      assertEquals(app.socket.paths.context.remotes.map(({ id }) => id), [0]);
      second.sends("R 1");
      const there = second.remote;
      for (let t = 0; t < 100; t++) {
        d.pass(1e6);
        while (d.sent.length > 0) {
          const each = d.called();
          each.lose();
          assert(each.remote !== there, "a SYN to what was taken back");
        }
      }
      d.stack.free();
    });

    it("of many ids asks all their paths; unknown ids, and what is opened over none, are ignored", () => {
      using d = new Dialogue({ family });
      const { peer, app } = d.opened();
      const joins = [1, 2, 3].map((id) => join(d, peer, 1, {}, id));
      peer.sends(". 1 ack 1 <rm 9 2 7 3>");
      assertEquals(joins.map(({ pending }) => pending), [false, true, true]);
      for (const each of joins.slice(1)) each.gets(". 0 ack 1");
      d.silent();
      assertEquals([d.counter("RmAddr"), app.socket.subflows.length], [4, 4]);
      d.pass(20e3);
      for (const each of joins.slice(1)) each.sends(". 1 ack 1 <dack8 1>");
      peer.sends(". 1 ack 1 <rm 99>");
      d.pass(10e6);
      d.silent();
    });

    // RFC 8684 §3.4.2: "Typical TCP validity tests on the subflow (e.g., ensuring that sequence and ACK numbers are correct) MUST also be undertaken."
    it("RFC 8684 §3.4.2: on a segment whose numbers are wrong asks nobody", () => {
      using d = new Dialogue({ family });
      const { first, second, app } = joined(d);
      for (
        const where of [". 900000 ack 1", ". -70000 ack 1", ". 1 ack 70000", ". 1 ack -9000000"]
      ) {
        first.sends(`${where} <noTS, rm 1>`);
        assertEquals([second.pending, d.counter("RmAddr")], [false, 0], where);
        d.sent.length = 0;
      }
      assertEquals(app.socket.subflows.length, 2);
    });

    it("of a path that is still joining ends that at once", () => {
      const d = new Dialogue({ family, policies: { pathManager: fullMesh() } });
      const { peer, app } = d.dialled();
      d.sent.length = 0;
      peer.sends(`. 1 ack 1 <noTS, add 3 ${d.address(1, 9)}>`);
      const before = app.socket.attempts.length;
      peer.sends(". 1 ack 1 <rm 3>");
      assertEquals([before, app.socket.attempts.length], [4, 2]);
      d.stack.free();
    });
  });

  describe(`REMOVE_ADDR, sent (RFC 8684 §3.4.2, IPv${family})`, () => {
    // RFC 8684 §3.4.2: "Even if an address is not in use by an MPTCP connection, if it has been previously announced, an implementation SHOULD announce its removal."
    it("RFC 8684 §3.4.2: for an address that was announced, though nobody has joined it", () => {
      const d = new Dialogue({ family, policies: { pathManager: fullMesh() } });
      const { peer } = d.opened();
      peer.sends(`. 1 ack 1 <noTS, echo 1 ${d.address(1)}>`);
      d.stack.removeAddress(d.now, d.address(1));
      d.pass(2e6);
      const told = peer.takeAll().flatMap(({ options }) => options).filter((each) =>
        each.startsWith("rm")
      );
      assertEquals(told, ["rm 1"]);
      d.stack.free();
    });

    // RFC 8684 §3.4.2: "the affected host SHOULD announce this situation so that the peer can remove subflows related to this address"
    it("RFC 8684 §3.4.2: for an address that went with the only subflow, on the next that there is", () => {
      for (const how of ["its link", "the address"]) {
        const d = new Dialogue({ family, policies: { pathManager: fullMesh() } });
        const { app, first, second } = toAnnounced(d);
        // One path is left, from the first address to the first.
        second.sends("R 1 <tcprst 3>");
        d.pass(1e6);
        d.sent.length = 0;
        if (how === "its link") d.stack.setLinkUp(d.now, d.links[0]!, false);
        else d.stack.removeAddress(d.now, d.address(0));
        d.stack.flush(d.now);
        // What was said on it did not arrive.
        first.lose();
        let other: Peer | null = null;
        for (let t = 0; t < 40 && other === null; t++) {
          while (d.sent.length > 0 && other === null) {
            const each = d.called(first.session);
            const [got] = each.takeAll();
            if (each.link === 1 && got!.flags === "S") other = each;
          }
          d.pass(500e3);
        }
        assert(other !== null, how);
        other.offers({}, "S.", ["join synack id 0"]);
        other.gets(". 1 ack 1 <join ack>");
        other.sends(". 1 ack 1 <dack8 1>");
        d.pass(3e6);
        const told = other.takeAll().flatMap(({ options }) => options).filter((each) =>
          each.startsWith("rm")
        );
        assertEquals(told, ["rm 0"], how);
        assertEquals(app.code, undefined);
        d.stack.free();
      }
    });

    // RFC 8684 §3.4.2: "the affected host SHOULD announce this situation so that the peer can remove subflows related to this address"
    it("RFC 8684 §3.4.2: again when the only path is heard after a silence into which it went, unless the address is used again", () => {
      for (const used of [false, true]) {
        const d = new Dialogue({ family, policies: { pathManager: fullMesh() } });
        const { peer, app } = d.opened();
        peer.sends(`. 1 ack 1 <noTS, echo 1 ${d.address(1)}>`);
        const { context } = app.socket.paths;
        const own = context.locals.find(({ id }) => id === 1)!;
        app.write(100);
        context.withdraw(own);
        d.stack.flush(d.now);
        const told = (): string[] =>
          peer.takeAll().flatMap(({ options }) => options).filter((each) => each.startsWith("rm"));
        assertEquals(told(), ["rm 1"]);
        d.pass(3e6);
        if (used) context.announce(own);
        assertEquals(told(), []);
        peer.sends(". 1 ack 101 <dack8 101>");
        d.pass(300e3);
        assertEquals(told(), used ? [] : ["rm 1"]);
        // Once is enough where it has been heard.
        app.write(100);
        d.pass(1e6);
        peer.sends(". 1 ack 201 <dack8 201>");
        d.pass(1e6);
        assertEquals(told(), []);
        d.stack.free();
      }
    });

    it("once where SACK blocks alone tell that the only path is back", () => {
      using d = new Dialogue({ family, tcp: { tlp: false } });
      const { peer, app } = d.opened();
      peer.sends(`. 1 ack 1 <noTS, echo 1 ${d.address(1)}>`);
      const { context } = app.socket.paths;
      const own = context.locals.find(({ id }) => id === 1)!;
      app.write(8000);
      context.announce(own);
      d.stack.flush(d.now);
      peer.sends(`. 1 ack 1 <noTS, echo 1 ${d.address(1)}>`);
      d.pass(100e3);
      context.withdraw(own);
      d.stack.flush(d.now);
      const told = (): string[] =>
        peer.takeAll().flatMap(({ options }) => options).filter((each) => each.startsWith("rm"));
      assertEquals(told(), ["rm 1"]);
      d.pass(250e3);
      assertEquals(app.socket.subflows[0]!.silent, true);
      const again: string[] = [];
      for (let end = 2000; end < 7000; end += 1000) {
        peer.sends(`. 1 ack 1 <sack 1000:${end}, dack8 1>`);
        d.pass(100e3);
        again.push(...told());
      }
      assertEquals(again, ["rm 1"]);
    });

    // RFC 8684 §3.4.2: "the affected host SHOULD announce this situation so that the peer can remove subflows related to this address"
    it("RFC 8684 §3.4.2: on another path as soon as that falls silent which carried it", () => {
      using d = new Dialogue({ family });
      d.stack.addAddress(d.now, d.links[1]!, `${d.address(1, 3)}/${family === 4 ? 24 : 64}`);
      const { first, second, app } = joined(d);
      const { context } = app.socket.paths;
      const third = context.locals.find(({ id }) => id === 2)!;
      context.announce(third);
      d.stack.flush(d.now);
      const [carrier, other] = first.pending ? [first, second] : [second, first];
      carrier.takeAll();
      carrier.sends(`. 1 ack 1 <noTS, echo 2 ${d.address(1, 3)}>`);
      context.withdraw(third);
      d.stack.flush(d.now);
      const told = (peer: Peer): string[] =>
        peer.takeAll().flatMap(({ options }) => options).filter((each) => each.startsWith("rm"));
      assertEquals([told(carrier), told(other)], [["rm 2"], []]);
      app.write(100);
      for (let t = 0; t < 5; t++) {
        d.pass(100e3);
        if (carrier.pending) carrier.lose();
      }
      assertEquals(told(other), ["rm 2"]);
    });

    // RFC 8684 §3.4.2: "A subflow that is still functioning MUST be closed with a FIN exchange as in regular TCP, rather than using this option."
    it("RFC 8684 §3.4.2: not for a path that is left while its address stays: that ends by a FIN exchange alone", () => {
      using d = new Dialogue({ family });
      const { first, second, app } = joined(d);
      app.socket.paths.context.use([1]);
      d.stack.flush(d.now);
      second.gets("F. 1 ack 1 <dack 1, !rm>");
      d.pass(20e3);
      second.sends("F. 1 ack 2 <dack8 1>");
      second.gets(". 2 ack 2");
      d.pass(10e6);
      d.silent();
      assertEquals([
        first.pending,
        app.socket.subflows.length,
        d.counter("RmAddrTx"),
        d.counter("TcpOutRsts"),
      ], [false, 1, 0, 0]);
    });
  });
}
