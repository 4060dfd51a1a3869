/** Joins segments that follow one another. */

import { u8 } from "../../../../wasm/mod.ts";
import type { HostTimer } from "../../../host/link.ts";
import type { Micros } from "../../../plugin.ts";
import { type Duration, parseDuration } from "../../units.ts";
import type { Element, ElementContext, ElementFactory } from "../elements/element.ts";
import { freePacket, type Packet, takePacket } from "../elements/packet.ts";
import { putChecksums, putLength, TcpSegment } from "./segment.ts";
import { checkChoice, checkInteger, checkNames } from "./select.ts";

/** How {@linkcode coalesceSegments} joins. */
export interface CoalesceSegmentsOptions {
  /**
   * Whose options the joined segment has: those of the other are lost.
   *
   * @default {"first"}
   */
  readonly options?: "first" | "second";
  /**
   * How long a segment waits for the next one.
   *
   * @default {"500 us"}
   */
  readonly wait?: Duration;
  /**
   * Most octets of payload of either of the two, 1 to 32767; larger ones pass.
   *
   * @default {700: two of them fit into a packet of 1500}
   */
  readonly most?: number;
}

class CoalesceElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #keep: "first" | "second";
  readonly #wait: Micros;
  readonly #most: number;
  readonly #first: TcpSegment;
  readonly #next: TcpSegment;
  readonly #timer: HostTimer;
  #held: Packet | null = null;

  constructor(
    keep: "first" | "second",
    wait: Micros,
    most: number,
    context: ElementContext,
    output: (packet: Packet) => void,
  ) {
    this.#keep = keep;
    this.#wait = wait;
    this.#most = most;
    this.#context = context;
    this.#output = output;
    this.#first = new TcpSegment(context);
    this.#next = new TcpSegment(context);
    this.#timer = context.timer(() => this.#release());
  }

  push(packet: Packet): void {
    const next = this.#next;
    const fits = next.read(packet) && !next.syn && !next.rst && !next.merged && next.length > 0 &&
      next.length <= this.#most;
    const held = this.#held;
    if (held === null) {
      if (fits) this.#hold(packet);
      else this.#output(packet);
      return;
    }
    const both = fits && this.#follows() ? takePacket(held.length + next.length) : null;
    if (both === null) {
      this.#release();
      this.#output(packet);
      return;
    }
    this.#join(both, held);
    both.verified = held.verified && packet.verified;
    this.#held = null;
    this.#timer.disarm();
    freePacket(held);
    freePacket(packet);
    this.#output(both);
  }

  clear(): void {
    this.#timer.disarm();
    if (this.#held !== null) freePacket(this.#held);
    this.#held = null;
  }

  #hold(packet: Packet): void {
    this.#held = packet;
    this.#first.read(packet);
    this.#timer.arm(this.#context.now + this.#wait);
  }

  #release(): void {
    const packet = this.#held;
    this.#held = null;
    this.#timer.disarm();
    if (packet !== null) this.#output(packet);
  }

  /** Whether the next segment goes on where the one that is held ends, on the same connection, with as many octets of headers. */
  #follows(): boolean {
    const [first, next] = [this.#first, this.#next];
    const headers = first.payload - first.ip;
    if (headers !== next.payload - next.ip) return false;
    if (next.seq !== (first.seq + first.length) >>> 0) return false;
    const four = u8[first.ip]! >> 4 === 4;
    const [from, to] = four ? [12, 24] : [8, 44];
    for (let i = from; i < to; i++) if (u8[first.ip + i] !== u8[next.ip + i]) return false;
    return true;
  }

  #join(both: Packet, held: Packet): void {
    const [first, next] = [this.#first, this.#next];
    const ip = both.address;
    u8.copyWithin(ip, first.ip, first.end);
    u8.copyWithin(ip + held.length, next.payload, next.end);
    const tcp = ip + (first.tcp - first.ip);
    if (this.#keep === "second") u8.copyWithin(tcp + 20, next.options, next.payload);
    // The newer acknowledgement, flags and window.
    u8.copyWithin(tcp + 8, next.tcp + 8, next.tcp + 16);
    putLength(ip, both.length);
    putChecksums(ip, both.length);
  }
}

/**
 * Joins a small segment to the one that follows it, under the options of one of them, as boxes and network cards do that hand on fewer and larger packets
 * (normalizers, large receive offload that knows no MPTCP). The mapping of the other is lost (RFC 8684 §3.3.1).
 *
 * @throws {TypeError} If an option is wrong.
 * @throws {RangeError} If a number is out of its range.
 * @example
 * ```ts
 * import { coalesceSegments, emulate, rewriteMss } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: {
 *       rate: "20 Mbit/s",
 *       delay: "15 ms",
 *       elements: [rewriteMss(680), coalesceSegments({ wait: "3 ms" })],
 *     },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 * });
 * ```
 */
export function coalesceSegments(options: CoalesceSegmentsOptions = {}): ElementFactory {
  const doing = "coalesce segments";
  checkNames(doing, options, ["options", "wait", "most"]);
  const keep = checkChoice(doing, "options", options.options ?? "first", ["first", "second"]);
  const wait = parseDuration(options.wait ?? "500 us", "wait");
  const most = checkInteger(doing, "most", options.most ?? 700, 1, 32767);
  return {
    name: "coalesceSegments",
    create: (context, output) => new CoalesceElement(keep, wait, most, context, output),
  };
}
