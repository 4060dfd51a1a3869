/** Messages of the Convert Protocol (RFC 8803 §6): what stands at the beginning of the byte stream between a client and a Transport Converter. */

import { isHostAddress, unmapped } from "../../../core/wire/ip.ts";

/** The port of the service (RFC 8803 §10.1). */
export const CONVERT_PORT = 5124;
/** The version of RFC 8803 §6.1. */
export const CONVERT_VERSION = 1;
const MAGIC = 0x2263;
/** Octets of the fixed header, and of all that a message may have (RFC 8803 §6.1: 255 words). */
const HEADER = 4;
const MOST_WORDS = 255;
/** Octets of a Base Connect TLV (RFC 8803 §6.2.5). */
const BASE_CONNECT = 20;
/** Words of an echo that leave room for both headers. */
const MOST_ECHO = (MOST_WORDS - 2) * 4;

/** Types of TLVs (RFC 8803 §6.2.2, Table 1). */
const TYPES = {
  info: 1,
  connect: 10,
  "extended TCP header": 20,
  "supported TCP extensions": 21,
  cookie: 22,
  error: 30,
} as const;

/** Error codes (RFC 8803 §6.2.8, Table 2). */
export const CONVERT_ERRORS = {
  "Unsupported Version": 0,
  "Malformed Message": 1,
  "Unsupported Message": 2,
  "Missing Cookie": 3,
  "Not Authorized": 32,
  "Unsupported TCP Option": 33,
  "Resource Exceeded": 64,
  "Network Failure": 65,
  "Connection Reset": 96,
  "Destination Unreachable": 97,
} as const;

/** The name of one. */
export type ConvertErrorName = keyof typeof CONVERT_ERRORS;

/** One TCP option that a client asks for (RFC 8803 §6.2.5, Figure 19). */
export interface AskedOption {
  /** Its Kind. */
  readonly kind: number;
  /** Its value; empty: the converter makes one. */
  readonly value: Uint8Array;
}

/** One TLV. */
export type Tlv =
  | { readonly type: "info" }
  | {
    readonly type: "connect";
    /** 16 octets: IPv4 as IPv4-mapped IPv6. */
    readonly address: Uint8Array;
    readonly port: number;
    readonly options: readonly AskedOption[];
  }
  | { readonly type: "extended TCP header"; readonly options: Uint8Array }
  | { readonly type: "supported TCP extensions"; readonly kinds: readonly number[] }
  | { readonly type: "cookie"; readonly cookie: Uint8Array }
  | { readonly type: "error"; readonly code: number; readonly value: Uint8Array };

/** A message that breaks a rule: what a converter answers with, as an Error TLV. A client resets the connection. */
export class ConvertFault extends Error {
  /** The error that says so. */
  readonly error: ConvertErrorName;
  /** What its Value field has. */
  readonly value: Uint8Array;

  /** @param error What is wrong. @param message The same for people. @param value Of the Error TLV. */
  constructor(error: ConvertErrorName, message: string, value: Uint8Array = new Uint8Array()) {
    super(message);
    this.name = "ConvertFault";
    this.error = error;
    this.value = value;
  }
}

/** What comes is no Convert message: nothing of it is answered. */
export class NoConvertMessage extends Error {
  override name = "NoConvertMessage";
}

/** A message of these TLVs. */
export function encodeMessage(tlvs: readonly Tlv[]): Uint8Array {
  const parts = tlvs.map(encodeTlv);
  const words = 1 + parts.reduce((sum, { length }) => sum + length / 4, 0);
  if (words > MOST_WORDS) {
    throw new RangeError(`a Convert message has at most ${MOST_WORDS} words: it would be ${words}`);
  }
  const message = new Uint8Array(words * 4);
  message.set([CONVERT_VERSION, words, MAGIC >> 8, MAGIC & 255]);
  let at = HEADER;
  for (const part of parts) {
    message.set(part, at);
    at += part.length;
  }
  return message;
}

/** Octets of a TLV, padded to a word (RFC 8803 §6.2.1). */
function frame(type: keyof typeof TYPES, value: Uint8Array): Uint8Array {
  const words = Math.ceil((2 + value.length) / 4);
  if (words > MOST_WORDS) throw new RangeError(`a TLV has at most ${MOST_WORDS} words`);
  const octets = new Uint8Array(words * 4);
  octets[0] = TYPES[type];
  octets[1] = words;
  octets.set(value, 2);
  return octets;
}

function encodeTlv(tlv: Tlv): Uint8Array {
  switch (tlv.type) {
    case "info":
      return frame("info", new Uint8Array(2));
    case "connect":
      return frame(
        "connect",
        Uint8Array.of(
          tlv.port >> 8,
          tlv.port & 255,
          ...tlv.address,
          ...tlv.options.flatMap(({ kind, value }) => [kind, 2 + value.length, ...value]),
        ),
      );
    case "extended TCP header":
      return frame(tlv.type, Uint8Array.of(0, 0, ...tlv.options));
    case "supported TCP extensions":
      return frame(tlv.type, Uint8Array.of(0, 0, ...tlv.kinds));
    case "cookie":
      return frame("cookie", Uint8Array.of(0, 0, ...tlv.cookie));
    case "error":
      return frame("error", Uint8Array.of(tlv.code, ...tlv.value));
  }
}

/** What stands at the beginning of a stream, for `Head.next()`; null: more is needed. */
export function findMessage(
  bytes: Uint8Array,
): { readonly value: Uint8Array; readonly length: number } | null {
  if (bytes.length < HEADER) return null;
  const [version = 0, words = 0, high = 0, low = 0] = bytes;
  if ((high << 8 | low) !== MAGIC) {
    throw new NoConvertMessage("what came does not begin with a Convert message (RFC 8803)");
  }
  // RFC 8803 §6.1: "A Total Length of zero is invalid and the connection MUST be reset".
  if (words === 0) throw new NoConvertMessage("a Convert message has a Total Length of zero");
  if (version !== CONVERT_VERSION) {
    throw new ConvertFault(
      "Unsupported Version",
      `Convert version ${version} is not spoken, but version ${CONVERT_VERSION}`,
      Uint8Array.of(CONVERT_VERSION),
    );
  }
  const length = words * 4;
  return bytes.length < length ? null : { value: bytes.slice(0, length), length };
}

/** The Value field of an error that echoes what led to it (RFC 8803 §6.2.8, Figure 23): a zero, and as much of the message as a message has room for. */
export function echoOf(message: Uint8Array): Uint8Array {
  return Uint8Array.of(0, ...message.subarray(0, MOST_ECHO));
}

/**
 * The TLVs of a message.
 *
 * @throws {ConvertFault} a TLV is cut off, comes twice, has a wrong length, or is none that RFC 8803 has.
 */
export function parseMessage(message: Uint8Array): Tlv[] {
  const echo = echoOf(message);
  const malformed = (why: string): never => {
    throw new ConvertFault("Malformed Message", why, echo);
  };
  const tlvs: Tlv[] = [];
  const seen = new Set<number>();
  for (let at = HEADER; at < message.length;) {
    const type = message[at]!;
    const length = message[at + 1]! * 4;
    if (length === 0) malformed("a TLV has a Length of zero");
    if (at + length > message.length) malformed("a TLV goes beyond the Total Length");
    const value = message.subarray(at + 2, at + length);
    if (!Object.values<number>(TYPES).includes(type)) {
      throw new ConvertFault(
        "Unsupported Message",
        `a TLV of type ${type} is not known`,
        echo,
      );
    }
    // RFC 8803 §6.2.1: "A given TLV MUST only appear once on a connection".
    if (seen.has(type)) malformed(`a TLV of type ${type} came twice`);
    seen.add(type);
    tlvs.push(parseTlv(type, value, malformed));
    at += length;
  }
  return tlvs;
}

function parseTlv(type: number, value: Uint8Array, malformed: (why: string) => never): Tlv {
  switch (type) {
    case TYPES.info:
      if (value.length !== 2) malformed("an Info TLV has a Length of 1");
      return { type: "info" };
    case TYPES.connect: {
      if (value.length < BASE_CONNECT - 2) malformed("a Connect TLV has a Length of 5 at least");
      const port = value[0]! << 8 | value[1]!;
      const address = value.slice(2, 18);
      // RFC 8803 §6.2.5: no multicast, broadcast or host loopback address.
      if (!isHostAddress(unmapped(address))) {
        malformed("a Connect TLV has an address that is no other host's");
      }
      if (port === 0) malformed("a Connect TLV has port 0");
      return { type: "connect", address, port, options: parseOptions(value.slice(18), malformed) };
    }
    case TYPES["extended TCP header"]:
      return { type: "extended TCP header", options: value.slice(2) };
    case TYPES["supported TCP extensions"]:
      return {
        type: "supported TCP extensions",
        kinds: [...value.subarray(2)].filter((kind) => kind !== 0),
      };
    case TYPES.cookie:
      return { type: "cookie", cookie: value.slice(2) };
    default:
      return { type: "error", code: value[0]!, value: value.slice(1) };
  }
}

/** RFC 8803 §6.2.5, Figure 19: options of a SYN that a client asks for. */
function parseOptions(bytes: Uint8Array, malformed: (why: string) => never): AskedOption[] {
  const options: AskedOption[] = [];
  for (let at = 0; at < bytes.length;) {
    const kind = bytes[at]!;
    // Padding with zeros, and RFC 8803 §7.1: Kinds 0 and 1 are ignored.
    if (kind <= 1) {
      at++;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (length < 2 || at + length > bytes.length) malformed(`a TCP option of Kind ${kind} is cut`);
    options.push({ kind, value: bytes.slice(at + 2, at + length) });
    at += length;
  }
  return options;
}

/** The name of an error code; null: none that RFC 8803 has. */
export function errorName(code: number): ConvertErrorName | null {
  const names = Object.keys(CONVERT_ERRORS) as ConvertErrorName[];
  return names.find((name) => CONVERT_ERRORS[name] === code) ?? null;
}
