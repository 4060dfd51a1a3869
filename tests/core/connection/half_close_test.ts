/** Each direction ends on its own (RFC 9293 §3.6, RFC 8684 §3.3.3): whatever comes first, what the other side still writes arrives. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { roundRobin } from "../../../sched/mod.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { join, joined } from "../../support/joins.ts";
import type { Got, Peer } from "../../support/scripted_peer.ts";

/** Bytes: more than one window. */
const BYTES = 300_000;

/** How the peer ends its direction: a line for each segment, `N` stands for the data offset of its DATA_FIN. */
const ORDERS: readonly (readonly [string, readonly string[]])[] = [
  ["DATA_FIN alone", [". +0 <dack8, fin>"]],
  ["DATA_FIN, then FIN", [". +0 <dack8, fin>", "F. +0 <dack8>"]],
  ["DATA_FIN on the FIN", ["F. +0 <dack8, fin>"]],
  ["FIN, then DATA_FIN", ["F. +0 <dack8>", ". +0 <dack8, fin>"]],
  ["FIN twice, then DATA_FIN twice", [
    "F. +0 <dack8>",
    "F. -1 <dack8>",
    ". +0 <dack8, fin>",
    ". +0 <dack8, fin>",
  ]],
];

/** Sends one line of an order: the numbers are those of now. */
function says(peer: Peer, line: string, dsn: number): void {
  const seq = peer.next + (line.includes("-1") ? -1 : 0);
  const options = [`dack8 ${peer.dataAcked}`];
  if (line.includes("fin>")) options.push(`map8 ${dsn} 0 1 fin`);
  peer.sends(`${line.split(" ")[0]} ${seq} ack ${peer.acked} <${options.join(", ")}>`);
}

/** Takes and acknowledges until nothing more comes; what was sent. */
function drains(d: Dialogue, peer: Peer, mptcp: boolean): Got[] {
  const got: Got[] = [];
  for (let i = 0; i < 2000; i++) {
    d.pass(1e3);
    if (!peer.pending) break;
    got.push(...peer.takeAll());
    peer.sends(`. ack ${peer.acked}${mptcp ? ` <dack8 ${peer.dataAcked}>` : ""}`);
  }
  return got;
}

function open(d: Dialogue, role: string, mptcp: boolean): { peer: Peer; app: App } {
  return role === "server" ? d.opened({ mptcp }) : d.dialled({ mptcp });
}

describe("the peer ends its direction, and we go on", () => {
  for (const role of ["server", "client"]) {
    for (const [name, lines] of ORDERS) {
      for (const first of ["end", "write"]) {
        it(`as a ${role}: ${name}, our data ${first === "end" ? "behind" : "before"} it`, () => {
          using d = new Dialogue();
          const { peer, app } = open(d, role, true);
          if (first === "write") app.write(BYTES);
          for (const line of lines) says(peer, line, 1);
          assertEquals(app.socket.atEnd, true);
          assertEquals(app.code, undefined);
          if (first === "end") app.write(BYTES);
          const got = drains(d, peer, true);
          assertEquals(peer.dataAcked, 1 + BYTES);
          assert(!got.some(({ flags }) => flags.includes("F") || flags.includes("R")));
          app.finish();
          drains(d, peer, true);
          assertEquals(peer.dataAcked, 2 + BYTES);
          assertEquals(app.code, null);
          // Our FIN came last, and the subflow ends in order.
          if (name === "DATA_FIN alone") {
            peer.sends(`F. ack ${peer.acked} <dack8 ${peer.dataAcked}>`);
          }
          app.close();
          d.pass(61e6);
          d.sent.length = 0;
          assertEquals(d.usage, NOTHING);
        });
      }
    }

    it(`as a ${role} on plain TCP`, () => {
      for (const first of ["end", "write"]) {
        using d = new Dialogue();
        const { peer, app } = open(d, role, false);
        if (first === "write") app.write(BYTES);
        peer.sends(`F. ack ${peer.acked}`);
        assertEquals([app.socket.atEnd, app.code], [true, undefined]);
        if (first === "end") app.write(BYTES);
        const got = drains(d, peer, false);
        assertEquals(peer.acked, 1 + BYTES);
        assert(!got.some(({ flags }) => flags.includes("F") || flags.includes("R")));
        app.finish();
        drains(d, peer, false);
        assertEquals([peer.acked, app.code], [2 + BYTES, null]);
      }
    });

    for (const mptcp of [true, false]) {
      it(`as a ${role}: we end first, and the peer goes on (${mptcp ? "MPTCP" : "plain TCP"})`, () => {
        using d = new Dialogue();
        const { peer, app } = open(d, role, mptcp);
        app.write(100);
        app.finish();
        drains(d, peer, mptcp);
        for (let i = 0; i < 50; i++) {
          d.pass(30e6);
          if (mptcp) peer.data(1000);
          else peer.sends(`P. +1000 ack ${peer.acked}`);
          d.pass(100e3);
          peer.takeAll();
          assertEquals(app.read(), 1000);
        }
        if (mptcp) says(peer, ". +0 <fin>", 50_001);
        else peer.sends(`F. ack ${peer.acked}`);
        assertEquals([app.socket.atEnd, app.code], [true, null]);
      });
    }
  }
});

const NOTHING = { connections: 0, tokens: 0, flows: 0, timers: 0, handles: 0, pages: 0 };

describe("a FIN of the peer on one of two subflows", () => {
  it("is answered with ours; on both, with one of ours", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    first.sends(". <dack8 1, map8 1 0 1 fin>");
    first.takeAll();
    first.sends("F. ack 1 <dack8 1>");
    assertEquals(first.takeAll().at(-1)!.flags, "F.");
    second.sends("F. ack 1 <dack8 1>");
    assertEquals(second.takeAll().at(-1)!.flags, ".");
    app.write(BYTES);
    const got = drains(d, second, true);
    assert(!got.some(({ flags }) => flags.includes("F")));
    assertEquals(second.dataAcked, 1 + BYTES);
    app.finish();
    assertEquals(second.take().options.some((each) => each.endsWith("fin")), true);
    second.sends(`. ack ${second.acked} <dack8 ${second.dataAcked}>`);
    second.gets("F.");
    assertEquals(app.code, null);
  });

  it("is answered only when another comes, where there was none", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.sends("F. ack 1 <dack8 1>");
    peer.gets(". ack 2");
    app.write(100);
    peer.gets("P. 1:101");
    peer.acks();
    d.silent();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 1"]);
    second.gets("S. 0 ack 1");
    second.sends(". 1 ack 1 <join ack>");
    peer.gets("F. 101");
    second.gets(". 1 ack 1");
    app.write(100);
    second.gets("P. 1:101 <map 101 1 100>");
    d.pass(200e6);
    assertEquals(app.code, undefined);
  });

  it("is not answered for one that is stale: nothing may come of it", () => {
    using d = new Dialogue({ policies: { scheduler: roundRobin() } });
    const { first, second, app } = joined(d);
    // The second path brings no answer.
    app.write(20_000);
    for (let i = 0; i < 10; i++) {
      second.lose();
      first.takeAll();
      first.acks();
      d.pass(200e3);
    }
    assertEquals(app.socket.subflows.map(({ stale }) => stale), [false, true]);
    first.sends(`F. ack ${first.acked} <dack8 ${first.dataAcked}>`);
    assert(!first.takeAll().some(({ flags }) => flags.includes("F")));
    app.write(1000);
    assert(first.takeAll().length > 0);
    // It works again: now the first can end.
    second.takeAll();
    second.sends(`. ack 1449 <dack8 ${first.dataAcked}>`);
    assert(first.takeAll().some(({ flags }) => flags.includes("F")));
  });
});

describe("a peer that leaves on every subflow without the end of its data", () => {
  it("ends the connection with an error after a minute, in which its DATA_FIN may still come", () => {
    for (const late of [true, false]) {
      using d = new Dialogue();
      const { peer, app } = d.opened();
      peer.sends("F. ack 1 <dack8 1>");
      peer.takeAll();
      d.pass(59e6);
      assertEquals(app.code, undefined);
      if (late) says(peer, ". +0 <fin>", 1);
      d.pass(2e6);
      assertEquals(app.code, late ? undefined : "ConnectionReset");
      assertEquals(app.socket.reason, late ? null : "ended-early");
      assertEquals(app.socket.atEnd, late);
    }
  });

  it("gets what we write, as long as it takes some of it", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ scale: 0, win: 1008 });
    peer.sends("F. ack 1 win 1008 <dack8 1>");
    app.write(5000);
    for (let i = 0; i < 5; i++) {
      d.pass(50e6);
      peer.takeAll();
      assertEquals(app.code, undefined);
      peer.sends(`. ack ${peer.acked} win 1008 <dack8 ${peer.dataAcked}>`);
    }
    assertEquals(peer.dataAcked, 5001);
    d.pass(120e6);
    assertEquals(app.code, "ConnectionReset");
  });

  it("as a join that comes to nothing changes nothing", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = join(d, peer, 1);
    second.sends("F. ack 1 <dack8 1>");
    second.takeAll();
    second.sends(". 2 ack 2 <dack8 1>");
    peer.data(10);
    assertEquals(app.read(), 10);
    d.pass(120e6);
    assertEquals(app.code, undefined);
  });
});
