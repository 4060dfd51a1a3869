/** Parts for tests of TUN devices: a namespace with one of them, packets made by hand, a stack that only writes down what it is told. */

import type { DrivenStack, Link } from "../../core/host/link.ts";
import { Loop } from "../../core/link/loop.ts";
import { tun, type TunLink, type TunOptions } from "../../core/link/tun/tun.ts";
import type { PacketIn } from "../../core/wire/packet.ts";
import { packet_alloc, packet_free, u8 } from "../../wasm/mod.ts";
import { makeNamespace, type Namespace } from "../../cli/namespace.ts";
import { cutPacket } from "./packets.ts";
import { plainSum } from "./sim.ts";

/** A packet as a stack got it. */
export interface Seen {
  readonly bytes: Uint8Array;
  readonly gsoSize: number;
  readonly verified: boolean;
}

export const ICMP = 1;
export const TCP = 6;
export const SYN = 2;
export const RST = 4;

/** A stack that writes down what comes, and answers with `answer`. */
export class Recorder implements DrivenStack {
  readonly seen: Seen[] = [];
  readonly #waiting: { wanted: (seen: Seen) => boolean; resolve: (seen: Seen) => void }[] = [];

  constructor(readonly answer: (link: Link, seen: Seen) => void = () => {}) {}

  handlePacket(_now: number, link: Link, packet: Readonly<PacketIn>): void {
    const { address, length, gsoSize, verified } = packet;
    const seen = { bytes: u8.slice(address, address + length), gsoSize, verified };
    this.seen.push(seen);
    this.answer(link, seen);
    for (const [i, { wanted, resolve }] of this.#waiting.entries()) {
      if (!wanted(seen)) continue;
      this.#waiting.splice(i, 1);
      resolve(seen);
      return;
    }
  }

  /** The next packet of that kind. */
  next(wanted: (seen: Seen) => boolean): Promise<Seen> {
    return new Promise((resolve) => this.#waiting.push({ wanted, resolve }));
  }

  handleWritable(): void {}
  handleTimeout(): void {}
  pollTimeout(): number {
    return Infinity;
  }
  flush(): void {
  }
}

/** Sends an IP packet by `link`, cut into pieces at the offsets `cuts`. */
export function sendBytes(
  link: Link,
  bytes: Uint8Array,
  cuts: readonly number[],
  gsoSize = 0,
): void {
  const buffer = packet_alloc(bytes.length + 16);
  const at = buffer + 16;
  u8.set(bytes, at);
  link.send(cutPacket(at, bytes.length, cuts, gsoSize));
  packet_free(buffer);
}

/** Answers ICMP echo requests (RFC 792). */
export function pong(link: Link, { bytes }: Seen): void {
  if (bytes[0] !== 0x45 || bytes[9] !== ICMP || bytes[20] !== 8) return;
  const reply = bytes.slice();
  reply.set(bytes.subarray(16, 20), 12);
  reply.set(bytes.subarray(12, 16), 16);
  reply.set([0, 0, 0, 0], 20);
  const sum = ~plainSum(reply.subarray(20));
  reply.set([sum >> 8 & 255, sum & 255], 22);
  sendBytes(link, reply, [20, 24]);
}

/** An IPv4 TCP segment from 10.77.1.2 port 4660 to 10.77.1.1 port 9, its checksum as `link` wants it. */
export function segment(link: Link, flags: number, payload: Uint8Array): Uint8Array {
  const length = 40 + payload.length;
  const bytes = new Uint8Array(length);
  bytes.set([0x45, 0, length >> 8, length & 255, 0, 0, 0x40, 0, 64, TCP, 0, 0, 10, 77, 1, 2]);
  bytes.set([10, 77, 1, 1], 16);
  const ip = ~plainSum(bytes.subarray(0, 20));
  bytes.set([ip >> 8 & 255, ip & 255], 10);
  bytes.set([0x12, 0x34, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 1, 0], 20);
  bytes.set(payload, 40);
  const pseudo = plainSum(bytes.subarray(12, 20), TCP + length - 20);
  const sum = link.txChecksum === "partial" ? pseudo : ~plainSum(bytes.subarray(20), pseudo);
  bytes.set([sum >> 8 & 255, sum & 255], 36);
  return bytes;
}

/** Whether a packet is an IPv4 TCP segment with these flags set. */
export function isTcp(flags: number): (seen: Seen) => boolean {
  return ({ bytes }) => bytes[0] === 0x45 && bytes[9] === TCP && (bytes[33]! & flags) === flags;
}

/** What {@linkcode stand} makes. */
export interface Stand extends AsyncDisposable {
  readonly namespace: Namespace;
  readonly loop: Loop;
  readonly link: TunLink;
  readonly stack: Recorder;
}

/** A namespace with one TUN that a recorder sits on. */
export async function stand(options: TunOptions = {}, stack = new Recorder()): Promise<Stand> {
  const namespace = await makeNamespace();
  const loop = new Loop();
  const link = tun("mptcp0", { namespace: namespace.name, ...options });
  link.configure(["10.77.1.2/24", "fd00:77:1::2/64"]);
  try {
    loop.add(link);
  } catch (error) {
    await namespace.close();
    throw error;
  }
  loop.start(stack);
  loop.hold(true);
  return {
    namespace,
    loop,
    link,
    stack,
    async [Symbol.asyncDispose]() {
      await loop.close();
      await namespace.close();
    },
  };
}

/** Until it is disposed of, devices opened by this process are on a kernel that refuses super-segments. */
export function refusingSuperSegments(): Disposable & { readonly warnings: string[] } {
  const { dlopen } = Deno;
  const { warn } = console;
  const warnings: string[] = [];
  const open: typeof Deno.dlopen = (file, symbols) => {
    const library = dlopen(file, symbols);
    const calls: Record<string, unknown> = { ...library.symbols };
    const writev = calls.writev;
    if (typeof writev !== "function") return library;
    calls.writev = (fd: number, pieces: Uint8Array<ArrayBuffer>, count: number): unknown => {
      const words = new Uint32Array(pieces.buffer);
      let length = 0;
      for (let i = 0; i < count; i++) length += words[4 * i + 2]!;
      // With a number of pieces that cannot be the real one says EINVAL.
      return writev(fd, pieces, length > 1512 ? -1 : count);
    };
    const close = (): void => library.close();
    return Object.assign(Object.create(library), { symbols: calls, close });
  };
  Deno.dlopen = open;
  // deno-lint-ignore no-console -- what is said there is looked at
  console.warn = (line: string) => warnings.push(line);
  return {
    warnings,
    [Symbol.dispose]() {
      Deno.dlopen = dlopen;
      // deno-lint-ignore no-console -- as it was
      console.warn = warn;
    },
  };
}

/** Runs a program of its own, given as the body of an async function that knows `tun` and `Loop`. */
export function program(body: string): string[] {
  const at = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const code = `import { tun } from ${at("../../core/link/tun/tun.ts")};
    import { Loop } from ${at("../../core/link/loop.ts")};
    const quiet = { handlePacket() {}, handleWritable() {}, handleTimeout() {}, pollTimeout: () => Infinity, flush() {} };
    ${body}`;
  return [Deno.execPath(), "eval", "--no-config", "--ext=ts", code];
}
