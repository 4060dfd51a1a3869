/** How large the segments of one subflow are (RFC 9293 §3.7.1). */

import type { Outlet } from "./shared.ts";

/** IPv4 and IPv6 header with a TCP header, in bytes. */
const HEADERS = { 4: 40, 6: 60 } as const;
/** MSS of a peer that names none (RFC 9293 §3.7.1). */
export const DEFAULT_MSS = { 4: 536, 6: 1220 } as const;
/** A few octets of MSS would make a header cost more than its data, and would not hold 40 octets of options. */
const LEAST_SEGMENT = 64;

/** Segment sizes of one subflow, in bytes. */
export class Mtu {
  readonly #outlet: Outlet;
  readonly #family: 4 | 6;
  readonly #most: number;
  #segment = 536;
  #payload = 536;

  /** Of packets of `family` that leave by `outlet`; `most` bounds the segments of both directions. */
  constructor(outlet: Outlet, family: 4 | 6, most = 65535) {
    this.#outlet = outlet;
    this.#family = family;
    this.#most = most;
  }

  /** IP and TCP header without options. */
  get headers(): number {
    return HEADERS[this.#family];
  }

  /** Largest packet of the link. */
  get link(): number {
    return this.#outlet.mtu;
  }

  /** Our MSS option: what the link takes less fixed headers, never less options (RFC 9293 §3.7.1, RFC 6691). */
  get local(): number {
    return Math.min(65535, this.#most, this.#outlet.mtu - this.headers);
  }

  /** Options and payload of a full segment: what the peer's MSS option and our link allow. */
  get segment(): number {
    return this.#segment;
  }

  /** Payload of a full segment of data. */
  get payload(): number {
    return this.#payload;
  }

  /** Takes the MSS option of a SYN; undefined when it had none, which is also what 0 means: nobody can ask for that. */
  peer(mss: number | undefined): void {
    const asked = mss || DEFAULT_MSS[this.#family];
    this.#segment = Math.max(LEAST_SEGMENT, Math.min(asked, this.local));
  }

  /** Sets how many octets of options a segment of data has. */
  options(bytes: number): void {
    this.#payload = Math.max(1, this.#segment - bytes);
  }
}
