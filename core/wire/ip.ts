/** IP addresses and prefixes as text and as octets. */

/** An IPv4 or IPv6 address. */
export interface IpAddress {
  /** Its family. */
  readonly family: 4 | 6;
  /** 4 or 16 octets in network order. */
  readonly bytes: Uint8Array;
}

/** An address with the length of its network's prefix. */
export interface IpPrefix {
  /** The address, host bits included. */
  readonly address: IpAddress;
  /** Bits of the prefix: 0 to 32, or to 128. */
  readonly length: number;
}

const DOT = ".".charCodeAt(0);
const ZERO = "0".charCodeAt(0);

// Digit by digit: a connection has its ends read a few times, and pieces of text and regular expressions took ten times as long.
function parseIpv4(text: string): Uint8Array | null {
  if (text.length > 15) return null;
  let word = 0;
  let dots = 0;
  let octet = -1; // none of its digits has come
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (octet < 0 || dots === 3) return null;
      word = word << 8 | octet;
      dots++;
      octet = -1;
      continue;
    }
    const digit = code - ZERO;
    // A zero in front could mean that it is octal.
    if (digit < 0 || digit > 9 || octet === 0) return null;
    octet = octet < 0 ? digit : 10 * octet + digit;
    if (octet > 255) return null;
  }
  if (octet < 0 || dots < 3) return null;
  const bytes = new Uint8Array(4);
  bytes[0] = word >>> 16;
  bytes[1] = word >>> 8;
  bytes[2] = word;
  bytes[3] = octet;
  return bytes;
}

/** Groups of 16 bits; only the `last` ones of an address may end in a dotted quad (RFC 4291 §2.2). */
function parseGroups(text: string, last: boolean): number[] | null {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (last && i === parts.length - 1 && part.includes(".")) {
      const v4 = parseIpv4(part);
      if (v4 === null) return null;
      groups.push(v4[0]! << 8 | v4[1]!, v4[2]! << 8 | v4[3]!);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(parseInt(part, 16));
    } else {
      return null;
    }
  }
  return groups;
}

function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 255;
  });
  return bytes;
}

/** Reads a dotted quad or an IPv6 address (without zone); `null` when it is neither. */
export function parseAddress(text: string): IpAddress | null {
  const v4 = parseIpv4(text);
  if (v4 !== null) return { family: 4, bytes: v4 };
  const v6 = text.includes(":") ? parseIpv6(text) : null;
  return v6 === null ? null : { family: 6, bytes: v6 };
}

/** Writes 4 octets as a dotted quad and 16 as RFC 5952 demands: lower case, the longest run of zero groups shortened. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(bytes[i]! << 8 | bytes[i + 1]!);
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8;) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
    i = Math.max(end, i + 1);
  }
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  if (start < 0) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/** An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) as the IPv4 address that it stands for; any other as it is. */
export function unmapped(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 4 || bytes[10] !== 0xff || bytes[11] !== 0xff) return bytes;
  return bytes.subarray(0, 10).every((byte) => byte === 0) ? bytes.slice(12) : bytes;
}

/** The address that a host is reached at: as `parseAddress`, but an IPv4-mapped one is of IPv4. */
export function parseHost(text: string): IpAddress | null {
  const address = parseAddress(text);
  if (address === null) return null;
  const bytes = unmapped(address.bytes);
  return { family: bytes.length === 4 ? 4 : 6, bytes };
}

/**
 * Whether an address can be one host's in a packet: neither multicast or broadcast, unspecified, nor loopback (RFC 9293 §3.9.2.3, RFC 1122 §3.2.1.3), nor
 * an IPv4 address in the clothes of IPv6.
 */
export function isHostAddress(bytes: Uint8Array): boolean {
  const [first = 0] = bytes;
  if (bytes.length === 4) return first !== 0 && first !== 127 && first < 224;
  if (unmapped(bytes) !== bytes) return false;
  return first !== 0xff && (bytes[15]! > 1 || bytes.subarray(0, 15).some((byte) => byte !== 0));
}

/** Reads "10.0.0.1/24" or "fd00::1/64"; an address alone has the prefix of its own length. `null` when it is neither. */
export function parsePrefix(text: string): IpPrefix | null {
  const slash = text.indexOf("/");
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === null) return null;
  const bits = address.bytes.length * 8;
  if (slash < 0) return { address, length: bits };
  const suffix = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(suffix) || Number(suffix) > bits) return null;
  return { address, length: Number(suffix) };
}

/** Whether `address` lies in the network of `prefix`. */
export function inPrefix(address: IpAddress, prefix: IpPrefix): boolean {
  if (address.family !== prefix.address.family) return false;
  const whole = prefix.length >> 3;
  for (let i = 0; i < whole; i++) {
    if (address.bytes[i] !== prefix.address.bytes[i]) return false;
  }
  const rest = prefix.length & 7;
  if (rest === 0) return true;
  return (address.bytes[whole]! ^ prefix.address.bytes[whole]!) >> (8 - rest) === 0;
}
