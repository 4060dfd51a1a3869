/** Subflows that are used no longer although they work: a FIN exchange ends them (RFC 8684 §3.3.3, §3.4.2). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fullMesh } from "../../../pm/mod.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { join, joined } from "../../support/joins.ts";
import type { Peer } from "../../support/scripted_peer.ts";

/** Ways in which we let go of the second subflow. */
const WAYS: readonly [string, (d: Dialogue, app: App) => void][] = [
  ["use() leaves its path out", (d, app) => {
    app.socket.paths.context.use([1]);
    d.stack.flush(d.now);
  }],
  ["its address is removed", (d) => d.stack.removeAddress(d.now, d.address(1))],
];

for (const family of [4, 6] as const) {
  for (const [how, leave] of WAYS) {
    describe(`a subflow that works, as ${how} (IPv${family})`, () => {
      // RFC 8684 §3.4.2: "A subflow that is still functioning MUST be closed with a FIN exchange as in regular TCP"
      it("ends by a FIN exchange, with no RST", () => {
        using d = new Dialogue({ family });
        const { first, second, app } = joined(d);
        leave(d, app);
        first.takeAll();
        second.gets("F. 1 ack 1 <dack 1>");
        d.silent();
        assertEquals(app.socket.subflows.length, 2);
        second.sends("F. 1 ack 2 <dack8 1>");
        second.gets(". 2 ack 2");
        d.silent();
        assertEquals(app.socket.subflows.length, 1);
        assertEquals(
          [d.counter("RmSubflow"), d.counter("TcpOutRsts"), d.counter("MPRstTx")],
          [1, 0, 0],
        );
        d.pass(120e6);
        assertEquals(d.usage.flows, 1);
      });

      it("carries nothing new meanwhile; what it carries goes again at once on the other", () => {
        using d = new Dialogue({ family });
        const { first, second, app } = joined(d, { rtt: 50e3 }, { rtt: 10e3 });
        app.write(1000);
        second.gets("P. 1:1001 <map 1 1 1000>");
        leave(d, app);
        const again = first.takeAll().find(({ end }) => end > 1);
        assertEquals(again?.options.includes("map 1 1 1000"), true);
        second.gets("F. 1001 ack 1");
        app.write(1000);
        first.gets("P. 1001:2001 <map 1001 1001 1000>");
        d.silent();
      });

      it("still takes what comes on it until the peer has finished too", () => {
        using d = new Dialogue({ family });
        const { first, second, app } = joined(d);
        leave(d, app);
        first.takeAll();
        second.gets("F. 1");
        second.sends("P. 1:101 ack 2 <dack8 1, map8 1 1 100>");
        assertEquals(app.read(), 100);
        second.sends("P. 101:201 ack 2 <dack8 1, map8 101 101 100>");
        d.untilSent();
        second.gets(". 2 ack 201 <dack8 201>");
        second.sends("F. 201 ack 2 <dack8 1>");
        second.gets(". 2 ack 202");
        assertEquals([app.read(), app.socket.subflows.length], [100, 1]);
      });

      it("is reset when its FIN is never answered", () => {
        using d = new Dialogue({ family });
        const { first, second, app } = joined(d);
        leave(d, app);
        d.pass(60e6);
        first.takeAll();
        assertEquals(
          second.takeAll().map(({ flags }) => flags).join(" "),
          "F. F. F. F. F. R.",
        );
        assertEquals([app.socket.subflows.length, d.usage.flows], [1, 1]);
        app.write(10);
        first.gets("P. 1:11");
      });

      it("ends after a minute when the peer acknowledges the FIN and never finishes", () => {
        using d = new Dialogue({ family });
        const { first, second, app } = joined(d);
        leave(d, app);
        second.gets("F. 1");
        second.sends(". 1 ack 2 <dack8 1>");
        d.pass(59e6);
        assertEquals(app.socket.subflows.length, 2);
        d.pass(1e6);
        assertEquals([app.socket.subflows.length, d.usage.flows], [1, 1]);
        first.takeAll();
        second.sends("P. 1:101 ack 2 <dack8 1, map8 1 1 100>");
        second.takeAll();
        assertEquals(app.read(), 0);
      });

      it("goes on with its FIN when its link takes packets again", () => {
        using d = new Dialogue({ family });
        const { second, app } = joined(d);
        d.links[1]!.full = true;
        leave(d, app);
        assertEquals(second.pending, false);
        d.links[1]!.full = false;
        d.stack.handleWritable(d.now, d.links[1]!);
        d.stack.flush(d.now);
        second.gets("F. 1");
      });
    });
  }
}

/** A connection of ours whose second path has sent the third ACK of its join. */
function joining(d: Dialogue): { readonly app: App; readonly first: Peer; readonly second: Peer } {
  const app = d.connect();
  const peer = d.called();
  peer.gets("S 0");
  peer.offers({}, "S.", ["mpc key"]);
  peer.gets(". 1 ack 1 <mpc keys>");
  peer.sends(". 1 ack 1 <dack8 1>");
  const second = d.called(peer.session);
  second.gets("S 0 <join syn id 1>");
  second.offers({}, "S.", ["join synack id 0"]);
  second.gets(". 1 ack 1 <join ack>");
  return { app, first: peer, second };
}

describe("a subflow that is left", () => {
  it("and does not work, is reset at once (RFC 8684 §3.4.2)", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 50e3 }, { rtt: 10e3 });
    app.write(1000);
    while (app.socket.subflows[1]?.stale === false) d.pass(100e3);
    second.takeAll();
    app.socket.paths.context.use([1]);
    d.stack.flush(d.now);
    second.gets("R.");
    first.takeAll();
    assertEquals(app.socket.subflows.length, 1);
  });

  it("before its handshake is over, is never joined", () => {
    const d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const { peer, app } = d.dialled();
    peer.sends(". 1 ack 1 <dack8 1>");
    assertEquals(app.socket.attempts.length, 2);
    app.socket.paths.context.use([1]);
    d.stack.flush(d.now);
    assertEquals(app.socket.attempts.length, 1);
    d.silent();
    d.stack.free();
  });

  it("before its fourth ACK, is reset", () => {
    const d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const { app, second } = joining(d);
    app.socket.paths.context.use([1]);
    d.stack.flush(d.now);
    second.gets("R. 1");
    assertEquals(app.socket.attempts.length, 1);
    d.stack.free();
  });

  it("is opened anew when it has ended, where it is wanted again", () => {
    const d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const { app, first, second } = joining(d);
    second.sends(". 1 ack 1 <dack8 1>");
    const { path } = app.socket.subflows[1]!;
    app.socket.paths.context.use([1]);
    app.socket.paths.context.use([1, path]);
    d.stack.flush(d.now);
    second.gets("F. 1");
    d.silent();
    second.sends("F. 1 ack 2 <dack8 1>");
    second.gets(". 2 ack 2");
    const third = d.called(first.session);
    third.gets("S 0 <join syn id 1>");
    assert(third.localPort !== second.localPort);
    d.stack.free();
  });

  it("as the only one there ever was, repeats what is lost until it is acknowledged, before a RST: to a peer that our options reach no longer a FIN is the end of the data", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(500);
    peer.gets("P. 1:501 <map 1 1 500>");
    peer.sends(". 1 ack 501 <dack8 501>");
    app.write(500);
    peer.lose();
    app.socket.paths.context.use([]);
    d.stack.flush(d.now);
    peer.lose();
    d.untilSent();
    peer.gets("P. 501:1001 <map 501 501 500>");
    peer.sends(". 1 ack 1001 <dack8 1001>");
    peer.gets("R. 1001");
    assertEquals([app.socket.unacked, app.socket.subflows.length, app.code], [0, 0, undefined]);
  });

  it("as the last one, is waited for a minute in vain, and the end tells that it was left here", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(500);
    peer.gets("P. 1:501 <map 1 1 500>");
    peer.sends(". 1 ack 501 <dack8 501>");
    app.socket.paths.context.use([]);
    d.stack.flush(d.now);
    peer.gets("R. 501");
    d.pass(59e6);
    assertEquals(app.code, undefined);
    d.pass(2e6);
    assertEquals([app.code, app.reason], ["ConnectionAborted", "path-left"]);
  });

  it("as the last one of several, by FINs, likewise: the peer is not blamed for its answer", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    app.socket.paths.context.use([]);
    d.stack.flush(d.now);
    for (const peer of [first, second]) {
      peer.gets("F. 1 ack 1 <dack 1>");
      peer.sends("F. 1 ack 2 <dack8 1>");
      peer.gets(". 2 ack 2");
    }
    d.pass(59e6);
    assertEquals(app.code, undefined);
    d.pass(62e6);
    assertEquals([app.code, app.reason], ["ConnectionAborted", "path-left"]);
  });

  it("as the only one, with data and no DATA_ACK yet, is reset: the peer may have fallen back, and a FIN be the end of the data to it", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(1000);
    peer.gets("P. 1:1001 <map 1 1 1000>");
    d.stack.removeAddress(d.now, d.address(0));
    peer.gets("R.");
    assertEquals([app.socket.fallback, app.code], [false, undefined]);
  });

  it("on plain TCP is reset: its FIN would be the end of the data", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.write(1000);
    peer.gets("P. 1:1001");
    d.stack.removeAddress(d.now, d.address(0));
    peer.gets("R.");
    assertEquals(app.code, "NetworkUnreachable");
  });

  it("with its link ends at once, as nothing can pass", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 50e3 }, { rtt: 10e3 });
    app.write(1000);
    second.gets("P. 1:1001");
    d.stack.setLinkUp(d.now, d.links[1]!, false);
    assertEquals(app.socket.subflows.length, 1);
    assertEquals(first.takeAll().at(-1)?.end, 1001);
    assertEquals(d.counter("RmSubflow"), 1);
  });

  for (
    const [how, leave] of [
      ["peer takes their address back", (peer) => peer.sends(". 1 ack 1 <rm 1 2 3 4 5 6 7 8>")],
      ["path manager leaves them out", (_, app) => app.socket.paths.context.use([1])],
    ] as readonly [string, (peer: Peer, app: App) => void][]
  ) {
    it(`counts against the limit of joins until it has ended, as the ${how}: no peer can heap them up`, () => {
      using d = new Dialogue();
      const { peer, app } = d.opened();
      for (let id = 1; id <= 8; id++) join(d, peer, 1, {}, id);
      leave(peer, app);
      d.stack.flush(d.now);
      d.sent.length = 0;
      const ninth = d.peer({ link: 1, session: peer.session });
      ninth.offers({}, "S", ["join syn id 9"]);
      ninth.gets("R. <tcprst 2 transient>");
      d.pass(60e6);
      d.sent.length = 0;
      join(d, peer, 1, {}, 9);
      assertEquals(app.socket.subflows.length, 2);
    });
  }
});

describe("the only subflow there ever was, left while the peer falls back to plain TCP", () => {
  for (const [how] of WAYS) {
    for (
      const [what, line] of [
        ["tells so by its acknowledgements", ". 1 ack 6001"],
        ["tells so by data", "P. 1:101 ack 3001"],
        ["tells so by the end of its data", "F. 1 ack 3001"],
        ["is not heard", null],
      ] as const
    ) {
      it(`ends by a RST, and the connection by an error, where the peer ${what}, as ${how}`, () => {
        using d = new Dialogue();
        const { peer, app } = d.opened();
        app.write(1000);
        peer.gets("P. 1:1001");
        peer.sends(". 1 ack 1001 <dack8 1001>");
        app.write(5000);
        if (how.startsWith("use")) app.socket.paths.context.use([]);
        else d.stack.removeAddress(d.now, d.address(0));
        d.stack.flush(d.now);
        peer.takeAll();
        d.pass(20e3);
        if (line !== null) peer.sends(line);
        const sent: string[] = [];
        for (let t = 0; t < 600 && app.code === undefined; t++) {
          d.pass(1e6);
          sent.push(...peer.takeAll().map(({ flags }) => flags));
        }
        // Nothing that no mapping has told where to put, and no FIN, which would be the end of our data.
        assertEquals(app.read(), 0);
        assertEquals([sent.at(-1), sent.some((each) => each.includes("F"))], ["R.", false]);
        assert(app.code !== undefined && app.code !== null, `${app.code}`);
        assertEquals(d.usage.flows, 0);
      });
    }
  }
});
