/** How the window moves, seen in what leaves: slow start, curves, pauses. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { cubic, reno } from "../../../cc/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";
import type { App } from "../../support/dialogue.ts";
import type { Peer } from "../../support/scripted_peer.ts";

const MSS = 1428;

/** Segments of data that have left to `peer`. */
function segments(peer: Peer): number {
  return peer.takeAll().filter(({ payload }) => payload.length > 0).length;
}

/** Acknowledges all that was taken out, segment by segment from `from` on. */
function ackEach(peer: Peer, from: number): void {
  for (let ack = from + MSS; ack <= peer.acked; ack += MSS) {
    peer.sends(`. ack ${ack} <dack8 ${ack}>`);
  }
}

/** Round trips of bulk data that take as long as `rtts` say: how many segments leave in each. */
function rounds(d: Dialogue, peer: Peer, app: App, rtts: readonly number[]): number[] {
  const counts: number[] = [];
  const { sender } = app.socket.subflows[0]!;
  for (const rtt of rtts) {
    // What the ACKs of this round trip let out waits by then.
    app.write(Math.max(0, 3 * sender.cwnd - app.socket.unsent));
    const from = peer.acked;
    counts.push(segments(peer));
    d.pass(rtt);
    ackEach(peer, from);
  }
  counts.push(segments(peer));
  return counts;
}

describe("the initial window (RFC 6928 §2)", () => {
  const cases: [name: string, mtu: number, mss: number, left: number][] = [
    ["ten segments of 1460 octets or less", 1500, 1460, 10],
    ["ten of 536", 1500, 536, 10],
    ["two of more than 7300", 9000, 8960, 2],
    ["14,600 octets of what lies between: four of 3,600", 3640, 3600, 4],
  ];
  for (const [name, mtu, mss, left] of cases) {
    it(`RFC 6928 §2: ${name}`, () => {
      using d = new Dialogue({ mtu, experiments: { mptcp: false } });
      const { peer, app } = d.opened({ mss, mptcp: false });
      app.write(20 * mss);
      assertEquals(segments(peer), left);
    });
  }

  for (const [dialled, segment] of [[false, MSS], [true, MSS]] as const) {
    const who = dialled ? "client" : "server";
    it(`RFC 6928 §2, ${who}: "14600 bytes" are bytes of data: options of a DSS take none of it, and no part of a segment is sent`, () => {
      using d = new Dialogue();
      const { peer, app } = dialled ? d.dialled() : d.opened();
      app.write(200 * segment);
      assertEquals(app.socket.subflows[0]!.cwnd, 14600);
      const sent = peer.takeAll().map(({ payload }) => payload.length).filter((length) =>
        length > 0
      );
      assertEquals(sent, Array<number>(10).fill(segment));
    });
  }

  it("RFC 6928 §2: is the same again after a pause, whatever the options of a DSS take", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const { sender } = app.socket.subflows[0]!;
    for (let round = 0; round < 3; round++) {
      app.write(sender.cwnd);
      peer.takeAll();
      d.pass(20e3);
      peer.acks();
      peer.takeAll();
      peer.acks();
    }
    assert(sender.cwnd > 3 * 14_600, `${sender.cwnd}`);
    d.pass(3e6);
    app.write(MSS);
    assertEquals(sender.cwnd, 14600);
  });

  it("RFC 5681 §3.1: slow start doubles what is less than a segment, too: three windows are 100,000 bytes with a DSS as without", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ rtt: 40e3 });
    app.write(100_000);
    let bytes = 0;
    for (let round = 0; round < 3; round++) {
      const from = peer.acked;
      for (const { payload } of peer.takeAll()) bytes += payload.length;
      d.pass(40e3);
      ackEach(peer, from);
    }
    assertEquals(bytes, 100_000);
  });

  it("RFC 5681 §3.1: one segment where a SYN/ACK was lost", () => {
    using d = new Dialogue({ experiments: { mptcp: false } });
    const listener = d.listen();
    const peer = d.peer();
    peer.offers({ mptcp: false }, "S", []);
    peer.gets("S. 0 ack 1");
    d.untilSent();
    peer.gets("S. 0 ack 1");
    d.pass(20e3);
    peer.sends(". 1 ack 1");
    const app = d.accept(listener);
    app.write(20 * MSS);
    assertEquals(segments(peer), 1);
  });
});

describe("HyStart++ (RFC 9406)", () => {
  const begin = (d: Dialogue): { peer: Peer; app: App } => d.opened({ rtt: 40e3 });
  const options = { policies: { congestionControl: reno() } };

  it("RFC 9406 §4.2: doubles while round trips stay", () => {
    using d = new Dialogue(options);
    const { peer, app } = begin(d);
    assertEquals(rounds(d, peer, app, [40e3, 40e3, 44e3]), [10, 20, 40, 80]);
  });

  it("RFC 9406 §4.2: grows by a quarter from the eighth sample of a round on that is an eighth longer", () => {
    using d = new Dialogue(options);
    const { peer, app } = begin(d);
    // Of nearly 41 segments seven count whole, the others a quarter.
    assertEquals(rounds(d, peer, app, [40e3, 40e3, 45e3]), [10, 20, 40, 56]);
  });

  it("RFC 9406 §4.2: heeds no growth of less than 4 ms", () => {
    using d = new Dialogue(options);
    const { peer, app } = d.opened({ rtt: 10e3 });
    assertEquals(rounds(d, peer, app, [10e3, 10e3, 13.9e3]), [10, 20, 40, 80]);
  });

  it("RFC 9406 §4.2: goes back to slow start when a round is as short as before", () => {
    using d = new Dialogue(options);
    const { peer, app } = begin(d);
    const counts = rounds(d, peer, app, [40e3, 40e3, 46e3, 40e3, 40e3]);
    assertEquals(counts.slice(0, 4), [10, 20, 40, 56]);
    // Seven samples later the round is known to be short.
    assert(counts[4]! >= 56 + 1 + 48, `${counts}`);
    // What is left of the window behind whole segments doubles, too.
    assert(counts[5] === 2 * counts[4]! || counts[5] === 2 * counts[4]! + 1, `${counts}`);
    assertEquals(app.socket.subflows[0]!.ssthresh, Infinity);
  });

  it("RFC 9406 §4.2: ends slow start after five rounds, that of the change among them", () => {
    using d = new Dialogue(options);
    const { peer, app } = begin(d);
    const { sender } = app.socket.subflows[0]!;
    rounds(d, peer, app, [40e3, 40e3, 46e3, 46e3, 46e3, 46e3, 46e3]);
    assertEquals(sender.ssthresh, Infinity);
    peer.sends(`. ack ${sender.board.una + MSS} <dack8 ${sender.board.una + MSS}>`);
    assert(sender.ssthresh < Infinity);
    assert(sender.cwnd >= sender.ssthresh);
  });

  it("RFC 9406 §4.2: ends it at a loss, in conservative slow start too", () => {
    using d = new Dialogue(options);
    const { peer, app } = begin(d);
    const { sender } = app.socket.subflows[0]!;
    rounds(d, peer, app, [40e3, 40e3, 46e3]);
    const from = sender.board.una;
    d.pass(46e3);
    const flight = sender.board.nxt - from;
    peer.sends(`. ack ${from} <dack8 ${from}, sack ${from + MSS}:${from + 5 * MSS}>`);
    assertEquals(sender.recovery.kind, "fast");
    assertEquals(sender.ssthresh, Math.floor(flight / 2));
  });

  /** Ten, twenty and 41 segments; of the last each is acknowledged a millisecond behind the one before, `count` of them. */
  const train = (d: Dialogue, peer: Peer, app: App, count: number): void => {
    rounds(d, peer, app, [40e3, 40e3]);
    const { sender } = app.socket.subflows[0]!;
    app.write(3 * sender.cwnd);
    const { una } = sender.board;
    d.pass(39e3);
    for (let i = 1; i <= count; i++) {
      d.pass(1e3);
      peer.sends(`. ack ${una + i * MSS} <dack8 ${una + i * MSS}>`);
      segments(peer);
    }
  };

  it("RFC 9406 §4.2: slow start is conservative from the eighth ACK on that a queue has spread within a round, while the window is more than fills the path", () => {
    using d = new Dialogue(options);
    const { peer, app } = begin(d);
    const { sender } = app.socket.subflows[0]!;
    train(d, peer, app, 10);
    assertEquals(sender.ssthresh, Infinity);
    const before = sender.cwnd;
    d.pass(1e3);
    const { una } = sender.board;
    peer.sends(`. ack ${una + MSS} <dack8 ${una + MSS}>`);
    // A segment a millisecond, and 40 ms: what fills it, and the step from one round trip to the next.
    assertEquals(sender.ssthresh, 41 * MSS);
    assertEquals(sender.cwnd - before, Math.floor(MSS / 4));
  });

  it("RFC 9406 §4.2: what a train has told ends by a loss as slow start does", () => {
    using d = new Dialogue(options);
    const { peer, app } = begin(d);
    const { sender } = app.socket.subflows[0]!;
    train(d, peer, app, 12);
    assertEquals(sender.ssthresh, 41 * MSS);
    const { una, nxt } = sender.board;
    peer.sends(`. ack ${una} <dack8 ${una}, sack ${una + MSS}:${una + 5 * MSS}>`);
    assertEquals(sender.recovery.kind, "fast");
    assertEquals(
      sender.ssthresh,
      Math.floor(Math.min(nxt - una, sender.board.lossFlight || Infinity) / 2),
    );
  });
});

describe("CUBIC (RFC 9438)", () => {
  const options = { policies: { congestionControl: cubic() }, tcp: { tlp: false } };

  it("RFC 9438 §4.6: a loss of one in ten leaves a window of seven", () => {
    using d = new Dialogue(options);
    const { peer, app } = d.opened();
    app.write(10 * MSS);
    assertEquals(segments(peer), 10);
    d.pass(20e3);
    peer.sends(`. ack 1 <dack8 1, sack ${1 + MSS}:${1 + 4 * MSS}>`);
    peer.gets(`. 1:${1 + MSS} ack 1`);
    d.silent();
    d.pass(20e3);
    peer.sends(`. ack ${1 + 10 * MSS} <dack8 ${1 + 10 * MSS}>`);
    app.write(20 * MSS);
    assertEquals(segments(peer), 7);
  });

  it("RFC 9438 §4.8: a timeout leaves one segment, and slow start up to seven in ten", () => {
    using d = new Dialogue({ ...options, tcp: { tlp: false, frto: false } });
    const { peer, app } = d.opened();
    app.write(10 * MSS);
    assertEquals(segments(peer), 10);
    d.untilSent();
    peer.gets(`. 1:${1 + MSS} ack 1`);
    d.silent();
    d.pass(20e3);
    peer.sends(`. ack ${1 + MSS} <dack8 ${1 + MSS}>`);
    peer.gets(`. ${1 + MSS}:${1 + 2 * MSS}`);
    peer.gets(`. ${1 + 2 * MSS}:${1 + 3 * MSS}`);
    d.silent();
    app.write(100 * MSS);
    d.pass(20e3);
    peer.sends(`. ack ${1 + 10 * MSS} <dack8 ${1 + 10 * MSS}>`);
    const { sender } = app.socket.subflows[0]!;
    assertEquals(sender.ssthresh, 7 * MSS);
    // From there on by a part of a segment a round trip.
    assert(sender.cwnd >= 7 * MSS && sender.cwnd < 8 * MSS, `${sender.cwnd / MSS}`);
    assertEquals(segments(peer), 7);
  });

  it("RFC 9438 §4.3: a small window grows by half a segment a round trip, like Reno with its own reduction", () => {
    using d = new Dialogue(options);
    const { peer, app } = d.opened();
    app.write(10 * MSS);
    segments(peer);
    d.pass(20e3);
    peer.sends(`. ack 1 <dack8 1, sack ${1 + MSS}:${1 + 10 * MSS}>`);
    segments(peer);
    d.pass(20e3);
    peer.sends(`. ack ${1 + 10 * MSS} <dack8 ${1 + 10 * MSS}>`);
    // 0.53 each up to the 10.25 of before the loss, then a whole one.
    assertEquals(rounds(d, peer, app, Array(8).fill(20e3)), [7, 7, 8, 8, 9, 9, 10, 10, 11]);
  });

  it("RFC 9438 §5.8: time in which little is sent does not count: the window leaps nowhere", () => {
    using d = new Dialogue(options);
    const { peer, app } = d.opened({ rtt: 100e3 });
    rounds(d, peer, app, Array(3).fill(100e3));
    const { sender } = app.socket.subflows[0]!;
    const from = sender.board.una;
    d.pass(100e3);
    peer.sends(`. ack ${from} <dack8 ${from}, sack ${from + MSS}:${from + 40 * MSS}>`);
    d.pass(100e3);
    segments(peer);
    // Whatever is still to be sent of it.
    for (let i = 0; i < 200 && (app.socket.unsent > 0 || !sender.board.empty); i++) {
      peer.acks();
      segments(peer);
      d.pass(100e3);
    }
    const before = sender.cwnd;
    for (let i = 0; i < 200; i++) {
      app.write(MSS);
      segments(peer);
      d.pass(100e3);
      peer.acks();
    }
    assertEquals(sender.cwnd, before);
    app.write(400 * MSS);
    segments(peer);
    d.pass(100e3);
    ackEach(peer, sender.board.una);
    assert(sender.cwnd < before * 1.1, `${before / MSS} became ${sender.cwnd / MSS}`);
  });
});

describe("a window that is not filled (RFC 7661)", () => {
  it("RFC 7661 §4.4: does not grow, however much is acknowledged", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    for (let i = 0; i < 100; i++) {
      app.write(3 * MSS);
      assertEquals(segments(peer), 3);
      d.pass(20e3);
      peer.acks();
    }
    app.write(40 * MSS);
    assertEquals(segments(peer), 10);
  });

  /** What is left of a window of about 40, of which one segment is in use on a path of 0.9 s, after `seconds`. */
  function after(seconds: number): number {
    using d = new Dialogue();
    const { peer, app } = d.opened({ rtt: 0.9e6 });
    const { sender } = app.socket.subflows[0]!;
    rounds(d, peer, app, [0.9e6, 0.9e6]);
    while (app.socket.unsent > 0 || !sender.board.empty) {
      d.pass(0.9e6);
      peer.acks();
      segments(peer);
    }
    const before = sender.cwnd;
    for (let time = 0; time < seconds; time += 0.9) {
      app.write(MSS);
      segments(peer);
      d.pass(0.9e6);
      peer.acks();
    }
    return sender.cwnd / before;
  }

  it("RFC 7661 §4.4.3: is kept for five minutes", () => {
    assertEquals(after(290), 1);
  });

  it("RFC 7661 §4.4.3: is halved behind them", () => {
    assertEquals(Math.round(after(310) * 100), 50);
  });
});
