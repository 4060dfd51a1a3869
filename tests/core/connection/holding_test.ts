/** Less than a segment that waits: Nagle (RFC 9293 §3.7.4), a cork, silly windows (RFC 9293 §3.8.6.2.1). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Holding } from "../../../core/connection/holding.ts";
import { chunkLimit } from "../../../core/connection/look_ahead.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { join, joined } from "../../support/joins.ts";
import type { Peer } from "../../support/scripted_peer.ts";
import { stream } from "../../support/segment_codec.ts";

describe("what is held back", () => {
  it("is nothing at first", () => {
    const holding = new Holding();
    holding.small(100);
    assertEquals([holding.tail(1), holding.cut(50, 100, 10)], [false, false]);
  });

  it("is a small end behind a small segment that is out, under Nagle", () => {
    const holding = new Holding();
    holding.setNoDelay(false);
    assertEquals(holding.tail(1), false);
    holding.small(101);
    assertEquals([holding.tail(1), holding.tail(100), holding.tail(101)], [true, true, false]);
  });

  it("is any small end while corked, until it is overdue", () => {
    const holding = new Holding();
    holding.cork(true);
    assertEquals(holding.tail(1), true);
    holding.release();
    assertEquals([holding.tail(1), holding.corked], [false, false]);
    holding.passed();
    holding.cork(true);
    assertEquals(holding.tail(1), true);
  });

  it("is less than half of the largest window, until it is overdue; under Nagle more while something is out", () => {
    const holding = new Holding();
    assertEquals([holding.cut(49, 100, 0), holding.cut(50, 100, 0)], [true, false]);
    holding.setNoDelay(false);
    assertEquals([holding.cut(50, 100, 0), holding.cut(50, 100, 1)], [false, true]);
    holding.release();
    assertEquals([holding.cut(1, 100, 1)], [false]);
  });
});

for (const mptcp of [true, false]) {
  const kind = mptcp ? "MPTCP" : "plain TCP";
  const dack = (n: number): string => mptcp ? ` <dack8 ${n}>` : "";
  const acks = (peer: Peer, ack: number, win: number): void =>
    peer.sends(`. ack ${ack} win ${win}${dack(ack)}`);
  /** The sequence numbers of what was sent. */
  const ranges = (peer: Peer): number[][] => peer.takeAll().map(({ seq, end }) => [seq, end]);
  const mss = (app: App): number => app.socket.subflows[0]!.mss;

  describe(`RFC 9293 §3.8.6.2.1: silly windows, sending (${kind})`, () => {
    it("a peer that opens ten bytes at a time gets no segments of ten bytes: what there is leaves after 200 ms", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0, win: 3000 });
      app.write(3000);
      assert(peer.takeAll().length >= 2);
      acks(peer, 3001, 0);
      app.write(5000);
      // A reader that takes ten bytes every ms.
      for (let win = 10; win <= 190; win += 10) {
        acks(peer, 3001, win);
        d.silent();
        d.pass(10e3);
      }
      d.pass(10e3);
      assertEquals(ranges(peer), [[3001, 3191]]);
    });

    it("half of the largest window is worth a segment", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0, win: 1000 });
      app.write(5000);
      assertEquals(ranges(peer), [[1, 1001]]);
      acks(peer, 1001, 499);
      d.silent();
      acks(peer, 1001, 500);
      assertEquals(ranges(peer), [[1001, 1501]]);
    });

    it("a peer whose window is always small gets what it takes, at once", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0, win: 10 });
      app.write(50);
      for (let i = 0; i < 5; i++) {
        assertEquals(ranges(peer), [[1 + 10 * i, 11 + 10 * i]]);
        d.pass(1e3);
        acks(peer, 11 + 10 * i, 10);
      }
      d.silent();
    });

    it("a segment's room is worth one, however large the window was", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0, win: 10000 });
      const full = mss(app);
      app.write(10000);
      peer.takeAll();
      acks(peer, 10001, 0);
      app.write(20000);
      acks(peer, 10001, full - 1);
      d.silent();
      acks(peer, 10001, full);
      assertEquals(ranges(peer), [[10001, 10001 + full]]);
    });

    it("the end of what was written goes into any window that holds it", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0, win: 1000 });
      app.write(1000);
      peer.takeAll();
      acks(peer, 1001, 10);
      app.write(10);
      assertEquals(ranges(peer), [[1001, 1011]]);
    });

    it("the timeout of a small window is none of a closed one: that is probed as ever", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0, win: 2000 });
      app.write(2000);
      peer.takeAll();
      acks(peer, 2001, 0);
      app.write(2000);
      assert(d.untilSent() > 200e3);
      peer.gets(". 2000");
      acks(peer, 2001, 100);
      d.silent();
      assertEquals(d.untilSent(), 200e3);
      peer.gets(". 2001:2101");
      acks(peer, 2101, 2000);
      assertEquals(peer.takeAll().at(-1)!.end, 4001);
    });

    it("what a window cuts off waits no longer once a close() makes it the end", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0, win: 3000 });
      app.write(3000);
      peer.takeAll();
      acks(peer, 3001, 100);
      app.write(100);
      app.finish();
      assertEquals(peer.take().end, 3101);
    });
  });

  describe(`RFC 9293 §3.7.4: Nagle (${kind})`, () => {
    it("small writes go as one when the small segment before them is acknowledged", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp });
      app.socket.setNoDelay(false);
      app.write(10);
      assertEquals(ranges(peer), [[1, 11]]);
      for (let i = 0; i < 5; i++) app.write(10);
      d.silent();
      acks(peer, 11, 60000);
      assertEquals(ranges(peer), [[11, 61]]);
      app.write(10);
      d.silent();
      acks(peer, 61, 60000);
      assertEquals(ranges(peer), [[61, 71]]);
    });

    it("full segments go at once, and the rest of a write behind them (appendix A.3)", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp });
      app.socket.setNoDelay(false);
      const full = mss(app);
      app.write(full + 100);
      assertEquals(peer.takeAll().at(-1)!.end, full + 101);
      // That rest is small, and out.
      app.write(full + 50);
      assertEquals(ranges(peer), [[full + 101, 2 * full + 101]]);
      acks(peer, full + 101, 60000);
      assertEquals(ranges(peer), [[2 * full + 101, 2 * full + 151]]);
    });

    it("waits for the acknowledgement of a small segment that was lost, and sent again", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp });
      app.socket.setNoDelay(false);
      app.write(10);
      peer.lose();
      app.write(20);
      d.silent();
      d.untilSent();
      assertEquals(ranges(peer), [[1, 11]]);
      acks(peer, 11, 60000);
      assertEquals(ranges(peer), [[11, 31]]);
    });

    it("setNoDelay(true) lets out what waits; so does the end", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp });
      app.socket.setNoDelay(false);
      app.write(10);
      app.write(10);
      assertEquals(ranges(peer), [[1, 11]]);
      app.socket.setNoDelay(true);
      d.stack.flush(d.now);
      assertEquals(ranges(peer), [[11, 21]]);
      app.socket.setNoDelay(false);
      app.write(10);
      d.silent();
      app.finish();
      assertEquals(peer.take().end, 31);
    });

    it("holds half a window back while something is out (RFC 9293 §3.8.6.2.1, rule 3 with its brackets)", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0, win: 1000 });
      app.socket.setNoDelay(false);
      app.write(400);
      assertEquals(ranges(peer), [[1, 401]]);
      app.write(5000);
      d.silent();
      acks(peer, 401, 600);
      assertEquals(ranges(peer), [[401, 1001]]);
    });
  });

  describe(`write() with 'cork' (${kind})`, () => {
    it("holds less than a segment back until a write without it", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp });
      app.write(10, true);
      app.write(20, true);
      d.silent();
      d.pass(199e3);
      d.silent();
      app.write(30);
      assertEquals(ranges(peer), [[1, 61]]);
      acks(peer, 61, 60000);
      d.pass(1e6);
      d.silent();
    });

    it("sends full segments at once, and holds the rest", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp });
      const full = mss(app);
      app.write(full + 10, true);
      assertEquals(ranges(peer), [[1, full + 1]]);
      app.write(full, true);
      assertEquals(ranges(peer), [[full + 1, 2 * full + 1]]);
      app.write(0);
      assertEquals(ranges(peer), [[2 * full + 1, 2 * full + 11]]);
    });

    it("holds for 200 ms, also where ACKs come meanwhile", () => {
      using d = new Dialogue({ tcp: { tlp: false } });
      const { peer, app } = d.opened({ mptcp });
      app.write(100);
      app.write(10, true);
      assertEquals(ranges(peer), [[1, 101]]);
      d.pass(30e3);
      acks(peer, 101, 60000);
      d.silent();
      assertEquals(d.untilSent(), 170e3);
      assertEquals(ranges(peer), [[101, 111]]);
      // The next one has its own time.
      acks(peer, 111, 60000);
      app.write(10, true);
      assertEquals(d.untilSent(), 200e3);
      assertEquals(ranges(peer), [[111, 121]]);
    });

    it("is ended by the end", () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp });
      app.write(10, true);
      d.silent();
      app.finish();
      assertEquals(peer.take().end, 11);
    });

    it("neither delays nor spoils what goes again", () => {
      using d = new Dialogue({ tcp: { tlp: false } });
      const { peer, app } = d.opened({ mptcp });
      app.write(100);
      peer.lose();
      app.write(10, true);
      const start = d.now;
      const times = new Map<string, number>();
      while (times.size < 2) {
        d.untilSent();
        for (const range of ranges(peer)) {
          if (!times.has(`${range}`)) times.set(`${range}`, d.now - start);
        }
      }
      // What was lost goes as its own timers say.
      assertEquals(times.get("101,111"), 200e3);
      assert(times.get("1,101")! < 1e6);
    });
  });

  describe(`gather() (${kind})`, () => {
    /** `most` bytes leave at once. */
    const wide = (d: Dialogue): { peer: Peer; app: App; most: number } => {
      const { peer, app } = d.opened({ mptcp, scale: 10, win: 60000 });
      for (let i = 0; i < 10; i++) {
        app.write(100000);
        for (let sent = ranges(peer); sent.length > 0; sent = ranges(peer)) {
          acks(peer, sent.at(-1)![1]!, 60000);
        }
      }
      return { peer, app, most: chunkLimit(app.socket.subflows[0]!) };
    };

    it("what leaves at once is what the link takes at once, and no small part beside it", () => {
      for (const maxSegments of [1, 6, 9, 64]) {
        using d = new Dialogue({ maxSegments });
        const { app, most } = wide(d);
        const segment = mss(app);
        const whole = maxSegments * segment;
        assert(most > 10 * segment, `${most} with ${maxSegments} segments`);
        assertEquals(most % segment, 0);
        assert(most < whole || most % whole === 0, `${most} with ${maxSegments} segments`);
      }
    });

    it("what would be a small super-segment waits for what is written behind it", () => {
      using d = new Dialogue({ maxSegments: 64 });
      const { peer, app, most } = wide(d);
      const begin = app.written + 1;
      app.socket.gather(true);
      app.write(100);
      d.silent();
      app.write(most);
      assertEquals(ranges(peer), [[begin, begin + most]]);
      app.write(most - 100);
      assertEquals(ranges(peer), [[begin + most, begin + 2 * most]]);
      app.write(200);
      d.silent();
      assert(most > 10 * mss(app), `${most}`);
      app.socket.gather(false);
      d.stack.flush(d.now);
      assertEquals(ranges(peer), [[begin + 2 * most, begin + 2 * most + 200]]);
      app.write(300);
      assertEquals(ranges(peer).length, 1);
    });

    it("the end lets it out", () => {
      using d = new Dialogue({ maxSegments: 64 });
      const { peer, app } = wide(d);
      app.socket.gather(true);
      app.write(100);
      d.silent();
      app.finish();
      assertEquals(peer.takeAll()[0]!.end, app.written + 1);
    });

    it("bytes of one hint do not wait for those of another", () => {
      using d = new Dialogue({ maxSegments: 64 });
      const { peer, app } = wide(d);
      app.socket.gather(true);
      const { written } = app;
      app.socket.write(d.now, stream("stack", 1 + written, 100), 0, false, 1);
      app.socket.write(d.now, stream("stack", 101 + written, 50), 0, false, 2);
      d.stack.flush(d.now);
      assertEquals(peer.takeAll().map(({ seq, end }) => end - seq), [100]);
      app.socket.gather(false);
      d.stack.flush(d.now);
      assertEquals(peer.takeAll().map(({ seq, end }) => end - seq), [50]);
    });
  });
}

describe("gather() of a connection with two subflows", () => {
  it("what waits to fill a super-segment of a fast path is not given to a slow one, for which it is enough", () => {
    using d = new Dialogue({ maxSegments: 64 });
    const { peer: first, app } = d.opened({ scale: 10, win: 60000 });
    for (let i = 0; i < 10; i++) {
      app.write(100000);
      for (let sent = first.takeAll(); sent.length > 0; sent = first.takeAll()) {
        const { end } = sent.at(-1)!;
        first.sends(`. ack ${end} win 60000 <dack8 ${end}>`);
      }
    }
    const second = join(d, first, 1, { rtt: 200e3, scale: 10, win: 60000 });
    d.settle();
    const [fast, slow] = app.socket.subflows.map(chunkLimit);
    const length = fast! - 1000;
    assert(slow! < length, `${slow} and ${fast}`);
    app.socket.gather(true);
    app.write(length);
    d.silent();
    app.socket.gather(false);
    d.stack.flush(d.now);
    assertEquals(first.takeAll().map(({ seq, end }) => end - seq), [length]);
    assertEquals(second.takeAll().length, 0);
  });
});

describe("RFC 9293 §3.8.6.2.1: silly windows of a connection with two subflows", () => {
  it("the shared window is not cut into small pieces because a second subflow is idle", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { scale: 0, win: 4000 });
    app.write(8000);
    const lengths = [...first.takeAll(), ...second.takeAll()].map(({ seq, end }) => end - seq);
    assertEquals(lengths, [1428, 1428]);
  });
});
