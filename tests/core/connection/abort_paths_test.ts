import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fullMesh } from "../../../pm/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";

describe("MP_FASTCLOSE (RFC 8684 §3.5)", () => {
  /** A connection of ours over two paths. */
  function dialled(d: Dialogue) {
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0 <mpc>");
    d.pass(20e3);
    peer.offers({}, "S.", ["mpc key"]);
    peer.gets(". 1 ack 1 <mpc keys>");
    peer.sends(". 1 ack 1 <dack8 1>");
    const second = d.called(peer.session);
    second.gets("S 0 <join syn id 1>");
    d.pass(20e3);
    second.offers({}, "S.", ["join synack id 0"]);
    second.gets(". 1 ack 1 <join ack>");
    second.sends(". 1 ack 1 <dack8 1>");
    assertEquals(app.socket.subflows.length, 2);
    d.silent();
    return { first: peer, second, app };
  }

  it("of ours opens no path in place of those that it ends", () => {
    using d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const { first, second, app } = dialled(d);
    app.abort();
    first.gets("R. 1 <fastclose>");
    second.gets("R. 1 <fastclose>");
    d.silent();
    assertEquals(d.counter("MPJoinSynTx"), 1);
  });

  it("of the peer opens no path in place of those that it ends", () => {
    using d = new Dialogue({ policies: { pathManager: fullMesh() } });
    const { first, second, app } = dialled(d);
    first.sends("R. 1 ack 1 <fastclose>");
    assertEquals(app.code, "ConnectionReset");
    second.gets("R. 1");
    d.silent();
    assertEquals(d.counter("MPJoinSynTx"), 1);
  });
});
