/** Keys, tokens, initial data sequence numbers and HMACs (RFC 8684 §3.1, §3.2); synchronous, as they run while packets are handled. */

import { hmac_sha256, memory_alloc, packet_alloc, sha256, u8 } from "../../wasm/mod.ts";
import { HASH_DIGEST, HASH_KEY, HASH_MESSAGE } from "../../wasm/layout.ts";
import {
  CAPABLE_CHECKSUM,
  CAPABLE_DENY_JOIN,
  CAPABLE_HMAC_SHA256,
  type Key,
} from "../wire/mptcp.ts";
import type { InitialDsn } from "../wire/seq.ts";

/** What follows from a key. */
export interface KeyMaterial {
  /** Names the connection in MP_JOIN: most significant 32 bits of the hash. */
  readonly token: number;
  /** Initial data sequence number: least significant 64 bits of the hash. */
  readonly idsn: InitialDsn;
}

/** Bytes of a SHA-256 digest. */
const DIGEST = 32;

/** Writes 32 bits in network byte order. */
function put(at: number, word: number): void {
  u8[at] = word >>> 24;
  u8[at + 1] = word >>> 16;
  u8[at + 2] = word >>> 8;
  u8[at + 3] = word;
}

/** 32 bits of the digest, from byte `at` on. */
function digestWord(at: number): number {
  const from = HASH_DIGEST + at;
  return (u8[from]! << 24 | u8[from + 1]! << 16 | u8[from + 2]! << 8 | u8[from + 3]!) >>> 0;
}

/** Token and initial data sequence number of a key (RFC 8684 §3.1, §3.2). */
export function keyMaterial(key: Key): KeyMaterial {
  // RFC 8684 §3.1: "Note that the key MUST be hashed in network byte order."
  // RFC 8684 §3.1: "the token MUST be a truncated (most significant 32 bits) SHA-256 hash"
  // RFC 8684 §3.1: "A different, 64-bit truncation (the least significant 64 bits) of the SHA-256 hash of the key MUST be used as the
  // IDSN"
  // RFC 8684 §3.1: "the 'least significant' bits MUST be the rightmost bits of the SHA-256 digest"
  // RFC 8684 §3.1: "the IDSN of a host MUST be the least significant 64 bits of the SHA-256 hash of its key"
  put(HASH_MESSAGE, key.high);
  put(HASH_MESSAGE + 4, key.low);
  sha256(HASH_MESSAGE, 8, HASH_DIGEST);
  return { token: digestWord(0), idsn: { high: digestWord(24), low: digestWord(28) } };
}

/** Where {@linkcode hmacSha256} puts what it is given: a key, then a message; of what is long in a block that is as large as there are packets. */
const SCRATCH_SIZE = 512;
const SCRATCH = memory_alloc(SCRATCH_SIZE);
const LARGE_SIZE = 66048;
let large = 0;
const MOST_KEY = 64;

function scratchFor(size: number): number {
  if (size <= SCRATCH_SIZE) return SCRATCH;
  if (size <= LARGE_SIZE && large === 0) large = packet_alloc(LARGE_SIZE);
  if (size > LARGE_SIZE || large === 0) {
    throw new RangeError(
      `Cannot compute an HMAC as there is no room for ${size - MOST_KEY} octets: the most is ${
        LARGE_SIZE - MOST_KEY
      }`,
    );
  }
  return large;
}

/**
 * HMAC-SHA256 (RFC 2104) with a key of up to 64 octets of `parts` in a row, up to 65,984 in all, which any packet has room in: 32 octets.
 *
 * @throws {RangeError} One is longer.
 */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  if (key.length > MOST_KEY) {
    throw new RangeError(
      `Cannot compute an HMAC as its key has ${key.length} octets: the most is 64`,
    );
  }
  let length = 0;
  for (const part of parts) length += part.length;
  const scratch = scratchFor(MOST_KEY + length);
  u8.set(key, scratch);
  let end = scratch + MOST_KEY;
  for (const part of parts) {
    u8.set(part, end);
    end += part.length;
  }
  hmac_sha256(scratch, key.length, scratch + MOST_KEY, length, HASH_DIGEST);
  return u8.slice(HASH_DIGEST, HASH_DIGEST + DIGEST);
}

/** HMAC-SHA256, keyed with the sender's key before the receiver's (RFC 8684 §3.2), of the first `length` bytes from HASH_MESSAGE on. */
function hmac(sender: Key, receiver: Key, length: number): void {
  put(HASH_KEY, sender.high);
  put(HASH_KEY + 4, sender.low);
  put(HASH_KEY + 8, receiver.high);
  put(HASH_KEY + 12, receiver.low);
  hmac_sha256(HASH_KEY, 16, HASH_MESSAGE, length, HASH_DIGEST);
}

/** The HMAC of a join over both random numbers, sender's first: the leftmost 20 octets go into an ACK, 8 into a SYN/ACK. */
export function joinHmac(
  sender: Key,
  receiver: Key,
  senderNonce: number,
  receiverNonce: number,
): Uint8Array {
  put(HASH_MESSAGE, senderNonce);
  put(HASH_MESSAGE + 4, receiverNonce);
  hmac(sender, receiver, 8);
  return u8.slice(HASH_DIGEST, HASH_DIGEST + DIGEST);
}

/** The truncated HMAC of ADD_ADDR: rightmost 8 octets over id, address and port (RFC 8684 §3.4.1). */
export function addAddrHmac(
  sender: Key,
  receiver: Key,
  addressId: number,
  address: Uint8Array,
  port: number,
): Uint8Array {
  const { length } = address;
  u8[HASH_MESSAGE] = addressId;
  u8.set(address, HASH_MESSAGE + 1);
  u8[HASH_MESSAGE + 1 + length] = port >> 8;
  u8[HASH_MESSAGE + 2 + length] = port;
  hmac(sender, receiver, 3 + length);
  return u8.slice(HASH_DIGEST + DIGEST - 8, HASH_DIGEST + DIGEST);
}

/** Whether two HMACs are equal, in a time that does not tell where they differ. */
export function sameHmac(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/** A number whose words are signed, and so not boxed: each connection keeps two. */
class SignedDsn implements InitialDsn {
  readonly high: number;
  readonly low: number;

  constructor({ high, low }: InitialDsn) {
    this.high = high | 0;
    this.low = low | 0;
  }
}

/** Of a peer that has not named its key. */
const UNKNOWN: InitialDsn = new SignedDsn({ high: 0, low: 0 });

// What holds of a connection's keys, as bits: each place of its own would take eight bytes of every connection.
/** DSS checksums are asked for by one side at least. */
const CHECKSUM = 1;
/** We take no joins to the address of the first subflow. */
const DENIES = 2;
/** The peer takes none. */
const DENIED = 4;

/** What both sides of a connection have said in MP_CAPABLE: keys, and what follows from them and from the flags. */
export class Keys {
  // In signed words, which are not boxed: a key is asked for a few times in the life of a connection.
  readonly #high: number;
  readonly #low: number;
  #peerHigh = 0;
  #peerLow = 0;
  readonly #token: number;
  /** Our initial data sequence number. */
  readonly idsn: InitialDsn;
  #peerToken = 0;
  #peerIdsn: InitialDsn = UNKNOWN;
  #flags: number;

  /** @param own Our key. @param checksum We ask for DSS checksums. @param denies We take no joins to the address of the first subflow. */
  constructor(own: Key, checksum: boolean, denies = false) {
    this.#high = own.high | 0;
    this.#low = own.low | 0;
    const { token, idsn } = keyMaterial(own);
    this.#token = token | 0;
    this.idsn = new SignedDsn(idsn);
    this.#flags = (checksum ? CHECKSUM : 0) | (denies ? DENIES : 0);
  }

  /** Our token: joins to us name it. */
  get token(): number {
    return this.#token >>> 0;
  }

  /** Our key. */
  get own(): Key {
    return { high: this.#high >>> 0, low: this.#low >>> 0 };
  }

  /** The peer's key; 0 while unknown. */
  get peer(): Key {
    return { high: this.#peerHigh >>> 0, low: this.#peerLow >>> 0 };
  }

  /** The peer's token. */
  get peerToken(): number {
    return this.#peerToken >>> 0;
  }

  /** The peer's initial data sequence number. */
  get peerIdsn(): InitialDsn {
    return this.#peerIdsn;
  }

  /** DSS checksums are asked for by one side at least (A flag, RFC 8684 §3.1). */
  get checksum(): boolean {
    return (this.#flags & CHECKSUM) !== 0;
  }

  /** The peer takes no joins to the address of the first subflow (C flag). */
  get denied(): boolean {
    return (this.#flags & DENIED) !== 0;
  }

  /** CAPABLE_* bits of our MP_CAPABLE. */
  get flags(): number {
    // RFC 8684 §3.1: "A crypto algorithm MUST be specified."
    // RFC 8684 §3.1: "MUST set bit 'H' to 1 and bits 'D' through 'G' to 0"
    // RFC 8684 §3.1: "It MUST be set to 0 for current implementations."
    return CAPABLE_HMAC_SHA256 | (this.checksum ? CAPABLE_CHECKSUM : 0) |
      ((this.#flags & DENIES) !== 0 ? CAPABLE_DENY_JOIN : 0);
  }

  /** Takes over the CAPABLE_* bits of the peer's. */
  heed(flags: number): void {
    // RFC 8684 §3.1: "if either host requires the use of checksums, checksums MUST be used"
    // RFC 8684 §3.1: "checksums MUST be used in both directions, and the initiator will set A=1 in the ACK"
    if ((flags & CAPABLE_CHECKSUM) !== 0) this.#flags |= CHECKSUM;
    if ((flags & CAPABLE_DENY_JOIN) !== 0) this.#flags |= DENIED;
    else this.#flags &= ~DENIED;
  }

  /** The peer's key is known. */
  learn(peer: Key): void {
    this.#peerHigh = peer.high | 0;
    this.#peerLow = peer.low | 0;
    const { token, idsn } = keyMaterial(peer);
    this.#peerToken = token | 0;
    this.#peerIdsn = new SignedDsn(idsn);
  }
}
