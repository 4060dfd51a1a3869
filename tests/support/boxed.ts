/** TCP packets made and read by hand, and a middlebox on a clock between a client and a server, for tests of what it does to them. */

import { Clock } from "../../core/link/clock.ts";
import { seededRandom } from "../../core/host/random.ts";
import { Chain } from "../../core/link/sim/chain.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { freePacket, type Packet, takePacket } from "../../core/link/sim/elements/packet.ts";
import { parseAddress } from "../../core/wire/ip.ts";
import { u8 } from "../../wasm/mod.ts";
import { checksumsAreGood, plainSum } from "./sim.ts";

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
export const ECE = 64;
export const CWR = 128;

/** A TCP segment. */
export interface Tcp {
  readonly from: string;
  readonly to: string;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  /** Octets of options, padded with zeroes to a multiple of 4. */
  readonly options: readonly number[];
  readonly payload: readonly number[];
  /** ECN bits of the IP header. */
  readonly ecn: number;
}

/** Both families: the client with its port, the server with its port, and another address that a translator may have. */
export const FAMILIES = [
  { family: 4, client: "10.0.0.1 5000", server: "10.0.0.2 80", other: "10.0.0.9" },
  { family: 6, client: "fd00::1 5000", server: "fd00::2 80", other: "fd00::9" },
] as const;

/** An option of MPTCP of `length` octets. */
export function mptcp(subtype: number, length: number): number[] {
  return [30, length, subtype << 4, ...new Array<number>(length - 3).fill(0xaa)];
}

function addressOf(text: string): { family: 4 | 6; bytes: Uint8Array; port: number } {
  const [address, port] = text.split(" ");
  return { ...parseAddress(address!)!, port: Number(port) };
}

/** An IP packet, its checksums right. */
export function packetOf(tcp: Partial<Tcp> & Pick<Tcp, "from" | "to">): Uint8Array {
  const { seq = 1000, ack = 0, flags = ACK, window = 1000, ecn = 0 } = tcp;
  const options = [...tcp.options ?? []];
  while (options.length % 4 !== 0) options.push(0);
  const payload = tcp.payload ?? [];
  const source = addressOf(tcp.from);
  const destination = addressOf(tcp.to);
  const header = source.family === 4 ? 20 : 40;
  const bytes = new Uint8Array(header + 20 + options.length + payload.length);
  const view = new DataView(bytes.buffer);
  if (source.family === 4) {
    bytes.set([0x45, ecn, bytes.length >> 8, bytes.length & 255, 0x12, 0x34, 0x40, 0, 64, 6]);
    bytes.set(source.bytes, 12);
    bytes.set(destination.bytes, 16);
    view.setUint16(10, ~plainSum(bytes.subarray(0, 20)));
  } else {
    bytes.set([0x60, ecn << 4, 0, 0, (bytes.length - 40) >> 8, (bytes.length - 40) & 255, 6, 64]);
    bytes.set(source.bytes, 8);
    bytes.set(destination.bytes, 24);
  }
  view.setUint16(header, source.port);
  view.setUint16(header + 2, destination.port);
  view.setUint32(header + 4, seq);
  view.setUint32(header + 8, ack);
  bytes[header + 12] = (5 + options.length / 4) << 4;
  bytes[header + 13] = flags;
  view.setUint16(header + 14, window);
  bytes.set(options, header + 20);
  bytes.set(payload, header + 20 + options.length);
  const addresses = source.family === 4 ? bytes.subarray(12, 20) : bytes.subarray(8, 40);
  const start = plainSum(addresses) + 6 + bytes.length - header;
  view.setUint16(header + 16, ~plainSum(bytes.subarray(header), start));
  return bytes;
}

/** Reads an IP packet with a TCP segment. */
export function readPacket(bytes: Uint8Array): Tcp {
  const four = bytes[0]! >> 4 === 4;
  const header = four ? 20 : 40;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [at, size] = four ? [12, 4] : [8, 16];
  const address = (from: number): string =>
    four ? bytes.subarray(from, from + 4).join(".") : `fd00::${bytes[from + 15]!.toString(16)}`;
  const end = header + (bytes[header + 12]! >> 4) * 4;
  return {
    from: `${address(at)} ${view.getUint16(header)}`,
    to: `${address(at + size)} ${view.getUint16(header + 2)}`,
    seq: view.getUint32(header + 4),
    ack: view.getUint32(header + 8),
    flags: bytes[header + 13]!,
    window: view.getUint16(header + 14),
    options: [...bytes.subarray(header + 20, end)],
    payload: [...bytes.subarray(end)],
    ecn: four ? bytes[1]! & 3 : bytes[1]! >> 4 & 3,
  };
}

function copied(bytes: Uint8Array): Packet {
  const packet = takePacket(bytes.length)!;
  u8.set(bytes, packet.address);
  packet.verified = packet.partial = false;
  return packet;
}

/** What came out, and when. */
export interface Arrival {
  readonly side: "client" | "server";
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** A box between a client and a server. Each packet that comes out has right checksums, or the test fails. */
export class Boxed {
  readonly clock = new Clock();
  /** Of each direction, by element. */
  readonly #chains: { readonly up: Chain; readonly down: Chain };
  readonly #arrivals: Arrival[] = [];
  /** Set to see what has wrong checksums, too. */
  damaged = false;

  constructor(up: readonly ElementFactory[], down: readonly ElementFactory[] = []) {
    const { clock } = this;
    const random = seededRandom(1);
    const surroundings = {
      get now(): number {
        return clock.now;
      },
      at: (time: number, callback: () => void) => clock.at(time, callback),
      timer: (callback: () => void) => clock.timer(callback),
      random: (name: string) => random(name).float,
    };
    const chain = (name: "up" | "down", factories: readonly ElementFactory[]): Chain =>
      new Chain(name, factories, surroundings, (packet) => {
        const bytes = u8.slice(packet.address, packet.address + packet.length);
        freePacket(packet);
        if (
          !this.damaged && bytes[bytes[0]! >> 4 === 4 ? 9 : 6] === 6 && !checksumsAreGood(bytes)
        ) {
          throw new Error("The box lets out what has wrong checksums");
        }
        this.#arrivals.push({ side: name === "up" ? "server" : "client", at: clock.now, bytes });
      });
    this.#chains = { up: chain("up", up), down: chain("down", down) };
  }

  /** Puts a packet in at the client's side. */
  up(bytes: Uint8Array): void {
    this.#chains.up.push(copied(bytes));
  }

  /** Puts one in at the server's side. */
  down(bytes: Uint8Array): void {
    this.#chains.down.push(copied(bytes));
  }

  /** Lets all happen up to a time, or all there is; what came out since, in order. */
  run(until = Infinity): Arrival[] {
    let done = false;
    if (until < Infinity) this.clock.at(until, () => done = true);
    while (!done && this.clock.step());
    return this.#arrivals.splice(0);
  }

  /** What became of one packet that goes up: it comes out once, at the server. */
  one(bytes: Uint8Array): Tcp {
    this.up(bytes);
    const [arrival, ...others] = this.run();
    if (arrival?.side !== "server" || others.length > 0) throw new Error("Not one packet came out");
    return readPacket(arrival.bytes);
  }

  /** Packets lost so far in either direction. */
  get dropped(): number {
    const sum = (chain: Chain) => Object.values(chain.dropped).reduce((a, b) => a + b, 0);
    return sum(this.#chains.up) + sum(this.#chains.down);
  }

  clear(): void {
    this.#chains.up.clear();
    this.#chains.down.clear();
  }
}
