/** A subflow's receiver in the plainest form: sets of offsets, and one array of bytes a piece. */

import {
  MAPPING_CONFLICT,
  MAPPING_NEW,
  SEGMENT_ADVANCED,
  SEGMENT_BEYOND,
  SEGMENT_CHECKSUM,
  SEGMENT_DATA,
  SEGMENT_DATA_DUPLICATE,
  SEGMENT_DUPLICATE,
  SEGMENT_FILLED,
  SEGMENT_GAP,
  SEGMENT_MEMORY,
  SEGMENT_STAGED,
} from "../../wasm/layout.ts";
import { sum } from "./checksum.ts";
import { Ranges } from "./ranges.ts";
import { Bytes, MOST_RANGES, type Stream } from "./stream.ts";

interface Mapping {
  ssn: number;
  end: number;
  delta: number; // data offset minus subflow offset
  expected: number; // sum that the payload must have, -1 without checksum
}

interface Piece {
  start: number;
  end: number;
  mapping: Mapping | undefined;
}

/** Fills `stream` from one subflow. */
export class Receiver {
  /** RCV.NXT as an offset. */
  next = 1;
  /** End of the highest byte received. */
  top = 1;
  /** What was received above `next`. */
  readonly received: Ranges = new Ranges();
  /** Bytes that wait. */
  readonly staged: Bytes = new Bytes();
  #mappings: Mapping[] = [];
  #changes = 0;
  /** What of the last segment that was a duplicate had come before, its first such bytes in a row. */
  again: readonly [from: number, to: number] = [0, 0];

  /** Bytes go to `stream`. */
  constructor(readonly stream: Stream) {}

  /** Learns a mapping; as `receiver_map`. */
  map(dsn: number, ssn: number, length: number, expected: number, limit: number): number {
    if (!(length > 0) || !(ssn >= 0)) return 0;
    const added = { ssn, end: ssn + length, delta: dsn - ssn, expected };
    const before = this.stream.next;
    const result = expected < 0 ? this.#learnPlain(added, limit) : this.#learnSummed(added, limit);
    return result | (this.stream.next === before ? 0 : SEGMENT_DATA);
  }

  /** Takes payload; as `receiver_segment`. */
  segment(seq: number, payload: Uint8Array, limit: number): number {
    const end = seq + payload.length;
    if (payload.length === 0) return 0;
    if (end <= this.next) {
      this.again = [seq, end];
      return SEGMENT_DUPLICATE;
    }
    const start = Math.max(seq, this.next);
    const gaps = this.received.outside(start, end);
    const pieces = gaps.flatMap((gap) => this.#cut(gap.start, gap.end));
    if (!this.#fits(start, end, pieces, seq, payload, limit)) return SEGMENT_MEMORY;

    let bits = 0;
    const before = this.stream.next;
    const highest = this.received.list.at(-1)?.start ?? 0;
    if (gaps.some((gap) => gap.end <= highest)) bits |= SEGMENT_FILLED;
    const twice = this.received.inside(start, end)[0];
    if (seq < start) this.again = [seq, this.next];
    else if (twice !== undefined) this.again = [twice.start, twice.end];
    if (seq < start || twice !== undefined) bits |= SEGMENT_DUPLICATE;
    if (start > this.next) {
      bits |= SEGMENT_GAP;
      this.received.add(start, end, ++this.#changes);
    } else {
      bits |= SEGMENT_ADVANCED;
      this.next = end;
      const first = this.received.list[0];
      for (const range of this.received.list) {
        if (first && range.start <= this.next) this.next = Math.max(this.next, range.end);
      }
      this.received.remove(0, this.next);
    }
    this.top = Math.max(this.top, end);
    for (const piece of pieces) {
      const bytes = payload.subarray(piece.start - seq, piece.end - seq);
      if (piece.mapping && piece.mapping.expected < 0) {
        bits |= this.#deliver(piece.start + piece.mapping.delta, bytes, limit);
        continue;
      }
      this.staged.put(piece.start, bytes);
      if (!piece.mapping) bits |= SEGMENT_STAGED;
      else if (piece.mapping.ssn === piece.start && piece.mapping.end === piece.end) {
        bits |= this.#verify(piece.mapping, limit);
        this.#mappings = this.#mappings.filter((mapping) => mapping !== piece.mapping);
      }
    }
    for (const mapping of this.#mappings.sort((a, b) => a.ssn - b.ssn)) {
      if (mapping.expected < 0 || mapping.ssn >= end || mapping.end <= start) continue;
      bits |= this.#missing(mapping.ssn, mapping.end) > 0
        ? SEGMENT_STAGED
        : this.#verify(mapping, limit);
    }
    this.#forget();
    return bits | (this.stream.next === before ? 0 : SEGMENT_DATA);
  }

  /** A FIN. */
  skip(): void {
    this.next++;
    this.top = Math.max(this.top, this.next);
  }

  /** SACK blocks, what came again first, with the range around it, then the latest; as `receiver_sack`. */
  sack(initial: number, most: number, from: number, to: number): [number, number][] {
    const latest = [...this.received.list].sort((a, b) => b.changed - a.changed);
    const around = latest.filter(({ start, end }) => from < to && start <= from && to <= end);
    const rest = latest.filter((range) => !around.includes(range));
    const again = from < to ? [{ start: from, end: to }] : [];
    return [...again, ...around, ...rest].slice(0, Math.min(most, 4))
      .map(({ start, end }) => [(initial + start) >>> 0, (initial + end) >>> 0]);
  }

  #missing(start: number, end: number): number {
    start = Math.max(start, this.next);
    return start < end ? end - start - this.received.count(start, end) : 0;
  }

  /** Cuts [start, end) where mappings begin and end. */
  #cut(start: number, end: number): Piece[] {
    const pieces: Piece[] = [];
    const outside = new Ranges();
    outside.add(start, end);
    for (const mapping of this.#mappings) {
      const low = Math.max(start, mapping.ssn);
      const high = Math.min(end, mapping.end);
      if (low >= high) continue;
      outside.remove(low, high);
      pieces.push({ start: low, end: high, mapping });
    }
    pieces.push(...outside.list.map((gap) => ({ ...gap, mapping: undefined })));
    return pieces.sort((a, b) => a.start - b.start);
  }

  /** Whether no list of ranges grows too long. */
  #fits(
    start: number,
    end: number,
    pieces: Piece[],
    seq: number,
    payload: Uint8Array,
    limit: number,
  ): boolean {
    let stream = 0;
    let staged = 0;
    const count = (low: number, high: number) => {
      if (this.stream.needsRange(low, Math.min(high, limit))) stream++;
    };
    for (const { mapping, ...piece } of pieces) {
      if (mapping && mapping.expected < 0) {
        count(piece.start + mapping.delta, piece.end + mapping.delta);
        continue;
      }
      const whole = mapping && mapping.ssn === piece.start && mapping.end === piece.end &&
        sum(payload.subarray(piece.start - seq, piece.end - seq)) % 0xffff ===
          mapping.expected % 0xffff;
      if (!whole && !this.staged.held.touches(piece.start, piece.end)) staged++;
    }
    for (const mapping of this.#mappings) {
      const low = Math.max(start, mapping.ssn);
      const high = Math.min(end, mapping.end);
      if (mapping.expected < 0 || low >= high) continue;
      if (this.#missing(low, high) === this.#missing(mapping.ssn, mapping.end)) {
        count(mapping.ssn + mapping.delta, mapping.end + mapping.delta);
      }
    }
    const own = start > this.next && !this.received.touches(start, end) ? 1 : 0;
    return this.#below(this.received.list.length, own) && this.#below(this.stream.ranges, stream) &&
      this.#below(this.staged.held.list.length, staged);
  }

  #below(count: number, more: number): boolean {
    return more === 0 || count + more <= MOST_RANGES;
  }

  #deliver(offset: number, bytes: Uint8Array, limit: number): number {
    const kept = Math.min(Math.max(limit - offset, 0), bytes.length);
    const above = this.stream.above(offset, offset + kept);
    const fresh = kept === 0 ? 0 : this.stream.place(offset, bytes.subarray(0, kept));
    return above | (kept < bytes.length ? SEGMENT_BEYOND : 0) |
      (fresh < kept ? SEGMENT_DATA_DUPLICATE : 0);
  }

  /** Moves staged bytes to the stream. */
  #unstage(start: number, end: number, delta: number, limit: number): number {
    let bits = 0;
    for (const range of this.staged.held.inside(start, end)) {
      const bytes = this.staged.get(range.start, range.end);
      bits |= this.#deliver(range.start + delta, bytes, limit);
    }
    this.staged.drop(start, end);
    return bits;
  }

  #verify(mapping: Mapping, limit: number): number {
    const actual = sum(this.staged.get(mapping.ssn, mapping.end));
    if (actual % 0xffff === mapping.expected % 0xffff) {
      return this.#unstage(mapping.ssn, mapping.end, mapping.delta, limit);
    }
    // What failed stays staged, as bytes without a mapping.
    return SEGMENT_CHECKSUM;
  }

  /** Mappings go when all of their bytes have come. */
  #forget(): void {
    this.#mappings = this.#mappings.filter((mapping) =>
      this.#missing(mapping.ssn, mapping.end) > 0
    );
  }

  #learnPlain(added: Mapping, limit: number): number {
    const held = this.#mappings.filter((mapping) =>
      mapping.ssn < added.end && mapping.end > added.ssn
    );
    if (held.some((mapping) => mapping.delta !== added.delta)) return MAPPING_CONFLICT;
    const free = new Ranges();
    free.add(added.ssn, added.end);
    for (const mapping of held) free.remove(mapping.ssn, mapping.end);
    let bits = 0;
    for (const { start, end } of free.list) {
      if (this.staged.held.count(start, end) > 0) {
        bits |= MAPPING_NEW | this.#unstage(start, end, added.delta, limit);
      }
      if (this.#missing(start, end) > 0) {
        this.#mappings.push({ ...added, ssn: start, end });
        bits |= MAPPING_NEW;
      }
    }
    return bits;
  }

  #learnSummed(added: Mapping, limit: number): number {
    const { ssn, end } = added;
    const held = this.#mappings.filter((mapping) => mapping.ssn < end && mapping.end > ssn);
    if (held.length > 0) {
      const same = held.some((mapping) =>
        mapping.ssn === ssn && mapping.end === end && mapping.delta === added.delta &&
        mapping.expected === added.expected
      );
      return same ? 0 : MAPPING_CONFLICT;
    }
    const missing = this.#missing(ssn, end);
    const staged = this.staged.held.count(ssn, end);
    if (missing + staged === 0) return 0;
    if (missing + staged < end - ssn) return MAPPING_CONFLICT;
    if (missing === 0) return MAPPING_NEW | this.#verify(added, limit);
    this.#mappings.push(added);
    return MAPPING_NEW;
  }
}
