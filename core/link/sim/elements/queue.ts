/** A drop-tail queue: what waits for the element behind it, up to a limit; above another one it marks (RFC 3168). */

import { markCongestion } from "./ecn.ts";
import type { Element, ElementContext, ElementFactory } from "./element.ts";
import { type Packet, PacketList } from "./packet.ts";
import { type Server, serverBehind } from "./server.ts";

/** How much a queue holds; of several limits the one reached first counts. The packet being sent is not in the queue. */
export interface QueueLimit {
  /** Most packets that wait. */
  readonly packets?: number;
  /** Most bytes that wait. */
  readonly bytes?: number;
  /** A packet that would wait longer than this many milliseconds, at the present rate of the element behind, is dropped. */
  readonly ms?: number;
  /**
   * From where on packets are marked "congestion experienced" (RFC 3168 §5) as they come, if their sender uses ECN: a number of packets that wait, or
   * a length as for the queue itself; of several the one reached first counts. All else waits as it would without.
   *
   * @default nothing is marked
   */
  readonly mark?: number | Omit<QueueLimit, "mark">;
}

interface Limits {
  packets: number;
  bytes: number;
  micros: number;
}

/** What a limit may have. */
const LIMITS: readonly string[] = ["packets", "bytes", "ms"];

function checkLimit(what: string, value: unknown, least: number): number {
  if (value === undefined) return Infinity;
  if (typeof value !== "number") {
    throw new TypeError(
      `Cannot limit a queue as '${what}' must be a number of at least ${least}: current value is ${
        String(value)
      }`,
    );
  }
  if (!(value >= least)) {
    throw new RangeError(
      `Cannot limit a queue as '${what}' must be at least ${least}: current value is ${value}`,
    );
  }
  return value;
}

/** `within` is "mark." for the limits from where on packets are marked. */
function checkLimits(limit: unknown, within: "" | "mark." = ""): Limits {
  if (typeof limit === "number") {
    const what = within === "" ? "packets" : "mark";
    return { packets: checkLimit(what, limit, 1), bytes: Infinity, micros: Infinity };
  }
  if (typeof limit !== "object" || limit === null) {
    throw new TypeError(
      within === ""
        ? `Cannot use ${
          String(limit)
        } as the limit of a queue as it must be a number of packets, or { packets, bytes, ms, mark }`
        : `Cannot use ${
          String(limit)
        } as 'mark' of a queue as it must be a number of packets, or { packets, bytes, ms }`,
    );
  }
  const known = within === "" ? [...LIMITS, "mark"] : LIMITS;
  for (const name of Object.keys(limit)) {
    if (known.includes(name)) continue;
    throw new TypeError(
      `Cannot limit a queue by '${within}${name}' as it must be one of ${known.join(", ")}`,
    );
  }
  const { packets, bytes, ms } = limit as QueueLimit;
  return {
    packets: checkLimit(`${within}packets`, packets, 1),
    bytes: checkLimit(`${within}bytes`, bytes, 1),
    micros: checkLimit(`${within}ms`, ms, 0) * 1000,
  };
}

/** No limit. */
const NEVER: Limits = { packets: Infinity, bytes: Infinity, micros: Infinity };

function checkMark(limit: unknown): Limits {
  const threshold = typeof limit === "object" && limit !== null
    ? (limit as QueueLimit).mark
    : undefined;
  return threshold === undefined ? NEVER : checkLimits(threshold, "mark.");
}

class QueueElement implements Element {
  readonly #context: ElementContext;
  readonly #output: (packet: Packet) => void;
  readonly #next: Server;
  readonly waiting = new PacketList();
  #limits: Limits;
  #marks: Limits;

  constructor(
    limits: Limits,
    marks: Limits,
    context: ElementContext,
    output: (packet: Packet) => void,
  ) {
    this.#limits = limits;
    this.#marks = marks;
    this.#context = context;
    this.#output = output;
    this.#next = serverBehind(context, "queue", () => this.#release());
  }

  push(packet: Packet): void {
    packet.at = this.#context.now;
    if (!this.#next.busy) {
      this.#output(packet);
      return;
    }
    if (this.#exceeds(this.#limits, packet)) {
      this.#context.drop(packet);
      return;
    }
    if (this.#exceeds(this.#marks, packet)) markCongestion(packet);
    this.waiting.add(packet);
  }

  #exceeds(limits: Limits, packet: Packet): boolean {
    const { count, bytes } = this.waiting;
    return count >= limits.packets || bytes + packet.length > limits.bytes ||
      (limits.micros !== Infinity && this.#next.timeFor(bytes) > limits.micros);
  }

  set(change: Readonly<Record<string, unknown>>): void {
    if (change.queue === undefined) return;
    this.#limits = checkLimits(change.queue);
    this.#marks = checkMark(change.queue);
  }

  clear(): void {
    this.waiting.clear();
  }

  #release(): void {
    const packet = this.waiting.take();
    if (packet !== null) this.#output(packet);
  }
}

/**
 * Keeps what the element behind it, a {@linkcode rate}, cannot take yet, first in, first out, and drops what comes when it is full.
 * With `mark` it says before that that it is getting full: by marks, to who uses ECN. A number is a limit in packets. Changed by `{ queue }`; what waits already stays.
 *
 * @example
 * ```ts
 * import { Network, queue, rate } from "@mptcp/mptcp";
 *
 * await using net = new Network();
 * net.host("phone");
 * net.host("server");
 * net.link("wifi", {
 *   between: ["phone", "server"],
 *   elements: [queue({ ms: 50, mark: 20 }), rate("20 Mbit/s")],
 * });
 * ```
 *
 * @throws {TypeError} If a limit is not a number, or there is none of its name; on use, if no rate stands directly behind it.
 * @throws {RangeError} If a limit in packets or bytes is below 1, or one in ms below 0.
 */
export function queue(limit: number | QueueLimit): ElementFactory {
  const limits = checkLimits(limit);
  const marks = checkMark(limit);
  return {
    name: "queue",
    create: (context, output) => new QueueElement(limits, marks, context, output),
  };
}
