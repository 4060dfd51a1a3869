/** CoDel (RFC 8289): a queue that drops, or marks, when packets wait too long for too long. */

import type { Micros } from "../../../plugin.ts";
import { type Duration, parseDuration } from "../../units.ts";
import { markCongestion } from "./ecn.ts";
import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { checkNames, numberOption } from "./options.ts";
import { type Packet, PacketList } from "./packet.ts";
import { type Server, serverBehind } from "./server.ts";

/** Options of {@linkcode codel}. */
export interface CodelOptions {
  /**
   * How long packets may wait.
   *
   * @default {"5 ms"}
   */
  readonly target?: Duration;
  /**
   * How long they may wait longer than that; about the longest round trip.
   *
   * @default {"100 ms"}
   */
  readonly interval?: Duration;
  /**
   * Most packets that wait; what comes then is dropped.
   *
   * @default {1000}
   */
  readonly limit?: number;
  /**
   * Whether packets whose sender uses ECN are marked rather than dropped.
   *
   * @default {false}
   */
  readonly ecn?: boolean;
}

const OPTIONS = ["target", "interval", "limit", "ecn"];
const DOING = "make a CoDel queue";
/** RFC 8289 §4.4: with less than a full packet behind it a queue is no bad one. */
const FULL_PACKET = 1500;

interface Settings {
  readonly target: Micros;
  readonly interval: Micros;
  readonly limit: number;
  readonly ecn: boolean;
}

class CodelElement implements Element {
  readonly waiting = new PacketList();
  readonly #settings: Settings;
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #next: Server;
  /** When the wait will have been above target for an interval; 0: it is below. */
  #firstAbove: Micros = 0;
  #dropNext: Micros = 0;
  #count = 0;
  #lastCount = 0;
  #dropping = false;

  constructor(settings: Settings, context: ElementContext, output: (packet: Packet) => void) {
    this.#settings = settings;
    this.#context = context;
    this.#output = output;
    this.#next = serverBehind(context, "CoDel queue", () => this.#release());
  }

  push(packet: Packet): void {
    packet.at = this.#context.now;
    if (!this.#next.busy) {
      // It did not wait.
      this.#firstAbove = 0;
      this.#dropping = false;
      this.#output(packet);
    } else if (this.waiting.count >= this.#settings.limit) {
      this.#context.drop(packet);
    } else {
      this.waiting.add(packet);
    }
  }

  clear(): void {
    this.waiting.clear();
  }

  /** RFC 8289 §5.5: takes the first packet, and notes whether it may be dropped. */
  #take(now: Micros): { readonly packet: Packet | null; readonly late: boolean } {
    const packet = this.waiting.take();
    if (packet === null) {
      this.#firstAbove = 0;
      return { packet, late: false };
    }
    const { target, interval } = this.#settings;
    if (now - packet.at < target || this.waiting.bytes < FULL_PACKET) {
      this.#firstAbove = 0;
      return { packet, late: false };
    }
    if (this.#firstAbove === 0) {
      this.#firstAbove = now + interval;
      return { packet, late: false };
    }
    return { packet, late: now >= this.#firstAbove };
  }

  /** RFC 8289 §5.6: the more packets were dropped, the sooner comes the next. */
  #dropAfter(from: Micros): Micros {
    return from + this.#settings.interval / Math.sqrt(this.#count);
  }

  /** Drops or marks a packet; the one that goes on, if it was marked. */
  #strike(packet: Packet): Packet | null {
    if (this.#settings.ecn && markCongestion(packet)) return packet;
    this.#context.drop(packet);
    return null;
  }

  /** RFC 8289 §5.5, dequeue. */
  #release(): void {
    const { now } = this.#context;
    let { packet, late } = this.#take(now);
    if (this.#dropping) {
      if (!late) this.#dropping = false;
      while (packet !== null && this.#dropping && now >= this.#dropNext) {
        this.#count++;
        const marked = this.#strike(packet);
        if (marked !== null) {
          this.#dropNext = this.#dropAfter(this.#dropNext);
          this.#output(marked);
          return;
        }
        ({ packet, late } = this.#take(now));
        if (late) this.#dropNext = this.#dropAfter(this.#dropNext);
        else this.#dropping = false;
      }
    } else if (packet !== null && late) {
      const marked = this.#strike(packet);
      packet = marked ?? this.#take(now).packet;
      this.#dropping = true;
      // RFC 8289 §5.5: it goes on where it was, if that was not long ago.
      const delta = this.#count - this.#lastCount;
      const recent = now - this.#dropNext < 16 * this.#settings.interval;
      this.#count = delta > 1 && recent ? delta : 1;
      this.#dropNext = this.#dropAfter(now);
      this.#lastCount = this.#count;
    }
    if (packet !== null) this.#output(packet);
  }
}

/**
 * A queue with controlled delay (RFC 8289): packets are dropped, or marked with `ecn`, while none has waited less than `target` for an `interval`. Put it
 * directly in front of a {@linkcode rate}, in place of a {@linkcode queue}.
 *
 * @example A home router that keeps its queue short
 * ```ts
 * import { codel, emulate } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: { dsl: { rate: "10 Mbit/s", delay: "15 ms", queue: codel({ target: "5 ms" }) } },
 * });
 * ```
 *
 * @throws {TypeError} If an option is not of its kind; on use, if no rate stands directly behind it.
 * @throws {RangeError} If one is out of its range.
 */
export function codel(options: CodelOptions = {}): ElementFactory {
  checkNames(DOING, options, OPTIONS);
  const { target = "5 ms", interval = "100 ms", limit, ecn = false } = options;
  const settings = {
    target: parseDuration(target, "target"),
    interval: parseDuration(interval, "interval"),
    limit: numberOption(DOING, "limit", limit, 1000, [1, Infinity]),
    ecn,
  };
  if (settings.interval === 0) {
    throw new RangeError(`Cannot ${DOING} as 'interval' must be above 0`);
  }
  return {
    name: "codel",
    create: (context, output) => new CodelElement(settings, context, output),
  };
}
