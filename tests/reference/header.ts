/** IP and TCP headers with a DataView, one field after the other. */

import * as layout from "../../wasm/layout.ts";
import { fold, sum } from "./checksum.ts";

/** A data sequence signal (RFC 8684 §3.3). */
export interface Dss {
  /** DSS_* bits. */
  readonly flags: number;
  /** Upper and lower half; the upper one is 0 when only four bytes are on the wire. */
  readonly dataAck: readonly [number, number];
  /** Likewise. */
  readonly dsn: readonly [number, number];
  /** Subflow sequence number. */
  readonly ssn: number;
  /** Data-level length. */
  readonly length: number;
  /** -1 without. */
  readonly checksum: number;
}

/** What `packet_parse` finds; members that did not come are undefined. */
export interface Parsed {
  readonly family: number;
  readonly protocol: number;
  readonly ecn: number;
  /** Four or sixteen bytes. */
  readonly source: Uint8Array;
  readonly dest: Uint8Array;
  /** Offset of the transport header. */
  readonly transport: number;
  readonly total: number;
  /** Offset of the payload. */
  readonly payload: number;
  readonly tcp?: Tcp;
}

/** Of a TCP segment. */
export interface Tcp {
  readonly sourcePort: number;
  readonly destPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  /** OPTION_* bits. */
  readonly options: number;
  readonly mss?: number;
  readonly windowScale?: number;
  readonly timestamps?: readonly [number, number];
  readonly sack: readonly (readonly [number, number])[];
  readonly dss?: Dss;
  /** Offsets of the first option of each subtype 0 to 8. */
  readonly mptcp: readonly (number | undefined)[];
}

/** What `header_build` writes, beside the payload and the addresses. */
export interface Segment extends Omit<Tcp, "mptcp"> {
  readonly family: 4 | 6;
  readonly source: Uint8Array;
  readonly dest: Uint8Array;
  readonly id: number;
  readonly dscp: number;
  readonly ecn: number;
  readonly raw: Uint8Array;
}

function pseudoHeader(source: Uint8Array, dest: Uint8Array, protocol: number, length: number) {
  const bytes = new Uint8Array(2 * source.length + 8);
  bytes.set(source);
  bytes.set(dest, source.length);
  new DataView(bytes.buffer).setUint32(2 * source.length, length);
  bytes[bytes.length - 1] = protocol;
  return bytes;
}

/** Of parts of which only the last may be of odd length. */
function checksum(...parts: Uint8Array[]): number {
  return ~fold(parts.reduce((total, part) => total + sum(part), 0)) & 0xffff;
}

/** A verdict of `packet_parse`, or what it found. */
export function parse(packet: Uint8Array, verified: boolean): number | Parsed {
  if (packet.length === 0) return layout.PARSE_SHORT;
  const version = packet[0]! >> 4;
  if (version !== 4 && version !== 6) return layout.PARSE_VERSION;
  if (packet.length < (version === 4 ? 20 : 40)) return layout.PARSE_SHORT;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  return version === 4 ? parse4(packet, view, verified) : parse6(packet, view, verified);
}

function parse4(packet: Uint8Array, view: DataView, verified: boolean): number | Parsed {
  const headerLength = (packet[0]! & 15) * 4;
  const total = view.getUint16(2);
  if (headerLength < 20 || headerLength > total) return layout.PARSE_HEADER;
  if (total > packet.length) return layout.PARSE_SHORT;
  if (!verified && checksum(packet.subarray(0, headerLength)) !== 0) {
    return layout.PARSE_IP_CHECKSUM;
  }
  const fragment = view.getUint16(6);
  if ((fragment & 0x2000) !== 0 || (fragment & 0x1fff) !== 0) return layout.PARSE_FRAGMENT;
  const protocol = packet[9]!;
  if (protocol !== 6 && protocol !== 1) return layout.PARSE_PROTOCOL;
  const ip = {
    family: 4,
    protocol,
    ecn: packet[1]! & 3,
    source: packet.slice(12, 16),
    dest: packet.slice(16, 20),
    transport: headerLength,
    total,
  };
  return parseTransport(packet.subarray(0, total), view, ip, verified);
}

function parse6(packet: Uint8Array, view: DataView, verified: boolean): number | Parsed {
  const total = 40 + view.getUint16(4);
  if (total > packet.length) return layout.PARSE_SHORT;
  let protocol = packet[6]!;
  let at = 40;
  while ([0, 43, 44, 51, 60].includes(protocol)) {
    if (at + 8 > total) return layout.PARSE_HEADER;
    if (protocol === 43 && packet[at + 3]! !== 0) return layout.PARSE_PROTOCOL;
    if (protocol === 44) {
      const field = view.getUint16(at + 2);
      if (field >> 3 !== 0 || (field & 1) !== 0) return layout.PARSE_FRAGMENT;
    }
    const next = packet[at]!;
    if (protocol === 44) at += 8;
    else if (protocol === 51) at += (packet[at + 1]! + 2) * 4;
    else at += (packet[at + 1]! + 1) * 8;
    if (at > total) return layout.PARSE_HEADER;
    protocol = next;
  }
  if (protocol !== 6 && protocol !== 58) return layout.PARSE_PROTOCOL;
  const ip = {
    family: 6,
    protocol,
    ecn: packet[1]! >> 4 & 3,
    source: packet.slice(8, 24),
    dest: packet.slice(24, 40),
    transport: at,
    total,
  };
  return parseTransport(packet.subarray(0, total), view, ip, verified);
}

function parseTransport(
  packet: Uint8Array,
  view: DataView,
  ip: Omit<Parsed, "payload">,
  verified: boolean,
): number | Parsed {
  const at = ip.transport;
  const body = packet.subarray(at);
  const pseudo = pseudoHeader(ip.source, ip.dest, ip.protocol, body.length);
  const summed = ip.protocol === 1 ? [body] : [pseudo, body];
  if (ip.protocol !== 6) {
    if (body.length < 8) return layout.PARSE_SHORT;
    if (!verified && checksum(...summed) !== 0) return layout.PARSE_CHECKSUM;
    return { ...ip, payload: at + 8 };
  }
  if (body.length < 20) return layout.PARSE_SHORT;
  const headerLength = (body[12]! >> 4) * 4;
  if (headerLength < 20 || headerLength > body.length) return layout.PARSE_HEADER;
  if (!verified && checksum(...summed) !== 0) return layout.PARSE_CHECKSUM;
  const options = parseOptions(view, at + 20, at + headerLength, body[13]!);
  if (options === null) return layout.PARSE_OPTION;
  const tcp: Tcp = {
    sourcePort: view.getUint16(at),
    destPort: view.getUint16(at + 2),
    seq: view.getUint32(at + 4),
    ack: view.getUint32(at + 8),
    flags: body[13]!,
    window: view.getUint16(at + 14),
    ...options,
  };
  return { ...ip, payload: at + headerLength, tcp };
}

type Options = Pick<
  Tcp,
  "options" | "mss" | "windowScale" | "timestamps" | "sack" | "dss" | "mptcp"
>;

function parseOptions(view: DataView, at: number, end: number, flags: number): Options | null {
  const found: { -readonly [key in keyof Options]: Options[key] } = {
    options: 0,
    sack: [],
    mptcp: new Array(9).fill(undefined),
  };
  const mptcp = found.mptcp as (number | undefined)[];
  while (at < end) {
    const kind = view.getUint8(at);
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    const length = at + 1 < end ? view.getUint8(at + 1) : 0;
    if (length < 2 || at + length > end) return null;
    if (kind === 2 && length === 4) {
      found.options |= layout.OPTION_MSS;
      found.mss = view.getUint16(at + 2);
    } else if (kind === 3 && length === 3) {
      found.options |= layout.OPTION_WINDOW_SCALE;
      found.windowScale = view.getUint8(at + 2);
    } else if (kind === 4 && length === 2) {
      found.options |= layout.OPTION_SACK_PERMITTED;
    } else if (kind === 5 && [10, 18, 26, 34].includes(length)) {
      found.options |= layout.OPTION_SACK;
      const count = (length - 2) / 8;
      found.sack = Array.from({ length: count }, (_, i) => {
        const edge = at + 2 + 8 * i;
        return [view.getUint32(edge), view.getUint32(edge + 4)] as const;
      });
    } else if (kind === 8 && length === 10) {
      found.options |= layout.OPTION_TIMESTAMPS;
      found.timestamps = [view.getUint32(at + 2), view.getUint32(at + 6)];
    } else if (kind === 34 && (flags & 2) !== 0 && [2, 6, 8, 10, 12, 14, 16, 18].includes(length)) {
      // RFC 7413 §4.1.1
      found.options |= layout.OPTION_FAST_OPEN;
    } else if (kind === 30) {
      const subtype = length > 2 ? view.getUint8(at + 2) >> 4 : -1;
      if (subtype === -1) found.options |= layout.OPTION_MALFORMED;
      else if (subtype > 8 || mptcp[subtype] !== undefined) found.options |= layout.OPTION_MPTCP;
      else if (!isWellFormed(view, at, length, subtype, flags)) {
        found.options |= layout.OPTION_MALFORMED;
      } else {
        found.options |= layout.OPTION_MPTCP;
        mptcp[subtype] = at;
        if (subtype === 2) {
          found.options |= layout.OPTION_DSS;
          found.dss = parseDss(view, at, length);
        } else {
          found.options |= layout.OPTION_RARE;
        }
      }
    }
    at += length;
  }
  return found;
}

function dssLength(flags: number): number {
  const ack = (flags & 1) === 0 ? 0 : (flags & 2) === 0 ? 4 : 8;
  const mapping = (flags & 4) === 0 ? 0 : (flags & 8) === 0 ? 10 : 14;
  return 4 + ack + mapping;
}

/** The lengths of RFC 8684 §3. */
function isWellFormed(
  view: DataView,
  at: number,
  length: number,
  subtype: number,
  tcpFlags: number,
): boolean {
  const kind = (tcpFlags & layout.TCP_SYN) === 0
    ? "ack"
    : (tcpFlags & layout.TCP_ACK) === 0
    ? "syn"
    : "synAck";
  switch (subtype) {
    case 0:
      return { syn: [4], synAck: [12], ack: [20, 22, 24] }[kind].includes(length);
    case 1:
      return length === { syn: 12, synAck: 16, ack: 24 }[kind];
    case 2: {
      if (length < 4) return false;
      const flags = view.getUint8(at + 3);
      return length === dssLength(flags) || ((flags & 4) !== 0 && length === dssLength(flags) + 2);
    }
    case 3:
      return ((view.getUint8(at + 2) & 1) === 0 ? [16, 18, 28, 30] : [8, 10, 20, 22])
        .includes(length);
    case 4:
      return length > 3;
    case 5:
      return length === 3;
    case 8:
      return length === 4;
  }
  return length === 12;
}

function parseDss(view: DataView, at: number, length: number): Dss {
  const flags = view.getUint8(at + 3) & 31;
  let from = at + 4;
  const word = () => view.getUint32((from += 4) - 4);
  const pair = (present: number, long: number): [number, number] =>
    (flags & present) === 0 ? [0, 0] : (flags & long) === 0 ? [0, word()] : [word(), word()];
  const dataAck = pair(1, 2);
  const dsn = pair(4, 8);
  const mapped = (flags & 4) !== 0;
  return {
    flags,
    dataAck,
    dsn,
    ssn: mapped ? word() : 0,
    length: mapped ? view.getUint16(from) : 0,
    checksum: length > dssLength(flags) ? view.getUint16(from + 2) : -1,
  };
}

function be16(value: number): number[] {
  return [value >> 8 & 255, value & 255];
}

function be32(value: number): number[] {
  return [...be16(value >>> 16), ...be16(value)];
}

function padded(bytes: number[]): number[] {
  return [...bytes, ...new Array(-bytes.length & 3).fill(1)];
}

function dssBytes(dss: Dss): number[] {
  const pair = ([high, low]: readonly [number, number], present: number, long: number) =>
    (dss.flags & present) === 0
      ? []
      : [...((dss.flags & long) === 0 ? [] : be32(high)), ...be32(low)];
  const body = [...pair(dss.dataAck, 1, 2), ...pair(dss.dsn, 4, 8)];
  if ((dss.flags & 4) !== 0) {
    body.push(...be32(dss.ssn), ...be16(dss.length));
    if (dss.checksum >= 0) body.push(...be16(dss.checksum));
  }
  return padded([30, body.length + 4, 0x20, dss.flags, ...body]);
}

function optionBytes(segment: Segment): number[] {
  const has = (option: number) => (segment.options & option) !== 0;
  const bytes: number[] = [];
  if (has(layout.OPTION_MSS)) bytes.push(2, 4, ...be16(segment.mss!));
  const permitted = has(layout.OPTION_SACK_PERMITTED);
  if (has(layout.OPTION_TIMESTAMPS)) {
    bytes.push(...(permitted ? [4, 2] : [1, 1]), 8, 10, ...segment.timestamps!.flatMap(be32));
  } else if (permitted) bytes.push(1, 1, 4, 2);
  if (has(layout.OPTION_WINDOW_SCALE)) bytes.push(1, 3, 3, segment.windowScale!);
  if (has(layout.OPTION_SACK)) {
    bytes.push(1, 1, 5, 2 + 8 * segment.sack.length, ...segment.sack.flat().flatMap(be32));
  }
  if (has(layout.OPTION_DSS)) bytes.push(...dssBytes(segment.dss!));
  if (has(layout.OPTION_MPTCP)) bytes.push(...padded([...segment.raw]));
  return bytes;
}

/** The headers of a segment; empty when the options exceed 40 bytes. */
export function build(segment: Segment, payload: Uint8Array, checksumMode: number): Uint8Array {
  const options = optionBytes(segment);
  if (options.length > 40) return new Uint8Array();
  const length = 20 + options.length + payload.length;
  const trafficClass = segment.dscp << 2 | segment.ecn;
  const ip = Uint8Array.from(
    segment.family === 4
      ? [
        0x45,
        trafficClass,
        ...be16(20 + length),
        ...be16(segment.id),
        0x40,
        0,
        64,
        6,
        0,
        0,
        ...segment.source,
        ...segment.dest,
      ]
      : [
        ...be32((6 << 28 | trafficClass << 20) >>> 0),
        ...be16(length),
        6,
        64,
        ...segment.source,
        ...segment.dest,
      ],
  );
  if (segment.family === 4) ip.set(be16(checksum(ip)), 10);
  const tcp = Uint8Array.from([
    ...be16(segment.sourcePort),
    ...be16(segment.destPort),
    ...be32(segment.seq),
    ...be32(segment.ack),
    (20 + options.length) << 2,
    segment.flags,
    ...be16(segment.window),
    0,
    0,
    0,
    0,
    ...options,
  ]);
  const pseudo = pseudoHeader(segment.source, segment.dest, 6, length);
  if (checksumMode === layout.CHECKSUM_PARTIAL) tcp.set(be16(fold(sum(pseudo))), 16);
  if (checksumMode === layout.CHECKSUM_FULL) tcp.set(be16(checksum(pseudo, tcp, payload)), 16);
  return Uint8Array.from([...ip, ...tcp]);
}
