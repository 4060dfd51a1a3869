/** How a connection ends: nothing that was written is lost, nothing that is missing looks like the end, and nothing stays for ever. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { join } from "../../support/joins.ts";
import type { Peer } from "../../support/scripted_peer.ts";

const MINUTE = 60e6;

describe("a peer that still sends", () => {
  it("is heard for as long as it takes after our FIN on plain TCP (RFC 9293 §3.6, case 1)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.finish();
    peer.gets("F. 1 ack 1");
    peer.sends(". ack 2");
    for (let minute = 0; minute < 5; minute++) {
      d.pass(MINUTE);
      peer.sends("P. +100 ack 2");
      d.pass(1e6);
      peer.takeAll();
      assertEquals(app.read(), 100);
    }
    assertEquals(app.code, undefined);
    peer.sends("F. ack 2");
    assertEquals(app.code, null);
  });

  it("and whose last subflow ends without DATA_FIN has not ended its data", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.finish();
    peer.gets(". 1 ack 1 <map 1 0 1 fin>");
    peer.sends(". ack 1 <dack8 2>");
    peer.data(100);
    peer.sends("F. ack 1 <dack8 2>");
    peer.takeAll();
    peer.sends(". ack 2");
    assertEquals(app.read(), 100);
    assertEquals(app.socket.atEnd, false);
    d.pass(2 * MINUTE);
    assertEquals(app.code, "ConnectionReset");
    assertEquals(app.socket.atEnd, false);
  });
});

describe("what was written before close()", () => {
  it("is not given up for data of the peer that come a second time", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.data(200);
    d.pass(40e3);
    assertEquals(app.read(), 200);
    peer.takeAll();
    app.write(20000);
    app.close();
    peer.takeAll();
    // Our acknowledgement was lost.
    peer.sends("P. 1:201 ack 1 <dack8 1, map8 1 1 200>");
    peer.gets(". ack 201 <dack8 201>");
    peer.acks();
    peer.takeAll();
    peer.acks();
    peer.takeAll();
    peer.acks();
    assertEquals(peer.dataAcked, 1 + 20000 + 1);
    assertEquals(app.code, undefined);
  });

  it("is not given up for data that come again on another subflow", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = join(d, peer, 1);
    peer.data(200);
    d.pass(40e3);
    assertEquals(app.read(), 200);
    peer.takeAll();
    app.write(20000);
    app.close();
    second.sends("P. 1:201 ack 1 <dack8 1, map8 1 1 200>");
    assertEquals(app.code, undefined);
    // New data are for nobody.
    second.sends("P. 201:301 ack 1 <dack8 1, map8 201 201 100>");
    assertEquals(d.counter("MPFastcloseTx"), 1);
  });

  it("reaches a peer that reads slowly, with its window closed for most of the time", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ scale: 0 });
    peer.sends(". ack 1 win 10000 <dack8 1>");
    app.write(40000);
    app.close();
    for (let minute = 0; peer.dataAcked < 40002; minute++) {
      assert(minute < 30);
      peer.takeAll();
      const { dataAcked, acked } = peer;
      peer.sends(`. ack ${acked} win 0 <dack8 ${dataAcked}>`);
      d.pass(50e6);
      peer.takeAll();
      peer.sends(`. ack ${acked} win 10000 <dack8 ${dataAcked}>`);
      peer.takeAll();
    }
    assertEquals(app.code, undefined);
  });

  for (const mptcp of [true, false]) {
    const what = mptcp ? "MPTCP" : "plain TCP";

    it(`waits as long as the peer answers probes, up to an hour without a byte taken (${what})`, () => {
      using d = new Dialogue();
      const { peer, app, acks } = closedWindow(d, mptcp);
      app.close();
      answer(d, peer, 59 * MINUTE, () => acks(0));
      assertEquals([d.usage.connections, app.code], [1, undefined]);
      // One byte of progress, and the hour begins anew.
      peer.sends(acks(1));
      answer(d, peer, MINUTE, () => acks(0));
      answer(d, peer, 50 * MINUTE, () => acks(0));
      peer.sends(acks(60000));
      peer.takeAll();
      peer.sends(acks(60000));
      peer.takeAll();
      peer.sends(acks(60000));
      assertEquals(app.socket.finAcked, true);

      using e = new Dialogue();
      const stuck = closedWindow(e, mptcp);
      stuck.app.close();
      answer(e, stuck.peer, 61 * MINUTE, () => stuck.acks(0));
      assertEquals([e.usage.connections, stuck.app.code, stuck.app.socket.reason], [
        0,
        "TimedOut",
        "not-taken",
      ]);
    });
  }
});

/** A peer that has taken a part of what was written and closed its window; `acks` is what it answers with. */
function closedWindow(d: Dialogue, mptcp: boolean) {
  const { peer, app } = d.opened({ mptcp, scale: 0, win: 1000 });
  const acks = (win: number): string =>
    `. ack ${peer.acked} win ${win}${mptcp ? ` <dack8 ${peer.dataAcked}>` : ""}`;
  app.write(1000);
  peer.takeAll();
  peer.sends(acks(0));
  app.write(1000);
  assertEquals(peer.pending, false);
  return { peer, app, acks };
}

/** Lets time pass, in which the peer answers whatever is sent. */
function answer(d: Dialogue, peer: Peer, time: number, line: () => string): void {
  const end = d.now + time;
  while (d.now < end) {
    const next = Math.min(d.stack.pollTimeout(), end);
    d.pass(Math.max(0, next - d.now));
    const got = peer.takeAll();
    if (got.length > 0 && !got.some(({ flags }) => flags.includes("R"))) peer.sends(line());
  }
}

describe("the user timeout (RFC 9293 §3.8.3, RFC 5482)", () => {
  for (const mptcp of [true, false]) {
    const what = mptcp ? "MPTCP" : "plain TCP";

    for (const closed of [false, true]) {
      const when = closed ? "after close()" : "while it is open";

      it(`ends a connection whose peer answers no data ${when}: five minutes, more than R2 (${what})`, () => {
        using d = new Dialogue();
        const { peer, app } = d.opened({ mptcp });
        app.write(100);
        if (closed) app.close();
        peer.takeAll();
        d.pass(299e6);
        assertEquals(app.code, undefined);
        d.pass(2e6);
        assertEquals([app.code, app.socket.reason], ["TimedOut", "unanswered"]);
        // The peer is told, should it hear it.
        assertEquals(peer.takeAll().at(-1)!.flags.includes("R"), true);
        app.close();
        assertEquals(d.usage.connections, 0);
        assertEquals(d.usage.timers, 0);
      });

      it(`ends one whose peer answers no probes ${when} (${what})`, () => {
        using d = new Dialogue();
        const { app, peer } = closedWindow(d, mptcp);
        if (closed) app.close();
        d.pass(299e6);
        assertEquals(app.code, undefined);
        d.pass(2e6);
        assertEquals([app.code, app.socket.reason], ["TimedOut", "unanswered"]);
        assertEquals(peer.takeAll().length > 5, true);
      });
    }

    it(`never ends one whose peer answers probes (${what})`, () => {
      using d = new Dialogue();
      const { peer, app, acks } = closedWindow(d, mptcp);
      answer(d, peer, 24 * 60 * MINUTE, () => acks(0));
      assertEquals(app.code, undefined);
      peer.sends(acks(60000));
      assertEquals(peer.takeAll().at(-1)!.end, 2001);
    });

    it(`is what the application asks for (${what})`, () => {
      for (const timeout of [5e6, 1800e6]) {
        using d = new Dialogue();
        const { app } = d.opened({ mptcp, scale: 0, win: 0 });
        app.socket.setUserTimeout(timeout);
        app.write(1000);
        const from = d.now;
        while (app.code === undefined && d.now - from < 3600e6) d.pass(1e6);
        assertEquals(d.now - from, timeout);
      }
    });
  }

  it("counts from when the peer itself began to lack what was DATA_ACKed in its name: it can never get on", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(1000);
    peer.takeAll();
    peer.sends(". ack 1001 <dack8 401>");
    app.write(1000);
    peer.takeAll();
    // Another one answers from now on, as a server may whose SYN cookies know nothing of the connection before: it takes all, and lacks the first bytes.
    const from = d.now;
    while (app.code === undefined && d.now - from < 3600e6) {
      d.pass(1e6);
      peer.takeAll();
      peer.sends(`. ack ${peer.acked} <dack8 1>`);
    }
    assertEquals([app.code, app.socket.reason], ["TimedOut", "unanswered"]);
    assert(d.now - from < 303e6, `${d.now - from}`);
  });

  it("does not count from DATA_ACKs that were overtaken", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(1000);
    peer.takeAll();
    peer.sends(". ack 1001 <dack8 401>");
    for (let i = 0; i < 12; i++) {
      d.pass(50e6);
      peer.takeAll();
      peer.sends(`. ack 1001 <dack8 1>`);
      peer.sends(`. ack 1001 <dack8 401>`);
      assertEquals(app.code, undefined, `${i}`);
    }
  });

  it("counts from the last that was heard on any path", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = join(d, peer, 1);
    app.write(100);
    peer.takeAll();
    for (let i = 0; i < 8; i++) {
      d.pass(50e6);
      second.takeAll();
      peer.takeAll();
      // It hears us, whatever became of the data.
      second.sends(". ack 1 <dack8 1>");
      assertEquals(app.code, undefined, `${i}`);
    }
  });

  it("runs while the rest has no room beside what is DATA_ACKed, and not acknowledged on its subflow", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(50000);
    peer.takeAll();
    const { unsent, window } = app.socket;
    peer.sends(`. ack 1 <dack8 ${1 + 50000 - unsent}>`);
    assertEquals([app.socket.unacked, app.socket.unsent > 0, window > 0], [0, true, true]);
    d.pass(299e6);
    assertEquals(app.code, undefined);
    d.pass(2e6);
    assertEquals([app.code, app.socket.reason], ["TimedOut", "unanswered"]);
  });

  describe("behind a proxy that acknowledges in the peer's name, on plain TCP", () => {
    /** Each minute the proxy acknowledges a segment more than before, and the peer says itself that it is at what `own` tells of the minute. */
    function proxied(d: Dialogue, minutes: number, own: (minute: number) => number): App {
      const { peer, app } = d.opened({ mptcp: false });
      app.write(14480);
      const sent = peer.takeAll();
      const top = sent.at(-1)!.end;
      for (let minute = 0; minute < minutes && app.code === undefined; minute++) {
        peer.sends(`. ack ${1449 + 100 * minute} <noTS>`);
        d.pass(1e3);
        peer.sends(`. ack ${own(minute)} <sack ${top - 1448}:${top}>`);
        assertEquals(app.socket.unacked > 0, true);
        d.pass(60e6);
      }
      return app;
    }

    it("counts from when the peer itself last got further", () => {
      using d = new Dialogue();
      const app = proxied(d, 30, () => 1);
      assertEquals([app.code, app.socket.reason], ["TimedOut", "unanswered"]);
      assert(d.now < 8 * MINUTE);
    });

    it("does not pass while the peer, though behind, gets further", () => {
      using d = new Dialogue();
      assertEquals(proxied(d, 30, (minute) => 1 + 10 * minute).code, undefined);
    });

    it("counts as ever when the peer has got what it lacked", () => {
      using d = new Dialogue();
      const app = proxied(d, 30, (minute) => 1449 + 100 * (minute - minute % 4));
      assertEquals(app.code, undefined);
    });
  });

  it("does not run while nothing waits for the peer", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(100);
    peer.takeAll();
    peer.acks();
    assertEquals(d.usage.timers, 0);
    d.pass(600e6);
    app.write(100);
    peer.takeAll();
    d.pass(250e6);
    assertEquals(app.code, undefined);
  });

  it("does not run while the link takes nothing", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    d.links[0]!.full = true;
    app.write(100);
    d.pass(3600e6);
    assertEquals(app.code, undefined);
    d.links[0]!.full = false;
    d.stack.handleWritable(d.now, d.links[0]!);
    d.stack.flush(d.now);
    peer.gets("P. 1:101");
  });
});

describe("close()", () => {
  it("ends a connection whose peer acknowledges our DATA_FIN on the subflow only, for ever", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.close();
    for (let i = 0; i < 60 && d.usage.connections > 0; i++) {
      d.pass(5e6);
      peer.takeAll();
    }
    assertEquals(d.usage.connections, 0);
  });

  it("is not put off by joins that come after it", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.close();
    peer.gets(". 1 ack 1 <map 1 0 1 fin>");
    peer.sends(". ack 1 <dack8 2>");
    d.pass(30e6);
    const second = join(d, peer, 1);
    d.pass(90e6);
    peer.takeAll();
    second.takeAll();
    assertEquals(d.usage.connections, 0);
    assertEquals(d.usage.tokens, 0);
  });
});
