/**
 * 32-bit and 64-bit sequence arithmetic; it stands nowhere else.
 *
 * Inside the stack a sequence number is an offset from the initial one, a plain number (exact to 2^53): 0 is the octet that SYN or MP_CAPABLE
 * takes, 1 the first byte. Comparisons are those of numbers. Only what crosses the wire wraps: its 32 bits are taken as a signed integer, which engines
 * never box, and tell nothing by their sign.
 */

import { i32, u32 } from "../../wasm/mod.ts";
import {
  DSS_DATA_ACK_8,
  DSS_DSN_8,
  RX_DATA_ACK_HIGH,
  RX_DATA_ACK_LOW,
  RX_DSN_HIGH,
  RX_DSN_LOW,
  TX_DATA_ACK_HIGH,
  TX_DATA_ACK_LOW,
  TX_DSN_HIGH,
  TX_DSN_LOW,
} from "../../wasm/layout.ts";

const WORD = 4294967296;

/** The 32 bits on the wire of an offset. */
export function toWire(offset: number, initial: number): number {
  return (initial + (offset | 0)) | 0;
}

/** The offset nearest to `near` whose 32 bits on the wire are `wire`; negative when it lies before the initial number. */
export function fromWire(wire: number, initial: number, near: number): number {
  return near + ((wire - (initial + (near | 0))) | 0);
}

/** An offset that was read from memory, where it is a double, as the small integer that it is below 2^31: what keeps it, or hands it on, would box the other. */
export function asOffset(value: number): number {
  return value < 2147483648 ? value | 0 : value;
}

/** Signed distance from `b` to `a` of 32-bit numbers such as timestamps (RFC 7323 §5.2). */
export function distance32(a: number, b: number): number {
  return (a - b) | 0;
}

/** An initial data sequence number: the 64 bits that offset 0 has on the wire, in words of 32 bits whose sign tells nothing. */
export interface InitialDsn {
  /** Its upper 32 bits. */
  readonly high: number;
  /** Its lower 32 bits. */
  readonly low: number;
}

/** Upper 32 bits of `initial` + `offset`. */
function highWord(offset: number, initial: InitialDsn): number {
  // RFC 8684 §3.3.1: "Data sequence numbers are always 64-bit quantities and MUST be maintained as such in implementations."
  const wraps = Math.floor(offset / WORD);
  const low = (initial.low >>> 0) + (offset - wraps * WORD);
  return (initial.high + wraps + (low >= WORD ? 1 : 0)) | 0;
}

/**
 * Expands what came in the words `high` and `low` of memory to an offset near `near` (RFC 8684 §3.3.1: four octets stand for the nearest number; eight
 * must agree in full). NaN when eight octets name a number more than 2^31 away.
 */
function expand(
  high: number,
  low: number,
  eight: boolean,
  initial: InitialDsn,
  near: number,
): number {
  // RFC 8684 §3.3.1: "An implementation MUST be able to receive and process both 64-bit and 32-bit sequence number values"
  // RFC 8684 §3.3.1: "Implementations MUST accept a 32-bit DSN and implicitly promote it to a 64-bit quantity"
  // RFC 8684 §3.3.1: "A sanity check MUST be implemented to ensure that a wrap occurs at an expected time … and is not triggered by out-of-order
  // packets"
  // RFC 8684 §3.3.2: "an implementation can choose whether to send a 32-bit or 64-bit Data ACK, and an implementation MUST accept either"
  const offset = fromWire(i32[low]!, initial.low, near);
  return eight && i32[high]! !== highWord(offset, initial) ? NaN : offset;
}

/**
 * The data sequence number of the mapping in RX_* as an offset; NaN when it cannot be. Four octets stand for one near `near`, as eight do for what lies ahead.
 * Below it eight may lie anywhere: a path that was silent repeats what it had, however much has come on others since, and is to be acknowledged for it.
 */
export function receivedDsn(dssFlags: number, initial: InitialDsn, near: number): number {
  const eight = (dssFlags & DSS_DSN_8) !== 0;
  const offset = expand(RX_DSN_HIGH, RX_DSN_LOW, eight, initial, near);
  return offset === offset ? offset : fromBelow(initial, near);
}

/** The offset of the eight octets in RX_*, which are not near `near`; NaN when it is not below that. */
function fromBelow(initial: InitialDsn, near: number): number {
  const offset = fromWire(i32[RX_DSN_LOW]!, initial.low, near);
  const wraps = (i32[RX_DSN_HIGH]! - highWord(offset, initial)) | 0;
  const exact = offset + wraps * WORD;
  return wraps < 0 && exact >= 0 ? exact : NaN;
}

/** The DATA_ACK in RX_* as an offset near `near`; NaN when it cannot be. */
export function receivedDataAck(dssFlags: number, initial: InitialDsn, near: number): number {
  const eight = (dssFlags & DSS_DATA_ACK_8) !== 0;
  return expand(RX_DATA_ACK_HIGH, RX_DATA_ACK_LOW, eight, initial, near);
}

/** The offset near `near` whose 64 bits on the wire are `words`; NaN when it is more than 2^31 away. */
export function fromWords(words: InitialDsn, initial: InitialDsn, near: number): number {
  const offset = fromWire(words.low | 0, initial.low, near);
  return (words.high | 0) === highWord(offset, initial) ? offset : NaN;
}

/** Writes a DATA_ACK to TX_*. */
export function writeDataAck(offset: number, initial: InitialDsn): void {
  u32[TX_DATA_ACK_LOW] = toWire(offset, initial.low);
  u32[TX_DATA_ACK_HIGH] = highWord(offset, initial);
}

/** Writes a mapping's data sequence number to TX_*. */
export function writeDsn(offset: number, initial: InitialDsn): void {
  u32[TX_DSN_LOW] = toWire(offset, initial.low);
  u32[TX_DSN_HIGH] = highWord(offset, initial);
}

/** The upper and lower 32 bits of an offset's number on the wire. */
export function dsnWords(offset: number, initial: InitialDsn): InitialDsn {
  return { high: highWord(offset, initial) >>> 0, low: toWire(offset, initial.low) >>> 0 };
}
