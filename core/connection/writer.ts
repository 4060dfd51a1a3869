/** The application's writing: what of it is taken, what was said of what follows, and when a writer hears of room. */

import { PAGE } from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import { nearMost, windowsAsk } from "./autotune.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { Outlook } from "./outlook.ts";

/** How long a write waits that the host has no memory for. */
const MEMORY_WAIT: Micros = 10e3;

const NOTHING = new Uint8Array();

// What holds of a writer, as bits.
/** The last write was not taken whole. */
const WAITS = 1;
/** A pass more would find what the last one has found: no room for what waits, which is much. */
const CROWDED = 2;
/** Nothing follows the first data. */
const FIRST_IS_ALL = 4;
/** A write found no memory, and nothing is out whose acknowledgement would tell of some. */
const NO_MEMORY = 8;

/** Where a write waits for less to be unsent, `asked` bytes in whole segments, two at least: what waits for its writer leaves in full ones. */
export function limitUnsent({ sendQueue, subflows }: MetaSocket, asked: number): void {
  let mss = 0;
  for (let i = 0; i < subflows.length; i++) mss = Math.max(mss, subflows[i]!.mss);
  const segments = mss === 0 ? asked : Math.max(2, Math.floor(asked / mss)) * mss;
  sendQueue.setLowWater(segments);
}

/** The writing on one connection; made for the first of it. */
export class Writer {
  readonly #meta: MetaSocket;
  readonly #outlook = new Outlook();
  /** As the application asked for it; null: as it was chosen at the beginning. */
  #lowWater: number | null = null;
  /** First data whose way is known when the SYN is answered: nothing is written before them. Null: none wait. */
  #first: Uint8Array | null = null;
  #flags = 0;

  /** Nothing was written on `meta`. */
  constructor(meta: MetaSocket) {
    this.#meta = meta;
  }

  private is(flag: number): boolean {
    return (this.#flags & flag) !== 0;
  }

  private set(flag: number, on: boolean): void {
    this.#flags = on ? this.#flags | flag : this.#flags & ~flag;
  }

  /** The last write was not taken whole. */
  get waits(): boolean {
    return this.is(WAITS);
  }

  /** First data wait for the SYN's answer: nothing is written before them. */
  get awaitsFirst(): boolean {
    return this.#first !== null;
  }

  /** Bytes from which on a write waits for less to be unsent; Infinity: where the send queue is full. */
  get lowWater(): number {
    return this.#lowWater ?? this.#meta.tcp.notSentLowWater;
  }

  /** Sets that. */
  setLowWater(bytes: number): void {
    this.#lowWater = bytes;
    limitUnsent(this.#meta, bytes);
    if (this.is(WAITS)) this.#meta.tellWritable();
  }

  /** Bytes that are still to be given to subflows, as {@linkcode Outlook.left} has it. */
  left(unsent: number, tail: number): number {
    return this.#outlook.left(unsent, tail);
  }

  /** A pass has found no room for what waits, which is much, and the next will find no other: what is written behind that needs none of its own. */
  crowd(): void {
    this.#flags |= CROWDED;
  }

  /** The next begins. */
  passing(): void {
    this.#flags &= ~CROWDED;
  }

  /**
   * A pass has sent what it could. A writer that waits for less to be unsent hears of it when that is half of what may be; one that waits for room, when
   * all is sent and windows ask for a larger queue: no DATA_ACK comes while the oldest bytes are on a slow path.
   */
  passed(): void {
    const meta = this.#meta;
    if (!this.is(WAITS) || meta.over) return;
    const { sendQueue } = meta;
    const { lowWater, unsent } = sendQueue;
    if (unsent === 0) this.resize();
    else if (2 * unsent > lowWater || this.lowWater === Infinity) return;
    if (sendQueue.room > 0) meta.tellWritable();
  }

  /** Makes the send queue as large as the subflows ask. */
  private resize(): void {
    const { progress, sendQueue, subflows } = this.#meta;
    const wanted = progress === null ? windowsAsk(subflows) : progress.ask(subflows);
    sendQueue.resize(wanted, nearMost(subflows));
  }

  /** As {@linkcode MetaSocket.write}. */
  write(
    now: Micros,
    source: Uint8Array,
    from: number,
    cork: boolean,
    hint: number,
    message: number,
  ): number {
    const meta = this.#meta;
    const { sendQueue } = meta;
    if (source.length - from > sendQueue.room && sendQueue.resizable) this.resize();
    if (hint !== 0 || sendQueue.hints !== null) sendQueue.hint(hint, now);
    const { tail, una } = sendQueue;
    const taken = meta.over || this.#first !== null ? 0 : sendQueue.write(source, from);
    this.#outlook.wrote(tail, una, source.length, from, taken, message);
    this.set(WAITS, from + taken < source.length);
    this.wrote(taken, cork, true);
    if (taken === 0 && from < source.length && meta.writeRoom > 0) this.awaitMemory(now);
    return taken;
  }

  /** As {@linkcode MetaSocket.lend}. */
  lend(now: Micros): Uint8Array<ArrayBuffer> | null {
    const { sendQueue, over } = this.#meta;
    if (PAGE > sendQueue.room && sendQueue.resizable) this.resize();
    const place = over || this.#first !== null ? null : sendQueue.lend();
    if (place === null) this.waitForRoom(now);
    return place;
  }

  /** As {@linkcode MetaSocket.filled}. */
  filled(now: Micros, bytes: number, cork: boolean, hint: number, message: number): void {
    const { sendQueue } = this.#meta;
    if (bytes > 0 && (hint !== 0 || sendQueue.hints !== null)) sendQueue.hint(hint, now);
    const { tail, una } = sendQueue;
    sendQueue.filled(bytes);
    if (bytes > 0) this.#outlook.wrote(tail, una, bytes, 0, bytes, message);
    this.#flags &= ~WAITS;
    // As a write of none with `cork`: it holds nothing back.
    this.wrote(bytes, cork, bytes > 0);
  }

  /** `bytes` were written; `corks`: `cork` may hold back what there is. */
  private wrote(bytes: number, cork: boolean, corks: boolean): void {
    const meta = this.#meta;
    const { corked } = meta.holding;
    const released = corked && !cork;
    if (corked !== cork && (corks || released)) meta.holds().cork(cork);
    if ((bytes > 0 && !this.is(CROWDED)) || released) meta.dirty();
  }

  /** As {@linkcode MetaSocket.gather}. */
  gather(gathers: boolean): void {
    const meta = this.#meta;
    if (gathers !== meta.holding.gathers) meta.holds().gather(gathers);
    if (!gathers && !meta.over && meta.sendQueue.unsent > 0 && !this.is(CROWDED)) meta.dirty();
  }

  /** As {@linkcode MetaSocket.awaitRoom}. */
  awaitRoom(now: Micros): number {
    const { sendQueue } = this.#meta;
    if (sendQueue.room === 0 && sendQueue.resizable) this.resize();
    const room = this.#meta.writeRoom;
    if (room === 0) this.waitForRoom(now);
    return room;
  }

  private waitForRoom(now: Micros): void {
    this.#outlook.waits();
    this.#flags |= WAITS;
    if (this.#meta.writeRoom > 0) this.awaitMemory(now);
  }

  /** The host has no memory for a write: the writer is told with the next acknowledgement, and where none is due, a little later. */
  private awaitMemory(now: Micros): void {
    const meta = this.#meta;
    meta.host.count("TCPMemoryPressures");
    if (this.is(NO_MEMORY) || meta.unacked + meta.unsent > 0) return;
    this.#flags |= NO_MEMORY;
    meta.host.at(now + MEMORY_WAIT, () => {
      this.#flags &= ~NO_MEMORY;
      if (meta.over) return;
      meta.tellWritable();
      meta.dirty();
    });
  }

  /** The SYN has the first data with it: what is written has to wait for its answer. */
  awaitSyn(): void {
    this.#first = NOTHING;
  }

  /** The SYN is answered: `rest` was not acknowledged with it, and goes before all else. */
  writeFirst(rest: Uint8Array, now: Micros): void {
    const meta = this.#meta;
    if (meta.over) return;
    const taken = meta.sendQueue.write(rest, 0);
    const left = this.#first = taken < rest.length ? rest.subarray(taken) : null;
    if (left === null) {
      meta.tellWritable();
      if (this.is(FIRST_IS_ALL)) meta.finish(now);
    } else meta.host.at(now + MEMORY_WAIT, () => this.writeFirst(left, meta.host.now));
    meta.dirty();
  }

  /** No more is written. True: that is for when the first data have their way. */
  endsWithFirst(): boolean {
    if (this.#first !== null) this.#flags |= FIRST_IS_ALL;
    return this.#first !== null;
  }
}
