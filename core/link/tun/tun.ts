/** A Linux TUN device as a link: IP packets to and from the kernel, super-segments with unfinished checksums where it grants them. */

import type { HostDriver, Link, PollSource } from "../../host/link.ts";
import { formatAddress, type IpPrefix } from "../../wire/ip.ts";
import type { PacketIn, PacketOut } from "../../wire/packet.ts";
import { OUT_0, OUT_1, OUT_2, OUT_3 } from "../../../wasm/layout.ts";
import {
  packet_alloc,
  packet_expect,
  packet_free,
  packet_landed,
  packet_unexpect,
  u32,
  u8,
} from "../../../wasm/mod.ts";
import { checkNames } from "../option_names.ts";
import { adaptHeader, adaptPartialSum, headerLength } from "../segment_header.ts";
import { formatPrefix, kernelAddressesFor, readPrefix } from "./addresses.ts";
import {
  configureDevice,
  inNamespace,
  isThere,
  NAME_LENGTH,
  openDevice,
  readDevice,
} from "./ioctl.ts";
import { EAGAIN, EBADFD, EINVAL, Libc } from "./libc.ts";
import { gsoSizeOf, isVerified, VNET_HEADER, writeVnetHeader } from "./vnet_header.ts";

/** How a TUN device is made. Nothing but `offload` and `namespace` matters when it is there already: then it is used as it is. */
export interface TunOptions {
  /**
   * The kernel's own addresses on the device, as "10.77.1.1/24".
   *
   * @default the first address in each network of the host's `addresses` that is not the host's own
   */
  readonly kernelAddresses?: readonly string[];
  /**
   * Largest IP packet in bytes, 576 to 65535; 1280 is the least with IPv6.
   *
   * @default {1500}
   */
  readonly mtu?: number;
  /**
   * Packets that may wait for us in the kernel, 1 to 1000000; further ones are dropped.
   *
   * @default {10000}
   */
  readonly queue?: number;
  /**
   * Whether super-segments and unfinished checksums are exchanged with the kernel. Without, every packet is one that could go on a wire.
   *
   * @default {true}
   */
  readonly offload?: boolean;
  /** Network namespace to make the device in: a name as `ip netns` has it, or a path. @default that of the process */
  readonly namespace?: string;
}

/** Bytes of the buffer that packets are read into: a whole super-segment and what lies in front of it. */
const BUFFER = 66048;
/** The header of a device ends where the packet starts, which is a multiple of 16. */
const HEADROOM = 16;
/** As many segments of 536 bytes as an IP packet has room for. */
const MAX_SEGMENTS = 122;
/** Bytes of the block in which the headers of a segment are made. */
const SCRATCH = 256;
/** Microseconds after which a device that refused a packet is tried again. */
const RETRY = 200;

const OPTIONS = ["kernelAddresses", "mtu", "queue", "offload", "namespace"];

function checkInteger(what: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(
      `Cannot open a TUN device as '${what}' must be an integer from ${least} to ${most}: current value is ${value}`,
    );
  }
  return value;
}

/**
 * A TUN device. It is opened when a host attaches it. Made by {@linkcode tun}.
 *
 * @example
 * ```ts
 * import { Host, type TunLink, tun } from "@mptcp/mptcp";
 *
 * // Needs --allow-ffi and CAP_NET_ADMIN.
 * export async function packetsLost(): Promise<number> {
 *   const link: TunLink = tun("mptcp0", { kernelAddresses: ["10.77.1.1/24"], mtu: 1400 });
 *   await using _host = await Host.open({ interfaces: [{ link, addresses: ["10.77.1.2/24"] }] });
 *   return link.lost;
 * }
 * ```
 */
export class TunLink implements Link, PollSource {
  /** Name of the device. */
  readonly name: string;
  readonly #options: TunOptions;
  readonly #kernelAddresses: readonly IpPrefix[] | undefined;
  readonly #pieces = new Uint32Array(12); // three iovec: address in two words, length in two
  readonly #piecesBytes = new Uint8Array(this.#pieces.buffer);
  #hostAddresses: readonly IpPrefix[] = [];
  #offload: boolean;
  #mtu: number;
  #libc: Libc | null = null;
  #calls!: Libc["calls"];
  #host: HostDriver | null = null;
  #fd = -1;
  #buffer = 0;
  readonly #packet: PacketIn = { address: 0, length: 0, gsoSize: 0, verified: false };
  #input = u8; // view of the buffer, made once
  #base = 0; // address of the WebAssembly memory in the process
  #memory = 0; // its size when the address was looked up
  #segmentation = false;
  #partial = false;
  #cancelRetry: (() => void) | null = null;
  #gone = false;
  #lost = 0;
  /** Where headers are made when the kernel takes no super-segments; 0 before the first. */
  #scratch = 0;

  /** Checks its arguments; the device is not touched yet. */
  constructor(name: string, options: TunOptions = {}) {
    if (
      typeof name !== "string" || !/^[^\s/:%]+$/.test(name) || name === "." || name === ".." ||
      new TextEncoder().encode(name).length > NAME_LENGTH
    ) {
      throw new TypeError(
        `Cannot open a TUN device as its name must be 1 to ${NAME_LENGTH} characters without spaces, '/', ':' and '%': current value is ${
          typeof name === "string" ? JSON.stringify(name) : String(name)
        }`,
      );
    }
    this.name = name;
    checkNames("open a TUN device", options, OPTIONS);
    this.#options = { ...options };
    this.#mtu = checkInteger("mtu", options.mtu ?? 1500, 576, 65535);
    checkInteger("queue", options.queue ?? 10000, 1, 1_000_000);
    this.#offload = options.offload ?? true;
    this.#kernelAddresses = options.kernelAddresses?.map((text) =>
      readPrefix(text, "an address of the kernel")
    );
  }

  get mtu(): number {
    return this.#mtu;
  }

  /** 1 from the first super-segment on that the kernel has refused. */
  get maxSegments(): number {
    return this.#segmentation ? MAX_SEGMENTS : 1;
  }

  /** Each packet tells: those that came over a wire to the kernel are to be checked. */
  get rxVerified(): boolean {
    return false;
  }

  get txChecksum(): "full" | "partial" {
    return this.#partial ? "partial" : "full";
  }

  get source(): PollSource {
    return this;
  }

  get fd(): number {
    return this.#fd;
  }

  /** Packets that the device did not take, other than for being full: as lost on a wire. */
  get lost(): number {
    return this.#lost;
  }

  /**
   * Tells the addresses that the host will have on this link, from which the kernel's follow. To be called before `attach`.
   *
   * @throws {TypeError} If one is not an address with the length of a prefix.
   */
  configure(addresses: readonly string[]): void {
    this.#hostAddresses = addresses.map((text) => readPrefix(text, "an address of the host"));
  }

  /** Makes the device exchange packets as they go on a wire. To be called before `attach`, by what shows or changes packets on their way. */
  withoutOffload(): void {
    this.#offload = false;
  }

  /**
   * Opens the device. One that is not there is made and gets its addresses.
   *
   * @throws {Deno.errors.NotSupported} If this is not Linux.
   * @throws {Deno.errors.NotFound} Without /dev/net/tun, or without the namespace.
   * @throws {Deno.errors.PermissionDenied} Without CAP_NET_ADMIN; the text holds the commands that make the device.
   * @throws {Deno.errors.AlreadyExists} If the name is taken.
   * @throws {RangeError} If an address does not fit.
   */
  attach(host: HostDriver): void {
    if (this.#host !== null) {
      throw new TypeError(`Cannot attach ${this.name} as it is attached already`);
    }
    const os = (globalThis as { Deno?: typeof Deno }).Deno?.build.os;
    if (os !== "linux") {
      const Class = os === undefined ? Error : Deno.errors.NotSupported;
      throw new Class(
        `Cannot open a TUN device as this is ${os ?? "not Deno"}: use emulate() or udp()`,
      );
    }
    const addresses = this.#chooseAddresses();
    const libc = new Libc();
    try {
      inNamespace(libc, this.#options.namespace, () => this.#open(libc, addresses));
      this.#buffer = packet_alloc(BUFFER);
      if (this.#buffer === 0) {
        throw new RangeError(`Cannot open ${this.name} as there is no memory for its packets`);
      }
    } catch (error) {
      if (this.#fd >= 0) libc.calls.close(this.#fd);
      this.#fd = -1;
      libc.close();
      throw error;
    }
    this.#libc = libc;
    this.#calls = libc.calls;
    this.#host = host;
    const start = this.#buffer + HEADROOM - VNET_HEADER;
    this.#input = new Uint8Array(u8.buffer, start, BUFFER - HEADROOM + VNET_HEADER);
    this.#locate();
  }

  drain(budget: number): number {
    if (this.#libc === null) return 0;
    const host = this.#host!;
    const packet = this.#packet;
    packet.address = this.#buffer + HEADROOM;
    const header = packet.address - VNET_HEADER;
    const lands = host.takesLanded === true;
    let count = 0;
    try {
      while (count < budget) {
        const expected = lands ? packet_expect() : 0;
        const length = expected === 0 ? this.#read() : this.#readApart(header, expected);
        // Whatever the error: when it is not that the queue is empty, poll tells.
        if (length < 0) break;
        count++;
        packet.length = length;
        packet.gsoSize = gsoSizeOf(header);
        packet.verified = isVerified(header);
        if (expected > 0 && length > expected) {
          packet_landed(packet.address, length - expected, packet.verified ? 1 : 0);
        }
        host.receive(this, packet);
        if (host.enough === true) break;
      }
    } finally {
      // Whatever was thrown: what has landed is not to be brought together behind headers that are gone.
      if (lands) packet_unexpect();
    }
    return count;
  }

  /** Reads one packet into the buffer; its length, below 0 when there is none. */
  #read(): number {
    return this.#calls.read(this.#fd, this.#input, this.#input.length) - VNET_HEADER;
  }

  /** Reads one packet, with what lies behind `expected` bytes of headers to where the stack expects it. */
  #readApart(header: number, expected: number): number {
    this.#piece(0, header, VNET_HEADER + expected);
    this.#piece(1, u32[OUT_0]!, u32[OUT_1]!);
    this.#piece(2, u32[OUT_2]!, u32[OUT_3]!);
    return this.#calls.readv(this.#fd, this.#piecesBytes, 3) - VNET_HEADER;
  }

  send(packet: Readonly<PacketOut>): boolean {
    const { header, headerLength, a, aLength, b, bLength, gsoSize } = packet;
    writeVnetHeader(header, gsoSize, this.#partial);
    this.#piece(0, header - VNET_HEADER, VNET_HEADER + headerLength);
    let pieces = 1;
    if (aLength > 0) this.#piece(pieces++, a, aLength);
    if (bLength > 0) this.#piece(pieces++, b, bLength);
    const error = this.#write(pieces);
    if (error === 0) return true;
    if (error === EINVAL && gsoSize > 0) {
      return this.#cut(header, headerLength, a, aLength, b, aLength + bLength, gsoSize);
    }
    return this.#failed(error);
  }

  /**
   * Sends one by one the segments of a super-segment that the kernel refuses: those from the summer of 2024 on, some stable ones too, take fewer kinds
   * of them than they grant. Its payload is `a`, `aLength` bytes, and what follows of `length` at `b`. False when none was taken as the device is full.
   */
  #cut(
    header: number,
    headerLength: number,
    a: number,
    aLength: number,
    b: number,
    length: number,
    gsoSize: number,
  ): boolean {
    if (this.#segmentation) {
      this.#segmentation = false;
      // deno-lint-ignore no-console -- it costs half of the rate, and nobody would know why
      console.warn(
        `${this.name}: this kernel refuses super-segments (EINVAL). Segments go one by one from now on; a newer kernel, or one before July 2024, takes them.`,
      );
    }
    if (this.#scratch === 0) this.#scratch = packet_alloc(SCRATCH);
    if (this.#scratch === 0) return this.#failed(0);
    const ip = this.#scratch + HEADROOM;
    let sent = false;
    for (let at = 0, index = 0; at < length; at += gsoSize, index++) {
      const bytes = Math.min(gsoSize, length - at);
      u8.copyWithin(ip, header, header + headerLength);
      adaptHeader(ip, headerLength + bytes, index, at, at + bytes === length);
      adaptPartialSum(ip, headerLength + length, headerLength + bytes);
      writeVnetHeader(ip, 0, this.#partial);
      this.#piece(0, ip - VNET_HEADER, VNET_HEADER + headerLength);
      const first = Math.min(bytes, Math.max(0, aLength - at));
      let pieces = 1;
      if (first > 0) this.#piece(pieces++, a + at, first);
      if (first < bytes) this.#piece(pieces++, b + at + first - aLength, bytes - first);
      const error = this.#write(pieces);
      if (error === 0) sent = true;
      else if (!this.#failed(error) && !sent) return false;
    }
    return true;
  }

  check(): void {
    const libc = this.#libc;
    if (libc === null || this.#gone || isThere(libc, this.#fd)) return;
    this.#gone = true;
    this.#host!.gone?.(this);
  }

  /** Reads at most `budget` packets and sends each on by `to`, as they are, or drops them when it is `null`. Returns how many there were. */
  relay(to: TunLink | null, budget: number): number {
    if (this.#libc === null) return 0;
    const { read } = this.#calls;
    const start = this.#buffer + HEADROOM - VNET_HEADER;
    let count = 0;
    while (count < budget) {
      const length = read(this.#fd, this.#input, this.#input.length);
      if (length < VNET_HEADER) break;
      count++;
      if (to === null) continue;
      to.#piece(0, start, length);
      const error = to.#write(1);
      if (error !== 0 && !to.#relayed(start + VNET_HEADER, length - VNET_HEADER, error)) to.#lost++;
    }
    return count;
  }

  /** A packet of `length` bytes at `ip`, behind the header that it came with, was not taken: whether what can be done about it is. */
  #relayed(ip: number, length: number, error: number): boolean {
    const gsoSize = gsoSizeOf(ip - VNET_HEADER);
    if (error !== EINVAL || gsoSize === 0) return this.#failed(error);
    const headers = headerLength(ip);
    return this.#cut(ip, headers, ip + headers, length - headers, 0, length - headers, gsoSize);
  }

  close(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    const libc = this.#libc;
    if (libc !== null) {
      this.#libc = null;
      libc.calls.close(this.#fd);
      this.#fd = -1;
      packet_free(this.#buffer);
      packet_free(this.#scratch);
      libc.close();
    }
    return Promise.resolve();
  }

  #chooseAddresses(): readonly IpPrefix[] {
    const addresses = this.#kernelAddresses ?? kernelAddressesFor(this.#hostAddresses);
    for (const { address } of addresses) {
      if (this.#hostAddresses.some((own) => own.address.bytes.join() === address.bytes.join())) {
        throw new RangeError(
          `Cannot open a TUN device as ${
            formatPrefix({ address, length: address.bytes.length * 8 })
          } cannot be both the kernel's address and the host's`,
        );
      }
    }
    if (this.#mtu < 1280 && addresses.some((prefix) => prefix.address.family === 6)) {
      throw new RangeError( // RFC 8200 §5
        `Cannot open a TUN device as 'mtu' must be at least 1280 for IPv6: current value is ${this.#mtu}`,
      );
    }
    const v4 = addresses.filter((prefix) => prefix.address.family === 4).length;
    if (v4 > 1 && this.name.length + `:${v4 - 1}`.length > NAME_LENGTH) {
      throw new RangeError(
        `Cannot open a TUN device as ${this.name} is too long a name for ${v4} IPv4 addresses: choose one of ${
          NAME_LENGTH - 2
        } characters`,
      );
    }
    return addresses;
  }

  #open(libc: Libc, addresses: readonly IpPrefix[]): void {
    const device = openDevice(libc, this.name, this.#offload, addresses, this.#mtu);
    this.#fd = device.fd;
    this.#partial = device.checksumOffload;
    this.#segmentation = device.segmentation;
    if (!device.existed) {
      const queue = this.#options.queue ?? 10000;
      configureDevice(libc, this.name, { mtu: this.#mtu, queue, addresses });
      return;
    }
    const { mtu, up, ipv4 } = readDevice(libc, this.name);
    this.#mtu = mtu;
    if (this.#hostAddresses.some(({ address }) => address.bytes.join() === ipv4?.join())) {
      throw new RangeError(
        `Cannot use the TUN device ${this.name} as ${
          formatAddress(ipv4!)
        } is the kernel's address on it: give the host another one of its network`,
      );
    }
    if (!up) {
      throw new Deno.errors.NotConnected(
        `Cannot use the TUN device ${this.name} as it is down: \`sudo ip link set ${this.name} up\``,
      );
    }
  }

  #locate(): void {
    this.#memory = u8.length;
    this.#base = Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(u8)));
  }

  #piece(index: number, address: number, length: number): void {
    // Memory that grows stays where it is in every engine we know; should one move it, its size has changed too.
    if (u8.length !== this.#memory) this.#locate();
    const at = this.#base + address;
    const pieces = this.#pieces;
    pieces[4 * index] = at; // modulo 2^32
    pieces[4 * index + 1] = at / 4294967296;
    pieces[4 * index + 2] = length;
  }

  /** Writes what was prepared. 0, or the number of the error; -1 when it is closed. */
  #write(pieces: number): number {
    const libc = this.#libc;
    if (libc === null) return -1;
    return this.#calls.writev(this.#fd, this.#piecesBytes, pieces) >= 0 ? 0 : libc.errno();
  }

  /** Nothing was written: whether it is lost; false when the device is full and takes it later. */
  #failed(error: number): boolean {
    const host = this.#host!;
    if (error !== EAGAIN) {
      this.#lost++; // closed, taken down, or gone
      // While nobody waits for what comes nothing else finds out.
      if (error === EBADFD && !this.#gone) host.at(host.now, () => this.check());
      return true;
    }
    // Seldom at all: a TUN takes packets without limit unless told otherwise (TUNSETSNDBUF).
    this.#cancelRetry ??= host.at(host.now + RETRY, () => {
      this.#cancelRetry = null;
      host.writable(this);
    });
    return false;
  }
}

/**
 * A TUN device as an interface of a host: packets go to the kernel of this machine. Needs --allow-ffi, and CAP_NET_ADMIN unless the device is
 * there and belongs to the user.
 *
 * @example
 * ```ts
 * import { tun } from "@mptcp/mptcp";
 *
 * const link = tun("mptcp0", { kernelAddresses: ["10.77.1.1/24"] });
 * ```
 *
 * @throws {TypeError} If the name or an address is not one.
 * @throws {RangeError} If a number is out of its range.
 */
export function tun(name: string, options: TunOptions = {}): TunLink {
  return new TunLink(name, options);
}
