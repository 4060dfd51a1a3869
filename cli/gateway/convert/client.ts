/** The client's side of the Convert Protocol (RFC 8803): how a proxy asks a Transport Converter for a connection. */

import { parseAddress } from "../../../core/wire/ip.ts";
import type { SharedKey } from "../key.ts";
import { type Opened, Opening, type Upstream, type UpstreamTimes } from "../upstream.ts";
import { type ByteStream, Head } from "../stream.ts";
import { addressesOf, type Resolve } from "../names.ts";
import { type Outcome, type Target, TargetError } from "../target.ts";
import { keyCookie } from "./admission.ts";
import {
  type ConvertErrorName,
  encodeMessage,
  errorName,
  findMessage,
  parseMessage,
  type Tlv,
} from "./message.ts";

const MOST_MESSAGE = 1020;
/** Octets of a cookie that a request has room for: behind the fixed header, Info, a Base Connect and the head of its own TLV. */
const MOST_COOKIE = MOST_MESSAGE - 4 - 4 - 20 - 4;
/** Milliseconds that a converter without resources is left alone where it names no time (RFC 8803 §6.2.8). */
const DEFAULT_DELAY = 30_000;

/** Most requests for one connection: with a cookie that is not good any more; with none; with the one that is then given. */
const MOST_ASKED = 3;

/** How a client is made. */
export interface ConvertClientOptions<Stream extends ByteStream> {
  /**
   * Connects to the converter, from the address `from` if that is given; the first bytes are `data`, in the SYN where that may have some (RFC 8803 §4.2).
   */
  readonly dial: (data: Uint8Array, from: string | null) => Promise<Stream>;
  /** The address that a connection begins at: a cookie is good for that alone (RFC 8803 §3.2). */
  readonly beginsAt: (stream: Stream) => string;
  /** Whose cookie is shown; null: none until the converter gives one. */
  readonly key: SharedKey | null;
  /** Gives the addresses of a name. */
  readonly resolve?: Resolve;
  /** Told, once, of the Kinds of TCP options that the converter says it has a service for. */
  readonly onSupported?: (kinds: readonly number[]) => void;
  readonly times: UpstreamTimes;
  /** Milliseconds. */
  readonly now?: () => number;
}

/** An answer that is an Error TLV. */
class Refused extends TargetError {
  readonly code: number;
  readonly value: Uint8Array;
  /** Who was refused. */
  readonly asker: string;

  constructor(code: number, value: Uint8Array, asker: string) {
    const name = errorName(code);
    const says = name === null ? `error ${code}` : `"${name}"`;
    super(
      name === null ? "failed" : OUTCOMES_OF[name],
      `the converter says ${says} (RFC 8803 §6.2.8)`,
      { icmpCode: value[0] ?? 0 },
    );
    this.code = code;
    this.value = value;
    this.asker = asker;
  }
}

/** Connects to targets through one Transport Converter. */
export class ConvertClient<Stream extends ByteStream> implements Upstream<Stream> {
  readonly #options: ConvertClientOptions<Stream>;
  readonly #opening: Opening<Stream>;
  readonly #now: () => number;
  readonly #configured: Uint8Array | null;
  #cookie: Uint8Array | null;
  /** Whose cookie it is; null: everybody's. Of several paths the one that answers first is not always the same. */
  #from: string | null = null;
  #told = false;
  /** When it may be asked again. */
  #again = -Infinity;

  /** Makes one that has asked nothing yet. */
  constructor(options: ConvertClientOptions<Stream>) {
    this.#options = options;
    this.#opening = new Opening("the converter", options.times);
    this.#now = options.now ?? (() => performance.now());
    this.#configured = options.key === null ? null : keyCookie(options.key);
    this.#cookie = this.#configured;
  }

  async open(target: Target): Promise<Opened<Stream>> {
    const wait = this.#again - this.#now();
    if (wait > 0) {
      throw new TargetError(
        "busy",
        `the converter asked to be left alone: ${Math.ceil(wait / 1000)} s more`,
      );
    }
    let failure: unknown;
    for (const address of await this.#addresses(target.host)) {
      try {
        return await this.#try(address, target.port);
      } catch (error) {
        failure = error;
        if (!(error instanceof TargetError)) throw error;
        // Another address of the name may answer where this one did not.
        if (error.outcome !== "unreachable" && error.outcome !== "refused") throw error;
      }
    }
    throw failure;
  }

  /** Addresses as a Connect TLV has them (RFC 8803 §6.2.5: "MUST be encoded as an IPv6 address"). */
  async #addresses(host: string): Promise<Uint8Array[]> {
    const literal = parseAddress(host);
    const found = literal !== null ? [host] : await addressesOf(host, this.#options.resolve);
    const addresses = found.map(parseAddress).filter((address) => address !== null);
    if (addresses.length === 0) {
      throw new TargetError("unknown name", `no address is known here for ${host}`);
    }
    return addresses.map(({ bytes }) =>
      bytes.length === 16 ? bytes : Uint8Array.of(...new Uint8Array(10), 255, 255, ...bytes)
    );
  }

  async #try(address: Uint8Array, port: number): Promise<Opened<Stream>> {
    for (let asked = 1;; asked++) {
      const shown = this.#cookie;
      try {
        return await this.#ask(address, port);
      } catch (error) {
        if (!(error instanceof Refused) || !this.#heed(error, shown)) throw error;
        if (asked === MOST_ASKED) throw error;
      }
    }
  }

  async #ask(address: Uint8Array, port: number): Promise<Opened<Stream>> {
    const from = this.#from;
    try {
      return await this.#request(address, port, from);
    } catch (error) {
      // The address may be gone, or its path: another one has to ask for a cookie of its own.
      if (!(error instanceof Refused) && from !== null && from === this.#from) this.#forget();
      throw error;
    }
  }

  #forget(): void {
    this.#cookie = this.#configured;
    this.#from = null;
  }

  #request(address: Uint8Array, port: number, from: string | null): Promise<Opened<Stream>> {
    const { dial, beginsAt } = this.#options;
    const asked: Tlv[] = [{ type: "connect", address, port, options: [] }];
    // RFC 8803 §6.2.2: what it can do is asked with the first connection.
    if (!this.#told) asked.unshift({ type: "info" });
    if (this.#cookie !== null) asked.push({ type: "cookie", cookie: this.#cookie });
    const message = encodeMessage(asked);
    return this.#opening.open(() => dial(message, from), async (stream, heard) => {
      // The request is in the SYN, or right behind the handshake.
      heard();
      const head = new Head(stream);
      const tlvs = parseMessage(await head.next(findMessage, MOST_MESSAGE));
      for (const tlv of tlvs) {
        // RFC 8803 §6.2.8: "Upon reception of an Error TLV, a Client MUST reset the associated connection", which opening() does.
        if (tlv.type === "error") throw new Refused(tlv.code, tlv.value, beginsAt(stream));
        if (tlv.type !== "supported TCP extensions" || this.#told) continue;
        this.#told = true;
        this.#options.onSupported?.(tlv.kinds);
      }
      if (!tlvs.some(({ type }) => type === "extended TCP header")) {
        throw new TargetError("failed", "the converter does not say that it has connected");
      }
      return head.rest;
    });
  }

  /** Does what an Error TLV asks for; whether to ask again. @param shown The cookie that was refused. */
  #heed({ code, value, asker }: Refused, shown: Uint8Array | null): boolean {
    switch (errorName(code)) {
      case "Missing Cookie":
        if (value.length - 1 > MOST_COOKIE) return false;
        this.#cookie = value.slice(1);
        this.#from = asker;
        return shown === null && this.#cookie.length > 0;
      case "Not Authorized":
        // A cookie that has ended is given anew to who shows none.
        this.#forget();
        return shown !== null && shown !== this.#configured;
      case "Resource Exceeded":
        this.#again = this.#now() + ((value[0] ?? 0) * 1000 || DEFAULT_DELAY);
        return false;
      default:
        return false;
    }
  }
}

const OUTCOMES_OF: Readonly<
  Record<ConvertErrorName, Exclude<Outcome, "connected">>
> = {
  "Unsupported Version": "failed",
  "Malformed Message": "failed",
  "Unsupported Message": "failed",
  "Missing Cookie": "not allowed",
  "Not Authorized": "not allowed",
  "Unsupported TCP Option": "failed",
  "Resource Exceeded": "busy",
  "Network Failure": "timed out",
  "Connection Reset": "refused",
  "Destination Unreachable": "unreachable",
};
