/** What every test with two stacks holds a connection to: what is read is what was written, in order, and its end is the writer's. */

import { Buffer } from "node:buffer";

/** One direction of a connection. */
export class Delivery {
  readonly #written: (from: number, length: number) => Uint8Array;
  #received = 0;
  #wrong: string | null = null;

  /** @param written The bytes [from, from + length) of what the writer writes. */
  constructor(written: (from: number, length: number) => Uint8Array) {
    this.#written = written;
  }

  /** Bytes read. */
  get received(): number {
    return this.#received;
  }

  /** The first thing that was wrong; null when nothing was. */
  get wrong(): string | null {
    return this.#wrong;
  }

  /** `bytes` were read: they must be the next ones that were written. */
  take(bytes: Uint8Array): void {
    const expected = this.#written(this.#received, bytes.length);
    if (expected.length < bytes.length) {
      this.#note(`${this.#received + bytes.length} bytes were read, more than were written`);
    } else if (Buffer.compare(expected, bytes) !== 0) {
      const at = bytes.findIndex((byte, i) => byte !== expected[i]);
      this.#note(`byte ${this.#received + at} is not the one that was written`);
    }
    this.#received += bytes.length;
  }

  /** The reader was told of an end in order, when `written` bytes had been taken from the writer. */
  end(written: number): void {
    if (this.#received === written) return;
    this.#note(`it ended in order after ${this.#received} of ${written} bytes`);
  }

  #note(what: string): void {
    this.#wrong ??= what;
  }
}
