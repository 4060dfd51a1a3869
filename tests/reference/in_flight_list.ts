/** The scoreboard as one list that is walked from its head: what core/subflow/scoreboard.ts must agree with, and be faster than. */

import type { Delivery, Heard } from "../../core/subflow/heard.ts";
import type { Mapping, Piece } from "../../core/subflow/pieces.ts";
import type { Scoreboard } from "../../core/subflow/scoreboard.ts";
import { PAGE } from "../../wasm/layout.ts";
import { stream_pin, stream_unpin } from "../../wasm/mod.ts";

/** What a scoreboard shows, but for where its bytes lie, and what concerns the size of segments: size_watch_test.ts has that. */
export type Board = Pick<
  Scoreboard,
  Exclude<
    keyof Scoreboard,
    | "loseLarger"
    | "lostOf"
    | "loseOf"
    | "lostFirstLarger"
    | "lostOnlyLarger"
    | "oldestLarger"
    | "flightWith"
    | "sendFrom"
    | "witness"
  >
>;

const SENT = 0;
const SACKED = 1;
const LOST = 2;

class Range implements Piece {
  seq = 0;
  end = 0;
  fin = false;
  state = SENT;
  time = 0;
  sends = 0;
  timedOut = false;
  segment = 0;
  priorDelivered = 0;
  priorTime = 0;
  priorSent = 0;
  appLimited = false;
  prev: Range | null = null;
  next: Range | null = null;

  /** `most`: pieces of its mapping above which SACK edges cut no more. */
  constructor(readonly mapping: Mapping, readonly most: number) {}

  get data(): number {
    return this.mapping.dsn + this.seq - this.mapping.ssn;
  }

  get length(): number {
    return this.end - this.seq;
  }

  unit(most: number, whole: number): number {
    return this.segment > most && this.segment <= whole ? this.segment : most;
  }
}

function joins(a: Range, b: Range): boolean {
  return a.state === SACKED && b.state === SACKED && a.mapping === b.mapping;
}

/** All ranges in the order of sequence numbers. */
export class InFlightList implements Board {
  una = 0;
  nxt = 0;
  sacked = 0;
  lost = 0;
  repeated = 0;
  lostAgain = 0;
  fack = 0;
  pieces = 0;
  nextDue = Infinity;
  steps = 0;
  /** The segment sent last among all delivered so far: time of sending, end, round trip (RFC 8985 §5.2). */
  rackTime = -1;
  rackEnd = 0;
  rackRtt = 0;
  #head: Range | null = null;
  #tail: Range | null = null;
  #highest = 0;
  readonly #stream: number;

  constructor(stream: number) {
    this.#stream = stream;
  }

  get empty(): boolean {
    return this.#head === null;
  }

  get inFlight(): number {
    return this.nxt - this.una - this.sacked - this.lost;
  }

  get oldestSent(): number {
    let oldest = Infinity;
    for (let range = this.#head; range !== null; range = range.next) {
      if (range.state === SENT) oldest = Math.min(oldest, range.time);
    }
    return oldest;
  }

  undelivered(from: number, to: number): number {
    let time = -Infinity;
    for (let range = this.#head; range !== null; range = range.next) {
      if (range.end <= Math.max(from, this.una) || range.seq >= to) continue;
      if (range.state === LOST) return Infinity;
      if (range.state === SENT) time = Math.max(time, range.time);
    }
    return time;
  }

  synSent(): void {
    this.nxt = 1;
  }

  synAcked(): void {
    this.una = 1;
  }

  send(mapping: Mapping, sent: number, segment: number, delivery: Delivery, now: number): void {
    const range = new Range({ ...mapping }, 2 * Math.ceil(mapping.length / segment) + 1);
    range.appLimited = delivery.appLimited;
    range.segment = Math.min(segment, mapping.length);
    this.#append(range, mapping.length, delivery, now);
    if (sent === mapping.length) return;
    const rest = this.#split(range, range.seq + sent);
    rest.sends = 0;
    this.#mark(rest, LOST);
  }

  sendFin(delivery: Delivery, now: number): void {
    const mapping = { dsn: 0, ssn: this.nxt, length: 0, checksum: -1, first: false };
    const range = new Range(mapping, 1);
    range.fin = true;
    this.#append(range, 1, delivery, now);
  }

  acknowledge(ack: number, minRtt: number, now: number, heard: Heard): void {
    heard.begin(minRtt);
    this.#highest = this.fack;
    let repeated = false;
    let head = this.#head;
    while (head !== null && head.end <= ack) {
      this.steps++;
      repeated ||= head.sends > 1;
      if (head.state !== SACKED) this.#deliver(head, head.end, now, heard);
      this.#removeHead();
      head = this.#head;
    }
    if (head !== null && head.seq < ack) {
      repeated ||= head.sends > 1;
      if (head.state !== SACKED) this.#deliver(head, ack, now, heard);
      this.#trimHead(head, ack);
    }
    if (repeated) {
      heard.rtt = -1;
      heard.repeated = true;
    }
    heard.answeredBefore = Infinity;
    if (this.#head === null) this.nextDue = Infinity;
    this.una = ack;
  }

  sack(left: number, right: number, now: number, heard: Heard): void {
    if (left < this.una || right <= left || right > this.nxt) return;
    for (let range = this.#head; range !== null && range.seq < right; range = range.next) {
      this.steps++;
      if (range.end <= left || range.state === SACKED) continue;
      let hit = range;
      const cuts = Number(hit.seq < left) + Number(hit.end > right);
      if (cuts > 0 && this.#rangesOf(hit.mapping) + cuts > hit.most) continue;
      if (hit.seq < left) hit = this.#split(hit, left);
      if (hit.end > right) this.#split(hit, right);
      this.#deliver(hit, hit.end, now, heard);
      range = this.#sack(hit);
    }
  }

  loseSentBefore(time: number, end: number, rtt: number, window: number, now: number): number {
    let lost = 0;
    this.nextDue = Infinity;
    for (let range = this.#head; range !== null; range = range.next) {
      this.steps++;
      if (range.state !== SENT) continue;
      if (range.time > time) continue;
      if (range.time === time && range.end > end) continue;
      const due = range.time + rtt + window;
      if (due <= now) {
        this.#mark(range, LOST);
        if (range.sends > 1) this.lostAgain++;
        lost += range.length;
      } else if (due < this.nextDue) {
        this.nextDue = due;
      }
    }
    return lost;
  }

  loseHead(most: number): number {
    const head = this.#head;
    if (head === null || head.state !== SENT) return 0;
    if (head.length > most) this.#split(head, head.seq + most);
    this.#mark(head, LOST);
    return head.length;
  }

  loseAll(): boolean {
    const reneged = this.#head?.state === SACKED;
    for (let range = this.#head; range !== null; range = range.next) {
      const { state } = range;
      if (state !== SENT && !(reneged && state === SACKED)) continue;
      this.#mark(range, LOST);
      range.timedOut = state === SENT;
    }
    return reneged;
  }

  restore(): void {
    for (let range = this.#head; range !== null; range = range.next) {
      if (range.timedOut) this.#mark(range, SENT);
    }
  }

  lastSegment(most: number, whole = most): Range {
    const range = this.#last();
    const unit = range.unit(most, whole);
    const rest = range.length % unit || unit;
    return range.length > rest ? this.#split(range, range.end - rest) : range;
  }

  lastUnsacked(most: number, whole = most): Range | null {
    let range = this.#tail;
    while (range !== null && (range.state === SACKED || range.fin)) range = range.prev;
    if (range === null) return null;
    return this.pieceAt(Math.max(range.seq, range.end - range.unit(most, whole)), range.end);
  }

  segmentAt(from: number, to: number, most: number, whole: number): Range | null {
    const range = this.#at(from);
    return range === null ? null : this.pieceAt(from, Math.min(to, from + range.unit(most, whole)));
  }

  pieceAt(from: number, to: number): Range | null {
    let range = this.#at(from);
    if (range === null || range.state !== SENT) return null;
    if (range.seq < from) range = this.#split(range, from);
    if (range.end > to) this.#split(range, to);
    return range;
  }

  repeatAt(seq: number, delivery: Delivery, now: number): void {
    const range = this.#at(seq)!;
    range.segment = range.length;
    range.priorDelivered = delivery.delivered;
    range.priorTime = delivery.deliveredTime;
    range.priorSent = delivery.firstSent;
    range.appLimited = delivery.appLimited;
    if (range.sends === 1) this.repeated++;
    range.sends++;
    range.time = now;
  }

  loseBetween(from: number, to: number): number {
    let lost = 0;
    for (let range = this.#head; range !== null; range = range.next) {
      if (range.state !== SENT || range.seq < from || range.end > to) continue;
      this.#mark(range, LOST);
      lost += range.length;
    }
    return lost;
  }

  #at(offset: number): Range | null {
    let range = this.#head;
    while (range !== null && range.end <= offset) range = range.next;
    return range;
  }

  #last(): Range {
    const tail = this.#tail!;
    return tail.fin && tail.prev !== null ? tail.prev : tail;
  }

  nextLost(): Range | null {
    if (this.lost === 0) return null;
    let range = this.#head;
    while (range !== null && range.state !== LOST) {
      this.steps++;
      range = range.next;
    }
    return range;
  }

  lostBehind(piece: Piece): Piece | null {
    let range = (piece as Range).next;
    while (range !== null && range.state !== LOST) range = range.next;
    return range;
  }

  get lossFlight(): number {
    const range = this.nextLost();
    return range === null || range.sends > 1 ? 0 : range.end - 1 - range.priorDelivered;
  }

  cut(bytes: number): void {
    const range = this.nextLost()!;
    if (bytes < range.length) this.#split(range, range.seq + bytes);
  }

  resent(bytes: number, delivery: Delivery, now: number, segment = bytes): void {
    const range = this.nextLost()!;
    if (bytes < range.length) this.#split(range, range.seq + bytes);
    range.segment = Math.min(segment, range.length);
    range.priorDelivered = delivery.delivered;
    range.priorTime = delivery.deliveredTime;
    range.priorSent = delivery.firstSent;
    range.appLimited = delivery.appLimited;
    this.#mark(range, SENT);
    if (range.sends === 1) this.repeated++;
    range.sends++;
    range.time = now;
  }

  clear(): void {
    while (this.#head !== null) this.#removeHead();
    this.nextDue = Infinity;
  }

  /** Chunks are told by their mappings: the serial numbers count those that are left. */
  get firstChunk(): number {
    return 0;
  }

  get nextChunk(): number {
    return this.#mappings().length;
  }

  dataStart(serial: number): number {
    const { range, mapping } = this.#mappings()[serial]!;
    return range.fin ? mapping.dsn : range.data;
  }

  dataEnd(serial: number): number {
    const { mapping } = this.#mappings()[serial]!;
    return mapping.dsn + mapping.length;
  }

  /** The first range of each mapping. */
  #mappings(): { range: Range; mapping: Mapping }[] {
    const result = [];
    for (let range = this.#head; range !== null; range = range.next) {
      if (range.prev?.mapping !== range.mapping) result.push({ range, mapping: range.mapping });
    }
    return result;
  }

  /** Ranges of a mapping. */
  #rangesOf(mapping: Mapping): number {
    let count = 0;
    for (let range = this.#head; range !== null; range = range.next) {
      if (range.mapping === mapping) count++;
    }
    return count;
  }

  #append(range: Range, length: number, delivery: Delivery, now: number): void {
    range.seq = this.nxt;
    range.end = this.nxt += length;
    range.time = now;
    range.sends = 1;
    range.priorDelivered = delivery.delivered;
    range.priorTime = delivery.deliveredTime;
    range.priorSent = delivery.firstSent;
    this.pieces++;
    range.prev = this.#tail;
    if (this.#tail === null) this.#head = range;
    else this.#tail.next = range;
    this.#tail = range;
    if (!range.fin) stream_pin(this.#stream, range.data, length);
  }

  #deliver(range: Range, end: number, now: number, heard: Heard): void {
    heard.delivered += end - range.seq;
    heard.largest = Math.max(heard.largest, Math.min(range.segment, end - range.seq));
    if (range.sends === 1 && end <= this.#highest) heard.reordered++;
    if (end > this.fack) this.fack = end;
    const rtt = now - range.time;
    if (range.sends === 1) heard.rtt = rtt;
    if (range.priorDelivered >= heard.priorDelivered) {
      heard.priorDelivered = range.priorDelivered;
      heard.priorTime = range.priorTime;
      heard.rateSent = range.time;
      heard.rateFrom = range.priorSent;
      heard.appLimited = range.appLimited;
    }
    if (range.sends > 1 && rtt < heard.minRtt) return;
    if (range.sends > 1 && range.time >= heard.answeredBefore) {
      heard.early = true;
      return;
    }
    if (range.time > this.rackTime || (range.time === this.rackTime && end > this.rackEnd)) {
      this.rackTime = range.time;
      this.rackEnd = end;
      this.rackRtt = rtt;
    }
    if (range.time > heard.sentTime || (range.time === heard.sentTime && end > heard.sentEnd)) {
      heard.sentTime = range.time;
      heard.sentEnd = end;
      heard.sentRtt = rtt;
    }
  }

  #split(range: Range, at: number): Range {
    this.pieces++;
    const rest = new Range(range.mapping, range.most);
    rest.seq = at;
    rest.end = range.end;
    rest.state = range.state;
    rest.time = range.time;
    rest.sends = range.sends;
    rest.timedOut = range.timedOut;
    rest.segment = range.segment;
    rest.priorDelivered = range.priorDelivered;
    rest.priorTime = range.priorTime;
    rest.priorSent = range.priorSent;
    rest.appLimited = range.appLimited;
    stream_pin(this.#stream, range.data, at - range.seq);
    stream_pin(this.#stream, rest.data, rest.end - at);
    stream_unpin(this.#stream, range.data, range.end - range.seq);
    range.end = at;
    rest.prev = range;
    rest.next = range.next;
    if (range.next === null) this.#tail = rest;
    else range.next.prev = rest;
    range.next = rest;
    if (range.sends > 1) this.repeated++;
    return rest;
  }

  #sack(range: Range): Range {
    this.#mark(range, SACKED);
    let whole = range;
    if (range.prev !== null && joins(range.prev, range)) whole = this.#join(range.prev, range);
    if (whole.next !== null && joins(whole, whole.next)) this.#join(whole, whole.next);
    return whole;
  }

  #join(a: Range, b: Range): Range {
    const at = b.data;
    if (at % PAGE !== 0) stream_unpin(this.#stream, at, 1);
    if (a.sends > 1 && b.sends > 1) this.repeated--;
    a.sends = Math.max(a.sends, b.sends);
    a.end = b.end;
    a.next = b.next;
    if (b.next === null) this.#tail = a;
    else b.next.prev = a;
    this.pieces--;
    return a;
  }

  #removeHead(): void {
    const range = this.#head!;
    if (!range.fin) stream_unpin(this.#stream, range.data, range.length);
    this.#count(range.state, -range.length);
    if (range.sends > 1) this.repeated--;
    this.#head = range.next;
    if (this.#head === null) this.#tail = null;
    else this.#head.prev = null;
    this.pieces--;
  }

  #trimHead(range: Range, at: number): void {
    const from = range.data;
    const bytes = at - range.seq;
    const first = Math.floor(from / PAGE);
    const next = Math.floor((from + bytes) / PAGE);
    if (next !== first) stream_unpin(this.#stream, from, 1);
    range.seq = at;
    this.#count(range.state, -bytes);
  }

  #mark(range: Range, state: number): void {
    this.#count(range.state, -range.length);
    this.#count(state, range.length);
    range.state = state;
    range.timedOut = false;
  }

  #count(state: number, bytes: number): void {
    if (state === SACKED) this.sacked += bytes;
    else if (state === LOST) this.lost += bytes;
  }
}
