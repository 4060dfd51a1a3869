/** Reads from packets which part of the data they carry: what a picture of a transfer is made of. */

const TCP = 6;
const OPTION_MPTCP = 30;
const SUBTYPE_DSS = 2;

/** Where the data of a packet stands in its stream. */
export interface Position {
  /** Low 32 bits of the data sequence number or, without MPTCP, the sequence number. */
  readonly sequence: number;
  /** Whether it is a data sequence number. */
  readonly mptcp: boolean;
  /** Bytes of payload. */
  readonly length: number;
}

/** The position of the data in an IPv4 or IPv6 packet without extension headers; null when it carries none. */
export function positionOf(packet: Uint8Array): Position | null {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const version = view.getUint8(0) >> 4;
  const header = version === 4 ? (view.getUint8(0) & 15) * 4 : 40;
  if (view.getUint8(version === 4 ? 9 : 6) !== TCP) return null;
  const payload = header + (view.getUint8(header + 12) >> 4) * 4;
  const length = packet.length - payload;
  if (length <= 0) return null;
  const seq = view.getUint32(header + 4);
  for (let at = header + 20; at < payload;) {
    const kind = view.getUint8(at);
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    if (kind === OPTION_MPTCP && view.getUint8(at + 2) >> 4 === SUBTYPE_DSS) {
      const flags = view.getUint8(at + 3);
      if ((flags & 4) !== 0) {
        // RFC 8684 §3.3: DATA_ACK of 0, 4 or 8 octets, DSN of 4 or 8, subflow sequence number, length.
        const dsn = at + 4 + ((flags & 1) === 0 ? 0 : (flags & 2) === 0 ? 4 : 8);
        return { sequence: view.getUint32((flags & 8) === 0 ? dsn : dsn + 4), mptcp: true, length };
      }
    }
    at += Math.max(2, view.getUint8(at + 1));
  }
  return { sequence: seq, mptcp: false, length };
}
