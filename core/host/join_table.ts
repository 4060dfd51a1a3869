/** What is kept of joins whose SYN/ACK was a cookie: the third ACK has neither the token nor the random numbers that its HMAC is about (RFC 8684 §3.2). */

import type { ProposedJoin } from "../connection/paths.ts";

/** Places, as in Linux: a flood of SYNs that know a token overwrites them and fills nothing. */
const PLACES = 1024;
/** Numbers in a place. */
const WORDS = 5;
/** In the last of them: a join is there, beside its flag and id; or was, and has been taken out. */
const HELD = 65536;
const TAKEN = 1;

/** Joins by the initial sequence number of their SYN/ACK, which nobody else can foresee. */
export class JoinTable {
  /** Made when the first comes. */
  #words: Int32Array | null = null;

  /** Keeps one, in place of whatever was at its place. */
  put(iss: number, token: number, join: ProposedJoin): void {
    const words = this.#words ??= new Int32Array(PLACES * WORDS);
    const at = place(iss);
    words[at] = iss;
    words[at + 1] = token;
    words[at + 2] = join.nonce;
    words[at + 3] = join.peerNonce;
    words[at + 4] = HELD | (join.backup ? 256 : 0) | join.addressId;
  }

  /** Whether the join that was answered with `iss` has been taken out: this third ACK has come before. */
  taken(iss: number): boolean {
    const words = this.#words;
    return words !== null && words[place(iss)] === iss && words[place(iss) + 4] === TAKEN;
  }

  /**
   * What was drawn for the join that was answered with `iss`, where it is the one to `token` with `peerNonce`, and waits for its third ACK; null: there is none.
   */
  held(iss: number, token: number, peerNonce: number): number | null {
    const words = this.#words;
    const at = place(iss);
    const same = words !== null && words[at] === iss && words[at + 4]! >= HELD &&
      words[at + 1] === (token | 0) && words[at + 3] === (peerNonce | 0);
    return same ? words[at + 2]! >>> 0 : null;
  }

  /** Takes out the token and the join that was answered with `iss`; null when it is not there, or not any more. */
  take(iss: number): { readonly token: number; readonly join: ProposedJoin } | null {
    const words = this.#words;
    const at = place(iss);
    if (words === null || words[at] !== iss || words[at + 4]! < HELD) return null;
    const flags = words[at + 4]!;
    words[at + 4] = TAKEN;
    const join = {
      nonce: words[at + 2]! >>> 0,
      peerNonce: words[at + 3]! >>> 0,
      backup: (flags & 256) !== 0,
      addressId: flags & 255,
    };
    return { token: words[at + 1]! >>> 0, join };
  }
}

/** Index of the first word of its place; the lower bits of a cookie are a hash. */
function place(iss: number): number {
  return (iss & (PLACES - 1)) * WORDS;
}
