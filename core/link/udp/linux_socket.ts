/** A UDP socket of Linux through FFI: many datagrams of one size a system call, both ways (UDP_SEGMENT, UDP_GRO: udp(7)). */

import { i32, packet_alloc, packet_free, u16, u32, u8 } from "../../../wasm/mod.ts";
import type { PollSource } from "../../host/link.ts";
import {
  cString,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAGAIN,
  EINVAL,
  EMSGSIZE,
  ENODEV,
  EPERM,
  Libc,
  O_CLOEXEC,
} from "../tun/libc.ts";
import type { DatagramReceiver, DatagramSocket, Sent } from "./datagram_socket.ts";
import { type SocketAddress, socketAddress, SocketAddresses } from "./socket_address.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
/** SOCK_NONBLOCK | SOCK_CLOEXEC. */
const SOCKET_FLAGS = 0o4000 | 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_BINDTODEVICE = 25;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;
const MSG_ERRQUEUE = 0x2000;
/** DF is set, and what the kernel believes of the path holds nothing back: the stack looks for sizes itself (ip(7)). */
const PMTUDISC_PROBE = 3;

/** Options of IP and IPv6 by what they mean: the level, then numbers. */
const OPTIONS_4 = { level: 0, tos: 1, discover: 10, errors: 11, receiveTos: 13 } as const;
const OPTIONS_6 = { level: 41, tos: 67, discover: 23, errors: 25, receiveTos: 66 } as const;
const IPV6_V6ONLY = 26;

/** Datagrams that older kernels take in one go (UDP_MAX_SEGMENTS). */
const SEGMENTS = 64;
/** Bytes of the kernel's buffers that are asked for. */
const BUFFER = 4 << 20;

// What lies in the block of a socket: `struct msghdr` and what it points to, for each direction, then the pieces of what is sent.
const OUT = 0;
const IN = 64;
const NAME_OUT = 128;
const NAME_IN = 160;
const CONTROL_OUT = 192;
const CONTROL_IN = 256;
const CONTROL_IN_SIZE = 256;
const PIECE_IN = 512;
const PIECES = 1024;
const ENETUNREACH = 101;
/** Milliseconds from one try to open a socket anew to the next. */
const REOPEN = 1000;
/** Pieces of one system call (UIO_MAXIOV). */
const MOST_PIECES = 1024;
const MSGHDR = 56;
const IOVEC = 16;
/** `struct cmsghdr` before its data. */
const CMSGHDR = 16;
/** That of two octets, padded. */
const CMSG_SEGMENT = 24;

/** How a socket is opened. */
export interface LinuxSocketOptions {
  /** The one network interface that its datagrams leave and come in by (SO_BINDTODEVICE). */
  readonly interface?: string | undefined;
}

function number32(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Int32Array([value]).buffer);
}

/** `struct sockaddr_in` or `sockaddr_in6`. */
function writeName(bytes: Uint8Array, { address, port }: SocketAddress): number {
  bytes.fill(0, 0, 28);
  const v4 = address.length === 4;
  bytes[0] = v4 ? AF_INET : AF_INET6;
  bytes[2] = port >> 8;
  bytes[3] = port;
  bytes.set(address, v4 ? 4 : 8);
  return v4 ? 16 : 28;
}

/** An open one. */
export class LinuxSocket implements DatagramSocket, PollSource {
  local: SocketAddress;
  readonly fd: number;
  readonly #libc: Libc;
  readonly #options: typeof OPTIONS_4 | typeof OPTIONS_6;
  readonly #block: number;
  readonly #addresses = new SocketAddresses();
  readonly #out: Uint8Array<ArrayBuffer>;
  readonly #in: Uint8Array<ArrayBuffer>;
  #receiver!: DatagramReceiver;
  #open = true;
  #pieces = 0;
  #base = 0; // address of the WebAssembly memory in the process
  #memory = 0; // its size when the address was looked up
  #to: SocketAddress | null = null;
  #trafficClass = 0;
  /** Something lies in the queue of errors. */
  #troubled = false;
  readonly #interface: string | undefined;
  #reopened = -Infinity;

  /**
   * Opens one.
   *
   * @throws {Deno.errors.NotCapable} Without --allow-ffi.
   * @throws {Deno.errors.AddrInUse | Deno.errors.AddrNotAvailable | Deno.errors.PermissionDenied | Deno.errors.NotFound} It cannot be bound.
   */
  constructor(bind: SocketAddress, options: LinuxSocketOptions = {}) {
    const v4 = bind.address.length === 4;
    this.#options = v4 ? OPTIONS_4 : OPTIONS_6;
    this.#interface = options.interface;
    const libc = this.#libc = new Libc();
    const { socket, close } = libc.calls;
    this.fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCKET_FLAGS, 0);
    this.#block = packet_alloc(PIECES + MOST_PIECES * IOVEC);
    try {
      if (this.fd < 0) throw failure(libc.errno(), "open a UDP socket");
      if (this.#block === 0) throw new RangeError("Cannot open a UDP socket as there is no memory");
      this.local = this.#configure(this.fd, bind);
    } catch (error) {
      if (this.fd >= 0) close(this.fd);
      packet_free(this.#block);
      libc.close();
      throw error;
    }
    this.#out = u8.subarray(this.#block + OUT, this.#block + OUT + MSGHDR);
    this.#in = u8.subarray(this.#block + IN, this.#block + IN + MSGHDR);
    u8.fill(0, this.#block, this.#block + PIECES);
    this.#locate();
  }

  get segments(): number {
    return SEGMENTS;
  }

  get source(): PollSource {
    return this;
  }

  attach(receiver: DatagramReceiver): void {
    this.#receiver = receiver;
  }

  piece(address: number, length: number): void {
    if (u8.length !== this.#memory) this.#locate();
    const at = this.#block + PIECES + this.#pieces++ * IOVEC >> 2;
    this.#point(at, address);
    u32[at + 2] = length;
    u32[at + 3] = 0;
  }

  send(to: SocketAddress, size: number, trafficClass: number): Sent {
    const pieces = this.#pieces;
    this.#pieces = 0;
    if (!this.#open) return "lost";
    if (to !== this.#to) this.#address(to);
    if (trafficClass !== this.#trafficClass) this.#setTrafficClass(trafficClass);
    const header = this.#block + OUT >> 2;
    u32[header + 6] = pieces;
    u32[header + 10] = size === 0 ? 0 : CMSG_SEGMENT;
    if (size > 0) u16[this.#block + CONTROL_OUT + CMSGHDR >> 1] = size;
    const { sendmsg } = this.#libc.calls;
    // An error that an earlier datagram met is told in place of sending; it is told once.
    for (let attempt = 0; attempt < 2; attempt++) {
      if (sendmsg(this.fd, this.#out, 0) >= 0) return "sent";
      const error = this.#libc.errno();
      if (error === EAGAIN) return "full";
      // Of what is too large for the device, too, the kernel leaves word in the queue of errors: until it is read each poll finds the socket in error.
      this.#troubled = true;
      if (error === EMSGSIZE || error === EINVAL && size > 0) {
        return size > 0 ? "refused" : "too-big";
      }
      if (size > 0 && (error === 5 || error === 95)) return "refused"; // EIO, EOPNOTSUPP
      if (error === ENODEV || error === ENETUNREACH) this.#reopen();
    }
    return "lost";
  }

  /**
   * Opens it anew under its descriptor, where it keeps to a network card: one that was taken away and put back is another one to the kernel, and a socket
   * stays with the one that was. Nothing changes where that cannot be.
   */
  #reopen(): void {
    if (this.#interface === undefined || performance.now() - this.#reopened < REOPEN) return;
    this.#reopened = performance.now();
    try {
      this.move(this.local);
    } catch {
      // The card is not back, or not its address.
    }
  }

  move({ address }: SocketAddress): void {
    if (!this.#open) return;
    const { socket, setsockopt, dup3, close } = this.#libc.calls;
    const fd = socket(address.length === 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCKET_FLAGS, 0);
    if (fd < 0) throw failure(this.#libc.errno(), "open a UDP socket");
    // Both have the port for a moment: a poll under way keeps the old one.
    const share = (which: number, value: number): void => {
      setsockopt(which, SOL_SOCKET, SO_REUSEADDR, number32(value), 4);
    };
    share(this.fd, 1);
    share(fd, 1);
    try {
      const local = this.#configure(fd, socketAddress(address, this.local.port));
      if (dup3(fd, this.fd, O_CLOEXEC) < 0) throw failure(this.#libc.errno(), "move a UDP socket");
      this.local = local;
      this.#trafficClass = 0;
    } finally {
      close(fd);
      share(this.fd, 0);
    }
  }

  discard(): void {
    this.#pieces = 0;
  }

  drain(budget: number): number {
    if (!this.#open) return 0;
    const { recvmsg } = this.#libc.calls;
    let count = 0;
    while (count < budget) {
      this.#prepare();
      const length = recvmsg(this.fd, this.#in, 0);
      if (length < 0) {
        // An error of an earlier datagram, told once, or nothing there.
        if (this.#libc.errno() === EAGAIN) break;
        this.#troubled = true;
        count++;
        continue;
      }
      count++;
      this.#take(length);
      if (!this.#open) return count;
      if (this.#receiver.enough) break;
    }
    if (this.#troubled) this.#hearErrors();
    return count;
  }

  /** What is in error is a datagram: the socket stays, whatever becomes of the network. */
  check(): void {
    this.#troubled = true;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#libc.calls.close(this.fd);
    packet_free(this.#block);
    this.#libc.close();
  }

  /** Hands over what lies in the buffer. */
  #take(length: number): void {
    let size = length;
    let ecn = 0;
    const { level, tos } = this.#options;
    const control = this.#block + CONTROL_IN;
    const end = control + u32[this.#block + IN + 40 >> 2]!;
    for (let at = control; at + CMSGHDR <= end;) {
      const bytes = u32[at >> 2]!;
      if (bytes < CMSGHDR) break;
      const from = i32[at + 8 >> 2]!;
      const type = i32[at + 12 >> 2]!;
      if (from === SOL_UDP && type === UDP_GRO) size = i32[at + CMSGHDR >> 2]!;
      else if (from === level && type === tos) ecn = u8[at + CMSGHDR]! & 3;
      at += bytes + 7 & ~7;
    }
    this.#receiver.received(length, size, this.#from(), ecn);
  }

  /** Where what lies in the buffer came from. */
  #from(): SocketAddress {
    const name = this.#block + NAME_IN;
    const port = u8[name + 2]! << 8 | u8[name + 3]!;
    return this.#options === OPTIONS_4
      ? this.#addresses.at(name + 4, 4, port)
      : this.#addresses.at(name + 8, 16, port);
  }

  /** Reads what ICMP messages came for our datagrams (IP_RECVERR: ip(7)). */
  #hearErrors(): void {
    this.#troubled = false;
    const { recvmsg } = this.#libc.calls;
    const { level, errors } = this.#options;
    // There may be no end to them.
    for (let i = 0; i < SEGMENTS; i++) {
      this.#prepare();
      const length = recvmsg(this.fd, this.#in, MSG_ERRQUEUE);
      if (length < 0) return;
      const at = this.#block + CONTROL_IN;
      const control = u32[this.#block + IN + 40 >> 2]!;
      for (let next = at; next + CMSGHDR + 16 <= at + control;) {
        const bytes = u32[next >> 2]!;
        if (bytes < CMSGHDR) break;
        // `struct sock_extended_err`: number, origin (2 ICMP, 3 ICMPv6), type, code, what it tells beside.
        const told = next + CMSGHDR;
        const isError = i32[next + 8 >> 2] === level && i32[next + 12 >> 2] === errors;
        if (isError && (u8[told + 4] === 2 || u8[told + 4] === 3)) {
          this.#receiver.troubled(length, u8[told + 5]!, u8[told + 6]!, u32[told + 8 >> 2]!);
        }
        next += bytes + 7 & ~7;
      }
      if (!this.#open) return;
    }
    this.#troubled = true;
  }

  /** Makes what is received next go to the receiver's buffer. */
  #prepare(): void {
    if (u8.length !== this.#memory) this.#locate();
    const block = this.#block;
    const piece = block + PIECE_IN >> 2;
    this.#point(piece, this.#receiver.buffer);
    u32[piece + 2] = 65535;
    const header = block + IN >> 2;
    u32[header + 2] = 28;
    u32[header + 10] = CONTROL_IN_SIZE;
  }

  #address(to: SocketAddress): void {
    const name = this.#block + NAME_OUT;
    u32[this.#block + OUT + 8 >> 2] = writeName(u8.subarray(name, name + 32), to);
    this.#to = to;
  }

  #setTrafficClass(value: number): void {
    const { level, tos } = this.#options;
    this.#libc.calls.setsockopt(this.fd, level, tos, number32(value), 4);
    this.#trafficClass = value;
  }

  /** Writes the place of a byte of WebAssembly memory as a pointer. */
  #point(word: number, address: number): void {
    const at = this.#base + address;
    u32[word] = at; // modulo 2^32
    u32[word + 1] = at / 4294967296;
  }

  /** Writes the pointers that stay. */
  #locate(): void {
    this.#memory = u8.length;
    this.#base = Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(u8)));
    const block = this.#block;
    for (
      const [header, name, piece, control] of [
        [OUT, NAME_OUT, PIECES, CONTROL_OUT],
        [IN, NAME_IN, PIECE_IN, CONTROL_IN],
      ] as const
    ) {
      const at = block + header >> 2;
      this.#point(at, block + name);
      this.#point(at + 4, block + piece);
      u32[at + 6] = 1;
      this.#point(at + 8, block + control);
    }
    const control = block + CONTROL_OUT;
    u32[control >> 2] = CMSGHDR + 2;
    i32[control + 8 >> 2] = SOL_UDP;
    i32[control + 12 >> 2] = UDP_SEGMENT;
  }

  #configure(fd: number, bind: SocketAddress): SocketAddress {
    const { calls } = this.#libc;
    const set = (level: number, name: number, value: number): boolean =>
      calls.setsockopt(fd, level, name, number32(value), 4) === 0;
    const { level, discover, errors, receiveTos } = this.#options;
    if (level === OPTIONS_6.level) set(level, IPV6_V6ONLY, 1);
    // Without CAP_NET_ADMIN as much as net.core.rmem_max and wmem_max allow.
    if (!set(SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)) set(SOL_SOCKET, SO_RCVBUF, BUFFER);
    if (!set(SOL_SOCKET, SO_SNDBUFFORCE, BUFFER)) set(SOL_SOCKET, SO_SNDBUF, BUFFER);
    set(level, discover, PMTUDISC_PROBE);
    set(level, errors, 1);
    set(level, receiveTos, 1);
    set(SOL_UDP, UDP_GRO, 1);
    if (this.#interface !== undefined) {
      const name = cString(this.#interface);
      if (calls.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, name.length) < 0) {
        throw failure(this.#libc.errno(), `use the interface ${this.#interface}`);
      }
    }
    const name = new Uint8Array(32);
    const size = writeName(name, bind);
    if (calls.bind(fd, name, size) < 0) {
      throw failure(this.#libc.errno(), `bind a UDP socket to ${bind.text}`);
    }
    const length = number32(32);
    calls.getsockname(fd, name, length);
    return socketAddress(bind.address, name[2]! << 8 | name[3]!);
  }
}

/** The error for a number of libc. */
function failure(number: number, verb: string): Error {
  switch (number) {
    case EADDRINUSE:
      return new Deno.errors.AddrInUse(`Cannot ${verb} as the port is taken: choose another one`);
    case EADDRNOTAVAIL:
      return new Deno.errors.AddrNotAvailable(
        `Cannot ${verb} as this machine has no such address: give one of its own, or 'bind'`,
      );
    case ENODEV:
      return new Deno.errors.NotFound(`Cannot ${verb} as this machine has none of that name`);
    case EPERM:
    case 13: // EACCES
      return new Deno.errors.PermissionDenied(
        `Cannot ${verb} as this user may not: ports below 1024 are root's, and so are interfaces on kernels before 5.7`,
      );
    default:
      return new Error(`Cannot ${verb} as the kernel answers errno ${number}`);
  }
}
