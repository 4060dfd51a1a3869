/** Ranges of subflow sequence space that were sent and are not acknowledged, in order: what is SACKed, lost, sent again. */

import { stream_pin, stream_unpin } from "../../wasm/mod.ts";
import { PAGE } from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";

/** In the network, as far as is known. */
export const SENT = 0;
/** Reported by a SACK block. */
export const SACKED = 1;
/** Taken for lost and not sent again yet. */
export const LOST = 2;

/** One range with its mapping. A chunk is one range, however many packets it took, until a SACK edge or a loss cuts it. */
export class Range {
  /** First sequence offset. */
  seq = 0;
  /** One past the last. */
  end = 0;
  /** Data offset of the mapping's first byte. */
  mapDsn = 0;
  /** Sequence offset of the mapping's first byte. */
  mapSsn = 0;
  /** Bytes of the whole mapping; a retransmission repeats it unchanged. */
  mapLength = 0;
  /** Its checksum field, -1 without. */
  mapChecksum = -1;
  /** First data of a client: its mapping may travel in MP_CAPABLE. */
  first = false;
  /** A FIN: one octet, no data. */
  fin = false;
  /** SENT, SACKED or LOST. */
  state = SENT;
  /** When it was last sent. */
  time: Micros = 0;
  /** How often it was sent; 0 when the link was full. */
  sends = 0;
  /** The subflow's `delivered` when it was last sent. */
  priorDelivered = 0;
  /** When that was counted. */
  priorTime: Micros = 0;
  /** The application or the scheduler gave too little then. */
  appLimited = false;
  /** Neighbours. */
  prev: Range | null = null;
  /** Neighbours. */
  next: Range | null = null;

  /** Data offset of its first byte. */
  get data(): number {
    return this.mapDsn + this.seq - this.mapSsn;
  }
}

let pool: Range | null = null;

function take(): Range {
  const range = pool;
  if (range === null) return new Range();
  pool = range.next;
  range.next = null;
  return range;
}

function give(range: Range): void {
  range.prev = null;
  range.next = pool;
  pool = range;
}

/** Whether two neighbours are SACKed parts of one mapping. */
function joins(a: Range, b: Range): boolean {
  return a.state === SACKED && b.state === SACKED && a.mapSsn === b.mapSsn && !a.fin && !b.fin;
}

/** Ranges above which SACK edges cut no more: else a peer that reports single bytes would make every acknowledgement a long way to go. */
const MOST_RANGES = 2048;

/** The list of one subflow; pins the pages of the send queue that its ranges touch. */
export class InFlight {
  /** Oldest range. */
  head: Range | null = null;
  /** Newest range. */
  tail: Range | null = null;
  /** Bytes reported by SACK. */
  sacked = 0;
  /** Bytes taken for lost and not sent again. */
  lost = 0;
  /** Ranges sent more than once and not acknowledged. */
  repeated = 0;
  /** Ranges in all. */
  count = 0;
  /** Handle of the send queue's stream. */
  readonly stream: number;

  /** @param stream Handle of the send queue's stream. */
  constructor(stream: number) {
    this.stream = stream;
  }

  /** Appends a new range; the caller fills in its mapping first through the result of `begin`. */
  append(range: Range): void {
    this.count++;
    range.prev = this.tail;
    if (this.tail === null) this.head = range;
    else this.tail.next = range;
    this.tail = range;
    if (!range.fin) stream_pin(this.stream, range.data, range.end - range.seq);
  }

  /** A blank range for `append`. */
  begin(): Range {
    const range = take();
    range.first = false;
    range.fin = false;
    range.state = SENT;
    range.sends = 0;
    range.appLimited = false;
    return range;
  }

  /** Whether it is too long to be cut for a SACK block. */
  get full(): boolean {
    return this.count >= MOST_RANGES;
  }

  /** Cuts `range` at `at`, strictly inside; returns the second part. */
  split(range: Range, at: number): Range {
    this.count++;
    const rest = take();
    rest.seq = at;
    rest.end = range.end;
    rest.mapDsn = range.mapDsn;
    rest.mapSsn = range.mapSsn;
    rest.mapLength = range.mapLength;
    rest.mapChecksum = range.mapChecksum;
    rest.first = range.first;
    rest.fin = range.fin;
    rest.state = range.state;
    rest.time = range.time;
    rest.sends = range.sends;
    rest.priorDelivered = range.priorDelivered;
    rest.priorTime = range.priorTime;
    rest.appLimited = range.appLimited;
    stream_pin(this.stream, range.data, at - range.seq);
    stream_pin(this.stream, rest.data, rest.end - at);
    stream_unpin(this.stream, range.data, range.end - range.seq);
    range.end = at;
    rest.prev = range;
    rest.next = range.next;
    if (range.next === null) this.tail = rest;
    else range.next.prev = rest;
    range.next = rest;
    if (range.sends > 1) this.repeated++;
    return rest;
  }

  /**
   * Reports a range as SACKed and joins it to its neighbours of the same mapping that are: a block that grows segment by segment stays one
   * entry. Returns the entry that now holds it.
   */
  sack(range: Range): Range {
    this.mark(range, SACKED);
    let whole = range;
    if (range.prev !== null && joins(range.prev, range)) whole = this.#join(range.prev, range);
    if (whole.next !== null && joins(whole, whole.next)) this.#join(whole, whole.next);
    return whole;
  }

  /** Joins `b` to `a`, which it follows. A page that both touch was pinned by each. */
  #join(a: Range, b: Range): Range {
    const at = b.data;
    if (at % PAGE !== 0) stream_unpin(this.stream, at, 1);
    if (a.sends > 1 && b.sends > 1) this.repeated--;
    a.sends = Math.max(a.sends, b.sends);
    a.end = b.end;
    a.next = b.next;
    if (b.next === null) this.tail = a;
    else b.next.prev = a;
    this.count--;
    give(b);
    return a;
  }

  /** Takes the head away, acknowledged in full. */
  removeHead(): void {
    const range = this.head!;
    if (!range.fin) stream_unpin(this.stream, range.data, range.end - range.seq);
    this.#forget(range);
    this.head = range.next;
    if (this.head === null) this.tail = null;
    else this.head.prev = null;
    this.count--;
    give(range);
  }

  /** Acknowledges the first bytes of the head, up to `at`, strictly inside. */
  trimHead(at: number): void {
    const range = this.head!;
    const from = range.data;
    const bytes = at - range.seq;
    const first = Math.floor(from / PAGE);
    const next = Math.floor((from + bytes) / PAGE);
    if (next !== first) stream_unpin(this.stream, from, 1);
    range.seq = at;
    if (range.state === SACKED) this.sacked -= bytes;
    else if (range.state === LOST) this.lost -= bytes;
  }

  /** Changes the state of a range. */
  mark(range: Range, state: number): void {
    const bytes = range.end - range.seq;
    if (range.state === SACKED) this.sacked -= bytes;
    else if (range.state === LOST) this.lost -= bytes;
    if (state === SACKED) this.sacked += bytes;
    else if (state === LOST) this.lost += bytes;
    range.state = state;
  }

  /** Notes that a range went out again, or at last. */
  sentAgain(range: Range, now: Micros): void {
    this.mark(range, SENT);
    if (range.sends === 1) this.repeated++;
    range.sends++;
    range.time = now;
  }

  /** Empties the list. */
  clear(): void {
    while (this.head !== null) this.removeHead();
    this.sacked = 0;
    this.lost = 0;
    this.repeated = 0;
  }

  #forget(range: Range): void {
    const bytes = range.end - range.seq;
    if (range.state === SACKED) this.sacked -= bytes;
    else if (range.state === LOST) this.lost -= bytes;
    if (range.sends > 1) this.repeated--;
  }
}
