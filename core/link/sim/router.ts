/**
 * A router of the emulated network: it forwards by the longest prefix of the destination, and by DSCP where a route has one. A route over several links
 * keeps each flow on one of them.
 */

import { parsePrefix } from "../../wire/ip.ts";
import { u32, u8 } from "../../../wasm/mod.ts";
import { freePacket, type Packet } from "./elements/packet.ts";
import type { Direction, SimLink } from "./link.ts";

interface Route {
  readonly family: 4 | 6;
  readonly length: number;
  /** Words as they lie in memory, so that no packet's address need be turned round. */
  readonly network: Uint32Array;
  readonly mask: Uint32Array;
  /** Only what has this in its IP header; -1: anything. */
  readonly dscp: number;
  /** At least one; of several the flow's addresses and ports choose. */
  readonly out: readonly Direction[];
}

const TCP = 6;
const UDP = 17;

/** Destinations that a router remembers for each family. */
const SLOTS = 256;

/** Which route packets to a destination, with a codepoint, took last: a direct-mapped memory, so that most packets need not be held against every route. */
class RouteMemory {
  readonly #words: number;
  readonly #keys: Int32Array;
  readonly #routes: (Route | null)[] = new Array(SLOTS).fill(null);

  /** For addresses of so many words. */
  constructor(words: number) {
    this.#words = words;
    this.#keys = new Int32Array(SLOTS * (words + 1));
  }

  /** Where that of the address at `at`, in words of memory, is or would be. */
  slot(at: number, dscp: number): number {
    let hash = dscp;
    for (let i = 0; i < this.#words; i++) hash = mix(hash, u32[at + i]!);
    return hash & SLOTS - 1;
  }

  /** The route in a slot; null: it is not that of this destination. */
  get(slot: number, at: number, dscp: number): Route | null {
    const key = slot * (this.#words + 1);
    if (this.#keys[key] !== dscp) return null;
    for (let i = 0; i < this.#words; i++) {
      if (this.#keys[key + 1 + i] !== (u32[at + i]! | 0)) return null;
    }
    return this.#routes[slot]!;
  }

  set(slot: number, at: number, dscp: number, route: Route): void {
    const key = slot * (this.#words + 1);
    this.#keys[key] = dscp;
    for (let i = 0; i < this.#words; i++) this.#keys[key + 1 + i] = u32[at + i]!;
    this.#routes[slot] = route;
  }
}

/** Words of an address of 4 or 16 bytes as they lie in memory. */
function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(Uint8Array.from(bytes).buffer);
}

function maskOf(size: number, length: number): Uint32Array {
  return words(
    Uint8Array.from(
      { length: size },
      (_, i) => 0xff00 >> Math.min(8, Math.max(0, length - 8 * i)) & 255,
    ),
  );
}

/** A number of 32 bits that a name stands for (FNV-1a). */
function saltOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash;
}

function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e3779b1);
  return mixed ^ mixed >>> 15;
}

/** A router. What it has no route for, and what has crossed too many routers, is dropped and counted. */
export class Router {
  /** Its name. */
  readonly name: string;
  readonly #routes: Route[] = [];
  /** Routers one behind the other must not choose alike, or some links would carry nothing. */
  readonly #salt: number;
  /** By family; null: no packet of it has come since the routes last changed. */
  #four: RouteMemory | null = null;
  #six: RouteMemory | null = null;
  #noRoute = 0;
  #expired = 0;

  /** Made by {@linkcode Network.router}. */
  constructor(name: string) {
    this.name = name;
    this.#salt = saltOf(name);
  }

  /** What was dropped here so far. */
  get dropped(): { readonly noRoute: number; readonly expired: number } {
    return { noRoute: this.#noRoute, expired: this.#expired };
  }

  /**
   * Sends what is for `prefix`, such as "10.0.1.0/24", or one address, over `over`, instead of what was said of that prefix before. With `dscp` that holds
   * for packets with this codepoint alone (RFC 2474), of a prefix as long before what has none: one pair of addresses may have several ways.
   *
   * Of several links the hash of a flow's addresses and ports chooses one for all its packets, as routers do with paths of equal cost (RFC 2992):
   * subflows between one pair of addresses may take different ones.
   *
   * @throws {TypeError} If `prefix` is none, there is no link, or one does not end at this router.
   * @throws {RangeError} If `dscp` is no integer from 0 to 63.
   */
  route(prefix: string, over: SimLink | readonly SimLink[], dscp?: number): void {
    if (dscp !== undefined && (!Number.isInteger(dscp) || dscp < 0 || dscp > 63)) {
      throw new RangeError(
        `Cannot route "${prefix}" as 'dscp' must be an integer from 0 to 63: current value is ${dscp}`,
      );
    }
    const label = dscp ?? -1;
    const parsed = parsePrefix(prefix);
    if (parsed === null) {
      throw new TypeError(
        `Cannot route "${prefix}" as it must be an address or a prefix such as 10.0.1.0/24`,
      );
    }
    const out = ("name" in over ? [over] : over).map((link) => {
      const direction = link.from(this);
      if (direction.from === this) return direction;
      throw new TypeError(
        `Cannot route "${prefix}" over link "${link.name}" as it does not end at router "${this.name}"`,
      );
    });
    if (out.length === 0) throw new TypeError(`Cannot route "${prefix}" over no link`);
    const { address, length } = parsed;
    const mask = maskOf(address.bytes.length, length);
    const network = words(address.bytes).map((word, i) => word & mask[i]!);
    const same = this.#routes.findIndex((route) =>
      route.family === address.family && route.length === length && route.dscp === label &&
      route.network.every((word, i) => word === network[i])
    );
    if (same >= 0) this.#routes.splice(same, 1);
    this.#routes.push({ family: address.family, length, network, mask, dscp: label, out });
    this.#routes.sort((a, b) => b.length - a.length || b.dscp - a.dscp);
    this.#four = this.#six = null;
  }

  /** Sends a packet on its way; called by the network. */
  forward(packet: Packet, _from: Direction): void {
    const ip = packet.address;
    const four = u8[ip]! >> 4 === 4;
    const hops = ip + (four ? 8 : 7);
    // RFC 1812 §5.3.1: a packet whose time to live runs out goes no further.
    if (u8[hops]! <= 1) {
      this.#expired++;
      freePacket(packet);
      return;
    }
    const out = this.#find(ip, four);
    if (out === null) {
      this.#noRoute++;
      freePacket(packet);
      return;
    }
    u8[hops]!--;
    if (four) {
      // RFC 1141: one less in the high octet of a word is 0x0100 more in the complement of the sum.
      const sum = (u8[ip + 10]! << 8 | u8[ip + 11]!) + 0x100;
      const folded = (sum & 0xffff) + (sum >> 16);
      u8[ip + 10] = folded >> 8;
      u8[ip + 11] = folded & 255;
    }
    out.enter(packet);
  }

  #find(ip: number, four: boolean): Direction | null {
    const destination = (ip + (four ? 16 : 24)) >> 2;
    const dscp = (four ? u8[ip + 1]! : u8[ip]! << 4 | u8[ip + 1]! >> 4) >> 2 & 63;
    const memory = four ? this.#four ??= new RouteMemory(1) : this.#six ??= new RouteMemory(4);
    const slot = memory.slot(destination, dscp);
    let route = memory.get(slot, destination, dscp);
    if (route === null) {
      route = this.#search(destination, four, dscp);
      if (route === null) return null;
      memory.set(slot, destination, dscp, route);
    }
    const { out } = route;
    return out.length === 1 ? out[0]! : this.#choose(out, ip, four);
  }

  /** The first route that fits: the longest prefix. */
  #search(destination: number, four: boolean, dscp: number): Route | null {
    for (const route of this.#routes) {
      if ((route.family === 4) !== four) continue;
      if (route.dscp >= 0 && route.dscp !== dscp) continue;
      const { network, mask } = route;
      let i = 0;
      while (i < network.length && ((u32[destination + i]! & mask[i]!) >>> 0) === network[i]) i++;
      if (i === network.length) return route;
    }
    return null;
  }

  #choose(out: readonly Direction[], ip: number, four: boolean): Direction {
    let hash = this.#salt;
    const addresses = ip + (four ? 12 : 8) >> 2;
    const words = four ? 2 : 8;
    for (let i = 0; i < words; i++) hash = mix(hash, u32[addresses + i]!);
    const protocol = u8[ip + (four ? 9 : 6)]!;
    if (protocol === TCP || protocol === UDP) {
      hash = mix(hash, u32[ip + (four ? (u8[ip]! & 15) * 4 : 40) >> 2]!);
    }
    return out[(hash >>> 0) % out.length]!;
  }
}
