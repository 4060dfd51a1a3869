/** Who goes on when a link that was full takes packets again. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { MetaSocket } from "../../../core/connection/meta_socket.ts";
import { fullMesh } from "../../../pm/mod.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";
import type { Peer } from "../../support/scripted_peer.ts";

const MSS = 1428;

/** All links refuse what they are given. */
function fill(d: Dialogue): void {
  for (const link of d.links) link.full = true;
}

/** All links take packets again; the connections that get a send pass by it, once for each pass. */
function drain(d: Dialogue): MetaSocket[] {
  const passes: MetaSocket[] = [];
  const { stack } = d;
  const dirty = stack.dirty;
  stack.dirty = (connection) => {
    passes.push(connection);
    dirty.call(stack, connection);
  };
  for (const link of d.links) {
    link.full = false;
    stack.handleWritable(d.now, link);
  }
  stack.flush(d.now);
  stack.dirty = dirty;
  return passes;
}

describe("a link that takes packets again", () => {
  it("wakes the one connection that waits among 1,000 that are idle, once", () => {
    using d = new Dialogue();
    const idle = Array.from({ length: 1000 }, (_, i) => d.opened({ port: 1000 + i }));
    const { peer, app } = d.opened();
    fill(d);
    app.write(MSS);
    app.write(MSS);
    d.silent();
    assertEquals(drain(d), [app.socket]);
    assertEquals(peer.takeAll().length, 2);
    fill(d);
    assertEquals(drain(d), []);
    assertEquals(idle.length, 1000);
  });

  it("wakes those that wait in the order in which they began to", () => {
    using d = new Dialogue();
    const apps = [81, 82, 83].map((port) => d.opened({ port }).app);
    fill(d);
    const order = [apps[2]!, apps[0]!, apps[2]!, apps[1]!, apps[0]!];
    for (const app of order) app.write(MSS);
    assertEquals(drain(d).map((socket) => socket.localEndpoint.port), [83, 81, 82]);
  });

  it("wakes a connection that found it full by what it refused to somebody else", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    fill(d);
    d.peer({ port: 99 }).sends("S 0 <mss 1460>");
    d.links[0]!.full = false; // nobody has been told yet
    app.write(MSS);
    d.silent();
    assertEquals(drain(d), [app.socket]);
    assertEquals(peer.takeAll().length, 1);
  });

  it("wakes a connection once that waited for several", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    fill(d);
    app.write(30 * MSS);
    assertEquals(drain(d), [app.socket]);
    const sent = first.takeAll().length + second.takeAll().length;
    assertEquals(sent, 20); // both initial windows
  });

  it("does no harm to a connection that has ended meanwhile", () => {
    using d = new Dialogue();
    const { app } = d.opened();
    fill(d);
    app.write(MSS);
    app.abort();
    app.close();
    drain(d);
    d.silent();
    const { flows, connections, timers } = d.usage;
    assertEquals([flows, connections, timers], [0, 0, 0]);
  });
});

describe("a connection that was refused goes on", () => {
  /** Data up to the last byte of a buffer of 20,000; returns the connection, its window closed. */
  function filled(d: Dialogue): { peer: Peer; app: App } {
    const { peer, app } = d.opened();
    for (let i = 0; i < 14; i++) peer.data(1400);
    peer.data(400);
    d.pass(50e3);
    assertEquals(peer.takeAll().at(-1)!.win, 0);
    return { peer, app };
  }

  it("with a window that opens as the application reads, where no pass follows", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 20000 } });
    const { peer, app } = filled(d);
    fill(d);
    app.read();
    d.silent();
    assertEquals(drain(d), [app.socket]);
    assertEquals(peer.takeAll().at(-1)!.win, 20000);
  });

  it("with a delayed ACK", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.data(100);
    fill(d);
    d.pass(50e3);
    assertEquals(drain(d), [app.socket]);
    peer.gets(". 1 ack 101");
  });

  it("with the third ACK of a join, which no pass follows (RFC 8684 §3.2)", () => {
    using d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    d.pass(20e3);
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    peer.sends(". 1 ack 1 <dack8 1>");
    const second = d.called(peer.session);
    second.gets("S 0 <join syn id 1>");
    fill(d);
    second.offers({}, "S.", ["join synack id 0"]);
    d.silent();
    assertEquals(drain(d), [app.socket]);
    second.gets(". 1 ack 1 <join ack>");
    second.takeAll();
    fill(d);
    second.offers({}, "S.", ["join synack id 0"]); // it was lost: the answer comes again
    assertEquals(drain(d), [app.socket]);
    second.gets(". 1 ack 1 <join ack>");
  });

  it("with the probe of a window of zero (RFC 9293 §3.8.6.1)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ scale: 0, win: 1000 });
    app.write(1000);
    peer.takeAll();
    peer.sends(". ack 1001 win 0 <dack8 1001>");
    app.write(1000);
    fill(d);
    d.pass(2e6);
    d.silent();
    assertEquals(drain(d), [app.socket]);
    assert(peer.takeAll().length > 0);
    d.untilSent();
    peer.gets(". 1000 ack 1");
  });

  it("with the DATA_FIN that nothing below the data level repeats", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.finish();
    peer.gets(". 1 ack 1 <map 1 0 1 fin>");
    fill(d);
    d.pass(1e6);
    assertEquals(drain(d), [app.socket]);
    peer.takeAll();
    d.untilSent();
    peer.gets(". 1 ack 1 <map 1 0 1 fin>");
  });

  it("with the FIN of a subflow", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    fill(d);
    app.finish();
    d.silent();
    assertEquals(drain(d), [app.socket]);
    peer.gets("F. 1 ack 1");
  });

  it("with what was lost: it goes again when there is room", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(MSS);
    peer.takeAll();
    fill(d);
    d.pass(1e6);
    assertEquals(drain(d), [app.socket]);
    assertEquals(peer.takeAll().map(({ seq, end }) => [seq, end]), [[1, 1 + MSS]]);
  });

  it("with its SYN, by the timer of the SYN (RFC 6298 §2.1)", () => {
    using d = new Dialogue();
    fill(d);
    d.connect();
    d.silent();
    drain(d);
    d.silent();
    assertEquals(d.untilSent(), 1e6);
    d.called().gets("S 0 <mpc>");
  });
});
