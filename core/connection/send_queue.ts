/**
 * The shared send queue (draft §3.5.2, Fig. 2): part A waits to be sent, part B is sent and not DATA_ACKed, with the subflows that carry it; beside
 * it what goes again first (draft SQ-5).
 */

import {
  host_left,
  stream_append,
  stream_free,
  stream_lend,
  stream_new,
  stream_release,
  stream_unpin,
  u32,
  u8,
} from "../../wasm/mod.ts";
import { OUT_0, PAGE } from "../../wasm/layout.ts";
import { few } from "../guard/few.ts";
import type { Micros } from "../plugin.ts";
import { Ranges } from "../subflow/ranges.ts";
import { giveRing, Ring, takeRing } from "../subflow/ring.ts";
import type { BufferSize } from "../subflow/settings.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { shareOf } from "./autotune.ts";
import { Hints } from "./hints.ts";
import { OPEN_END, type OurEnd } from "./life.ts";

/** More than any queue holds. */
const NO_MARK = 2 ** 31 - 1;

/** One sending of bytes on one subflow. */
class Copy {
  subflow: Subflow | null = null;
  /** Data offsets. */
  from = 0;
  to = 0;
  /** Sequence offset of the first byte. */
  start = 0;
}

/** Of those that were given to one subflow alone; nothing is ever put into it. */
const NO_COPIES: Copy[] = [];

/**
 * Bytes of part B that were bound in one decision, and the subflows that they were given to. It is the first of these copies itself, and mostly the only one:
 * between two looks at it whole windows pass, and each object apart would have to be fetched anew.
 */
export class Sent extends Copy {
  /** Data offset of the first byte. */
  offset = 0;
  /** One past the last. */
  end = 0;
  /** When it was bound. */
  sentAt: Micros = 0;
  /** Next in the pool. */
  link: Sent | null = null;
  // Counted apart: emptying an array gives its room back, and the next use would take it anew.
  #others = NO_COPIES;
  #count = 0;

  /** Bytes. */
  get length(): number {
    return this.end - this.offset;
  }

  /** How many times it, or a part of it, was given to a subflow that lives. */
  get copies(): number {
    return this.#count;
  }

  #copy(index: number): Copy {
    return index === 0 ? this : this.#others[index - 1]!;
  }

  /** To whom; the same subflow may come more than once. */
  copy(index: number): Subflow {
    return this.#copy(index).subflow!;
  }

  /** Whether any of [from, to) was given with it. */
  carries(index: number, from: number, to: number): boolean {
    const copy = this.#copy(index);
    return copy.from < to && copy.to > from;
  }

  /** Sequence offset there of the byte at `offset`, or of the one next to it that was given; one past the last behind that. */
  ssn(index: number, offset: number): number {
    const { start, from, to } = this.#copy(index);
    return start + Math.max(from, Math.min(offset, to)) - from;
  }

  /** The first byte, `least` or behind it, that `subflow` was not given; the end where it was given all. */
  lackedFrom(subflow: Subflow, least: number = this.offset): number {
    let at = Math.max(least, this.offset);
    // Mostly each was given behind the one before: one look, and another that finds nothing.
    for (let from = -1; from < at;) {
      from = at;
      for (let i = 0; i < this.#count; i++) {
        const copy = this.#copy(i);
        if (copy.subflow === subflow && copy.from <= at && copy.to > at) at = copy.to;
      }
    }
    return Math.min(at, this.end);
  }

  /** End of what it lacks from `offset` on. */
  lackedEnd(subflow: Subflow, offset: number): number {
    let end = this.end;
    for (let i = 0; i < this.#count; i++) {
      const copy = this.#copy(i);
      if (copy.subflow === subflow && copy.from > offset && copy.from < end) end = copy.from;
    }
    return end;
  }

  /** End of the last that `subflow` lacks; the offset of the first byte where it was given all. */
  lackedTo(subflow: Subflow): number {
    let at = this.end;
    for (let to = -1; to !== at;) {
      to = at;
      for (let i = 0; i < this.#count; i++) {
        const copy = this.#copy(i);
        if (copy.subflow === subflow && copy.from < at && copy.to >= at) at = copy.from;
      }
    }
    return Math.max(at, this.offset);
  }

  /** First of what it lacks up to `end`. */
  lackedBefore(subflow: Subflow, end: number): number {
    let from = this.offset;
    for (let i = 0; i < this.#count; i++) {
      const copy = this.#copy(i);
      if (copy.subflow === subflow && copy.to < end && copy.to > from) from = copy.to;
    }
    return from;
  }

  /** End, `end` at most, of what was given to all who were given the byte at `offset`, and to nobody else. */
  alikeTo(offset: number, end: number): number {
    for (let i = 0; i < this.#count; i++) {
      const subflow = this.copy(i);
      const lacks = this.lackedFrom(subflow, offset);
      const edge = lacks > offset ? lacks : this.lackedEnd(subflow, offset);
      if (edge < end) end = edge;
      // Mostly all others are of the same one.
      while (i + 1 < this.#count && this.copy(i + 1) === subflow) i++;
    }
    return end;
  }

  /** Whether the byte at `offset` was ever given to `subflow`. */
  givenTo(subflow: Subflow, offset: number): boolean {
    for (let i = 0; i < this.#count; i++) {
      const copy = this.#copy(i);
      if (copy.subflow === subflow && copy.from <= offset && offset < copy.to) return true;
    }
    return false;
  }

  /** End of what was given to `subflow` with the byte at `offset`; `offset` itself where that was not. */
  givenEnd(subflow: Subflow, offset: number): number {
    let end = offset;
    for (let i = 0; i < this.#count; i++) {
      const copy = this.#copy(i);
      if (copy.subflow === subflow && copy.from <= offset && copy.to > end) end = copy.to;
    }
    return end;
  }

  /**
   * Whether a subflow that is not stale still works on the mapping that brings the byte at `offset`: while a part of that is in flight, the peer may want
   * it for the mapping itself, or for its checksum.
   */
  workedOn(offset: number): boolean {
    for (let i = 0; i < this.#count; i++) {
      const copy = this.#copy(i);
      if (offset < copy.to && firstInWork(copy) <= offset && !copy.subflow!.stale) return true;
    }
    return false;
  }

  /** Whether `subflow` does. */
  workedOnBy(subflow: Subflow, offset: number): boolean {
    for (let i = 0; i < this.#count; i++) {
      const copy = this.#copy(i);
      if (copy.subflow === subflow && offset < copy.to && firstInWork(copy) <= offset) return true;
    }
    return false;
  }

  /** Sequence offset of the last byte of a mapping that holds the byte at `offset`, of which all is acknowledged on `subflow`; -1 when there is none. */
  doneOn(subflow: Subflow, offset: number): number {
    for (let i = 0; i < this.#count; i++) {
      const copy = this.#copy(i);
      const last = copy.start + copy.to - copy.from - 1;
      if (
        copy.subflow === subflow && copy.from <= offset && offset < copy.to &&
        last < subflow.sender.board.una
      ) return last;
    }
    return -1;
  }

  /** Adds to `again` what of it no subflow works on. */
  addMissing(again: Ranges): void {
    this.#addUncovered(
      again,
      this.offset,
      this.end,
      (copy) => copy.subflow!.stale ? Infinity : firstInWork(copy),
    );
  }

  /** Adds to `again` what of [from, to) no other subflow than `subflow` has, of those that answer; what one has brought counts unless it is `repaired`. */
  addNotBeside(
    again: Ranges,
    subflow: Subflow,
    from: number,
    to: number,
    repaired: boolean,
  ): void {
    this.#addUncovered(again, from, to, (copy) => {
      if (copy.subflow === subflow || copy.subflow!.silent) return Infinity;
      return repaired ? firstInWork(copy) : copy.from;
    });
  }

  /** Adds to `ranges` what of [from, to) no copy covers; `covered`: the first byte that one does, Infinity where it does not count. */
  #addUncovered(
    ranges: Ranges,
    from: number,
    to: number,
    covered: (copy: Copy) => number,
  ): void {
    let at = from;
    while (at < to) {
      // What carries `at` ends at `carried`; where nothing does, the next that is carried begins at `missing`.
      let carried = at;
      let missing = to;
      for (let i = 0; i < this.#count; i++) {
        const copy = this.#copy(i);
        const first = covered(copy);
        if (first <= at && at < copy.to) carried = Math.max(carried, copy.to);
        else if (at < first && first < copy.to) missing = Math.min(missing, first);
      }
      if (carried === at) ranges.add(at, missing);
      at = carried === at ? missing : carried;
    }
  }

  /** Notes a sending of [from, to) that began at `ssn`. */
  add(subflow: Subflow, from: number, to: number, ssn: number): void {
    if (this.#count > this.#others.length) {
      if (this.#others === NO_COPIES) this.#others = [];
      this.#others.push(new Copy());
    }
    const copy = this.#copy(this.#count++);
    copy.subflow = subflow;
    copy.from = from;
    copy.to = to;
    copy.start = ssn;
  }

  /** Forgets a subflow; what was given to it and nobody else has is added to `lost`, all where it was the last. */
  forget(subflow: Subflow, lost: Ranges): void {
    const before = this.#count;
    let kept = 0;
    let from = this.end;
    let to = this.offset;
    for (let i = 0; i < before; i++) {
      const copy = this.#copy(i);
      const given = copy.subflow;
      copy.subflow = null;
      if (given === subflow) {
        from = Math.min(from, Math.max(copy.from, this.offset));
        to = Math.max(to, copy.to);
        continue;
      }
      const moved = this.#copy(kept++);
      moved.subflow = given;
      moved.from = copy.from;
      moved.to = copy.to;
      moved.start = copy.start;
    }
    this.#count = kept;
    if (kept === before) return;
    if (kept === 0) lost.add(this.offset, this.end);
    else this.#addUncovered(lost, from, to, (copy) => copy.from);
  }

  /** Forgets all. */
  clear(): void {
    for (let i = 0; i < this.#count; i++) this.#copy(i).subflow = null;
    this.#count = 0;
  }
}

/**
 * First data offset of what the subflow still works on; Infinity when that is nothing. A mapping that a proxy has acknowledged in part may never be
 * complete, and its checksum not verified.
 */
function firstInWork({ subflow, from, to, start }: Copy): number {
  const { sender, trust } = subflow!;
  const { una } = sender.board;
  if (start + to - from <= una || (trust.belied && start < una)) return Infinity;
  return from;
}

let pool: Sent | null = null;

function takeSent(): Sent {
  const sent = pool;
  if (sent === null) return new Sent();
  pool = sent.link;
  sent.link = null;
  return sent;
}

function giveSent(sent: Sent): void {
  sent.clear();
  sent.link = pool;
  pool = sent;
}

interface Cursor {
  readonly subflow: Subflow;
  serial: number;
}

/** Of those that have nothing out: nothing is ever put into it. */
const NONE_SENT = new Ring<Sent>();
/** Of those of whose data nothing goes again; nothing is ever put into it. */
const NOTHING_AGAIN = new Ranges();
const NO_CURSORS: Cursor[] = [];

/** What most connections do not meet: made for the first of it. */
class Rarities {
  /** What goes again. */
  again = NOTHING_AGAIN;
  /** What writes have said of their bytes; null: nothing that still counts. */
  hints: Hints | null = null;
  /** Bound to subflows and never sent: by pull there is none. */
  ahead: Ranges | null = null;
  /** Nobody has them any more, as the subflows are gone that had. */
  orphans: Ranges | null = null;
  /** What lies below was missed in spite of acknowledgements: a subflow that had it may be given it again. */
  repaired = 1;
  /** The place behind what was written is lent: until it is back, nothing is appended, and the memory stays. */
  lent = false;
}

/** The send queue of one connection. Data offsets: the first byte has 1. After `free` the last positions can still be asked for. */
export class SendQueue {
  /** Handle of the stream; 0 until something is first written, as many connections only receive. */
  #stream = 0;
  readonly #host: number;
  readonly #size: BufferSize;
  /** Lent while something is out: many connections only receive, or wait. */
  #sent = NONE_SENT;
  /** For `firstNotOn`: below these serial numbers everything was given to that subflow, or to nobody. Made for the first. */
  #cursors = NO_CURSORS;
  #grown: number;
  #limit: number;
  /** Where `una` has to come before the size is looked at again. */
  #sizedUntil = 1;
  /** Most bytes unsent; a small integer, as it is read for every pass. */
  #lowWater = NO_MARK;
  #una = 1;
  #nxt = 1;
  #windowEnd = 1;
  #mostWindow = 0;
  #ours: OurEnd = OPEN_END;
  #freed = false;
  #rare: Rarities | null = null;
  /** NEXT and HEAD of the stream's record, which nobody else moves: reading them there would box them. */
  #tail = 1;
  #head = 1;
  #steps = 0;

  /** @param host The host's handle in WebAssembly memory. @param size Bytes that are kept. */
  constructor(host: number, size: BufferSize) {
    this.#host = host;
    this.#grown = this.#limit = size.first;
    this.#size = size;
  }

  private rarities(): Rarities {
    return this.#rare ??= new Rarities();
  }

  private ahead(): Ranges | null {
    return this.#rare === null ? null : this.#rare.ahead;
  }

  private orphans(): Ranges | null {
    return this.#rare === null ? null : this.#rare.orphans;
  }

  /** Handle of the stream that the subflows send from; 0 where nothing was written. */
  get stream(): number {
    return this.#stream;
  }

  /** The same, made for what is written first; 0 where there is no memory for it. */
  private made(): number {
    return this.#stream === 0 ? this.#stream = stream_new(this.#host, 1) : this.#stream;
  }

  /** Most bytes that are kept now. */
  get limit(): number {
    return this.#limit;
  }

  /** Most bytes that wait to be sent for the first time. */
  get lowWater(): number {
    return this.#lowWater;
  }

  /** Lets no more than `bytes` wait to be sent for the first time. */
  setLowWater(bytes: number): void {
    this.#lowWater = Math.min(bytes, NO_MARK);
  }

  /** So much was acknowledged since the last `resize` that the windows may ask for more. */
  get resizable(): boolean {
    return this.#una >= this.#sizedUntil;
  }

  /**
   * The windows of the subflows ask for `wanted` bytes, their paths for no more than `most`: it grows by eighths at least, and takes less while memory is
   * short; that costs a call.
   */
  resize(wanted: number, most: number = Infinity): void {
    const size = Math.min(wanted, most, this.#size.most);
    const grows = size >= this.#grown + this.#grown / 8;
    if (!grows && this.#una < this.#sizedUntil) return;
    const share = shareOf(host_left(this.#host));
    this.#grown = Math.max(this.#grown, Math.min(size, share));
    this.#limit = Math.min(this.#grown, share, Math.max(most, this.#size.first));
    // Of what it has now: one that memory has made small would be so for long after.
    this.#sizedUntil = this.#una + this.#limit / 8;
  }

  /** Oldest data offset that is not DATA_ACKed. */
  get una(): number {
    return this.#una;
  }

  /** Next data offset to be given to a subflow; a DATA_FIN counts. */
  get nxt(): number {
    return this.#nxt;
  }

  /** End of what was written. */
  get tail(): number {
    return this.#tail;
  }

  /** Right edge of the peer's window. */
  get windowEnd(): number {
    return this.#windowEnd;
  }

  /** The largest window that the peer has offered: Max(SND.WND) of RFC 9293 §3.8.6.2.1. */
  get mostWindow(): number {
    return this.#mostWindow;
  }

  /** Our direction. */
  get ours(): OurEnd {
    return this.#ours;
  }

  /** Bytes written and not given to a subflow. */
  get unbound(): number {
    const { tail } = this;
    return tail - Math.min(this.#nxt, tail);
  }

  /** Bytes that are to be given anew, as nobody has them any more. */
  get orphaned(): number {
    const orphans = this.orphans();
    return orphans === null ? 0 : orphans.bytes;
  }

  /** Bytes that were never sent, bound to a subflow or not. */
  get unsent(): number {
    const ahead = this.ahead();
    return ahead === null ? this.unbound : this.unbound + ahead.bytes;
  }

  /** Bytes, and a DATA_FIN, sent and not DATA_ACKed. */
  get unacked(): number {
    const given = this.#nxt - this.#una;
    const ahead = this.ahead();
    return ahead === null ? given : given - ahead.bytes;
  }

  /** The first data offset that was never sent: no DATA_ACK can lie above. */
  get ackable(): number {
    const ahead = this.ahead();
    return ahead === null ? this.#nxt : Math.min(this.#nxt, ahead.first);
  }

  /** Bytes that the peer still allows. */
  get window(): number {
    return Math.max(0, this.#windowEnd - this.ackable);
  }

  /** Bytes that `write` would take. */
  get room(): number {
    if (this.#ours.kind !== "open") return 0;
    const { tail } = this;
    return Math.max(0, Math.min(this.#limit - (tail - this.#una), this.#lowWater - this.unsent));
  }

  /** The end is wanted, and everything before it is sent, itself not. */
  get finDue(): boolean {
    return this.#ours.kind === "ending" && this.ackable === this.#ours.fin;
  }

  /** Data offset of our DATA_FIN where it, or what takes its place, was sent and is not DATA_ACKed; -1 elsewhere. */
  get finOut(): number {
    const ours = this.#ours;
    return ours.kind === "ending" && this.#nxt > ours.fin ? ours.fin : -1;
  }

  /** Our DATA_FIN is all that is sent and not DATA_ACKed. */
  get finUnacked(): boolean {
    return this.#ours.kind === "ending" && this.#una === this.#ours.fin && this.#nxt > this.#una;
  }

  /** The peer's window has no room for our DATA_FIN: one as strict as TCP does not take that (RFC 9293 §3.10.7.4), Linux does. */
  get finShut(): boolean {
    return this.#ours.kind === "ending" && this.#windowEnd <= this.#ours.fin;
  }

  /** Places looked at so far, for tests. */
  get steps(): number {
    return this.#steps + this.#sent.steps;
  }

  /** Appends up to `most` bytes of `source` from index `from`; returns how many there was room and memory for. */
  write(source: Uint8Array, from: number): number {
    const most = Math.min(source.length - from, this.room);
    let taken = 0;
    while (taken < most) {
      const address = stream_append(this.made(), Math.min(most - taken, PAGE));
      if (address === 0) break;
      const piece = u32[OUT_0]!;
      const start = from + taken;
      this.#tail += piece;
      u8.set(piece === source.length ? source : source.subarray(start, start + piece), address);
      taken += piece;
    }
    return taken;
  }

  /** Lends room for what comes next, up to the end of its page; null where there is none, or no memory. `filled` has to follow, before anything else is written. */
  lend(): Uint8Array<ArrayBuffer> | null {
    const { room } = this;
    const address = room > 0 ? stream_lend(this.made()) : 0;
    if (address === 0) return null;
    this.rarities().lent = true;
    return u8.subarray(address, address + Math.min(room, PAGE - (address & (PAGE - 1))));
  }

  /** The first `bytes` of what was lent hold data. */
  filled(bytes: number): void {
    const at = this.#tail;
    this.rarities().lent = false;
    if (bytes > 0 && !this.#freed) {
      stream_append(this.#stream, bytes);
      this.#tail += bytes;
    }
    stream_unpin(this.#stream, at, 1);
    if (this.#freed) stream_free(this.#stream);
  }

  /** What is written next has this hint; 0: none. */
  hint(hint: number, now: Micros): void {
    if (hint !== 0) this.rarities().hints ??= new Hints();
    this.#rare?.hints?.write(this.#tail, hint, now);
  }

  /** What writes have said of their bytes; null: nothing. */
  get hints(): Hints | null {
    return this.#rare === null ? null : this.#rare.hints;
  }

  /** Nothing more is written; `second`: the peer had finished before. */
  end(second: boolean): void {
    if (this.#ours.kind === "open") this.#ours = { kind: "ending", fin: this.tail, second };
  }

  /** The peer allows everything below `end`, which are `size` bytes; true when that is more than before. */
  open(end: number, size: number = end - this.#una): boolean {
    if (size > this.#mostWindow) this.#mostWindow = size;
    // RFC 8684 §3.3.5: "MPTCP SHOULD take the largest of the most recent window sizes as the one to use in calculations"
    // RFC 8684 §4: "a host SHOULD use the maximum value of those recently seen on the constituent subflows for the connection-level receive window"
    if (end <= this.#windowEnd) return false;
    this.#windowEnd = end;
    return true;
  }

  /** Plain TCP: its one window may also be taken back (RFC 9293 §3.8.6), and nothing new is sent beyond it then. True when the peer allows more than before. */
  moveWindow(end: number, size: number = end - this.#una): boolean {
    if (size > this.#mostWindow) this.#mostWindow = size;
    const more = end > this.#windowEnd;
    this.#windowEnd = end;
    return more;
  }

  /** A DATA_ACK of everything below `offset`, which is above `una`; true when it is the first of our DATA_FIN. */
  acknowledge(offset: number): boolean {
    this.#una = offset;
    const rare = this.#rare;
    if (rare !== null) {
      rare.orphans?.cut(0, offset);
      if (rare.hints !== null && rare.hints.acknowledged(offset)) rare.hints = null;
    }
    // RFC 8684 §3.3.6: "The sender MUST keep data in its send buffer as long as the data has not been acknowledged both (1) at the connection level
    // and (2) on all subflows on which it has been sent"
    // RFC 8684 §3.3.2: "An MPTCP sender MUST NOT free data from the send buffer until it has been acknowledged by both a Data ACK received on any
    // subflow and at the subflow level by all subflows on which the data was sent"
    if (!this.#freed) this.release(offset);
    const sent = this.#sent;
    while (sent.first < sent.next && sent.at(sent.first).end <= offset) giveSent(sent.shift());
    if (sent.first === sent.next) this.emptied();
    else {
      const head = sent.at(sent.first);
      if (head.offset < offset) head.offset = offset;
    }
    const ours = this.#ours;
    if (ours.kind !== "ending" || offset <= ours.fin) return false;
    // Though it was to go again in another form.
    this.#nxt = ours.fin + 1;
    this.#ours = { kind: "acked", fin: ours.fin, second: ours.second };
    return true;
  }

  /** Gives back the pages below `offset`. They go back whole: while the page of the head has bytes left, there is nothing to give. */
  private release(offset: number): void {
    const head = this.#head;
    const end = Math.min(offset, this.#tail);
    if (end < this.#tail && end - head < PAGE - (head & (PAGE - 1))) return;
    this.#head = end;
    stream_release(this.#stream, end);
  }

  /** The next `length` bytes are bound to a subflow, which sends them later (draft A.5); their first. */
  bind(length: number, now: Micros = 0): number {
    const sent = takeSent();
    const { nxt } = this;
    sent.offset = nxt;
    sent.sentAt = now;
    sent.end = this.#nxt += length;
    this.hold(sent);
    (this.rarities().ahead ??= new Ranges()).add(nxt, this.#nxt);
    return nxt;
  }

  /** All that is bound and was never sent is to be bound anew. */
  bindAnew(): void {
    this.orphans()?.cut(0, Infinity);
    const ahead = this.ahead();
    if (ahead === null) return;
    const again = this.toGoAgain();
    ahead.each((offset, end) => again.add(offset, end));
  }

  /** Whether the oldest byte that is not DATA_ACKed is bound to a subflow, and was never sent. */
  get oldestAhead(): boolean {
    const ahead = this.ahead();
    return ahead !== null && ahead.first === this.#una;
  }

  /** The first byte of `again` that was bound, taken back and never sent; Infinity: there is none. */
  get firstTakenBack(): number {
    const ahead = this.ahead();
    return ahead === null ? Infinity : this.again.firstIn(ahead);
  }

  /** [offset, offset + length) of `sent`, bound before, has left on `subflow` from `ssn` on; returns how many of these bytes had been sent already. */
  left(sent: Sent, offset: number, length: number, subflow: Subflow, ssn: number): number {
    this.repeated(sent, offset, length, subflow, ssn);
    const ahead = this.ahead();
    return ahead === null ? length : length - ahead.cut(offset, offset + length);
  }

  /** The next `length` bytes have been given to `subflow`, from its sequence offset `ssn` on. */
  bound(length: number, subflow: Subflow, ssn: number, now: Micros = 0): Sent {
    const sent = takeSent();
    sent.offset = this.#nxt;
    sent.sentAt = now;
    sent.end = this.#nxt += length;
    sent.add(subflow, sent.offset, sent.end, ssn);
    this.hold(sent);
    return sent;
  }

  /** [offset, offset + length) has also been given to `subflow`, from its sequence offset `ssn` on. */
  repeated(sent: Sent, offset: number, length: number, subflow: Subflow, ssn: number): void {
    // Nobody had it: who passed it over has to look again.
    if (sent.copies === 0) {
      const serial = this.#sent.find(sent.offset);
      for (let i = 0; i < this.#cursors.length; i++) {
        const cursor = this.#cursors[i]!;
        if (cursor.serial > serial) cursor.serial = serial;
      }
    }
    sent.add(subflow, offset, offset + length, ssn);
    this.orphans()?.cut(offset, offset + length);
  }

  private hold(sent: Sent): void {
    if (this.#sent === NONE_SENT) this.#sent = takeRing();
    this.#sent.push(sent);
  }

  /** Nothing is out: serial numbers begin anew. */
  private emptied(): void {
    if (this.#sent === NONE_SENT) return;
    this.#steps += this.#sent.steps;
    giveRing(this.#sent);
    this.#sent = NONE_SENT;
    for (let i = 0; i < this.#cursors.length; i++) this.#cursors[i]!.serial = 0;
  }

  /** Our DATA_FIN, or the FIN in its place, has been sent. */
  finSent(): void {
    if (this.#ours.kind !== "open") this.#nxt = this.#ours.fin + 1;
  }

  /** All that was sent and is not acknowledged is to be sent anew, a DATA_FIN too: the peer has dropped it (RFC 8684 §3.7). */
  rewind(): void {
    const sent = this.#sent;
    while (sent.first < sent.next) giveSent(sent.shift());
    this.emptied();
    this.again.cut(0, Infinity);
    if (this.#rare !== null) this.#rare.ahead = this.#rare.orphans = null;
    this.#nxt = this.#una;
  }

  /** The DATA_FIN was not heard, or not heeded: something else is to take its place. True when it had been sent. */
  finAgain(): boolean {
    if (this.#ours.kind !== "ending" || this.#nxt <= this.#ours.fin) return false;
    this.#nxt = this.#ours.fin;
    return true;
  }

  /**
   * Whether `sent` from `offset` on need not be given to `subflow`: it has that in flight, or has brought it to the peer as far as it can tell. Then
   * `repair` alone decides that it goes there again.
   */
  has(subflow: Subflow, sent: Sent, offset: number): boolean {
    return this.repaired(offset) ? sent.workedOnBy(subflow, offset) : sent.givenTo(subflow, offset);
  }

  /** `repair` has looked at the byte at `offset`. */
  private repaired(offset: number): boolean {
    return this.#rare !== null && offset < this.#rare.repaired;
  }

  /** What holds the byte at `offset`; null when nobody was given it. */
  find(offset: number): Sent | null {
    const serial = this.#sent.find(offset);
    if (serial >= this.#sent.next) return null;
    const sent = this.#sent.at(serial);
    return sent.offset <= offset ? sent : null;
  }

  /** The oldest that is not DATA_ACKed; null when nothing is out. */
  get oldest(): Sent | null {
    return this.#sent.first < this.#sent.next ? this.#sent.at(this.#sent.first) : null;
  }

  /** The oldest that others have and `subflow` was not given, or not all of it; null when there is none. */
  firstNotOn(subflow: Subflow): Sent | null {
    const sent = this.#sent;
    const cursor = this.cursor(subflow);
    if (cursor.serial < sent.first) cursor.serial = sent.first;
    while (cursor.serial < sent.next) {
      this.#steps++;
      const each = sent.at(cursor.serial);
      if (each.copies > 0 && each.lackedFrom(subflow) < each.end) return each;
      cursor.serial++;
    }
    return null;
  }

  /** The next above `skipped`. */
  nextNotOn(subflow: Subflow, skipped: Sent): Sent | null {
    const sent = this.#sent;
    for (let serial = sent.find(skipped.offset) + 1; serial < sent.next; serial++) {
      this.#steps++;
      const each = sent.at(serial);
      if (each.copies > 0 && each.lackedFrom(subflow) < each.end) return each;
    }
    return null;
  }

  private cursor(subflow: Subflow): { serial: number } {
    for (let i = 0; i < this.#cursors.length; i++) {
      if (this.#cursors[i]!.subflow === subflow) return this.#cursors[i]!;
    }
    const cursor = { subflow, serial: this.#sent.first };
    if (this.#cursors === NO_CURSORS) this.#cursors = few();
    this.#cursors.push(cursor);
    return cursor;
  }

  /** What is to be given to a subflow before new data (draft SQ-5): once more, or, where it was bound ahead and taken back, for the first time. */
  get again(): Pick<
    Ranges,
    "empty" | "first" | "firstEnd" | "firstFrom" | "firstIn" | "endOf" | "cut" | "each" | "bytes"
  > {
    return this.#rare === null ? NOTHING_AGAIN : this.#rare.again;
  }

  /** The same, to be added to. */
  toGoAgain(): Ranges {
    const rare = this.rarities();
    return rare.again === NOTHING_AGAIN ? rare.again = new Ranges() : rare.again;
  }

  /**
   * Queues what `subflow` carries, and the peer has not DATA_ACKed, for the others; what is SACKed too, as a peer may keep it on the subflow until
   * the hole before it is filled. What another one that answers was given need not go again: it would only stand in the way of the rest.
   */
  reinject(subflow: Subflow): void {
    const { board } = subflow.sender;
    for (let serial = board.firstChunk; serial < board.nextChunk; serial++) {
      const to = board.dataEnd(serial);
      let from = Math.max(board.dataStart(serial), this.#una);
      while (from < to) {
        const sent = this.find(from);
        if (sent === null) {
          this.toGoAgain().add(from, to);
          break;
        }
        // Others may have a part of it.
        const end = Math.min(to, sent.end);
        sent.addNotBeside(this.toGoAgain(), subflow, from, end, this.repaired(from));
        from = end;
      }
    }
  }

  /**
   * Queues everything that was sent and is neither DATA_ACKed nor in flight on a living subflow: one timeout repairs a window. Which of it the peer has
   * got above the first hole, no DATA_ACK tells.
   */
  repair(): void {
    const sent = this.#sent;
    for (let serial = sent.first; serial < sent.next; serial++) {
      sent.at(serial).addMissing(this.toGoAgain());
    }
    const rare = this.rarities();
    rare.again.cut(0, this.#una);
    rare.repaired = this.#nxt;
  }

  /**
   * Forgets a subflow that is gone. With `reinject` what nobody else was given goes again, acknowledged on the subflow or not: only a DATA_ACK tells
   * that the peer has it (RFC 8684 §3.3.6).
   */
  forget(subflow: Subflow, reinject: boolean): void {
    const at = this.#cursors.findIndex((cursor) => cursor.subflow === subflow);
    if (at >= 0) this.#cursors.splice(at, 1);
    const lost = new Ranges();
    for (let serial = this.#sent.first; serial < this.#sent.next; serial++) {
      this.#sent.at(serial).forget(subflow, lost);
    }
    if (!reinject || lost.empty) return;
    const again = this.toGoAgain();
    const orphans = this.rarities().orphans ??= new Ranges();
    lost.each((offset, end) => {
      again.add(offset, end);
      orphans.add(offset, end);
    });
  }

  /** Gives the memory back; what was not sent is lost. */
  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    while (this.#sent.first < this.#sent.next) giveSent(this.#sent.shift());
    this.emptied();
    if (this.#rare?.lent !== true && this.#stream !== 0) stream_free(this.#stream);
  }
}
