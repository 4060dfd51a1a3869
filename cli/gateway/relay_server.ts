/** The relay: takes connections of proxies that have its key, and connects them to where they ask for, by the names that it knows itself. */

import { connect, type Socket } from "node:net";
import type { Asked } from "./handshake.ts";
import { type After, Places, systemAfter } from "./limits.ts";
import { addressesOf, type Resolve, SHORT_OF } from "./names.ts";
import { type ByteStream, type Carried, carryBoth, KernelStream } from "./stream.ts";
import { Strangers } from "./strangers.ts";
import {
  asTargetError,
  formatTarget,
  isIpv6,
  isName,
  type Outcome,
  type Target,
  TargetError,
} from "./target.ts";
import { parseAddress, unmapped } from "../../core/wire/ip.ts";

/** What a connection through the gateway has come to. */
export interface Done extends Carried {
  /** Where to; null: nobody has learned that. */
  readonly target: Target | null;
  /** How it began, or did not; "hostile": no request at all, "told": it asked what is spoken here. */
  readonly outcome: Outcome | "hostile" | "told";
  /** What broke it; null: it ended in order. */
  readonly error: string | null;
  /** Seconds that it has lasted. */
  readonly seconds: number;
}

/** How a relay is made. */
export interface RelayOptions {
  /** Hears what the one at `from`, an address, asks for, once that has shown that it may; null: it has been told what it wanted to know. */
  readonly hear: (stream: ByteStream, from: string) => Promise<Asked | null>;
  /** Connects to a target. */
  readonly dial: (target: Target) => Promise<ByteStream>;
  /** Most connections at once that have shown that they may. */
  readonly most: number;
  /** Milliseconds in which that has to be shown. */
  readonly handshakeTimeout: number;
  /** Times of the handshake. */
  readonly after?: After;
}

/** Most connections that have not shown that they may: these take no places of those who have, and give way to each other. */
const MOST_STRANGERS = 256;

/** A relay, whatever its connections come by. */
export class RelayServer {
  readonly #options: RelayOptions;
  readonly #places: Places;
  readonly #strangers = new Strangers(MOST_STRANGERS);

  /** Makes one that serves nobody yet. */
  constructor(options: RelayOptions) {
    this.#options = options;
    this.#places = new Places(options.most);
  }

  /** Connections under way. */
  get connections(): number {
    return this.#places.taken + this.#strangers.taken;
  }

  /** Serves one connection of the one at `from` to its end, which is told to `over`; never rejects. */
  async serve(
    stream: ByteStream,
    from: string,
    over: (done: Done) => void = () => {},
  ): Promise<void> {
    const start = performance.now();
    const carried: Carried = { up: 0, down: 0 };
    let target: Target | null = null;
    let outcome: Done["outcome"] = "hostile";
    let error: string | null = null;
    let leave = (): void => {};
    try {
      const asked = await this.#hear(stream, from);
      if (asked === null) {
        outcome = "told";
        return stream.close();
      }
      target = asked.target;
      const place = this.#places.take();
      if (place !== null) leave = place;
      const other = await this.#dial(target, place !== null).catch(async (error) => {
        const failure = asTargetError(error);
        await asked.answer(failure.outcome, failure.message, failure.icmpCode);
        throw failure;
      });
      try {
        await asked.answer("connected");
      } catch (error) {
        other.abort(error);
        throw error;
      }
      outcome = "connected";
      await carryBoth(stream, other, asked.rest, new Uint8Array(), carried);
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : String(thrown);
      if (thrown instanceof TargetError) outcome = thrown.outcome;
      if (thrown instanceof TargetError) stream.close();
      else stream.abort(thrown);
    } finally {
      leave();
      const seconds = (performance.now() - start) / 1000;
      over({ target, outcome, error, seconds, ...carried });
    }
  }

  /** What a stranger asks for. */
  #hear(stream: ByteStream, from: string): Promise<Asked | null> {
    const { hear, handshakeTimeout, after = systemAfter } = this.#options;
    // Nobody is told why: who has not shown the key is owed no work.
    return this.#strangers.hear(from, hear(stream, from), handshakeTimeout, after, [
      "the key was not shown in time",
      "others came while it had not shown the key",
    ]);
  }

  #dial(target: Target, place: boolean): Promise<ByteStream> {
    if (place) return this.#options.dial(target);
    return Promise.reject(new TargetError("busy", "the relay has as many connections as it takes"));
  }
}

/** Whether packets to it stay on this machine or link, or go to no single host: no target for somebody elsewhere, who has it at home as well. */
export function isLocal(address: string): boolean {
  const parsed = parseAddress(address);
  if (parsed === null) return true;
  const bytes = unmapped(parsed.bytes);
  const [a = 0, b = 0] = bytes;
  if (bytes.length === 4) {
    return a === 0 || a === 127 || (a === 169 && b === 254) || a >= 224;
  }
  const high = bytes.subarray(0, 15).every((byte) => byte === 0);
  return (high && bytes[15]! <= 1) || (a === 0xfe && (b & 0xc0) === 0x80) || a === 0xff;
}

/** Outcomes of the system's codes. */
const CODES: Readonly<Record<string, Outcome>> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "refused",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  ETIMEDOUT: "timed out",
};

/** How a relay reaches targets. */
export interface DialOptions {
  /** Addresses of this machine and its links may be asked for, too. */
  readonly allowLocal: boolean;
  /** Milliseconds for all addresses of a name. */
  readonly timeout: number;
  /** Gives the addresses of a name. */
  readonly resolve?: Resolve;
}

/** Milliseconds that a try has at least; and at most, where another address is left. */
const LEAST_TRY = 1000;
const MOST_TRY = 5000;

/**
 * Connects to a target by the kernel's sockets. The name is looked up here, and what is connected to is the address that was judged.
 *
 * @throws {TargetError} there is no connection.
 */
export async function dialKernel(target: Target, options: DialOptions): Promise<ByteStream> {
  const { host, port } = target;
  const { allowLocal, timeout, resolve } = options;
  const addresses = isIpv6(host) || !isName(host) || /^[0-9.]+$/.test(host)
    ? [host]
    : await addressesOf(host, resolve);
  const allowed = addresses.filter((address) => allowLocal || !isLocal(address));
  if (allowed.length === 0) {
    throw new TargetError(
      "not allowed",
      `${
        formatTarget(target)
      } is an address of the relay itself: --allow-local lets it be asked for`,
    );
  }
  let failure = new TargetError("failed", "nothing was tried");
  const end = performance.now() + timeout;
  for (const [i, address] of allowed.entries()) {
    // Each has its part of what is left, and something at least.
    const others = allowed.length - 1 - i;
    const part = (end - performance.now()) / (others + 1);
    if (i > 0 && part <= 0) break;
    const left = others > 0 ? Math.min(MOST_TRY, part) : part;
    try {
      return new KernelStream(await connectTo(address, port, Math.max(LEAST_TRY, left)));
    } catch (error) {
      const code = (error as { code?: string }).code ?? "";
      const short = SHORT_OF[code];
      const outcome = short === undefined ? CODES[code] ?? "failed" : "busy";
      const icmpCode = code === "ENETUNREACH" ? 0 : 1;
      const message = short === undefined
        ? `${formatTarget(target)}: ${outcome} (${code})`
        : `${formatTarget(target)}: the relay has no more ${short}`;
      failure = new TargetError(outcome, message, { cause: error, icmpCode });
    }
  }
  throw failure;
}

function connectTo(host: string, port: number, timeout: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true, family: host.includes(":") ? 6 : 4 });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(Object.assign(new Error("timed out"), { code: "ETIMEDOUT" }));
    }, timeout);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", (error: Error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}
