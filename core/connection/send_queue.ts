/** The shared send queue (draft §3.5.2, Fig. 2): part A waits to be sent, part B is sent and not DATA_ACKed; beside it the queue of what goes again first. */

import type { Chunk } from "../plugin.ts";
import type { Subflow } from "../subflow/subflow.ts";

/** Bytes of part B that were bound in one decision, and the subflows that carry them. */
export class Sent implements Chunk {
  /** Data offset of its first byte. */
  offset = 0;
  /** One past its last byte. */
  end = 0;
  /** Subflows it was sent on. */
  readonly sentOn: Subflow[] = [];
  /** Neighbour that follows. */
  next: Sent | null = null;

  /** Bytes. */
  get length(): number {
    return this.end - this.offset;
  }
}

let pool: Sent | null = null;

/** Part B in order of data offsets. */
export class SentList {
  /** Oldest. */
  head: Sent | null = null;
  #tail: Sent | null = null;

  /** Appends what was just sent for the first time. */
  append(offset: number, end: number, subflow: Subflow): Sent {
    const sent = pool ?? new Sent();
    pool = sent.next;
    sent.next = null;
    sent.offset = offset;
    sent.end = end;
    sent.sentOn.push(subflow);
    if (this.#tail === null) this.head = sent;
    else this.#tail.next = sent;
    this.#tail = sent;
    return sent;
  }

  /** Drops what lies below `offset`, which is DATA_ACKed. */
  release(offset: number): void {
    let head = this.head;
    while (head !== null && head.end <= offset) {
      const next: Sent | null = head.next;
      head.sentOn.length = 0;
      head.next = pool;
      pool = head;
      head = next;
    }
    this.head = head;
    if (head === null) this.#tail = null;
    else if (head.offset < offset) head.offset = offset;
  }

  /** What holds the byte at `offset`. */
  find(offset: number): Sent | null {
    let sent = this.head;
    while (sent !== null && sent.end <= offset) sent = sent.next;
    return sent !== null && sent.offset <= offset ? sent : null;
  }
}

/** Ranges of data offsets that go again before new data (draft SQ-5, row c); kept sorted and apart. */
export class RetransmitQueue {
  readonly #ranges: { offset: number; end: number }[] = [];

  /** Whether nothing waits. */
  get empty(): boolean {
    return this.#ranges.length === 0;
  }

  /** The oldest range. */
  get first(): { readonly offset: number; readonly end: number } | undefined {
    return this.#ranges[0];
  }

  /** Adds [offset, end). */
  add(offset: number, end: number): void {
    const ranges = this.#ranges;
    let i = 0;
    while (i < ranges.length && ranges[i]!.end < offset) i++;
    let j = i;
    while (j < ranges.length && ranges[j]!.offset <= end) {
      offset = Math.min(offset, ranges[j]!.offset);
      end = Math.max(end, ranges[j]!.end);
      j++;
    }
    ranges.splice(i, j - i, { offset, end });
  }

  /** Takes away everything below `offset`: sent, or DATA_ACKed. */
  release(offset: number): void {
    const ranges = this.#ranges;
    while (ranges.length > 0 && ranges[0]!.end <= offset) ranges.shift();
    if (ranges.length > 0 && ranges[0]!.offset < offset) ranges[0]!.offset = offset;
  }
}
