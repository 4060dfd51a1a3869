/** Random early detection: a queue that drops, or marks, the more the longer it is. */

import type { Micros } from "../../../plugin.ts";
import { markCongestion } from "./ecn.ts";
import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { checkNames, numberOption } from "./options.ts";
import { type Packet, PacketList } from "./packet.ts";
import { type Server, serverBehind } from "./server.ts";

/** Options of {@linkcode red}. Lengths are in packets that wait. */
export interface RedOptions {
  /** Average length from where on packets are dropped, or marked; from 0. */
  readonly min: number;
  /** Average length at which that happens with `probability`; above `min`. */
  readonly max: number;
  /**
   * Probability at `max`, 0 to 1.
   *
   * @default {0.1}
   */
  readonly probability?: number;
  /**
   * Weight of a new length in the average, above 0 to 1; with 1 the length itself counts.
   *
   * @default {0.002}
   */
  readonly weight?: number;
  /**
   * From `max` to twice that the probability grows to 1, in place of dropping all at once.
   *
   * @default {true}
   */
  readonly gentle?: boolean;
  /**
   * Whether packets are spaced evenly by counting those since the last one dropped. False: each is dropped by itself.
   *
   * @default {true}
   */
  readonly even?: boolean;
  /**
   * Most packets that wait; what comes then is dropped.
   *
   * @default {twice max, and 20 at least}
   */
  readonly limit?: number;
  /**
   * Whether packets whose sender uses ECN are marked rather than dropped, below twice `max` (RFC 3168 §7).
   *
   * @default {false}
   */
  readonly ecn?: boolean;
}

const OPTIONS = ["min", "max", "probability", "weight", "gentle", "even", "limit", "ecn"];
const DOING = "make a RED queue";
/** A packet's worth of service, by which an idle queue's average ages: of a full one. */
const TYPICAL_BYTES = 1500;

type Settings = Required<RedOptions>;

function settingsOf(options: RedOptions): Settings {
  checkNames(DOING, options, OPTIONS);
  const min = numberOption(DOING, "min", options.min, NaN, [0, Infinity]);
  const max = numberOption(DOING, "max", options.max, NaN, [0, Infinity]);
  if (!(max > min)) {
    throw new RangeError(
      `Cannot ${DOING} as it needs 'min' and a larger 'max': current values are ${options.min} and ${options.max}`,
    );
  }
  const weight = numberOption(DOING, "weight", options.weight, 0.002, [0, 1]);
  if (weight === 0) throw new RangeError(`Cannot ${DOING} as 'weight' must be above 0`);
  return {
    min,
    max,
    probability: numberOption(DOING, "probability", options.probability, 0.1, [0, 1]),
    weight,
    gentle: options.gentle ?? true,
    even: options.even ?? true,
    limit: numberOption(DOING, "limit", options.limit, Math.max(20, 2 * max), [1, Infinity]),
    ecn: options.ecn ?? false,
  };
}

class RedElement implements Element {
  readonly waiting = new PacketList();
  readonly #settings: Settings;
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #next: Server;
  #average = 0;
  /** Packets since the last that was dropped or marked; -1 while the average is below `min`. */
  #count = -1;
  /** When it became empty; -1 while it is not. */
  #emptySince: Micros = 0;

  constructor(
    settings: Settings,
    context: ElementContext,
    output: (packet: Packet) => void,
  ) {
    this.#settings = settings;
    this.#context = context;
    this.#output = output;
    this.#next = serverBehind(context, "RED queue", () => this.#release());
  }

  push(packet: Packet): void {
    packet.at = this.#context.now;
    this.#update();
    const { limit, ecn, max } = this.#settings;
    if (this.waiting.count >= limit) {
      this.#count = 0;
      this.#context.drop(packet);
      return;
    }
    if (this.#strikes()) {
      this.#count = 0;
      if (!ecn || this.#average >= 2 * max || !markCongestion(packet)) {
        this.#context.drop(packet);
        return;
      }
    }
    if (!this.#next.busy) {
      this.#output(packet);
      return;
    }
    this.#emptySince = -1;
    this.waiting.add(packet);
  }

  clear(): void {
    this.waiting.clear();
  }

  /** Floyd and Jacobson 1993: the average follows the length, and falls while the queue is empty as if small packets had come. */
  #update(): void {
    const { weight } = this.#settings;
    if (this.waiting.count === 0 && this.#emptySince >= 0 && !this.#next.busy) {
      const passed = (this.#context.now - this.#emptySince) / this.#next.timeFor(TYPICAL_BYTES);
      this.#average *= (1 - weight) ** passed;
    } else {
      this.#average += weight * (this.waiting.count - this.#average);
    }
  }

  /** Whether the packet that comes is dropped or marked. */
  #strikes(): boolean {
    const { min, max, probability, gentle, even } = this.#settings;
    const average = this.#average;
    if (average <= min) {
      this.#count = -1;
      return false;
    }
    this.#count++;
    if (average >= (gentle ? 2 * max : max)) return true;
    const chance = average < max
      ? probability * (average - min) / (max - min)
      : probability + (1 - probability) * (average - max) / max;
    const spaced = even ? chance / Math.max(1e-9, 1 - this.#count * chance) : chance;
    return spaced >= 1 || spaced < 0 || this.#context.random() < spaced;
  }

  #release(): void {
    const packet = this.waiting.take();
    if (packet === null) {
      this.#emptySince = this.#context.now;
      return;
    }
    if (this.waiting.count === 0) this.#emptySince = this.#context.now;
    this.#output(packet);
  }
}

/**
 * A queue with random early detection (Floyd and Jacobson, 1993): what comes is dropped, or marked with `ecn`, with a probability that grows with the
 * average length. Put it directly in front of a {@linkcode rate}, in place of a {@linkcode queue}.
 *
 * @example Drops from 25 packets on, a tenth of them at 50, all at 100
 * ```ts
 * import { emulate, rate, red } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: {
 *     wire: {
 *       rate: "1 Gbit/s",
 *       delay: "20 ms",
 *       up: [red({ min: 25, max: 50, probability: 0.1, weight: 1 }), rate("10 Mbit/s")],
 *     },
 *   },
 * });
 * ```
 *
 * @throws {TypeError} If an option is not of its kind; on use, if no rate stands directly behind it.
 * @throws {RangeError} If one is out of its range.
 */
export function red(options: RedOptions): ElementFactory {
  const settings = settingsOf(options);
  return {
    name: "red",
    create: (context, output) => new RedElement(settings, context, output),
  };
}
