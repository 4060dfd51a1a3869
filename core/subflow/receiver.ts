/** What one subflow receives: RCV.NXT, what came above it, mappings, and the peer's FIN. A face of the receiver in WebAssembly memory. */

import {
  f64,
  receiver_forget,
  receiver_free,
  receiver_map,
  receiver_new,
  receiver_record,
  receiver_sack,
  receiver_segment,
  receiver_skip,
} from "../../wasm/mod.ts";
import {
  RECEIVER_DUPLICATE_FROM,
  RECEIVER_DUPLICATE_TO,
  RECEIVER_FAILED,
  RECEIVER_MAPPINGS,
  RECEIVER_NEXT,
  RECEIVER_RANGES,
  RECEIVER_STAGED,
  RECEIVER_TOP,
  SEGMENT_GAP,
  SEGMENT_MEMORY,
} from "../../wasm/layout.ts";
import { rx } from "../wire/segment.ts";
import { asOffset } from "../wire/seq.ts";
import type { DataLevel } from "./shared.ts";

/** What a receiver has that something has come on: many only send, or wait. */
class Arrived {
  /** Handle in WebAssembly memory, and the record as index of f64. */
  handle = 0;
  record = 0;
  /** As in the record, which is read only where there may be some: each ACK asks, and reading it there may box it. */
  ranges = 0;
  /** Bytes that have come since they were last counted, in order or not. */
  came = 0;
  /** What came again and no ACK has told of. */
  againFrom = 0;
  againTo = 0;
  // The mapping learned last, as on the wire: a super-segment repeats it on every packet.
  mapLow = -1;
  mapSsn = -1;
  mapLength = -1;
}

/** Of those that nothing has come on: nothing is ever put into it. */
const NOTHING = new Arrived();

/** The receiving side of one subflow. Sequence numbers are offsets from the peer's initial one. */
export class Receiver {
  #irs = 0;
  #early = 0;
  /** Handle of the host, and who has the stream that is filled; 0 and null before `start` and after `free`. */
  #wasm = 0;
  #level: Pick<DataLevel, "receiveStream"> | null = null;
  /** Made when something first comes; given back by `free`. */
  #arrived = NOTHING;
  /** RCV.NXT while there is no record. */
  #next = 0;
  #finSeq = -1;
  #skipped = false;

  /** What offsets count from: the peer's initial sequence number (IRS), and behind data that its SYN has brought. */
  get irs(): number {
    return this.#irs;
  }

  /** Bytes that have come since they were last counted: its share of what the receive buffer should hold (draft RBF-3). */
  get came(): number {
    return this.#arrived.came;
  }

  /** New bytes have come. */
  count(bytes: number): void {
    if (bytes > 0 && this.#make()) this.#arrived.came += bytes;
  }

  /** Counting begins anew. */
  counted(): void {
    if (this.#arrived.came > 0) this.#arrived.came = 0;
  }

  /** Bytes that the peer's SYN has brought (RFC 7413). */
  get early(): number {
    return this.#early;
  }

  /** Sequence number of its SYN, as on the wire. */
  get syn(): number {
    return (this.#irs - this.#early) | 0;
  }

  /** Whether it takes data. */
  get started(): boolean {
    return this.#wasm !== 0;
  }

  /** RCV.NXT. */
  get nxt(): number {
    const { record } = this.#arrived;
    return record === 0 ? this.#next : asOffset(f64[record + RECEIVER_NEXT]!);
  }

  /** Bytes received in order. */
  get bytes(): number {
    return this.#early + Math.max(0, this.end - 1);
  }

  /** End of the payload in order: RCV.NXT without the peer's FIN. */
  get end(): number {
    return this.#skipped ? this.#finSeq : this.nxt;
  }

  /** End of the highest byte received. */
  get top(): number {
    const { record } = this.#arrived;
    return record === 0 ? this.#next : asOffset(f64[record + RECEIVER_TOP]!);
  }

  /** Ranges received above it. */
  get ranges(): number {
    return this.#arrived.ranges;
  }

  /** Bytes held for want of a mapping or of the rest of one. */
  get staged(): number {
    const { record } = this.#arrived;
    return record === 0 ? 0 : f64[record + RECEIVER_STAGED]!;
  }

  /** Mappings held. */
  get mappings(): number {
    const { record } = this.#arrived;
    return record === 0 ? 0 : f64[record + RECEIVER_MAPPINGS]!;
  }

  /** Least data offset of a mapping that was not what its checksum says; 0: none. Its bytes are staged, and belong to no mapping any more. */
  get failed(): number {
    const { record } = this.#arrived;
    return record === 0 ? 0 : f64[record + RECEIVER_FAILED]!;
  }

  /** Offset of the peer's FIN; -1 while unknown. */
  get finSeq(): number {
    return this.#finSeq;
  }

  /** The peer's SYN has come. */
  begin(irs: number): void {
    this.#irs = irs;
    this.#next = 1;
  }

  /** `bytes` in the peer's SYN are taken: offset 1 is the byte behind them (RFC 8684 appendix B.2). */
  takeEarly(bytes: number): void {
    this.#irs = (this.#irs + bytes) | 0;
    this.#early = bytes;
  }

  /** Data may come, which fill the stream of `level`. */
  start(wasm: number, level: Pick<DataLevel, "receiveStream">): void {
    this.#wasm = wasm;
    this.#level = level;
  }

  /** Has the record; false when there is no memory for it, or data may not come. */
  #make(): boolean {
    if (this.#arrived !== NOTHING) return true;
    if (this.#level === null) return false;
    const handle = receiver_new(this.#wasm, this.#level.receiveStream);
    if (handle === 0) return false;
    const arrived = this.#arrived = new Arrived();
    arrived.handle = handle;
    arrived.record = receiver_record(handle) >> 3;
    if (this.#skipped) receiver_skip(handle);
    return true;
  }

  /** Learns a mapping: SEGMENT_* and MAPPING_* bits. `sum` is -1 without checksum; data offsets from `limit` on are not kept. */
  map(dsn: number, ssn: number, length: number, sum: number, limit: number): number {
    if (!this.#make()) return SEGMENT_MEMORY;
    return receiver_map(this.#arrived.handle, dsn, ssn, length, sum, limit);
  }

  /** Whether the mapping in `rx` is the one learned last. */
  get repeatsMapping(): boolean {
    const { mapLow, mapSsn, mapLength } = this.#arrived;
    return mapLow === rx.dsnLow && mapSsn === rx.ssn && mapLength === rx.dataLength;
  }

  /** The mapping in `rx` has been learned. */
  mappingLearned(): void {
    const arrived = this.#arrived;
    if (arrived === NOTHING) return;
    arrived.mapLow = rx.dsnLow;
    arrived.mapSsn = rx.ssn;
    arrived.mapLength = rx.dataLength;
  }

  /** Forgets the mappings that end above `ssn`: what is staged of them belongs to none any more. */
  forgetMappings(ssn: number): void {
    const arrived = this.#arrived;
    if (arrived === NOTHING) return;
    receiver_forget(arrived.handle, ssn);
    arrived.mapLength = -1;
  }

  /** Takes the payload in `rx` at sequence offset `seq`: SEGMENT_* bits. */
  place(seq: number, limit: number): number {
    if (!this.#make()) return SEGMENT_MEMORY;
    const arrived = this.#arrived;
    const bits = receiver_segment(arrived.handle, seq, rx.payload, rx.length, limit);
    if (arrived.ranges > 0 || (bits & SEGMENT_GAP) !== 0) {
      arrived.ranges = f64[arrived.record + RECEIVER_RANGES]! | 0;
    }
    return bits;
  }

  /** Notes the peer's FIN at `at`; one below what has come already would never be reached. */
  noteFin(at: number): void {
    if (this.#finSeq >= 0 || this.#wasm === 0) return;
    if (at >= this.top) this.#finSeq = at;
  }

  /** Moves over the peer's FIN when everything before it is there; true the one time that it does. */
  takeFin(): boolean {
    if (this.#skipped || this.#finSeq < 0 || this.nxt !== this.#finSeq) return false;
    if (this.#arrived !== NOTHING) receiver_skip(this.#arrived.handle);
    else this.#next++;
    this.#skipped = true;
    return true;
  }

  /** Where the bytes begin that the payload placed last, a duplicate in part at least, brought again; they end at `duplicateTo`. */
  get duplicateFrom(): number {
    const { record } = this.#arrived;
    return record === 0 ? 0 : f64[record + RECEIVER_DUPLICATE_FROM]!;
  }

  /** One past the last of them. */
  get duplicateTo(): number {
    const { record } = this.#arrived;
    return record === 0 ? 0 : f64[record + RECEIVER_DUPLICATE_TO]!;
  }

  /** Something came again of which the next ACK shall tell (RFC 2883 §4). */
  get againOwed(): boolean {
    return this.#arrived.againTo > this.#arrived.againFrom;
  }

  /** Whether one block cannot tell both of [from, to) and of what is owed. */
  againApart(from: number, to: number): boolean {
    const { againFrom, againTo } = this.#arrived;
    return this.againOwed && (from > againTo || to < againFrom);
  }

  /** [from, to) came again, and is told of in one block with what it touches, else in place of it. */
  cameAgain(from: number, to: number): void {
    if (!this.#make()) return;
    const joins = this.againOwed && !this.againApart(from, to);
    const arrived = this.#arrived;
    arrived.againFrom = joins ? Math.min(from, arrived.againFrom) : from;
    arrived.againTo = joins ? Math.max(to, arrived.againTo) : to;
  }

  /** An ACK has told of what came again: that is done once (RFC 2883 §4, (2)). */
  againTold(): void {
    if (this.againOwed) this.#arrived.againFrom = this.#arrived.againTo = 0;
  }

  /** Writes SACK blocks, at most `most`, for the segment being built; with `again` the first one tells what came again. Returns their number. */
  sack(most: number, again: boolean): number {
    if (!this.#make()) return 0;
    const { handle, againFrom, againTo } = this.#arrived;
    return receiver_sack(handle, this.#irs, most, again ? againFrom : 0, again ? againTo : 0);
  }

  /** Gives back what it holds in WebAssembly memory. */
  free(): void {
    this.#wasm = 0;
    this.#level = null;
    const { handle } = this.#arrived;
    if (handle === 0) return;
    this.#next = this.nxt;
    receiver_free(handle);
    this.#arrived = NOTHING;
  }
}
