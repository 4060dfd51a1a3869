/** A rate that changes at times known beforehand. */

import type { Micros } from "../../../plugin.ts";
import { type Duration, parseDuration, parseRate, type Rate } from "../../units.ts";
import type { ElementContext, ElementFactory } from "./element.ts";
import { checkNames } from "./options.ts";
import type { Packet } from "./packet.ts";
import { RateElement } from "./rate.ts";

/** From when on a link sends at which rate. */
export interface RateStep {
  /** Time since the beginning of the schedule, which is that of the network. */
  readonly at: Duration;
  /** The rate from then on. */
  readonly rate: Rate;
}

/** Options of {@linkcode rateSchedule}. */
export interface RateScheduleOptions {
  /**
   * Length of the schedule, after which it begins again: longer than its last time.
   *
   * @default the last rate stays
   */
  readonly every?: Duration;
}

const DOING = "make a schedule of rates";

interface Step {
  readonly at: Micros;
  readonly speed: number;
}

/** Looks the pace up when a packet begins to be sent: no timer keeps a network going in which nothing else happens. */
class RateScheduleElement extends RateElement {
  readonly #context: ElementContext;
  readonly #steps: readonly Step[];
  readonly #every: Micros;

  constructor(
    steps: readonly Step[],
    every: Micros,
    context: ElementContext,
    output: (packet: Packet) => void,
  ) {
    super(steps[0]!.speed, context, output);
    this.#context = context;
    this.#steps = steps;
    this.#every = every;
  }

  override timeFor(bytes: number): Micros {
    const { now } = this.#context;
    return this.finish(now, bytes) - now;
  }

  protected override finish(from: Micros, bytes: number): Micros {
    let round = this.#every === Infinity ? 0 : Math.floor(from / this.#every);
    let index = this.#stepAt(from - (round === 0 ? 0 : round * this.#every));
    let at = from;
    let left = bytes;
    for (;;) {
      const { speed } = this.#steps[index]!;
      const begin = round === 0 ? 0 : round * this.#every;
      const until = begin + (this.#steps[index + 1]?.at ?? this.#every);
      const end = at + left / speed;
      if (end <= until) return end;
      left -= Math.max(0, until - at) * speed;
      at = Math.max(at, until);
      index++;
      if (index < this.#steps.length) continue;
      index = 0;
      round++;
    }
  }

  override set(): void {}

  #stepAt(phase: Micros): number {
    let low = 0;
    let high = this.#steps.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#steps[middle]!.at <= phase) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/**
 * Sends packets one after the other at a rate that changes at known times; a packet that is being sent goes on at the new rate. Put a {@linkcode queue}
 * directly in front. `{ rate }` does not change it.
 *
 * @example A link that falls to a tenth for two seconds in every ten
 * ```ts
 * import { emulate, queue, rateSchedule } from "@mptcp/mptcp";
 *
 * const steps = [
 *   { at: "0 s", rate: "20 Mbit/s" },
 *   { at: "5 s", rate: "2 Mbit/s" },
 *   { at: "7 s", rate: "20 Mbit/s" },
 * ] as const;
 * await using net = emulate({
 *   paths: {
 *     lte: {
 *       rate: "1 Gbit/s",
 *       delay: "20 ms",
 *       down: [queue(100), rateSchedule(steps, { every: "10 s" })],
 *     },
 *   },
 * });
 * ```
 *
 * @throws {TypeError} If a time or a rate is not a number with a unit.
 * @throws {RangeError} If there is none, the first does not begin at 0, or they are not in their order.
 */
export function rateSchedule(
  steps: readonly RateStep[],
  options: RateScheduleOptions = {},
): ElementFactory {
  checkNames(DOING, options, ["every"]);
  if (!Array.isArray(steps) || steps.length === 0) {
    throw new TypeError(
      `Cannot ${DOING} as it must be a list such as [{ at: "0 s", rate: "20 Mbit/s" }]`,
    );
  }
  const read = (steps as readonly RateStep[]).map(({ at, rate }) => ({
    at: parseDuration(at, "at"),
    speed: parseRate(rate) / 1e6,
  }));
  const every = options.every === undefined ? Infinity : parseDuration(options.every, "every");
  read.forEach(({ at }, i) => {
    const before = read[i - 1]?.at;
    if (before === undefined ? at === 0 : at > before) return;
    throw new RangeError(
      `Cannot ${DOING} as it must begin at 0 s and go forward: number ${i + 1} is at ${at / 1e6} s`,
    );
  });
  if (every <= read.at(-1)!.at) {
    throw new RangeError(`Cannot ${DOING} as 'every' must be longer than its last time`);
  }
  return {
    name: "rate-schedule",
    create: (context, output) => new RateScheduleElement(read, every, context, output),
  };
}
