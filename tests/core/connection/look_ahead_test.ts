/** Schedulers that bind data ahead: hybrid (draft SQ-8) and push (draft A.5, ALT-5). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { SchedulerPlugin } from "../../../core/plugin.ts";
import { minRtt, redundant, timeDistance } from "../../../sched/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";
import { dataOffsets, type Got } from "../../support/scripted_peer.ts";

const MSS = 1428;
/** Initial window of RFC 6928. */
const WINDOW = 10 * MSS;

/** Five segments for each path in turn, as far ahead as `lookAhead` allows. */
function inTurn(lookAhead: number, asked: { times: number } = { times: 0 }): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "in_turn",
    quantum: 5 * MSS,
    lookAhead,
    create: ({ subflows }) => {
      let turn = 0;
      return {
        pick() {
          asked.times++;
          return subflows[turn++ % subflows.length] ?? null;
        },
      };
    },
  };
}

const bytes = (segments: readonly Got[]): number =>
  segments.reduce((sum, { seq, end }) => sum + end - seq, 0);

describe("ALT-5: push (draft A.5)", () => {
  it("asks the scheduler when the application writes, and binds all that it wrote", () => {
    const asked = { times: 0 };
    using d = new Dialogue({ policies: { scheduler: inTurn(Infinity, asked) } });
    const { first, second, app } = joined(d);
    app.write(60 * MSS);
    assertEquals(asked.times, 12);
    const { socket } = app;
    assertEquals(socket.unsent, 0);
    assertEquals(socket.sendQueue.unsent, 60 * MSS - 2 * WINDOW);
    assertEquals(socket.unacked, 2 * WINDOW);
    assertEquals(socket.subflows.map(({ queued }) => queued), [20 * MSS, 20 * MSS]);
    // Its own turn by turn: what lies between them is the other's.
    const each = (from: number): number[] =>
      [0, 1, 2, 3, 4, 10, 11, 12, 13, 14].map((n) => 1 + (n + from) * MSS);
    assertEquals(dataOffsets(first.takeAll()), each(0));
    assertEquals(dataOffsets(second.takeAll()), each(5));
  });

  it("ready: sends the next of the subflow's own part A, and nobody is asked", () => {
    const asked = { times: 0 };
    using d = new Dialogue({ policies: { scheduler: inTurn(Infinity, asked) } });
    const { first, second, app } = joined(d);
    app.write(60 * MSS);
    first.takeAll();
    second.takeAll();
    const before = asked.times;
    second.acks();
    assertEquals(dataOffsets(second.takeAll())[0], 1 + 25 * MSS);
    assertEquals(first.pending, false);
    assertEquals(asked.times, before);
  });

  it("DATA_ACKed: drops nothing that is not acknowledged on the subflow; never sent again what was bound", () => {
    using d = new Dialogue({ policies: { scheduler: inTurn(Infinity) } });
    const { first, second, app } = joined(d);
    app.write(40 * MSS);
    first.takeAll();
    second.takeAll();
    // The peer cannot have what nobody sent: 21 × MSS were never on the wire.
    first.sends(`. ack 1 <dack8 ${1 + 30 * MSS}>`);
    assertEquals(d.stack.counters.get("DSSNotMatching"), 1);
    assertEquals(app.socket.dataUna, 1);
    first.sends(`. ack 1 <dack8 ${1 + 20 * MSS}>`);
    assertEquals(app.socket.dataUna, 1 + 20 * MSS);
    assertEquals(app.socket.subflows.map(({ inFlight }) => inFlight), [WINDOW, WINDOW]);
    assertEquals(app.socket.subflows.map(({ queued }) => queued), [10 * MSS, 10 * MSS]);
  });

  it("timeout: what the subflow holds, sent or not, goes to the best other one", () => {
    using d = new Dialogue({ policies: { scheduler: timeDistance() }, tcp: { tlp: false } });
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 50e3 });
    app.write(60 * MSS);
    const [one, other] = app.socket.subflows;
    const held = one!.queued;
    assert(held > 0 && other!.queued >= 0, `${held}`);
    first.takeAll();
    second.takeAll();
    d.untilSent();
    assertEquals(one!.queued, 0);
    assert(other!.queued > 0);
    // With the second alone everything comes to the peer.
    for (let round = 0; round < 60 && app.socket.unacked > 0; round++) {
      second.takeAll();
      second.acks();
      d.pass(50e3);
      first.takeAll();
    }
    assertEquals(second.dataAcked, 1 + 60 * MSS);
  });

  it("IMP-1: a DATA_ACK on one subflow lets the other send, in the same turn", () => {
    using d = new Dialogue({ policies: { scheduler: inTurn(Infinity) } });
    const { first, second, app } = joined(d, { scale: 0, win: 10 * MSS });
    app.write(30 * MSS);
    // The window ends where the second turn of the first begins.
    assertEquals(bytes(first.takeAll()), 5 * MSS);
    assertEquals(bytes(second.takeAll()), 5 * MSS);
    first.sends(`. ack 1 <dack8 ${1 + 10 * MSS}>`);
    assertEquals(dataOffsets(second.takeAll())[0], 1 + 15 * MSS);
    assertEquals(dataOffsets(first.takeAll())[0], 1 + 10 * MSS);
  });

  for (const reallocate of [true, false]) {
    it(`${reallocate ? "binds anew" : "waits"} where the window ends below what a ready subflow holds`, () => {
      // Whoever is ready, else in turn.
      let turn = 0;
      const scheduler: SchedulerPlugin = {
        ...inTurn(Infinity),
        create: ({ subflows }) => ({
          pick: (ready) => ready[0] ?? subflows[turn++ % 2] ?? null,
        }),
      };
      using d = new Dialogue({ policies: { scheduler }, experiments: { reallocate } });
      const { first, second, app } = joined(d, { scale: 0, win: 22 * MSS });
      app.write(60 * MSS);
      assertEquals(bytes(first.takeAll()) + bytes(second.takeAll()), 2 * WINDOW);
      const [one, other] = app.socket.subflows;
      const { figures } = app.socket;
      const [slow, quick] = one!.partA!.first < other!.partA!.first
        ? [first, second]
        : [second, first];
      // What comes next waits on one that has no room; the other has, and nothing within the window.
      quick.sends(`. ack ${quick.acked} <dack8 1>`);
      assertEquals(slow.pending, false);
      assertEquals(
        dataOffsets(quick.takeAll()),
        reallocate ? [20, 21].map((n) => 1 + n * MSS) : [],
      );
      assertEquals(figures.reallocations, reallocate ? 1 : 0);
      assertEquals(figures.reallocated, reallocate ? 40 * MSS : 0);
      assertEquals(app.socket.repeated, 0);
    });
  }

  it("a subflow that leaves gives back what was bound to it", () => {
    using d = new Dialogue({ policies: { scheduler: inTurn(Infinity) } });
    const { first, second, app } = joined(d);
    app.write(60 * MSS);
    first.takeAll();
    second.takeAll();
    first.sends("R. ack 1");
    for (let round = 0; round < 80 && second.dataAcked < 1 + 60 * MSS; round++) {
      second.takeAll();
      second.acks();
      d.pass(20e3);
    }
    assertEquals(second.dataAcked, 1 + 60 * MSS);
    assertEquals(app.socket.sendQueue.unsent, 0);
  });

  it("is left by a live swap: what is bound and unsent is bound anew, as new data", () => {
    using d = new Dialogue({ policies: { scheduler: inTurn(Infinity) } });
    const { first, second, app } = joined(d);
    app.write(60 * MSS);
    app.socket.setScheduler(d.now, minRtt());
    d.stack.flush(d.now);
    assertEquals(app.socket.subflows.map(({ queued }) => queued), [0, 0]);
    first.takeAll();
    second.takeAll();
    second.acks();
    assertEquals(dataOffsets(second.takeAll())[0], 1 + 20 * MSS);
    assertEquals(app.socket.repeated, 0);
  });

  // To a peer that has got no mapping the bytes of an only subflow come in the order in which they leave.
  for (const mptcp of [false, true]) {
    for (const [name, next] of [["pull", minRtt()], ["less", inTurn(100)]] as const) {
      it(`is left by a live swap to ${name}, ${mptcp ? "on an only subflow" : "without mappings"}: what fits into the window does not overtake what was bound`, () => {
        using d = new Dialogue({ policies: { scheduler: inTurn(Infinity) } });
        const { peer, app } = d.opened({ mptcp });
        const mss = mptcp ? MSS : 1448;
        app.write(20 * mss);
        // Of the initial window less than a segment is left.
        assertEquals(peer.takeAll().at(-1)!.end, 1 + 10 * mss);
        app.socket.setScheduler(d.now, next);
        app.write(100);
        app.finish();
        assertEquals(peer.takeAll(), []);
        for (let round = 0; round < 8; round++) {
          d.pass(200e3);
          peer.acks();
          peer.takeAll();
        }
        assertEquals(app.socket.sendQueue.una, 1 + 20 * mss + 100 + 1);
      });
    }
  }

  it("is left by a live swap to a scheduler that repeats: what nobody had sent is new where it is given whole, and can be acknowledged", () => {
    // Windows of 10 segments cut each path's third turn: of 4 segments 2 are sent, and 2 are bound.
    const scheduler = { ...inTurn(Infinity), quantum: 4 * MSS };
    using d = new Dialogue({ policies: { scheduler } });
    const { first, second, app } = joined(d);
    app.write(40 * MSS);
    first.takeAll();
    second.takeAll();
    app.socket.setScheduler(d.now, redundant());
    second.sends(`. ack ${1 + WINDOW} <dack8 1>`);
    for (let round = 0; round < 20; round++) {
      second.takeAll();
      second.acks();
      d.pass(10e3);
    }
    const { sendQueue } = app.socket;
    assertEquals([second.dataAcked, sendQueue.una], [1 + 40 * MSS, 1 + 40 * MSS]);
    assertEquals([sendQueue.unsent, d.stack.counters.get("DSSNotMatching")], [0, 0]);
    // The first path's turns, all but the 4 segments of them that it had not sent.
    assertEquals(app.socket.repeated, WINDOW);
  });

  for (const plugin of [minRtt, redundant]) {
    it(`is left by a live swap to ${plugin().name}: what was bound beyond the peer's window waits for the window`, () => {
      using d = new Dialogue({ policies: { scheduler: inTurn(Infinity) } });
      const { first, second, app } = joined(d, { scale: 0, win: 12 * MSS });
      app.write(40 * MSS);
      app.socket.setScheduler(d.now, plugin());
      d.stack.flush(d.now);
      let highest = 0;
      for (const segments of [first.takeAll(), second.takeAll()]) {
        highest = Math.max(highest, ...dataOffsets(segments));
      }
      assertEquals(highest, 1 + 11 * MSS);
      assertEquals(app.socket.sendQueue.ackable, app.socket.sendQueue.windowEnd);
    });
  }

  it("is left by a live swap with all that the plugin before has asked for, and come to by one", () => {
    using d = new Dialogue({ policies: { scheduler: { ...inTurn(Infinity), relief: true } } });
    const { app: { socket } } = joined(d);
    const asked = () => [socket.wishes.quantum, socket.wishes.lookAhead, socket.wishes.relief];
    assertEquals(asked(), [5 * MSS, Infinity, true]);
    socket.setScheduler(d.now, { ...inTurn(0), quantum: 2 * MSS });
    assertEquals(asked(), [2 * MSS, 0, false]);
    socket.setScheduler(d.now, timeDistance({ lookAhead: 3 }));
    assertEquals(asked(), [timeDistance().quantum, 3 * 1460, false]);
    socket.setScheduler(d.now, minRtt());
    assertEquals(asked(), [undefined, 0, minRtt().relief === true]);
  });

  it("is left by what takes the place of a plugin that has failed for good: what it has bound is bound anew, and comes to its end", () => {
    let fails = false;
    const sound = inTurn(Infinity);
    const scheduler: SchedulerPlugin = {
      ...sound,
      quantum: MSS,
      relief: true,
      create: (connection) => {
        const { pick } = sound.create(connection);
        return {
          pick(ready, chunk) {
            if (fails) throw new Error("no");
            return pick(ready, chunk);
          },
        };
      },
    };
    using d = new Dialogue({ policies: { scheduler } });
    const { first, second, app } = joined(d);
    const { socket } = app;
    app.write(40 * MSS);
    fails = true;
    for (let i = 0; i < 100; i++) app.write(MSS);
    const { written } = app;
    assertEquals(d.faults.at(-1)!.replaced, true);
    assert(socket.subflows.some(({ queued }) => queued > 0));
    const { quantum, lookAhead, relief } = socket.wishes;
    assertEquals([quantum, lookAhead, relief], [undefined, 0, false]);
    for (let round = 0; round < 40; round++) {
      for (const peer of [first, second]) {
        peer.takeAll();
        peer.acks();
      }
      d.pass(10e3);
    }
    assertEquals([socket.sendQueue.una, socket.sendQueue.unsent], [1 + written, 0]);
    assertEquals(socket.subflows.map(({ queued }) => queued), [0, 0]);
  });

  it("DATA_FIN follows when the last of all parts A has left", () => {
    using d = new Dialogue({ policies: { scheduler: inTurn(Infinity) } });
    const { first, second, app } = joined(d);
    app.write(40 * MSS);
    app.close();
    let finished = false;
    for (let round = 0; round < 20 && !finished; round++) {
      for (const peer of [first, second]) {
        for (const { flags, options } of peer.takeAll()) {
          assert(!flags.includes("F"));
          finished ||= options.some((option) => / fin/.test(option));
          if (finished) assertEquals(app.socket.sendQueue.unsent, 0);
        }
        peer.acks();
      }
    }
    assert(finished);
    assertEquals(first.dataAcked, 1 + 40 * MSS + 1);
  });
});

describe("SQ-8: hybrid", () => {
  for (const segments of [1, 2, 4]) {
    it(`binds ${segments} segments beyond the window, and no more`, () => {
      using d = new Dialogue({ policies: { scheduler: timeDistance({ lookAhead: segments }) } });
      const { app } = joined(d);
      app.write(100 * MSS);
      const { socket } = app;
      for (const { queued, inFlight } of socket.subflows) {
        assertEquals(inFlight, WINDOW);
        assertEquals(Math.floor(queued / MSS), segments);
      }
      assertEquals(socket.unsent, 100 * MSS - 2 * WINDOW - 2 * segments * MSS);
    });
  }

  it("refills the queue of the subflow that sent from it", () => {
    using d = new Dialogue({ policies: { scheduler: timeDistance({ lookAhead: 2 }) } });
    const { first, second, app } = joined(d);
    app.write(100 * MSS);
    first.takeAll();
    second.takeAll();
    second.acks();
    assertEquals(first.pending, false);
    assert(second.pending);
    assertEquals(app.socket.subflows.map(({ queued }) => Math.floor(queued / MSS)), [2, 2]);
  });
});

describe("SCH-4: one answer binds at most `quantum` bytes", () => {
  for (const lookAhead of [0, Infinity]) {
    for (const segments of [1, 2, 4, 8]) {
      it(`${segments} segments, ${lookAhead === 0 ? "pull" : "push"}`, () => {
        let last = 0;
        const scheduler: SchedulerPlugin = {
          kind: "scheduler",
          name: "in_turn",
          quantum: segments * MSS,
          lookAhead,
          create: () => ({
            pick(ready) {
              const next = ready.find(({ path }) => path !== last) ?? ready[0] ?? null;
              last = next?.path ?? last;
              return next;
            },
          }),
        };
        using d = new Dialogue({ policies: { scheduler } });
        const { first, app } = joined(d, { rtt: 1e3 });
        app.write(20 * MSS);
        const numbers = dataOffsets(first.takeAll()).map((offset) => (offset - 1) / MSS);
        for (let i = 0; i < Math.min(8, numbers.length); i++) {
          const turn = Math.floor(i / segments);
          assertEquals(numbers[i], 2 * turn * segments + i % segments);
        }
      });
    }
  }
});

describe("what is bound first of all (RFC 8684 §3.1)", () => {
  for (const dsn of ["long", "short"] as const) {
    it(`leaves room for the keys beside it, and no octets behind it (${dsn} numbers)`, () => {
      const mss = dsn === "short" ? MSS : MSS - 4;
      const scheduler = { ...inTurn(Infinity), quantum: mss };
      using d = new Dialogue({ experiments: { dsn }, policies: { scheduler } });
      const app = d.connect(80);
      const peer = d.called();
      peer.gets("S 0");
      d.pass(20e3);
      peer.offers({}, "S.", ["mpc key"]);
      peer.takeAll();
      app.write(8 * mss);
      const sent = peer.takeAll();
      assert(sent[0]!.options.some((each) => each.startsWith("mpc")), `${sent[0]!.options}`);
      const sizes = sent.map(({ seq, end }) => end - seq).filter((size) => size > 0);
      assert(sizes.length > 5);
      assertEquals(sizes.slice(0, 7), [MSS - 4, ...Array(6).fill(mss)]);
    });
  }
});

describe("what went with a path that has fallen silent", () => {
  it("is bound to another though that is bound all that it may be ahead, and leaves before it", () => {
    using d = new Dialogue({
      policies: { scheduler: inTurn(10 * MSS) },
      tcp: { tlp: false, undo: false },
    });
    const { first, second, app } = joined(d, { rtt: 50e3 }, { rtt: 10e3 });
    app.write(60 * MSS);
    const [a, b] = app.socket.subflows;
    const lost = dataOffsets(second.takeAll());
    first.takeAll();
    assertEquals([a!.queued, b!.queued], [10 * MSS, 10 * MSS]);
    while (!b!.silent) {
      d.pass(10e3);
      if (!a!.silent) first.takeAll();
    }
    assertEquals(a!.silent, false);
    first.takeAll();
    first.sends(`. ack ${1 + 10 * MSS} <dack8 ${1 + 5 * MSS}>`);
    assertEquals(dataOffsets(first.takeAll()).slice(0, lost.length), lost);
  });
});

describe("what was bound ahead and taken back", () => {
  it("goes before new data, though the scheduler waits with what another path has lost before it", () => {
    const waiting: SchedulerPlugin = {
      kind: "scheduler",
      name: "waiting",
      create: () => ({ pick: (ready, { offset }) => offset < 20 * MSS ? null : ready[0]! }),
    };
    using d = new Dialogue({ policies: { scheduler: inTurn(Infinity) } });
    const { first, second, app } = joined(d);
    app.write(40 * MSS);
    app.socket.setScheduler(d.now, waiting);
    app.write(10 * MSS);
    const [a, b] = app.socket.subflows;
    first.takeAll();
    second.takeAll();
    while (!a!.silent || !b!.silent) d.pass(50e3);
    first.takeAll();
    const next = app.socket.sendQueue.firstTakenBack;
    assert(next >= 1 + 20 * MSS && next < 1 + 40 * MSS, `${next}`);
    first.sends(`. ack ${a!.sender.board.nxt} <dack8 1>`);
    assertEquals(dataOffsets(first.takeAll())[0], next);
  });

  it("goes before new data, though what both paths carry waits for a DATA_ACK before it (draft SQ-5)", () => {
    using d = new Dialogue({ policies: { scheduler: inTurn(Infinity) } });
    const { first, second, app } = joined(d);
    app.write(40 * MSS);
    const { socket } = app;
    const { sendQueue } = socket;
    socket.setScheduler(d.now, minRtt());
    const taken = 1 + 20 * MSS;
    assertEquals(sendQueue.firstTakenBack, taken);
    // Both are silent; then the second answers, is given what the first carries, and falls silent again.
    const [a, b] = socket.subflows;
    first.takeAll();
    second.takeAll();
    while (!a!.silent || !b!.silent) d.pass(50e3);
    second.takeAll();
    second.sends(`. ack ${b!.sender.board.nxt} <dack8 1>`);
    assert(dataOffsets(second.takeAll()).includes(1));
    while (!b!.silent) d.pass(50e3);
    app.write(40 * MSS);
    first.takeAll();
    const both = (): boolean => {
      const oldest = sendQueue.find(sendQueue.again.first);
      return oldest !== null &&
        [a, b].every((each) => sendQueue.has(each!, oldest, sendQueue.again.first));
    };
    assert(both());
    const next = sendQueue.firstTakenBack;
    assert(next >= taken && next < 1 + 40 * MSS, `${next}`);
    first.sends(`. ack ${a!.sender.board.nxt} <dack8 1>`);
    assert(both());
    // What the second alone was given goes first, as it lies before that.
    const went = dataOffsets(first.takeAll());
    assertEquals(went[0], 1 + 5 * MSS);
    while (went.at(-1)! < 1 + 40 * MSS) {
      first.sends(`. ack ${a!.sender.board.nxt} <dack8 1>`);
      assert(both());
      went.push(...dataOffsets(first.takeAll()));
    }
    assert(went.indexOf(next) >= 0 && went.indexOf(next) < went.indexOf(1 + 40 * MSS), `${went}`);
  });
});
