import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";

describe("the peer's window", () => {
  for (const mptcp of [true, false]) {
    const kind = mptcp ? "MPTCP" : "plain TCP";
    const dack = (n: number): string => mptcp ? ` <dack8 ${n}>` : "";

    it(`is never exceeded (${kind})`, () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0, win: 5000 });
      app.write(20000);
      // The last part of the window is less than a segment, and than half of the largest window: it waits (RFC 9293 §3.8.6.2.1).
      const { end } = peer.takeAll().at(-1)!;
      assert(end > 4000 && end <= 5001, `${end}`);
      peer.sends(`. ack 3001 win 2000${dack(3001)}`);
      d.silent();
      peer.sends(`. ack ${end} win 1000${dack(end)}`);
      d.silent();
      assertEquals(d.untilSent(), 200e3);
      assertEquals(peer.takeAll().at(-1)!.end, end + 1000);
    });

    it(`DA-4: when zero is probed with back-off, and data flow again when it opens (${kind})`, () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0, win: 5000 });
      app.write(2500);
      app.write(2500);
      peer.takeAll();
      peer.sends(`. ack 5001 win 0${dack(5001)}`);
      app.write(5000);
      d.silent();
      const times: number[] = [];
      for (let i = 0; i < 5; i++) {
        times.push(d.untilSent());
        peer.gets(`. 5000 ack 1`); // one below: the peer has to answer
        peer.sends(`. ack 5001 win 0${dack(5001)}`);
        d.silent();
      }
      for (let i = 1; i < 5; i++) {
        assert(Math.abs(times[i]! / times[i - 1]! - 2) < 0.1, `${times}`);
      }
      assert(times[0]! >= 200e3 && times[0]! < 1.1e6);
      peer.sends(`. ack 5001 win 3000${dack(5001)}`);
      const { end } = peer.takeAll().at(-1)!;
      assert(end > 7500 && end <= 8001, `${end}`);
      assertEquals(app.code, undefined);
    });

    it(`taken back over data in flight ends no connection whose peer answers, and they go again when it opens (${kind}; RFC 9293 §3.8.6)`, () => {
      for (const closed of [false, true]) {
        using d = new Dialogue();
        const { peer, app } = d.opened({ mptcp, scale: 0 });
        app.write(20000);
        peer.takeAll();
        // The peer keeps the first segment, and throws the others away.
        const taken = mptcp ? 1437 : 1449;
        const shut = `. ack ${taken} win 0${dack(taken)}`;
        peer.sends(shut);
        if (closed) app.close();
        const since = d.now;
        while (d.now - since < 3000e6) {
          d.untilSent();
          for (const { flags, seq } of peer.takeAll()) {
            assertEquals([flags.includes("R"), seq <= taken], [false, true]);
          }
          d.pass(1e3);
          peer.sends(shut);
        }
        assertEquals(app.code, undefined);
        assertEquals(app.socket.subflows[0]!.stale, false);
        peer.sends(`. ack ${taken} win 60000${dack(taken)}`);
        if (!peer.pending) assert(d.untilSent() < 1e6, "the open window is used at once");
        for (let i = 0; i < 100 && peer.acked < 20001; i++) {
          const { end } = peer.take();
          peer.sends(`. ack ${end} win 60000${dack(end)}`);
        }
        assertEquals(peer.acked, 20001);
      }
    });

    it(`taken back over data in flight ends a connection whose peer answers nothing (${kind})`, () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0 });
      app.write(20000);
      peer.takeAll();
      peer.sends(`. ack 1 win 0${dack(1)}`);
      d.pass(301e6);
      assertEquals(app.code, "TimedOut");
    });

    it(`when zero for an hour ends no connection that the application keeps (${kind}; RFC 9293 §3.8.6.1)`, () => {
      using d = new Dialogue();
      const { peer, app } = d.opened({ mptcp, scale: 0, win: 100 });
      app.write(100);
      peer.takeAll();
      peer.sends(`. ack 101 win 0${dack(101)}`);
      app.write(100);
      for (let i = 0; i < 60; i++) {
        d.untilSent();
        peer.takeAll();
        peer.sends(`. ack 101 win 0${dack(101)}`);
      }
      assert(d.now > 3000e6);
      assertEquals(app.code, undefined);
    });
  }

  // RFC 8684 §3.3.5: "MPTCP SHOULD take the largest of the most recent window sizes as the one to use in calculations"
  // RFC 8684 §4: "a host SHOULD use the maximum value of those recently seen on the constituent subflows for the connection-level receive window"
  it("counts from the DATA_ACK, whichever subflow brings it (RFC 8684 §3.3.4)", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { scale: 0, win: 4000 });
    app.write(8000);
    const sent = [...first.takeAll(), ...second.takeAll()].reduce((n, s) => n + s.end - s.seq, 0);
    assertEquals(sent, 2 * 1428);
    second.sends(". ack 1 win 6000 <dack8 1>");
    const more = [...first.takeAll(), ...second.takeAll()].reduce((n, s) => n + s.end - s.seq, 0);
    assertEquals(more, 2 * 1428);
  });

  it("is that of the newest segment, not of one that comes late (RFC 9293 §3.10.7.4, SND.WL1 and SND.WL2)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, scale: 0, win: 8000 });
    const [subflow] = app.socket.subflows;
    peer.sends(". 101:201 ack 1 win 7000");
    assertEquals(subflow!.sender.window.size, 7000);
    peer.sends(". 1:101 ack 1 win 100");
    assertEquals(subflow!.sender.window.size, 7000);
    app.write(2000);
    peer.takeAll();
    peer.sends(". 201 ack 1001 win 6000");
    peer.sends(". 201 ack 1 win 50");
    assertEquals(subflow!.sender.window.size, 6000);
  });

  // RFC 8684 §3.3.2: "an implementation MUST NOT use the RCV.WND field of a TCP segment at the connection level if it does not also carry a DSS
  // option with a Data ACK field"
  it("DA-1: without a DATA_ACK tells the data level nothing (RFC 8684 §3.3.2)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ scale: 0, win: 4000 });
    peer.sends(". ack 1 win 4000 <dack8 1>");
    assertEquals(app.socket.window, 4000);
    peer.sends(". ack 1 win 65535");
    assertEquals(app.socket.window, 4000);
    peer.sends(". ack 1 win 65535 <dack8 1>");
    assertEquals(app.socket.window, 65535);
  });

  it("that is taken back with nothing in flight is kept to on plain TCP (RFC 9293 §3.8.6)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, scale: 0 });
    app.write(1000);
    peer.takeAll();
    peer.sends(". ack 1001 win 500");
    app.write(20000);
    d.silent();
    assertEquals(d.untilSent(), 200e3);
    assertEquals(peer.takeAll().map(({ seq, end }) => [seq, end]), [[1001, 1501]]);
    peer.sends(". ack 1501 win 0");
    d.silent();
    d.untilSent();
    peer.gets(". 1500");
    peer.sends(". ack 1501 win 60000");
    assertEquals(peer.takeAll().at(-1)!.end > 10000, true);
  });

  it("that shrinks is no reason to take anything back, or to fail", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ scale: 0 });
    app.write(5000);
    peer.takeAll();
    peer.sends(". ack 1 win 100 <dack8 1>");
    app.write(100000);
    peer.sends(". ack 5001 win 60000 <dack8 5001>");
    assert(peer.takeAll().length > 5);
  });
});

describe("our window", () => {
  it("is that of the shared buffer, and closes as it fills", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 20000 } });
    const { peer } = d.opened();
    assertEquals(peer.theirScale, 0);
    for (let i = 0; i < 10; i++) peer.data(1400);
    d.pass(50e3);
    assertEquals(peer.takeAll().at(-1)!.win, 6000);
    for (let i = 0; i < 4; i++) peer.data(1400);
    peer.data(400);
    d.pass(50e3);
    assertEquals(peer.takeAll().at(-1)!.win, 0);
  });

  // RFC 8684 §3.3.4: "a receiver MUST NOT shrink the right edge of the receive window"
  it("never lets its right edge move back (RFC 9293 §3.8.6.2.2)", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 300001 } });
    const { peer, app } = d.opened();
    const unit = 2 ** peer.theirScale;
    let edge = 0;
    let read = 0;
    for (let i = 0; i < 400; i++) {
      peer.data(1 + (i * 389) % 1400);
      if (i % 3 === 0) read += app.read(1 + (i * 977) % 3000);
      d.pass(50e3);
      for (const got of peer.takeAll()) {
        // To the next unit: what was offered by rounding up is taken too (RFC 7323 §2.4).
        const right = got.ack + got.win * unit;
        assert(right > edge - unit, `${right} after ${edge}`);
        edge = Math.max(edge, right);
      }
    }
    assert(read > 0);
  });

  it("DA-3: when it opens again every subflow is told, with a DATA_ACK", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 10000 } });
    const { first, second, app } = joined(d);
    for (let i = 0; i < 7; i++) first.data(1400);
    d.pass(50e3);
    assertEquals(first.takeAll().at(-1)!.win, 200);
    second.takeAll();
    assertEquals(app.read(1000), 1000);
    // Not before it is worth a segment: silly windows.
    d.silent();
    assertEquals(app.read(), 8800);
    first.gets(". 1 ack 9801 win 10000 <dack8 9801>");
    second.gets(". 1 ack 1 win 10000 <dack8 9801>");
    d.silent();
  });

  it("DA-3: is told as soon as two segments fit again, however large the buffer", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 20000 } });
    const { first, second, app } = joined(d);
    for (let i = 0; i < 14; i++) first.data(1400);
    d.pass(50e3);
    first.takeAll();
    assertEquals(app.read(2800), 2800);
    d.silent();
    assertEquals(app.read(100), 100);
    first.gets(". 1 ack 19601 win 3300");
    second.gets(". 1 ack 1 win 3300 <dack8 19601>");
  });

  it("DA-3: one update is enough where it was not closed", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 20000 } });
    const { first, second, app } = joined(d);
    for (let i = 0; i < 9; i++) first.data(1400);
    d.pass(50e3);
    first.takeAll();
    second.takeAll();
    app.read();
    assertEquals([...first.takeAll(), ...second.takeAll()].length, 1);
  });

  it("takes nothing beyond it: what was not kept is not acknowledged (plain TCP)", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 5000 } });
    const { peer, app } = d.opened({ mptcp: false });
    peer.sends("F. 1:6001");
    peer.gets(". 1 ack 5001 win 0");
    for (const seq of [5001, 5002]) {
      peer.sends(`. ${seq}:${seq + 1}`);
      peer.gets(". 1 ack 5001 win 0");
    }
    assertEquals(app.read(), 5000);
    peer.gets(". 1 ack 5001 win 5000");
    peer.sends("F. 5001:6001");
    assertEquals(app.read(), 1000);
    assertEquals(app.socket.atEnd, true);
  });

  it("lets a subflow send what another was offered (RFC 8684 §3.3.4)", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 20000 } });
    const { first, second, app } = joined(d);
    for (let i = 0; i < 11; i++) first.data(1400);
    second.data(400);
    d.pass(50e3);
    second.gets(". 1 ack 401 win 4200 <dack8 15801>");
    first.takeAll();
    assertEquals(app.read(11000), 11000);
    first.gets(". 1 win 15200 <dack8 15801>");
    d.silent();
    second.sends(". 10001:11401 <dack8 1, map8 25401 10001 1400>");
    second.gets(". 1 ack 401 <sack 10001:11401>");
  });

  it("counts at the data level where a hole of the subflow is never filled: a proxy has acknowledged it, the data come again (RFC 8684 §3.3.4)", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 20000 } });
    const { peer, app } = d.opened();
    peer.sends(". 1:1001 ack 1 <dack8 1, map8 1 1 1000>");
    // [1001, 2001) is lost on the way behind the proxy, and so is one in ten later.
    let [seq, dsn] = [2001, 2001];
    for (let i = 0; i < 60; i++) {
      peer.sends(`. ${seq}:${seq + 1000} ack 1 <dack8 1, map8 ${dsn} ${seq} 1000>`);
      seq += 1000;
      dsn += 1000;
      if (i % 10 === 5) {
        const missing = app.socket.dataRcvNxt;
        peer.sends(`. ${seq}:${seq + 1000} ack 1 <dack8 1, map8 ${missing} ${seq} 1000>`);
        seq += 2000;
        dsn += 1000;
      }
      app.read();
    }
    assert(app.got > 55_000, `${app.got}`);
    assertEquals(app.socket.subflows[0]!.receiver.nxt, 1001);
    // What lies beyond the window of the data is not kept all the same.
    const next = app.socket.dataRcvNxt;
    peer.sends(`. ${seq}:${seq + 1000} ack 1 <dack8 1, map8 ${next + 100_000} ${seq} 1000>`);
    assertEquals(app.socket.receiveQueue.next, next);
    assert(d.stack.bytes < 1e6, `${d.stack.bytes}`);
  });

  it("DA-4: a probe of the peer is answered with the window that is", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 5000 } });
    const { peer, app } = d.opened();
    peer.data(1400);
    peer.data(1400);
    peer.data(1400);
    peer.data(800);
    d.pass(50e3);
    assertEquals(peer.takeAll().at(-1)!.win, 0);
    peer.sends(`. ${peer.next - 1} <dack8 1>`);
    peer.gets(". 1 ack 5001 win 0 <dack8 5001>");
    // Also with a byte that does not fit.
    peer.sends(". 5001:5002 <dack8 1, map8 5001 5001 1>");
    assertEquals(peer.takeAll().at(-1)!.win, 0);
    assertEquals(app.read(), 5000);
  });
});
