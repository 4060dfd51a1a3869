/** Writes captures of an emulated network that Wireshark and tshark read: pcapng, one interface for each link. */

import type { TraceRecord } from "../core/link/sim/trace.ts";
import type { Micros } from "../core/plugin.ts";

/** LINKTYPE_RAW: the packet starts with its IPv4 or IPv6 header. */
const RAW = 101;

/** Collects packets into the bytes of a pcapng file (draft-ietf-opsawg-pcapng). */
export class PcapWriter {
  readonly #blocks: Uint8Array[] = [];
  readonly #interfaces = new Map<string, number>();
  #length = 0;

  /** Starts a section. */
  constructor() {
    const body = new Uint8Array(16);
    const view = new DataView(body.buffer);
    view.setUint32(0, 0x1a2b3c4d, true); // byte order
    view.setUint16(4, 1, true); // version 1.0
    view.setBigInt64(8, -1n, true); // the length of the section is not known
    this.#block(0x0a0d0d0a, body);
  }

  /** How many interfaces it has. */
  get interfaces(): number {
    return this.#interfaces.size;
  }

  /** Adds a packet that passed the interface `name` at `at`; its bytes are copied. Times are kept to the nanosecond. */
  add(name: string, at: Micros, bytes: Uint8Array): void {
    let id = this.#interfaces.get(name);
    if (id === undefined) {
      id = this.#interfaces.size;
      this.#interfaces.set(name, id);
      this.#describe(name);
    }
    const body = new Uint8Array(20 + (bytes.length + 3 & ~3));
    const view = new DataView(body.buffer);
    const nanos = Math.round(at * 1000);
    view.setUint32(0, id, true);
    view.setUint32(4, Math.floor(nanos / 2 ** 32), true);
    view.setUint32(8, nanos >>> 0, true);
    view.setUint32(12, bytes.length, true);
    view.setUint32(16, bytes.length, true);
    body.set(bytes, 20);
    this.#block(6, body);
  }

  /** A trace that adds what passes at the host or router `at`, in and out; without a name, every packet where it is put on a link. */
  trace(at?: string): (record: TraceRecord) => void {
    return (record) => {
      const seen = at === undefined
        ? record.event === "send"
        : (record.event === "send" && record.from === at) ||
          (record.event === "receive" && record.to === at);
      if (seen) this.add(record.link, record.at, record.bytes);
    };
  }

  /** The file so far. */
  bytes(): Uint8Array<ArrayBuffer> {
    const file = new Uint8Array(this.#length);
    let at = 0;
    for (const block of this.#blocks) {
      file.set(block, at);
      at += block.length;
    }
    return file;
  }

  #describe(name: string): void {
    const text = new TextEncoder().encode(name);
    const body = new Uint8Array(8 + 4 + (text.length + 3 & ~3) + 8 + 4);
    const view = new DataView(body.buffer);
    view.setUint16(0, RAW, true);
    view.setUint16(8, 2, true); // if_name
    view.setUint16(10, text.length, true);
    body.set(text, 12);
    const next = 12 + (text.length + 3 & ~3);
    view.setUint16(next, 9, true); // if_tsresol: 10^-9 s
    view.setUint16(next + 2, 1, true);
    view.setUint8(next + 4, 9);
    this.#block(1, body);
  }

  #block(type: number, body: Uint8Array): void {
    const block = new Uint8Array(body.length + 12);
    const view = new DataView(block.buffer);
    view.setUint32(0, type, true);
    view.setUint32(4, block.length, true);
    block.set(body, 8);
    view.setUint32(block.length - 4, block.length, true);
    this.#blocks.push(block);
    this.#length += block.length;
  }
}
