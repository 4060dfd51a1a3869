/** What a link does to packets, in the words of a user: rate, delay, loss, queue. From these its elements follow, and what may be changed of them. */

import { type Duration, parseDuration, parseRate, type Rate } from "../units.ts";
import { checkElements } from "./elements/check.ts";
import { delay } from "./elements/delay.ts";
import type { ElementFactory } from "./elements/element.ts";
import { loss } from "./elements/loss.ts";
import { queue, type QueueLimit } from "./elements/queue.ts";
import { rate } from "./elements/rate.ts";
import type { Direction, DirectionCounts } from "./link.ts";

/** What a link is like in one direction. */
export interface Shape {
  /**
   * What it carries, counting whole IP packets; or an element that sends one packet after the other, such as {@linkcode rateTrace} or
   * {@linkcode rateSchedule}, which needs a `queue`.
   *
   * @default without limit
   */
  readonly rate?: Rate | ElementFactory;
  /**
   * How long a packet is under way, beside the time that it waits and is sent.
   *
   * @default {"0 ms"}
   */
  readonly delay?: Duration;
  /**
   * Share of the packets that are lost at random, 0 to 1.
   *
   * @default {0}
   */
  readonly loss?: number;
  /**
   * Most packets that wait; what comes then is dropped. Other limits, and from where on packets are marked: see {@linkcode QueueLimit}. Or an element
   * in its place, such as {@linkcode red} or {@linkcode codel}. It takes a rate to wait for.
   *
   * @default {one round trip's worth at the link's rate, at least 50 ms and 20 packets}
   */
  readonly queue?: number | QueueLimit | ElementFactory;
  /** Further elements, behind those above. */
  readonly elements?: readonly ElementFactory[];
}

/** What can be changed of a link while it is used. */
export interface ShapeChange {
  /** What it carries. */
  readonly rate?: Rate;
  /** How long a packet is under way. */
  readonly delay?: Duration;
  /** Share of the packets that are lost at random, 0 to 1. */
  readonly loss?: number;
  /** How much waits at most. */
  readonly queue?: number | QueueLimit;
}

const CHANGES = ["rate", "delay", "loss", "queue"] as const;

/**
 * Packets of the default queue. One round trip's worth keeps a lone connection's path busy when its window is halved; a short round trip
 * would make that a handful of packets, fewer than one window's growth brings at once.
 */
function defaultQueue(rate: Rate, delay: Duration): number {
  const depth = Math.max(2 * parseDuration(delay), 50e3);
  return Math.max(20, Math.ceil(parseRate(rate) * depth / 1e6 / 1500));
}

function isElement(value: unknown): value is ElementFactory {
  return typeof value === "object" && value !== null && "create" in value;
}

/** The queue and the rate of a shape that has a rate. */
function service(doing: string, rateOf: Rate | ElementFactory, shape: Shape): ElementFactory[] {
  const { queue: limit } = shape;
  const made = isElement(limit) ? limit : null;
  if (isElement(rateOf)) {
    if (limit === undefined) {
      throw new TypeError(
        `Cannot ${doing} as its rate is made by ${rateOf.name}: say which 'queue'`,
      );
    }
    return [made ?? queue(limit as number | QueueLimit), rateOf];
  }
  const most = limit as number | QueueLimit | undefined;
  return [
    made ?? queue(most ?? defaultQueue(rateOf, shape.delay ?? "0 ms")),
    rate(rateOf),
  ];
}

/** Whether packets pass it as if it were not there. */
function isBare({ rate, delay, loss, elements }: Shape): boolean {
  return rate === undefined && delay === undefined && loss === undefined && elements === undefined;
}

/**
 * The elements of a shape, which checks it as well; `doing` begins the errors.
 *
 * @throws {TypeError} If a value is not of its kind, or there is a queue and no rate.
 * @throws {RangeError} If a value is out of its range.
 */
export function shapeElements(doing: string, shape: Shape): ElementFactory[] {
  checkElements(doing, "elements", shape.elements);
  const time = shape.delay ?? "0 ms";
  if (shape.rate === undefined && shape.queue !== undefined) {
    throw new TypeError(`Cannot ${doing} as it has a 'queue' and no 'rate' that packets wait for`);
  }
  if (isBare(shape)) return [];
  return [
    ...shape.rate === undefined ? [] : service(doing, shape.rate, shape),
    loss(shape.loss ?? 0),
    delay(time),
    ...shape.elements ?? [],
  ];
}

/** One direction of a link, with the shape that it has now. */
export class ShapedDirection {
  readonly #direction: Direction;
  #shape: Shape;

  /** `direction` was made of the elements of `shape`. */
  constructor(direction: Direction, shape: Shape) {
    this.#direction = direction;
    this.#shape = shape;
  }

  /**
   * Whether `change` could be applied; `what` names what is changed in the errors.
   *
   * @throws {TypeError} If a name or a unit is wrong, or a link without a rate is given one.
   * @throws {RangeError} If a value is out of range.
   */
  check(what: string, change: ShapeChange): void {
    for (const name of Object.keys(change)) {
      if (!(CHANGES as readonly string[]).includes(name)) {
        throw new TypeError(
          `Cannot change '${name}' of ${what} as it must be one of ${CHANGES.join(", ")}`,
        );
      }
    }
    const wire = isBare(this.#shape);
    if (wire || this.#shape.rate === undefined && change.rate !== undefined) {
      const name = wire ? Object.keys(change)[0] : "rate";
      if (name !== undefined) {
        throw new TypeError(
          `Cannot change '${name}' of ${what} as it has none: give it one from the first`,
        );
      }
    }
    for (const name of ["rate", "queue"] as const) {
      const made = this.#shape[name];
      if (change[name] === undefined || !isElement(made)) continue;
      throw new TypeError(`Cannot change '${name}' of ${what} as it is made by ${made.name}`);
    }
    shapeElements(`change ${what}`, { ...this.#shape, ...change });
  }

  /** Applies a change that was checked, for packets that come from now on. */
  set(change: ShapeChange): void {
    const shape = this.#shape = { ...this.#shape, ...change };
    const { rate, queue: limit, delay = "0 ms" } = shape;
    // The default queue follows the rate and the delay.
    const follows = limit === undefined && rate !== undefined && !isElement(rate);
    this.#direction.set({ ...change, ...(follows && { queue: defaultQueue(rate, delay) }) });
  }

  /** From now on nothing enters and nothing comes out; nobody is told. */
  cut(): void {
    this.#direction.setCut(true);
  }

  /** Ends a cut. What is still on its way comes out. */
  restore(): void {
    this.#direction.setCut(false);
  }

  /** What passed so far. */
  get counts(): DirectionCounts {
    return this.#direction.counts;
  }
}
