/** What a scoreboard goes through on paths that lose and reorder, and at the hands of a hostile peer: recorded once, played to any. */

import { Heard } from "../../core/subflow/heard.ts";
import { Scoreboard } from "../../core/subflow/scoreboard.ts";
import type { Board } from "../reference/in_flight_list.ts";

/** Payload of a segment. */
export const SEGMENT = 1000;

/** One call into a scoreboard's surroundings. Time counts in ticks; a segment takes one. */
export type Operation =
  | { readonly kind: "send"; readonly length: number; readonly now: number }
  | { readonly kind: "resend"; readonly most: number; readonly now: number }
  | { readonly kind: "timeout" }
  | {
    readonly kind: "ack";
    readonly ack: number;
    /** Edges of its SACK blocks. */
    readonly edges: readonly number[];
    /** Bytes that the peer holds behind `ack`. */
    readonly held: number;
    /** How much longer than the round trip a segment may take. */
    readonly window: number;
    readonly now: number;
  };

/** A path and what is sent over it. */
export interface Pattern {
  /** Segments in flight. */
  readonly window: number;
  /** Segments under one mapping. */
  readonly chunk: number;
  /** Segments in all. */
  readonly total: number;
  /** Whether the packet with this number is lost. */
  readonly lost?: (index: number, random: () => number) => boolean;
  /** By how many ticks a packet comes late. */
  readonly late?: (random: () => number) => number;
  /** The sender's reordering window. */
  readonly reordering?: number;
}

/** Numbers of [0, 1) that are the same every time (xorshift32). */
function randomNumbers(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

/** The smallest sender around a scoreboard, as far as loss detection goes. */
export class Sender {
  readonly board: Board;
  readonly heard: Heard = new Heard();
  delivered = 0;
  deliveredTime = 0;
  readonly firstSent = 0;
  readonly appLimited = false;
  /** ACKs taken. */
  acks = 0;
  /** Most steps of one SACK block. */
  worstBlock = 0;
  /** A sum over all that was found delivered and lost: two boards that agree have the same. */
  digest = 0;
  #sentTime = -1;
  #sentEnd = 0;
  #sentRtt = 0;

  constructor(board: Board) {
    this.board = board;
    board.synSent();
    board.synAcked();
  }

  play(operation: Operation): void {
    const { board, heard } = this;
    switch (operation.kind) {
      case "send": {
        const { length, now } = operation;
        const mapping = { dsn: board.nxt, ssn: board.nxt, length, checksum: -1, first: false };
        board.send(mapping, length, SEGMENT, this, now);
        break;
      }
      case "resend": {
        const piece = board.nextLost();
        if (piece === null) break;
        board.resent(Math.min(operation.most, piece.end - piece.seq), this, operation.now);
        break;
      }
      case "timeout":
        board.loseAll();
        break;
      case "ack": {
        const { ack, edges, window, now } = operation;
        board.acknowledge(ack, 0, now, heard);
        for (let i = 0; i < edges.length; i += 2) {
          const before = board.steps;
          board.sack(edges[i]!, edges[i + 1]!, now, heard);
          this.worstBlock = Math.max(this.worstBlock, board.steps - before);
        }
        this.#learn(window, now);
      }
    }
  }

  #learn(window: number, now: number): void {
    const { board, heard } = this;
    this.acks++;
    this.delivered += heard.delivered;
    if (heard.delivered > 0) this.deliveredTime = now;
    const newer = heard.sentTime > this.#sentTime ||
      (heard.sentTime === this.#sentTime && heard.sentEnd > this.#sentEnd);
    if (newer) {
      this.#sentTime = heard.sentTime;
      this.#sentEnd = heard.sentEnd;
      this.#sentRtt = heard.sentRtt;
    }
    let lost = 0;
    if (board.sacked > 0 || board.repeated > 0) {
      lost = board.loseSentBefore(this.#sentTime, this.#sentEnd, this.#sentRtt, window, now);
    }
    for (const figure of [heard.delivered, heard.sentEnd, heard.rtt, lost, board.inFlight]) {
      this.digest = (Math.imul(this.digest, 31) + figure) | 0;
    }
  }
}

/** A receiver that names the three blocks that changed last (RFC 2018 §4). */
class Receiver {
  next = 1;
  /** Bytes held above a hole. */
  held = 0;
  readonly #ranges: [number, number][] = [];
  #recent: [number, number][] = [];

  take(from: number, to: number): void {
    if (to <= this.next) return;
    const ranges = this.#ranges;
    let index = ranges.findLastIndex((range) => range[0] <= from) + 1;
    if (index > 0 && ranges[index - 1]![1] >= from) index--;
    const range: [number, number] = [from, to];
    let joined = 0;
    for (let i = index; i < ranges.length && ranges[i]![0] <= range[1]; i++, joined++) {
      range[0] = Math.min(range[0], ranges[i]![0]);
      range[1] = Math.max(range[1], ranges[i]![1]);
    }
    const gone = ranges.splice(index, joined, range);
    this.#recent = this.#recent.filter((each) => !gone.includes(each));
    for (const [left, right] of gone) this.held -= right - left;
    if (range[0] <= this.next) {
      this.next = range[1];
      ranges.shift();
    } else {
      this.held += range[1] - range[0];
      this.#recent.unshift(range);
      if (this.#recent.length > 8) this.#recent.pop();
    }
  }

  get edges(): number[] {
    return this.#recent.slice(0, 3).flat();
  }
}

/** Lets a sender, a path and a receiver run until all has arrived; returns what the sender's scoreboard went through. */
export function record(pattern: Pattern): Operation[] {
  const { window, chunk, total, reordering = 0 } = pattern;
  const random = randomNumbers(12345);
  const sender = new Sender(new Scoreboard(0));
  const { board } = sender;
  const receiver = new Receiver();
  const operations: Operation[] = [];
  const arrivals = new Map<number, [number, number][]>();
  const acks = new Map<number, { ack: number; edges: number[]; held: number }[]>();
  const half = window >> 1;
  const end = 1 + total * SEGMENT;
  let packets = 0;
  let unacknowledged = 0;
  let quiet = 0;
  const play = (operation: Operation): void => {
    operations.push(operation);
    sender.play(operation);
  };
  const transmit = (from: number, to: number, now: number): void => {
    for (let at = from; at < to; at += SEGMENT) {
      if (pattern.lost?.(packets++, random)) continue;
      const when = now + half + (pattern.late?.(random) ?? 0);
      const there = arrivals.get(when) ?? [];
      arrivals.set(when, there);
      there.push([at, Math.min(to, at + SEGMENT)]);
    }
  };
  for (let now = 0; board.una < end; now++) {
    for (const [from, to] of arrivals.get(now) ?? []) {
      receiver.take(from, to);
      // Every second segment, and each one around a hole (RFC 5681 §4.2).
      const { edges } = receiver;
      if (++unacknowledged < 2 && edges.length === 0) continue;
      unacknowledged = 0;
      const then = acks.get(now + half) ?? [];
      acks.set(now + half, then);
      then.push({ ack: receiver.next, edges, held: receiver.held });
    }
    arrivals.delete(now);
    quiet++;
    for (const { ack, edges, held } of acks.get(now) ?? []) {
      if (ack < board.una) continue;
      quiet = 0;
      play({ kind: "ack", ack, edges, held, window: reordering, now });
    }
    acks.delete(now);
    if (quiet > 3 * window && !board.empty) {
      quiet = 0;
      play({ kind: "timeout" });
    }
    // Twice the pace of what arrives, as in slow start.
    for (let budget = 2; budget > 0;) {
      const lost = board.nextLost();
      const room = window * SEGMENT - board.inFlight;
      if (lost !== null) {
        if (room < SEGMENT) break;
        const { seq } = lost;
        const to = Math.min(lost.end, seq + SEGMENT);
        play({ kind: "resend", most: SEGMENT, now });
        transmit(seq, to, now);
        budget--;
      } else {
        const from = board.nxt;
        const length = Math.min(chunk * SEGMENT, end - from);
        if (length === 0 || room < length) break;
        play({ kind: "send", length, now });
        transmit(from, from + length, now);
        budget -= chunk;
      }
    }
  }
  return operations;
}

/**
 * A hostile peer (RFC 8985 §9): 10,000 blocks far from one another, in an order that helps nobody, each of a segment or of one byte, while nothing is
 * acknowledged; then all between is lost, sent again in part, and acknowledged.
 */
export function recordHostile(chunks: number, chunk: number, byte: boolean): Operation[] {
  const random = randomNumbers(777);
  const operations: Operation[] = [];
  const segments = chunks * chunk;
  for (let i = 0; i < chunks; i++) {
    operations.push({ kind: "send", length: chunk * SEGMENT, now: i / 100 });
  }
  for (let i = 0; i < 10_000; i += 3) {
    const edges = [];
    for (let j = 0; j < 3; j++) {
      const segment = 1 + Math.floor(random() * (segments - 2));
      const left = 1 + segment * SEGMENT + (byte ? Math.floor(random() * (SEGMENT - 2)) : 0);
      edges.push(left, left + (byte ? 1 : SEGMENT));
    }
    operations.push({ kind: "ack", ack: 1, edges, held: 0, window: 1e9, now: 1000 + i / 100 });
  }
  const end = 1 + segments * SEGMENT;
  operations.push({
    kind: "ack",
    ack: 1,
    edges: [end - SEGMENT, end],
    held: 0,
    window: 0,
    now: 2000,
  });
  for (let i = 0; i < 5000; i++) {
    operations.push({ kind: "resend", most: SEGMENT, now: 2000 + i });
  }
  operations.push({ kind: "ack", ack: end, edges: [], held: 0, window: 0, now: 9000 });
  return operations;
}

/** Plays what was recorded to a scoreboard. */
export function replay(operations: readonly Operation[], board: Board): Sender {
  const sender = new Sender(board);
  for (const operation of operations) sender.play(operation);
  return sender;
}

/** The paths that a scoreboard is measured on: at most `chunks` mappings in flight, of two segments where nothing else is said. */
export function patterns(chunks: number): Record<string, Pattern> {
  const window = 2 * chunks;
  const overflow = Math.floor(chunks * 10 / 12);
  const overflows = (index: number): boolean => index > chunks && index < chunks + overflow;
  return {
    "in order": { window, chunk: 2, total: 6 * chunks },
    "1 % lost": {
      window,
      chunk: 2,
      total: 6 * chunks,
      lost: (_, random) => random() < 0.01,
    },
    "every second packet of an overflow lost": {
      window,
      chunk: 2,
      total: 4 * chunks,
      lost: (index) => overflows(index) && index % 2 === 0,
    },
    "an overflow, and 10 % of what is sent again": {
      window,
      chunk: 2,
      total: 4 * chunks,
      lost: (index, random) =>
        overflows(index) ? index % 2 === 0 : index > chunks && random() < 0.1,
    },
    "5 % late by up to 64 packets": {
      window: Math.ceil(chunks / 3),
      chunk: 2,
      total: 3 * chunks,
      late: (random) => random() < 0.05 ? Math.floor(random() * 64) : 0,
      reordering: 1000,
    },
    "super-segments of 44, 1 % lost": {
      window: chunks,
      chunk: 44,
      total: 6 * chunks,
      lost: (_, random) => random() < 0.01,
    },
  };
}
