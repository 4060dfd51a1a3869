/** Addresses of UDP sockets: an IP address and a port. */

import { u8 } from "../../../wasm/mod.ts";
import { formatAddress, parseAddress, unmapped } from "../../wire/ip.ts";

/** Where datagrams come from and go to. */
export interface SocketAddress {
  /** 4 octets, or 16. */
  readonly address: Uint8Array;
  /** 0 to 65535. */
  readonly port: number;
  /** "192.0.2.1:8684", "[2001:db8::1]:8684". */
  readonly text: string;
}

/** Makes one. */
export function socketAddress(address: Uint8Array, port: number): SocketAddress {
  const host = formatAddress(address);
  return { address, port, text: address.length === 4 ? `${host}:${port}` : `[${host}]:${port}` };
}

/** Reads "192.0.2.1:8684", "[2001:db8::1]:8684", or an address alone, which gets `port`; `null` when it is none of them. */
export function parseSocketAddress(text: string, port: number): SocketAddress | null {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text);
  const parsed = parseAddress(match?.[1] ?? match?.[2] ?? text);
  const number = match?.[3] === undefined ? port : Number(match[3]);
  if (parsed === null || number > 65535) return null;
  return socketAddress(unmapped(parsed.bytes), number);
}

/** Whether both are the same. */
export function sameSocketAddress(a: SocketAddress, b: SocketAddress): boolean {
  if (a === b) return true;
  if (a.port !== b.port || a.address.length !== b.address.length) return false;
  for (let i = 0; i < a.address.length; i++) if (a.address[i] !== b.address[i]) return false;
  return true;
}

/** Most that are remembered. */
const MOST = 4096;

/** Those that were met: what comes again is the same object, so that nothing is made per datagram. */
export class SocketAddresses {
  readonly #known = new Map<number, SocketAddress>();
  #last: SocketAddress | null = null;

  /** The one whose address of `size` octets lies at `at`. */
  at(at: number, size: number, port: number): SocketAddress {
    const last = this.#last;
    if (last !== null && matches(last, at, size, port)) return last;
    let hash = port;
    for (let i = 0; i < size; i++) hash = Math.imul(hash ^ u8[at + i]!, 0x01000193);
    let found = this.#known.get(hash);
    if (found === undefined || !matches(found, at, size, port)) {
      found = socketAddress(u8.slice(at, at + size), port);
      if (this.#known.size >= MOST) this.#known.clear();
      this.#known.set(hash, found);
    }
    this.#last = found;
    return found;
  }
}

function matches(
  { address, port }: SocketAddress,
  at: number,
  size: number,
  other: number,
): boolean {
  if (port !== other || address.length !== size) return false;
  for (let i = 0; i < size; i++) if (address[i] !== u8[at + i]) return false;
  return true;
}
