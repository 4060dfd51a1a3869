/** What was sent and is not acknowledged: what of it is SACKed, lost, sent again (RFC 2018, RFC 6675, RFC 8985). */

import { stream_pin, stream_unpin } from "../../wasm/mod.ts";
import { PAGE } from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import type { Delivery, Heard } from "./heard.ts";
import { KnownBlocks } from "./known_blocks.ts";
import {
  type Chunk,
  giveChunk,
  givePart,
  LOST,
  LostLine,
  type Mapping,
  type Part,
  type Piece,
  SACKED,
  SENT,
  SentLine,
  takeChunk,
  takePart,
} from "./pieces.ts";
import { Ring } from "./ring.ts";
import type { Witness } from "./witness.ts";

/** What a subflow has while something is out. */
class Flight {
  readonly ring: Ring<Chunk> = new Ring();
  readonly sent: SentLine = new SentLine();
  /** Made with the first block. */
  blocks: KnownBlocks | null = null;
  /** As {@linkcode Scoreboard.nextDue}. A plain field: handed to another it would be boxed (CONTRIBUTING.md, Garbage). */
  nextDue: Micros = Infinity;
  /** Bytes SACKED, and LOST. */
  sacked = 0;
  lost = 0;
  /** Pieces in all, and those sent more than once. */
  pieces = 0;
  repeated = 0;

  /** Nothing is out any more: it is lent on. */
  end(): void {
    this.ring.begin();
    this.sent.begin();
    this.nextDue = Infinity;
    this.blocks?.clear();
  }
}

/** Of those that have nothing out: nothing is ever put into it. */
const NONE = new Flight();
/** Those that nobody has, to be lent again: idle subflows have none. */
const unused: Flight[] = [];
const MOST_UNUSED = 1000;

/** End of the highest byte that was delivered before the ACK in hand, of whichever subflow that is (RFC 8985 §5.2). */
let highest = 0;

/**
 * The sender's scoreboard of one subflow. It pins the pages of the send queue that its pieces touch.
 *
 * The chunks stand in a ring, found by bisection; those SACKed whole are jumped over. What is SENT also stands in the order of sending, what is
 * LOST in that of sequence numbers. So an ACK costs what it changes, not what is in flight. A chunk is cut at SACK edges into at most twice its
 * segments and one piece: else a peer that reports single bytes would make every acknowledgement a long way to go.
 */
export class Scoreboard {
  #stream: number;
  /** Lent while something is out: many subflows only receive, or wait. */
  #flight = NONE;
  /** Made when something is first lost. */
  #madeLosses: LostLine | null = null;
  #una = 0;
  #nxt = 0;
  /** End of the highest byte delivered (RFC 8985 §5.2). */
  #fack = 0;
  #steps = 0;

  /** Who is told of what is lost; null: nobody. */
  readonly witness: Witness | null;

  /**
   * @param stream Handle of the send queue's stream; 0: {@linkcode Scoreboard.sendFrom} follows.
   * @param witness Who is told of what is lost; null: nobody.
   */
  constructor(stream: number = 0, witness: Witness | null = null) {
    this.#stream = stream;
    this.witness = witness;
  }

  private losses(): LostLine {
    return this.#madeLosses ??= new LostLine();
  }

  /** The first that is lost; null: nothing is. */
  private firstLost(): Part | null {
    return this.#madeLosses === null ? null : this.#madeLosses.head;
  }

  private blocks(): KnownBlocks {
    return this.#flight.blocks ??= new KnownBlocks();
  }

  /** SND.UNA: oldest sequence offset that is not acknowledged (RFC 9293 §3.3.1). */
  get una(): number {
    return this.#una;
  }

  /** SND.NXT: next sequence offset to be sent. */
  get nxt(): number {
    return this.#nxt;
  }

  /** Bytes reported by SACK. */
  get sacked(): number {
    return this.#flight.sacked;
  }

  /** Bytes taken for lost and not sent again. */
  get lost(): number {
    return this.#flight.lost;
  }

  /** The next behind `piece`, which is lost. */
  lostBehind(piece: Piece): Piece | null {
    return (piece as Part).after;
  }

  /** Bytes that were in flight when the oldest that is lost was sent for the first time, with it; 0: none is, or it was sent again since. */
  get lossFlight(): number {
    const first = this.firstLost();
    return first === null ? 0 : this.flightWith(first);
  }

  /** Bytes that were in flight when `piece` was sent for the first time, with it; 0: it was sent again since. */
  flightWith(piece: Piece): number {
    return piece.sends > 1 ? 0 : piece.end - 1 - (piece as Part).priorDelivered;
  }

  /** Pieces in all. */
  get pieces(): number {
    return this.#flight.pieces;
  }

  /** Pieces sent more than once. */
  get repeated(): number {
    return this.#flight.repeated;
  }

  /** Pieces that were sent again and taken for lost once more, so far. */
  get lostAgain(): number {
    return this.#madeLosses === null ? 0 : this.#madeLosses.again;
  }

  /** End of the highest byte reported (RFC 8985 §5.2 RACK.fack). */
  get fack(): number {
    return this.#fack;
  }

  /** Nothing waits for an acknowledgement. */
  get empty(): boolean {
    return this.#flight.ring.first === this.#flight.ring.next;
  }

  /** Bytes in the network, as far as is known (RFC 6675 §2, pipe). */
  get inFlight(): number {
    return this.#nxt - this.#una - this.#flight.sacked - this.#flight.lost;
  }

  /** When what has been in flight longest was sent; Infinity: nothing is. */
  get oldestSent(): Micros {
    return this.#flight.sent.head?.time ?? Infinity;
  }

  /** When the next piece is due that {@linkcode Scoreboard.loseSentBefore} found too early to lose; Infinity: none. */
  get nextDue(): Micros {
    return this.#flight.nextDue;
  }

  /** Places looked at so far. */
  get steps(): number {
    return this.#steps + this.#flight.ring.steps + this.#flight.sent.steps +
      (this.#madeLosses?.steps ?? 0);
  }

  /** What is sent, from the first byte on, comes from this stream: there is none before something is written. */
  sendFrom(stream: number): void {
    this.#stream = stream;
  }

  /** The SYN was sent: it takes sequence offset 0. */
  synSent(): void {
    if (this.#nxt === 0) this.#nxt = 1;
  }

  /** The SYN was acknowledged. */
  synAcked(): void {
    this.#una = 1;
  }

  /**
   * Appends a mapping that begins at SND.NXT and of which `sent` bytes, at least one, have left in segments of `segment` bytes. The rest is LOST
   * without having been sent: it follows when the link takes packets again.
   */
  send(mapping: Mapping, sent: number, segment: number, delivery: Delivery, now: Micros): void {
    const chunk = takeChunk();
    chunk.map(mapping, segment);
    const limited = delivery.appLimited;
    const part = this.append(chunk, mapping.length, segment, delivery, limited, now);
    // RFC 8684 §3.3.6: "The sender MUST keep data in its send buffer as long as the data has not been acknowledged both (1) at the connection level and (2) on
    // all subflows on which it has been sent."
    stream_pin(this.#stream, mapping.dsn, mapping.length);
    if (sent === mapping.length) return;
    const rest = this.split(part, part.seq + sent);
    rest.unsent();
    this.lose(rest);
  }

  /** Appends a FIN that has left. */
  sendFin(delivery: Delivery, now: Micros): void {
    const chunk = takeChunk();
    chunk.mapFin(this.#nxt);
    this.append(chunk, 1, 0, delivery, false, now);
  }

  /** Begins an ACK: all before `ack`, which lies in [SND.UNA, SND.NXT], is acknowledged. */
  acknowledge(ack: number, minRtt: Micros, now: Micros, heard: Heard): void {
    heard.begin(minRtt);
    highest = this.#fack;
    const ring = this.#flight.ring;
    let repeated = false;
    while (ring.first < ring.next) {
      const chunk = ring.at(ring.first);
      let part = chunk.head;
      while (part !== null && part.end <= ack) {
        this.#steps++;
        repeated ||= part.sends > 1;
        if (part.state !== SACKED) this.deliver(part, part.end, now, heard);
        const { next } = part;
        this.drop(part);
        part = next;
      }
      if (part === null) {
        giveChunk(ring.shift());
        continue;
      }
      chunk.acknowledge(part);
      if (part.seq < ack) {
        repeated ||= part.sends > 1;
        if (part.state !== SACKED) this.deliver(part, ack, now, heard);
        this.trim(part, ack);
      }
      break;
    }
    if (ring.first === ring.next) this.emptied();
    // What lies behind a hole may have waited long for the retransmission that filled it.
    if (repeated) heard.again();
    // What is SACKed lies above what the peer's timestamp tells of (RFC 7323 §4.3).
    if (heard.answeredBefore < Infinity) heard.answers(Infinity);
    this.#una = ack;
  }

  /**
   * Takes in a SACK block of the ACK that {@linkcode Scoreboard.acknowledge} began (RFC 6675 §4 Update). One below SND.UNA is a D-SACK
   * (RFC 2883 §4) or old, one beyond SND.NXT is wrong: nothing happens.
   */
  sack(left: number, right: number, now: Micros, heard: Heard): void {
    if (left < this.#una || right <= left || right > this.#nxt) return;
    const blocks = this.blocks();
    blocks.cut(left, right);
    const { from, to } = blocks;
    if (from >= to || this.take(from, to, now, heard)) blocks.add(left, right);
  }

  /**
   * Takes for lost what was sent no later than the segment sent at `time` that ends at `end`, and more than `rtt` and `window` ago
   * (RFC 8985 §6.2 step 5). Returns the bytes; `nextDue` then tells of what is left.
   */
  loseSentBefore(time: Micros, end: number, rtt: Micros, window: Micros, now: Micros): number {
    let bytes = 0;
    const flight = this.#flight;
    if (flight === NONE) return 0;
    const { sent } = flight;
    flight.nextDue = Infinity;
    for (let part = sent.head; part !== null; part = sent.head) {
      this.#steps++;
      if (part.time > time || (part.time === time && part.end > end)) break;
      const due = part.time + rtt + window;
      if (due > now) {
        flight.nextDue = due;
        break;
      }
      this.lose(part);
      if (part.sends > 1) this.losses().lostAgain();
      this.witness?.loses(part.seq, part.end);
      bytes += part.end - part.seq;
    }
    return bytes;
  }

  /** Takes the first bytes for lost, `most` of them, unless that is known already (RFC 6582 §3.2). Returns how many. */
  loseHead(most: number): number {
    if (this.empty) return 0;
    const part = this.#flight.ring.at(this.#flight.ring.first).head!;
    if (part.state !== SENT) return 0;
    if (part.end - part.seq > most) this.split(part, part.seq + most);
    this.lose(part);
    this.witness?.loses(part.seq, part.end);
    return part.end - part.seq;
  }

  /**
   * A timeout: all that is in flight is lost (RFC 6298 §5.4), and what was SACKed too where the peer seems to have thrown it away (RFC 2018 §8): then it is
   * true.
   */
  loseAll(): boolean {
    const ring = this.#flight.ring;
    const reneged = !this.empty && ring.at(ring.first).head!.state === SACKED;
    let last: Part | null = null;
    for (let serial = ring.first; serial < ring.next; serial++) {
      const chunk = ring.at(serial);
      if (reneged) chunk.skipTo(serial);
      for (let part = chunk.head; part !== null; part = part.next) {
        this.#steps++;
        if (part.state === SENT || (reneged && part.state === SACKED)) {
          this.leave(part);
          if (part.state === SENT) part.timeOut();
          else part.mark(LOST);
          this.#flight.lost += part.end - part.seq;
          this.losses().put(part, last);
          this.witness?.loses(part.seq, part.end);
        }
        if (part.state === LOST) last = part;
      }
    }
    if (reneged) this.#flight.blocks?.clear();
    return reneged;
  }

  /** The timeout was none: what only it took for lost, and was not sent again since, is in the network. */
  restore(): void {
    let near: Part | null = null;
    for (let part = this.firstLost(); part !== null;) {
      const { after } = part;
      this.#steps++;
      if (part.timedOut) {
        this.leave(part);
        part.mark(SENT);
        this.#flight.sent.insert(part, near);
        near = part;
      }
      part = after;
    }
  }

  /** The last segment of data, of {@linkcode Piece.unit} bytes at most, cut off from what was sent with it; a FIN when nothing else is left. Nothing is SACKED or LOST. */
  lastSegment(most: number, whole = most): Piece {
    const part = this.last();
    const length = part.end - part.seq;
    const unit = part.unit(most, whole);
    const rest = length % unit || unit;
    return length > rest ? this.split(part, part.end - rest) : part;
  }

  /** The highest data that is not SACKED, of {@linkcode Piece.unit} bytes at most; null where it is not in flight. No FIN, which most peers' SACK blocks never tell of. */
  lastUnsacked(most: number, whole = most): Piece | null {
    const ring = this.#flight.ring;
    for (let serial = ring.next - 1; serial >= ring.first; serial--) {
      this.#steps++;
      const chunk = ring.at(serial);
      // The last of a run alone knows where that begins, which may be a FIN.
      if (chunk.skip !== serial) {
        serial = chunk.start;
        continue;
      }
      if (chunk.fin) continue;
      let last: Part | null = null;
      for (let part = chunk.head; part !== null; part = part.next) {
        this.#steps++;
        if (part.state !== SACKED) last = part;
      }
      if (last === null) continue;
      return this.pieceAt(Math.max(last.seq, last.end - last.unit(most, whole)), last.end);
    }
    return null;
  }

  /**
   * When what of [from, to), a part of one mapping, is not delivered was last sent; Infinity: some of it is taken for lost, and still to be sent again;
   * -Infinity: all of it is delivered.
   */
  undelivered(from: number, to: number): Micros {
    if (to <= this.#una) return -Infinity;
    let time = -Infinity;
    const chunk = this.#flight.ring.at(this.#flight.ring.find(Math.max(from, this.#una)));
    for (let part = chunk.head; part !== null && part.seq < to; part = part.next) {
      this.#steps++;
      if (part.end <= from || part.state === SACKED) continue;
      if (part.state !== SENT) return Infinity;
      if (part.time > time) time = part.time;
    }
    return time;
  }

  /** What is in flight and holds `from`, from there on and cut off at `to`; null: it is not. */
  pieceAt(from: number, to: number): Piece | null {
    let part = this.partAt(from);
    if (part === null || part.state !== SENT) return null;
    if (part.seq < from) part = this.split(part, from);
    if (part.end > to) this.split(part, to);
    return part;
  }

  /** The same, of {@linkcode Piece.unit} bytes at most. */
  segmentAt(from: number, to: number, most: number, whole: number): Piece | null {
    const part = this.partAt(from);
    return part === null ? null : this.pieceAt(from, Math.min(to, from + part.unit(most, whole)));
  }

  /** What is in flight and begins at `seq`, one segment, has left once more. */
  repeatAt(seq: number, delivery: Delivery, now: Micros): void {
    const part = this.partAt(seq)!;
    if (part.sends === 1) this.#flight.repeated++;
    this.leave(part);
    part.sent(part.end - part.seq, delivery, now);
    this.enterSent(part);
  }

  /** Takes what is in flight of [from, to) for lost, as far as the pieces lie in it whole. Returns the bytes. */
  loseBetween(from: number, to: number): number {
    const ring = this.#flight.ring;
    let bytes = 0;
    for (
      let serial = this.notSacked(ring.find(from));
      serial < ring.next;
      serial = this.notSacked(serial + 1)
    ) {
      const chunk = ring.at(serial);
      if (chunk.ssn >= to) break;
      for (let part = chunk.head; part !== null && part.end <= to; part = part.next) {
        this.#steps++;
        if (part.state !== SENT || part.seq < from) continue;
        this.lose(part);
        this.witness?.loses(part.seq, part.end);
        bytes += part.end - part.seq;
      }
    }
    return bytes;
  }

  /** The piece that holds `offset`. */
  private partAt(offset: number): Part | null {
    const ring = this.#flight.ring;
    const serial = ring.find(offset);
    if (serial === ring.next) return null;
    let part = ring.at(serial).head;
    while (part !== null && part.end <= offset) {
      this.#steps++;
      part = part.next;
    }
    return part;
  }

  private last(): Part {
    const ring = this.#flight.ring;
    const last = ring.at(ring.next - 1);
    // A FIN that lies above a hole is in no SACK block of most peers'.
    const chunk = last.fin && ring.first < ring.next - 1 ? ring.at(ring.next - 2) : last;
    let part = chunk.head!;
    while (part.next !== null) {
      this.#steps++;
      part = part.next;
    }
    return part;
  }

  /** What is in flight in segments of more than `most` bytes has not passed: it is lost, and goes in smaller ones. Returns the bytes. */
  loseLarger(most: number): number {
    let bytes = 0;
    for (let part = this.#flight.sent.head; part !== null;) {
      const { after } = part;
      if (!part.fin && part.largest > most) {
        // What the last segment has may be less.
        const rest = (part.end - part.seq) % part.segment;
        if (rest > 0 && rest <= most && part.end - part.seq > rest) {
          this.split(part, part.end - rest);
        }
        part.mapping.recut(most);
        this.lose(part);
        bytes += part.end - part.seq;
      }
      part = after;
    }
    return bytes;
  }

  /** How many bytes of the mapping that begins at `seq` are taken for lost; -1 when none is and all are delivered. */
  lostOf(seq: number): number {
    if (seq < this.#una) return -1;
    let lost = 0;
    let delivered = true;
    for (
      let part = this.#flight.ring.at(this.#flight.ring.find(seq)).head;
      part !== null;
      part = part.next
    ) {
      if (part.state === LOST) lost += part.end - part.seq;
      if (part.state !== SACKED) delivered = false;
    }
    return delivered ? -1 : lost;
  }

  /** Takes what is in flight of the mapping that begins at `seq` for lost. */
  loseOf(seq: number): void {
    if (seq < this.#una) return;
    for (
      let part = this.#flight.ring.at(this.#flight.ring.find(seq)).head;
      part !== null;
      part = part.next
    ) {
      if (part.state === SENT) this.lose(part);
    }
  }

  /** Whether all that is lost was in segments of more than `most` bytes, and last sent at `since` or later; a FIN apart, which no SACK block tells of. */
  lostOnlyLarger(most: number, since: Micros): boolean {
    for (let part = this.firstLost(); part !== null; part = part.after) {
      this.#steps++;
      if (!part.fin && (part.segment <= most || part.time < since)) return false;
    }
    return true;
  }

  /** Whether the first that is lost, no FIN, was in a segment of more than `most` bytes. */
  lostFirstLarger(most: number): boolean {
    const part = this.firstLost();
    return part !== null && !part.fin && part.segment > most;
  }

  /** Whether the oldest that is not acknowledged, no FIN, was in a segment of more than `most` bytes. */
  oldestLarger(most: number): boolean {
    const part = this.partAt(this.#una);
    return part !== null && !part.fin && part.segment > most;
  }

  /** What is lost and comes first; null: nothing is. */
  nextLost(): Piece | null {
    return this.firstLost();
  }

  /** Cuts what {@linkcode Scoreboard.nextLost} gives: only its first `bytes` are sent as one. */
  cut(bytes: number): void {
    const part = this.losses().head!;
    if (bytes < part.end - part.seq) this.split(part, part.seq + bytes);
  }

  /** The first `bytes` of what {@linkcode Scoreboard.nextLost} gave, at least one, have left, in segments of `segment` bytes. */
  resent(bytes: number, delivery: Delivery, now: Micros, segment = bytes): void {
    this.cut(bytes);
    const part = this.losses().head!;
    if (part.sends === 1) this.#flight.repeated++;
    part.sent(segment, delivery, now);
    this.leave(part);
    this.enterSent(part);
  }

  /** Forgets all that was sent and gives the pages back; SND.UNA and SND.NXT stay. */
  clear(): void {
    const ring = this.#flight.ring;
    while (!this.empty) {
      for (let part = ring.at(ring.first).head; part !== null;) {
        const { next } = part;
        this.drop(part);
        part = next;
      }
      giveChunk(ring.shift());
    }
    this.emptied();
    this.#flight.blocks?.clear();
  }

  /** Nothing is out. */
  private emptied(): void {
    const flight = this.#flight;
    if (flight === NONE) return;
    this.#steps += flight.ring.steps + flight.sent.steps;
    flight.end();
    if (unused.length < MOST_UNUSED) unused.push(flight);
    this.#flight = NONE;
  }

  /** Serial number of the oldest mapping or FIN that is not acknowledged in full; they count from 0 when nothing was out before. */
  get firstChunk(): number {
    return this.#flight.ring.first;
  }

  /** Serial number that the next mapping or FIN will have. */
  get nextChunk(): number {
    return this.#flight.ring.next;
  }

  /** Data offset of the first byte of a chunk that is not acknowledged; equal to `dataEnd` for a FIN. */
  dataStart(serial: number): number {
    const chunk = this.#flight.ring.at(serial);
    return chunk.fin ? chunk.dsn : chunk.dsn + Math.max(chunk.ssn, this.#una) - chunk.ssn;
  }

  /** One past the data offset of a chunk's last byte. */
  dataEnd(serial: number): number {
    const chunk = this.#flight.ring.at(serial);
    return chunk.dsn + chunk.length;
  }

  /** Appends a chunk of `length` sequence numbers that is one piece and was sent once. */
  private append(
    chunk: Chunk,
    length: number,
    segment: number,
    delivery: Delivery,
    appLimited: boolean,
    now: Micros,
  ): Part {
    const part = takePart(chunk);
    const seq = this.#nxt;
    this.#nxt += length;
    if (this.#flight === NONE) this.#flight = unused.pop() ?? new Flight();
    part.begin(seq, this.#nxt, segment, delivery, appLimited, now);
    chunk.begin(part, this.#flight.ring.next);
    this.#flight.ring.push(chunk);
    this.#flight.pieces++;
    this.enterSent(part);
    return part;
  }

  /** Marks [from, to) SACKed. False when a chunk was in too many pieces for an edge. */
  private take(from: number, to: number, now: Micros, heard: Heard): boolean {
    const ring = this.#flight.ring;
    let whole = true;
    for (
      let serial = this.notSacked(ring.find(from));
      serial < ring.next;
      serial = this.notSacked(serial + 1)
    ) {
      const chunk = ring.at(serial);
      if (chunk.ssn >= to) break;
      for (let part = chunk.head; part !== null && part.seq < to; part = part.next) {
        this.#steps++;
        if (part.end <= from || part.state === SACKED) continue;
        const cuts = (part.seq < from ? 1 : 0) + (part.end > to ? 1 : 0);
        if (cuts > 0 && !chunk.mayCut(cuts)) {
          whole = false;
          continue;
        }
        if (part.seq < from) part = this.split(part, from);
        if (part.end > to) this.split(part, to);
        this.deliver(part, part.end, now, heard);
        part = this.enterSacked(part);
      }
      const { head } = chunk;
      if (head!.state === SACKED && head!.next === null) this.joinRun(serial);
    }
    return whole;
  }

  /** A chunk is SACKed whole: it joins the runs beside it. The first of a run knows its end, the last its start; an honest block begins at the first. */
  private joinRun(serial: number): void {
    const ring = this.#flight.ring;
    let start = serial;
    let end = serial + 1;
    if (serial > ring.first && ring.at(serial - 1).skip !== serial - 1) {
      start = Math.max(ring.first, ring.at(serial - 1).start);
    }
    if (end < ring.next && ring.at(end).skip !== end) end = ring.at(end).skip;
    ring.at(serial).skipTo(end);
    ring.at(start).skipTo(end);
    ring.at(end - 1).startAt(start);
  }

  /** The first chunk from `serial` on that is not known to be SACKed whole. Each way is halved as it is gone. */
  private notSacked(serial: number): number {
    const ring = this.#flight.ring;
    while (serial < ring.next) {
      this.#steps++;
      const chunk = ring.at(serial);
      if (chunk.skip === serial) return serial;
      if (chunk.skip < ring.next) chunk.skipTo(ring.at(chunk.skip).skip);
      serial = chunk.skip;
    }
    return serial;
  }

  private deliver(part: Part, end: number, now: Micros, heard: Heard): void {
    heard.deliver(part, end, highest, now);
    if (end > this.#fack) this.#fack = end;
  }

  /** Takes `part` out of the state that it is in. */
  private leave(part: Part): void {
    if (part.state === SENT) {
      this.#flight.sent.remove(part);
    } else if (part.state === LOST) {
      this.#flight.lost -= part.end - part.seq;
      this.losses().remove(part);
    } else {
      this.#flight.sacked -= part.end - part.seq;
    }
  }

  private enterSent(part: Part): void {
    part.mark(SENT);
    this.#flight.sent.insert(part);
  }

  /** Reports `part` as SACKed and joins it to its neighbours that are: a block that grows segment by segment stays one piece, which is returned. */
  private enterSacked(part: Part): Part {
    this.leave(part);
    part.mark(SACKED);
    this.#flight.sacked += part.end - part.seq;
    let whole = part;
    if (part.prev !== null && part.prev.state === SACKED) whole = this.join(part.prev, part);
    if (whole.next !== null && whole.next.state === SACKED) this.join(whole, whole.next);
    return whole;
  }

  /** Takes a piece that is SENT for lost. */
  private lose(part: Part): void {
    this.leave(part);
    part.mark(LOST);
    this.#flight.lost += part.end - part.seq;
    this.losses().insert(part);
  }

  /** Cuts `part` at `at`, strictly inside; returns the second part. It is not SACKED. */
  private split(part: Part, at: number): Part {
    const rest = part.split(at);
    if (part.state === SENT) this.#flight.sent.put(rest, part);
    else this.losses().put(rest, part);
    this.#flight.pieces++;
    if (part.sends > 1) this.#flight.repeated++;
    // A page that both touch is pinned by each.
    if (rest.data % PAGE !== 0) stream_pin(this.#stream, rest.data, 1);
    return rest;
  }

  /** Joins `b` to `a`, which it follows in their chunk: both are SACKED. */
  private join(a: Part, b: Part): Part {
    if (b.data % PAGE !== 0) stream_unpin(this.#stream, b.data, 1);
    if (a.sends > 1 && b.sends > 1) this.#flight.repeated--;
    a.join(b);
    this.#flight.pieces--;
    return a;
  }

  /** Acknowledges the first bytes of the first piece, up to `at`, strictly inside. */
  private trim(part: Part, at: number): void {
    const from = part.data;
    const bytes = at - part.seq;
    // No chunk is longer than a page, so it leaves one behind at most.
    if (Math.floor((from + bytes) / PAGE) !== Math.floor(from / PAGE)) {
      stream_unpin(this.#stream, from, 1);
    }
    part.trim(at);
    if (part.state === SACKED) this.#flight.sacked -= bytes;
    else if (part.state === LOST) this.#flight.lost -= bytes;
  }

  /** Forgets the first piece of the first chunk. */
  private drop(part: Part): void {
    if (!part.fin) stream_unpin(this.#stream, part.data, part.end - part.seq);
    this.leave(part);
    if (part.sends > 1) this.#flight.repeated--;
    this.#flight.pieces--;
    part.mapping.forget();
    givePart(part);
  }
}
