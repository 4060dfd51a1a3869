/**
 * One line for one IP packet, read from its bytes alone, so that two versions of the stack are described by the same words. Numbers are those of
 * the packet, not offsets.
 */

import { render } from "./segment_text.ts";

const TCP = 6;
const FLAGS = ["F", "S", "R", "P", ".", "U", "E", "C"] as const;
const SUBTYPES = [
  "mpc",
  "join",
  "dss",
  "add",
  "rm",
  "prio",
  "fail",
  "fastclose",
  "tcprst",
] as const;

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A DATA_ACK, a mapping, or both (RFC 8684 §3.3). */
function dssText(view: DataView): string {
  const flags = view.getUint8(3);
  const words: string[] = [];
  let at = 4;
  const take = (wide: boolean): bigint | number => {
    const value = wide ? view.getBigUint64(at) : view.getUint32(at);
    at += wide ? 8 : 4;
    return value;
  };
  if ((flags & 1) !== 0) {
    words.push(`${(flags & 2) !== 0 ? "dack8" : "dack"} ${take((flags & 2) !== 0)}`);
  }
  if ((flags & 4) !== 0) {
    const dsn = take((flags & 8) !== 0);
    const ssn = take(false);
    const length = view.getUint16(at);
    at += 2;
    const sum = at < view.byteLength ? ` csum ${view.getUint16(at).toString(16)}` : "";
    const fin = (flags & 16) !== 0 ? " fin" : "";
    words.push(`${(flags & 8) !== 0 ? "map8" : "map"} ${dsn} ${ssn} ${length}${fin}${sum}`);
  }
  return words.join(" ");
}

/** One option; anything but those of each segment with its name and its bytes. */
function optionText(kind: number, bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (kind === 2) return `mss ${view.getUint16(2)}`;
  if (kind === 3) return `ws ${view.getUint8(2)}`;
  if (kind === 4) return "sackOK";
  if (kind === 5) {
    const blocks: string[] = [];
    for (let at = 2; at + 8 <= bytes.length; at += 8) {
      blocks.push(`${view.getUint32(at)}:${view.getUint32(at + 4)}`);
    }
    return `sack ${blocks.join(" ")}`;
  }
  if (kind === 8) return `TS ${view.getUint32(2)} ${view.getUint32(6)}`;
  if (kind !== 30) return `option ${kind} ${hex(bytes.subarray(2))}`;
  const subtype = bytes[2]! >> 4;
  if (subtype === 2) return dssText(view);
  return `${SUBTYPES[subtype] ?? `subtype ${subtype}`} ${hex(bytes.subarray(2))}`;
}

function optionsOf(bytes: Uint8Array): string[] {
  const options: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const kind = bytes[at]!;
    if (kind === 0) break;
    const size = kind === 1 ? 1 : bytes[at + 1] ?? 0;
    if (size === 0 || at + size > bytes.length) {
      options.push(`damaged ${hex(bytes.subarray(at))}`);
      break;
    }
    try {
      if (kind !== 1) options.push(optionText(kind, bytes.subarray(at, at + size)));
    } catch (error) {
      // An element may have changed a bit.
      if (!(error instanceof RangeError)) throw error;
      options.push(`damaged ${hex(bytes.subarray(at, at + size))}`);
    }
    at += size;
  }
  return options;
}

/** `SOURCE > DESTINATION FLAGS SEQ:END ack N win N <options>` of a TCP segment in an IPv4 or IPv6 packet without extension headers. */
export function packetText(packet: Uint8Array): string {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const four = packet[0]! >> 4 === 4;
  const header = four ? (packet[0]! & 15) * 4 : 40;
  const end = header + 20 > packet.length ? 0 : header + (packet[header + 12]! >> 4) * 4;
  if (packet[four ? 9 : 6] !== TCP || end < header + 20 || end > packet.length) return hex(packet);
  const width = four ? 4 : 16;
  const address = (at: number): string =>
    four ? packet.subarray(at, at + 4).join(".") : hex(packet.subarray(at, at + 16));
  const source = four ? 12 : 8;
  const seq = view.getUint32(header + 4);
  const segment = render({
    flags: FLAGS.filter((_, bit) => (packet[header + 13]! >> bit & 1) !== 0).join(""),
    ecn: (four ? packet[1]! : packet[1]! >> 4) & 3,
    seq,
    end: seq + packet.length - end,
    ack: view.getUint32(header + 8),
    win: view.getUint16(header + 14),
    options: optionsOf(packet.subarray(header + 20, end)),
  });
  return `${address(source)}.${view.getUint16(header)} > ${address(source + width)}.${
    view.getUint16(header + 2)
  } ${segment}`;
}
