/** The shared receive buffer of a connection: its bytes, its window, and the peer's end (draft §3.4; RFC 8684 §3.3.1, §3.3.4). */

import {
  f64,
  host_left,
  stream_at,
  stream_free,
  stream_limit,
  stream_new,
  stream_record,
  stream_release,
  u8,
} from "../../wasm/mod.ts";
import { PAGE, STREAM_HEAD, STREAM_NEXT, STREAM_PAGES, STREAM_TOP } from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import { ReceiveWindow } from "../subflow/receive_window.ts";
import type { BufferSize } from "../subflow/settings.ts";
import { asOffset } from "../wire/seq.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { Arrivals, RightSizing, shareOf } from "./autotune.ts";
import { OPEN_END, type PeerEnd } from "./life.ts";

/** Least bytes that what was received may take: pages are large, and some are held twice for a moment. */
const LEAST_MEMORY = 1048576;

/** Bytes that wait on a subflow are no window: they may be so many as soon as the buffer may grow to that. */
const STAGING = 8388608;

/** All of it is read: a view of no bytes would hold the rest. */
const NOTHING = new Uint8Array();

/** What came with the SYN; it lies before the data sequence space. */
class Early {
  /** What of it nobody has read. */
  left: Uint8Array<ArrayBuffer>;
  readonly bytes: number;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.left = bytes;
    this.bytes = bytes.length;
  }

  /** The first of what is left is read. */
  read(bytes: number): void {
    this.left = bytes < this.left.length ? this.left.subarray(bytes) : NOTHING;
  }
}

/** What was received. Data offsets: the first byte has 1. After `free` the last positions can still be asked for. */
export class ReceiveQueue {
  /** Handle of the stream, and its record as index of f64; 0 until something first comes, as many connections only send, or wait, and the latter after `free`. */
  #stream = 0;
  #record = 0;
  readonly window: ReceiveWindow;
  // Made when something first comes: who only sends, or waits, needs neither.
  #madeArrivals: Arrivals | null = null;
  #madeSizing: RightSizing | null = null;
  readonly #host: number;
  readonly #most: number;
  /** Bytes that are set as the stream's limit; undefined: they follow the buffer. */
  readonly #memory: number | undefined;
  #theirs: PeerEnd = OPEN_END;
  #freed = false;
  /** What is in order is lent: until it is back, nothing is taken, and the memory stays. */
  #lent = false;
  /** Where it begins, or has ended, while there is no record. */
  #next = 1;
  /** Made where data have come with the SYN. */
  #early: Early | null = null;

  /**
   * @param host The host's handle in WebAssembly memory.
   * @param size Bytes of the buffer.
   * @param memory Most bytes that it and the subflows' receivers may take: what is far apart takes more than it holds. Default: twice the buffer, at least.
   */
  constructor(host: number, size: BufferSize, memory?: number) {
    this.#host = host;
    this.#most = size.most;
    this.#memory = memory;
    this.window = new ReceiveWindow(size.first);
  }

  /** Handle of the stream that the subflows' receivers fill, made when one is first asked for it; 0 where there is no memory for it. None is made after `free`. */
  get stream(): number {
    if (this.#stream !== 0 || this.#freed) return this.#stream;
    this.#stream = stream_new(this.#host, 1);
    if (this.#stream === 0) return 0;
    this.#record = stream_record(this.#stream) >> 3;
    this.limitMemory();
    return this.#stream;
  }

  /** What comes on the subflows. */
  get arrivals(): Arrivals {
    return this.#madeArrivals ??= new Arrivals();
  }

  private sizing(): RightSizing {
    return this.#madeSizing ??= new RightSizing();
  }

  private limitMemory(): void {
    if (this.#stream === 0) return;
    stream_limit(this.#stream, this.#memory ?? Math.max(LEAST_MEMORY, 2 * this.staging));
  }

  /** Most bytes that wait on a subflow for a mapping, or for the rest of one: what a proxy lets through in pieces stays there although the window is small. */
  get staging(): number {
    return Math.max(this.window.limit, Math.min(this.#most, STAGING));
  }

  /** Most bytes that were read in one round trip (Linux rcv_space). */
  get space(): number {
    return this.sizing().space;
  }

  /** Bytes held: in order and not read, or above a hole. */
  get held(): number {
    return this.#record === 0 ? 0 : f64[this.#record + STREAM_PAGES]! * PAGE;
  }

  /**
   * The application has read; `rtt`: the longest round trip of the subflows. Lets the buffer grow by eighths at least, and has the window heed how much
   * memory the host has left: that costs a call, so it is asked once a round trip.
   */
  resize(subflows: readonly Subflow[], rtt: Micros, now: Micros): void {
    const { arrivals, window } = this;
    const { limit } = window;
    arrivals.setPeriod(rtt);
    // What waits behind a hole is as good as read: who has taken all there is would have taken it. On one path nothing comes meanwhile by which it would grow.
    const taken = subflows.length > 1 && this.readable === 0 ? this.top() : this.read;
    const over = this.sizing().measure(taken, rtt, now, arrivals.most(subflows));
    if (over) arrivals.begin(subflows, now);
    const wanted = Math.min(this.sizing().wanted, this.#most);
    const grows = wanted > limit && (over || wanted >= limit + limit / 8);
    if (!over && !grows) return;
    const share = shareOf(host_left(this.#host));
    if (grows) {
      window.grow(Math.min(wanted, share));
      this.limitMemory();
    }
    window.squeeze(share);
  }

  /** First byte that the application has not read. */
  get read(): number {
    return this.#record === 0 ? this.#next : asOffset(f64[this.#record + STREAM_HEAD]!);
  }

  /** End of what is in order. */
  get next(): number {
    return this.#record === 0 ? this.#next : asOffset(f64[this.#record + STREAM_NEXT]!);
  }

  /** Bytes in order that nobody has read. */
  get readable(): number {
    return this.next - this.read + (this.#early === null ? 0 : this.#early.left.length);
  }

  /** End of the highest byte that has come. */
  private top(): number {
    return this.#record === 0 ? this.#next : asOffset(f64[this.#record + STREAM_TOP]!);
  }

  /** All in order is read, and what waits behind a hole takes half of the window: a buffer that followed the reader alone would shut it on faster paths. */
  get heldUp(): boolean {
    return this.top() - this.read > this.window.limit / 2 && this.readable === 0;
  }

  /** The peer's direction. */
  get theirs(): PeerEnd {
    return this.#theirs;
  }

  /** Everything that the peer sends is there. */
  get reached(): boolean {
    return this.#theirs.kind === "reached";
  }

  /** Data from here on are not kept: beyond the DATA_FIN, or one buffer beyond the edge, since Linux adds old windows to new DATA_ACKs. */
  get limit(): number {
    const theirs = this.#theirs;
    const most = this.window.edge + this.window.limit;
    return theirs.kind === "open" ? most : Math.min(theirs.fin, most);
  }

  /** A first DATA_FIN at `fin` would lie beyond what may be sent. */
  endsBeyond(fin: number): boolean {
    return this.#theirs.kind === "open" && fin > this.limit;
  }

  /** Notes the data offset of the peer's DATA_FIN; false when it lies below what has come, or in two places. */
  announce(fin: number): boolean {
    if (this.#theirs.kind !== "open") return this.#theirs.fin === fin;
    if (fin < this.top()) return false;
    this.#theirs = { kind: "announced", fin };
    return true;
  }

  /** Moves over the DATA_FIN when everything before it is there; true the one time that it does. */
  takeFin(): boolean {
    if (this.#theirs.kind !== "announced" || this.next < this.#theirs.fin) return false;
    this.#theirs = { kind: "reached", fin: this.#theirs.fin };
    return true;
  }

  /** The peer has ended by a FIN of plain TCP, behind what is there. */
  end(): void {
    this.#theirs = { kind: "reached", fin: this.next };
  }

  /** Bytes that came with the SYN (RFC 7413). */
  get earlyBytes(): number {
    return this.#early === null ? 0 : this.#early.bytes;
  }

  /** Data have come with the SYN, before all others. */
  takeEarly(bytes: Uint8Array<ArrayBuffer>): void {
    this.#early = new Early(bytes);
  }

  /** Moves bytes that are in order into `target`; returns how many. */
  take(target: Uint8Array): number {
    const before = this.#early === null ? 0 : this.readEarly(target);
    let offset = this.read;
    const bytes = Math.min(target.length, before + this.next - offset);
    let done = before;
    while (done < bytes) {
      const piece = Math.min(bytes - done, PAGE - (offset & (PAGE - 1)));
      const address = stream_at(this.#stream, offset);
      target.set(u8.subarray(address, address + piece), done);
      done += piece;
      offset += piece;
    }
    if (done > before) stream_release(this.#stream, offset);
    return done;
  }

  /** Drops up to `most` bytes that are in order; returns how many. */
  skip(most: number): number {
    const bytes = Math.min(most, this.readable);
    const early = this.#early === null ? 0 : Math.min(bytes, this.#early.left.length);
    this.#early?.read(early);
    if (bytes > early) stream_release(this.#stream, this.read + bytes - early);
    return bytes;
  }

  /** Lends what is in order, up to the end of its page; null where there is nothing. `used` has to follow, before anything else is taken. */
  lend(): Uint8Array<ArrayBuffer> | null {
    if (this.readable === 0) return null;
    this.#lent = true;
    if (this.#early !== null && this.#early.left.length > 0) return this.#early.left;
    const { next, read } = this;
    const address = stream_at(this.#stream, read);
    return u8.subarray(address, address + Math.min(next - read, PAGE - (read & (PAGE - 1))));
  }

  /** The first `bytes` of what was lent are used. */
  used(bytes: number): void {
    this.#lent = false;
    if (this.#freed) return stream_free(this.#stream);
    if (this.#early !== null && this.#early.left.length > 0) {
      this.#early.read(bytes);
    } else if (bytes > 0) stream_release(this.#stream, this.read + bytes);
  }

  private readEarly(target: Uint8Array): number {
    const early = this.#early!;
    const bytes = Math.min(target.length, early.left.length);
    if (bytes === 0) return 0;
    target.set(early.left.subarray(0, bytes));
    early.read(bytes);
    return bytes;
  }

  /** Drops what has come in order. */
  drop(): void {
    this.#early?.read(this.#early.left.length);
    if (this.readable > 0) stream_release(this.#stream, this.next);
  }

  /** Gives the memory back; unread bytes are lost. */
  free(): void {
    if (this.#freed) return;
    this.#next = this.next;
    this.#record = 0;
    this.#freed = true;
    this.#early?.read(this.#early.left.length);
    if (!this.#lent && this.#stream !== 0) stream_free(this.#stream);
  }
}
