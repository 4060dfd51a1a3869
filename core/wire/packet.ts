/** Packets as a host and its links hand them to each other: where they lie in WebAssembly memory. Addresses are of that memory, lengths in bytes. */

/**
 * An IP packet on its way out: headers, then up to two pieces of payload. A host has one of these and fills it anew for every packet: who is given it
 * reads it within the call and keeps neither it nor what it points to, but as `paged` says.
 */
export interface PacketOut {
  /** Where its headers start. The 16 bytes in front of them are the link's to write. */
  header: number;
  /** Length of the IP and TCP headers; of a packet that is in one piece, of all of it. */
  headerLength: number;
  /** The first piece of payload; of no meaning when `aLength` is 0. */
  a: number;
  /** Its length. */
  aLength: number;
  /** The second piece; of no meaning when `bLength` is 0. */
  b: number;
  /** Its length. */
  bLength: number;
  /** Payload of each segment that a super-segment is to be cut into; 0: it is one segment. */
  gsoSize: number;
  /**
   * Its payload lies on pages of a stream, and is not written anew: a link may have it stay there (`packet_lend`) for as long as the packet is on its way.
   *
   * @default {false}
   */
  paged?: boolean;
}

/**
 * An IP packet that has come in, in one piece but for `payload`. During the call that hands it over it is the host's to write, and so are the 16 bytes in
 * front of it.
 */
export interface PacketIn {
  /** Where its IP header starts, a multiple of 4. */
  address: number;
  /** Length of all of it. */
  length: number;
  /** Payload of each of the segments that were merged into it; 0: it came as one. */
  gsoSize: number;
  /** Its checksums are known to be good: they need not, and perhaps could not, be checked. */
  verified: boolean;
  /**
   * Where the payload of a TCP packet lies that is apart from its headers, and only to be read; 0: behind them. Only hosts that take it are given it
   * (`takesLanded` of core/host/link.ts), and it is verified.
   *
   * @default {0}
   */
  payload?: number;
}

/** An empty packet, to be filled and sent. */
export function packetOut(): PacketOut {
  return {
    header: 0,
    headerLength: 0,
    a: 0,
    aLength: 0,
    b: 0,
    bLength: 0,
    gsoSize: 0,
    paged: false,
  };
}

/** Makes `packet` one of `length` bytes at its `header` and nothing else. */
export function inOnePiece(packet: PacketOut, length: number): void {
  packet.headerLength = length;
  packet.aLength = 0;
  packet.bLength = 0;
  packet.gsoSize = 0;
  packet.paged = false;
}
