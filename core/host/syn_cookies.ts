/**
 * SYN cookies (RFC 4987 §3.6 and appendix A): all that a listener would keep of a SYN goes out in the numbers of its answer, and comes back with the
 * third ACK. The initial sequence number of the answer is the client's, shifted by a secret of the flow and by 32 bits more: a counter of time (5), which
 * MSS was offered (3), and a hash of flow, counter and MSS (24) that nobody else can compute. What else was offered lies in the lowest bits of the
 * timestamp, where there is one.
 */

import { flow_hash, u32 } from "../../wasm/mod.ts";
import { OUT_0 } from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import type { Key } from "../wire/mptcp.ts";

/** How long a value of the counter lasts. */
const STEP: Micros = 64e6;
/** The values of the counter that are good: this one and the one before, as in Linux. */
const STEPS = 2;

/** What an MSS is rounded down to: Ethernet with and without tunnels, jumbo frames, what every path takes, and what a subflow takes at least. */
const MSS_VALUES = [64, 512, 1220, 1360, 1420, 1440, 1460, 8940];

/** The largest window of an answer, which is not scaled (RFC 7323 §2.2). */
const FIRST_WINDOW = 65535;

/** What a hash is for (`flow_hash`). */
const SHIFT = 1;
const CONNECTION = 2;
const JOIN = 3;
const MPTCP_KEY = 4;

/** What is kept in the lowest bits of a timestamp. */
const OPTION_BITS = 6;
const OPTION_MASK = (1 << OPTION_BITS) - 1;
const SCALE_MASK = 15;
const SACK_BIT = 16;
const ECN_BIT = 32;
/** A shift that none is as large as: windows are not scaled. */
const NO_SCALE = 15;
/** Largest shift (RFC 7323 §2.3). */
const MAX_SCALE = 14;

/** The cookies of one host. Sequence numbers are as on the wire. */
export class SynCookies {
  readonly #host: number;
  /** Null before the first. Boxed once (CONTRIBUTING.md, Garbage). */
  #issuedAt: Micros | null = null;

  /** @param host The host's handle, whose secret keys them. */
  constructor(host: number) {
    this.#host = host;
  }

  /** Whether one that was sent may still be answered: else nothing that comes is looked at, and no guess can be right. */
  awaited(now: Micros): boolean {
    return this.#issuedAt !== null && now - this.#issuedAt < STEPS * STEP;
  }

  /** The initial sequence number that answers a SYN with `seq` and an offer of `mss`. */
  issue(key: number, seq: number, mss: number, join: boolean, now: Micros): number {
    this.#issuedAt = now;
    return this.number(key, seq, mss, join, now);
  }

  /** The same, where no cookie is sent: whoever answers keeps what it is the answer to. */
  number(key: number, seq: number, mss: number, join: boolean, now: Micros): number {
    let index = MSS_VALUES.length - 1;
    while (index > 0 && MSS_VALUES[index]! > mss) index--;
    const step = Math.floor(now / STEP);
    const data = (step & 31) << 27 | index << 24 | this.#proof(key, step, index, join);
    return (seq + this.#shift(key) + data) | 0;
  }

  /**
   * The number with which a SYN with `seq` may have been answered when the latest cookie was sent, which is awaited: the counter may have another value since.
   */
  latest(key: number, seq: number, mss: number): number {
    return this.number(key, seq, mss, false, this.#issuedAt!);
  }

  /** That of the value of the counter before. */
  before(key: number, seq: number, mss: number, join: boolean, now: Micros): number {
    return this.number(key, seq, mss, join, now - STEP);
  }

  /** The MSS that a SYN with `seq` offered, if `iss` is what it was answered with; 0 when it is not, or too old. */
  check(key: number, seq: number, iss: number, join: boolean, now: Micros): number {
    const data = (iss - seq - this.#shift(key)) | 0;
    const present = Math.floor(now / STEP);
    const age = (present - (data >>> 27)) & 31;
    if (age >= STEPS || age > present) return 0;
    const index = data >>> 24 & 7;
    const proof = this.#proof(key, present - age, index, join);
    return proof === (data & 0xffffff) ? MSS_VALUES[index]! : 0;
  }

  /**
   * Whether `seq` lies behind the SYN that was answered with `iss`, within the window of that answer: what is between is lost, or late. Such a guess is
   * right once in 4000 times: it opens nothing.
   */
  behind(key: number, seq: number, iss: number, now: Micros): boolean {
    const data = (iss - seq - this.#shift(key)) | 0;
    const present = Math.floor(now / STEP);
    for (let step = present; step >= 0 && step > present - STEPS; step--) {
      for (let index = 0; index < MSS_VALUES.length; index++) {
        const proof = this.#proof(key, step, index, false);
        const ahead = ((step & 31) << 27 | index << 24 | proof) - data | 0;
        if (ahead > 0 && ahead <= FIRST_WINDOW) return true;
      }
    }
    return false;
  }

  /** Our key of a connection whose SYN with `seq` was answered with `iss`: verifiable, by RFC 8684 §3.1. */
  mptcpKey(key: number, seq: number, iss: number): Key {
    const low = flow_hash(this.#host, key, MPTCP_KEY, seq, iss) >>> 0;
    return { high: u32[OUT_0]!, low };
  }

  #shift(key: number): number {
    return flow_hash(this.#host, key, SHIFT, 0, 0);
  }

  #proof(key: number, step: number, index: number, join: boolean): number {
    return flow_hash(this.#host, key, join ? JOIN : CONNECTION, index, step) & 0xffffff;
  }
}

/**
 * Our clock of milliseconds at `clock`, no later, with what was offered in its lowest bits: the shift of the client's windows, -1 for none, whether
 * SACK was permitted, and whether ECN was agreed on.
 */
export function timestampWithOptions(
  clock: number,
  scale: number,
  sack: boolean,
  ecn: boolean,
): number {
  const bits = (scale < 0 ? NO_SCALE : Math.min(scale, MAX_SCALE)) | (sack ? SACK_BIT : 0) |
    (ecn ? ECN_BIT : 0);
  const value = clock & ~OPTION_MASK | bits;
  return bits > (clock & OPTION_MASK) ? (value - OPTION_MASK - 1) | 0 : value;
}

/** The shift in such a timestamp; -1: windows are not scaled. */
export function scaleOf(timestamp: number): number {
  const scale = timestamp & SCALE_MASK;
  return scale === NO_SCALE ? -1 : scale;
}

/** Whether SACK was permitted, by such a timestamp. */
export function sackOf(timestamp: number): boolean {
  return (timestamp & SACK_BIT) !== 0;
}

/** Whether ECN was agreed on, by such a timestamp. */
export function ecnOf(timestamp: number): boolean {
  return (timestamp & ECN_BIT) !== 0;
}
