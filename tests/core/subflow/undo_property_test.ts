import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { Frto, type FrtoVerdict } from "../../../core/subflow/frto.ts";
import { Undo } from "../../../core/subflow/undo.ts";
import * as fc from "../../support/property.ts";

/** RFC 5682 as its text goes, over sets of segments: nothing is derived, everything is looked up. */
class NaiveFrto {
  readonly #sack: boolean;
  readonly reported = new Set<number>();
  una = 0;
  nxt: number;
  step: 2 | 3 | null = 2;
  #recoveryPoint = 0;

  constructor(sack: boolean, flight: number) {
    this.#sack = sack;
    this.nxt = flight;
  }

  /** Segments below `ack`, and those of `blocks`, have come; segment 0 is the one that went again. */
  onAck(ack: number, blocks: readonly number[]): FrtoVerdict {
    const news: number[] = [];
    for (let segment = 0; segment < ack; segment++) {
      if (!this.reported.has(segment)) news.push(segment);
    }
    for (const segment of blocks) {
      if (!this.reported.has(segment) && !news.includes(segment)) news.push(segment);
    }
    for (const segment of news) this.reported.add(segment);
    const advances = ack > this.una;
    const duplicate = !advances;
    this.una = ack;
    if (this.step === 2) return this.#second(ack, advances, duplicate);
    return this.#third(news, advances, duplicate);
  }

  #second(ack: number, advances: boolean, duplicate: boolean): FrtoVerdict {
    if (this.#sack && duplicate) return "wait";
    if (duplicate) return this.#over("lost");
    if (ack === this.nxt) return this.#over("lost");
    if (!advances) return "wait";
    this.#recoveryPoint = this.nxt;
    this.step = 3;
    return "new";
  }

  #third(news: readonly number[], advances: boolean, duplicate: boolean): FrtoVerdict {
    if (!this.#sack) {
      if (advances) return this.#over("spurious");
      return this.#over("lost");
    }
    const beyond = [...this.reported].some((segment) => segment >= this.#recoveryPoint);
    if (beyond && (news.length > 0 || duplicate)) return this.#over("lost");
    if (news.some((segment) => segment < this.#recoveryPoint)) return this.#over("spurious");
    // One that only moves over what SACK has told is neither: it is ignored.
    return duplicate ? this.#over("lost") : "wait";
  }

  #over(verdict: FrtoVerdict): FrtoVerdict {
    this.step = null;
    return verdict;
  }
}

/** Repeats one by one, in no sums. */
class NaiveUndo {
  #repeats: { left: number; time: number; episode: number }[] = [];
  #episode = 0;
  #from = 0;
  #on = false;
  #until = Infinity;
  #answers: ("original" | "repeat")[] = [];

  get on(): boolean {
    return this.#on;
  }

  get #own() {
    return this.#repeats.filter(({ episode }) => episode === this.#episode);
  }

  get needless(): boolean {
    return this.#answers.includes("original") && !this.#answers.includes("repeat");
  }

  begin(): void {
    this.#episode++;
    if (!this.#on) this.#from = this.#episode;
    this.#on = true;
    this.#until = Infinity;
    this.#answers = [];
  }

  sentAgain(bytes: number, time: number): void {
    this.#repeats.push({ left: bytes, time, episode: this.#episode });
  }

  answered(before: number): void {
    const times = this.#own.map(({ time }) => time);
    if (times.every((time) => time >= before)) this.#answers.push("original");
    else if (before < Infinity) this.#answers.push("repeat");
  }

  twice(bytes: number): boolean {
    const counted = this.#repeats.filter(({ episode, left }) => episode >= this.#from && left > 0);
    if (counted.length === 0) return false;
    for (let n = 0; n < bytes; n++) {
      const next = counted.find(({ left }) => left > 0);
      if (next !== undefined) next.left--;
    }
    return this.#on && counted.every(({ left }) => left === 0);
  }

  recovered(nxt: number): void {
    this.#until = nxt;
  }

  acknowledged(ack: number): void {
    if (ack > this.#until) this.drop();
  }

  drop(): void {
    this.#on = false;
    this.#repeats = [];
  }
}

describe("F-RTO", () => {
  it("agrees with RFC 5682 over sets of segments, whatever ACKs and blocks come", () => {
    const acks = fc.array(
      fc.record({
        advance: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.nat(4)),
        blocks: fc.array(fc.nat(14), { maxLength: 3 }),
        sent: fc.nat(2),
      }),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(fc.boolean(), fc.integer({ min: 1, max: 10 }), acks, (sack, flight, list) => {
        const naive = new NaiveFrto(sack, flight);
        const frto = new Frto(sack);
        frto.sentAgain(101);
        for (const { advance, blocks, sent } of list) {
          const prior = naive.una;
          const ack = Math.min(naive.nxt, prior + advance);
          const reported = sack ? blocks.filter((each) => each > ack && each < naive.nxt) : [];
          const had = naive.reported.size;
          const expected = naive.onAck(ack, reported);
          const at = (segment: number): number => 1 + 100 * segment;
          const verdict = frto.onAck(
            at(ack),
            at(prior),
            at(naive.nxt),
            ack === prior,
            100 * (naive.reported.size - had),
            at(Math.max(-1, ...naive.reported) + 1),
          );
          assertEquals(verdict, expected);
          assertEquals(frto.answered, naive.step !== 2 && (verdict === "new" || frto.answered));
          if (verdict === "lost" || verdict === "spurious") return;
          if (verdict === "new") naive.nxt += sent;
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe("undo", () => {
  it("agrees with a list of repeats", () => {
    const operation = fc.oneof(
      fc.record({ kind: fc.constant("begin" as const) }),
      fc.record({ kind: fc.constant("sentAgain" as const), bytes: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ kind: fc.constant("twice" as const), bytes: fc.nat(6) }),
      fc.record({
        kind: fc.constant("answered" as const),
        ago: fc.oneof(fc.constant(-Infinity), fc.nat(12)),
      }),
      fc.record({ kind: fc.constant("recovered" as const), at: fc.nat(20) }),
      fc.record({ kind: fc.constant("acknowledged" as const), at: fc.nat(25) }),
      fc.record({ kind: fc.constant("drop" as const) }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const undo = new Undo();
        const naive = new NaiveUndo();
        let now = 0;
        for (const each of operations) {
          now += 3;
          // A sender without an episode sends nothing again and asks nothing.
          if (!naive.on && each.kind !== "begin") continue;
          switch (each.kind) {
            case "sentAgain":
              undo.sentAgain(each.bytes, now);
              naive.sentAgain(each.bytes, now);
              break;
            case "twice":
              assertEquals(undo.twice(each.bytes), naive.twice(each.bytes));
              break;
            case "answered":
              undo.answered(now - each.ago);
              naive.answered(now - each.ago);
              break;
            case "recovered":
            case "acknowledged":
              undo[each.kind](each.at);
              naive[each.kind](each.at);
              break;
            default:
              undo[each.kind]();
              naive[each.kind]();
          }
          assertEquals([undo.on, undo.on && undo.needless], [naive.on, naive.on && naive.needless]);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
