/** Asking an idle peer whether it is there (RFC 9293 §3.8.4, RFC 1122 §4.2.3.6). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { PathEvent } from "../../../core/plugin.ts";
import { Keepalive } from "../../../core/subflow/keepalive.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";

const TIMES = { idle: 60e6, interval: 10e6, count: 3 };
const tcp = { keepAlive: TIMES };

describe("the probes of one subflow", () => {
  it("are due after the silence before the first, then before each that follows", () => {
    const keepalive = new Keepalive(TIMES, 100e6);
    assertEquals(keepalive.due(0), 160e6);
    assertEquals(keepalive.due(130e6), 190e6);
    keepalive.probed(190e6);
    assertEquals(keepalive.due(130e6), 200e6);
    assertEquals(keepalive.exhausted, false);
  });

  it("are counted until one is answered", () => {
    const keepalive = new Keepalive(TIMES, 0);
    for (const at of [60e6, 70e6, 80e6]) {
      assertEquals(keepalive.exhausted, false);
      keepalive.probed(at);
    }
    keepalive.due(5e6);
    assertEquals(keepalive.exhausted, true);
    assertEquals(keepalive.due(80e6), 140e6, "an answer at once is one");
    assertEquals(keepalive.exhausted, false);
  });
});

for (const mptcp of [true, false]) {
  const kind = mptcp ? "MPTCP" : "plain TCP";
  const dack = (n: number): string => mptcp ? ` <dack8 ${n}>` : "";

  describe(`RFC 9293 §3.8.4: keepalive (${kind})`, () => {
    for (const role of ["client", "server"] as const) {
      it(`asks with a segment below the window, and what is answered keeps everything (${role})`, () => {
        using d = new Dialogue({ tcp });
        const { peer, app } = role === "server" ? d.opened({ mptcp }) : d.dialled({ mptcp });
        const start = d.now;
        for (let i = 1; i <= 5; i++) {
          d.untilSent();
          assertEquals(d.now - start, i * 60e6);
          peer.gets(". 0 ack 1");
          peer.sends(`. 1 ack 1${dack(1)}`);
          d.silent();
        }
        assertEquals([app.code, d.counter("TCPKeepAlive")], [undefined, 5]);
      });
    }

    it("gives up a peer that answers none, with a RST (RFC 1122 §4.2.3.6)", () => {
      using d = new Dialogue({ tcp });
      const { peer, app } = d.opened({ mptcp });
      assertEquals(d.untilSent(), 60e6);
      peer.gets(". 0 ack 1");
      for (let i = 0; i < 2; i++) {
        assertEquals(d.untilSent(), 10e6);
        peer.gets(". 0 ack 1");
      }
      assertEquals(d.untilSent(), 10e6);
      peer.gets("R. 1 ack 1");
      // Where joins may still come the connection waits for one as long as for an answer.
      if (mptcp) d.pass(300e6);
      assertEquals(app.code, "TimedOut");
    });

    it("goes on after a lost probe and a lost answer: one that comes makes up for them", () => {
      using d = new Dialogue({ tcp });
      const { peer, app } = d.opened({ mptcp });
      for (let round = 0; round < 3; round++) {
        assertEquals(d.untilSent(), 60e6);
        for (let i = 0; i < 2; i++) {
          peer.gets(". 0 ack 1");
          assertEquals(d.untilSent(), 10e6);
        }
        peer.gets(". 0 ack 1");
        peer.sends(`. 1 ack 1${dack(1)}`);
        d.silent();
      }
      assertEquals(app.code, undefined);
    });

    it("says nothing while the peer does: data and ACKs put it off", () => {
      using d = new Dialogue({ tcp });
      const { peer, app } = d.opened({ mptcp });
      for (let i = 0; i < 4; i++) {
        d.pass(50e6);
        peer.sends(`P. +100 ack 1${mptcp ? " <dack8 1, map8>" : ""}`);
        d.pass(1e6);
        peer.gets(`. 1 ack ${peer.next}`);
        app.read();
      }
      d.pass(50e6);
      app.write(100);
      peer.gets("P. 1:101");
      peer.sends(`. ack 101${dack(101)}`);
      assertEquals(d.untilSent(), 60e6);
      peer.gets(`. 100 ack ${peer.next}`);
      assertEquals(d.counter("TCPKeepAlive"), 1);
    });

    it("says nothing while data are out: their timeout tells", () => {
      using d = new Dialogue({ tcp: { keepAlive: { idle: 1e6, interval: 1e6, count: 1 } } });
      const { peer, app } = d.opened({ mptcp });
      app.write(100);
      for (let i = 0; i < 6; i++) {
        if (i > 0) d.untilSent();
        peer.gets("P. 1:101");
      }
      peer.sends(`. ack 101${dack(101)}`);
      assertEquals([app.code, d.counter("TCPKeepAlive")], [undefined, 0]);
      d.untilSent();
      peer.gets(". 100 ack 1");
      assertEquals(d.counter("TCPKeepAlive"), 1);
    });

    it("is off unless asked for, begins when it is switched on, and ends when it is switched off", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp });
      d.pass(100e6);
      d.silent();
      const flush = (): void => d.stack.flush(d.now);
      app.socket.setKeepAlive(d.now, TIMES);
      flush();
      assertEquals(d.untilSent(), 60e6);
      peer.gets(". 0 ack 1");
      app.socket.setKeepAlive(d.now, { ...TIMES, idle: 5e6 });
      flush();
      assertEquals(d.untilSent(), 5e6);
      peer.gets(". 0 ack 1");
      app.socket.setKeepAlive(d.now, null);
      flush();
      d.pass(3600e6);
      d.silent();
      assertEquals(app.code, undefined);
    });

    it("asks in CLOSE-WAIT, and a peer that crashed meanwhile tells by a RST (RFC 9293 §3.5.1)", () => {
      using d = new Dialogue({ tcp });
      const { peer, app } = d.opened({ mptcp });
      peer.sends(`F. 1 ack 1${mptcp ? " <dack8 1, map8 1 0 1 fin>" : ""}`);
      d.pass(1e6);
      peer.takeAll();
      d.untilSent();
      peer.gets(". 0 ack 2");
      peer.sends("R 2");
      if (mptcp) d.pass(60e6);
      assertEquals(app.code, "ConnectionReset");
    });

    it("waits for a link that is full: what did not leave is none", () => {
      using d = new Dialogue({ tcp });
      const { peer, app } = d.opened({ mptcp });
      d.links[0]!.full = true;
      d.pass(110e6);
      d.silent();
      assertEquals([app.code, d.counter("TCPKeepAlive")], [undefined, 0]);
      d.links[0]!.full = false;
      d.stack.handleWritable(d.now, d.links[0]!);
      d.stack.flush(d.now);
      peer.takeAll();
      d.untilSent();
      peer.gets(". 0 ack 1");
      assertEquals(d.counter("TCPKeepAlive"), 1);
    });
  });
}

describe("RFC 9293 §3.8.4: keepalive in FIN-WAIT-2", () => {
  it("finds a peer that is gone before it has closed", () => {
    using d = new Dialogue({ tcp });
    const { peer, app } = d.opened({ mptcp: false });
    app.finish();
    peer.gets("F. 1 ack 1");
    peer.sends(". 1 ack 2");
    for (const wait of [60e6, 10e6, 10e6]) {
      assertEquals(d.untilSent(), wait);
      peer.gets(". 1 ack 1");
    }
    d.untilSent();
    peer.gets("R. 2 ack 1");
    assertEquals(app.code, "TimedOut");
  });
});

describe("RFC 9293 §3.8.4: keepalive of a connection with two subflows", () => {
  it("asks on each that is idle, and not on one that is busy", () => {
    using d = new Dialogue({ tcp });
    const { first, second, app } = joined(d);
    for (let i = 0; i < 3; i++) {
      d.pass(30e6);
      first.data(100);
      d.pass(1e6);
      first.takeAll();
      app.read();
      for (const _probe of second.takeAll()) second.sends(". 1 ack 1 <dack8 1>");
    }
    assert(d.counter("TCPKeepAlive") >= 1);
    d.silent();
  });

  it("ends the one that does not answer, for its timeout, and leaves the connection to the other", () => {
    const events: PathEvent[] = [];
    using d = new Dialogue({
      tcp,
      policies: {
        pathManager: {
          kind: "path-manager",
          name: "test",
          create: () => ({ onEvent: (event) => void events.push(event) }),
        },
      },
    });
    const { first, second, app } = joined(d);
    const start = d.now;
    while (d.now - start < 100e6) {
      d.pass(1e6);
      for (const _probe of first.takeAll()) first.sends(". 1 ack 1 <dack8 1>");
    }
    assertEquals(second.takeAll().map(({ flags }) => flags), [".", ".", ".", "R."]);
    assertEquals([app.code, app.socket.subflows.length], [undefined, 1]);
    const left = events.flatMap((event) =>
      event.type === "subflow" && event.change === "left" ? [event.reason] : []
    );
    assertEquals(left, ["timeout"]);
    app.write(100);
    first.gets("P. 1:101 <map 1 1 100>");
  });
});
