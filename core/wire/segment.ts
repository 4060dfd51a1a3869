/** The one segment that has just been parsed and the one that is being built: names for the words RX_* and TX_*, which nobody else reads or writes. */

import { dss_expected_sum, header_build, i32, packet_settle, u32, u8 } from "../../wasm/mod.ts";
import {
  DSS_DATA_ACK,
  DSS_DATA_FIN,
  DSS_DSN_8,
  DSS_MAPPING,
  OPTION_DSS,
  OPTION_FAST_OPEN,
  OPTION_MALFORMED,
  OPTION_MPTCP,
  OPTION_MSS,
  OPTION_RARE,
  OPTION_SACK,
  OPTION_SACK_PERMITTED,
  OPTION_TIMESTAMPS,
  OPTION_WINDOW_SCALE,
  RX_ACK,
  RX_AGAIN,
  RX_DATA_LENGTH,
  RX_DEST,
  RX_DEST_PORT,
  RX_DSN_LOW,
  RX_DSS_CHECKSUM,
  RX_DSS_FLAGS,
  RX_ECN,
  RX_FAMILY,
  RX_FAST_OPEN,
  RX_FLAGS,
  RX_FLOW,
  RX_IP,
  RX_LENGTH,
  RX_MPTCP,
  RX_MSS,
  RX_OPTIONS,
  RX_PAYLOAD,
  RX_PROTOCOL,
  RX_SACK,
  RX_SACK_COUNT,
  RX_SEQ,
  RX_SOURCE,
  RX_SOURCE_PORT,
  RX_SSN,
  RX_TOTAL,
  RX_TRANSPORT,
  RX_TSECR,
  RX_TSVAL,
  RX_WINDOW,
  RX_WINDOW_SCALE,
  TCP_CWR,
  TCP_ECE,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  TX_ACK,
  TX_DATA_ACK_HIGH,
  TX_DATA_ACK_LOW,
  TX_DATA_LENGTH,
  TX_DSS_CHECKSUM,
  TX_DSS_FLAGS,
  TX_ECN,
  TX_FLAGS,
  TX_MSS,
  TX_OPTIONS,
  TX_RAW_LENGTH,
  TX_SACK_COUNT,
  TX_SEQ,
  TX_SSN,
  TX_TSECR,
  TX_TSVAL,
  TX_WINDOW,
  TX_WINDOW_SCALE,
} from "../../wasm/layout.ts";
import type { IpAddress } from "./ip.ts";
import * as options from "./mptcp.ts";
import type { Key } from "./mptcp.ts";
import type { OptionPlan } from "./option_space.ts";
import type { PacketOut } from "./packet.ts";
import {
  dsnWords,
  type InitialDsn,
  receivedDataAck,
  receivedDsn,
  writeDataAck,
  writeDsn,
} from "./seq.ts";

/** The segment parsed last; what is read of it is gone with the next. Sequence numbers (see seq.ts) and window are as on the wire. */
class Rx {
  /** 4 or 6. */
  get family(): 4 | 6 {
    return u32[RX_FAMILY] === 4 ? 4 : 6;
  }

  /** Protocol above IP. */
  get protocol(): number {
    return u32[RX_PROTOCOL]!;
  }

  /** Value of the flow that it belongs to; 0 for none. */
  get flow(): number {
    return u32[RX_FLOW]!;
  }

  /** It says what the segment parsed before has said, of the same flow, but for sequence number, length and PSH; both have payload. */
  get again(): boolean {
    return u32[RX_AGAIN] === 1;
  }

  /** ECN bits of the IP header (RFC 3168 §5). */
  get ecn(): number {
    return u32[RX_ECN]!;
  }

  /** Source address, copied. */
  get source(): IpAddress {
    return this.#address(RX_SOURCE);
  }

  /** Destination address, copied. */
  get destination(): IpAddress {
    return this.#address(RX_DEST);
  }

  /** Source port. */
  get sourcePort(): number {
    return u32[RX_SOURCE_PORT]!;
  }

  /** Destination port. */
  get destinationPort(): number {
    return u32[RX_DEST_PORT]!;
  }

  /** Address of the IP header. */
  get ip(): number {
    return u32[RX_IP]!;
  }

  /** Address of the header above IP. */
  get transport(): number {
    return u32[RX_TRANSPORT]!;
  }

  /** Bytes of the packet. */
  get total(): number {
    return u32[RX_TOTAL]!;
  }

  /** SEG.SEQ. */
  get seq(): number {
    return i32[RX_SEQ]!;
  }

  /** SEG.ACK. */
  get ack(): number {
    return i32[RX_ACK]!;
  }

  /** TCP_* bits. */
  get flags(): number {
    return u32[RX_FLAGS]!;
  }

  /** The sender has reduced its window (RFC 3168 §6.1.2). */
  get cwr(): boolean {
    return (u32[RX_FLAGS]! & TCP_CWR) !== 0;
  }

  /** It echoes congestion (RFC 3168 §6.1.3): no SYN, where ECE means something else. */
  get ece(): boolean {
    return (u32[RX_FLAGS]! & (TCP_ECE | TCP_SYN)) === TCP_ECE;
  }

  /** SEG.WND, not scaled. */
  get window(): number {
    return u32[RX_WINDOW]!;
  }

  /** Address of the payload. */
  get payload(): number {
    return u32[RX_PAYLOAD]!;
  }

  /** The payload is at `address`, and not behind the headers. */
  lies(address: number): void {
    u32[RX_PAYLOAD] = address;
  }

  /** The first `length` bytes of the payload, copied. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    packet_settle();
    const at = u32[RX_PAYLOAD]!;
    return u8.slice(at, at + length);
  }

  /** Bytes of payload. */
  get length(): number {
    return u32[RX_LENGTH]!;
  }

  /** SEG.LEN: payload, SYN and FIN (RFC 9293 §3.4). */
  get taken(): number {
    const flags = u32[RX_FLAGS]!;
    return u32[RX_LENGTH]! + (flags & TCP_SYN ? 1 : 0) + (flags & TCP_FIN ? 1 : 0);
  }

  /** It has something that a sender repeats until it is acknowledged: payload or FIN, no SYN, no RST. */
  get hasText(): boolean {
    const flags = u32[RX_FLAGS]!;
    return (flags & (TCP_SYN | TCP_RST)) === 0 && (u32[RX_LENGTH]! > 0 || (flags & TCP_FIN) !== 0);
  }

  /** Leaves out what lies behind the first `length` bytes, a FIN too (RFC 9293 §3.10.7.4, seventh). */
  trim(length: number): void {
    u32[RX_LENGTH] = length;
    u32[RX_FLAGS]! &= ~TCP_FIN;
  }

  /** Whether an MSS option came. */
  get hasMss(): boolean {
    return (u32[RX_OPTIONS]! & OPTION_MSS) !== 0;
  }

  /** Its value. */
  get mss(): number {
    return u32[RX_MSS]!;
  }

  /** Whether a window scale option came. */
  get hasWindowScale(): boolean {
    return (u32[RX_OPTIONS]! & OPTION_WINDOW_SCALE) !== 0;
  }

  /** Its shift. */
  get windowScale(): number {
    return u32[RX_WINDOW_SCALE]!;
  }

  /** Whether SACK-permitted came. */
  get sackPermitted(): boolean {
    return (u32[RX_OPTIONS]! & OPTION_SACK_PERMITTED) !== 0;
  }

  /** Whether timestamps came. */
  get hasTimestamps(): boolean {
    return (u32[RX_OPTIONS]! & OPTION_TIMESTAMPS) !== 0;
  }

  /** TSval. */
  get tsval(): number {
    return i32[RX_TSVAL]!;
  }

  /** TSecr. */
  get tsecr(): number {
    return i32[RX_TSECR]!;
  }

  /** SACK blocks that came. */
  get sacks(): number {
    return (u32[RX_OPTIONS]! & OPTION_SACK) === 0 ? 0 : u32[RX_SACK_COUNT]!;
  }

  /** Left edge of a SACK block. */
  left(block: number): number {
    return i32[RX_SACK + 2 * block]!;
  }

  /** Its right edge. */
  right(block: number): number {
    return i32[RX_SACK + 2 * block + 1]!;
  }

  /** The cookie of the Fast Open option of a SYN or SYN/ACK, copied: empty where it asks for one; null when none came. */
  get fastOpen(): Uint8Array | null {
    if ((u32[RX_OPTIONS]! & OPTION_FAST_OPEN) === 0) return null;
    return options.readFastOpen(u32[RX_FAST_OPEN]!);
  }

  /** Whether any MPTCP option came. */
  get hasMptcp(): boolean {
    return (u32[RX_OPTIONS]! & OPTION_MPTCP) !== 0;
  }

  /** Whether an MPTCP option of wrong length was left out. */
  get malformed(): boolean {
    return (u32[RX_OPTIONS]! & OPTION_MALFORMED) !== 0;
  }

  /** Whether a well-formed DSS came. */
  get hasDss(): boolean {
    return (u32[RX_OPTIONS]! & OPTION_DSS) !== 0;
  }

  /** Whether a DSS came, and no other MPTCP option, well-formed or not. */
  get plainDss(): boolean {
    return (u32[RX_OPTIONS]! & (OPTION_DSS | OPTION_RARE | OPTION_MALFORMED)) === OPTION_DSS;
  }

  /** Whether no MPTCP option came but DSS. */
  get onlyDss(): boolean {
    return (u32[RX_OPTIONS]! & OPTION_RARE) === 0;
  }

  /** Address of the MPTCP option of a subtype; 0 when it did not come. */
  option(subtype: number): number {
    return u32[RX_MPTCP + subtype]!;
  }

  /** DSS_* bits of the DSS. */
  get dssFlags(): number {
    return u32[RX_DSS_FLAGS]!;
  }

  /** Whether the DSS acknowledges. */
  get hasDataAck(): boolean {
    return (u32[RX_DSS_FLAGS]! & DSS_DATA_ACK) !== 0;
  }

  /** Whether the DSS has a mapping. */
  get hasMapping(): boolean {
    return (u32[RX_DSS_FLAGS]! & DSS_MAPPING) !== 0;
  }

  /** Whether the mapping's number has eight octets. */
  get longDsn(): boolean {
    return (u32[RX_DSS_FLAGS]! & DSS_DSN_8) !== 0;
  }

  /** Whether the mapping ends with DATA_FIN. */
  get dataFin(): boolean {
    return (u32[RX_DSS_FLAGS]! & DSS_DATA_FIN) !== 0;
  }

  /** The DATA_ACK as an offset near `near`; NaN when it cannot be. */
  dataAck(initial: InitialDsn, near: number): number {
    return receivedDataAck(u32[RX_DSS_FLAGS]!, initial, near);
  }

  /** The mapping's data sequence number as an offset near `near`; NaN when it cannot be. */
  dsn(initial: InitialDsn, near: number): number {
    return receivedDsn(u32[RX_DSS_FLAGS]!, initial, near);
  }

  /** Lower half of the mapping's data sequence number. */
  get dsnLow(): number {
    return i32[RX_DSN_LOW]!;
  }

  /** The mapping's subflow sequence number: an offset already (RFC 8684 §3.3.1). */
  get ssn(): number {
    return u32[RX_SSN]!;
  }

  /** Its data-level length, DATA_FIN included. */
  get dataLength(): number {
    return u32[RX_DATA_LENGTH]!;
  }

  /** Its checksum field; -1 without. */
  get dssChecksum(): number {
    return i32[RX_DSS_CHECKSUM]!;
  }

  /** The one's-complement sum that the payload of a mapping with checksum field `field` must have (RFC 8684 §3.3.1). */
  expectedSum(
    dsn: number,
    initial: InitialDsn,
    ssn: number,
    length: number,
    field: number,
  ): number {
    const { high, low } = dsnWords(dsn, initial);
    return dss_expected_sum(high, low, ssn >>> 0, length, field);
  }

  #address(word: number): IpAddress {
    const at = word << 2;
    const { family } = this;
    return { family, bytes: u8.slice(at, at + (family === 4 ? 4 : 16)) };
  }
}

/** The segment parsed last. */
export const rx: Rx = new Rx();

/**
 * The MPTCP options of the segment being built, other than DSS: `tx.begin()` makes it, the call that sends takes it. There is one; a `begin()` takes
 * back what the one before it wrote.
 */
export class Draft {
  /** MP_CAPABLE with as many keys as are given, and a data-level length with its checksum (RFC 8684 §3.1). */
  capable(
    flags: number,
    sender?: Key,
    receiver?: Key,
    dataLength?: number,
    checksum?: number,
  ): this {
    options.writeMpCapable(flags, sender, receiver, dataLength, checksum);
    return this;
  }

  /** The Fast Open option of a SYN or SYN/ACK (RFC 7413 §4.1.1); an empty `cookie` asks for one. */
  fastOpen(cookie: Uint8Array): this {
    options.writeFastOpen(cookie);
    return this;
  }

  /** The MP_JOIN of a SYN (RFC 8684 §3.2). */
  joinSyn(backup: boolean, addressId: number, token: number, nonce: number): this {
    options.writeJoinSyn(backup, addressId, token, nonce);
    return this;
  }

  /** The MP_JOIN of a SYN/ACK; `hmac` has 8 octets. */
  joinSynAck(backup: boolean, addressId: number, hmac: Uint8Array, nonce: number): this {
    options.writeJoinSynAck(backup, addressId, hmac, nonce);
    return this;
  }

  /** The MP_JOIN of the third ACK; `hmac` has 20 octets. */
  joinAck(hmac: Uint8Array): this {
    options.writeJoinAck(hmac);
    return this;
  }

  /** ADD_ADDR; an empty `hmac` makes it an echo, port 0 leaves the port out (RFC 8684 §3.4.1). */
  addAddr(addressId: number, address: Uint8Array, port: number, hmac: Uint8Array): this {
    options.writeAddAddr(addressId, address, port, hmac);
    return this;
  }

  /** REMOVE_ADDR (RFC 8684 §3.4.2). */
  removeAddr(ids: readonly number[]): this {
    options.writeRemoveAddr(ids);
    return this;
  }

  /** MP_PRIO (RFC 8684 §3.3.8). */
  prio(backup: boolean): this {
    options.writeMpPrio(backup);
    return this;
  }

  /** MP_FAIL (RFC 8684 §3.7). */
  fail(dsn: Key): this {
    options.writeMpFail(dsn);
    return this;
  }

  /** MP_FASTCLOSE with the key of the peer (RFC 8684 §3.5). */
  fastclose(key: Key): this {
    options.writeFastclose(key);
    return this;
  }

  /** MP_TCPRST; `transient` is the T flag: the path may be tried again (RFC 8684 §3.6). */
  tcpRst(reason: number, transient: boolean): this {
    options.writeTcpRst(reason, transient);
    return this;
  }
}

const draft = new Draft();

/** The segment being built. */
class Tx {
  /** Begins a segment: it has no MPTCP option yet. */
  begin(): Draft {
    options.clearOptions();
    return draft;
  }

  /** Octets of the MPTCP options written since `begin`. */
  get optionLength(): number {
    return u32[TX_RAW_LENGTH]!;
  }

  /** The TCP header's fixed part; all as on the wire. */
  header(seq: number, ack: number, flags: number, window: number): void {
    u32[TX_SEQ] = seq;
    u32[TX_ACK] = ack;
    u32[TX_FLAGS] = flags;
    u32[TX_WINDOW] = window;
    u32[TX_ECN] = 0;
    u32[TX_OPTIONS] = u32[TX_RAW_LENGTH]! > 0 ? OPTION_MPTCP : 0;
  }

  /** The ECN bits of the IP header (RFC 3168 §5); without this they are 0. */
  ecn(field: number): void {
    u32[TX_ECN] = field;
  }

  /** Another sequence number and flags under the same header: the next packet of a super-segment's worth. */
  next(seq: number, flags: number): void {
    u32[TX_SEQ] = seq;
    u32[TX_FLAGS] = flags;
  }

  /** What a SYN or SYN/ACK offers (RFC 9293 §3.7.1, RFC 7323, RFC 2018). */
  offer(mss: number, sack: boolean, windowScale: number): void {
    u32[TX_MSS] = mss;
    u32[TX_OPTIONS]! |= OPTION_MSS | (sack ? OPTION_SACK_PERMITTED : 0);
    if (windowScale < 0) return;
    u32[TX_WINDOW_SCALE] = windowScale;
    u32[TX_OPTIONS]! |= OPTION_WINDOW_SCALE;
  }

  /** Timestamps (RFC 7323 §3.2). */
  timestamps(tsval: number, tsecr: number): void {
    u32[TX_TSVAL] = tsval;
    u32[TX_TSECR] = tsecr;
    u32[TX_OPTIONS]! |= OPTION_TIMESTAMPS;
  }

  /** DSS and SACK blocks as far as `plan` lets them; the words they consist of are written apart. */
  plan(plan: Readonly<OptionPlan>): void {
    u32[TX_DSS_FLAGS] = plan.dss;
    u32[TX_SACK_COUNT] = plan.sack;
    u32[TX_OPTIONS]! |= (plan.dss !== 0 ? OPTION_DSS : 0) | (plan.sack > 0 ? OPTION_SACK : 0);
  }

  /** The DATA_ACK of the DSS. */
  dataAck(offset: number, initial: InitialDsn): void {
    writeDataAck(offset, initial);
  }

  /** The DATA_ACK of the DSS, as on the wire. */
  dataAckWords({ high, low }: InitialDsn): void {
    u32[TX_DATA_ACK_HIGH] = high;
    u32[TX_DATA_ACK_LOW] = low;
  }

  /** The mapping of the DSS; `ssn` is an offset, `checksum` -1 without. */
  mapping(dsn: number, initial: InitialDsn, ssn: number, length: number, checksum: number): void {
    writeDsn(dsn, initial);
    u32[TX_SSN] = ssn >>> 0;
    u32[TX_DATA_LENGTH] = length;
    u32[TX_DSS_CHECKSUM] = checksum;
  }

  /** Writes the headers of `out`, whose payload pieces are set, from a flow's key. */
  build(key: number, out: PacketOut, checksumMode: number): void {
    out.headerLength = header_build(
      key,
      out.header,
      out.a,
      out.aLength,
      out.b,
      out.bLength,
      checksumMode,
    );
  }
}

/** The segment being built. */
export const tx: Tx = new Tx();
