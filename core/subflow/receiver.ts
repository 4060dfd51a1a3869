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

/** What most subflows do not meet while they are in use: made for the first of it. */
class Rarities {
  /** Bytes that the peer's SYN has brought. */
  early = 0;
  /** Offset of the peer's FIN; -1 while unknown. */
  finSeq = -1;
  /** It is taken. */
  skipped = false;
  /** What came again and no ACK has told of. */
  againFrom = 0;
  againTo = 0;
}

/** The receiving side of one subflow. Sequence numbers are offsets from the peer's initial one. */
export class Receiver {
  #irs = 0;
  /** Handle of the host, and who has the stream that is filled; 0 and null before `start` and after `free`. */
  #wasm = 0;
  #level: Pick<DataLevel, "receiveStream"> | null = null;
  /** Handle, and the record as index of f64; 0 until something first comes, as many subflows only send, or wait, and after `free`. */
  #handle = 0;
  #record = 0;
  /** RCV.NXT while there is no record. */
  #next = 0;
  /** As in the record, which is read only where there may be some: each ACK asks, and reading it there may box it. */
  #ranges = 0;
  #rare: Rarities | null = null;
  /** Bytes that have come since they were last counted, in order or not. */
  #came = 0;
  // The mapping learned last, as on the wire: a super-segment repeats it on every packet.
  #mapLow = -1;
  #mapSsn = -1;
  #mapLength = -1;

  private rarities(): Rarities {
    return this.#rare ??= new Rarities();
  }

  /** What offsets count from: the peer's initial sequence number (IRS), and behind data that its SYN has brought. */
  get irs(): number {
    return this.#irs;
  }

  /** Bytes that have come since they were last counted: its share of what the receive buffer should hold (draft RBF-3). */
  get came(): number {
    return this.#came;
  }

  /** New bytes have come. */
  count(bytes: number): void {
    this.#came += bytes;
  }

  /** Counting begins anew. */
  counted(): void {
    this.#came = 0;
  }

  /** Bytes that the peer's SYN has brought (RFC 7413). */
  get early(): number {
    return this.#rare === null ? 0 : this.#rare.early;
  }

  /** Sequence number of its SYN, as on the wire. */
  get syn(): number {
    return (this.#irs - this.early) | 0;
  }

  /** Whether it takes data. */
  get started(): boolean {
    return this.#wasm !== 0;
  }

  /** RCV.NXT. */
  get nxt(): number {
    return this.#record === 0 ? this.#next : asOffset(f64[this.#record + RECEIVER_NEXT]!);
  }

  /** Bytes received in order. */
  get bytes(): number {
    return this.early + Math.max(0, this.end - 1);
  }

  /** End of the payload in order: RCV.NXT without the peer's FIN. */
  get end(): number {
    const rare = this.#rare;
    return rare !== null && rare.skipped ? rare.finSeq : this.nxt;
  }

  /** End of the highest byte received. */
  get top(): number {
    return this.#record === 0 ? this.#next : asOffset(f64[this.#record + RECEIVER_TOP]!);
  }

  /** Ranges received above it. */
  get ranges(): number {
    return this.#ranges;
  }

  /** Bytes held for want of a mapping or of the rest of one. */
  get staged(): number {
    return this.#record === 0 ? 0 : f64[this.#record + RECEIVER_STAGED]!;
  }

  /** Mappings held. */
  get mappings(): number {
    return this.#record === 0 ? 0 : f64[this.#record + RECEIVER_MAPPINGS]!;
  }

  /** Least data offset of a mapping that was not what its checksum says; 0: none. Its bytes are staged, and belong to no mapping any more. */
  get failed(): number {
    return this.#record === 0 ? 0 : f64[this.#record + RECEIVER_FAILED]!;
  }

  /** Offset of the peer's FIN; -1 while unknown. */
  get finSeq(): number {
    return this.#rare === null ? -1 : this.#rare.finSeq;
  }

  /** The peer's SYN has come. */
  begin(irs: number): void {
    this.#irs = irs;
    this.#next = 1;
  }

  /** `bytes` in the peer's SYN are taken: offset 1 is the byte behind them (RFC 8684 appendix B.2). */
  takeEarly(bytes: number): void {
    this.#irs = (this.#irs + bytes) | 0;
    this.rarities().early = bytes;
  }

  /** Data may come, which fill the stream of `level`. */
  start(wasm: number, level: Pick<DataLevel, "receiveStream">): void {
    this.#wasm = wasm;
    this.#level = level;
  }

  /** Has the record; false when there is no memory for it, or data may not come. */
  private make(): boolean {
    if (this.#handle !== 0) return true;
    if (this.#level === null) return false;
    this.#handle = receiver_new(this.#wasm, this.#level.receiveStream);
    if (this.#handle === 0) return false;
    this.#record = receiver_record(this.#handle) >> 3;
    if (this.#rare?.skipped === true) receiver_skip(this.#handle);
    return true;
  }

  /** Learns a mapping: SEGMENT_* and MAPPING_* bits. `sum` is -1 without checksum; data offsets from `limit` on are not kept. */
  map(dsn: number, ssn: number, length: number, sum: number, limit: number): number {
    if (!this.make()) return SEGMENT_MEMORY;
    return receiver_map(this.#handle, dsn, ssn, length, sum, limit);
  }

  /** Whether the mapping in `rx` is the one learned last. */
  get repeatsMapping(): boolean {
    return this.#mapLow === rx.dsnLow && this.#mapSsn === rx.ssn &&
      this.#mapLength === rx.dataLength;
  }

  /** The mapping in `rx` has been learned. */
  mappingLearned(): void {
    this.#mapLow = rx.dsnLow;
    this.#mapSsn = rx.ssn;
    this.#mapLength = rx.dataLength;
  }

  /** Forgets the mappings that end above `ssn`: what is staged of them belongs to none any more. */
  forgetMappings(ssn: number): void {
    if (this.#handle !== 0) receiver_forget(this.#handle, ssn);
    this.#mapLength = -1;
  }

  /** Takes the payload in `rx` at sequence offset `seq`: SEGMENT_* bits. */
  place(seq: number, limit: number): number {
    if (!this.make()) return SEGMENT_MEMORY;
    const bits = receiver_segment(this.#handle, seq, rx.payload, rx.length, limit);
    if (this.#ranges > 0 || (bits & SEGMENT_GAP) !== 0) {
      this.#ranges = f64[this.#record + RECEIVER_RANGES]! | 0;
    }
    return bits;
  }

  /** Notes the peer's FIN at `at`; one below what has come already would never be reached. */
  noteFin(at: number): void {
    if (this.finSeq >= 0 || this.#wasm === 0) return;
    if (at >= this.top) this.rarities().finSeq = at;
  }

  /** Moves over the peer's FIN when everything before it is there; true the one time that it does. */
  takeFin(): boolean {
    const rare = this.#rare;
    if (rare === null || rare.skipped || rare.finSeq < 0 || this.nxt !== rare.finSeq) return false;
    if (this.#handle !== 0) receiver_skip(this.#handle);
    else this.#next++;
    rare.skipped = true;
    return true;
  }

  /** Where the bytes begin that the payload placed last, a duplicate in part at least, brought again; they end at `duplicateTo`. */
  get duplicateFrom(): number {
    return this.#record === 0 ? 0 : f64[this.#record + RECEIVER_DUPLICATE_FROM]!;
  }

  /** One past the last of them. */
  get duplicateTo(): number {
    return this.#record === 0 ? 0 : f64[this.#record + RECEIVER_DUPLICATE_TO]!;
  }

  /** Something came again of which the next ACK shall tell (RFC 2883 §4). */
  get againOwed(): boolean {
    const rare = this.#rare;
    return rare !== null && rare.againTo > rare.againFrom;
  }

  /** Whether one block cannot tell both of [from, to) and of what is owed. */
  againApart(from: number, to: number): boolean {
    const rare = this.#rare;
    return rare !== null && this.againOwed && (from > rare.againTo || to < rare.againFrom);
  }

  /** [from, to) came again, and is told of in one block with what it touches, else in place of it. */
  cameAgain(from: number, to: number): void {
    const joins = this.againOwed && !this.againApart(from, to);
    const rare = this.rarities();
    rare.againFrom = joins ? Math.min(from, rare.againFrom) : from;
    rare.againTo = joins ? Math.max(to, rare.againTo) : to;
  }

  /** An ACK has told of what came again: that is done once (RFC 2883 §4, (2)). */
  againTold(): void {
    const rare = this.#rare;
    if (rare !== null) rare.againFrom = rare.againTo = 0;
  }

  /** Writes SACK blocks, at most `most`, for the segment being built; with `again` the first one tells what came again. Returns their number. */
  sack(most: number, again: boolean): number {
    if (!this.make()) return 0;
    const rare = again ? this.#rare : null;
    const from = rare === null ? 0 : rare.againFrom;
    return receiver_sack(this.#handle, this.#irs, most, from, rare === null ? 0 : rare.againTo);
  }

  /** Gives back what it holds in WebAssembly memory. */
  free(): void {
    this.#wasm = 0;
    this.#level = null;
    if (this.#handle === 0) return;
    this.#next = this.nxt;
    receiver_free(this.#handle);
    this.#ranges = 0;
    this.#handle = this.#record = 0;
  }
}
