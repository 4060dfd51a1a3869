/** What a first SYN, or the first answer to one, has of TCP Fast Open (RFC 7413 §4.2). */

const NO_DATA = new Uint8Array();

/** The Fast Open of one handshake: its cookie, and at a client the first data of the connection. */
export class FastOpen {
  /** What the option holds; empty: it asks for a cookie. */
  readonly cookie: Uint8Array;
  readonly #data: Uint8Array;
  readonly #inSyn: number;
  #acked = -1;

  /**
   * @param cookie What the option holds.
   * @param data First data of the connection, which nobody changes.
   * @param inSyn How many of these bytes travel in the SYN.
   */
  constructor(cookie: Uint8Array, data: Uint8Array = NO_DATA, inSyn = 0) {
    this.cookie = cookie;
    this.#data = data;
    this.#inSyn = inSyn;
  }

  /** Payload of the SYN. */
  get syn(): Uint8Array {
    return this.#data.subarray(0, this.#inSyn);
  }

  /** Bytes in it. */
  get inSyn(): number {
    return this.#inSyn;
  }

  /** Bytes of them that were acknowledged with the SYN: all others go again; -1: it is not answered. */
  get acked(): number {
    return this.#acked;
  }

  /** What is to be sent after the handshake. */
  get rest(): Uint8Array {
    return this.#data.subarray(Math.max(0, this.#acked));
  }

  /** The SYN was acknowledged with `bytes` of its data. */
  answered(bytes: number): void {
    this.#acked = bytes;
  }
}
