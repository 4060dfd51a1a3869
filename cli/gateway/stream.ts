/** Streams of bytes that the gateway reads and writes: connections of this stack, and sockets of the kernel; and bytes carried from one to the other. */

import type { Socket } from "node:net";

/** A connection, as `Deno.TcpConn` and `MptcpConn` have it, which can also be ended at once. */
export interface ByteStream {
  /** Reads at least a byte; null: the end. */
  read(p: Uint8Array): Promise<number | null>;
  /** Writes all of `p`, which is held back while the other side takes no more. */
  write(p: Uint8Array): Promise<number>;
  /** The other side hears that nothing follows. */
  closeWrite(): Promise<void>;
  /** Lets go of it; what was written still leaves. */
  close(): void;
  /** Ends it at once, so that the other side does not take what it has for all. */
  abort(reason?: unknown): void;
}

/** A socket of the kernel. Made of node:net's, as Deno's own cannot be reset: a program would take an answer that broke off for a whole one. */
export class KernelStream implements ByteStream {
  readonly #socket: Socket;
  #rest: Uint8Array = new Uint8Array();
  #ended = false;
  #failure: Error | null = null;
  #wake: () => void = () => {};

  /** @param socket Connected, with `allowHalfOpen`. */
  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    // A machine that is gone without a word would hold the connection for ever.
    socket.setKeepAlive(true, 120_000);
    socket.on("readable", () => this.#wake());
    socket.on("end", () => {
      this.#ended = true;
      this.#wake();
    });
    socket.on("error", (error: Error) => this.#fail(error));
    socket.on("close", () => {
      if (!this.#ended) this.#fail(new Deno.errors.ConnectionReset("The connection was reset"));
    });
  }

  /** The address of the other end; empty: it is gone. */
  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? "";
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  async read(p: Uint8Array): Promise<number | null> {
    while (this.#rest.length === 0) {
      const chunk: Uint8Array | null = this.#socket.read();
      if (chunk !== null) this.#rest = chunk;
      else if (this.#ended) return null;
      else if (this.#failure !== null) throw this.#failure;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const taken = this.#rest.subarray(0, p.length);
    p.set(taken);
    this.#rest = this.#rest.subarray(taken.length);
    return taken.length;
  }

  write(p: Uint8Array): Promise<number> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const closed = (): void => reject(this.#failure ?? new Error("The connection is closed"));
      this.#socket.once("close", closed);
      this.#socket.write(p, (error) => {
        this.#socket.off("close", closed);
        if (error) reject(error);
        else resolve(p.length);
      });
    });
  }

  closeWrite(): Promise<void> {
    if (this.#failure !== null || this.#socket.writableEnded) return Promise.resolve();
    this.#socket.end();
    return Promise.resolve();
  }

  close(): void {
    if (this.#socket.writableEnded) this.#socket.destroy();
    else this.#socket.destroySoon();
  }

  abort(): void {
    this.#socket.resetAndDestroy();
  }
}

/** Bytes of a read at first, and at most: of thousands of connections most carry little. */
const FIRST_CHUNK = 1 << 14;
const MOST_CHUNK = 1 << 18;

/** What has been carried; counts up while it is. */
export interface Carried {
  /** Bytes from the first to the second. */
  up: number;
  /** And back. */
  down: number;
}

/** Carries `first`, then all that `from` gives, to `to`; each write holds the next read back. */
async function carry(
  from: ByteStream,
  to: ByteStream,
  first: Uint8Array,
  count: (bytes: number) => void,
): Promise<void> {
  if (first.length > 0) {
    await to.write(first);
    count(first.length);
  }
  let buffer = new Uint8Array(FIRST_CHUNK);
  for (;;) {
    const bytes = await from.read(buffer);
    if (bytes === null) return await to.closeWrite();
    await to.write(buffer.subarray(0, bytes));
    count(bytes);
    if (bytes === buffer.length && bytes < MOST_CHUNK) buffer = new Uint8Array(2 * bytes);
  }
}

/**
 * Carries bytes both ways until both ends are through; each direction ends by itself (half-close). Where one breaks, both are ended at once, so that nobody takes
 * a part for the whole.
 *
 * @param firstUp What was read of `a` already, and `firstDown` of `b`.
 * @throws what broke it.
 */
export async function carryBoth(
  a: ByteStream,
  b: ByteStream,
  firstUp: Uint8Array,
  firstDown: Uint8Array,
  carried: Carried,
): Promise<void> {
  const broken = (error: unknown): never => {
    a.abort(error);
    b.abort(error);
    throw error;
  };
  const results = await Promise.allSettled([
    carry(a, b, firstUp, (bytes) => carried.up += bytes).catch(broken),
    carry(b, a, firstDown, (bytes) => carried.down += bytes).catch(broken),
  ]);
  for (const result of results) if (result.status === "rejected") throw result.reason;
  a.close();
  b.close();
}

/** What came is not what was to come. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/** The first bytes of a stream, read as far as they are asked for. */
export class Head {
  readonly #stream: ByteStream;
  #bytes: Uint8Array = new Uint8Array();

  /** @param stream Nobody else reads of it meanwhile. */
  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /**
   * Reads on until `parse` gives a value, and how many bytes it is made of; null: more is needed.
   *
   * @param most Bytes that it may be made of.
   * @throws {ProtocolError} it is larger, or the stream ends before.
   */
  async next<T>(
    parse: (bytes: Uint8Array) => { readonly value: T; readonly length: number } | null,
    most: number,
  ): Promise<T> {
    const buffer = new Uint8Array(4096);
    for (;;) {
      const found = parse(this.#bytes);
      if (found !== null) {
        this.#bytes = this.#bytes.subarray(found.length);
        return found.value;
      }
      if (this.#bytes.length >= most) {
        throw new ProtocolError(`more than ${most} bytes came before the end of a request`);
      }
      const count = await this.#stream.read(buffer);
      if (count === null) {
        throw new ProtocolError("the connection ended in the middle of a request");
      }
      const longer = new Uint8Array(this.#bytes.length + count);
      longer.set(this.#bytes);
      longer.set(buffer.subarray(0, count), this.#bytes.length);
      this.#bytes = longer;
    }
  }

  /** Exactly `length` bytes. */
  take(length: number): Promise<Uint8Array> {
    return this.next(
      (bytes) => bytes.length < length ? null : { value: bytes.slice(0, length), length },
      length,
    );
  }

  /** What was read and not asked for. */
  get rest(): Uint8Array {
    return this.#bytes;
  }
}
