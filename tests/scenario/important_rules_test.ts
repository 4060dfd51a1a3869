/** The three rules that the draft marks IMPORTANT. Each has a mutant in tests/mutants that switches it off, which these tests must notice. */

import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import type { SchedulerPlugin } from "../../core/plugin.ts";
import { type App, Dialogue } from "../support/dialogue.ts";
import type { Peer } from "../support/scripted_peer.ts";

/** Payload of a segment with timestamps and a mapping. */
const MSS = 1428;

/** The lowest path index that is ready. */
const inOrder: SchedulerPlugin = {
  kind: "scheduler",
  name: "in_order",
  create: () => ({ pick: (ready) => ready[0] ?? null }),
};

/** One segment on each path in turn. */
const inTurn: SchedulerPlugin = {
  kind: "scheduler",
  name: "in_turn",
  quantum: MSS,
  create: () => {
    let last = 0;
    return {
      pick(ready) {
        const next = ready.find(({ path }) => path > last) ?? ready[0] ?? null;
        last = next?.path ?? last;
        return next;
      },
    };
  },
};

/** A connection with two subflows, to the scripted peers `a` and `b`, whose window is `window` bytes. */
function twoSubflows(
  window: number,
  scheduler: SchedulerPlugin,
): { d: Dialogue; a: Peer; b: Peer; app: App } {
  const d = new Dialogue({ policies: { scheduler } });
  const listener = d.listen();
  const a = d.peer();
  a.window = window;
  a.offers({ scale: 0, win: window }, "S", ["mpc"]);
  a.gets("S. 0 ack 1");
  a.sends(". 1 ack 1 <mpc keys>");
  const app = d.accept(listener);
  a.sends(". 1 ack 1 <dack8 1>");
  const b = d.peer({ link: 1, session: a.session });
  b.offers({ scale: 0, win: window }, "S", ["join syn id 2"]);
  b.gets("S. 0 ack 1 <join synack>");
  b.window = window;
  b.sends(". 1 ack 1 <join ack>");
  b.gets(". 1 ack 1");
  d.silent();
  assertEquals(app.socket.subflows.map(({ mss, path }) => [path, mss]), [[1, MSS], [2, MSS]]);
  return { d, a, b, app };
}

describe("the draft's IMPORTANT rules", () => {
  it("IMP-1: a DATA_ACK on one subflow lets the other send, in the same turn", () => {
    // The window is as large as the initial congestion window: a fills both, b is held back by the window alone.
    const { d, a, b, app } = twoSubflows(10 * MSS, inOrder);
    using _ = d;
    app.write(12 * MSS);
    assertEquals(a.takeAll().reduce((sum, { payload }) => sum + payload.length, 0), 10 * MSS);
    d.silent();
    // The data are acknowledged, the subflow's segments are not: a has no room, though its ACK opened the window.
    a.sends(`. ack 1 <dack8 ${1 + 10 * MSS}>`);
    assertEquals(a.pending, false);
    const mapping = `map ${1 + 10 * MSS} 1 ${2 * MSS}`;
    b.gets(`. 1:${1 + MSS} <${mapping}>`);
    b.gets(`P. ${1 + MSS}:${1 + 2 * MSS} <${mapping}>`);
    d.silent();
  });

  it("IMP-2: what adjoins on a subflow but not in the data is never merged", () => {
    const { d, a, b, app } = twoSubflows(60000, inTurn);
    using _ = d;
    app.write(6 * MSS);
    // Data segments 0, 2, 4 went to a, and 1, 3, 5 to b: on each they adjoin.
    const mapped = (peer: Peer): string[] =>
      peer.takeAll().map(({ seq, options }) =>
        `${seq} ${options.find((option) => option.startsWith("map"))}`
      );
    const expected = [0, 1, 2].map((n) =>
      `${1 + n * MSS} map ${1 + 2 * n * MSS} ${1 + n * MSS} ${MSS}`
    );
    assertEquals(mapped(a), expected);
    assertEquals(mapped(b).length, 3);
    // The peer reports the last two of a, then forgets them (RFC 2018 §8): they have to go again, each under its own mapping.
    a.sends(`. ack 1 <dack8 1, sack ${1 + MSS}:${1 + 3 * MSS}>`);
    a.takeAll();
    a.sends(`. ack ${1 + MSS} <dack8 ${1 + MSS}>`);
    const again = new Set<string>();
    for (let round = 0; round < 6; round++) {
      d.pass(2e6);
      for (const line of mapped(a)) again.add(line);
      b.takeAll();
      a.sends(`. ack ${1 + MSS} <dack8 ${1 + MSS}>`);
    }
    assertEquals([...again].filter((line) => line.startsWith(`${1 + MSS} `)), [expected[1]]);
    a.sends(`. ack ${1 + 2 * MSS} <dack8 ${1 + MSS}>`);
    for (let round = 0; round < 6; round++) {
      for (const line of mapped(a)) again.add(line);
      b.takeAll();
      d.pass(2e6);
    }
    assert(again.has(expected[2] ?? ""), [...again].join("; "));
  });

  it("IMP-3: close() with a full send queue sends all of it before any FIN", () => {
    const { d, a, b, app } = twoSubflows(4 * MSS, inTurn);
    using _ = d;
    const total = 40 * MSS;
    assertEquals(app.write(total), total);
    app.close();
    let finished = false;
    for (let round = 0; round < 100 && !finished; round++) {
      for (const peer of [a, b]) {
        for (const { flags, options } of peer.takeAll()) {
          assert(!flags.includes("F"), `a FIN after ${a.dataAcked} of ${total} bytes`);
          finished ||= options.some((option) => / fin/.test(option));
        }
        peer.acks();
      }
    }
    assert(finished);
    assertEquals(a.dataAcked, 1 + total + 1);
    // Both sides are done at the data level: now the subflows end too (draft TRM-5).
    a.sends(`. <dack8 ${a.dataAcked}, map8 1 0 1 fin>`);
    assert([...a.takeAll(), ...b.takeAll()].some(({ flags }) => flags.includes("F")));
  });
});
