/** Parts for tests of the emulated network below the stack: packets made by hand, chains on a clock, a stack that only writes down what it is told. */

import type { DrivenStack, Link } from "../../core/host/link.ts";
import { seededRandom } from "../../core/host/random.ts";
import { Chain } from "../../core/link/sim/chain.ts";
import { Clock } from "../../core/link/clock.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { freePacket, type Packet, takePacket } from "../../core/link/sim/elements/packet.ts";
import { parseAddress } from "../../core/wire/ip.ts";
import type { PacketIn } from "../../core/wire/packet.ts";
import { memory_alloc, u8 } from "../../wasm/mod.ts";
import { cutPacket } from "./packets.ts";

/** The 16-bit one's-complement sum of RFC 1071, plainly. */
export function plainSum(bytes: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i++) sum += bytes[i]! << (i % 2 === 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** An IPv4 or IPv6 packet of `length` bytes with a TCP header without options; its TCP checksum field holds rubbish, its payload `mark`. */
export function ipPacket(from: string, to: string, length: number, mark = 0): Uint8Array {
  const source = parseAddress(from)!;
  const destination = parseAddress(to)!;
  const bytes = new Uint8Array(length);
  const header = source.family === 4 ? 20 : 40;
  if (source.family === 4) {
    bytes.set([0x45, 0, length >> 8, length & 255, 0, 0, 0x40, 0, 64, 6]);
    bytes.set(source.bytes, 12);
    bytes.set(destination.bytes, 16);
    const sum = ~plainSum(bytes.subarray(0, 20));
    bytes.set([sum >> 8 & 255, sum & 255], 10);
  } else {
    bytes.set([0x60, 0, 0, 0, length - 40 >> 8, length - 40 & 255, 6, 64]);
    bytes.set(source.bytes, 8);
    bytes.set(destination.bytes, 24);
  }
  bytes.set([0x12, 0x34, 0, 80, 0, 0, 0, mark, 0, 0, 0, 0, 0x50, 0x10, 1, 0, 0xab, 0xcd], header);
  bytes.fill(mark, header + 20);
  return bytes;
}

/** Whether the IPv4 header sum (where there is one) and the TCP checksum are right. */
export function checksumsAreGood(bytes: Uint8Array): boolean {
  const four = bytes[0]! >> 4 === 4;
  const header = four ? 20 : 40;
  if (four && plainSum(bytes.subarray(0, 20)) !== 0xffff) return false;
  const addresses = four ? bytes.subarray(12, 20) : bytes.subarray(8, 40);
  const start = plainSum(addresses) + 6 + bytes.length - header;
  return plainSum(bytes.subarray(header), start) === 0xffff;
}

/** A pooled packet with these bytes. */
export function pooled(bytes: Uint8Array): Packet {
  const packet = takePacket(bytes.length)!;
  u8.set(bytes, packet.address);
  packet.verified = true;
  packet.partial = true;
  return packet;
}

/** Elements on a clock; `out` lists when packets of which length, or with which mark, came out. */
export class ChainUnderTest {
  /** Their clock. */
  readonly clock = new Clock();
  /** The elements. */
  readonly chain: Chain;
  /** `time:length` of each packet that came out, in order. */
  readonly out: string[] = [];
  /** Copies of the packets that came out. */
  readonly packets: { bytes: Uint8Array; verified: boolean; gsoSize: number }[] = [];

  /** Copies of the packets that its elements sent back. */
  readonly answers: Uint8Array[] = [];

  /** Makes the chain; `late` microseconds late is how late the clock calls, as real ones do. */
  constructor(factories: readonly ElementFactory[], seed = 1, late = 0) {
    const clock = this.clock;
    const random = seededRandom(seed);
    this.chain = new Chain(
      "test",
      factories,
      {
        get now(): number {
          return clock.now;
        },
        at: (time, callback) => clock.at(time + late, callback),
        timer(callback) {
          const timer = clock.timer(callback);
          return { arm: (time) => timer.arm(time + late), disarm: () => timer.disarm() };
        },
        random: (name) => random(name).float,
      },
      (packet) => {
        this.out.push(`${Math.round(clock.now * 1000) / 1000}:${packet.length}`);
        this.packets.push({
          bytes: u8.slice(packet.address, packet.address + packet.length),
          verified: packet.verified,
          gsoSize: packet.gsoSize,
        });
        freePacket(packet);
      },
      undefined,
      (packet) => {
        this.answers.push(u8.slice(packet.address, packet.address + packet.length));
        freePacket(packet);
      },
    );
  }

  /** Puts in packets of these lengths, now. */
  push(...lengths: number[]): void {
    for (const length of lengths) {
      this.chain.push(pooled(ipPacket("10.0.0.1", "10.0.0.2", length)));
    }
  }

  /** Puts in packets of these lengths at a time. */
  pushAt(time: number, ...lengths: number[]): void {
    this.clock.at(time, () => this.push(...lengths));
  }

  /** Lets all happen; gives what came out since. */
  run(): string[] {
    while (this.clock.step());
    return this.out.splice(0);
  }
}

/** A stack that writes down what it is told, and may answer. */
export class RecordingStack implements DrivenStack {
  /** What it was told, in order. */
  readonly log: string[] = [];
  /** Copies of the packets that it was given. */
  readonly packets: { bytes: Uint8Array; verified: boolean }[] = [];
  /** Its deadline. */
  deadline = Infinity;
  /** Called in each flush. */
  onFlush: (now: number) => void = () => {};

  /** Writes down a packet: its link, time and mark. */
  handlePacket(now: number, link: Link, packet: Readonly<PacketIn>): void {
    const { address, length, verified } = packet;
    const bytes = u8.slice(address, address + length);
    this.packets.push({ bytes, verified });
    this.log.push(`packet ${link.name} ${now} ${bytes[bytes.length - 1]}`);
  }

  /** Writes it down. */
  handleWritable(now: number, link: Link): void {
    this.log.push(`writable ${link.name} ${now}`);
  }

  /** Writes it down; the deadline is then past. */
  handleTimeout(now: number): void {
    this.deadline = Infinity;
    this.log.push(`timeout ${now}`);
  }

  /** The deadline. */
  pollTimeout(): number {
    return this.deadline;
  }

  /** Writes it down. */
  flush(now: number): void {
    this.log.push(`flush ${now}`);
    this.onFlush(now);
  }
}

const scratch = memory_alloc(2048) + 16;

/** Sends a packet of up to 2,000 bytes over a link in three pieces, as a stack would. */
export function sendOver(link: Link, bytes: Uint8Array, gsoSize = 0): boolean {
  u8.set(bytes, scratch);
  const header = bytes[0]! >> 4 === 4 ? 40 : 60;
  const half = (bytes.length - header) >> 1;
  return link.send(cutPacket(scratch, bytes.length, [header, header + half], gsoSize));
}
