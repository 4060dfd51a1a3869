/** Writes captures that Wireshark and tshark read: pcapng, one interface for each link; of an emulated network, and of real links. */

import type { TraceRecord } from "../core/link/sim/trace.ts";
import type { Micros } from "../core/plugin.ts";

/** LINKTYPE_RAW: the packet starts with its IPv4 or IPv6 header. */
const RAW = 101;

/** More about one packet. */
export interface PacketNotes {
  /** Which way it went, as its host sees it. */
  readonly direction?: "in" | "out";
  /** A comment for whoever looks at it. */
  readonly comment?: string;
}

/** Codes of options. */
const OPT_COMMENT = 1;
const IF_NAME = 2;
const IF_TSRESOL = 9;
const EPB_FLAGS = 2;

/** An option: code, length, value, padded to four bytes. */
function option(code: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + (value.length + 3 & ~3));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, code, true);
  view.setUint16(2, value.length, true);
  bytes.set(value, 4);
  return bytes;
}

/** The options of a block, and their end; none are nothing. */
function options(...all: readonly Uint8Array[]): Uint8Array {
  if (all.length === 0) return new Uint8Array();
  return join(...all, new Uint8Array(4));
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Makes a pcapng file of packets (draft-ietf-opsawg-pcapng), and hands its blocks over one by one: it keeps none. */
export class PcapWriter {
  readonly #write: (block: Uint8Array<ArrayBuffer>) => void;
  readonly #interfaces = new Map<string, number>();

  /** Starts a section; `write` gets the file, block by block. */
  constructor(write: (block: Uint8Array<ArrayBuffer>) => void) {
    this.#write = write;
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

  /** Adds a packet that passed the interface `name` at `at`; its bytes are copied. Times are kept to the nanosecond, as far as a number holds them. */
  add(name: string, at: Micros, bytes: Uint8Array, notes: PacketNotes = {}): void {
    let id = this.#interfaces.get(name);
    if (id === undefined) {
      id = this.#interfaces.size;
      this.#interfaces.set(name, id);
      this.#describe(name);
    }
    const { direction, comment } = notes;
    const more = options(
      ...comment === undefined ? [] : [option(OPT_COMMENT, new TextEncoder().encode(comment))],
      ...direction === undefined
        ? []
        : [option(EPB_FLAGS, Uint8Array.of(direction === "in" ? 1 : 2, 0, 0, 0))],
    );
    const padded = bytes.length + 3 & ~3;
    const body = new Uint8Array(20 + padded + more.length);
    const view = new DataView(body.buffer);
    const nanos = Math.round(at * 1000);
    view.setUint32(0, id, true);
    view.setUint32(4, Math.floor(nanos / 2 ** 32), true);
    view.setUint32(8, nanos % 2 ** 32, true);
    view.setUint32(12, bytes.length, true);
    view.setUint32(16, bytes.length, true);
    body.set(bytes, 20);
    body.set(more, 20 + padded);
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

  #describe(name: string): void {
    const head = new Uint8Array(8);
    new DataView(head.buffer).setUint16(0, RAW, true);
    const more = options(
      option(IF_NAME, new TextEncoder().encode(name)),
      option(IF_TSRESOL, Uint8Array.of(9)), // 10^-9 s
    );
    this.#block(1, join(head, more));
  }

  #block(type: number, body: Uint8Array): void {
    const block = new Uint8Array(body.length + 12);
    const view = new DataView(block.buffer);
    view.setUint32(0, type, true);
    view.setUint32(4, block.length, true);
    block.set(body, 8);
    view.setUint32(block.length - 4, block.length, true);
    this.#write(block);
  }
}
