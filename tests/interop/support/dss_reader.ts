/**
 * Reads a capture of an MPTCP connection and verifies the DSS checksum of every mapping (RFC 8684 §3.3.1), which tshark does not. It shares no code with
 * the stack.
 */

import { createHash } from "node:crypto";

/** What it found. */
export interface DssReport {
  /** TCP segments with payload or MPTCP options. */
  readonly segments: number;
  /** Senders of mappings: directions of subflows. */
  readonly senders: readonly string[];
  /** Different mappings. */
  readonly mappings: number;
  /** Payload bytes below those whose checksum is right. */
  readonly verifiedBytes: number;
  /** What is wrong, in words; empty: nothing. */
  readonly wrong: readonly string[];
}

/** LINKTYPE_RAW and LINKTYPE_LINUX_SLL2. */
const RAW = 101;
const SLL2 = 276;

const MP_CAPABLE = 0;
const MP_JOIN = 1;
const DSS = 2;

interface Mapping {
  readonly dsn: bigint;
  readonly ssn: number;
  readonly length: number;
  readonly fin: boolean;
  readonly checksum: number | null;
}

/** One direction of a subflow. */
class Sender {
  readonly name: string;
  /** Sequence number of its SYN. */
  iss = -1;
  /** Payload; the first byte has sequence offset 1, at index 1. */
  bytes = new Uint8Array(1 << 16);
  /** What of it was captured: [start, end), in order and apart. */
  readonly ranges: [number, number][] = [];
  readonly mappings = new Map<string, Mapping>();
  /** Initial data sequence number, once its key is known. */
  idsn: bigint | null = null;
  /** It is of the end that has begun the connection, whoever began the subflow. */
  client = false;

  constructor(name: string) {
    this.name = name;
  }

  /** Keeps payload; false when it differs from what came before in its place. */
  put(start: number, payload: Uint8Array): boolean {
    const end = start + payload.length;
    if (end > this.bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.bytes.length));
      grown.set(this.bytes);
      this.bytes = grown;
    }
    for (const [from, to] of this.ranges) {
      for (let i = Math.max(from, start); i < Math.min(to, end); i++) {
        if (this.bytes[i] !== payload[i - start]) return false;
      }
    }
    this.bytes.set(payload, start);
    this.ranges.push([start, end]);
    this.ranges.sort((a, b) => a[0] - b[0]);
    for (let i = 1; i < this.ranges.length; i++) {
      const [last, next] = [this.ranges[i - 1]!, this.ranges[i]!];
      if (next[0] > last[1]) continue;
      last[1] = Math.max(last[1], next[1]);
      this.ranges.splice(i--, 1);
    }
    return true;
  }

  has(start: number, end: number): boolean {
    return start >= end || this.ranges.some(([from, to]) => from <= start && end <= to);
  }
}

/** The packets of a pcap file, from their IP headers on. */
function* packets(file: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const little = view.getUint32(0, true) === 0xa1b2c3d4;
  if (!little && view.getUint32(0) !== 0xa1b2c3d4) throw new Error("Cannot read this: no pcap");
  const link = view.getUint32(20, little) & 0xffff;
  if (link !== RAW && link !== SLL2) throw new Error(`Cannot read packets of link type ${link}`);
  for (let at = 24; at + 16 <= file.length;) {
    const length = view.getUint32(at + 8, little);
    if (length !== view.getUint32(at + 12, little)) throw new Error("A packet was cut off");
    at += 16;
    yield file.subarray(at + (link === SLL2 ? 20 : 0), at + length);
    at += length;
  }
}

/** Sum of 16-bit words, folded (RFC 1071). */
function sum16(bytes: Uint8Array, start: number): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i++) sum += bytes[i]! << (i % 2 === 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  return sum;
}

/** The checksum that a mapping should have. */
function checksumOf({ dsn, ssn, length }: Mapping, payload: Uint8Array): number {
  const pseudo = new Uint8Array(16);
  const view = new DataView(pseudo.buffer);
  view.setBigUint64(0, dsn);
  view.setUint32(8, ssn);
  view.setUint16(12, length);
  return ~sum16(payload, sum16(pseudo, 0)) & 0xffff;
}

/** Reads captures of one connection. */
class Reader {
  /** The last data sequence number of each end: one of four octets stands for the nearest. */
  readonly #last = new Map<boolean, bigint>();
  /** Whose token it is: that of the end that has begun the connection. */
  readonly #tokens = new Map<number, boolean>();
  readonly senders = new Map<string, Sender>();
  readonly wrong: string[] = [];
  segments = 0;

  #sender(name: string): Sender {
    let sender = this.senders.get(name);
    if (sender === undefined) this.senders.set(name, sender = new Sender(name));
    return sender;
  }

  packet(ip: Uint8Array): void {
    const view = new DataView(ip.buffer, ip.byteOffset, ip.byteLength);
    const four = ip[0]! >> 4 === 4;
    const tcp = four ? (ip[0]! & 15) * 4 : 40;
    if (ip[four ? 9 : 6] !== 6) return;
    const total = four ? view.getUint16(2) : 40 + view.getUint16(4);
    const text = (at: number): string => ip.subarray(at, at + (four ? 4 : 16)).join(".");
    const from = `${text(four ? 12 : 8)} ${view.getUint16(tcp)}`;
    const to = `${text(four ? 16 : 24)} ${view.getUint16(tcp + 2)}`;
    const sender = this.#sender(`${from} > ${to}`);
    const seq = view.getUint32(tcp + 4);
    const header = (ip[tcp + 12]! >> 4) * 4;
    const payload = ip.subarray(tcp + header, total);
    const flags = ip[tcp + 13]!;
    if (flags & 2) {
      sender.iss = seq;
      // Of a join's SYN its token tells.
      sender.client = (flags & 16) === 0 || !this.#sender(`${to} > ${from}`).client;
    }
    const offset = (seq - sender.iss) >>> 0;
    this.segments++;
    if ((flags & 6) === 0 && payload.length > 0 && !sender.put(offset, payload)) {
      this.wrong.push(`${sender.name}: other bytes in the place of offset ${offset}`);
    }
    for (let at = tcp + 20; at < tcp + header;) {
      const kind = ip[at]!;
      if (kind === 0) break;
      const length = kind === 1 ? 1 : ip[at + 1]!;
      if (kind === 30) {
        if ((flags & 18) === 2) this.#beginning(sender, view, at, length);
        this.#option(sender, view, at, length, payload.length);
      }
      at += length;
    }
  }

  /** The option of a SYN: a join is begun by the end whose token it does not have (RFC 8684 §3.2). */
  #beginning(sender: Sender, view: DataView, at: number, length: number): void {
    const join = view.getUint8(at + 2) >> 4 === MP_JOIN && length === 12;
    if (join) sender.client = !(this.#tokens.get(view.getUint32(at + 4)) ?? false);
  }

  #option(
    sender: Sender,
    view: DataView,
    at: number,
    length: number,
    payload: number,
  ): void {
    const subtype = view.getUint8(at + 2) >> 4;
    if (subtype === MP_CAPABLE && length >= 12) {
      const key = new Uint8Array(view.buffer, view.byteOffset + at + 4, 8);
      if (sender.idsn === null) {
        const hash = createHash("sha256").update(key).digest();
        sender.idsn = hash.readBigUInt64BE(24);
        this.#tokens.set(hash.readUInt32BE(0), sender.client);
        this.#last.set(sender.client, sender.idsn);
      }
      if (length < 22) return;
      this.#mapping(sender, {
        dsn: BigInt.asUintN(64, sender.idsn + 1n),
        ssn: 1,
        length: view.getUint16(at + 20),
        fin: false,
        checksum: length >= 24 ? view.getUint16(at + 22) : null,
      });
      return;
    }
    if (subtype !== DSS) return;
    const flags = view.getUint8(at + 3);
    if ((flags & 4) === 0) return;
    let field = at + 4 + ((flags & 1) === 0 ? 0 : flags & 2 ? 8 : 4);
    const last = this.#last.get(sender.client) ?? 0n;
    const eight = (flags & 8) !== 0;
    const dsn = eight
      ? view.getBigUint64(field)
      : BigInt.asUintN(64, last + BigInt.asIntN(32, BigInt(view.getUint32(field)) - last));
    this.#last.set(sender.client, dsn);
    field += eight ? 8 : 4;
    const mapped = view.getUint16(field + 4);
    if (mapped === 0) this.wrong.push(`${sender.name}: an infinite mapping`);
    if (payload > mapped) this.wrong.push(`${sender.name}: a mapping shorter than its segment`);
    this.#mapping(sender, {
      dsn,
      ssn: view.getUint32(field),
      length: mapped,
      fin: (flags & 16) !== 0,
      checksum: at + length >= field + 8 ? view.getUint16(field + 6) : null,
    });
  }

  #mapping(sender: Sender, mapping: Mapping): void {
    const { dsn, ssn, length, fin, checksum } = mapping;
    sender.mappings.set([dsn, ssn, length, fin, checksum].join(), mapping);
  }

  report(): DssReport {
    let mappings = 0;
    let verifiedBytes = 0;
    const senders: string[] = [];
    for (const sender of this.senders.values()) {
      if (sender.mappings.size > 0) senders.push(sender.name);
      for (const mapping of sender.mappings.values()) {
        mappings++;
        const { ssn, length, fin, checksum } = mapping;
        const end = ssn + length - (fin ? 1 : 0);
        const what = `${sender.name}: mapping of ${length} from ${ssn}`;
        if (checksum === null) this.wrong.push(`${what} has no checksum`);
        else if (!sender.has(ssn, end)) this.wrong.push(`${what} was not captured whole`);
        else {
          const expected = checksumOf(mapping, sender.bytes.subarray(ssn, end));
          if (expected === checksum) verifiedBytes += end - ssn;
          else this.wrong.push(`${what} has checksum ${checksum}, not ${expected}`);
        }
      }
    }
    return { segments: this.segments, senders, mappings, verifiedBytes, wrong: this.wrong };
  }
}

/** Reads a pcap file of a connection with DSS checksums, captured from its beginning. */
export function readDss(file: Uint8Array): DssReport {
  const reader = new Reader();
  for (const packet of packets(file)) reader.packet(packet);
  return reader.report();
}
