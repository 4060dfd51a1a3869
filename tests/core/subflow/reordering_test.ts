/** Packets that overtake others: how far the window of reordering follows them (RFC 8985 §6.2). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { CongestionControlPlugin } from "../../../core/plugin.ts";
import { Ranges } from "../../reference/ranges.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import type { Peer } from "../../support/scripted_peer.ts";

/** Payload of a full segment of plain TCP with timestamps. */
const MSS = 1448;
/** Between two segments, and of a round trip in these: 100 Mbit/s, 20 ms. */
const SLOT = 120;
const ROUND = 167;

/** A window that nothing changes. */
const fixed: CongestionControlPlugin = {
  kind: "congestion-control",
  name: "fixed",
  create: () => ({
    join: () => ({ cwnd: 1000 * MSS, ssthresh: 1000 * MSS, onAck() {}, onCongestion() {} }),
  }),
};

/** A steady stream of segments to a peer that answers each, a round trip later; some come later than that. */
class Flow implements Disposable {
  readonly d = new Dialogue({ policies: { congestionControl: fixed } });
  readonly app: App;
  /** Segments that were sent again, by slot. */
  readonly repeats: number[] = [];
  /** The timestamps of all that was sent, with the slots. */
  readonly stamps: { readonly slot: number; readonly value: number }[] = [];
  /** Nothing arrives. */
  cut = false;
  readonly #peer: Peer;
  readonly #received = new Ranges();
  readonly #due = new Map<number, [seq: number, end: number, stamp: number][]>();
  #next = 1;
  /** TS.Recent (RFC 7323 §4.3). */
  #recent = 0;
  #highest = 1;
  #changes = 0;
  slot = 0;

  constructor() {
    const { peer, app } = this.d.opened({ mptcp: false });
    this.#peer = peer;
    this.app = app;
  }

  [Symbol.dispose](): void {
    this.d[Symbol.dispose]();
  }

  /** Lets `slots` pass in each of which a segment is written. New segment number n is `late(n)` slots late; Infinity: lost. */
  run(slots: number, late: (segment: number) => number): void {
    for (const end = this.slot + slots; this.slot < end; this.slot++) {
      for (const each of this.#due.get(this.slot) ?? []) this.#arrives(...each);
      this.#due.delete(this.slot);
      this.app.write(MSS);
      for (const { seq, end, options } of this.#peer.takeAll()) {
        const stamp = Number(options.find((each) => each.startsWith("TS "))!.split(" ")[1]);
        this.stamps.push({ slot: this.slot, value: stamp });
        const fresh = seq >= this.#highest;
        this.#highest = Math.max(this.#highest, end);
        if (!fresh) this.repeats.push(this.slot);
        const at = this.slot + ROUND + (fresh ? late((seq - 1) / MSS) : 0);
        if (at === Infinity) continue;
        // Who is late comes behind who is in time.
        const due = this.#due.get(at) ?? [];
        if (at > this.slot + ROUND) due.push([seq, end, stamp]);
        else due.unshift([seq, end, stamp]);
        this.#due.set(at, due);
      }
      this.d.pass(SLOT);
    }
  }

  #arrives(seq: number, end: number, stamp: number): void {
    if (this.cut) return;
    if (seq <= this.#next) this.#recent = Math.max(this.#recent, stamp);
    const blocks: string[] = [];
    if (end <= this.#next || this.#received.count(seq, end) === end - seq) {
      blocks.push(`${seq}:${end}`);
    } else this.#received.add(seq, end, ++this.#changes);
    const first = this.#received.list[0];
    if (first !== undefined && first.start <= this.#next) {
      this.#next = first.end;
      this.#received.remove(0, first.end);
    }
    const latest = [...this.#received.list].sort((a, b) => b.changed - a.changed);
    blocks.push(...latest.map((range) => `${range.start}:${range.end}`));
    const sack = blocks.length === 0 ? "" : `, sack ${blocks.slice(0, 3).join(" ")}`;
    this.#peer.sends(`. ack ${this.#next} <TS ${this.#peer.tsval} ${this.#recent}${sack}>`);
  }
}

describe("reordering", () => {
  for (const n of [1, 2, 3, 10, 100]) {
    it(`RFC 8985 §6.2: a segment that ${n} overtake is sent again at most in the first rounds, then never`, () => {
      using flow = new Flow();
      const late = (segment: number): number => segment % 180 === 20 ? n : 0;
      flow.run(500, late);
      const needless = flow.repeats.length;
      // Three quarters of a round trip, at most, are learned in as many rounds.
      assert(needless <= 3, `${flow.repeats}`);
      assertEquals(needless > 0, n > 2);
      const recoveries = flow.d.counter("TCPSackRecovery");
      flow.run(500, late);
      assertEquals(flow.repeats.length, needless);
      assertEquals(flow.d.counter("TCPSackRecovery"), recoveries);
      assertEquals(flow.d.counter("TCPTimeouts"), 0);
    });
  }

  it("RFC 8985 §6.2: what is lost is found a round trip and the window after it was sent", () => {
    using flow = new Flow();
    flow.run(500, (segment) => segment % 180 === 20 ? 30 : 0);
    const before = flow.repeats.length;
    const lost = flow.slot;
    flow.run(300, (segment) => segment === lost ? Infinity : 0);
    // One round with a D-SACK: two quarters of a round trip.
    const [waited] = flow.repeats.slice(before).map((slot) => slot - lost);
    assert(waited! >= 1.5 * ROUND && waited! <= 1.5 * ROUND + 2, `${waited}`);
  });

  it("RFC 8985 §6.2: the window is never wider than the smoothed round trip", () => {
    using flow = new Flow();
    // Later than the window can be.
    flow.run(1000, (segment) => segment % 180 === 20 ? 190 : 0);
    const before = flow.repeats.length;
    assert(before >= 4, `${before}`);
    const lost = flow.slot;
    flow.run(400, (segment) => segment === lost ? Infinity : 0);
    const waited = flow.repeats.slice(before).map((slot) => slot - lost);
    assert(waited.some((slots) => slots > 1.9 * ROUND && slots < 2.2 * ROUND), `${waited}`);
  });
});

describe("the clock of timestamps while something is repaired (RFC 7323 §5.4)", () => {
  /** Distinct timestamps that were sent in the slots from `from` to `to`. */
  const distinct = ({ stamps }: Flow, from: number, to: number): number =>
    new Set(stamps.filter(({ slot }) => slot >= from && slot < to).map(({ value }) => value)).size;
  /** Slots of a millisecond. */
  const TICK = 1000 / SLOT;
  /** A flow that knows of reordering, and what it has sent again for a segment that was lost then: the slot. */
  const repaired = (late: number): [flow: Flow, repeated: number] => {
    const flow = new Flow();
    flow.run(500, (segment) => segment % 180 === 20 ? late : 0);
    const before = flow.repeats.length;
    const lost = flow.slot;
    flow.run(600, (segment) => segment === lost ? Infinity : 0);
    assertEquals(flow.repeats.length, before + 1);
    return [flow, flow.repeats[before]!];
  };

  it("stands from the first repeat until that is answered, where the path reorders: what it overtakes later is not old", () => {
    const [flow, repeated] = repaired(30);
    using _flow = flow;
    assertEquals(distinct(flow, repeated, repeated + ROUND), 1);
    // It goes on where it would be, and never back.
    const after = distinct(flow, repeated + ROUND + 1, repeated + 2 * ROUND + 1);
    assert(after >= ROUND / TICK - 1, `${after}`);
    for (const [i, { value }] of flow.stamps.entries()) {
      assert(i === 0 || value >= flow.stamps[i - 1]!.value, `${value}`);
    }
  });

  it("stands for nothing where the path has kept the order so far", () => {
    const [flow, repeated] = repaired(0);
    using _flow = flow;
    assert(distinct(flow, repeated, repeated + ROUND) >= ROUND / TICK - 1);
  });

  it("goes on as soon as the original answers what was repeated, which has filled nothing", () => {
    using flow = new Flow();
    // The first two recoveries widen the window, each later one is needless, too.
    flow.run(1000, (segment) => segment % 180 === 20 ? 190 : 0);
    const repeated = flow.repeats.at(-1)!;
    flow.run(300, (segment) => segment % 180 === 20 ? 190 : 0);
    assert(flow.d.counter("TCPTSReorder") > 0);
    const ticks = distinct(flow, repeated, repeated + ROUND);
    assert(ticks >= ROUND / TICK / 2, `${ticks}`);
  });

  it("goes on at a timeout, which it tells from a path that has become slow", () => {
    using flow = new Flow();
    flow.run(500, (segment) => segment % 180 === 20 ? 30 : 0);
    const lost = flow.slot;
    const before = flow.repeats.length;
    flow.run(2 * ROUND, (segment) => segment === lost ? Infinity : 0);
    assertEquals(flow.repeats.length, before + 1);
    flow.cut = true;
    flow.run(6000, () => 0);
    assert(flow.d.counter("TCPTimeouts") > 0);
    const [held, again] = [flow.repeats[before]!, flow.repeats[before + 1]!];
    assert((again - held) * SLOT < 1e6);
    assertEquals(distinct(flow, held, again), 1);
    assertEquals(distinct(flow, held, again + 1), 2);
  });
});
