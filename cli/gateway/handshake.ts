/**
 * How a proxy and a relay begin a connection. The relay speaks first:
 *
 *     relay   "MPTCPRL1", 32 random octets R
 *     proxy   32 random octets P, length of the request (2 octets), request, HMAC(key, "request", R, P, request)
 *     relay   outcome (1 octet), length of a text (1 octet), text, HMAC(key, "answer", R, P, outcome, text)
 *
 * then the bytes of the program, both ways, as they are. A request is the port (2 octets) and the name or address of the target. Either side has shown by then
 * that it has the key; what was recorded of one connection fits no other, as R and P are new each time. Nothing is encrypted.
 */

import { randomBytes } from "node:crypto";
import { sameMac, type SharedKey } from "./key.ts";
import { type ByteStream, Head, ProtocolError } from "./stream.ts";
import {
  isIpv6,
  isName,
  type Outcome,
  outcomeOf,
  OUTCOMES,
  type Target,
  TargetError,
} from "./target.ts";

const MAGIC = new TextEncoder().encode("MPTCPRL1");
const NONCE = 32;
const MAC = 32;
const MOST_REQUEST = 2 + 255;

/** Octets one after the other. */
function join(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A request as it travels. */
export function encodeTarget({ host, port }: Target): Uint8Array {
  return join(Uint8Array.of(port >> 8, port & 255), new TextEncoder().encode(host));
}

/** And back; null: it is none. */
export function decodeTarget(bytes: Uint8Array): Target | null {
  if (bytes.length < 3 || bytes.length > MOST_REQUEST) return null;
  const port = bytes[0]! << 8 | bytes[1]!;
  const host = String.fromCharCode(...bytes.subarray(2));
  return port !== 0 && (isName(host) || isIpv6(host)) ? { host, port } : null;
}

/**
 * The proxy's side: asks the relay at the other end of `stream` for a connection to `target`, and gives what that has said already.
 *
 * @param heard Called when the relay has said who it is and has been asked: what follows takes as long as the target does.
 * @throws {TargetError} there is none, and why.
 * @throws {ProtocolError} what answers is no relay.
 */
export async function askRelay(
  stream: ByteStream,
  key: SharedKey,
  target: Target,
  heard: () => void = () => {},
): Promise<Uint8Array> {
  const head = new Head(stream);
  const greeting = await head.take(MAGIC.length + NONCE);
  if (!sameMac(greeting.subarray(0, MAGIC.length), MAGIC)) {
    throw new ProtocolError("what answers there is no mptcp relay of this version");
  }
  const theirs = greeting.subarray(MAGIC.length);
  const ours = randomBytes(NONCE);
  const request = encodeTarget(target);
  const length = Uint8Array.of(request.length >> 8, request.length & 255);
  const mac = key.mac("request", theirs, ours, request);
  await stream.write(join(ours, length, request, mac));
  heard();
  const [outcome = 0, textLength = 0] = await head.take(2);
  const text = await head.take(textLength);
  const proof = await head.take(MAC);
  const expected = key.mac("answer", theirs, ours, Uint8Array.of(outcome), text);
  if (!sameMac(proof, expected)) {
    throw new TargetError("wrong key", "the relay has another key: copy the key file anew");
  }
  if (outcome !== OUTCOMES.connected) {
    throw new TargetError(outcomeOf(outcome), new TextDecoder().decode(text));
  }
  return head.rest;
}

/** A request that has shown the key. */
export interface Asked {
  /** Where to. */
  readonly target: Target;
  /** What follows it already. */
  readonly rest: Uint8Array;
  /** Tells what came of it; `icmpCode` as `TargetError` has it. */
  answer(outcome: Outcome, text?: string, icmpCode?: number): Promise<void>;
}

/**
 * The relay's side. What does not show the key is told so, by a MAC that it cannot judge, and nothing else is done for it.
 *
 * @throws {TargetError} the key is another one.
 * @throws {ProtocolError} it is no request of a proxy.
 */
export async function hearProxy(stream: ByteStream, key: SharedKey): Promise<Asked> {
  const ours = randomBytes(NONCE);
  await stream.write(join(MAGIC, ours));
  const head = new Head(stream);
  const theirs = await head.take(NONCE);
  const [high = 0, low = 0] = await head.take(2);
  const length = high << 8 | low;
  if (length < 3 || length > MOST_REQUEST) {
    throw new ProtocolError("what connects is no mptcp proxy of this version");
  }
  const request = await head.take(length);
  const proof = await head.take(MAC);
  const answer = async (outcome: Outcome, text = ""): Promise<void> => {
    const octets = new TextEncoder().encode(text).subarray(0, 255);
    const code = Uint8Array.of(OUTCOMES[outcome]);
    const mac = key.mac("answer", ours, theirs, code, octets);
    await stream.write(join(code, Uint8Array.of(octets.length), octets, mac));
  };
  if (!sameMac(proof, key.mac("request", ours, theirs, request))) {
    await answer("wrong key");
    throw new TargetError("wrong key", "the proxy has another key");
  }
  const target = decodeTarget(request);
  if (target === null) {
    await answer("failed", "what is asked for is no host and port");
    throw new ProtocolError("what is asked for is no host and port");
  }
  return { target, rest: head.rest, answer };
}
