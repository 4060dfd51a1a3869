/** Which connection a token names (draft ARC-7, EST-4). */

import type { MetaSocket } from "../connection/meta_socket.ts";
import { keyMaterial } from "../connection/keys.ts";
import type { Key } from "../wire/mptcp.ts";

/** Keys drawn for one connection, as in Linux: each fails once in 2^32 for every connection that there is. */
const MOST_DRAWS = 4;

/** The token table of one host. */
export class Tokens {
  /** By tokens as signed words, which are not boxed. */
  readonly #table = new Map<number, MetaSocket>();

  /** Tokens in use. */
  get size(): number {
    return this.#table.size;
  }

  /**
   * Draws keys until one has a token that is free; the key is not 0. Null where none of the first few has: without a key there is no MPTCP.
   *
   * RFC 8684 §3.1: "The key MUST be hard to guess, and it MUST be unique for the sending host across all its current MPTCP connections."
   * RFC 8684 §3.1: "an implementation SHOULD check its list of connection tokens to ensure that there is no collision before sending its key"
   */
  newKey(word: () => number): Key | null {
    for (let i = 0; i < MOST_DRAWS; i++) {
      const key = { high: word(), low: word() };
      if ((key.high !== 0 || key.low !== 0) && this.#free(keyMaterial(key).token)) return key;
    }
    return null;
  }

  #free(token: number): boolean {
    return !this.#table.has(token | 0);
  }

  /** Enters a connection. */
  claim(token: number, connection: MetaSocket): void {
    this.#table.set(token | 0, connection);
  }

  /** Takes it out, unless the token names another one by now. */
  release(token: number, connection: MetaSocket): void {
    if (this.#table.get(token | 0) === connection) this.#table.delete(token | 0);
  }

  /** Finds it. */
  find(token: number): MetaSocket | undefined {
    return this.#table.get(token | 0);
  }
}
