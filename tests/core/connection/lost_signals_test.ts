/**
 * What travels on bare ACKs, so that no retransmission of TCP's repeats it: a DATA_FIN, its DATA_ACK, the third ACK of a join. A lost one is repaired after
 * the paths' own timeouts, whatever else has happened on the connection (RFC 8684 §3.2, §3.3.3).
 */

import { assert, assertEquals, assertLess, assertLessOrEqual } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fullMesh } from "../../../pm/mod.ts";
import { type App, Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import { answersJoin, join, joined, joining } from "../../support/joins.ts";
import type { Peer } from "../../support/scripted_peer.ts";

/** Least timeout of a path with a round trip of 20 ms, and what a deviation of its first samples may add (RFC 6298 §2; Linux's least of 200 ms). */
const TIMEOUT = 220e3;
const SLACK = 30e3;

type Role = "server" | "client";

/** Both roles, both families. */
const ENDS = (["server", "client"] as const).flatMap((role) =>
  ([4, 6] as const).map((family) => ({ role, family, name: `${role}, IPv${family}` }))
);

function made(role: Role, options: DialogueOptions): Dialogue {
  const policies = role === "client" ? { policies: { pathManager: fullMesh() } } : {};
  return new Dialogue({ ...options, ...policies });
}

/** A connection over two paths, opened by the peer or by us; nothing is left to take out. */
function two(d: Dialogue, role: Role): { first: Peer; second: Peer; app: App } {
  if (role === "server") return joined(d);
  const { first, second, app } = joining(d);
  answersJoin(d, second);
  d.pass(50e3);
  d.sent.length = 0;
  return { first, second, app };
}

/** The data offset of the DATA_FIN in what was sent to `peer` since it was last looked at; -1: there is none. */
function endsAt(peer: Peer): number {
  for (const { options } of peer.takeAll()) {
    for (const option of options) {
      const fin = /^map (\d+) 0 1 fin/.exec(option);
      if (fin !== null) return Number(fin[1]);
    }
  }
  return -1;
}

for (const { role, family, name } of ENDS) {
  describe(`a lost DATA_FIN, or its lost DATA_ACK (RFC 8684 §3.3.3), ${name}`, () => {
    it("is repaired after the longest timeout of the paths, on every path, then after twice as long", () => {
      using d = made(role, { family });
      const { first, second, app } = two(d, role);
      app.finish();
      assertEquals(first.lose() + second.lose(), 1);
      let wait = TIMEOUT;
      for (let i = 0; i < 4; i++, wait *= 2) {
        const waited = d.untilSent();
        assert(waited >= wait && waited <= wait + SLACK * 2 ** i, `${waited} for ${wait}`);
        first.gets(". 1 <map 1 0 1 fin>");
        second.gets(". 1 <map 1 0 1 fin>");
        d.silent();
      }
      second.sends(". 1 ack 1 <dack8 2>");
      assertEquals(app.socket.state, "FIN_WAIT_2");
    });

    it("behind data that were lost as well is not awaited anew once they are repaired", () => {
      using d = made(role, { family, tcp: { tlp: false } });
      const { first, second, app } = two(d, role);
      app.write(100);
      app.finish();
      assertEquals(first.lose() + second.lose(), 2);
      d.untilSent();
      d.pass(5e3);
      d.sent.length = 0;
      const repaired = d.now;
      first.sends(". 1 ack 101 <dack8 101>");
      d.untilSent();
      assertLess(d.now - repaired, TIMEOUT);
      assertEquals([endsAt(first), endsAt(second)], [101, 101]);
    });
  });
}

describe("a path whose SYN was lost (RFC 6298 §5.7: its data wait 3 s)", () => {
  for (const timestamps of [true, false]) {
    it(`makes a lost DATA_FIN wait no longer where another path is known (timestamps ${timestamps ? "on" : "off"})`, () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ timestamps });
      const second = d.peer({ link: 1, session: peer.session });
      second.offers({ timestamps }, "S", ["join syn id 1"]);
      second.lose();
      d.untilSent();
      second.gets("S. 0 ack 1 <join synack>");
      d.pass(20e3);
      second.sends(". 1 ack 1 <join ack>");
      second.gets(". 1 ack 1");
      const [, late] = app.socket.subflows;
      assertEquals(late!.sender.rtt.base, 3e6);
      app.finish();
      peer.takeAll();
      second.takeAll();
      assertLessOrEqual(d.untilSent(), TIMEOUT + SLACK);
      peer.gets(". 1 <map 1 0 1 fin>");
      second.gets(". 1 <map 1 0 1 fin>");
    });
  }

  it("has its lost third ACK repeated after the round trip that the handshake told", () => {
    using d = made("client", {});
    const { second } = joining(d);
    d.sent.length = 0;
    d.untilSent();
    const { options } = second.gets("S 0 <join syn>");
    const [value] = options.flatMap((each) => /^TS (\d+)/.exec(each)?.[1] ?? []);
    d.pass(20e3);
    second.offers({ timestamps: false }, "S.", ["join synack id 0", `TS 1000 ${value}`]);
    second.gets(". 1 ack 1 <join ack>");
    assertLessOrEqual(d.untilSent(), TIMEOUT + SLACK);
    second.gets(". 1 ack 1 <join ack>");
  });
});

describe("a path that is stale", () => {
  it("makes a lost DATA_FIN wait no longer for its timeout", () => {
    using d = new Dialogue();
    const { peer: first, app } = d.opened();
    join(d, first, 1, { rtt: 900e3 });
    const late = app.socket.subflows[1]!;
    assertEquals(late.sender.rtt.base, 2700e3);
    late.fallSilent(d.now);
    late.giveUp();
    assertEquals(late.stale, true);
    app.finish();
    assertEquals(first.lose(), 1);
    const from = d.now;
    d.untilSent();
    assertLessOrEqual(d.now - from, TIMEOUT + SLACK);
    assertEquals(endsAt(first), 1);
  });
});

describe("a DATA_FIN that the peer never sees, though it answers", () => {
  /** The peer answers each question for `seconds` by what it has DATA_ACKed, and echoes what it has got, DATA_FINs without their option. */
  const answer = (d: Dialogue, peers: readonly Peer[], seconds: number, arrive: boolean): void => {
    for (let at = 0; at < seconds * 10 && d.usage.flows > 0; at++) {
      for (const peer of peers) {
        const probed = peer.takeAll().some(({ flags, seq }) => flags === "." && seq === 0);
        if (probed) peer.sends(`. 1 ack 1 <dack8 1${arrive ? "" : ", noTS"}>`);
      }
      d.pass(100e3);
    }
  };

  for (const { role, family, name } of ENDS) {
    it(`ends the connection in minutes, with two paths, where it cannot fall back (${name})`, () => {
      using d = made(role, { family });
      const { first, second, app } = two(d, role);
      app.socket.setKeepAlive(d.now, { idle: 5e6, interval: 5e6, count: 10 });
      app.finish();
      answer(d, [first, second], 15, true);
      assertEquals(app.code, undefined);
      answer(d, [first, second], 300, true);
      assertEquals([app.code, app.reason], ["ConnectionAborted", "options-removed"]);
    });
  }

  it("is not asked about where nothing would tell that it has arrived: the user timeout ends that", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { timestamps: false });
    app.finish();
    answer(d, [first, second], 310, false);
    assertEquals([app.code, app.reason], ["TimedOut", "unanswered"]);
  });

  it("does not so soon where nothing tells that it has arrived", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { timestamps: false });
    app.socket.setKeepAlive(d.now, { idle: 5e6, interval: 5e6, count: 10 });
    app.finish();
    answer(d, [first, second], 60, false);
    assertEquals(app.code, undefined);
    second.sends(". 1 ack 1 <dack8 2>");
    assertEquals(app.socket.state, "FIN_WAIT_2");
  });

  for (const timestamps of [true, false]) {
    const what = timestamps ? "it is dropped, so that no echo tells of it" : "there are no echoes";
    it(`ends the connection in half an hour where ${what}, though keepalives are answered`, () => {
      using d = new Dialogue();
      const { first, second, app } = joined(d, { timestamps });
      app.socket.setKeepAlive(d.now, { idle: 5e6, interval: 5e6, count: 10 });
      app.finish();
      for (let at = 0; at < 18e3 && d.usage.flows > 0; at++) {
        for (const peer of [first, second]) {
          const probe = peer.takeAll().find(({ flags, seq }) => flags === "." && seq === 0);
          if (probe === undefined) continue;
          const [sent] = probe.options.flatMap((each) => /^TS (\d+)/.exec(each)?.[1] ?? []);
          // The echo is of what came before the DATA_FIN.
          const echo = timestamps ? `TS ${peer.tsval} ${Number(sent) - d.now / 1e3 >>> 0}` : "noTS";
          peer.sends(`. 1 ack 1 <${echo}, dack8 1>`);
        }
        d.pass(100e3);
      }
      assertEquals([app.code, app.reason], ["ConnectionAborted", "options-removed"]);
    });
  }
});

describe("a DATA_FIN for which the peer's window has no room (RFC 9293 §3.10.7.4), as nobody reads there", () => {
  for (const timestamps of [true, false]) {
    for (const paths of [1, 2]) {
      const what = `${paths} ${paths === 1 ? "path" : "paths"}`;
      const how = `${what}, ${timestamps ? "" : "no "}timestamps`;
      it(`is told until it has: it is no peer that never sees it (${how})`, () => {
        using d = new Dialogue();
        const offer = { timestamps, scale: 0, win: 1000 };
        const { peer: first, app } = d.opened(offer);
        const peers = paths === 1 ? [first] : [first, join(d, first, 1, offer)];
        app.write(1000);
        first.takeAll();
        first.sends(". 1 ack 1001 win 0 <dack8 1001>");
        app.finish();
        for (let at = 0; at < 3600 && d.usage.flows > 0; at++) {
          for (const peer of peers) {
            if (peer.takeAll().length === 0) continue;
            peer.sends(`. 1 ack ${peer === first ? 1001 : 1} win 0 <dack8 1001>`);
          }
          d.pass(1e6);
        }
        assertEquals([app.code, app.socket.state], [undefined, "FIN_WAIT_1"]);
        for (const peer of peers) peer.takeAll();
        // Not when it would have been told next, which is minutes from now; and as soon again, should this one be lost.
        first.sends(". 1 ack 1001 win 1000 <dack8 1001>");
        assertEquals(d.untilSent(), 0);
        for (const peer of peers) assertEquals(endsAt(peer), 1001);
        assertEquals(d.untilSent() < 3e6, true);
        assertEquals(endsAt(first), 1001);
        first.sends(". 1 ack 1001 win 1000 <dack8 1002>");
        assertEquals(app.socket.state, "FIN_WAIT_2");
      });
    }
  }
});

describe("an MP_PRIO (RFC 8684 §3.3.8), which nothing confirms", () => {
  for (const { role, family, name } of ENDS) {
    it(`is told again when its path, on which nothing was heard since, is heard: as it is then, once (${name})`, () => {
      using d = made(role, { family });
      const { first, second, app } = two(d, role);
      const paths = [first, second];
      const told = (): string[] =>
        second.takeAll().flatMap(({ options }) => options).filter((each) => /^prio/.test(each));
      const late = app.socket.subflows[1]!;
      app.socket.paths.context.setBackup(app.socket.subflows[0]!.path, true);
      d.stack.flush(d.now);
      d.pass(300e3);
      for (const peer of paths) peer.takeAll();
      // The path carries something, and falls silent.
      app.write(100);
      const { nxt } = late.sender.board;
      assert(nxt > 1);
      app.socket.paths.context.setBackup(late.path, true);
      d.stack.flush(d.now);
      d.pass(600e3);
      assertEquals(told(), ["prio backup"]);
      second.sends(`. 1 ack ${nxt} <dack8 101>`);
      d.pass(1e6);
      assertEquals(told(), ["prio backup"]);
      // It was heard: a silence that comes later tells nothing of that.
      app.socket.paths.context.setBackup(late.path, false);
      d.stack.flush(d.now);
      d.pass(300e3);
      assertEquals(told(), ["prio"]);
      second.data(10);
      app.write(100);
      d.pass(600e3);
      second.sends(`. 11 ack ${late.sender.board.nxt} <dack8 201>`);
      d.pass(1e6);
      assertEquals(told(), []);
    });

    it(`is told again once where SACK blocks alone tell that its path is back (${name})`, () => {
      using d = made(role, { family, tcp: { tlp: false } });
      const { first, second, app } = two(d, role);
      const late = app.socket.subflows[1]!;
      const told = (): string[] =>
        second.takeAll().flatMap(({ options }) => options).filter((each) => /^prio/.test(each));
      app.socket.paths.context.setBackup(app.socket.subflows[0]!.path, true);
      d.stack.flush(d.now);
      d.pass(300e3);
      for (const peer of [first, second]) peer.takeAll();
      app.write(8000);
      const { nxt } = late.sender.board;
      assert(nxt > 6000);
      d.pass(1e3);
      app.socket.paths.context.setBackup(late.path, true);
      d.stack.flush(d.now);
      assertEquals(told(), ["prio backup"]);
      d.pass(TIMEOUT + 2 * SLACK);
      assertEquals(late.silent, true);
      assertEquals(told(), []);
      for (let end = 2000; end < 6000; end += 1000) {
        second.sends(`. 1 ack 1 <sack 1000:${end}, dack8 1>`);
        assertEquals(told(), end === 2000 ? ["prio backup"] : []);
        d.pass(5e3);
      }
      assertEquals([late.silent, late.sender.rtt.timeouts], [true, 1]);
      // It is away once more.
      for (; late.sender.rtt.timeouts === 1; d.pass(10e3)) assertEquals(told(), []);
      app.socket.paths.context.setBackup(late.path, false);
      d.stack.flush(d.now);
      assertEquals(told(), ["prio"]);
      second.sends(". 1 ack 1 <sack 1000:5000, dack8 1>");
      assertEquals(told(), []);
      second.sends(". 1 ack 1 <sack 1000:6000, dack8 1>");
      assertEquals(told(), ["prio"]);
      second.sends(`. 1 ack ${nxt} <dack8 8001>`);
      d.pass(1e6);
      assertEquals(told(), []);
    });
  }
});
