/** Keys, tokens, initial data sequence numbers and HMACs (RFC 8684 §3.1, §3.2); synchronous, as they run while packets are handled. */

import { createHash, createHmac } from "node:crypto";
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

function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setUint32(4 * i, value));
  return bytes;
}

/** Token and initial data sequence number of a key (RFC 8684 §3.1, §3.2). */
export function keyMaterial(key: Key): KeyMaterial {
  // RFC 8684 §3.1: "Note that the key MUST be hashed in network byte order."
  // RFC 8684 §3.1: "the token MUST be a truncated (most significant 32 bits) SHA-256 hash"
  // RFC 8684 §3.1: "A different, 64-bit truncation (the least significant 64 bits) of the SHA-256 hash of the key MUST be used as the
  // IDSN"
  // RFC 8684 §3.1: "the 'least significant' bits MUST be the rightmost bits of the SHA-256 digest"
  // RFC 8684 §3.1: "the IDSN of a host MUST be the least significant 64 bits of the SHA-256 hash of its key"
  const hash = createHash("sha256").update(words(key.high, key.low)).digest();
  return {
    token: hash.readUInt32BE(0),
    idsn: { high: hash.readUInt32BE(24), low: hash.readUInt32BE(28) },
  };
}

/** HMAC-SHA256 keyed with the sender's key before the receiver's (RFC 8684 §3.2). */
function hmac(sender: Key, receiver: Key, message: Uint8Array): Uint8Array {
  const key = words(sender.high, sender.low, receiver.high, receiver.low);
  return new Uint8Array(createHmac("sha256", key).update(message).digest());
}

/** The HMAC of a join over both random numbers, sender's first: the leftmost 20 octets go into an ACK, 8 into a SYN/ACK. */
export function joinHmac(
  sender: Key,
  receiver: Key,
  senderNonce: number,
  receiverNonce: number,
): Uint8Array {
  return hmac(sender, receiver, words(senderNonce, receiverNonce));
}

/** The truncated HMAC of ADD_ADDR: rightmost 8 octets over id, address and port (RFC 8684 §3.4.1). */
export function addAddrHmac(
  sender: Key,
  receiver: Key,
  addressId: number,
  address: Uint8Array,
  port: number,
): Uint8Array {
  const message = new Uint8Array(3 + address.length);
  message[0] = addressId;
  message.set(address, 1);
  message[1 + address.length] = port >> 8;
  message[2 + address.length] = port;
  return hmac(sender, receiver, message).slice(24);
}

/** Whether two HMACs are equal, in a time that does not tell where they differ. */
export function sameHmac(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/** What both sides of a connection have said in MP_CAPABLE: keys, and what follows from them and from the flags. */
export class Keys {
  /** Our key. */
  readonly own: Key;
  /** Our token: joins to us name it. */
  readonly token: number;
  /** Our initial data sequence number. */
  readonly idsn: InitialDsn;
  #peer: Key = { high: 0, low: 0 };
  #peerToken = 0;
  #peerIdsn: InitialDsn = { high: 0, low: 0 };
  #checksum: boolean;
  readonly #denies: boolean;
  #denied = false;

  /** @param own Our key. @param checksum We ask for DSS checksums. @param denies We take no joins to the address of the first subflow. */
  constructor(own: Key, checksum: boolean, denies = false) {
    this.own = own;
    this.#denies = denies;
    const { token, idsn } = keyMaterial(own);
    this.token = token;
    this.idsn = idsn;
    this.#checksum = checksum;
  }

  /** The peer's key; 0 while unknown. */
  get peer(): Key {
    return this.#peer;
  }

  /** The peer's token. */
  get peerToken(): number {
    return this.#peerToken;
  }

  /** The peer's initial data sequence number. */
  get peerIdsn(): InitialDsn {
    return this.#peerIdsn;
  }

  /** DSS checksums are asked for by one side at least (A flag, RFC 8684 §3.1). */
  get checksum(): boolean {
    return this.#checksum;
  }

  /** The peer takes no joins to the address of the first subflow (C flag). */
  get denied(): boolean {
    return this.#denied;
  }

  /** CAPABLE_* bits of our MP_CAPABLE. */
  get flags(): number {
    // RFC 8684 §3.1: "A crypto algorithm MUST be specified."
    // RFC 8684 §3.1: "MUST set bit 'H' to 1 and bits 'D' through 'G' to 0"
    // RFC 8684 §3.1: "It MUST be set to 0 for current implementations."
    return CAPABLE_HMAC_SHA256 | (this.#checksum ? CAPABLE_CHECKSUM : 0) |
      (this.#denies ? CAPABLE_DENY_JOIN : 0);
  }

  /** Takes over the CAPABLE_* bits of the peer's. */
  heed(flags: number): void {
    // RFC 8684 §3.1: "if either host requires the use of checksums, checksums MUST be used"
    // RFC 8684 §3.1: "checksums MUST be used in both directions, and the initiator will set A=1 in the ACK"
    this.#checksum ||= (flags & CAPABLE_CHECKSUM) !== 0;
    this.#denied = (flags & CAPABLE_DENY_JOIN) !== 0;
  }

  /** The peer's key is known. */
  learn(peer: Key): void {
    this.#peer = peer;
    const { token, idsn } = keyMaterial(peer);
    this.#peerToken = token;
    this.#peerIdsn = idsn;
  }
}
