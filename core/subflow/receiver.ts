/** What one subflow receives: RCV.NXT, what came above it, mappings, and the peer's FIN. A face of the receiver in WebAssembly memory. */

import {
  f64,
  receiver_free,
  receiver_map,
  receiver_new,
  receiver_record,
  receiver_sack,
  receiver_segment,
  receiver_skip,
} from "../../wasm/mod.ts";
import {
  RECEIVER_MAPPINGS,
  RECEIVER_NEXT,
  RECEIVER_RANGES,
  RECEIVER_STAGED,
  RECEIVER_TOP,
  SEGMENT_GAP,
} from "../../wasm/layout.ts";
import { rx } from "../wire/segment.ts";

/** The receiving side of one subflow. Sequence numbers are offsets from the peer's initial one. */
export class Receiver {
  #irs = 0;
  /** Handle, and the record as index of f64; 0 before `start` and after `free`. */
  #handle = 0;
  #record = 0;
  /** RCV.NXT while there is no record. */
  #next = 0;
  /** As in the record, which is read only where there may be some: each ACK asks, and reading it there may box it. */
  #ranges = 0;
  #finSeq = -1;
  #skipped = false;
  // The mapping learned last, as on the wire: a super-segment repeats it on every packet.
  #mapLow = -1;
  #mapSsn = -1;
  #mapLength = -1;

  /** Initial sequence number of the peer (IRS). */
  get irs(): number {
    return this.#irs;
  }

  /** Whether it takes data. */
  get started(): boolean {
    return this.#handle !== 0;
  }

  /** RCV.NXT. */
  get nxt(): number {
    return this.#record === 0 ? this.#next : f64[this.#record + RECEIVER_NEXT]!;
  }

  /** Bytes received in order. */
  get bytes(): number {
    return Math.max(0, this.end - 1);
  }

  /** End of the payload in order: RCV.NXT without the peer's FIN. */
  get end(): number {
    return this.#skipped ? this.#finSeq : this.nxt;
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

  /** Offset of the peer's FIN; -1 while unknown. */
  get finSeq(): number {
    return this.#finSeq;
  }

  /** The peer's SYN has come. */
  begin(irs: number): void {
    this.#irs = irs;
    this.#next = 1;
  }

  /** Makes the receiver that fills `stream`; false when there is no memory for it. */
  start(wasm: number, stream: number): boolean {
    this.#handle = receiver_new(wasm, stream);
    if (this.#handle === 0) return false;
    this.#record = receiver_record(this.#handle) >> 3;
    return true;
  }

  /** Learns a mapping: SEGMENT_* and MAPPING_* bits. `sum` is -1 without checksum; data offsets from `limit` on are not kept. */
  map(dsn: number, ssn: number, length: number, sum: number, limit: number): number {
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

  /** Takes the payload in `rx` at sequence offset `seq`: SEGMENT_* bits. */
  place(seq: number, limit: number): number {
    const bits = receiver_segment(this.#handle, seq, rx.payload, rx.length, limit);
    if (this.#ranges > 0 || (bits & SEGMENT_GAP) !== 0) {
      this.#ranges = f64[this.#record + RECEIVER_RANGES]! | 0;
    }
    return bits;
  }

  /** Notes the peer's FIN at `at`; one below what has come already would never be reached. */
  noteFin(at: number): void {
    if (this.#finSeq >= 0 || this.#record === 0) return;
    if (at >= f64[this.#record + RECEIVER_TOP]!) this.#finSeq = at;
  }

  /** Moves over the peer's FIN when everything before it is there; true the one time that it does. */
  takeFin(): boolean {
    if (this.#skipped || this.#finSeq < 0 || this.nxt !== this.#finSeq) return false;
    receiver_skip(this.#handle);
    this.#skipped = true;
    return true;
  }

  /** Writes SACK blocks, at most `most`, for the segment being built; returns their number. */
  sack(most: number): number {
    return receiver_sack(this.#handle, this.#irs, most);
  }

  /** Gives back what it holds in WebAssembly memory. */
  free(): void {
    if (this.#handle === 0) return;
    this.#next = this.nxt;
    receiver_free(this.#handle);
    this.#ranges = 0;
    this.#handle = this.#record = 0;
  }
}
