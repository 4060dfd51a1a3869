/**
 * Two links joined in one process, with elements between them: what enters one leaves by the other. Two kernels talk through it as they would
 * through a wire, which makes the reference for every comparison with impairments.
 */

import type { Link, PollSource } from "../host/link.ts";
import { Lane, type LaneCounts, Outlet } from "./lane.ts";
import type { ElementFactory } from "./sim/elements/element.ts";
import { Loop } from "./loop.ts";
import { TunLink } from "./tun/tun.ts";

/** How links are joined. */
export interface BridgeOptions {
  /** What packets pass in both directions, each direction with elements of its own. */
  readonly elements?: readonly ElementFactory[];
  /** What they pass from the first link to the second, in place of `elements`. */
  readonly forward?: readonly ElementFactory[];
  /** What they pass from the second link to the first, in place of `elements`. */
  readonly backward?: readonly ElementFactory[];
  /** Streams of random numbers in [0, 1) for the elements, by name. @default Math.random */
  readonly random?: (name: string) => () => number;
}

/**
 * Two links joined. It runs, and keeps the program running, until it is closed. Made by {@linkcode bridge}.
 *
 * @example
 * ```ts
 * import { type Bridge, bridge, delay, rate, tun } from "@mptcp/mptcp";
 *
 * // Slows the link down, then takes it away for a second.
 * async function disturb(joined: Bridge): Promise<void> {
 *   joined.set({ rate: "5 Mbit/s" });
 *   joined.cut();
 *   await new Promise((done) => setTimeout(done, 1000));
 *   joined.restore();
 *   console.log(joined.counts.forward.dropped); // { cut: 812 }
 * }
 *
 * export async function run() {
 *   const elements = [rate("50 Mbit/s"), delay("10 ms")];
 *   await using joined = bridge(tun("a"), tun("b"), { elements });
 *   await disturb(joined);
 * }
 * ```
 */
export class Bridge implements AsyncDisposable {
  readonly #loop: Loop;
  readonly #forward: Lane;
  readonly #backward: Lane;

  /** Attaches both links; throws what they throw. */
  constructor(a: Link, b: Link, options: BridgeOptions) {
    const { elements = [], forward = elements, backward = elements } = options;
    const { random } = options;
    const loop = this.#loop = new Loop(random === undefined ? {} : { random });
    const toA = new Outlet(a);
    const toB = new Outlet(b);
    const { driver } = loop;
    this.#forward = new Lane(
      "forward",
      forward,
      driver,
      (packet) => toB.send(packet),
      (packet) => this.#backward.take(packet),
    );
    this.#backward = new Lane(
      "backward",
      backward,
      driver,
      (packet) => toA.send(packet),
      (packet) => this.#forward.take(packet),
    );
    try {
      if (forward.length + backward.length === 0 && a instanceof TunLink && b instanceof TunLink) {
        loop.add(a, relay(a, b, this.#forward));
        loop.add(b, relay(b, a, this.#backward));
      } else {
        a.withoutOffload?.();
        b.withoutOffload?.();
        loop.add(a);
        loop.add(b);
      }
    } catch (error) {
      void loop.close();
      throw error;
    }
    loop.start({
      handlePacket: (_now, link, packet) =>
        (link === a ? this.#forward : this.#backward).receive(packet, link),
      handleWritable: (_now, link) => (link === a ? toA : toB).writable(),
      handleGone(_now, { name }) {
        // deno-lint-ignore no-console -- nobody would know why nothing passes any more
        console.warn(`${name} is gone: nothing passes by it any more.`);
      },
      handleTimeout() {},
      pollTimeout: () => Infinity,
      flush() {},
    });
    loop.hold(true);
  }

  /** Gives a change, such as `{ delay: "5 ms" }`, to the elements of both directions. */
  set(change: Readonly<Record<string, unknown>>): void {
    this.#forward.set(change);
    this.#backward.set(change);
  }

  /** From now on nothing comes out, in either direction; nobody is told. */
  cut(): void {
    this.#forward.setCut(true);
    this.#backward.setCut(true);
  }

  /** Ends a cut. */
  restore(): void {
    this.#forward.setCut(false);
    this.#backward.setCut(false);
  }

  /** What passed in each direction. Frames that are passed from device to device as they are, without elements, are not counted. */
  get counts(): { readonly forward: LaneCounts; readonly backward: LaneCounts } {
    return { forward: this.#forward.counts, backward: this.#backward.counts };
  }

  /** Stops, and closes both links. */
  async close(): Promise<void> {
    await this.#loop.close();
    this.#forward.clear();
    this.#backward.clear();
  }

  /** The same as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Frames of one device as the other takes them: nothing is looked at, and super-segments stay whole. */
function relay(from: TunLink, to: TunLink, lane: Lane): PollSource {
  return {
    get fd() {
      return from.fd;
    },
    drain: (budget) => from.relay(lane.cut ? null : to, budget),
    check: () => from.check(),
  };
}

/**
 * Joins two links. Without elements, TUN devices exchange super-segments as they are; with elements, packets pass one by one as on a wire.
 *
 * @example
 * ```ts
 * import { bridge, delay, rate, tun } from "@mptcp/mptcp";
 *
 * function join() {
 *   const a = tun("a", { namespace: "client", kernelAddresses: ["10.77.1.1/24"] });
 *   const b = tun("b", { namespace: "server", kernelAddresses: ["10.77.1.2/24"] });
 *   return bridge(a, b, { elements: [rate("50 Mbit/s"), delay("10 ms")] });
 * }
 * ```
 */
export function bridge(a: Link, b: Link, options: BridgeOptions = {}): Bridge {
  return new Bridge(a, b, options);
}
