/** UDP as a link: the segments of two hosts of this stack in datagrams, on any system and without privileges. The protocol: docs/udp.md. */

import type { HostDriver, HostTimer, Link, PollSource } from "../../host/link.ts";
import type { Micros } from "../../plugin.ts";
import { plateauBelow } from "../../subflow/path_mtu.ts";
import { type IpPrefix, parseAddress } from "../../wire/ip.ts";
import type { PacketIn, PacketOut } from "../../wire/packet.ts";
import { OUT_0 } from "../../../wasm/layout.ts";
import { i32, packet_alloc, packet_free, train_couple, u8 } from "../../../wasm/mod.ts";
import { readPrefix } from "../tun/addresses.ts";
import { Associations } from "./associations.ts";
import {
  DATA,
  HEADER,
  HELLO,
  HELLO_COOKIE,
  HELLO_COOKIE_LENGTH,
  HELLO_MOST,
  MAC_SIZE,
  TAG,
  VERSION,
} from "./datagram.ts";
import { Counts } from "./counts.ts";
import { Departures } from "./departures.ts";
import type { DatagramReceiver, DatagramSocket } from "./datagram_socket.ts";
import {
  ipHeaderLength,
  isTcp,
  overhead,
  trafficClassOf,
  troubleOf,
  writeIpHeader,
  writeTrouble,
} from "./inner_packet.ts";
import type { Peer } from "./peer.ts";
import { openSocket } from "./open_socket.ts";
import { type CheckedOptions, checkUdpOptions, type UdpOptions } from "./options.ts";
import { sameSocketAddress, type SocketAddress, socketAddress } from "./socket_address.ts";
import { payloadOf } from "./trains.ts";

export type { UdpOptions } from "./options.ts";

/** Bytes of the buffer that datagrams come to: a train, and what lies in front of it. */
const BUFFER = 66048;
/** Where the IP header of the first goes. */
const HEADROOM = 16;
/** Where in it the segment lies that an ICMP message is about. */
const QUOTE = 512;
/** Microseconds after which a socket that was full is tried again. */
const RETRY: Micros = 200;
const TCP = 6;
const SYN = 2;
const ACK = 16;

/** A peer of a link. */
export interface UdpPeer {
  /** As the stack and its applications see it. */
  readonly address: string;
  /** Where its datagrams come from and ours go to: "192.0.2.1:8684", "[2001:db8::1]:8684". */
  readonly endpoint: string;
  /** It is known to be there. */
  readonly validated: boolean;
}

/** Opens the socket of a link in a network that is emulated. */
export type SocketOpener = (options: CheckedOptions) => DatagramSocket;

/**
 * A link over UDP. It is opened with the host that it belongs to. Made by {@linkcode udp}.
 *
 * @example
 * ```ts
 * import { Host, udp } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * const link = udp("loopback", { port: 28684, offload: false });
 * await using _host = await Host.open({ interfaces: [{ link, addresses: ["127.0.0.1/8"] }] });
 * assertEquals(link.local, "127.0.0.1:28684");
 * assertEquals(link.sockets, "plain");
 * assertEquals(link.peers, []);
 * ```
 */
export class UdpLink implements Link {
  /** What people call it. */
  readonly name: string;
  readonly #options: UdpOptions;
  readonly #opener: SocketOpener | null;
  #checked: CheckedOptions | null = null;
  #own: Uint8Array = new Uint8Array(4);
  #inner: 4 | 6 = 4;
  #singles = false;
  #socket: DatagramSocket | null = null;
  #associations: Associations | null = null;
  #host!: HostDriver;
  #timer: HostTimer | null = null;
  #due: Micros = Infinity;
  #cancelRetry: (() => void) | null = null;
  #buffer = 0;
  #departures: Departures | null = null;
  readonly #packet: PacketIn = { address: 0, length: 0, gsoSize: 0, verified: true };
  readonly #counts = new Counts();

  /** Checks its options; no socket is opened yet. `opener`: who opens one in place of the system, when the link is attached. */
  constructor(name: string, options: UdpOptions = {}, opener: SocketOpener | null = null) {
    if (typeof name !== "string" || name === "") {
      throw new TypeError(
        `Cannot make a UDP link as its name must be a string, such as "wifi": current value is ${
          typeof name === "string" ? '""' : String(name)
        }`,
      );
    }
    this.name = name;
    this.#options = { ...options };
    this.#opener = opener;
    checkUdpOptions(options, null);
  }

  /** Largest packet of the stack: what passes is `mtu` of {@linkcode UdpOptions} less what UDP and this protocol add, 18 bytes where both are of one family. */
  get mtu(): number {
    const { bind, mtu } = this.#known();
    return mtu - overhead(bind.address.length === 4 ? 4 : 6, this.#inner);
  }

  get maxSegments(): number {
    return this.#departures?.segments ?? (this.#singles ? 1 : this.#socket?.segments ?? 1);
  }

  /** UDP's checksum vouches for what is in a datagram. */
  get rxVerified(): boolean {
    return true;
  }

  get txChecksum(): "none" {
    return "none";
  }

  get source(): PollSource | undefined {
    return this.#socket?.source;
  }

  /** What the socket is bound to, such as "192.0.2.1:8684"; `null` while it is not open. */
  get local(): string | null {
    return this.#socket?.local.text ?? null;
  }

  /**
   * How datagrams go: many a system call (`"segments"`: UDP_SEGMENT and UDP_GRO of Linux), one a system call (`"singles"`), or one by one through the runtime
   * (`"plain"`). `null` while it is not open.
   */
  get sockets(): "segments" | "singles" | "plain" | null {
    const socket = this.#socket;
    if (socket === null) return null;
    return socket.source === undefined ? "plain" : this.maxSegments > 1 ? "segments" : "singles";
  }

  /** Its peers. */
  get peers(): UdpPeer[] {
    return Array.from(this.#associations?.all() ?? [], (peer) => ({
      address: addressText(peer.address),
      endpoint: peer.endpoint.text,
      validated: peer.validated,
    }));
  }

  /** What it has counted: datagrams, and those that were dropped by what was wrong with them (docs/udp.md has the names). */
  get counters(): Record<string, number> {
    return this.#counts.all();
  }

  /** Makes datagrams go one by one. To be called before `attach`. */
  withoutOffload(): void {
    this.#singles = true;
  }

  /**
   * Tells the address that the host has on this link. To be called before `prepare`.
   *
   * @throws {TypeError} If it is not one, or they are several.
   * @throws {RangeError} If an option does not go with it.
   */
  configure(addresses: readonly string[]): void {
    const [address, second] = addresses.map((text) => readPrefix(text, "an address of the host"));
    if (address === undefined || second !== undefined) {
      throw new TypeError(
        `Cannot use ${
          addresses.join(" and ")
        } on ${this.name} as a UDP link has one socket and one address: make a link for each`,
      );
    }
    this.#own = (address as IpPrefix).address.bytes;
    this.#inner = this.#own.length === 4 ? 4 : 6;
    this.#checked = checkUdpOptions(this.#options, this.#own);
  }

  /**
   * Opens its socket: by FFI where that may be used, else one of the runtime's.
   *
   * @throws {Deno.errors.AddrInUse | Deno.errors.AddrNotAvailable | Deno.errors.PermissionDenied | Deno.errors.NotFound} It cannot be had.
   * @throws {Deno.errors.NotCapable} Neither --allow-ffi nor --allow-net is given, or not the one that an option asks for.
   */
  async prepare(): Promise<void> {
    if (this.#socket !== null) {
      throw new TypeError(`Cannot open ${this.name} as it is open already`);
    }
    if (this.#opener === null) this.#socket = await openSocket(this.name, this.#known());
  }

  /**
   * Has its datagrams leave from another address of this machine, as its network card has got a new one: to the address on this link that the host has, nothing
   * changes. Associations and subflows go on, as the peers take the new one for the old one's (docs/udp.md). What was to come to the old one comes again.
   *
   * @throws {TypeError} It is no address, or one of another family.
   * @throws {Deno.errors.AddrNotAvailable | Deno.errors.AddrInUse} It cannot be bound: all stays as it was.
   */
  async move(address: string): Promise<void> {
    const parsed = typeof address === "string" ? parseAddress(address) : null;
    const { bind } = this.#known();
    if (parsed === null || parsed.bytes.length !== bind.address.length) {
      const family = bind.address.length === 4 ? 4 : 6;
      throw new TypeError(
        `Cannot move ${this.name} as it needs an IPv${family} address: current value is ${
          typeof address === "string" ? JSON.stringify(address) : String(address)
        }`,
      );
    }
    const socket = this.#socket;
    if (socket?.move === undefined) {
      throw new TypeError(`Cannot move ${this.name} as it is not open, or its socket stays`);
    }
    await socket.move(socketAddress(parsed.bytes, 0));
    if (this.#socket !== socket || this.#timer === null) return;
    // A poll under way waits for what comes to the old one: with nothing to send it would end when a deadline does, in an hour at the latest.
    this.#host.at(this.#host.now, () => {});
    for (const peer of this.#associations?.all() ?? []) this.#host.moved?.(this, peer.address);
  }

  attach(host: HostDriver): void {
    const socket = this.#socket ??= this.#opener?.(this.#known()) ?? null;
    if (socket === null || this.#timer !== null) {
      throw new TypeError(
        `Cannot attach ${this.name} as ${
          socket === null ? "it is not open: Host.open() opens UDP links" : "it is attached already"
        }`,
      );
    }
    this.#host = host;
    const random = host.random(this.name);
    const { accept, key, keepAlive, most } = this.#known();
    this.#associations = new Associations({
      random,
      transmit: (bytes, to) => this.#departures?.message(bytes, to),
      count: (name, by) => this.#counts.add(name, by),
      moved: (peer) => host.moved?.(this, peer.address),
    }, { family: this.#inner, own: this.#own, accept, key, keepAlive, most });
    this.#buffer = packet_alloc(BUFFER);
    try {
      this.#departures = new Departures(
        this.name,
        socket,
        this.#counts,
        this.#largest(),
        this.#singles,
      );
      if (this.#buffer === 0) {
        throw new RangeError(`Cannot open ${this.name} as there is no memory for its datagrams`);
      }
    } catch (error) {
      this.#departures?.free();
      packet_free(this.#buffer);
      socket.close();
      throw error;
    }
    this.#timer = host.timer(() => this.#tick());
    socket.attach(this.#receiver());
  }

  close(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#timer?.disarm();
    const socket = this.#socket;
    if (socket !== null) {
      if (this.#associations !== null) this.#associations.close(this.#host.now);
      this.#socket = null;
      socket.close();
      packet_free(this.#buffer);
      this.#departures?.free();
      this.#departures = null;
    }
    return Promise.resolve();
  }

  // What the stack sends.

  send(packet: Readonly<PacketOut>): boolean {
    const socket = this.#socket;
    if (socket === null) return true;
    const ip = packet.header;
    const own = this.#own.length;
    const header = ipHeaderLength(this.#inner);
    if (u8[ip]! >> 4 !== this.#inner || !isTcp(ip)) return this.#lose("OutNotTcp");
    const { now } = this.#host;
    const associations = this.#associations!;
    const destination = ip + (own === 4 ? 16 : 24);
    const tcp = ip + header;
    const peer = associations.find(destination, own) ?? this.#begin(destination, tcp, now);
    if (peer === null) return this.#lose("OutNoPeer");
    peer.use(now);
    // One of ours is kept awake. On what others have begun nothing is ever due for that.
    if (peer.initiated && this.#due - now > associations.lull) {
      this.#lookAt(now + associations.lull);
    }
    if (peer.state.kind === "opening") {
      this.#greet(peer, packet, now);
      return true;
    }
    const departed = this.#departures!.segment(peer, packet, tcp, now);
    if (departed === "full") return this.#wait();
    if (departed === "too-big") this.#tooBig(peer, packet, tcp);
    return true;
  }

  /** An association with whom the first SYN goes to; null: it is none, or there are too many. */
  #begin(destination: number, tcp: number, now: Micros): Peer | null {
    if ((u8[tcp + 13]! & (SYN | ACK)) !== SYN) return null;
    const address = u8.slice(destination, destination + this.#own.length);
    const { peers, peerPort, bind } = this.#known();
    const endpoint = peers.get(addressText(address)) ?? socketAddress(address, peerPort);
    if (endpoint.address.length !== bind.address.length) return null;
    if (sameSocketAddress(endpoint, this.#socket!.local)) return null;
    return this.#associations!.begin(address, endpoint, now);
  }

  /** Sends a segment in HELLO, if it is small enough; else HELLO alone. */
  #greet(peer: Peer, packet: Readonly<PacketOut>, now: Micros): void {
    const { header, headerLength, a, aLength, b, bLength, gsoSize } = packet;
    const skip = ipHeaderLength(this.#inner);
    const length = headerLength - skip + aLength + bLength;
    const fits = gsoSize === 0 && length + skip + HELLO_MOST - HEADER <= this.mtu;
    if (!fits) this.#counts.add("OutTooEarly");
    const segment = new Uint8Array(fits ? length : 0);
    if (fits) {
      segment.set(u8.subarray(header + skip, header + headerLength));
      segment.set(u8.subarray(a, a + aLength), headerLength - skip);
      segment.set(u8.subarray(b, b + bLength), headerLength - skip + aLength);
    }
    const hello = this.#associations!.hello(peer, trafficClassOf(header), segment, now);
    peer.maySend(hello.length, now);
    this.#counts.add("Hellos");
    this.#departures!.message(hello, peer.endpoint);
  }

  /** The device takes no packet so large: the stack hears it as from a router. */
  #tooBig(peer: Peer, { headerLength, aLength, bLength, gsoSize }: PacketOut, tcp: number): void {
    const size = headerLength + (gsoSize > 0 ? gsoSize : aLength + bLength);
    const least = this.#inner === 6 ? 1280 : 576;
    this.#tell(peer, "too-big", tcp, size, Math.max(least, plateauBelow(size)));
  }

  /** Tells the stack of trouble, in an event of its own. */
  #tell(
    peer: Peer,
    trouble: NonNullable<ReturnType<typeof troubleOf>>,
    tcp: number,
    size: number,
    mtu: number,
  ): void {
    const quoted = u8.slice(tcp, tcp + 8);
    const host = this.#host;
    host.at(host.now, () => {
      if (this.#socket === null) return;
      const at = this.#buffer + HEADROOM;
      u8.set(quoted, at + QUOTE);
      const packet = this.#packet;
      packet.address = at;
      packet.gsoSize = 0;
      packet.length = writeTrouble(at, trouble, this.#own, peer.address, at + QUOTE, size, mtu);
      host.receive(this, packet);
    });
  }

  #lose(name: string): true {
    this.#counts.add(name);
    return true;
  }

  /** The socket is full: the host hears when it is not. */
  #wait(): false {
    if (this.#socket!.source !== undefined) {
      this.#cancelRetry ??= this.#host.at(this.#host.now + RETRY, () => this.#writable());
    }
    return false;
  }

  // What comes in.

  /** The link as its socket sees it. */
  #receiver(): DatagramReceiver {
    const front = (): number => this.#front();
    const host = this.#host;
    return {
      get buffer(): number {
        return front();
      },
      get enough(): boolean {
        return host.enough === true;
      },
      received: (length, size, from, ecn) => this.#received(length, size, from, ecn),
      troubled: (length, type, code, mtu) => this.#troubled(length, type, code, mtu),
      writable: () => this.#writable(),
    };
  }

  /** Where datagrams come to: so that the segment of a DATA lies where that of a packet does. */
  #front(): number {
    return this.#buffer + HEADROOM + ipHeaderLength(this.#inner) - HEADER;
  }

  #received(length: number, size: number, from: SocketAddress, ecn: number): void {
    const associations = this.#associations!;
    const { now } = this.#host;
    const start = this.#front();
    const end = start + length;
    this.#counts.add("InDatagrams", size > 0 ? Math.ceil(length / size) : 1);
    // Where everything but the first lies is not where a packet may lie: each moves to the front, and those behind it that go on with it are coupled.
    for (let at = start; at < end || at === start;) {
      const octets = Math.min(size, end - at);
      if (at > start) u8.copyWithin(start, at, at + octets);
      at += Math.max(1, octets);
      const peer = associations.arrive(start, octets, from, now);
      if (peer === null) {
        this.#rearm();
        continue;
      }
      const segment = start + associations.segment;
      if (associations.segment !== HEADER) {
        this.#rearm();
        u8.copyWithin(start + HEADER, segment, start + octets);
        this.#deliver(peer, octets - associations.segment, 0, ecn);
        continue;
      }
      const payload = at < end ? payloadOf(start, octets) : 0;
      if (payload === 0) {
        this.#deliver(peer, octets - HEADER, 0, ecn);
        continue;
      }
      let stop = start + octets;
      const one = stop - payload;
      if (at < end) {
        stop = train_couple(start, HEADER, payload, stop, at, end, size);
        at = i32[OUT_0]!;
      }
      this.#deliver(peer, stop - start - HEADER, stop - payload > one ? one : 0, ecn);
    }
  }

  /** Hands the segment of `length` octets behind our header in the buffer to the host. */
  #deliver(peer: Peer, length: number, gsoSize: number, ecn: number): void {
    const packet = this.#packet;
    const ip = this.#buffer + HEADROOM;
    let trafficClass = u8[this.#front() + 1]!;
    // RFC 6040 §4.2: what the outer header has been marked with goes on with the inner one, if that can be marked.
    if (ecn === 3 && (trafficClass & 3) !== 0) trafficClass |= 3;
    writeIpHeader(ip, length, TCP, trafficClass, peer.address, this.#own);
    packet.address = ip;
    packet.length = ipHeaderLength(this.#inner) + length;
    packet.gsoSize = gsoSize;
    this.#host.receive(this, packet);
  }

  #troubled(length: number, type: number, code: number, mtu: number): void {
    this.#counts.add("InIcmp");
    const at = this.#front();
    const outer = this.#known().bind.address.length === 4 ? 4 : 6;
    const trouble = troubleOf(outer, type, code);
    if (trouble === null || length < HEADER || u8[at]! >> 4 !== VERSION) return;
    const isHello = (u8[at]! & 15) === HELLO;
    if (!isHello && (u8[at]! & 15) !== DATA) return;
    // Who has not seen a tag cannot make us believe anything; the stack looks at the sequence number, too (RFC 5927 §4.1).
    const peer = isHello
      ? this.#associations!.findOurs(at + TAG)
      : this.#associations!.findTheirs(at + TAG);
    const segment = isHello ? HELLO_COOKIE + u8[at + HELLO_COOKIE_LENGTH]! + MAC_SIZE : HEADER;
    if (peer === null || length < segment + 8) return;
    const passes = Math.max(0, mtu - overhead(outer, this.#inner));
    let size = length - segment + ipHeaderLength(this.#inner);
    // Routers quote the beginning alone (RFC 1812 §4.3.2.3): it was larger than what passes, and no larger than what we send.
    if (trouble === "too-big") size = Math.max(size, passes > 0 ? passes + 1 : this.mtu);
    this.#tell(peer, trouble, at + segment, size, passes);
  }

  #writable(): void {
    this.#cancelRetry = null;
    if (this.#socket !== null) this.#host.writable(this);
  }

  /** Lets associations do what is due, and looks again when the next thing is. */
  #tick(): void {
    if (this.#socket === null) return;
    this.#due = this.#associations!.tick(this.#host.now);
    this.#timer!.arm(this.#due);
  }

  /** What has come may have begun an association, which has something due before all others. */
  #rearm(): void {
    this.#lookAt(this.#associations!.due);
  }

  /** Looks at them at `due`, if not before. */
  #lookAt(due: Micros): void {
    if (due < this.#due) this.#timer!.arm(this.#due = due);
  }

  /** Octets of the largest datagram. */
  #largest(): number {
    const { bind, mtu } = this.#known();
    return mtu - ipHeaderLength(bind.address.length === 4 ? 4 : 6) - 8;
  }

  #known(): CheckedOptions {
    return this.#checked ??= checkUdpOptions(this.#options, this.#own);
  }
}

function addressText(address: Uint8Array): string {
  const { text } = socketAddress(address, 0);
  return text.slice(0, -2).replace(/^\[|\]$/g, "");
}

/**
 * UDP as an interface of a host: its packets go in datagrams to another host of this stack. Works on every system without privileges: with --allow-net, and many
 * times faster on Linux with --allow-ffi.
 *
 * The host has one address on it, which its socket is bound to. Who connects to 203.0.113.7 sends datagrams there, to UDP port 8684 unless `peerPort` or `peers`
 * say otherwise; who is to be connected to has `port`.
 *
 * @param name What people call it: "wifi".
 *
 * @example A server, and a client with two networks
 * ```ts
 * import { Host, udp } from "@mptcp/mptcp";
 *
 * export async function server() {
 *   await using host = await Host.open({
 *     interfaces: [{ link: udp("wan", { port: 8684 }), addresses: ["203.0.113.7/24"] }],
 *   });
 *   for await (const conn of host.listen({ port: 80 })) await conn.close();
 * }
 *
 * export async function client() {
 *   await using host = await Host.open({
 *     interfaces: [
 *       { link: udp("wifi"), addresses: ["192.168.1.5/24"] },
 *       { link: udp("lte"), addresses: ["10.20.30.40/24"] },
 *     ],
 *   });
 *   using conn = await host.connect({ hostname: "203.0.113.7", port: 80 });
 *   console.log(conn.info().subflows.length);
 * }
 * ```
 *
 * @throws {TypeError} If an option is not of its kind.
 * @throws {RangeError} If a number is out of its range.
 */
export function udp(name: string, options: UdpOptions = {}): UdpLink {
  return new UdpLink(name, options);
}
