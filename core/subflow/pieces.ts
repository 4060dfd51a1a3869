/** What a scoreboard is made of: mappings, the pieces that they are cut into, and the orders in which these stand. */

import type { Micros } from "../plugin.ts";
import type { Delivery } from "./heard.ts";

/** What one decision sent under one DSS mapping. RFC 8684 §3.3.1: "A sender MUST NOT change this mapping after it has been declared": what goes again has it whole. */
export interface Mapping {
  /** Data offset of its first byte. */
  readonly dsn: number;
  /** Sequence offset of its first byte. */
  readonly ssn: number;
  /** Its bytes. */
  readonly length: number;
  /** Its checksum field, -1 without, or INFINITE_MAPPING. */
  readonly checksum: number;
  /** First data of a client: it may travel in MP_CAPABLE. */
  readonly first: boolean;
}

/** A part of a mapping, or a FIN, to be sent again as one. */
export interface Piece {
  /** First sequence offset. */
  readonly seq: number;
  /** One past the last. */
  readonly end: number;
  /** How often it was sent; 0 when the link was full. */
  readonly sends: number;
  /** A FIN: one octet, no data; its mapping says nothing. */
  readonly fin: boolean;
  /** The mapping that it is a part of. */
  readonly mapping: Mapping;
  /** Data offset of its first byte. */
  readonly data: number;
  /**
   * Payload of the segments that it goes again in, where `most` is that of new ones, and `whole` that of ones without a DATA_ACK: those that it left in, if
   * they pass so. The DATA_ACK has become longer since, and need not be in any (RFC 8684 §3.3.2); else a few octets would be left over for one more.
   */
  unit(most: number, whole: number): number;
}

/** In place of a checksum: it goes under a mapping without end, whose length and checksum are 0 (RFC 8684 §3.3.1). */
export const INFINITE_MAPPING = -2;

/** In the network, as far as is known. */
export const SENT = 0;
/** Reported by a SACK block. */
export const SACKED = 1;
/** Taken for lost and not sent again yet. */
export const LOST = 2;

/** A mapping, or a FIN, and the pieces that SACK edges and losses cut it into. Its borders never move: they stand in a ring. */
export class Chunk implements Mapping {
  dsn = 0;
  ssn = 0;
  length = 0;
  checksum = -1;
  first = false;
  fin = false;
  /** One past its last sequence offset. */
  end = 0;
  /** Its first piece that is not acknowledged; null in the pool only. */
  head: Part | null = null;
  /** How many pieces there are. */
  pieces = 0;
  /** Its own serial number, or that of a later chunk when all before that one are SACKed. */
  skip = 0;
  /** At the last of a run of chunks SACKed whole: serial number of the first. */
  start = 0;
  /** Next in the pool. */
  link: Chunk | null = null;
  #most = 0;

  /** Becomes a mapping that was sent in segments of `segment` bytes. */
  map(mapping: Mapping, segment: number): void {
    this.dsn = mapping.dsn;
    this.ssn = mapping.ssn;
    this.length = mapping.length;
    this.checksum = mapping.checksum;
    this.first = mapping.first;
    this.fin = false;
    // An honest peer's blocks end where segments do; twice as many edges are room for what was sent again in others.
    this.#most = 2 * Math.ceil(mapping.length / segment) + 1;
  }

  /** Becomes a FIN at `seq`. */
  mapFin(seq: number): void {
    this.dsn = 0;
    this.ssn = seq;
    this.length = 0;
    this.checksum = -1;
    this.first = false;
    this.fin = true;
    this.#most = 1;
  }

  /** From now on it goes in segments of `segment` bytes: their edges may be more. */
  recut(segment: number): void {
    this.#most = Math.max(this.#most, 2 * Math.ceil(this.length / segment) + 1);
  }

  /** Takes its place in the ring, as one piece. */
  begin(part: Part, serial: number): void {
    this.end = part.end;
    this.head = part;
    this.pieces = 1;
    this.skip = this.start = serial;
  }

  /** Whether SACK edges may cut it into so many more pieces. */
  mayCut(cuts: number): boolean {
    return this.pieces + cuts <= this.#most;
  }

  /** Everything before `part` is acknowledged. */
  acknowledge(part: Part): void {
    this.head = part;
    part.lead();
  }

  /** All chunks from this one to `serial` are SACKed whole; its own serial number: it is not. */
  skipTo(serial: number): void {
    this.skip = serial;
  }

  /** It is the last of a run that begins at `serial`. */
  startAt(serial: number): void {
    this.start = serial;
  }

  /** A piece of it is gone. */
  forget(): void {
    this.pieces--;
  }
}

/** The scoreboard's own side of a piece. */
export class Part implements Piece {
  seq = 0;
  end = 0;
  sends = 0;
  mapping: Chunk;
  /** SENT, SACKED or LOST. */
  state = SENT;
  /** Payload of the largest segment that it was last sent in, or a part of it was. */
  segment = 0;
  /** When it was last sent. */
  time: Micros = 0;
  priorDelivered = 0;
  priorTime: Micros = 0;
  priorSent: Micros = 0;
  appLimited = false;
  /** It is LOST only by a timeout. */
  timedOut = false;
  /** Neighbours in its chunk; in the pool, the next one. */
  prev: Part | null = null;
  next: Part | null = null;
  /** Neighbours among what is SENT, or LOST. */
  before: Part | null = null;
  after: Part | null = null;

  constructor(mapping: Chunk) {
    this.mapping = mapping;
  }

  get data(): number {
    return this.mapping.dsn + this.seq - this.mapping.ssn;
  }

  get fin(): boolean {
    return this.mapping.fin;
  }

  /** Was sent once, as [seq, end). */
  begin(
    seq: number,
    end: number,
    segment: number,
    delivery: Delivery,
    appLimited: boolean,
    now: Micros,
  ): void {
    this.seq = seq;
    this.end = end;
    this.sends = 0;
    this.timedOut = false;
    this.sent(segment, delivery, now);
    this.appLimited = appLimited;
  }

  /** Was sent, once more, in segments of `segment` bytes at most. */
  sent(segment: number, delivery: Delivery, now: Micros): void {
    this.segment = Math.min(segment, this.end - this.seq);
    this.sends++;
    this.time = now;
    this.priorDelivered = delivery.delivered;
    this.priorTime = delivery.deliveredTime;
    this.priorSent = delivery.firstSent;
    this.appLimited = delivery.appLimited;
  }

  /** Was not sent after all. */
  unsent(): void {
    this.sends = 0;
  }

  /** Becomes SENT, SACKED or LOST. */
  mark(state: number): void {
    this.state = state;
    this.timedOut = false;
  }

  /** Becomes LOST, as a timeout says. */
  timeOut(): void {
    this.state = LOST;
    this.timedOut = true;
  }

  /** Is cut at `at`, strictly inside; returns the second part. */
  split(at: number): Part {
    const rest = takePart(this.mapping);
    rest.seq = at;
    rest.end = this.end;
    rest.sends = this.sends;
    rest.segment = this.segment;
    rest.state = this.state;
    rest.time = this.time;
    rest.priorDelivered = this.priorDelivered;
    rest.priorTime = this.priorTime;
    rest.priorSent = this.priorSent;
    rest.appLimited = this.appLimited;
    rest.timedOut = this.timedOut;
    this.end = at;
    rest.prev = this;
    rest.next = this.next;
    if (this.next !== null) this.next.prev = rest;
    this.next = rest;
    this.mapping.pieces++;
    return rest;
  }

  /** Takes in the next piece of its chunk. */
  join(next: Part): void {
    this.sends = Math.max(this.sends, next.sends);
    this.end = next.end;
    this.next = next.next;
    if (next.next !== null) next.next.prev = this;
    this.mapping.forget();
    givePart(next);
  }

  /** Loses its first bytes, up to `at`. */
  trim(at: number): void {
    this.seq = at;
  }

  /** Payload of the largest segment in it. */
  get largest(): number {
    return Math.min(this.segment, this.end - this.seq);
  }

  unit(most: number, whole: number): number {
    return this.segment > most && this.segment <= whole ? this.segment : most;
  }

  /** Becomes the first of its chunk. */
  lead(): void {
    this.prev = null;
  }
}

let chunks: Chunk | null = null;
let parts: Part | null = null;

/** A chunk from the pool; the caller sets all but `link`. */
export function takeChunk(): Chunk {
  const chunk = chunks;
  if (chunk === null) return new Chunk();
  chunks = chunk.link;
  chunk.link = null;
  return chunk;
}

/** Gives a chunk without pieces back to the pool. */
export function giveChunk(chunk: Chunk): void {
  chunk.head = null;
  chunk.link = chunks;
  chunks = chunk;
}

/** A piece of `mapping` from the pool; the caller sets all but its links. */
export function takePart(mapping: Chunk): Part {
  const part = parts;
  if (part === null) return new Part(mapping);
  parts = part.next;
  part.next = null;
  part.mapping = mapping;
  return part;
}

/** Gives a piece that stands in no order any more back to the pool. */
export function givePart(part: Part): void {
  part.prev = null;
  part.next = parts;
  parts = part;
}

/** Pieces in an order of their own, linked by `before` and `after`. */
class Line {
  head: Part | null = null;
  tail: Part | null = null;
  /** Places looked at so far. */
  steps = 0;

  /** Puts `part` behind `at`; in front of all for null. */
  put(part: Part, at: Part | null): void {
    const after = at === null ? this.head : at.after;
    part.before = at;
    part.after = after;
    if (at === null) this.head = part;
    else at.after = part;
    if (after === null) this.tail = part;
    else after.before = part;
  }

  /** Takes `part` out. */
  remove(part: Part): void {
    const { before, after } = part;
    if (before === null) this.head = after;
    else before.after = after;
    if (after === null) this.tail = before;
    else after.before = before;
    part.before = null;
    part.after = null;
  }
}

/** What is SENT, by time of sending, then by end (RFC 8985 §6.2 step 2). */
export class SentLine extends Line {
  /** Nothing stands in it: it is another's from now on. */
  begin(): void {
    this.steps = 0;
  }

  /** Finds the place of what is sent now: behind all but what was sent at the same time and ends higher. What is put back lies behind the one before it, `near`. */
  insert(part: Part, near: Part | null = null): void {
    let at = near !== null && !isLater(near, part) ? near : this.tail;
    if (at === near) {
      while (at !== null && at.after !== null && !isLater(at.after, part)) {
        this.steps++;
        at = at.after;
      }
    }
    while (at !== null && isLater(at, part)) {
      this.steps++;
      at = at.before;
    }
    this.put(part, at);
  }
}

function isLater(one: Part, other: Part): boolean {
  return one.time > other.time || (one.time === other.time && one.end > other.end);
}

/** What is LOST, by sequence. */
export class LostLine extends Line {
  /** Where one was put last that is not the highest. */
  #near: Part | null = null;
  /** Pieces that were sent again and taken for lost once more, so far. */
  again = 0;

  /** One more was. */
  lostAgain(): void {
    this.again++;
  }

  /** Finds the place of what is lost now: new data is the highest as a rule, what was sent again is the lowest, or near the one before. */
  insert(part: Part): void {
    const { head, tail } = this;
    let at = tail;
    if (head !== null && part.seq < head.seq) {
      at = null;
      this.#near = part;
    } else if (tail !== null && part.seq < tail.seq) {
      at = this.#near ?? head;
      while (at!.seq > part.seq) {
        this.steps++;
        at = at!.before;
      }
      while (at!.after!.seq < part.seq) {
        this.steps++;
        at = at!.after;
      }
      this.#near = part;
    }
    this.put(part, at);
  }

  /** Takes `part` out. */
  override remove(part: Part): void {
    if (this.#near === part) this.#near = part.after;
    super.remove(part);
  }
}
