/** ICMP and ICMPv6 messages as routers write them, for dialogues. */

import { parseAddress } from "../../core/wire/ip.ts";
import type { Dialogue } from "./dialogue.ts";
import { plainSum } from "./sim.ts";

/** What a message says, and how it is wrong. */
export interface IcmpOptions {
  readonly type: number;
  readonly code: number;
  /** Next-hop MTU. @default {0} */
  readonly mtu?: number;
  /** The packet that it is about. */
  readonly packet: Uint8Array;
  /** Octets of it that are quoted. @default {the IP header and 8} */
  readonly quoted?: number;
  /** Where it comes from. @default {a router} */
  readonly from?: string;
  /** Where it goes to. @default {the packet's source} */
  readonly to?: Uint8Array;
}

/** Writes a message about a packet of either family. */
export function icmpAbout(options: IcmpOptions): Uint8Array {
  const { type, code, mtu = 0, packet } = options;
  const v6 = packet[0]! >> 4 === 6;
  const header = v6 ? 40 : 20;
  const inner = v6 ? 40 : (packet[0]! & 15) * 4;
  const quote = packet.subarray(0, options.quoted ?? inner + 8);
  const bytes = new Uint8Array(header + 8 + quote.length);
  const { length } = bytes;
  const source = parseAddress(options.from ?? (v6 ? "fd00:9::9" : "192.0.2.9"))!.bytes;
  const [at, size] = v6 ? [8, 16] : [12, 4];
  const to = options.to ?? packet.subarray(at, at + size);
  if (v6) bytes.set([0x60, 0, 0, 0, length - 40 >> 8, length - 40 & 255, 58, 64]);
  else bytes.set([0x45, 0, length >> 8, length & 255, 0, 0, 0, 0, 64, 1]);
  bytes.set(source, at);
  bytes.set(to, at + size);
  bytes.set([type, code, 0, 0], header);
  const low = [mtu >>> 24 & 255, mtu >>> 16 & 255, mtu >>> 8 & 255, mtu & 255];
  bytes.set(v6 ? low : [0, 0, low[2]!, low[3]!], header + 4);
  bytes.set(quote, header + 8);
  return summed(bytes);
}

/** Fills in the sums of an ICMP packet whose bytes a test has changed. */
export function summed(bytes: Uint8Array): Uint8Array {
  const v6 = bytes[0]! >> 4 === 6;
  const header = v6 ? 40 : 20;
  if (!v6) {
    bytes.set([0, 0], 10);
    const sum = ~plainSum(bytes.subarray(0, 20));
    bytes.set([sum >> 8 & 255, sum & 255], 10);
  }
  bytes.set([0, 0], header + 2);
  const pseudo = v6 ? plainSum(bytes.subarray(8, 40), bytes.length - 40 + 58) : 0;
  const sum = ~plainSum(bytes.subarray(header), pseudo);
  bytes.set([sum >> 8 & 255, sum & 255], header + 2);
  return bytes;
}

/** Puts in a router's word on the size of a packet. */
export function tooBig(d: Dialogue, packet: Uint8Array, mtu: number, link = 0): void {
  const [type, code] = d.family === 6 ? [2, 0] : [3, 4];
  d.inject(icmpAbout({ type, code, mtu, packet }), link);
}
