/** MP_FASTCLOSE in both forms (RFC 8684 §3.5): on RSTs, and on an ACK that is repeated until a RST answers it. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";
import { type Peer, withData } from "../../support/scripted_peer.ts";

/** What was sent to `peer` until now, with flags and the option. */
function told(peer: Peer): string[] {
  return peer.takeAll().map(({ flags, seq, options }) => {
    const option = options.find((each) => /^(fastclose|tcprst)/.test(each)) ?? "";
    return `${flags}${seq} ${option}`.trim();
  });
}

for (const family of [4, 6] as const) {
  for (const checksum of [false, true]) {
    const experiments = { fastclose: "ack" as const, checksum };
    const made = () => new Dialogue({ family, experiments });
    const two = (d: Dialogue) => joined(d, { checksum }, { rtt: 60e3 });

    describe(`MP_FASTCLOSE on an ACK (RFC 8684 §3.5, IPv${family}${checksum ? ", checksums" : ""})`, () => {
      it("goes on one subflow, with RSTs on the others; the RST that answers ends it", () => {
        using d = made();
        const { first, second, app } = two(d);
        app.abort();
        assertEquals([told(first), told(second)], [[".1 fastclose"], ["R.1 tcprst 0"]]);
        assertEquals([app.code, app.socket.attempts.length], ["ConnectionAborted", 1]);
        first.sends("R 1");
        assertEquals(app.socket.attempts.length, 0);
        app.close();
        assertEquals([d.usage.connections, d.usage.flows, d.usage.timers], [0, 0, 0]);
        d.pass(600e6);
        d.silent();
        assertEquals(d.counter("MPFastcloseTx"), 1);
      });

      // RFC 8684 §3.5: "If Host A does not receive a TCP RST in reply to its MP_FASTCLOSE after one retransmission timeout (RTO) (the RTO of the subflow where the MP_FASTCLOSE has been sent), it SHOULD retransmit the MP_FASTCLOSE."
      // RFC 8684 §3.5: "the number of retransmissions SHOULD be limited; this limit is implementation specific"
      // RFC 8684 §3.5: "A RECOMMENDED number is 3."
      // RFC 8684 §3.5: "If no TCP RST is received in response, Host A SHOULD send a TCP RST with the MP_FASTCLOSE option itself when it releases state in order to clear any remaining state at middleboxes."
      it("RFC 8684 §3.5: is repeated after the timeout of its subflow, three times, then goes on a RST, and nothing is left", () => {
        using d = made();
        const { first, app } = two(d);
        const timeout = app.socket.subflows[0]!.sender.rtt.base;
        app.abort();
        app.close();
        assertEquals(told(first), [".1 fastclose"]);
        d.sent.length = 0;
        for (const times of [1, 2, 4]) {
          assertEquals(d.untilSent(), times * timeout);
          assertEquals(told(first), [".1 fastclose"]);
        }
        assertEquals(d.untilSent(), 8 * timeout);
        assertEquals(told(first), ["R.1 fastclose"]);
        assertEquals([d.usage.connections, d.usage.flows, d.usage.timers], [0, 0, 0]);
      });

      it("takes nothing any more, and answers nothing, while it waits", () => {
        using d = made();
        const { first, app } = two(d);
        app.abort();
        d.sent.length = 0;
        const sum = checksum ? " csum" : "";
        first.data(100, sum);
        first.sends(`P. +100 <dack8 1, map8${sum}>`);
        first.sends("F. +0 <dack8 1>");
        first.sends(". <noTS, add 5 10.0.7.5>");
        d.silent();
        assertEquals([app.socket.readable, d.counter("AddAddr")], [0, 0]);
        d.untilSent();
        first.gets(". 1 ack 1 <fastclose, !dack>");
      });

      it("is answered by who has done the same at the same time: a RST, and both are done", () => {
        using d = made();
        const { first, app } = two(d);
        app.abort();
        d.sent.length = 0;
        first.sends(". 1 ack 1 <fastclose>");
        assertEquals(told(first), ["R.1 tcprst 0"]);
        app.close();
        assertEquals([d.usage.connections, app.code], [0, "ConnectionAborted"]);
      });

      it("of a peer whose key is wrong is none; a RST at another number is answered by the option once more", () => {
        using d = made();
        const { first, app } = two(d);
        app.abort();
        d.sent.length = 0;
        first.sends(". 1 ack 1 <fastclose bad>");
        d.silent();
        first.sends("R 500");
        assertEquals(told(first), [".1 fastclose"]);
        assertEquals(app.socket.attempts.length, 1);
        first.sends("R 90000000");
        d.silent();
        first.sends("R 1");
        assertEquals(app.socket.attempts.length, 0);
      });

      it("behind data in flight has their end as its number; they do not go again", () => {
        using d = made();
        const { first, second, app } = two(d);
        app.write(1000);
        const carrier = first.pending ? first : second;
        carrier.takeAll();
        app.abort();
        const all = [...told(first), ...told(second)];
        assert(all.includes(carrier === first ? ".1001 fastclose" : ".1 fastclose"), `${all}`);
        d.pass(100e3);
        assertEquals(withData([...first.takeAll(), ...second.takeAll()]), []);
      });
    });
  }

  for (const form of ["rst", "ack"] as const) {
    for (const role of ["client", "server"] as const) {
      const open = (d: Dialogue): { peer: Peer; app: App } =>
        role === "client" ? d.dialled() : d.opened();

      describe(`MP_FASTCLOSE at a ${role} that sends it by ${form} (IPv${family})`, () => {
        it("ends the connection at once, in either form; with a wrong key it does not", () => {
          for (const line of [". 1 ack 1 <fastclose>", "R. 1 ack 1 <fastclose>"]) {
            using d = new Dialogue({ family, experiments: { fastclose: form } });
            const { peer, app } = open(d);
            peer.sends(line);
            assertEquals(app.code, "ConnectionReset");
            assertEquals(told(peer), line.startsWith("R") ? [] : ["R.1 tcprst 0"]);
            assertEquals(d.counter("MPFastcloseRx"), 1);
          }
          using d = new Dialogue({ family, experiments: { fastclose: form } });
          const { peer, app } = open(d);
          peer.sends(". 1 ack 1 <fastclose bad>");
          assertEquals([app.code, d.counter("MPFastcloseRx")], [undefined, 0]);
        });

        it("is how close() ends what nobody has read, and data that come later", () => {
          for (const late of [false, true]) {
            using d = new Dialogue({ family, experiments: { fastclose: form } });
            const { peer, app } = open(d);
            if (!late) peer.data(100);
            d.sent.length = 0;
            app.close();
            if (late) {
              d.sent.length = 0;
              peer.data(100);
            }
            const said = told(peer);
            assert(
              said.some((each) =>
                each.startsWith(form === "ack" ? "." : "R.") && each.endsWith("fastclose")
              ),
              `${said}`,
            );
            peer.sends("R");
            d.pass(60e6);
            assertEquals(d.usage.connections, 0);
          }
        });

        it("is none on plain TCP", () => {
          using d = new Dialogue({ family, experiments: { fastclose: form } });
          const { peer, app } = role === "client"
            ? d.dialled({ mptcp: false })
            : d.opened({ mptcp: false });
          app.abort();
          assertEquals(told(peer), ["R.1"]);
        });
      });
    }
  }
}

describe("MP_FASTCLOSE on an ACK where no subflow can carry it", () => {
  it("goes as RSTs: the link is full, or all have a FIN of the peer", () => {
    for (const how of ["full", "finished"]) {
      using d = new Dialogue({ experiments: { fastclose: "ack" } });
      const { peer, app } = d.opened();
      if (how === "finished") {
        peer.sends("F. 1 ack 1 <dack8 1>");
        peer.takeAll();
      } else {
        d.links[0]!.full = true;
        app.write(100);
      }
      app.abort();
      app.close();
      if (how === "finished") assertEquals(told(peer), ["R.1 fastclose"]);
      assertEquals(d.usage.connections, 0, how);
    }
  });
});
