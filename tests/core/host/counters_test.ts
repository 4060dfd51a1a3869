/** Counters have the kernel's names and count what those count. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { connectionInfo } from "../../../core/net/info.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { join, joined } from "../../support/joins.ts";

describe("MPTcpExt", () => {
  it("MPJoinSynRx counts joins as backup too, which MPJoinSynBackupRx counts beside it", () => {
    using d = new Dialogue();
    const { peer } = d.opened();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 2 backup"]);
    assertEquals([d.counter("MPJoinSynRx"), d.counter("MPJoinSynBackupRx")], [1, 1]);
  });

  it("MPRstRx counts RSTs with MP_TCPRST", () => {
    using d = new Dialogue();
    const { peer } = d.opened();
    const second = join(d, peer, 1);
    second.sends("R. ack 1 <tcprst 3>");
    assertEquals(d.counter("MPRstRx"), 1);
  });

  it("OFOQueue counts what lies above a hole in the data, not what came before", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.data(100);
    peer.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 100>");
    assertEquals(app.read(), 100);
    assertEquals(d.counter("OFOQueue"), 0);
    const second = join(d, peer, 1);
    second.sends("P. 1:101 ack 1 <dack8 1, map8 201 1 100>");
    assertEquals(d.counter("OFOQueue"), 1);
  });
});

describe("Tcp", () => {
  it("TcpOutRsts counts every RST, of a connection or not", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    join(d, peer, 1);
    app.abort();
    assertEquals(d.counter("TcpOutRsts"), 2);
    peer.takeAll();
    peer.sends(". ack 1");
    peer.gets("R");
    assertEquals(d.counter("TcpOutRsts"), 3);
  });
});

describe("bytes_received", () => {
  const info = (app: App, d: Dialogue) => {
    const { mptcp, subflows } = connectionInfo(app.socket, d.now);
    return [mptcp.bytes_received, ...subflows.map(({ tcp }) => tcp.bytes_received)];
  };

  for (const mptcp of [true, false]) {
    it(`is what came in order, read or not, once (${mptcp ? "MPTCP" : "plain TCP"})`, () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp });
      const map = (n: number): string => mptcp ? ` <dack8 1, map8 ${n} ${n} 100>` : "";
      peer.sends(`P. 1:101 ack 1${map(1)}`);
      assertEquals(info(app, d), [100, 100]);
      peer.sends(`P. 201:301 ack 1${map(201)}`);
      peer.sends(`P. 1:101 ack 1${map(1)}`);
      assertEquals(info(app, d), [100, 100]);
      peer.sends(`P. 101:201 ack 1${map(101)}`);
      assertEquals(info(app, d), [300, 300]);
      assertEquals(app.read(), 300);
      peer.sends(mptcp ? ". 301 ack 1 <dack8 1, map8 301 0 1 fin>" : "F. 301 ack 1");
      if (mptcp) peer.sends("F. 301 ack 1 <dack8 1>");
      assertEquals(info(app, d), [300, 300]);
    });
  }

  it("of the connection counts once what two subflows bring", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    first.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 100>");
    second.sends("P. 1:101 ack 1 <dack8 1, map8 1 1 100>");
    assertEquals(info(app, d), [100, 100, 100]);
  });

  it("counts what nobody will read", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.socket.discard(d.now);
    peer.data(100);
    assertEquals(info(app, d), [100, 100]);
  });
});
