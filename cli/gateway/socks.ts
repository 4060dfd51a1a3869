/** SOCKS version 5 (RFC 1928), as far as a proxy for TCP connections needs it: no authentication, CONNECT. */

import { formatAddress } from "../../core/wire/ip.ts";
import { type Head, ProtocolError } from "./stream.ts";
import { isName, type Outcome, type Target } from "./target.ts";

/** The first octet of all that a client says. */
export const SOCKS_VERSION = 5;
const NO_AUTHENTICATION = 0;
const NO_METHOD = 0xff;
const CONNECT = 1;
/** Kinds of addresses (§5). */
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;
/** Longest request: a name of 255 octets. */
const MOST = 4 + 1 + 255 + 2;

/** What a reply says (§6). "Host unreachable" (4) is for what the network or its names say of the host: programs give it up. Silence may end. */
export const REPLIES: Readonly<Record<Outcome, number>> = {
  connected: 0,
  failed: 1,
  "wrong key": 1,
  busy: 1,
  "not allowed": 2,
  "timed out": 1,
  unreachable: 4,
  "unknown name": 4,
  refused: 5,
};
const COMMAND_UNKNOWN = 7;
const ADDRESS_UNKNOWN = 8;

/** A client is to get an octet of its own in the reply. */
export class SocksError extends ProtocolError {
  /** The whole reply; empty: none is due. */
  readonly reply: Uint8Array;

  /** @param message For people. @param reply What to answer. */
  constructor(message: string, reply: Uint8Array) {
    super(message);
    this.reply = reply;
  }
}

/** A reply; the address that it is to name is not known, and no client heeds it. */
export function socksReply(code: number): Uint8Array {
  return Uint8Array.of(SOCKS_VERSION, code, 0, IPV4, 0, 0, 0, 0, 0, 0);
}

/** The methods that a client offers (§3); null: they are not all there. */
export function parseMethods(
  bytes: Uint8Array,
): { readonly value: Uint8Array; readonly length: number } | null {
  const [version, count] = bytes;
  if (version !== undefined && version !== SOCKS_VERSION) {
    throw new SocksError(`SOCKS version ${version} is not spoken, only 5`, new Uint8Array());
  }
  if (count === undefined || bytes.length < 2 + count) return null;
  return { value: bytes.slice(2, 2 + count), length: 2 + count };
}

/** A request (§4); null: it is not all there. Names go as they are: the relay looks them up. */
export function parseRequest(
  bytes: Uint8Array,
): { readonly value: Target; readonly length: number } | null {
  const [version, command, , kind, first] = bytes;
  if (version !== undefined && version !== SOCKS_VERSION) {
    throw new SocksError("a request does not begin with version 5", socksReply(REPLIES.failed));
  }
  if (kind === undefined) return null;
  if (command !== CONNECT) {
    const what = command === 2 ? "BIND" : command === 3 ? "UDP ASSOCIATE" : `command ${command}`;
    throw new SocksError(`${what} is not offered, only CONNECT`, socksReply(COMMAND_UNKNOWN));
  }
  if (kind !== IPV4 && kind !== NAME && kind !== IPV6) {
    throw new SocksError(`address type ${kind} is unknown`, socksReply(ADDRESS_UNKNOWN));
  }
  if (first === undefined) return null;
  const [at, size] = kind === IPV4 ? [4, 4] : kind === IPV6 ? [4, 16] : [5, first];
  const length = at + size + 2;
  if (bytes.length < length) return null;
  const address = bytes.slice(at, at + size);
  const port = bytes[at + size]! << 8 | bytes[at + size + 1]!;
  const host = kind === NAME ? String.fromCharCode(...address) : formatAddress(address);
  if (port === 0 || (kind === NAME && !isName(host))) {
    throw new SocksError(
      port === 0 ? "port 0 is none to connect to" : "what it asks for is no name of a host",
      socksReply(REPLIES.failed),
    );
  }
  return { value: { host, port }, length };
}

/**
 * Reads what a client asks for; `say` sends what has to be said meanwhile.
 *
 * @throws {SocksError} it is nothing that can be done; the reply is to be sent.
 */
export async function readSocks(
  head: Head,
  say: (bytes: Uint8Array) => Promise<unknown>,
): Promise<Target> {
  const methods = await head.next(parseMethods, 2 + 255);
  if (!methods.includes(NO_AUTHENTICATION)) {
    throw new SocksError(
      "the program insists on a password, which this proxy has none of",
      Uint8Array.of(SOCKS_VERSION, NO_METHOD),
    );
  }
  await say(Uint8Array.of(SOCKS_VERSION, NO_AUTHENTICATION));
  return await head.next(parseRequest, MOST);
}
