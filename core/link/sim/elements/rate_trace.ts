/** A rate that follows a recorded trace of when a link could send. */

import type { HostTimer } from "../../../host/link.ts";
import type { Micros } from "../../../plugin.ts";
import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { checkNames, numberOption } from "./options.ts";
import { type Packet, PacketList } from "./packet.ts";

/** Options of {@linkcode rateTrace}. */
export interface RateTraceOptions {
  /**
   * Bytes of IP packets that go at each time: 1 or more.
   *
   * @default {1500}
   */
  readonly bytes?: number;
  /**
   * Whether the trace begins again at its end, which is its last time. Else nothing goes from there on.
   *
   * @default {true}
   */
  readonly repeat?: boolean;
}

const DOING = "follow a trace";

class RateTraceElement implements Element {
  onIdle: (() => void) | null = null;
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #timer: HostTimer;
  readonly #waiting = new PacketList();
  readonly #times: readonly Micros[];
  readonly #bytes: number;
  readonly #repeat: boolean;
  /** Bytes per microsecond over the whole trace. */
  readonly #mean: number;
  #current: Packet | null = null;
  /** Of the current packet. */
  #left = 0;
  /** The next time of the trace that was not used, and how often the trace has begun again. */
  #index = 0;
  #round = 0;
  #firing = false;

  constructor(
    times: readonly Micros[],
    bytes: number,
    repeat: boolean,
    context: ElementContext,
    output: (packet: Packet) => void,
  ) {
    this.#times = times;
    this.#bytes = bytes;
    this.#repeat = repeat;
    this.#mean = bytes * times.length / times.at(-1)!;
    this.#context = context;
    this.#output = output;
    this.#timer = context.timer(() => this.#fire());
  }

  get busy(): boolean {
    return this.#current !== null;
  }

  timeFor(bytes: number): Micros {
    return bytes / this.#mean;
  }

  push(packet: Packet): void {
    packet.at = this.#context.now;
    if (this.#current !== null) {
      this.#waiting.add(packet);
      return;
    }
    this.#current = packet;
    this.#left = packet.length;
    if (this.#firing) return;
    this.#skip();
    this.#arm();
  }

  clear(): void {
    this.#timer.disarm();
    if (this.#current !== null) this.#waiting.add(this.#current);
    this.#current = null;
    this.#waiting.clear();
  }

  #next(): Micros {
    const time = this.#times[this.#index];
    return time === undefined ? Infinity : this.#round * this.#times.at(-1)! + time;
  }

  /** Times that passed while there was nothing to send are gone. */
  #skip(): void {
    const { now } = this.#context;
    const length = this.#times.at(-1)!;
    if (this.#repeat && now >= (this.#round + 1) * length) {
      this.#round = Math.floor(now / length);
      this.#index = 0;
    }
    while (this.#next() <= now) this.#use();
  }

  #use(): void {
    this.#index++;
    if (this.#index < this.#times.length || !this.#repeat) return;
    this.#index = 0;
    this.#round++;
  }

  #arm(): void {
    if (this.#next() < Infinity) this.#timer.arm(this.#next());
  }

  #fire(): void {
    const { now } = this.#context;
    this.#firing = true;
    while (this.#current !== null && this.#next() <= now) {
      this.#use();
      // What one time has room for may be the end of one packet and the beginning of another.
      for (let budget = this.#bytes; budget > 0 && this.#current !== null;) {
        const spent = Math.min(budget, this.#left);
        budget -= spent;
        this.#left -= spent;
        if (this.#left > 0) break;
        const sent: Packet = this.#current;
        this.#current = this.#waiting.take();
        if (this.#current !== null) this.#left = this.#current.length;
        else this.onIdle?.();
        this.#output(sent);
      }
    }
    this.#firing = false;
    if (this.#current !== null) this.#arm();
  }
}

/**
 * Sends at the times of a trace, in milliseconds from its beginning: at each as many bytes as fit, be it of several packets, as Mahimahi's mm-link does. A
 * time may stand there several times. What is not used is gone. Put a {@linkcode queue} directly in front.
 *
 * @example A link that sends 1,500 bytes every 2 ms, and nothing for a second in every five
 * ```ts
 * import { emulate, queue, rateTrace } from "@mptcp/mptcp";
 *
 * const times = Array.from({ length: 2000 }, (_, i) => 2 * (i + 1));
 * await using net = emulate({
 *   paths: {
 *     lte: {
 *       rate: "1 Gbit/s",
 *       delay: "20 ms",
 *       down: [queue(100), rateTrace([...times, 5000])],
 *     },
 *   },
 * });
 * ```
 *
 * @throws {TypeError} If it is no list of numbers.
 * @throws {RangeError} If it is empty, goes back, or ends at 0.
 */
export function rateTrace(
  times: readonly number[],
  options: RateTraceOptions = {},
): ElementFactory {
  checkNames(DOING, options, ["bytes", "repeat"]);
  if (!Array.isArray(times)) {
    throw new TypeError(`Cannot ${DOING} as it must be a list of milliseconds`);
  }
  let before = 0;
  const micros = times.map((time, i) => {
    if (typeof time !== "number" || !Number.isFinite(time)) {
      throw new TypeError(`Cannot ${DOING} as its number ${i + 1} is ${String(time)}`);
    }
    if (time < before) {
      throw new RangeError(
        `Cannot ${DOING} as its times must not go back: number ${i + 1} is ${time} after ${before}`,
      );
    }
    before = time;
    return time * 1000;
  });
  if (before === 0) throw new RangeError(`Cannot ${DOING} as it must end after 0 ms`);
  const bytes = numberOption(DOING, "bytes", options.bytes, 1500, [1, Infinity]);
  const { repeat = true } = options;
  return {
    name: "rate-trace",
    create: (context, output) => new RateTraceElement(micros, bytes, repeat, context, output),
  };
}
