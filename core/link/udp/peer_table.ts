/** Where associations are found: by the tag of a datagram, by the address that the stack has for a peer, by the HELLO that began them. */

import { u8 } from "../../../wasm/mod.ts";
import type { Micros } from "../../plugin.ts";
import type { Peer } from "./peer.ts";
import type { SocketAddress } from "./socket_address.ts";

function hashAt(at: number, size: number): number {
  let hash = size;
  for (let i = 0; i < size; i++) hash = Math.imul(hash ^ u8[at + i]!, 0x01000193);
  return hash;
}

function hashOf(bytes: Uint8Array): number {
  let hash = bytes.length;
  for (const octet of bytes) hash = Math.imul(hash ^ octet, 0x01000193);
  return hash;
}

function lies(bytes: Uint8Array, at: number, size: number): boolean {
  if (bytes.length !== size) return false;
  for (let i = 0; i < size; i++) if (bytes[i] !== u8[at + i]) return false;
  return true;
}

const NONE: ReadonlySet<Peer> = new Set();

/** Octets of an IPv6 address that name a network: whoever has one has all of its addresses. */
const NETWORK_6 = 8;

/** What those who begin associations are counted by: the address, of IPv6 its network. */
function placeOf({ address }: SocketAddress): string {
  return (address.length === 4 ? address : address.subarray(0, NETWORK_6)).join();
}

/** The associations of a link. No two have tags or addresses that could be taken for each other. */
export class PeerTable {
  readonly #tags = new Map<number, Peer>();
  readonly #addresses = new Map<number, Peer>();
  readonly #hellos = new Map<string, Peer>();
  /** Those that have begun at a place: a stranger may have each of many datagrams held against them. */
  readonly #places = new Map<string, Set<Peer>>();
  #lastTagged: Peer | null = null;
  #lastAt: Peer | null = null;

  /** How many there are. */
  get size(): number {
    return this.#tags.size;
  }

  /** All, the oldest first. */
  all(): Iterable<Peer> {
    return this.#tags.values();
  }

  /** The one whose own tag lies at `at`. */
  tagged(at: number): Peer | null {
    const last = this.#lastTagged;
    if (last !== null && lies(last.own, at, last.own.length)) return last;
    const found = this.#tags.get(hashAt(at, 8));
    if (found === undefined || !lies(found.own, at, 8)) return null;
    return this.#lastTagged = found;
  }

  /** The one that the stack sees at the address of `size` octets that lies at `at`. */
  at(at: number, size: number): Peer | null {
    const last = this.#lastAt;
    if (last !== null && lies(last.address, at, size)) return last;
    const found = this.#addresses.get(hashAt(at, size));
    if (found === undefined || !lies(found.address, at, size)) return null;
    return this.#lastAt = found;
  }

  /** Whether an address is one's already, or may be taken for it. */
  has(address: Uint8Array): boolean {
    return this.#addresses.has(hashOf(address));
  }

  /** The one that a HELLO of that name has begun. */
  greeted(name: string): Peer | null {
    return this.#hellos.get(name) ?? null;
  }

  /** Whether a tag is nobody's. */
  mayTag(tag: Uint8Array): boolean {
    return !this.#tags.has(hashOf(tag));
  }

  /** Adds one. */
  add(peer: Peer): void {
    this.#tags.set(hashOf(peer.own), peer);
    this.#addresses.set(hashOf(peer.address), peer);
    if (peer.initiated) return;
    this.#hellos.set(peer.hello, peer);
    this.#enter(peer);
  }

  /** Those that have been begun by who is at the address of `from` now, or in its network where it is IPv6. */
  begunAt(from: SocketAddress): ReadonlySet<Peer> {
    return this.#places.get(placeOf(from)) ?? NONE;
  }

  /** One has shown to be elsewhere. */
  move(peer: Peer, to: SocketAddress, now: Micros): void {
    if (!peer.initiated) this.#leave(peer);
    peer.move(to, now);
    if (!peer.initiated) this.#enter(peer);
  }

  #enter(peer: Peer): void {
    const place = placeOf(peer.endpoint);
    const peers = this.#places.get(place);
    if (peers === undefined) this.#places.set(place, new Set([peer]));
    else peers.add(peer);
  }

  #leave(peer: Peer): void {
    const place = placeOf(peer.endpoint);
    const peers = this.#places.get(place)!;
    peers.delete(peer);
    if (peers.size === 0) this.#places.delete(place);
  }

  /** Lets `change` give one another tag. */
  retag(peer: Peer, change: () => void): void {
    this.#tags.delete(hashOf(peer.own));
    change();
    this.#tags.set(hashOf(peer.own), peer);
    this.#lastTagged = null;
  }

  /** Takes one out. */
  remove(peer: Peer): void {
    this.#tags.delete(hashOf(peer.own));
    this.#addresses.delete(hashOf(peer.address));
    if (!peer.initiated) {
      this.#hellos.delete(peer.hello);
      this.#leave(peer);
    }
    this.#lastTagged = this.#lastAt = null;
  }

  /** Takes all out. */
  clear(): void {
    this.#tags.clear();
    this.#addresses.clear();
    this.#hellos.clear();
    this.#places.clear();
    this.#lastTagged = this.#lastAt = null;
  }
}

/** So many a second, and no more. */
export class Allowance {
  readonly #rate: number;
  #left: number;
  #at: Micros = 0;

  /** @param rate a second. */
  constructor(rate: number) {
    this.#rate = rate;
    this.#left = rate;
  }

  /** Takes one; false: there is none. */
  take(now: Micros): boolean {
    this.#left = Math.min(this.#rate, this.#left + (now - this.#at) * this.#rate / 1e6);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
