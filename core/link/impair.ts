/** Elements of the emulated network around a real link, on the real clock: the netem that a kernel may lack. */

import type { HostDriver, Link, PollSource } from "../host/link.ts";
import type { Micros } from "../plugin.ts";
import type { PacketOut } from "../wire/packet.ts";
import { type ImpairOptions, Lane, type LaneCounts, Outlet } from "./lane.ts";
import { checkElements } from "./sim/elements/check.ts";
import { freePacket } from "./sim/elements/packet.ts";

export type { ImpairOptions, LaneCounts } from "./lane.ts";

/** A misspelt side, or an element that was not called, would do nothing, without a word. */
function checkOptions(link: Link, options: ImpairOptions): void {
  if (typeof link?.send !== "function") {
    throw new TypeError('Cannot impair what is no link: give one, such as tun("mptcp0")');
  }
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot impair ${link.name} by nothing: give { send: [delay("20 ms")] } or the like`,
    );
  }
  for (const [side, elements] of Object.entries(options)) {
    if (side !== "send" && side !== "receive") {
      throw new TypeError(`Cannot impair ${link.name} by '${side}': there are send and receive`);
    }
    checkElements(`impair ${link.name}`, side, elements);
  }
}

/**
 * A link with elements around it. Made by {@linkcode impair}.
 *
 * @example
 * ```ts
 * import { delay, impair, loss, tun } from "@mptcp/mptcp";
 *
 * const link = impair(tun("mptcp0"), { send: [delay("20 ms"), loss(0.01)] });
 * link.set({ delay: "80 ms" }); // for packets that come from now on
 * link.cut();
 * link.restore();
 * console.assert(link.name === "mptcp0");
 * ```
 */
export class ImpairedLink implements Link {
  readonly #link: Link;
  readonly #options: ImpairOptions;
  readonly #outlet: Outlet;
  #send: Lane | null = null;
  #receive: Lane | null = null;
  #cut = false;
  /** Changes before it was attached. */
  #changes: Readonly<Record<string, unknown>>[] = [];

  /** Wraps a link that is not attached yet. */
  constructor(link: Link, options: ImpairOptions) {
    checkOptions(link, options);
    this.#link = link;
    this.#options = options;
    this.#outlet = new Outlet(link);
    link.withoutOffload?.();
  }

  get name(): string {
    return this.#link.name;
  }

  get source(): PollSource | undefined {
    return this.#link.source;
  }

  get mtu(): number {
    return this.#link.mtu;
  }

  /** Elements see packets as they go on a wire. */
  get maxSegments(): number {
    return 1;
  }

  get rxVerified(): boolean {
    return false;
  }

  get txChecksum(): "full" | "partial" | "none" {
    return this.#link.txChecksum;
  }

  configure(addresses: readonly string[]): void {
    this.#link.configure?.(addresses);
  }

  async prepare(): Promise<void> {
    await this.#link.prepare?.();
  }

  attach(host: HostDriver): void {
    const link = this.#link;
    const receive = new Lane(
      `${link.name}/receive`,
      this.#options.receive ?? [],
      host,
      (packet) => {
        host.receive(this, packet);
        freePacket(packet);
        return true;
      },
      (packet) => send.take(packet),
    );
    const send: Lane = new Lane(
      `${link.name}/send`,
      this.#options.send ?? [],
      host,
      (packet) => this.#outlet.send(packet),
      // A host is never called from inside a send.
      (packet) => void host.at(host.now, () => receive.take(packet)),
    );
    this.#send = send;
    this.#receive = receive;
    for (const change of this.#changes.splice(0)) this.set(change);
    if (this.#cut) this.cut();
    link.attach({
      get now(): Micros {
        return host.now;
      },
      get enough(): boolean {
        return host.enough === true;
      },
      receive: (_link, packet) => receive.receive(packet, link),
      writable: () => this.#outlet.writable(),
      moved: (_link, address) => host.moved?.(this, address),
      gone: () => host.gone?.(this),
      at: (time, callback) => host.at(time, callback),
      timer: (callback) => host.timer(callback),
      random: (name) => host.random(name),
    });
  }

  send(packet: Readonly<PacketOut>): boolean {
    this.#send!.send(packet, this.#link);
    return true;
  }

  /** Gives a change, such as `{ delay: "5 ms" }`, to the elements of both directions. */
  set(change: Readonly<Record<string, unknown>>): void {
    if (this.#send === null) this.#changes.push(change);
    this.#send?.set(change);
    this.#receive?.set(change);
  }

  /** From now on nothing enters and nothing comes out; nobody is told. */
  cut(): void {
    this.#cut = true;
    this.#send?.setCut(true);
    this.#receive?.setCut(true);
  }

  /** Ends a cut. */
  restore(): void {
    this.#cut = false;
    this.#send?.setCut(false);
    this.#receive?.setCut(false);
  }

  /** What passed in each direction; `null` before it is attached. */
  get counts(): { readonly send: LaneCounts; readonly receive: LaneCounts } | null {
    if (this.#send === null || this.#receive === null) return null;
    return { send: this.#send.counts, receive: this.#receive.counts };
  }

  async close(): Promise<void> {
    this.#send?.clear();
    this.#receive?.clear();
    this.#outlet.clear();
    await this.#link.close();
  }
}

/**
 * Puts elements around a link: `send` for what leaves by it, `receive` for what comes in. Packets pass them one by one, with their checksums filled
 * in, as on a wire.
 *
 * @example
 * ```ts
 * import { delay, impair, loss, tun } from "@mptcp/mptcp";
 *
 * const link = impair(tun("mptcp0"), { send: [delay("20 ms"), loss(0.01)], receive: [delay("20 ms")] });
 * ```
 */
export function impair(link: Link, options: ImpairOptions): ImpairedLink {
  return new ImpairedLink(link, options);
}
