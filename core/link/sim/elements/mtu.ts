/** Drops packets larger than a link behind it takes, as a router does in front of a tunnel: with an ICMP error to their sender, or without a word. */

import { sum, u8 } from "../../../../wasm/mod.ts";
import { adaptHeader, headerLength } from "../../segment_header.ts";
import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { type Packet, takePacket } from "./packet.ts";

/** How {@linkcode mtu} treats what is too large. */
export interface MtuOptions {
  /**
   * Whether the sender is told: by "fragmentation needed" (RFC 792, RFC 1191 §4), for packets that may not be fragmented, or by "packet too big"
   * (RFC 4443 §3.2). False: a black hole.
   *
   * @default {true}
   */
  readonly icmp?: boolean;
}

const ICMP = 1;
const ICMPV6 = 58;
/** Largest packets of errors: RFC 1812 §4.3.2.3, RFC 4443 §2.4 (c). */
const MOST = { 4: 576, 6: 1280 } as const;
const HEADER = { 4: 20, 6: 40 } as const;
/** Least packet that every link takes (RFC 791 §3.2). */
const LEAST_MTU = 68;
const TTL = 64;

function put16(at: number, value: number): void {
  u8[at] = value >> 8;
  u8[at + 1] = value & 255;
}

/** The complement of the sum of `length` bytes at `at`, `start` counted in. */
function checksum(at: number, length: number, start = 0): number {
  let total = sum(at, length) + start;
  total = (total & 0xffff) + (total >>> 16);
  total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

/** Whether an error may answer it: none answers an error (RFC 1122 §3.2.2, RFC 4443 §2.4 (e)), and what a router would cut needs none. */
function mayAnswer(ip: number, family: 4 | 6): boolean {
  if (family === 6) return u8[ip + 6] !== ICMPV6 || u8[ip + 40]! >= 128;
  if ((u8[ip + 6]! & 0x40) === 0) return false;
  const type = u8[ip + (u8[ip]! & 15) * 4]!;
  return u8[ip + 9] !== ICMP || type === 0 || type === 8;
}

/** The error that answers `packet`; null: none may, or memory is used up. Its source is the packet's destination, which needs no route. */
function tooBig(packet: Packet, mtu: number): Packet | null {
  const { address, gsoSize } = packet;
  const family = u8[address]! >> 4 === 4 ? 4 : 6;
  if (!mayAnswer(address, family)) return null;
  const header = HEADER[family];
  const quoted = Math.min(packet.length, MOST[family] - header - 8);
  const length = header + 8 + quoted;
  const answer = takePacket(length);
  if (answer === null) return null;
  answer.verified = packet.verified;
  const ip = answer.address;
  const icmp = ip + header;
  const quote = icmp + 8;
  u8.fill(0, ip, quote);
  u8.copyWithin(quote, address, address + quoted);
  // A router meets the segments that a super-segment stands for.
  if (gsoSize > 0) adaptHeader(quote, headerLength(address) + gsoSize, 0, 0, false);
  const [at, size] = family === 4 ? [12, 4] : [8, 16];
  u8.copyWithin(ip + at, address + at + size, address + at + 2 * size);
  u8.copyWithin(ip + at + size, address + at, address + at + size);
  if (family === 4) {
    u8[ip] = 0x45;
    put16(ip + 2, length);
    u8[ip + 8] = TTL;
    u8[ip + 9] = ICMP;
    put16(ip + 10, checksum(ip, header));
    // Destination unreachable, fragmentation needed.
    u8[icmp] = 3;
    u8[icmp + 1] = 4;
    put16(icmp + 6, mtu);
    put16(icmp + 2, checksum(icmp, length - header));
  } else {
    u8[ip] = 0x60;
    put16(ip + 4, length - header);
    u8[ip + 6] = ICMPV6;
    u8[ip + 7] = TTL;
    // Packet too big.
    u8[icmp] = 2;
    put16(icmp + 6, mtu);
    put16(icmp + 2, checksum(icmp, length - header, sum(ip + 8, 32) + length - header + ICMPV6));
  }
  return answer;
}

class MtuElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #icmp: boolean;
  #limit: number;

  constructor(
    limit: number,
    icmp: boolean,
    context: ElementContext,
    output: (packet: Packet) => void,
  ) {
    this.#limit = limit;
    this.#icmp = icmp;
    this.#context = context;
    this.#output = output;
  }

  push(packet: Packet): void {
    const { address, gsoSize, length } = packet;
    const size = gsoSize > 0 ? Math.min(length, headerLength(address) + gsoSize) : length;
    if (size <= this.#limit) {
      this.#output(packet);
      return;
    }
    if (this.#icmp) {
      this.#context.complete(packet);
      const answer = tooBig(packet, this.#limit);
      if (answer !== null) this.#context.answer(answer);
    }
    this.#context.drop(packet);
  }

  set(change: Readonly<Record<string, unknown>>): void {
    if (change.mtu !== undefined) this.#limit = checkMtu(change.mtu);
  }
}

function checkMtu(value: unknown): number {
  if (typeof value !== "number") {
    throw new TypeError(
      `Cannot use ${
        String(value)
      } as the MTU of a path as it must be a number of bytes, such as 1400`,
    );
  }
  if (!Number.isInteger(value) || value < LEAST_MTU || value > 65535) {
    throw new RangeError(
      `Cannot use ${value} as the MTU of a path as it must be an integer from ${LEAST_MTU} to 65535`,
    );
  }
  return value;
}

function checkIcmp(options: MtuOptions): boolean {
  const { icmp = true, ...others } = options;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new TypeError(
      `Cannot set the MTU of a path with '${unknown}' as the one option is 'icmp'`,
    );
  }
  if (typeof icmp === "boolean") return icmp;
  throw new TypeError(
    `Cannot set the MTU of a path as 'icmp' must be true or false: current value is ${
      String(icmp)
    }`,
  );
}

/**
 * Drops each packet of more than `bytes`, 68 to 65535, its IP header counted in, and tells its sender so, unless `icmp` is false. Nothing is fragmented.
 * A super-segment counts as the packets that it stands for. Changed by `{ mtu }`.
 *
 * @throws {TypeError} If `bytes` is not a number, or an option is wrong.
 * @throws {RangeError} If it is not an integer from 68 to 65535.
 * @example A path with a tunnel that swallows large packets
 * ```ts
 * import { emulate, mtu } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: {
 *     tunnel: { rate: "20 Mbit/s", delay: "10 ms", elements: [mtu(1400, { icmp: false })] },
 *   },
 * });
 * ```
 */
export function mtu(bytes: number, options: MtuOptions = {}): ElementFactory {
  checkMtu(bytes);
  const icmp = checkIcmp(options);
  return {
    name: "mtu",
    create: (context, output) => new MtuElement(bytes, icmp, context, output),
  };
}
