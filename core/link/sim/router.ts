/** A router of the emulated network: it forwards by the longest prefix of the destination, and by DSCP where a route has one. */

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
  readonly out: Direction;
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

/** A router. What it has no route for, and what has crossed too many routers, is dropped and counted. */
export class Router {
  /** Its name. */
  readonly name: string;
  readonly #routes: Route[] = [];
  #noRoute = 0;
  #expired = 0;

  /** Made by {@linkcode Network.router}. */
  constructor(name: string) {
    this.name = name;
  }

  /** What was dropped here so far. */
  get dropped(): { readonly noRoute: number; readonly expired: number } {
    return { noRoute: this.#noRoute, expired: this.#expired };
  }

  /**
   * Sends what is for `prefix`, such as "10.0.1.0/24", or one address, over `link`, instead of what was said of that prefix before. With `dscp` that holds
   * for packets with this codepoint alone (RFC 2474), of a prefix as long before what has none: one pair of addresses may have several ways.
   *
   * @throws {TypeError} If `prefix` is none, or the link does not end at this router.
   * @throws {RangeError} If `dscp` is no integer from 0 to 63.
   */
  route(prefix: string, link: SimLink, dscp?: number): void {
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
    const out = link.from(this);
    if (out.from !== this) {
      throw new TypeError(
        `Cannot route "${prefix}" over link "${link.name}" as it does not end at router "${this.name}"`,
      );
    }
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
    for (const route of this.#routes) {
      if ((route.family === 4) !== four) continue;
      if (route.dscp >= 0 && route.dscp !== dscp) continue;
      const { network, mask } = route;
      let i = 0;
      while (i < network.length && ((u32[destination + i]! & mask[i]!) >>> 0) === network[i]) i++;
      if (i === network.length) return route.out;
    }
    return null;
  }
}
