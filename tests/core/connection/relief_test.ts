/** Relief of head-of-line blocking, segment by segment: a fast first subflow, and a slow second one that gets everything it has room for. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { standstill } from "../../../core/connection/relief.ts";
import type { SchedulerPlugin } from "../../../core/plugin.ts";
import { Dialogue, type DialogueOptions } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";
import { dataOf, type Peer, withData } from "../../support/scripted_peer.ts";

const MSS = 1428;
/** The initial one (RFC 6928 §2). */
const WINDOW = 14600;
const FAST = 20e3;
const SLOW = 400e3;

/** By round trips so short, one decision of the slower path sends as much as five segments: more than may go again at first. */
const LARGE = [{ rtt: 500 }, { rtt: 2e3 }] as const;
const PIECE = 5 * MSS;

/** Gives everything to the highest path that has room. */
function lastFirst(relief: boolean): SchedulerPlugin {
  const pick: ReturnType<SchedulerPlugin["create"]>["pick"] = (ready) => ready.at(-1) ?? null;
  return { kind: "scheduler", name: "last_first", relief, create: () => ({ pick }) };
}

/** Gives everything to the lowest one. */
const FIRST_FIRST = {
  kind: "scheduler",
  name: "first_first",
  relief: true,
  create: () => ({ pick: (ready) => ready[0] ?? null }),
} satisfies SchedulerPlugin;

/** A dialogue with a scheduler that asks for relief, or does not, and options of MPTCP. */
function dialogue(
  experiments: DialogueOptions["experiments"] = {},
  relief = true,
  options: DialogueOptions = {},
): Dialogue {
  const tcp = { tlp: false, mtuProbing: "off" } as const;
  return new Dialogue({ tcp, policies: { scheduler: lastFirst(relief) }, ...options, experiments });
}

/** First and last data offset that segments bring; null: none do. */
function span(peer: Peer): [number, number] | null {
  const all = withData(peer.takeAll()).map(dataOf);
  if (all.length === 0) return null;
  return [Math.min(...all.map(([from]) => from)), Math.max(...all.map(([, to]) => to))];
}

for (const family of [4, 6] as const) {
  const mss = family === 4 ? MSS : MSS - 20;
  describe(`tail reinjection, IPv${family}`, () => {
    it("repeats the end of the data, which comes last, on the faster path: a sixteenth of all, and four segments", () => {
      using d = dialogue({}, true, { family });
      const { first, second, app } = joined(d, { rtt: FAST }, { rtt: SLOW });
      app.write(10 * mss);
      assertEquals(span(second), [1, 10 * mss + 1]);
      assertEquals(span(first), [6 * mss + 1, 10 * mss + 1]);
      assertEquals([app.socket.repeated, app.socket.relief.bytes], [4 * mss, 4 * mss]);
      assertEquals(d.counter("MPTCPRetrans"), 2);
      // Once they have come back there would be room for more on a path that is known now.
      d.pass(FAST);
      first.sends(`. ack ${4 * mss + 1} <dack8 1>`);
      assertEquals([span(first), app.socket.relief.bytes], [null, 4 * mss]);
    });
  });
}

describe("tail reinjection", () => {
  it("repeats nothing while more is to be sent, or where the other path is as fast", () => {
    using d = dialogue();
    const { first, app } = joined(d, { rtt: SLOW }, { rtt: SLOW });
    app.write(10 * MSS);
    assertEquals([span(first), app.socket.repeated], [null, 0]);
    using more = dialogue();
    const pair = joined(more, { rtt: FAST }, { rtt: SLOW });
    pair.app.write(100 * MSS);
    assertEquals(pair.app.socket.repeated, 0);
  });

  it("repeats what an equal path should have brought by now, before a timeout", () => {
    using d = dialogue();
    const { first, second, app } = joined(d, { rtt: FAST }, { rtt: FAST });
    app.write(10 * MSS);
    second.takeAll();
    d.pass(FAST);
    second.sends(`. ack ${10 * MSS + 1} <dack8 ${10 * MSS + 1}>`);
    app.write(10 * MSS);
    assertEquals(span(second), [10 * MSS + 1, 20 * MSS + 1]);
    const { overdueAt, timeoutAt } = app.socket.subflows[1]!.sender;
    d.pass(overdueAt - d.now - 1);
    assertEquals(span(first), null);
    d.pass(1);
    assertEquals([span(first), timeoutAt > d.now + 100e3], [[16 * MSS + 1, 20 * MSS + 1], true]);
  });

  it("repeats what an equal path has lost twice, once the answer to the second is late: what follows in the same mapping has come", () => {
    using d = dialogue();
    const { first, second, app } = joined(d, { rtt: FAST }, { rtt: FAST });
    app.write(10 * MSS);
    second.takeAll();
    d.pass(FAST);
    second.sends(`. ack ${10 * MSS + 1} <dack8 ${10 * MSS + 1}>`);
    app.write(10 * MSS);
    assertEquals(span(second), [10 * MSS + 1, 20 * MSS + 1]);
    d.pass(FAST);
    const sack = `${11 * MSS + 1}:${20 * MSS + 1}`;
    second.sends(`. ack ${10 * MSS + 1} <dack8 ${10 * MSS + 1}, sack ${sack}>`);
    assertEquals([span(second), span(first)], [[10 * MSS + 1, 11 * MSS + 1], null]);
    const { overdueAt, timeoutAt } = app.socket.subflows[1]!.sender;
    d.pass(overdueAt - d.now - 1);
    assertEquals(span(first), null);
    d.pass(1);
    assertEquals(span(first)?.[0], 10 * MSS + 1);
    assertEquals(timeoutAt > d.now + 100e3, true);
  });

  it("repeats a last segment, too, when its ACK is later than the peer may delay it", () => {
    using d = dialogue();
    const { first, second, app } = joined(d, { rtt: FAST }, { rtt: FAST });
    app.write(10 * MSS);
    second.takeAll();
    d.pass(FAST);
    second.sends(`. ack ${10 * MSS + 1} <dack8 ${10 * MSS + 1}>`);
    app.write(MSS);
    assertEquals(span(second), [10 * MSS + 1, 11 * MSS + 1]);
    // RFC 9293 §3.8.6.3 allows half a second; hosts take 40 ms.
    d.pass(FAST + 40e3);
    assertEquals(span(first), null);
    const { timeoutAt } = app.socket.subflows[1]!.sender;
    d.pass(timeoutAt - d.now - 100e3);
    assertEquals(span(first), [10 * MSS + 1, 11 * MSS + 1]);
  });

  it("repeats nothing that has come, though no DATA_ACK has told", () => {
    using d = dialogue({ tailReinjection: false });
    const { first, second, app } = joined(d, { rtt: FAST }, { rtt: SLOW });
    app.write(10 * MSS);
    second.takeAll();
    d.pass(SLOW / 2);
    second.sends(`. ack ${9 * MSS + 1} <dack8 1>`);
    // From now on it may, and there is one segment that has not.
    Object.assign(app.socket, { mptcp: { ...app.socket.mptcp, tailReinjection: true } });
    first.sends(". ack 1 <dack8 1>");
    app.socket.dirty();
    d.stack.flush(d.now);
    assertEquals(span(first), [8 * MSS + 1, 10 * MSS + 1]);
    // What is SACKed has come as well: the one before it is missing.
    using hole = dialogue({ tailReinjection: false });
    const pair = joined(hole, { rtt: FAST }, { rtt: SLOW });
    pair.app.write(10 * MSS);
    pair.second.takeAll();
    hole.pass(SLOW / 2);
    pair.second.sends(`. ack 1 <dack8 1, sack ${2 * MSS + 1}:${10 * MSS + 1}>`);
    const { socket } = pair.app;
    Object.assign(socket, { mptcp: { ...socket.mptcp, tailReinjection: true } });
    pair.first.sends(". ack 1 <dack8 1>");
    socket.dirty();
    hole.stack.flush(hole.now);
    assertEquals(span(pair.first), [1, 2 * MSS + 1]);
  });

  it("repeats nothing once the peer has shown that it does not take what it has: it is short of memory, and the end would fill the rest", () => {
    // Everything goes over the first path while it has room.
    using d = dialogue({}, true, {
      tcp: { mtuProbing: "off" },
      policies: { scheduler: FIRST_FIRST },
    });
    const { first, second, app } = joined(d, { rtt: FAST }, { rtt: FAST });
    app.socket.setNoDelay(true);
    for (let i = 0; i < 80; i++) {
      app.write(100);
      d.pass(2e3);
      // The first half stays in the subflow's queue and is not taken; what follows is dropped without a word.
      if (i < 40) first.sends(`. ack ${100 * i + 101} <dack8 1>`);
    }
    const seen: string[] = [];
    for (let i = 0; i < 400; i++) {
      const here = [first, second].map((peer) => span(peer)?.join());
      if (here.some((each) => each !== undefined)) seen.push(`${d.now / 1e3} ${here}`);
      d.pass(5e3);
    }
    assertEquals([app.socket.sendQueue.una, app.socket.relief.bytes], [1, 0], seen.join("\n"));
  });

  it("repeats the last segments of a piece that is larger than the extra bytes allow", () => {
    using d = dialogue();
    const { first, second, app } = joined(d, LARGE[0], LARGE[1]);
    app.write(2 * PIECE);
    assertEquals(span(second), [1, 2 * PIECE + 1]);
    assertEquals(span(first), [2 * PIECE - 4 * MSS + 1, 2 * PIECE + 1]);
    assertEquals([app.socket.repeated, app.socket.relief.bytes], [4 * MSS, 4 * MSS]);
  });

  it("repeats as many of them as the faster path has room for, and those before when it has more", () => {
    let to = 1;
    const pick: ReturnType<SchedulerPlugin["create"]>["pick"] = (ready) =>
      ready.find(({ path }) => path === to) ?? null;
    const scheduler: SchedulerPlugin = {
      kind: "scheduler",
      name: "as_told",
      relief: true,
      create: () => ({ pick }),
    };
    using d = dialogue({}, true, { policies: { scheduler } });
    const { first, second, app } = joined(d, LARGE[0], LARGE[1]);
    const fast = app.socket.subflows[0]!;
    app.write(10 * MSS);
    d.pass(500);
    first.sends(`. ack ${10 * MSS + 1} <dack8 ${10 * MSS + 1}>`);
    app.write(Math.floor(fast.room / MSS - 2) * MSS);
    first.takeAll();
    const from = app.socket.sendQueue.nxt;
    to = 2;
    app.write(4 * MSS);
    assertEquals(span(second), [from, from + 4 * MSS]);
    const last = [from + 2 * MSS, from + 4 * MSS];
    assertEquals([span(first), app.socket.relief.bytes], [last, 2 * MSS]);
    d.pass(100);
    first.sends(`. ack ${11 * MSS + 1} <dack8 ${11 * MSS + 1}>`);
    assertEquals([span(first), app.socket.relief.bytes], [[from, from + 2 * MSS], 4 * MSS]);
    // Nothing of it is left to be relieved.
    first.sends(`. ack ${12 * MSS + 1} <dack8 ${12 * MSS + 1}>`);
    assertEquals([span(first), app.socket.relief.bytes], [null, 4 * MSS]);
  });

  it("goes on where the faster path has brought a part of a piece: the peer is not short of memory", () => {
    using d = dialogue();
    const { first, second, app } = joined(d, LARGE[0], LARGE[1]);
    app.write(PIECE);
    assertEquals([span(second), span(first)], [[1, PIECE + 1], [MSS + 1, PIECE + 1]]);
    d.pass(1e3);
    first.sends(`. ack ${4 * MSS + 1} <dack8 1>`);
    // Longer than a peer is waited for that has the oldest byte.
    d.pass(4e3);
    assertEquals(standstill(app.socket, d.now), "tail");
  });

  it("is as the scheduler has it, where no option says otherwise", () => {
    for (
      const [option, scheduler, repeats] of [
        [undefined, true, true],
        [undefined, false, false],
        [null, false, false],
        [true, false, true],
        [false, true, false],
      ] as const
    ) {
      using d = dialogue(option === undefined ? {} : { tailReinjection: option }, scheduler);
      const { first, app } = joined(d, { rtt: FAST }, { rtt: SLOW });
      app.write(10 * MSS);
      assertEquals(span(first) !== null, repeats, `${option} ${scheduler}`);
    }
  });
});

describe("a receive window that a slow path keeps shut", () => {
  const narrow = { scale: 0, win: 4 * MSS };

  it("NSDI'12 M1: has its oldest bytes go again where they come sooner", () => {
    using d = dialogue({ penalty: false });
    const { first, second, app } = joined(d, { rtt: FAST, ...narrow }, { rtt: SLOW });
    app.write(20 * MSS);
    assertEquals(span(second), [1, 4 * MSS + 1]);
    assertEquals(span(first), [1, 2 * MSS + 1]);
    assertEquals(app.socket.subflows.map(({ cwnd }) => cwnd), [WINDOW, WINDOW]);
  });

  it("NSDI'12 M1: has as many of them go again as the extra bytes allow, of a piece that is larger", () => {
    using d = dialogue({ penalty: false });
    const { first, second, app } = joined(d, { ...LARGE[0], scale: 0, win: PIECE }, LARGE[1]);
    app.write(4 * PIECE);
    assertEquals(span(second), [1, PIECE + 1]);
    assertEquals(span(first), [1, 4 * MSS + 1]);
    // As they come, the window moves.
    d.pass(500);
    first.sends(`. ack ${4 * MSS + 1} win ${PIECE} <dack8 ${4 * MSS + 1}>`);
    assertEquals(span(first), [PIECE + 1, PIECE + 4 * MSS + 1]);
  });

  it("NSDI'12 M1: goes on behind what the faster path was given of a piece in several steps", () => {
    let to = 1;
    const pick: ReturnType<SchedulerPlugin["create"]>["pick"] = (ready) =>
      ready.find(({ path }) => path === to) ?? null;
    const scheduler: SchedulerPlugin = {
      kind: "scheduler",
      name: "as_told",
      relief: true,
      create: () => ({ pick }),
    };
    using d = dialogue({ penalty: false, tailReinjection: false }, true, {
      policies: { scheduler },
    });
    const { first, second, app } = joined(d, { ...LARGE[0], scale: 0, win: 10 * MSS }, LARGE[1]);
    const fast = app.socket.subflows[0]!;
    app.write(10 * MSS);
    d.pass(500);
    const una = 10 * MSS + 1;
    const fill = 19 * MSS;
    const end = una + PIECE + fill;
    const tell = (ack: number): void => first.sends(`. ack ${ack} win ${end - una} <dack8 ${una}>`);
    tell(una);
    first.takeAll();
    to = 2;
    app.write(PIECE);
    assertEquals(span(second), [una, una + PIECE]);
    to = 1;
    app.write(fill);
    assertEquals([span(first), Math.floor(fast.room / MSS)], [[una + PIECE, end], 1]);
    app.write(PIECE);
    assertEquals(span(first), [una, una + MSS]);
    for (let i = 1; i < 3; i++) {
      d.pass(50);
      tell(una + i * MSS);
      assertEquals(span(first), [una + (2 * i - 1) * MSS, una + (2 * i + 1) * MSS]);
    }
  });

  it("NSDI'12 M1: repeats nothing that was bound ahead, and never sent: it lies beyond the window", () => {
    const scheduler: SchedulerPlugin = {
      kind: "scheduler",
      name: "ahead",
      relief: true,
      lookAhead: 20 * MSS,
      create: ({ subflows }) => ({ pick: () => subflows[1] ?? null }),
    };
    using d = dialogue({ penalty: false }, true, { policies: { scheduler } });
    const narrower = { rtt: FAST, scale: 0, win: 3 * MSS };
    const { first, second, app } = joined(d, narrower, { rtt: SLOW });
    app.write(10 * MSS);
    assertEquals(span(second), [1, 3 * MSS + 1]);
    assertEquals(span(first), [1, 3 * MSS + 1]);
    assertEquals(app.socket.relief.bytes, 3 * MSS);
  });

  it("NSDI'12 M2: halves the window of the slow path, once in a round trip of the fast one", () => {
    using d = dialogue({ opportunisticRetransmission: false });
    const { first, app } = joined(d, { rtt: FAST, ...narrow }, { rtt: SLOW });
    app.write(20 * MSS);
    assertEquals(app.socket.subflows.map(({ cwnd }) => cwnd), [WINDOW, WINDOW / 2]);
    const again = (): void => first.sends(". ack 1 <dack8 1>");
    d.pass(FAST / 2);
    again();
    assertEquals(app.socket.subflows.map(({ cwnd }) => cwnd), [WINDOW, WINDOW / 2]);
    d.pass(FAST);
    again();
    assertEquals(app.socket.subflows.map(({ cwnd }) => cwnd), [WINDOW, WINDOW / 4]);
    assertEquals([span(first), app.socket.repeated], [null, 0]);
  });

  it("NSDI'12 M2: halves no window of a path that is not slower, and only fuller for the moment", () => {
    using d = dialogue({ opportunisticRetransmission: false });
    const { first, app } = joined(d, { rtt: FAST, ...narrow }, { rtt: 1.3 * FAST });
    app.write(20 * MSS);
    d.pass(FAST);
    first.sends(". ack 1 <dack8 1>");
    const [fast, full] = app.socket.subflows;
    assertEquals(full!.srtt > fast!.srtt, true);
    assertEquals(app.socket.subflows.map(({ cwnd }) => cwnd), [WINDOW, WINDOW]);
  });

  it("is left alone where both are switched off, and where the path that fills it is the fastest", () => {
    using off = dialogue({ opportunisticRetransmission: false, penalty: false });
    const { first, app } = joined(off, { rtt: FAST, ...narrow }, { rtt: SLOW });
    app.write(20 * MSS);
    assertEquals([span(first), app.socket.subflows[1]!.cwnd], [null, WINDOW]);
    using d = dialogue();
    const pair = joined(d, { rtt: SLOW, ...narrow }, { rtt: FAST });
    pair.app.write(20 * MSS);
    assertEquals(span(pair.first), null);
    assertEquals(pair.app.socket.subflows.map(({ cwnd }) => cwnd), [WINDOW, WINDOW]);
  });

  it("is no fault of a path where little is out: the peer does not read", () => {
    using d = dialogue();
    const { first, second, app } = joined(d, { rtt: FAST, scale: 0, win: 40 * MSS }, { rtt: SLOW });
    app.write(4 * MSS);
    second.takeAll();
    first.takeAll();
    second.sends(`. ack ${4 * MSS + 1} win ${MSS} <dack8 ${4 * MSS + 1}>`);
    const before = app.socket.repeated;
    app.write(40 * MSS);
    assertEquals(app.socket.subflows.map(({ cwnd }) => cwnd)[1]! >= 10 * MSS, true);
    assertEquals(app.socket.repeated, before);
  });
});
