/** One flow of a scripted peer, and the packets that it writes and reads. */

import { assert, assertEquals } from "@std/assert";
import { writeKey } from "../../core/host/flow_key.ts";
import type { Micros } from "../../core/plugin.ts";
import { parseAddress } from "../../core/wire/ip.ts";
import {
  copy,
  header_build,
  memory_alloc,
  packet_alloc,
  packet_parse,
  u32,
  u8,
} from "../../wasm/mod.ts";
import * as L from "../../wasm/layout.ts";
import {
  type FlowNumbers,
  mappingOf,
  octet,
  readOptions,
  type Session,
  stream,
  writeOptions,
} from "./segment_codec.ts";
import { type Described, mismatch, parseTemplate, render } from "./segment_text.ts";

const KEY = memory_alloc(L.KEY_SIZE);
const HEADER = memory_alloc(256) + 16;
const BUFFER = packet_alloc(66048);
/** Where payload lies, with room for the largest header in front. */
export const PAYLOAD = BUFFER + 256;

/** A packet that the stack sent. */
export interface Sent {
  readonly link: string;
  readonly bytes: Uint8Array;
  readonly gsoSize: number;
}

/** Where a peer plays: the stack's side of the wire. */
export interface Stage {
  readonly now: Micros;
  /** What was sent and not taken out. */
  readonly sent: Sent[];
  /** Puts a packet in. */
  inject(bytes: Uint8Array, link?: number, gsoSize?: number, flush?: boolean): void;
}

/** What a scripted peer offers in its SYN or SYN/ACK. */
export interface Offer {
  readonly mptcp?: boolean;
  readonly checksum?: boolean;
  /** Asks for ECN, or agrees to it. */
  readonly ecn?: boolean;
  readonly timestamps?: boolean;
  readonly sack?: boolean;
  readonly scale?: number | null;
  readonly mss?: number;
  /** Bytes in the SYN; and what a SYN/ACK acknowledges. */
  readonly early?: number;
  readonly ack?: number;
  /** Window of the SYN, not scaled. */
  readonly win?: number;
  readonly link?: number;
  readonly port?: number;
  /** Round trip of the handshake in microseconds. @default {20000} */
  readonly rtt?: Micros;
}

/** Reads a packet that the stack sent into RX_*. */
export function parse(bytes: Uint8Array): void {
  const address = PAYLOAD - (PAYLOAD & 3);
  u8.set(bytes, address);
  assertEquals(
    packet_parse(0, address, bytes.length, 0),
    L.PARSE_OK,
    "a malformed packet was sent",
  );
}

/** The address at a word of RX_*. */
export function addressText(word: number): string {
  const octets = u8.slice(word << 2, (word << 2) + (u32[L.RX_FAMILY] === 4 ? 4 : 16));
  if (octets.length === 4) return octets.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => octets[2 * i]! << 8 | octets[2 * i + 1]!);
  return groups.map((each) => each.toString(16)).join(":");
}

/** A packet in a few words. */
export function describeRaw(bytes: Uint8Array): string {
  parse(bytes);
  return `${addressText(L.RX_SOURCE)}:${u32[L.RX_SOURCE_PORT]} > ${u32[L.RX_DEST_PORT]} flags ${
    u32[L.RX_FLAGS]
  } length ${u32[L.RX_LENGTH]}`;
}

/** Ends of a flow; `local` is the stack's. */
export interface PeerOptions {
  readonly link: number;
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
  readonly session: Session;
}

/** A segment that the stack sent. */
export interface Got extends Described {
  readonly payload: Uint8Array;
  readonly gsoSize: number;
  /** The packet. */
  readonly bytes: Uint8Array;
}

/** Those of `segments` that bring data. */
export function withData(segments: readonly Got[]): Got[] {
  return segments.filter(({ seq, end }) => end > seq);
}

/** First data offset and end of what a segment brings, by its mapping. */
export function dataOf({ seq, end, options }: Got): [number, number] {
  const [, dsn, ssn] = options.find((each) => each.startsWith("map"))!.split(" ").map(Number);
  return [dsn! + seq - ssn!, dsn! + end - ssn!];
}

/** Data offsets that those of `segments` begin at which bring any. */
export function dataOffsets(segments: readonly Got[]): number[] {
  return withData(segments).map((got) => dataOf(got)[0]);
}

/** One flow of a scripted peer. `local` is the stack's end. */
export class Peer implements FlowNumbers {
  readonly link: number;
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
  readonly session: Session;
  readonly iss = 0xfffffe00;
  irs = 0;
  ourNonce = 0x0a0b0c0d;
  theirNonce = 0;
  /** Next sequence offset of the peer. */
  next = 0;
  /** End of what the stack sent in order, as far as it was taken out. */
  acked = 0;
  /** Window of what it sends, not scaled. */
  window = 60000;
  /** Its window scale, and the stack's. */
  scale = 7;
  theirScale = 0;
  timestamps = false;
  #lastTsval = 0;
  #theirTsval = 0;
  readonly #stage: Stage;

  constructor(stage: Stage, options: PeerOptions) {
    this.#stage = stage;
    this.link = options.link;
    this.local = options.local;
    this.localPort = options.localPort;
    this.remote = options.remote;
    this.remotePort = options.remotePort;
    this.session = options.session;
  }

  /** Sends a SYN or SYN/ACK with what `offer` says. */
  offers(
    offer: Offer,
    flags: "S" | "S." | "SEW" | "S.E" | "S.EW",
    options: readonly string[],
  ): void {
    const { timestamps = true, sack = true, scale = 7, mss = 1460, win = 65535 } = offer;
    const all = [`mss ${mss}`, ...options];
    if (sack) all.push("sackOK");
    if (timestamps) all.push("TS 1000 0");
    if (scale !== null) all.push(`ws ${scale}`);
    this.scale = scale ?? 0;
    this.timestamps = timestamps;
    if (offer.win !== undefined) this.window = offer.win;
    if (scale === null) this.theirScale = 0;
    const { early = 0, ack = 1 } = offer;
    const range = early > 0 ? `0:${early}` : "0";
    const acked = flags.includes(".") ? ` ack ${ack}` : "";
    this.sends(`${flags} ${range}${acked} win ${win} <${all.join(", ")}>`);
  }

  /** The packet of a line. What the line leaves out follows from what was said before. */
  packet(text: string, payload?: Uint8Array): Uint8Array {
    const line = parseTemplate(text);
    const syn = line.flags.includes("S");
    const seq = line.seq ?? this.next;
    const length = payload?.length ?? line.more ?? (line.end ?? seq) - seq;
    const options = [...(line.options ?? [])];
    const mapping = mappingOf(options, this.session, seq, length);
    const first = mapping === null ? seq + Number(syn) : mapping.dsn + seq - mapping.ssn;
    for (let i = 0; i < length; i++) u8[PAYLOAD + i] = payload?.[i] ?? octet("peer", first + i);
    const named = options.some((each) => each.startsWith("TS "));
    if (this.timestamps && !named && !options.includes("noTS") && !line.flags.includes("R")) {
      options.unshift(`TS ${this.tsval} ${this.#theirTsval}`);
    }
    const without = options.filter((each) => each !== "noTS");
    writeOptions(without, this, seq, PAYLOAD, length, this.scale);
    u32[L.TX_SEQ] = this.iss + seq;
    u32[L.TX_ACK] = line.flags.includes(".") ? this.irs + (line.ack ?? this.acked) : 0;
    u32[L.TX_FLAGS] = [...line.flags].reduce((flags, each) => flags | FLAGS[each]!, 0);
    u32[L.TX_WINDOW] = line.win ?? this.window;
    u32[L.TX_ECN] = line.ecn;
    const local = parseAddress(this.remote)!;
    writeKey(local, this.remotePort, parseAddress(this.local)!, this.localPort, 0, KEY);
    const size = header_build(KEY, HEADER, PAYLOAD, length, 0, 0, L.CHECKSUM_FULL);
    assert(size > 0, `the options of "${text}" take more than 40 octets`);
    copy(PAYLOAD - size, HEADER, size);
    const taken = (syn ? 1 : 0) + length + (line.flags.includes("F") ? 1 : 0);
    this.next = Math.max(this.next, seq + taken);
    if (mapping !== null) {
      this.session.dataNext = Math.max(this.session.dataNext, mapping.dsn + mapping.length);
    }
    return u8.slice(PAYLOAD - size, PAYLOAD + length);
  }

  /** What its clock says. */
  get tsval(): number {
    this.#lastTsval = 1000 + Math.floor(this.#stage.now / 1000);
    return this.#lastTsval;
  }

  /** Puts the segment of a line in, and ends the batch. */
  sends(text: string, payload?: Uint8Array): void {
    this.#stage.inject(this.packet(text, payload), this.link);
  }

  /** Puts it in without ending the batch. */
  sendsMore(text: string): void {
    this.#stage.inject(this.packet(text), this.link, 0, false);
  }

  /** Sends the next `length` bytes of the stream in one segment with a mapping of their own. */
  data(length: number, options = ""): void {
    this.sends(`P. +${length} <dack8 ${this.dataAcked}, map8${options}>`);
  }

  /** DATA_ACK of all that was taken out, on whatever subflow. */
  get dataAcked(): number {
    return this.session.dataAcked;
  }

  /** Acknowledges all that was taken out, on both levels. */
  acks(): void {
    this.sends(`. ack ${this.acked} <dack8 ${this.dataAcked}>`);
  }

  /** Takes out the next segment of this flow, whatever it is. */
  take(): Got {
    const { sent } = this.#stage;
    const index = sent.findIndex(({ bytes }) => this.#mine(bytes));
    if (index < 0) throw new Error(`nothing was sent to ${this.remote}:${this.remotePort}`);
    const [{ bytes, gsoSize }] = sent.splice(index, 1) as [Sent];
    return this.#describe(bytes, gsoSize);
  }

  /** Loses all that was sent on this flow and not taken out; returns how many packets. */
  lose(): number {
    const { sent } = this.#stage;
    const lost = sent.filter(({ bytes }) => this.#mine(bytes));
    for (const each of lost) sent.splice(sent.indexOf(each), 1);
    return lost.length;
  }

  /** Takes out all of this flow. */
  takeAll(): Got[] {
    const all: Got[] = [];
    while (this.pending) all.push(this.take());
    return all;
  }

  /** Whether something was sent to it and not taken out. */
  get pending(): boolean {
    return this.#stage.sent.some(({ bytes }) => this.#mine(bytes));
  }

  /** Takes out the next segment and compares it with a line. */
  gets(text: string): Got {
    let got: Got;
    try {
      got = this.take();
    } catch (error) {
      throw new Error(`expected "${text}", but ${(error as Error).message}`);
    }
    const wrong = mismatch(parseTemplate(text), got);
    if (wrong !== null) throw new Error(`${wrong}: expected "${text}", got "${render(got)}"`);
    return got;
  }

  #mine(bytes: Uint8Array): boolean {
    parse(bytes);
    return u32[L.RX_DEST_PORT] === this.remotePort && u32[L.RX_SOURCE_PORT] === this.localPort &&
      addressText(L.RX_DEST) === expand(this.remote) &&
      addressText(L.RX_SOURCE) === expand(this.local);
  }

  #describe(bytes: Uint8Array, gsoSize: number): Got {
    parse(bytes);
    const bits = u32[L.RX_FLAGS]!;
    const ecn = u32[L.RX_ECN]!;
    const flags = Object.entries(FLAGS).filter(([, bit]) => bits & bit).map(([each]) => each);
    if (bits & L.TCP_SYN) {
      this.irs = u32[L.RX_SEQ]!;
      if (u32[L.RX_OPTIONS]! & L.OPTION_WINDOW_SCALE) this.theirScale = u32[L.RX_WINDOW_SCALE]!;
    }
    const seq = (u32[L.RX_SEQ]! - this.irs) | 0;
    const length = u32[L.RX_LENGTH]!;
    if (u32[L.RX_OPTIONS]! & L.OPTION_TIMESTAMPS) this.#theirTsval = u32[L.RX_TSVAL]!;
    const options = readOptions(this);
    const payload = u8.slice(u32[L.RX_PAYLOAD]!, u32[L.RX_PAYLOAD]! + length);
    const mapping = mapped(options);
    if (length > 0) {
      const inSyn = bits & L.TCP_SYN ? 1 : 0;
      const first = mapping === null ? seq + inSyn : mapping.dsn + seq - mapping.ssn;
      assertEquals(payload, stream("stack", first, length), "wrong payload");
    }
    const end = seq + length;
    const taken = end + (bits & L.TCP_SYN ? 1 : 0) + (bits & L.TCP_FIN ? 1 : 0);
    if (seq <= this.acked) this.acked = Math.max(this.acked, taken);
    if (mapping !== null) {
      const dataEnd = mapping.ssn === 0 ? mapping.dsn + 1 : mapping.dsn + end - mapping.ssn +
        (mapping.fin && end === mapping.ssn + mapping.length - 1 ? 1 : 0);
      const dataFrom = mapping.ssn === 0 ? mapping.dsn : mapping.dsn + seq - mapping.ssn;
      this.session.take(dataFrom, dataEnd);
    }
    return {
      flags: flags.join(""),
      ecn,
      seq,
      end,
      ack: (u32[L.RX_ACK]! - this.iss) | 0,
      win: u32[L.RX_WINDOW]!,
      options,
      payload,
      gsoSize,
      bytes,
    };
  }
}

function mapped(options: readonly string[]): {
  dsn: number;
  ssn: number;
  length: number;
  fin: boolean;
} | null {
  for (const option of options) {
    const [name, dsn, ssn, length, fin] = option.split(" ");
    if (name === "mpc" && option.includes(" len ")) {
      return { dsn: 1, ssn: 1, length: 0, fin: false };
    }
    if (name !== "map" && name !== "map8") continue;
    return { dsn: +dsn!, ssn: +ssn!, length: +length!, fin: fin === "fin" };
  }
  return null;
}

/** An address as `addressText` writes it. */
function expand(address: string): string {
  const { bytes } = parseAddress(address)!;
  if (bytes.length === 4) return address;
  const groups = Array.from({ length: 8 }, (_, i) => bytes[2 * i]! << 8 | bytes[2 * i + 1]!);
  return groups.map((each) => each.toString(16)).join(":");
}

const FLAGS: Readonly<Record<string, number>> = {
  S: L.TCP_SYN,
  F: L.TCP_FIN,
  R: L.TCP_RST,
  P: L.TCP_PSH,
  U: L.TCP_URG,
  ".": L.TCP_ACK,
  E: L.TCP_ECE,
  W: L.TCP_CWR,
};
