/** The converter's side of the Convert Protocol (RFC 8803): what a relay hears of clients that speak it. */

import { formatAddress, unmapped } from "../../../core/wire/ip.ts";
import type { Asked } from "../handshake.ts";
import { type ByteStream, Head, ProtocolError } from "../stream.ts";
import { type Outcome, TargetError } from "../target.ts";
import type { Admission } from "./admission.ts";
import {
  CONVERT_ERRORS,
  type ConvertErrorName,
  ConvertFault,
  echoOf,
  encodeMessage,
  findMessage,
  parseMessage,
  type Tlv,
} from "./message.ts";

/** TCP options that a converter ignores in a request: End-of-Option List, No-Operation, Maximum Segment Size, Window Scale, SACK (RFC 8803 §7.1 to §7.3). */
const IGNORED: ReadonlySet<number> = new Set([0, 1, 2, 3, 5]);
/** What connections of clients may use (RFC 8803 §7.5): Multipath TCP. */
const SUPPORTED: readonly number[] = [30];
/** Octets of the longest message: 255 words. */
const MOST_MESSAGE = 1020;
/** Errors told in a second; what is above is reset without a word (RFC 8803 §6.2.5: "error messages sent to a Client SHOULD be rate-limited"). */
const ERRORS_A_SECOND = 100;

/** The error of an outcome (RFC 8803 §6.2.8), and its value: of "Resource Exceeded" and "Network Failure" 0, which stands for 30 s. */
function errorOf(outcome: Exclude<Outcome, "connected">, code: number): [ConvertErrorName, number] {
  switch (outcome) {
    case "not allowed":
    case "wrong key":
      return ["Not Authorized", 0];
    case "unreachable":
      return ["Destination Unreachable", code];
    case "refused":
      return ["Connection Reset", 0];
    case "busy":
      return ["Resource Exceeded", 0];
    case "unknown name":
    case "timed out":
    case "failed":
      return ["Network Failure", 0];
  }
}

/** Hears what clients ask for. */
export class Converter {
  readonly #admission: Admission;
  readonly #now: () => number;
  #second = -Infinity;
  #errors = 0;

  /** @param admission Judges them. @param now Milliseconds. */
  constructor(admission: Admission, now: () => number = () => performance.now()) {
    this.#admission = admission;
    this.#now = now;
  }

  /**
   * What a client asks for; null: it only wanted to know what is spoken here, and has been told.
   *
   * @param from Its address.
   * @throws {TargetError} it may not, or its message is wrong: it has been told.
   * @throws {ProtocolError} it speaks something else.
   */
  async hear(stream: ByteStream, from: string): Promise<Asked | null> {
    const head = new Head(stream);
    try {
      const message = await head.next(findMessage, MOST_MESSAGE);
      return await this.#answer(stream, head, message, parseMessage(message), from);
    } catch (error) {
      if (!(error instanceof ConvertFault)) throw error;
      await this.#tell(stream, error.error, error.value);
      throw new TargetError("failed", error.message);
    }
  }

  async #answer(
    stream: ByteStream,
    head: Head,
    message: Uint8Array,
    tlvs: readonly Tlv[],
    from: string,
  ): Promise<Asked | null> {
    const find = <T extends Tlv["type"]>(type: T): Extract<Tlv, { type: T }> | null =>
      tlvs.find((tlv): tlv is Extract<Tlv, { type: T }> => tlv.type === type) ?? null;
    const stray = find("extended TCP header") ?? find("supported TCP extensions") ?? find("error");
    if (stray !== null) {
      const why = `a client sent a TLV "${stray.type}"`;
      throw new ConvertFault("Unsupported Message", why, echoOf(message));
    }
    const admitted = this.#admission.judge(from, find("cookie")?.cookie ?? null);
    if (admitted === "no") {
      throw new ConvertFault("Not Authorized", "it shows no cookie that is good", zero());
    }
    if (admitted !== "yes") {
      const value = Uint8Array.of(0, ...admitted.cookie);
      throw new ConvertFault("Missing Cookie", "it shows no cookie, and got one", value);
    }
    const supported: Tlv[] = find("info") === null
      ? []
      : [{ type: "supported TCP extensions", kinds: SUPPORTED }];
    const connect = find("connect");
    if (connect === null) {
      await stream.write(encodeMessage(supported));
      return null;
    }
    const others = connect.options.map(({ kind }) => kind).filter((kind) => !IGNORED.has(kind));
    if (others.length > 0) {
      const kinds = `TCP options of Kind ${others.join(", ")}`;
      throw new ConvertFault(
        "Unsupported TCP Option",
        `${kinds} are not sent to servers`,
        Uint8Array.from(others.slice(0, 255)),
      );
    }
    return {
      target: { host: formatAddress(unmapped(connect.address)), port: connect.port },
      rest: head.rest,
      answer: async (outcome, _text, code = 0) => {
        if (outcome !== "connected") {
          const [error, value] = errorOf(outcome, code);
          return await this.#tell(stream, error, Uint8Array.of(value));
        }
        const header: Tlv = { type: "extended TCP header", options: new Uint8Array() };
        await stream.write(encodeMessage([...supported, header]));
      },
    };
  }

  /** Sends an Error TLV, or, where there were too many of late, nothing. */
  async #tell(stream: ByteStream, error: ConvertErrorName, value: Uint8Array): Promise<void> {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) this.#errors = 0;
    this.#second = second;
    if (this.#errors++ >= ERRORS_A_SECOND) throw new ProtocolError("too many errors in a second");
    await stream.write(encodeMessage([{ type: "error", code: CONVERT_ERRORS[error], value }]));
  }
}

function zero(): Uint8Array {
  return Uint8Array.of(0);
}
