/** The MPTCP options other than DSS (RFC 8684 §3), and Fast Open's (RFC 7413 §4.1.1), decoded from the last packet parsed and encoded for the next header. */

import { memory_alloc, u32, u8 } from "../../wasm/mod.ts";
import { RX_MPTCP, TX_RAW, TX_RAW_LENGTH } from "../../wasm/layout.ts";

/** Kind of every MPTCP option (RFC 8684 §3). */
const KIND = 30;
/** Kind of the Fast Open option (RFC 7413 §4.1.1). */
const FAST_OPEN = 34;
const NOP = 1;

/** Option subtypes (RFC 8684 table 3). */
export const MP_CAPABLE = 0;
export const MP_JOIN = 1;
export const DSS = 2;
export const ADD_ADDR = 3;
export const REMOVE_ADDR = 4;
export const MP_PRIO = 5;
export const MP_FAIL = 6;
export const MP_FASTCLOSE = 7;
export const MP_TCPRST = 8;

/** Reasons of MP_TCPRST (RFC 8684 §3.6). */
export const RST_UNSPECIFIED = 0;
export const RST_MPTCP = 1;
export const RST_RESOURCE = 2;
export const RST_PROHIBITED = 3;
export const RST_OUTSTANDING = 4;
export const RST_PERFORMANCE = 5;
export const RST_MIDDLEBOX = 6;

/**
 * Whether what `reason` tells is over some time, where the sender knows no better: the T flag. Resources come back, and what is queued for a path need not
 * be sent on the next one; the others last (RFC 8684 §3.6).
 */
export function isTransient(reason: number): boolean {
  return reason === RST_RESOURCE || reason === RST_OUTSTANDING;
}

/** Flags of MP_CAPABLE (RFC 8684 §3.1). */
export const CAPABLE_CHECKSUM = 0x80; // A
export const CAPABLE_EXTENSIBILITY = 0x40; // B
export const CAPABLE_DENY_JOIN = 0x20; // C
export const CAPABLE_HMAC_SHA256 = 0x01; // H

/** Eight octets as two 32-bit numbers. */
export interface Key {
  /** Upper 32 bits. */
  readonly high: number;
  /** Lower 32 bits. */
  readonly low: number;
}

/** A received MP_CAPABLE. Which members are set follows from its length: 4, 12, 20, 22 or 24. */
export interface MpCapable {
  /** Protocol version; this stack speaks 1. */
  readonly version: number;
  /** CAPABLE_* bits. */
  readonly flags: number;
  /** Octets of the option. */
  readonly length: number;
  /** Key of the sender, from 12 octets on. */
  readonly senderKey?: Key;
  /** Key of the receiver, from 20 octets on. */
  readonly receiverKey?: Key;
  /** Data-level length, from 22 octets on. */
  readonly dataLength?: number;
  /** Checksum field, with 24 octets. */
  readonly checksum?: number;
}

/** A received MP_JOIN. */
export interface MpJoin {
  /** 12 on a SYN, 16 on a SYN/ACK, 24 on an ACK. */
  readonly length: number;
  /** The B flag: use only as backup. */
  readonly backup: boolean;
  /** Address id of the sender's end. */
  readonly addressId: number;
  /** Token on a SYN. */
  readonly token: number;
  /** Random number on a SYN and on a SYN/ACK. */
  readonly nonce: number;
  /** 8 octets on a SYN/ACK, 20 on an ACK. */
  readonly hmac: Uint8Array;
}

/** A received ADD_ADDR. */
export interface AddAddr {
  /** The E flag. */
  readonly echo: boolean;
  /** Address id. */
  readonly addressId: number;
  /** 4 or 16 octets. */
  readonly address: Uint8Array;
  /** 0 when no port came. */
  readonly port: number;
  /** 8 octets; empty on an echo. */
  readonly hmac: Uint8Array;
}

/** Address of the option of `subtype` in the packet just parsed; 0 when there is none. */
export function optionAt(subtype: number): number {
  return u32[RX_MPTCP + subtype]!;
}

/** Whether the TCP header at `header` has an MPTCP option of `subtype`, of whatever length: for packets whose options are malformed. */
export function mentions(header: number, subtype: number): boolean {
  const end = header + (u8[header + 12]! >> 4) * 4;
  for (let at = header + 20; at + 1 < end && u8[at] !== 0;) {
    if (u8[at] === NOP) {
      at++;
      continue;
    }
    const length = u8[at + 1]!;
    if (length < 2) return false;
    if (u8[at] === KIND && length > 2 && u8[at + 2]! >> 4 === subtype) return true;
    at += length;
  }
  return false;
}

function read16(at: number): number {
  return u8[at]! << 8 | u8[at + 1]!;
}

function read32(at: number): number {
  return (u8[at]! << 24 | u8[at + 1]! << 16 | u8[at + 2]! << 8 | u8[at + 3]!) >>> 0;
}

function readKey(at: number): Key {
  return { high: read32(at), low: read32(at + 4) };
}

/** Decodes MP_CAPABLE (RFC 8684 §3.1). */
export function readMpCapable(at: number): MpCapable {
  const length = u8[at + 1]!;
  return {
    version: u8[at + 2]! & 15,
    flags: u8[at + 3]!,
    length,
    ...(length >= 12 && { senderKey: readKey(at + 4) }),
    ...(length >= 20 && { receiverKey: readKey(at + 12) }),
    ...(length >= 22 && { dataLength: read16(at + 20) }),
    ...(length >= 24 && { checksum: read16(at + 22) }),
  };
}

/**
 * Whether an MP_CAPABLE can be understood (RFC 8684 §3.1): one with the B flag, or without a crypto algorithm that is known, MUST be ignored as if it
 * had not come. A SYN proposes the highest version of its sender; what answers it has the one that is spoken: 1.
 */
export function isUnderstood({ version, flags }: MpCapable, proposal: boolean): boolean {
  // RFC 8684 §3.1: "which MUST be equal to or lower than the version number indicated in the initial MP_CAPABLE"
  // RFC 8684 §3.1: "If receiving a message with the 'B' flag set to 1 and this is not understood, then the MP_CAPABLE in this SYN MUST
  // be silently ignored"
  // RFC 8684 §3.1: "If flag bits 'D' through 'H' are all 0, the MP_CAPABLE option MUST be treated as invalid and ignored"
  return (proposal ? version >= 1 : version === 1) && (flags & CAPABLE_HMAC_SHA256) !== 0 &&
    (flags & CAPABLE_EXTENSIBILITY) === 0;
}

/** Decodes MP_JOIN (RFC 8684 §3.2). */
export function readMpJoin(at: number): MpJoin {
  const length = u8[at + 1]!;
  const hmac = length === 16
    ? u8.slice(at + 4, at + 12)
    : length === 24
    ? u8.slice(at + 4, at + 24)
    : new Uint8Array();
  return {
    length,
    backup: (u8[at + 2]! & 1) !== 0,
    addressId: u8[at + 3]!,
    token: length === 12 ? read32(at + 4) : 0,
    nonce: length === 12 ? read32(at + 8) : length === 16 ? read32(at + 12) : 0,
    hmac,
  };
}

/**
 * Decodes ADD_ADDR; family and port follow from its length.
 *
 * RFC 8684 §3.4.1: "The other bits are currently unassigned; they MUST be set to 0 by a sender and MUST be ignored by the receiver."
 */
export function readAddAddr(at: number): AddAddr {
  const length = u8[at + 1]!;
  const echo = (u8[at + 2]! & 1) !== 0;
  const body = length - 4 - (echo ? 0 : 8);
  const size = body >= 16 ? 16 : 4;
  const end = at + 4 + body;
  return {
    echo,
    addressId: u8[at + 3]!,
    address: u8.slice(at + 4, at + 4 + size),
    port: body > size ? read16(at + 4 + size) : 0,
    hmac: echo ? new Uint8Array() : u8.slice(end, end + 8),
  };
}

/** The address ids of REMOVE_ADDR (RFC 8684 §3.4.2). */
export function readRemoveAddr(at: number): number[] {
  return [...u8.subarray(at + 3, at + u8[at + 1]!)];
}

/** The B flag of MP_PRIO (RFC 8684 §3.3.8). */
export function readMpPrio(at: number): boolean {
  return (u8[at + 2]! & 1) !== 0;
}

/** The receiver's key in MP_FASTCLOSE (RFC 8684 §3.5). */
export function readFastclose(at: number): Key {
  return readKey(at + 4);
}

/** The data sequence number in MP_FAIL (RFC 8684 §3.7). */
export function readMpFail(at: number): Key {
  return readKey(at + 4);
}

/** The reason in MP_TCPRST (RFC 8684 §3.6). */
export function readTcpRst(at: number): number {
  return u8[at + 3]!;
}

/** The T flag of MP_TCPRST: the path may be tried again (RFC 8684 §3.6). */
export function readTcpRstTransient(at: number): boolean {
  return (u8[at + 2]! & 1) !== 0;
}

/** Where options wait for `header_build`: a header holds 40 octets of them. */
const RAW = memory_alloc(64);
let end = RAW;

function put16(value: number): void {
  u8[end++] = value >>> 8;
  u8[end++] = value;
}

function put32(value: number): void {
  put16(value >>> 16);
  put16(value);
}

function putBytes(bytes: Uint8Array): void {
  u8.set(bytes, end);
  end += bytes.length;
}

function putKey(key: Key): void {
  put32(key.high);
  put32(key.low);
}

function begin(length: number, subtype: number, low: number): void {
  u8[end++] = KIND;
  u8[end++] = length;
  u8[end++] = subtype << 4 | low;
}

/** Forgets the options written so far; the next header has none. */
export function clearOptions(): void {
  end = RAW;
  u32[TX_RAW] = RAW;
  u32[TX_RAW_LENGTH] = 0;
}

/** Tells the header builder what was written since `clearOptions`. */
export function commitOptions(): void {
  u32[TX_RAW_LENGTH] = end - RAW;
}

/** Writes MP_CAPABLE with as many keys as are given, and a data-level length with its checksum. */
export function writeMpCapable(
  flags: number,
  sender?: Key,
  receiver?: Key,
  dataLength?: number,
  checksum?: number,
): void {
  let length = 4;
  if (sender !== undefined) length += 8;
  if (receiver !== undefined) length += 8;
  if (dataLength !== undefined) length += 2;
  if (checksum !== undefined) length += 2;
  // RFC 8684 §3.1: "the sender of the MP_CAPABLE option SHOULD signal the highest version number it supports"
  begin(length, MP_CAPABLE, 1);
  u8[end++] = flags;
  if (sender !== undefined) putKey(sender);
  if (receiver !== undefined) putKey(receiver);
  if (dataLength !== undefined) put16(dataLength);
  if (checksum !== undefined) put16(checksum);
  commitOptions();
}

/** Writes a Fast Open option and NOPs up to four octets: what follows begins where it would without. An empty `cookie` asks for one. */
export function writeFastOpen(cookie: Uint8Array): void {
  u8[end++] = FAST_OPEN;
  u8[end++] = 2 + cookie.length;
  putBytes(cookie);
  while ((end - RAW) % 4 !== 0) u8[end++] = NOP;
  commitOptions();
}

/** The cookie of the Fast Open option at `at`, copied. */
export function readFastOpen(at: number): Uint8Array {
  return u8.slice(at + 2, at + u8[at + 1]!);
}

/** Writes the MP_JOIN of a SYN. */
export function writeJoinSyn(
  backup: boolean,
  addressId: number,
  token: number,
  nonce: number,
): void {
  // RFC 8684 §3.2: "includes 4 bits of flags, 3 of which are currently reserved and MUST be set to 0 by the sender"
  begin(12, MP_JOIN, backup ? 1 : 0);
  u8[end++] = addressId;
  put32(token);
  put32(nonce);
  commitOptions();
}

/** Writes the MP_JOIN of a SYN/ACK; `hmac` has 8 octets. */
export function writeJoinSynAck(
  backup: boolean,
  addressId: number,
  hmac: Uint8Array,
  nonce: number,
): void {
  begin(16, MP_JOIN, backup ? 1 : 0);
  u8[end++] = addressId;
  putBytes(hmac);
  put32(nonce);
  commitOptions();
}

/** Writes the MP_JOIN of the third ACK; `hmac` has 20 octets. */
export function writeJoinAck(hmac: Uint8Array): void {
  // RFC 8684 §3.2: "The reserved bits in this option MUST be set to 0 by the sender."
  begin(24, MP_JOIN, 0);
  u8[end++] = 0;
  putBytes(hmac);
  commitOptions();
}

/** Writes ADD_ADDR; an empty `hmac` makes it an echo, port 0 leaves the port out. */
export function writeAddAddr(
  addressId: number,
  address: Uint8Array,
  port: number,
  hmac: Uint8Array,
): void {
  const length = 4 + address.length + (port > 0 ? 2 : 0) + hmac.length;
  // RFC 8684 §3.4.1: "The other bits are currently unassigned; they MUST be set to 0 by a sender and MUST be ignored by the receiver."
  begin(length, ADD_ADDR, hmac.length === 0 ? 1 : 0);
  u8[end++] = addressId;
  putBytes(address);
  if (port > 0) put16(port);
  putBytes(hmac);
  commitOptions();
}

/** Writes REMOVE_ADDR. */
export function writeRemoveAddr(ids: readonly number[]): void {
  begin(3 + ids.length, REMOVE_ADDR, 0);
  for (const id of ids) u8[end++] = id;
  commitOptions();
}

/** Writes MP_PRIO. */
export function writeMpPrio(backup: boolean): void {
  begin(3, MP_PRIO, backup ? 1 : 0);
  commitOptions();
}

/** Writes MP_FAIL. */
export function writeMpFail(dsn: Key): void {
  begin(12, MP_FAIL, 0);
  u8[end++] = 0;
  putKey(dsn);
  commitOptions();
}

/** Writes MP_FASTCLOSE with the key of the peer. */
export function writeFastclose(key: Key): void {
  begin(12, MP_FASTCLOSE, 0);
  u8[end++] = 0;
  putKey(key);
  commitOptions();
}

/** Writes MP_TCPRST; `transient` is the T flag: the path may be tried again. */
export function writeTcpRst(reason: number, transient: boolean): void {
  // RFC 8684 §3.6: "An implementation of this specification MUST set these flags to 0, and a receiver MUST ignore them."
  begin(4, MP_TCPRST, transient ? 1 : 0);
  u8[end++] = reason;
  commitOptions();
}
