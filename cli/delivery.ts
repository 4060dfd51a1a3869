/** How much of what was sent has arrived. */

import type { MptcpConn } from "../mod.ts";
import type { MptcpDuplex } from "../core/net/node.ts";
import { PathFigures } from "./figures.ts";

/** Milliseconds between two looks at what the peer has. */
export const POLL = 5;

/** Waits that long. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL));
}

/** A connection and the stream that writes to it. */
export interface Sender {
  /** The connection. */
  readonly conn: MptcpConn;
  /** The stream. */
  readonly duplex: MptcpDuplex;
}

/** The way of one body to the peer, which has what it has acknowledged: what was written may still wait here. */
export class Delivery {
  /** What each path carries of it. */
  readonly figures: PathFigures;
  readonly #conn: MptcpConn;
  readonly #duplex: MptcpDuplex;
  readonly #size: number;
  readonly #start = performance.now();
  readonly #before: number;
  #end = 0;

  /** `size` bytes and a head begin to go to the peer. */
  constructor({ conn, duplex }: Sender, size: number) {
    this.#conn = conn;
    this.#duplex = duplex;
    this.#size = size;
    this.#before = duplex.bytesWritten;
    this.figures = new PathFigures(conn, "sent", this.#start * 1000);
  }

  /** Bytes of the whole connection that the peer has acknowledged. */
  get #acknowledged(): number {
    const { write_seq, snd_una } = this.#conn.info().mptcp;
    return this.#duplex.bytesWritten - Number(write_seq - snd_una);
  }

  /** Bytes of the body that the peer has. */
  get bytes(): number {
    return Math.max(0, Math.min(this.#size, this.#acknowledged - this.#before));
  }

  /** Time until now, or until the end, in microseconds. */
  get time(): number {
    return ((this.#end || performance.now()) - this.#start) * 1000;
  }

  /** Bytes a second. */
  get rate(): number {
    return this.bytes / Math.max(1, this.time) * 1e6;
  }

  /** Waits until the peer has all that was written, or is gone. */
  async end(): Promise<void> {
    const target = this.#duplex.bytesWritten + this.#duplex.writableLength;
    while (this.#acknowledged < target && this.#conn.info().subflows.length > 0) {
      await pause();
    }
    this.#end = performance.now();
  }
}
