/** The differentiated services field (RFC 2474): that of the connection in every packet, that of a path above it, ECN bits as they were. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue, type DialogueOptions } from "../../support/dialogue.ts";

/** Type of service, or traffic class, of a packet. */
function serviceOf(bytes: Uint8Array): number {
  return bytes[0]! >> 4 === 4 ? bytes[1]! : (bytes[0]! & 15) << 4 | bytes[1]! >> 4;
}

/** Takes out what was sent; the services of all. */
function services(d: Dialogue): number[] {
  return d.sent.splice(0).map(({ bytes }) => serviceOf(bytes));
}

const EF = 46;

describe("RFC 2474: 'dscp' of a connection", () => {
  for (const family of [4, 6] as const) {
    const options: DialogueOptions = { family, tcp: { dscp: EF } };
    for (const mptcp of [true, false]) {
      const kind = `IPv${family}, ${mptcp ? "MPTCP" : "plain TCP"}`;

      it(`stands in every packet of a server, SYN/ACK, data, ACK and FIN (${kind})`, () => {
        using d = new Dialogue(options);
        const listener = d.listen();
        const peer = d.peer();
        peer.offers({}, "S", mptcp ? ["mpc"] : []);
        const synAck = peer.gets("S. 0 ack 1");
        assertEquals(serviceOf(synAck.bytes), EF << 2);
        peer.sends(`. 1 ack 1${mptcp ? " <mpc keys>" : ""}`);
        const app = d.accept(listener);
        if (mptcp) peer.sends(". 1 ack 1 <dack8 1>");
        app.write(3000);
        assertEquals(services(d), [EF << 2, EF << 2, EF << 2]);
        peer.sends(`P. 1:101 ack 3001${mptcp ? " <dack8 3001, map8>" : ""}`);
        d.pass(50e3);
        app.read();
        app.close();
        d.pass(50e3);
        const all = services(d);
        assertEquals(all, all.map(() => EF << 2));
      });
    }

    it(`stands in the SYN of a client, in its third ACK, and in a RST (IPv${family})`, () => {
      using d = new Dialogue(options);
      const app = d.connect();
      const peer = d.called();
      assertEquals(serviceOf(peer.gets("S 0").bytes), EF << 2);
      // Half-open discovery: the RST belongs to no connection of the peer's, but to an attempt of ours.
      peer.sends(". 5000 ack 300");
      assertEquals(serviceOf(peer.gets("R 300").bytes), EF << 2);
      peer.offers({}, "S.", ["mpc key"]);
      assertEquals(serviceOf(peer.gets(". 1 ack 1 <mpc keys>").bytes), EF << 2);
      app.abort();
      assertEquals(serviceOf(peer.gets("R. 1 ack 1").bytes), EF << 2);
    });
  }

  it("stands in what TIME-WAIT answers", () => {
    using d = new Dialogue({ tcp: { dscp: EF } });
    const { peer, app } = d.opened({ mptcp: false });
    app.close();
    peer.gets("F. 1 ack 1");
    peer.sends("F. 1 ack 2");
    assertEquals(serviceOf(peer.gets(". 2 ack 2").bytes), EF << 2);
    peer.sends("F. 1 ack 2");
    assertEquals(serviceOf(peer.gets(". 2 ack 2").bytes), EF << 2);
  });

  it("holds for a join of the peer", () => {
    using d = new Dialogue({ tcp: { dscp: EF } });
    const { peer } = d.opened();
    const join = d.peer({ link: 1, session: peer.session });
    join.offers({}, "S", ["join syn id 1"]);
    assertEquals(serviceOf(join.gets("S. 0 ack 1 <join synack>").bytes), EF << 2);
  });

  it("holds for our joins, and one that a path names stands above it, 0 too", () => {
    using d = new Dialogue({ tcp: { dscp: EF } });
    const { app } = d.dialled();
    const { context } = app.socket.paths;
    const [first] = context.paths;
    const remote = { ...first!.remote, id: 0, family: 4 as const, link: "" };
    const own = context.locals.find(({ address }) => address !== first!.local.address)!;
    const paths = [undefined, 0, 10].map((dscp, copy) =>
      context.index({ local: own, remote, copy, ...(dscp === undefined ? {} : { dscp }) })
    );
    context.use([1, ...paths]);
    d.stack.flush(d.now);
    assertEquals(services(d), [EF << 2, 0, 40]);
  });

  it("is 0 unless asked for", () => {
    using d = new Dialogue();
    d.connect();
    assertEquals(services(d), [0]);
  });
});
