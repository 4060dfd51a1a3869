/** How a connection ends: appendix D and §3.3.3 of RFC 8684, arrow by arrow, at both ends and in both families. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type App, Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";
import type { Peer } from "../../support/scripted_peer.ts";

/** What moves a connection: close() of ours, the peer's DATA_FIN, its DATA_ACK of ours. */
const EVENTS: Readonly<Record<string, (app: App, peer: Peer) => void>> = {
  M_CLOSE: (app) => app.finish(),
  "rcv DATA_FIN": (app, peer) =>
    peer.sends(`. <dack8 ${app.socket.finAcked ? 2 : 1}, map8 1 0 1 fin>`),
  "rcv DATA_ACK[DFIN]": (_, peer) => peer.sends(". <dack8 2>"),
};

/** Figure 22, without the M_ of its names; who ended second is in TIME_WAIT, too, until its subflows are closed. */
const FIGURE = `
from         event               to          FINs
ESTAB        M_CLOSE             FIN_WAIT_1  no
ESTAB        rcv DATA_FIN        CLOSE_WAIT  no
FIN_WAIT_1   rcv DATA_ACK[DFIN]  FIN_WAIT_2  no
FIN_WAIT_1   rcv DATA_FIN        CLOSING     no
FIN_WAIT_2   rcv DATA_FIN        TIME_WAIT   yes
CLOSING      rcv DATA_ACK[DFIN]  TIME_WAIT   yes
CLOSE_WAIT   M_CLOSE             LAST_ACK    no
LAST_ACK     rcv DATA_ACK[DFIN]  TIME_WAIT   yes
`;

const WAYS = [
  ["M_CLOSE", "rcv DATA_ACK[DFIN]", "rcv DATA_FIN"],
  ["M_CLOSE", "rcv DATA_FIN", "rcv DATA_ACK[DFIN]"],
  ["rcv DATA_FIN", "M_CLOSE", "rcv DATA_ACK[DFIN]"],
];

for (const family of [4, 6] as const) {
  for (const role of ["client", "server"] as const) {
    const open = (d: Dialogue): { peer: Peer; app: App } =>
      role === "client" ? d.dialled() : d.opened();
    const made = (options: DialogueOptions = {}) => new Dialogue({ family, ...options });

    describe(`the end of a connection (RFC 8684 §3.3.3, appendix D; ${role}, IPv${family})`, () => {
      it("TRM-6: goes along every arrow of Figure 22, and along no other", () => {
        const arrows = new Set<string>();
        for (const way of WAYS) {
          using d = made();
          const { peer, app } = open(d);
          for (const event of way) {
            const from = app.socket.state;
            EVENTS[event]!(app, peer);
            const fins = peer.takeAll().some(({ flags }) => flags.includes("F"));
            arrows.add(
              `${from.padEnd(13)}${event.padEnd(20)}${app.socket.state.padEnd(12)}${
                fins ? "yes" : "no"
              }`,
            );
          }
          assertEquals(app.code, null);
          // All subflows in CLOSED: delete MPTCP PCB.
          app.close();
          peer.sends("F. 1 ack 2 <dack8 2>");
          assertEquals([d.usage.connections, d.usage.tokens], [0, 0]);
        }
        const rows = FIGURE.trim().split("\n").slice(1);
        assertEquals([...arrows].sort(), [...rows].sort());
      });

      for (const closeTimeout of [0, 5e6]) {
        it(`break before make: without a subflow it waits ${closeTimeout / 1e6} s for one, where that is asked for`, () => {
          using d = made({ experiments: { closeTimeout } });
          const { peer, app } = open(d);
          peer.sends("R 1");
          if (closeTimeout > 0) {
            d.pass(closeTimeout - 1);
            assertEquals(app.code, undefined);
          }
          d.pass(1);
          assertEquals([app.code, d.usage.flows], ["ConnectionReset", 0]);
          app.close();
          assertEquals(d.usage.connections, 0);
        });

        it(`waits ${closeTimeout / 1e6} s for the DATA_FIN of a peer whose FIN has come on its only subflow`, () => {
          using d = made({ experiments: { closeTimeout } });
          const { peer, app } = open(d);
          peer.sends("F. 1 ack 1 <dack8 1>");
          if (closeTimeout > 0) {
            d.pass(closeTimeout - 1);
            assertEquals(app.code, undefined);
          }
          d.pass(1);
          assertEquals(app.code, "ConnectionReset");
        });
      }
    });
  }

  describe(`subflows at the end (RFC 8684 §3.3.3, IPv${family})`, () => {
    // RFC 8684 §3.3.3: "Once a DATA_FIN has been acknowledged, all remaining subflows MUST be closed with standard FIN exchanges."
    // RFC 8684 §3.3.3: "Both hosts SHOULD send FINs on all subflows, as a courtesy, to allow middleboxes to clean up state even if an individual subflow has failed."
    it("RFC 8684 §3.3.3: all get a FIN when both DATA_FINs are acknowledged, and no RST", () => {
      using d = new Dialogue({ family });
      const { first, second, app } = joined(d);
      app.close();
      d.sent.length = 0;
      first.sends(". 1 ack 1 <dack8 2, map8 1 0 1 fin>");
      assertEquals(
        [first, second].map((peer) =>
          peer.takeAll().map(({ flags }) => flags).filter((flags) => /[FR]/.test(flags))
        ),
        [["F."], ["F."]],
      );
      for (const peer of [first, second]) peer.sends("F. 1 ack 2 <dack8 2>");
      assertEquals([d.usage.connections, d.counter("TcpOutRsts")], [0, 0]);
    });

    it("break before make: a subflow that comes within the time goes on where the last one stopped", () => {
      using d = new Dialogue({ family, experiments: { closeTimeout: 5e6 } });
      const { peer, app } = d.opened();
      app.write(1000);
      peer.takeAll();
      peer.sends("R 1");
      d.pass(4e6);
      const second = d.peer({ link: 1, session: peer.session });
      second.offers({}, "S", ["join syn id 1"]);
      second.gets("S. 0 ack 1 <join synack>");
      d.pass(20e3);
      second.sends(". 1 ack 1 <join ack>");
      second.gets("P. 1:1001 ack 1 <map 1 1 1000>");
      second.sends(". 1 ack 1001 <dack8 1001>");
      d.pass(20e6);
      assertEquals([app.code, app.socket.unacked], [undefined, 0]);
    });

    it("a join that is half open when the connection ends is reset, and leaves nothing", () => {
      using d = new Dialogue({ family });
      const { peer, app } = d.opened();
      const late = d.peer({ link: 1, session: peer.session });
      late.offers({}, "S", ["join syn id 1"]);
      late.gets("S. 0 ack 1 <join synack>");
      app.close();
      d.sent.length = 0;
      peer.sends(". 1 ack 1 <dack8 2, map8 1 0 1 fin>");
      assert(late.takeAll().some(({ flags }) => flags.includes("R")), "no RST");
      peer.sends("F. 1 ack 2 <dack8 2>");
      late.sends(". 1 ack 1 <join ack>");
      assertEquals(d.usage.connections, 0);
      late.gets("R");
    });
  });

  describe(`the table of local addresses (draft §2.3, PM-1, IPv${family})`, () => {
    const expected = (d: Dialogue) =>
      [0, 1].map((link) => `${link} ${d.address(link)}`).map((text) =>
        text.replace("fd00:0:0:0::", "fd00::")
      );
    const table = (app: App) =>
      app.socket.paths.context.locals.map(({ id, address }) => `${id} ${address}`);

    it("PM-1: is there when a connection of ours is begun, and when it is bound to an address", () => {
      using d = new Dialogue({ family });
      const { app } = d.dialled();
      assertEquals(table(app), expected(d));
    });

    it("PM-1: is there when a server's connection is established, and follows the host's addresses", () => {
      using d = new Dialogue({ family });
      const { app } = d.opened();
      assertEquals(table(app), expected(d));
      d.stack.removeAddress(d.now, d.address(1));
      assertEquals(table(app).length, 1);
    });
  });
}
