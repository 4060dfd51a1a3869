/** MACs, cookies and secrets of associations: HMAC-SHA256 (RFC 2104) over named purposes. */

import { hmacSha256, sameHmac } from "../../connection/keys.ts";
import type { Micros } from "../../plugin.ts";
import { COOKIE_SIZE, MAC_SIZE, NONCE_SIZE } from "./datagram.ts";
import type { SocketAddress } from "./socket_address.ts";

const encoder = new TextEncoder();

/** Microseconds for which a cookie is good: some round trips of a satellite, and no more (RFC 9000 §8.1.4). */
export const COOKIE_LIFE: Micros = 10e6;

/** The MAC of `parts`, whose lengths, but for that of the last, are known from the purpose. */
export function mac(
  key: Uint8Array,
  purpose: string,
  ...parts: readonly Uint8Array[]
): Uint8Array {
  return hmacSha256(key, encoder.encode(`mptcp udp 1 ${purpose}\0`), ...parts);
}

/** Whether `bytes` hold the MAC of `parts`. */
export function isMac(
  bytes: Uint8Array,
  key: Uint8Array,
  purpose: string,
  ...parts: readonly Uint8Array[]
): boolean {
  return sameHmac(bytes, mac(key, purpose, ...parts).subarray(0, MAC_SIZE));
}

/**
 * Cookies, as SYN cookies are: they say when they were made and that we gave them to an address, and nothing has to be remembered of them (RFC 4987 §3.6,
 * RFC 9000 §8.1.4).
 */
export class Cookies {
  readonly #secret: Uint8Array;

  /** @param secret 32 octets that nobody else knows. */
  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  /** One for who can read what is sent to `address`, for one purpose and tag. */
  make(purpose: string, address: SocketAddress, tag: Uint8Array, now: Micros): Uint8Array {
    return this.#make(purpose, address, tag, now / 1000 >>> 0);
  }

  /** What we add to the secret of the association with that tag of ours: it follows from the tag, so that nothing has to be kept of it. */
  nonce(tag: Uint8Array): Uint8Array {
    return mac(this.#secret, "nonce", tag).subarray(0, NONCE_SIZE);
  }

  #make(purpose: string, address: SocketAddress, tag: Uint8Array, made: number): Uint8Array {
    const bytes = new Uint8Array(COOKIE_SIZE);
    new DataView(bytes.buffer).setUint32(0, made);
    const port = Uint8Array.of(address.port >> 8, address.port);
    // Addresses are 4 or 16 octets, and stand last.
    const code = mac(this.#secret, purpose, bytes.subarray(0, 4), tag, port, address.address);
    bytes.set(code.subarray(0, MAC_SIZE), 4);
    return bytes;
  }

  /** When a cookie was made, in Micros to the millisecond; -1: it is none, or too old. */
  made(
    cookie: Uint8Array,
    purpose: string,
    from: SocketAddress,
    tag: Uint8Array,
    now: Micros,
  ): Micros {
    if (cookie.length !== COOKIE_SIZE) return -1;
    const made = new DataView(cookie.buffer, cookie.byteOffset).getUint32(0);
    const age = (now / 1000 >>> 0) - made >>> 0;
    if (age > COOKIE_LIFE / 1000) return -1;
    if (!sameHmac(cookie, this.#make(purpose, from, tag, made))) return -1;
    return Math.max(0, now - age * 1000);
  }
}
