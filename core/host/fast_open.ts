/**
 * TCP Fast Open of a host (RFC 7413): the cookies that its listeners give out, how many connections of a listener may be served before their third ACK,
 * and what its clients remember of servers.
 */

import { flow_hash, memory_alloc, u32 } from "../../wasm/mod.ts";
import { KEY_SIZE, OUT_0 } from "../../wasm/layout.ts";
import type { FastOpenMemory, FastOpenOffer } from "../connection/host.ts";
import type { Endpoint, Micros } from "../plugin.ts";
import { FastOpen } from "../subflow/fast_open.ts";
import type { IpAddress } from "../wire/ip.ts";
import { rx } from "../wire/segment.ts";
import { writeKey } from "./flow_key.ts";
import type { Listener } from "./listener.ts";
import type { Stack } from "./stack.ts";

const KEY = memory_alloc(KEY_SIZE);

/** What the hash is for (`flow_hash`; syn_cookies.ts has the purposes before it). */
const FAST_OPEN = 5;
/** Six octets leave room for MP_CAPABLE and timestamps in a SYN/ACK (RFC 8684 appendix B.1 allows seven; the number must be even, RFC 7413 §4.1.1). */
const COOKIE_SIZE = 6;
/** How long a key gives out cookies; they are good for as long again (RFC 7413 §4.1.2, 5: key rotation). */
const KEY_LIFE: Micros = 12 * 3600e6;

/** The cookies of one host. */
export class FastOpenCookies {
  readonly #host: number;

  /** @param host The host's handle, whose secret keys them. */
  constructor(host: number) {
    this.#host = host;
  }

  /** The cookie of a client at `remote`, for what listens at `local`, on whatever port: it shows that the client can hear there. */
  issue(local: IpAddress, remote: IpAddress, now: Micros): Uint8Array {
    return this.#cookie(local, remote, Math.floor(now / KEY_LIFE));
  }

  /** Whose key a cookie is of: the present one, the one before, or neither. */
  check(
    cookie: Uint8Array,
    local: IpAddress,
    remote: IpAddress,
    now: Micros,
  ): "good" | "old" | "bad" {
    const present = Math.floor(now / KEY_LIFE);
    if (same(cookie, this.#cookie(local, remote, present))) return "good";
    if (present > 0 && same(cookie, this.#cookie(local, remote, present - 1))) return "old";
    return "bad";
  }

  #cookie(local: IpAddress, remote: IpAddress, age: number): Uint8Array {
    writeKey(local, 0, remote, 0, 0, KEY);
    const low = flow_hash(this.#host, KEY, FAST_OPEN, 0, age);
    const high = u32[OUT_0]!;
    return Uint8Array.of(low, low >> 8, low >> 16, low >> 24, high, high >> 8)
      .subarray(0, COOKIE_SIZE);
  }
}

/** Whether two cookies are equal, in a time that does not tell where they differ. */
function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/** How long a connection that was reset before its third ACK counts against its listener: resets of spoofed hosts must not feed a flood (RFC 7413 §5.1). */
const RESET_COUNTS: Micros = 60e6;

/** PendingFastOpenRequests of one listener (RFC 7413 §4.2). */
export class FastOpenQueue {
  readonly #limit: number;
  #pending = 0;
  /** When those that were reset count no longer, oldest first. */
  readonly #resets: Micros[] = [];

  /** @param limit Most that are served before their third ACK. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether one more may be. */
  room(now: Micros): boolean {
    if (this.#pending + this.#resets.length >= this.#limit && this.#resets[0]! <= now) {
      this.#resets.shift();
    }
    return this.#pending + this.#resets.length < this.#limit;
  }

  /** One has begun. */
  begun(): void {
    this.#pending++;
  }

  /** Its third ACK has come, or it has ended. */
  over(): void {
    this.#pending--;
  }

  /** It was reset. */
  reset(now: Micros): void {
    this.over();
    this.#resets.push(now + RESET_COUNTS);
  }
}

/** What a listener does about Fast Open: what its SYN/ACK says, and whether the data of the SYN are taken. */
export interface FastOpenVerdict {
  readonly reply: FastOpen | null;
  readonly accepted: boolean;
}

const NONE: FastOpenVerdict = Object.freeze({ reply: null, accepted: false });

/** Judges the SYN in `rx` (RFC 7413 §4.2.2, "Server: Receiving SYN and responding with SYN-ACK"). Where it asks for nothing there is nothing to do. */
export function judgeFastOpen(
  stack: Stack,
  { tcp, fastOpens }: Listener,
  local: IpAddress,
  now: Micros,
): FastOpenVerdict {
  if (!tcp.fastOpen) return NONE;
  const cookie = rx.fastOpen;
  if (cookie === null) return NONE;
  if (cookie.length === 0) stack.count("TCPFastOpenCookieReqd");
  if (!fastOpens.room(now)) {
    stack.count("TCPFastOpenListenOverflow");
    return NONE;
  }
  const { source } = rx;
  const cookies = stack.fastOpenCookies;
  const state = cookie.length === 0 ? "bad" : cookies.check(cookie, local, source, now);
  const reply = state === "good" ? null : new FastOpen(cookies.issue(local, source, now));
  if (state !== "bad") stack.count("TCPFastOpenPassive");
  else if (cookie.length > 0) stack.count("TCPFastOpenPassiveFail");
  if (state === "old") stack.count("TCPFastOpenPassiveAltKey");
  return { reply, accepted: state !== "bad" };
}

/** Most pairs of addresses, and most servers that failed, that are remembered: above it the one that was heard of first is forgotten. */
const MOST = 256;
/** How long Fast Open is not tried after a failure; twice as long after each that follows (Linux: 60 s << syn_loss). */
const PAUSE: Micros = 60e6;
const MOST_DOUBLINGS = 6;

/** What a client knows of servers (RFC 7413 §4.1.3). */
export class FastOpenCache implements FastOpenMemory {
  /** By both addresses. */
  readonly #cookies = new Map<string, FastOpenOffer>();
  /** By both addresses and the server's port: Fast Open is enabled by port (§4.1.3.1). */
  readonly #failures = new Map<string, { readonly times: number; readonly until: Micros }>();

  offer(local: Endpoint, remote: Endpoint, now: Micros): FastOpenOffer | null {
    const failure = this.#failures.get(service(local, remote));
    if (failure !== undefined && now < failure.until) return null;
    return this.#cookies.get(pair(local, remote)) ?? ASK;
  }

  learned(local: Endpoint, remote: Endpoint, cookie: Uint8Array, mss: number): void {
    put(this.#cookies, pair(local, remote), { cookie, mss });
    this.worked(local, remote);
  }

  worked(local: Endpoint, remote: Endpoint): void {
    this.#failures.delete(service(local, remote));
  }

  failed(local: Endpoint, remote: Endpoint, now: Micros): void {
    const key = service(local, remote);
    const before = this.#failures.get(key)?.times ?? 0;
    const until = now + PAUSE * 2 ** Math.min(before, MOST_DOUBLINGS);
    put(this.#failures, key, { times: before + 1, until });
  }
}

const ASK: FastOpenOffer = Object.freeze({ cookie: new Uint8Array(), mss: 0 });

function pair(local: Endpoint, remote: Endpoint): string {
  return `${local.address} ${remote.address}`;
}

function service(local: Endpoint, remote: Endpoint): string {
  return `${pair(local, remote)} ${remote.port}`;
}

/** Enters at the end, and forgets the first where there are too many. */
function put<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= MOST) return;
  for (const first of map.keys()) {
    map.delete(first);
    return;
  }
}
