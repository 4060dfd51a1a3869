/** Streams in memory, as a gateway's ends. */

import type { ByteStream } from "../../../cli/gateway/stream.ts";

/** Bytes under way that hold a writer back. */
const ROOM = 4096;

/** One direction of a pipe. */
class Lane {
  readonly #chunks: Uint8Array[] = [];
  #held = 0;
  #over = false;
  #failure: unknown = null;
  #wake: (() => void)[] = [];

  #changed(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  /** Most bytes that were ever under way. */
  peak = 0;

  async put(bytes: Uint8Array): Promise<number> {
    while (this.#held >= ROOM && this.#failure === null) await this.#change();
    if (this.#failure !== null) throw this.#failure;
    this.#chunks.push(bytes.slice());
    this.#held += bytes.length;
    this.peak = Math.max(this.peak, this.#held);
    this.#changed();
    return bytes.length;
  }

  async take(p: Uint8Array): Promise<number | null> {
    while (this.#chunks.length === 0) {
      if (this.#failure !== null) throw this.#failure;
      if (this.#over) return null;
      await this.#change();
    }
    const chunk = this.#chunks[0]!;
    const count = Math.min(chunk.length, p.length);
    p.set(chunk.subarray(0, count));
    if (count === chunk.length) this.#chunks.shift();
    else this.#chunks[0] = chunk.subarray(count);
    this.#held -= count;
    this.#changed();
    return count;
  }

  end(): void {
    this.#over = true;
    this.#changed();
  }

  fail(reason: unknown): void {
    this.#failure ??= reason;
    this.#changed();
  }
}

/** One end of a pipe. */
export class PipeEnd implements ByteStream {
  readonly #out: Lane;
  readonly #in: Lane;
  /** All that was written, and whether it was closed or aborted. */
  readonly said: number[] = [];
  closed = false;
  aborted = false;

  constructor(out: Lane, incoming: Lane) {
    this.#out = out;
    this.#in = incoming;
  }

  /** Most bytes that its writes had under way. */
  get peak(): number {
    return this.#out.peak;
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#in.take(p);
  }

  write(p: Uint8Array): Promise<number> {
    for (const byte of p) this.said.push(byte);
    return this.#out.put(p);
  }

  closeWrite(): Promise<void> {
    this.#out.end();
    return Promise.resolve();
  }

  close(): void {
    this.closed = true;
    this.#out.end();
  }

  abort(reason?: unknown): void {
    this.aborted = true;
    const why = reason ?? new Error("aborted");
    this.#out.fail(why);
    this.#in.fail(why);
  }
}

/** Two ends. */
export function pipe(): [PipeEnd, PipeEnd] {
  const [there, back] = [new Lane(), new Lane()];
  return [new PipeEnd(there, back), new PipeEnd(back, there)];
}

/** Reads to the end. */
export async function readAll(stream: ByteStream): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const buffer = new Uint8Array(1000);
  for (let count = await stream.read(buffer); count !== null; count = await stream.read(buffer)) {
    chunks.push(buffer.slice(0, count));
  }
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

/** Reads so many bytes. */
export async function readExactly(stream: ByteStream, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await stream.read(bytes.subarray(at));
    if (count === null) throw new Error(`the end came after ${at} of ${length} bytes`);
    at += count;
  }
  return bytes;
}

/** Text as bytes. */
export function octets(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Bytes as text. */
export function latin1(bytes: Iterable<number>): string {
  return String.fromCharCode(...bytes);
}

/** Octets from hexadecimal digits, with blanks as one likes. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(
    text.replaceAll(/\s/g, "").match(/../g) ?? [],
    (pair) => parseInt(pair, 16),
  );
}
