/** Joins of peers between SYN and third ACK (draft EST-3..EST-7, RFC 8684 §3.2): what is kept of them, how many, for how long. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MOST_HALF_OPEN_JOINS } from "../../../core/host/half_open_joins.ts";
import { connectionInfo } from "../../../core/net/info.ts";
import { fullMesh } from "../../../pm/mod.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { join } from "../../support/joins.ts";
import type { Peer } from "../../support/scripted_peer.ts";

/** `count` SYNs for the connection of `first`, one address id each. */
function begin(d: Dialogue, first: Peer, count: number): Peer[] {
  return Array.from({ length: count }, (_, i) => {
    const peer = d.peer({ link: 1, session: first.session });
    peer.offers({}, "S", [`join syn id ${1 + i}`]);
    return peer;
  });
}

describe("half-open joins of a connection", () => {
  for (const family of [4, 6] as const) {
    it(`EST-3: have a limit, above which they are refused for want of resources, with T; they expire, and are counted (IPv${family})`, () => {
      using d = new Dialogue({ family, tcp: { synCookies: "off" } });
      const { peer } = d.opened();
      const seconds = begin(d, peer, 12);
      const answers = seconds.map((second) => second.take());
      assertEquals(answers.map(({ flags }) => flags), [
        ...Array<string>(4).fill("S."),
        ...Array<string>(8).fill("R."),
      ]);
      for (const { options } of answers.slice(4)) assertEquals(options, ["tcprst 2 transient"]);
      assertEquals([d.usage.flows, d.stack.halfOpenJoins.size], [5, 4]);
      assertEquals([d.counter("MPJoinRejected"), d.counter("MPRstTx")], [8, 8]);
      // Three repeats of the SYN/ACK, then nobody waits any more: 1 + 2 + 4 + 8 s.
      d.pass(14.9e6);
      assertEquals(d.usage.flows, 5);
      d.pass(0.2e6);
      assertEquals([d.usage.flows, d.stack.halfOpenJoins.size], [1, 0]);
      assertEquals(d.counter("MPJoinExpired"), 4);
      d.sent.length = 0;
      join(d, peer, 1);
    });
  }

  it("EST-3: make room once they are a second old, where there are no cookies: nobody is shut out", () => {
    using d = new Dialogue({ tcp: { synCookies: "off" } });
    const { peer, app } = d.opened();
    const [oldest] = begin(d, peer, 4);
    d.sent.length = 0;
    d.pass(1.1e6);
    oldest!.gets("S. 0 ack 1 <join synack>");
    join(d, peer, 1, {}, 9);
    oldest!.gets("R. 1 ack 1 <tcprst 2 transient>");
    assertEquals([app.socket.subflows.length, d.stack.halfOpenJoins.size], [2, 3]);
    assertEquals(d.counter("MPJoinExpired"), 1);
  });

  it("EST-3: have the limit that is chosen, 0 too: then each is answered by a cookie", () => {
    for (const joinBacklog of [0, 1, 7]) {
      using d = new Dialogue({ experiments: { joinBacklog } });
      const { peer, app } = d.opened();
      const seconds = begin(d, peer, 8);
      for (const second of seconds) second.gets("S. 0 ack 1 <join synack>");
      assertEquals(d.stack.halfOpenJoins.size, joinBacklog);
      assertEquals(d.counter("SyncookiesSent"), 8 - joinBacklog);
      for (const second of seconds) second.sends(". 1 ack 1 <join ack>");
      assertEquals([app.socket.subflows.length, d.stack.halfOpenJoins.size], [9, 0]);
    }
  });

  it("RFC 8684 §3.2: have no place before they are proved; the limit of subflows is that of those who are", () => {
    using d = new Dialogue({ tcp: { synCookies: "off" }, experiments: { joinBacklog: 12 } });
    const { peer, app } = d.opened();
    const seconds = begin(d, peer, 10);
    for (const second of seconds) {
      second.gets("S. 0 ack 1 <join synack>");
    }
    for (const [i, second] of seconds.entries()) {
      second.sends(". 1 ack 1 <join ack>");
      // With reason 3, as §3.2 wants where policy is why.
      if (i < 8) second.gets(". 1 ack 1 <dack 1>");
      else second.gets("R. 1 ack 1 <tcprst 3>");
    }
    assertEquals([app.socket.subflows.length, d.counter("MPJoinRejected")], [9, 2]);
    // Local policy: RFC 8684 §3.2, "the recipient MUST respond with a TCP RST for the subflow."
    const [late] = begin(d, peer, 1);
    late!.gets("R. 0 ack 1 <tcprst 3>");
    assertEquals([d.usage.flows, d.stack.halfOpenJoins.size], [9, 0]);
  });

  it("EST-3: are in the state that is told of the connection", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 7 backup"]);
    d.pass(1.5e6);
    assertEquals(connectionInfo(app.socket, d.now).joins, [{
      path: 2,
      by: "peer",
      local: { address: "10.0.1.1", port: 80 },
      remote: { address: "10.0.1.2", port: second.remotePort },
      local_id: 1,
      remote_id: 7,
      backup: true,
      state: 3,
      retransmits: 1,
      age: 1500,
    }]);
    second.takeAll();
    second.sends(". 1 ack 1 <join ack>");
    assertEquals(connectionInfo(app.socket, d.now).joins, []);
    assertEquals(connectionInfo(app.socket, d.now).subflows.length, 2);
  });

  it("of ours are in it, too: until the SYN/ACK comes, and until the fourth ACK does", () => {
    using d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0");
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1");
    peer.sends(". 1 ack 1 <dack8 1>");
    const joins = () =>
      connectionInfo(app.socket, d.now).joins.map(({ by, state, local_id }) => [
        by,
        state,
        local_id,
      ]);
    const second = d.called(peer.session);
    second.gets("S 0 <join syn>");
    assertEquals(joins(), [["us", 2, 1]]);
    second.offers({}, "S.", ["join synack id 0"]);
    second.gets(". 1 ack 1 <join ack>");
    assertEquals(joins(), [["us", 1, 1]]);
    second.sends(". 1 ack 1 <dack8 1>");
    assertEquals(joins(), []);
  });

  it("end with their connection: at once, by RSTs", () => {
    for (const how of ["abort", "close"] as const) {
      using d = new Dialogue();
      const { peer, app } = d.opened();
      const seconds = begin(d, peer, 3);
      for (const second of seconds) second.gets("S. 0 ack 1 <join synack>");
      app[how]();
      if (how === "close") {
        peer.gets(". 1 ack 1 <map 1 0 1 fin>");
        // Joins may still bring what the peer has left to say (RFC 8684 appendix D).
        assertEquals(d.stack.halfOpenJoins.size, 3);
        peer.sends(". 1 ack 1 <dack8 2, map8 1 0 1 fin>");
      }
      for (const second of seconds) second.gets("R. 1 ack 1 <tcprst 0>");
      assertEquals(d.stack.halfOpenJoins.size, 0);
    }
  });
});

describe("half-open joins of a host", () => {
  it("EST-3: have a limit over all connections; above it cookies answer, or a RST for want of resources", () => {
    for (const synCookies of ["pressure", "off"] as const) {
      using d = new Dialogue({ tcp: { synCookies }, experiments: { joinBacklog: 255 } });
      const { peer, listener } = d.opened();
      const others: Peer[] = [];
      for (let i = 0; i < 5; i++) {
        const other = d.peer();
        other.offers({}, "S", ["mpc"]);
        other.gets("S. 0 ack 1");
        other.sends(". 1 ack 1 <mpc keys>");
        d.accept(listener);
        d.sent.length = 0;
        others.push(other);
      }
      for (const other of others) begin(d, other, 250);
      d.sent.length = 0;
      assertEquals(d.stack.halfOpenJoins.size, MOST_HALF_OPEN_JOINS);
      const [second] = begin(d, peer, 1);
      if (synCookies === "off") second!.gets("R. 0 ack 1 <tcprst 2 transient>");
      else {
        second!.gets("S. 0 ack 1 <join synack>");
        second!.sends(". 1 ack 1 <join ack>");
        second!.gets(". 1 ack 1");
      }
      assertEquals(d.stack.halfOpenJoins.size, MOST_HALF_OPEN_JOINS);
      d.pass(16e6);
      assertEquals([d.stack.halfOpenJoins.size, d.counter("MPJoinExpired")], [
        0,
        MOST_HALF_OPEN_JOINS,
      ]);
    }
  });
});

describe("pending joins and tokens (draft EST-5, EST-7)", () => {
  /** Two connections of one peer. */
  function two(d: Dialogue): { a: Peer; b: Peer; apps: App[] } {
    const { peer: a, app: one } = d.opened({ port: 80 });
    const { peer: b, app: other } = d.opened({ port: 81 });
    return { a, b, apps: [one, other] };
  }

  for (const family of [4, 6] as const) {
    it(`RFC 8684 §3.2: the HMAC of another connection is none (IPv${family})`, () => {
      using d = new Dialogue({ family });
      const { a, b } = two(d);
      const second = d.peer({ link: 1, session: a.session });
      second.offers({}, "S", ["join syn id 1"]);
      second.gets("S. 0 ack 1 <join synack>");
      const other = d.peer({ link: 1, session: b.session });
      Object.assign(other, {
        remotePort: second.remotePort,
        irs: second.irs,
        next: 1,
        acked: 1,
        theirNonce: second.theirNonce,
        timestamps: true,
      });
      // RFC 8684 §3.2: "If Host B does not receive the expected HMAC or the MP_JOIN option is missing from the ACK, it MUST close the subflow with a TCP RST."
      other.sends(". 1 ack 1 <join ack>");
      other.gets("R. 1 ack 1 <tcprst 1>");
      assertEquals(d.counter("MPJoinAckHMacFailure"), 1);
      assertEquals(d.usage.flows, 2);
    });
  }

  it("EST-5: two joins at once from one address and port, to two addresses, end up in the right connections", () => {
    using d = new Dialogue();
    const { a, b, apps } = two(d);
    // RFC 8684 §3.2: "Demultiplexing subflow SYNs MUST be done using the token; this is unlike traditional TCP, where the destination port is used".
    const joins = [a, b].map(({ session }) => d.peer({ link: 1, port: 4321, session }));
    for (const peer of joins) peer.offers({}, "S", ["join syn id 1"]);
    for (const peer of joins) peer.gets("S. 0 ack 1 <join synack id 1>");
    for (const peer of joins.toReversed()) {
      peer.sends(". 1 ack 1 <join ack>");
      peer.gets(". 1 ack 1");
    }
    for (const [i, peer] of joins.entries()) {
      peer.data(10 + i);
      assertEquals(apps.map((app) => app.read()), i === 0 ? [10, 0] : [0, 11]);
    }
  });
});
