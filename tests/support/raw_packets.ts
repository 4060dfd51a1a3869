/** TCP packets written octet by octet, whatever a stack would say to them: for peers that do not keep to the rules. */

import { type RandomStream, randomStream } from "../../core/host/random.ts";

/** Both ends of a flow, as its sender sees them. Addresses are in network order. */
export interface Ends {
  readonly source: readonly number[];
  readonly destination: readonly number[];
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** What a segment says. Numbers are those of the wire. */
export interface RawSegment {
  readonly seq: number;
  readonly ack: number;
  /** TCP_* bits of wasm/layout.ts, and whatever else six bits can say. */
  readonly flags: number;
  readonly window: number;
  /** Octets, not padded; what is beyond 40 is left out. */
  readonly options: readonly number[];
  readonly payload: number;
}

/** Two octets of a number. */
export function two(value: number): number[] {
  return [value >>> 8 & 255, value & 255];
}

/** Four. */
export function four(value: number): number[] {
  return [value >>> 24, value >>> 16 & 255, value >>> 8 & 255, value & 255];
}

/** The number that four octets at `at` are, as JavaScript has 32 bits: signed. */
export function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!;
}

/** A packet with room for the payload, whose place in it is told, too. Its sums are 0: {@linkcode seal} makes them. */
export function rawPacket(ends: Ends, segment: RawSegment): { bytes: Uint8Array; at: number } {
  const six = ends.source.length === 16;
  const ip = six ? 40 : 20;
  const options = Math.min(40, (segment.options.length + 3) & ~3);
  const at = ip + 20 + options;
  const bytes = new Uint8Array(at + segment.payload);
  if (six) {
    bytes.set([0x60, 0, 0, 0, ...two(bytes.length - 40), 6, 64]);
    bytes.set(ends.source, 8);
    bytes.set(ends.destination, 24);
  } else {
    bytes.set([0x45, 0, ...two(bytes.length), 0, 0, 0x40, 0, 64, 6]);
    bytes.set(ends.source, 12);
    bytes.set(ends.destination, 16);
  }
  bytes.set([
    ...two(ends.sourcePort),
    ...two(ends.destinationPort),
    ...four(segment.seq),
    ...four(segment.ack),
    (20 + options) << 2,
    segment.flags & 255,
    ...two(segment.window),
  ], ip);
  for (let i = 0; i < options; i++) bytes[ip + 20 + i] = segment.options[i] ?? 1;
  return { bytes, at };
}

function sum(bytes: Uint8Array, from: number, to: number, start: number): number {
  let sum = start;
  for (let i = from; i < to; i += 2) sum += bytes[i]! << 8 | (i + 1 < to ? bytes[i + 1]! : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** Writes the sum of an IPv4 header of 20 octets, and with `all` that of a TCP segment behind it. */
export function seal(bytes: Uint8Array, all: boolean): void {
  if (bytes.length < 40) return;
  const six = bytes[0]! >> 4 === 6;
  if (!six) {
    bytes.set([0, 0], 10);
    bytes.set(two(~sum(bytes, 0, 20, 0)), 10);
  }
  const ip = six ? 40 : 20;
  if (!all || bytes.length < ip + 20) return;
  bytes.set([0, 0], ip + 16);
  const addresses = sum(bytes, six ? 8 : 12, ip, 6 + bytes.length - ip);
  bytes.set(two(~sum(bytes, ip, bytes.length, addresses)), ip + 16);
}

/** Draws from a stream of random numbers. */
export class Draws {
  readonly #stream: RandomStream;

  /** @param stream A stream, or a number that one follows from. */
  constructor(stream: RandomStream | number) {
    this.#stream = typeof stream === "number" ? cheap(stream) : stream;
  }

  /** 32 bits. */
  word(): number {
    return this.#stream.u32();
  }

  /** An integer from 0 to `below` - 1. */
  below(below: number): number {
    return Math.floor(this.#stream.u32() / 2 ** 32 * below);
  }

  /** True for `share` of the calls. */
  chance(share: number): boolean {
    return this.#stream.u32() < share * 2 ** 32;
  }

  /** One of them. */
  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
}

/** splitmix32. */
function cheap(seed: number): RandomStream {
  let state = seed | 0;
  return randomStream(() => {
    state = state + 0x9e3779b9 | 0;
    let z = Math.imul(state ^ state >>> 16, 0x21f0aaad);
    z = Math.imul(z ^ z >>> 15, 0x735a2d97);
    return (z ^ z >>> 15) >>> 0;
  });
}

/** A packet with one to four things changed that somebody on the way, or a broken sender, may change. */
export function mutate(packet: Uint8Array, draws: Draws): Uint8Array {
  let bytes: Uint8Array = packet.slice();
  for (let changes = 1 + draws.below(4); changes > 0; changes--) bytes = changeOnce(bytes, draws);
  return bytes;
}

const SHIFTS = [0, 1, -1, 1448, 65535, 2 ** 31];
const KINDS = [0, 1, 2, 3, 4, 5, 8, 30, 255];

function changeOnce(bytes: Uint8Array, draws: Draws): Uint8Array {
  const { length } = bytes;
  const tcp = bytes[0]! >> 4 === 6 ? 40 : 20;
  const kind = draws.below(8);
  if (kind === 0) bytes[draws.below(length)] = draws.word();
  else if (kind === 1) bytes[draws.below(length)]! ^= 1 << draws.below(8);
  else if (kind === 2) return bytes.slice(0, 1 + draws.below(length));
  else if (kind === 3 && length < 1400) {
    const longer = new Uint8Array(length + draws.below(64));
    longer.set(bytes);
    return longer;
  } else if (kind === 4 && length > tcp + 20) {
    bytes[tcp + 20 + draws.below(Math.min(40, length - tcp - 20))] = draws.of(KINDS);
  } else if (kind === 5 && length > tcp + 14) bytes[tcp + 13] = draws.below(64);
  else if (kind === 6 && length > tcp + 14) bytes[tcp + 12] = draws.below(16) << 4;
  else if (length > tcp + 12) {
    const at = tcp + 4 + 4 * draws.below(2);
    bytes.set(four(word(bytes, at) + draws.of(SHIFTS)), at);
  }
  return bytes;
}
