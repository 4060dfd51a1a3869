/** Counters have the kernel's names and count what those count. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";
import { join } from "../../support/joins.ts";

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
    const second = join(d, peer, 1);
    d.stack.setLinkUp(d.now, d.links[1]!, false);
    second.gets("R. 1");
    assertEquals(d.counter("TcpOutRsts"), 1);
    app.abort();
    assertEquals(d.counter("TcpOutRsts"), 2);
  });
});
