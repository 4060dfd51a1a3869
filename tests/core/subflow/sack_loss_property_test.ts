/** RFC 6675 against its own text, §4 and §5, octet by octet. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Heard } from "../../../core/subflow/heard.ts";
import { fastRecovery, lossRecovery, OPEN, type Recovery } from "../../../core/subflow/recovery.ts";
import { SackLoss } from "../../../core/subflow/sack_loss.ts";
import { Scoreboard } from "../../../core/subflow/scoreboard.ts";
import { host_free, host_new, stream_new } from "../../../wasm/mod.ts";
import { Ranges } from "../../reference/ranges.ts";
import * as fc from "../../support/property.ts";

const SMSS = 10;
const DUP_THRESH = 3;
const DELIVERY = { delivered: 0, deliveredTime: 0, appLimited: false, firstSent: 0 };

type Range = readonly [from: number, to: number];

/** The algorithm in the words of the RFC: each octet has its marks. "High…" are one past the octet that the RFC names. */
class Naive {
  una = 1;
  nxt = 1;
  readonly #sacked: boolean[] = [];
  /** What IsLost was once true of stays lost. */
  readonly #lost: boolean[] = [];
  /** Where segments begin: none reaches beyond. */
  readonly #borders = new Set<number>();
  #dupAcks = 0;
  #highRxt = 1;
  #rescueRxt = 1;
  recoveryPoint: number | null = null;
  afterTimeout = false;
  cwnd = 20 * SMSS;
  owes = false;

  get octets(): number[] {
    return Array.from({ length: this.nxt - this.una }, (_, i) => this.una + i);
  }

  #isLost(octet: number): boolean {
    let octets = 0;
    let runs = 0;
    for (let at = octet + 1; at < this.nxt; at++) {
      if (!this.#sacked[at]) continue;
      octets++;
      if (!this.#sacked[at - 1]) runs++;
    }
    return runs >= DUP_THRESH || octets > (DUP_THRESH - 1) * SMSS;
  }

  get pipe(): number {
    let pipe = 0;
    for (const octet of this.octets) {
      if (this.#sacked[octet]) continue;
      const again = octet < this.#highRxt;
      if (!this.#lost[octet]) pipe++;
      if (again) pipe++;
    }
    return pipe;
  }

  /** One segment from an octet on. */
  #segment(from: number): Range {
    let to = from + 1;
    while (
      to < this.nxt && to < from + SMSS && !this.#sacked[to] && !this.#borders.has(to)
    ) to++;
    return [from, to];
  }

  ack(ack: number, blocks: readonly Range[]): void {
    if (ack > this.una) this.#dupAcks = 0;
    this.una = ack;
    let duplicate = false;
    for (const [from, to] of blocks) {
      for (let octet = from; octet < to; octet++) {
        if (!this.#sacked[octet]) duplicate = this.#sacked[octet] = true;
      }
      for (const octet of this.octets) {
        if (!this.#sacked[octet] && this.#isLost(octet)) this.#lost[octet] = true;
      }
    }
    if (this.recoveryPoint !== null && ack < this.recoveryPoint) return;
    // What a recovery has found lost beyond its end begins the next.
    const beyond = this.recoveryPoint !== null && this.#lost[ack] === true;
    if (this.recoveryPoint !== null) this.#dupAcks = 0;
    this.recoveryPoint = null;
    this.afterTimeout = this.owes = false;
    this.#highRxt = ack;
    if (duplicate) this.#dupAcks++;
    const enters = duplicate && (this.#dupAcks >= DUP_THRESH || this.#lost[ack] === true);
    if (!enters && !beyond) return;
    this.recoveryPoint = this.nxt;
    this.cwnd = Math.max(2 * SMSS, Math.floor((this.nxt - ack) / 2));
    this.#highRxt = ack;
    this.#rescueRxt = this.#segment(ack)[1];
    this.owes = true;
  }

  /** §5 step C, or 4.3: what leaves next. */
  next(unsent: number): Range | null {
    if (this.owes) {
      this.owes = false;
      const [from, to] = this.#segment(this.una);
      this.#highRxt = to;
      return [from, to];
    }
    if (this.cwnd - this.pipe < SMSS) return null;
    const open = this.octets.filter((octet) => !this.#sacked[octet]);
    const highest = this.#sacked.lastIndexOf(true);
    // Rule 1
    const candidates = open.filter((octet) => octet >= this.#highRxt && octet < highest);
    const lost = candidates.find((octet) => this.#lost[octet]);
    if (lost !== undefined) return this.#again(lost);
    if (unsent > 0) return [this.nxt, this.nxt + Math.min(unsent, SMSS)];
    if (this.recoveryPoint === null) return null;
    // Rule 3
    if (candidates.length > 0) return this.#again(candidates[0]!);
    // Rule 4
    if (this.una <= this.#rescueRxt || open.length === 0) return null;
    this.#rescueRxt = this.recoveryPoint;
    const last = open.at(-1)!;
    let from = last;
    while (
      from > this.una && from > last + 1 - SMSS && !this.#sacked[from - 1] &&
      !this.#borders.has(from)
    ) from--;
    return [from, last + 1];
  }

  #again(from: number): Range {
    const range = this.#segment(from);
    this.#highRxt = range[1];
    return range;
  }

  sent(to: number): void {
    this.#borders.add(this.nxt);
    this.nxt = to;
  }

  timeout(): void {
    this.#lost.length = 0;
    this.#dupAcks = 0;
    this.owes = false;
    this.recoveryPoint = this.nxt;
    this.afterTimeout = true;
    this.#highRxt = this.nxt;
  }
}

/** Both, the sender's part around the detection, a network that loses and reorders, and a receiver. */
class Pair {
  readonly naive = new Naive();
  readonly host = host_new(1, 2);
  readonly board = new Scoreboard(stream_new(this.host, 1));
  readonly heard = new Heard();
  readonly sack = new SackLoss(this.board);
  recovery: Recovery = OPEN;
  unsent = 0;
  now = 0;
  readonly #network: Range[] = [];
  readonly #received = new Ranges();
  #arrivals = 0;
  #owes = false;
  readonly seen = new Set<string>();

  constructor() {
    this.board.synSent();
    this.board.synAcked();
  }

  get #pipe(): number {
    return this.board.inFlight + (this.recovery.kind === "fast" ? this.sack.doubled : 0);
  }

  /** What the sender would do next, and does. */
  #next(): Range | null {
    const { board, sack } = this;
    const fast = this.recovery.kind === "fast";
    const room = this.naive.cwnd - this.#pipe;
    const lost = board.nextLost();
    if (room < SMSS && !(fast && sack.owes && lost !== null)) return null;
    if (lost !== null) {
      const { seq } = lost;
      const end = Math.min(lost.end, seq + SMSS);
      board.resent(end - seq, DELIVERY, this.now);
      sack.resent(end);
      return [seq, end];
    }
    if (this.unsent > 0) {
      const length = Math.min(this.unsent, SMSS);
      const mapping = { dsn: board.nxt, ssn: board.nxt, length, checksum: -1, first: false };
      board.send(mapping, length, SMSS, DELIVERY, this.now);
      return [board.nxt - length, board.nxt];
    }
    const piece = fast ? sack.nextSegment(SMSS) : null;
    if (piece === null) return null;
    const { seq, end } = piece;
    board.repeatAt(seq, DELIVERY, this.now);
    const { doubled } = sack;
    sack.left(end, (this.recovery as { until: number }).until);
    this.seen.add(sack.doubled > doubled ? "rule 3" : "rule 4");
    return [seq, end];
  }

  send(): void {
    const { naive } = this;
    if (naive.afterTimeout) return;
    for (;;) {
      assertEquals(this.#pipe, naive.owes ? this.#pipe : naive.pipe, "pipe");
      const expected = naive.next(this.unsent);
      const actual = this.#next();
      assertEquals(actual, expected);
      if (actual === null) return;
      if (actual[1] > naive.nxt) {
        this.unsent -= actual[1] - actual[0];
        naive.sent(actual[1]);
      }
      this.#network.push(actual);
    }
  }

  write(octets: number): void {
    this.unsent += octets;
    this.send();
  }

  drop(place: number): void {
    this.#network.splice(Math.floor(place * this.#network.length), 1);
  }

  /** A segment arrives, and its ACK, unless it is lost, too. */
  arrive(place: number, answered: boolean, blocks: number): void {
    const index = Math.floor(place * this.#network.length);
    const [range] = this.#network.splice(index, 1);
    if (range === undefined) return;
    this.#received.add(range[0], range[1], ++this.#arrivals);
    const { una } = this.board;
    const ack = this.#received.list.find(({ start, end }) => start <= una && una < end)?.end ?? una;
    const above = this.#received.list.filter(({ start }) => start > ack)
      .sort((a, b) => b.changed - a.changed).slice(0, blocks);
    if (answered) this.ack(ack, above.map(({ start, end }) => [start, end]));
  }

  ack(ack: number, blocks: readonly Range[]): void {
    const { board, heard, sack, naive } = this;
    this.now += 10;
    const advanced = ack > board.una;
    heard.answers(Infinity);
    board.acknowledge(ack, 1, this.now, heard);
    for (const [left, right] of blocks) sack.take(left, right, this.now, heard);
    naive.ack(ack, blocks);
    const lost = sack.onAck(heard, advanced ? "advanced" : "none", this.recovery, SMSS, this.now);
    if (this.recovery.kind !== "open" && ack >= this.recovery.until) {
      this.recovery = OPEN;
      sack.ended();
    }
    if (lost > 0 && this.recovery.kind === "open") {
      this.recovery = fastRecovery(board.nxt, board.inFlight);
      this.seen.add("fast");
    }
    assertEquals(this.recovery.kind !== "open", naive.recoveryPoint !== null, "in recovery");
    this.send();
  }

  timeout(): void {
    const { board } = this;
    if (board.empty) return;
    this.now += 1000;
    board.loseAll();
    this.recovery = lossRecovery(board.nxt, null);
    this.sack.restart();
    this.naive.timeout();
    for (let piece = board.nextLost(); piece !== null; piece = board.nextLost()) {
      const { seq, end } = piece;
      const to = Math.min(end, seq + SMSS);
      board.resent(to - seq, DELIVERY, this.now);
      this.sack.resent(to);
      this.#network.push([seq, to]);
    }
  }

  end(): void {
    this.board.clear();
    host_free(this.host);
  }
}

const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const early = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, share);
const operation = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("write" as const), octets: fc.nat(150) }) },
  // Small segments: three of them are less than two full ones.
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("small" as const),
      octets: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("drop" as const), place: early }) },
  {
    weight: 14,
    arbitrary: fc.record({
      kind: fc.constant("arrive" as const),
      place: early,
      answered: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.constant(false)),
      blocks: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("timeout" as const) }) },
);

describe("RFC 6675", () => {
  it("does what the text of §4 and §5 does, octet by octet", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 150, size: "max" }), (operations) => {
        const pair = new Pair();
        for (const each of operations) {
          if (each.kind === "write" || each.kind === "small") pair.write(each.octets);
          else if (each.kind === "drop") pair.drop(each.place);
          else if (each.kind === "timeout") pair.timeout();
          else pair.arrive(each.place, each.answered, each.blocks);
        }
        for (const what of pair.seen) seen.add(what);
        pair.end();
      }),
      { numRuns: 150 },
    );
    assertEquals([...seen].sort(), ["fast", "rule 3", "rule 4"]);
  });
});
