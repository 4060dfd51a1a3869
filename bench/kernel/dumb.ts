/**
 * The dumb endpoint: what Deno and a TUN device allow on this machine, without a TCP behind it. It parses, acknowledges, and discards or makes bytes; of
 * TCP it knows five numbers. Nothing is reassembled, nothing is remembered: after a silence it begins again where the peer is. One flow at a time.
 */

import { inNamespace, openDevice } from "../../core/link/tun/ioctl.ts";
import { Libc, POLLIN } from "../../core/link/tun/libc.ts";
import {
  gsoSizeOf,
  isVerified,
  VNET_HEADER,
  writeVnetHeader,
} from "../../core/link/tun/vnet_header.ts";
import { parseHost } from "../../core/wire/ip.ts";
import { packet_alloc, packet_free, sum, u8 } from "../../wasm/mod.ts";

/** Bytes of a buffer for packets. */
const BUFFER = 66048;
const HEADROOM = 16;
/** IPv4 and TCP without options. */
const IP = 20;
const HEADERS = 40;
const FIN = 1;
const SYN = 2;
const RST = 4;
const PSH = 8;
const ACK = 16;
const TCP = 6;
const MSS = 1460;
/** Of the window that is offered, which never closes: 16 MB. */
const SHIFT = 9;
const WINDOW = 0x8000;
/** Packets read, and packets written, in a row. */
const BATCH = 64;
/** Microseconds of looking for packets before it sleeps, as the stack has it. */
const SPIN = 60;
/** Milliseconds without a packet after which what is not acknowledged is sent anew. */
const SILENCE = 100;
const PORTS = { first: 10000, last: 60000 };

/** Where the endpoint is. */
export interface DumbPlace {
  /** Network namespace. */
  readonly namespace: string;
  /** TUN device that is there, with vnet_hdr. */
  readonly device: string;
  /** IPv4 address of the endpoint. */
  readonly local: string;
  /** IPv4 address of the kernel. */
  readonly remote: string;
  /** Exchange super-segments and unfinished checksums. */
  readonly offload: boolean;
}

function get16(at: number): number {
  return u8[at]! << 8 | u8[at + 1]!;
}

function get32(at: number): number {
  return (get16(at) << 16 | get16(at + 2)) >>> 0;
}

function put16(at: number, value: number): void {
  u8[at] = value >> 8;
  u8[at + 1] = value;
}

function put32(at: number, value: number): void {
  put16(at, value >>> 16);
  put16(at + 2, value);
}

function fold(value: number): number {
  while (value > 0xffff) value = (value & 0xffff) + Math.floor(value / 65536);
  return value;
}

/** One endpoint on one device. */
export class DumbEndpoint implements Disposable {
  readonly #libc = new Libc();
  readonly #fd: number;
  readonly #offload: boolean;
  readonly #most: number; // payload of the largest packet
  readonly #in = packet_alloc(BUFFER);
  readonly #out = packet_alloc(BUFFER);
  readonly #input: Uint8Array<ArrayBuffer>;
  readonly #piece = new Uint8Array(16); // one iovec
  readonly #pieces = new DataView(this.#piece.buffer);
  readonly #poll = new DataView(new ArrayBuffer(8));
  readonly #time = new DataView(new ArrayBuffer(16));
  readonly #pseudo: number; // sum of addresses and protocol
  readonly #ip: number; // sum of the header of IP, without its length
  #port = PORTS.first;
  #clock = 1;
  #sndUna = 0;
  #sndNxt = 0;
  #rcvNxt = 0;
  #window = 0;
  #shift = 0;
  #connected = false;
  #ended = false;
  #reset = false;
  #due = false;
  /** Bytes that came in order. */
  #received = 0;

  /** Opens the device. */
  constructor({ namespace, device, local, remote, offload }: DumbPlace) {
    const open = (): number => openDevice(this.#libc, device, offload, [], 1500).fd;
    this.#fd = inNamespace(this.#libc, namespace, open);
    this.#offload = offload;
    this.#most = offload ? Math.floor((65535 - HEADERS) / MSS) * MSS : MSS;
    const start = this.#in + HEADROOM - VNET_HEADER;
    this.#input = new Uint8Array(u8.buffer, start, BUFFER - HEADROOM + VNET_HEADER);
    const base = Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(u8)));
    this.#pieces.setBigUint64(0, BigInt(base + this.#out + HEADROOM - VNET_HEADER), true);
    this.#poll.setInt32(0, this.#fd, true);
    this.#poll.setInt16(4, POLLIN, true);
    this.#time.setUint32(8, SILENCE * 1e6, true);
    const ip = this.#out + HEADROOM;
    u8.fill(0, ip, ip + HEADERS);
    u8.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, TCP], ip);
    u8.set(parseHost(local)!.bytes, ip + 12);
    u8.set(parseHost(remote)!.bytes, ip + 16);
    this.#ip = sum(ip, IP);
    this.#pseudo = sum(ip + 12, 8) + TCP;
  }

  /** Opens a flow to `port` of the kernel. */
  async connect(port: number): Promise<void> {
    this.#port = this.#port === PORTS.last ? PORTS.first : this.#port + 1;
    const tcp = this.#out + HEADROOM + IP;
    put16(tcp, this.#port);
    put16(tcp + 2, port);
    // As many apart as nothing of the last flow from this port reaches.
    this.#clock = (this.#clock + 0x10000000) >>> 0;
    this.#sndUna = this.#sndNxt = this.#clock;
    this.#connected =
      this.#ended =
      this.#reset =
      this.#due =
        false;
    this.#received = 0;
    this.#syn();
    await this.#run(() => this.#connected, () => false, () => this.#syn());
  }

  /** Makes bytes for `seconds`, then ends the flow. */
  async source(seconds: number): Promise<void> {
    const end = performance.now() + seconds * 1000;
    const most = this.#most;
    const ended = (): boolean => performance.now() >= end;
    await this.#run(ended, () => {
      for (let count = 0; count < BATCH; count++) {
        const room = this.#window - (this.#sndNxt - this.#sndUna >>> 0);
        if (room < most) return count > 0;
        this.#send(ACK | PSH, most);
      }
      return true;
    });
    await this.close();
  }

  /** Discards bytes to the end of the flow; bytes, and seconds from the first to the last of them. */
  async discard(): Promise<{ bytes: number; seconds: number }> {
    let start = 0;
    let first = 0;
    await this.#run(() => this.#ended, () => {
      if (start === 0 && this.#received > 0) {
        start = performance.now();
        first = this.#received;
      }
      return false;
    });
    const result = {
      bytes: this.#received - first,
      seconds: (performance.now() - start) / 1000,
    };
    await this.close();
    return result;
  }

  /** Waits until `bytes` have come in all. */
  take(bytes: number): Promise<void> {
    return this.#run(() => this.#received >= bytes, () => false);
  }

  /** Sends `bytes`, and waits until as many have come back. */
  async exchange(bytes: number): Promise<void> {
    const wanted = this.#received + bytes;
    this.#send(ACK | PSH, bytes);
    await this.#run(() => this.#received >= wanted, () => false);
  }

  /** Ends the flow, and waits for the peer's end. */
  async close(): Promise<void> {
    const acknowledged = (): boolean => this.#sndUna === this.#sndNxt;
    await this.#run(acknowledged, () => false);
    this.#send(ACK | FIN, 0);
    const end = this.#sndNxt;
    await this.#run(() => this.#ended && this.#sndUna === end, () => false, () => {
      if (this.#sndUna !== end) this.#send(ACK | FIN, 0);
    });
    this.#acknowledge();
  }

  [Symbol.dispose](): void {
    this.#libc.calls.close(this.#fd);
    this.#libc.close();
    packet_free(this.#in);
    packet_free(this.#out);
  }

  /** Handles what comes until `done`; `act` sends, and says whether it did. After a silence `again` is called. */
  async #run(done: () => boolean, act: () => boolean, again = () => {}): Promise<void> {
    let busy = performance.now();
    while (!done()) {
      const packets = this.#drain();
      if (this.#reset) throw new Error("The kernel has reset the flow of the dumb endpoint");
      if (this.#due) this.#acknowledge();
      if (act() || packets > 0) {
        busy = performance.now();
        await new Promise<void>((resolve) => void setImmediate(resolve));
      } else if (performance.now() - busy > SPIN / 1000) {
        const { ppoll } = this.#libc.calls;
        const [files, time] = [this.#poll.buffer, this.#time.buffer];
        if (await ppoll(files as ArrayBuffer, 1n, time as ArrayBuffer, null) === 0) {
          this.#sndNxt = this.#sndUna;
          again();
        }
        busy = performance.now();
      }
    }
  }

  #drain(): number {
    const { read } = this.#libc.calls;
    const input = this.#input;
    let count = 0;
    while (count < BATCH) {
      const length = read(this.#fd, input, input.length) - VNET_HEADER;
      if (length < HEADERS) break;
      count++;
      this.#arrive(this.#in + HEADROOM);
    }
    return count;
  }

  #arrive(ip: number): void {
    if (u8[ip]! >> 4 !== 4 || u8[ip + 9] !== TCP) return;
    const tcp = ip + (u8[ip]! & 15) * 4;
    const length = get16(ip + 2) - (tcp - ip);
    if (get16(tcp + 2) !== this.#port) return;
    if (
      !isVerified(ip - VNET_HEADER) && gsoSizeOf(ip - VNET_HEADER) === 0 &&
      fold(this.#pseudo + length + sum(tcp, length)) !== 0xffff
    ) return;
    const data = length - (u8[tcp + 12]! >> 4) * 4;
    const flags = u8[tcp + 13]!;
    const seq = get32(tcp + 4);
    const ack = get32(tcp + 8);
    if ((flags & RST) !== 0) this.#reset = true;
    if ((flags & SYN) !== 0) {
      this.#rcvNxt = seq + 1 >>> 0;
      this.#sndUna = this.#sndNxt = ack;
      this.#shift = shiftOf(tcp);
      this.#window = get16(tcp + 14);
      this.#connected = this.#due = true;
      return;
    }
    if ((ack - this.#sndUna | 0) > 0) this.#sndUna = ack;
    if ((this.#sndNxt - ack | 0) < 0) this.#sndNxt = ack;
    this.#window = get16(tcp + 14) << this.#shift;
    const fin = flags & FIN;
    if (data + fin === 0) return;
    this.#due = true;
    if (seq !== this.#rcvNxt) return;
    this.#rcvNxt = seq + data + fin >>> 0;
    this.#received += data;
    if (fin !== 0) this.#ended = true;
  }

  #acknowledge(): void {
    this.#due = false;
    this.#send(ACK, 0);
  }

  /** MSS, and a window scale. */
  #syn(): void {
    const options = this.#out + HEADROOM + HEADERS;
    u8.set([2, 4, MSS >> 8, MSS & 255, 1, 3, 3, SHIFT], options);
    this.#write(SYN, 8, 0);
    u8.fill(0, options, options + 8);
    this.#sndNxt = this.#sndUna + 1 >>> 0;
  }

  #send(flags: number, data: number): void {
    this.#write(flags, 0, data);
    this.#sndNxt = this.#sndNxt + data + (flags & FIN) >>> 0;
  }

  #write(flags: number, options: number, data: number): void {
    const ip = this.#out + HEADROOM;
    const tcp = ip + IP;
    const length = HEADERS - IP + options + data;
    put16(ip + 2, IP + length);
    put16(ip + 10, ~fold(this.#ip + IP + length));
    put32(tcp + 4, this.#sndNxt);
    put32(tcp + 8, this.#rcvNxt);
    u8[tcp + 12] = (HEADERS - IP + options) << 2;
    u8[tcp + 13] = flags;
    put16(tcp + 14, WINDOW);
    const pseudo = fold(this.#pseudo + length);
    put16(tcp + 16, this.#offload ? pseudo : 0);
    if (!this.#offload) put16(tcp + 16, ~fold(pseudo + sum(tcp, length)));
    writeVnetHeader(ip, data > MSS ? MSS : 0, this.#offload);
    this.#pieces.setUint32(8, VNET_HEADER + IP + length, true);
    this.#libc.calls.writev(this.#fd, this.#piece, 1);
  }
}

/** The window scale among the options of a SYN; 0 without. */
function shiftOf(tcp: number): number {
  const end = tcp + (u8[tcp + 12]! >> 4) * 4;
  for (let at = tcp + 20; at < end && u8[at] !== 0; at += u8[at] === 1 ? 1 : u8[at + 1]! || 40) {
    if (u8[at] === 3) return u8[at + 2]!;
  }
  return 0;
}
