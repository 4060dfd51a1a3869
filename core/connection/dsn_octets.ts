/**
 * Four or eight octets in our data sequence numbers (RFC 8684 §3.3.1). Four stand for the number nearest to what the peer expects: for the right one as long as
 * less than 2^31 lie between. That is looked at when a mapping leaves, new or again; how far the peer may be when it comes follows from the rate.
 */

import { DSS_DSN_8, DSS_MAPPING } from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";

/** How long a segment may be on its way (RFC 9293 §3.4.2). */
const MSL: Micros = 120e6;
/** The rate is that of so many bytes: more than most connections carry, and soon over where they are many in an MSL. */
const BLOCK = 2 ** 24;
/** A block takes so long where 2^31 bytes take an MSL: 143 Mbit/s, half of the rate at which 32 bits wrap within it. */
const FAST: Micros = MSL * BLOCK / 2 ** 31;
/** Data that lie so far below what was sent last are told in eight octets. Ahead of the peer there is less: no window has 2^30 bytes (RFC 7323 §2.3). */
const FAR = 2 ** 30;

/** How long the numbers of one connection are. Data offsets. */
export class DsnOctets {
  #flags: number;
  /** Where the block ends that is being measured, and when it began. */
  #end = 1 + BLOCK;
  #since: Micros;

  /** `long`: they have eight octets whatever the rate. */
  constructor(long: boolean, now: Micros) {
    this.#flags = long ? DSS_MAPPING | DSS_DSN_8 : DSS_MAPPING;
    this.#since = now;
  }

  /** DSS_* flags of a mapping. */
  get flags(): number {
    return this.#flags;
  }

  /** All below `nxt` is sent; true: all numbers have eight octets from now on. It stays so, as what is on its way may be overtaken at any rate later. */
  sent(nxt: number, now: Micros): boolean {
    if (nxt < this.#end || this.#flags !== DSS_MAPPING) return false;
    // RFC 8684 §3.3.1: "An implementation MUST send the full 64-bit data sequence number if it is transmitting at a sufficiently high rate that the
    // 32-bit value could wrap"
    const bytes = BLOCK + nxt - this.#end;
    const fast = now - this.#since < FAST * bytes / BLOCK;
    this.#end = nxt + BLOCK;
    this.#since = now;
    if (fast) this.#flags |= DSS_DSN_8;
    return fast;
  }

  /** DSS_* flags of a mapping of data from `dsn` on, which all lie below `nxt`: what a subflow repeats may be acknowledged by the peer for long, on others. */
  at(dsn: number, nxt: number): number {
    return nxt - dsn >= FAR ? DSS_MAPPING | DSS_DSN_8 : this.#flags;
  }
}
