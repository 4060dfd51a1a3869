/** A link of the emulated network: two ends, and in each direction a chain of elements between them. */

import type { HostDriver, Link } from "../../host/link.ts";
import { u8 } from "../../../wasm/mod.ts";
import type { PacketOut } from "../../wire/packet.ts";
import { Chain } from "./chain.ts";
import type { ElementFactory } from "./elements/element.ts";
import { completeChecksum } from "./elements/checksum.ts";
import {
  copyPacket,
  freePacket,
  lendPacket,
  type Packet,
  PacketList,
  wholePacket,
} from "./elements/packet.ts";
import { SimHost } from "./host.ts";
import type { Network } from "./network.ts";
import type { Router } from "./router.ts";
import type { TraceEvent } from "./trace.ts";

/** What hosts see of their links. */
export interface LinkShape {
  /**
   * Largest IP packet in bytes, 576 to 65535. A larger one is dropped.
   *
   * @default {1500}
   */
  readonly mtu?: number;
  /**
   * Most segments in one super-segment, from 1. What has a rate, a delay or further elements cuts them into packets as they enter.
   *
   * @default {1}
   */
  readonly maxSegments?: number;
  /**
   * Whether senders compute TCP checksums and receivers check them, as on a device without offload. Without, packets count as verified until an
   * element changes them.
   *
   * @default {false}
   */
  readonly checksums?: boolean;
}

/** How a link is made. Elements see super-segments as they are, and the receiver gets them whole. */
export interface LinkOptions extends LinkShape {
  /** What packets pass in both directions, each direction with elements of its own. Nothing: they arrive at once, without limit. */
  readonly elements?: readonly ElementFactory[];
  /** What they pass from the first end to the second, in place of `elements`. */
  readonly forward?: readonly ElementFactory[];
  /** What they pass from the second end to the first, in place of `elements`. */
  readonly backward?: readonly ElementFactory[];
}

/** What passed in one direction so far. */
export interface DirectionCounts {
  /** Packets put on the link. */
  readonly packets: number;
  /** Their bytes. */
  readonly bytes: number;
  /** Packets that came out at the other end. */
  readonly delivered: number;
  /** Their bytes. */
  readonly deliveredBytes: number;
  /** Packets lost, by element; "cut" while the link was cut, "mtu" too long, "memory" no memory. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** One direction of a link. */
export class Direction {
  /** The link's name. */
  readonly link: string;
  /** Where packets come from. */
  readonly from: SimHost | Router;
  /** Where they go to. */
  readonly to: SimHost | Router;
  /** The end of the link at `to`, when that is a host. */
  end: LinkEnd | null = null;
  /** The other direction of the link. */
  opposite: Direction | null = null;
  #cut = false;
  readonly #network: Network;
  readonly #chain: Chain;
  /** Nothing is done to packets on their way. */
  readonly #bare: boolean;
  readonly #mtu: number;
  readonly #arrived = new PacketList();
  readonly #timer;
  #pending = false;
  #packets = 0;
  #bytes = 0;
  #delivered = 0;
  #deliveredBytes = 0;
  #cutOff = 0;
  #tooLong = 0;
  #noMemory = 0;

  /** Made by {@linkcode Network.link}. */
  constructor(
    network: Network,
    link: string,
    from: SimHost | Router,
    to: SimHost | Router,
    factories: readonly ElementFactory[],
    mtu: number,
  ) {
    this.link = link;
    this.from = from;
    this.to = to;
    this.#network = network;
    this.#mtu = mtu;
    this.#bare = factories.length === 0;
    this.#timer = network.clock.timer(() => this.deliver());
    this.#chain = new Chain(
      `${link}/${from.name}-${to.name}`,
      factories,
      network.surroundings,
      (packet) => this.#arrive(packet),
      (packet) => this.#network.traced && this.#show("drop", packet),
      (packet) => this.opposite === null ? freePacket(packet) : this.opposite.enter(packet),
    );
  }

  /** While cut, nothing enters and nothing comes out. */
  get cut(): boolean {
    return this.#cut;
  }

  /** Cuts it, or ends the cut. */
  setCut(cut: boolean): void {
    this.#cut = cut;
  }

  /** Nobody but the host at its end looks at packets, and that takes such as have their payload elsewhere. */
  get lends(): boolean {
    return this.#bare && this.end !== null && this.end.takesLanded && !this.#network.traced;
  }

  /** Puts a packet on the link. */
  enter(packet: Packet): void {
    this.#packets++;
    this.#bytes += packet.length;
    if (this.#network.traced) this.#show("send", packet);
    if (this.#cut) {
      this.#cutOff++;
      this.#lose(packet);
    } else if (packet.length > this.#mtu && packet.gsoSize === 0) {
      this.#tooLong++;
      this.#lose(packet);
    } else {
      this.#chain.push(packet);
    }
  }

  /** Counts a packet that could not be put on the link for want of memory. */
  refuse(): void {
    this.#noMemory++;
  }

  /** Hands all that has arrived to the host. */
  deliver(): void {
    this.#pending = false;
    if (this.#timer.armed) this.#timer.disarm();
    const end = this.end!;
    for (let packet = this.#arrived.take(); packet !== null; packet = this.#arrived.take()) {
      try {
        end.receive(packet);
      } catch (error) {
        // The rest is for the next event.
        if (this.#arrived.head !== null && !this.#pending) this.#wait();
        throw error;
      } finally {
        freePacket(packet);
      }
    }
  }

  /** What has arrived is handed over in an event of its own. */
  #wait(): void {
    this.#pending = true;
    this.#timer.arm(this.#network.clock.now);
  }

  /** Gives a change to each element. */
  set(change: Readonly<Record<string, unknown>>): void {
    this.#chain.set(change);
  }

  /** Whether packets may wait in it. */
  get queues(): boolean {
    return this.#chain.queues;
  }

  /** What waits in its queues now. */
  get waiting(): { readonly packets: number; readonly bytes: number } {
    return this.#chain.waiting;
  }

  /** What passed so far. */
  get counts(): DirectionCounts {
    const { dropped } = this.#chain;
    return {
      packets: this.#packets,
      bytes: this.#bytes,
      delivered: this.#delivered,
      deliveredBytes: this.#deliveredBytes,
      dropped: {
        ...dropped,
        cut: this.#cutOff,
        // An element may have that name, too.
        mtu: this.#tooLong + (dropped.mtu ?? 0),
        memory: this.#noMemory,
      },
    };
  }

  /** Frees all packets inside. */
  clear(): void {
    this.#chain.clear();
    this.#arrived.clear();
    this.#timer.disarm();
  }

  #lose(packet: Packet): void {
    if (this.#network.traced) this.#show("drop", packet);
    freePacket(packet);
  }

  #arrive(packet: Packet): void {
    if (this.#cut) {
      this.#cutOff++;
      this.#lose(packet);
      return;
    }
    this.#delivered++;
    this.#deliveredBytes += packet.length;
    if (this.#network.traced) this.#show("receive", packet);
    if (this.end === null) {
      (this.to as Router).forward(packet, this);
      return;
    }
    this.#arrived.add(packet);
    if (this.#pending) return;
    this.#pending = true;
    // A host is never called from inside a send: what arrives at once waits for an event of its own.
    if (!this.#network.defer(this)) this.#wait();
  }

  #show(event: TraceEvent, packet: Packet): void {
    completeChecksum(packet);
    this.#network.show({
      event,
      at: this.#network.clock.now,
      link: this.link,
      from: this.from.name,
      to: this.to.name,
      bytes: u8.subarray(packet.address, packet.address + packet.length),
      gsoSize: packet.gsoSize,
    });
  }
}

/** An end of a link at a host: the link that the host's stack sees. */
export class LinkEnd implements Link {
  readonly name: string;
  readonly mtu: number;
  readonly maxSegments: number;
  readonly rxVerified: boolean;
  readonly txChecksum: "full" | "none";
  readonly #network: Network;
  readonly #out: Direction;
  #host: HostDriver;

  /** Made by {@linkcode Network.link}. */
  constructor(network: Network, host: SimHost, out: Direction, options: Required<LinkShape>) {
    this.name = out.link;
    this.mtu = options.mtu;
    this.maxSegments = options.maxSegments;
    this.rxVerified = !options.checksums;
    this.txChecksum = options.checksums ? "full" : "none";
    this.#network = network;
    this.#out = out;
    this.#host = host;
  }

  send(sent: Readonly<PacketOut>): boolean {
    const lends = sent.paged === true && sent.bLength === 0 && this.#out.lends;
    const packet = (lends ? lendPacket(sent) : null) ?? copyPacket(sent);
    if (packet === null) {
      this.#out.refuse();
      return true; // as lost on the way: nothing would tell when there is memory again
    }
    packet.verified = this.rxVerified;
    packet.partial = this.rxVerified;
    this.#network.send(this.#out, packet);
    return true;
  }

  attach(host: HostDriver): void {
    this.#host = host;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Whether the host takes packets whose payload is elsewhere. */
  get takesLanded(): boolean {
    return this.rxVerified && this.#host.takesLanded === true;
  }

  /** Hands a packet that has arrived to the host; called by the network. */
  receive(packet: Packet): void {
    if (packet.payload === 0 || this.takesLanded) {
      this.#host.receive(this, packet);
      return;
    }
    // Another host, or stack, than the one that it was sent to: that would read what lies behind the headers.
    const whole = wholePacket(packet);
    if (whole === null) return;
    try {
      this.#host.receive(this, whole);
    } finally {
      freePacket(whole);
    }
  }
}

function checkInteger(what: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(
      `Cannot make a link as '${what}' must be an integer from ${least} to ${most}: current value is ${value}`,
    );
  }
  return value;
}

/** A link between two hosts, a host and a router, or two routers. */
export class SimLink {
  /** Its name. */
  readonly name: string;
  /** From the first end to the second. */
  readonly forward: Direction;
  /** From the second end to the first. */
  readonly backward: Direction;

  /** Made by {@linkcode Network.link}. */
  constructor(
    network: Network,
    name: string,
    a: SimHost | Router,
    b: SimHost | Router,
    options: LinkOptions,
  ) {
    this.name = name;
    const end = {
      mtu: checkInteger("mtu", options.mtu ?? 1500, 576, 65535),
      maxSegments: checkInteger("maxSegments", options.maxSegments ?? 1, 1, 65535),
      checksums: options.checksums ?? false,
    };
    const elements = options.elements ?? [];
    this.forward = new Direction(network, name, a, b, options.forward ?? elements, end.mtu);
    this.backward = new Direction(network, name, b, a, options.backward ?? elements, end.mtu);
    this.forward.opposite = this.backward;
    this.backward.opposite = this.forward;
    if (a instanceof SimHost) this.backward.end = new LinkEnd(network, a, this.forward, end);
    if (b instanceof SimHost) this.forward.end = new LinkEnd(network, b, this.backward, end);
  }

  /**
   * The link as the stack of `host` sees it.
   *
   * @throws {TypeError} If the link does not end at that host.
   */
  end(host: SimHost): Link {
    const into = this.backward.to === host ? this.backward : this.forward;
    if (into.to !== host || into.end === null) {
      throw new TypeError(`Cannot use link "${this.name}" at "${host.name}" as it ends elsewhere`);
    }
    return into.end;
  }

  /** The direction that leads away from `node`. */
  from(node: SimHost | Router): Direction {
    return this.forward.from === node ? this.forward : this.backward;
  }

  /** Gives a change, such as `{ rate: "5 Mbit/s" }`, to the elements of both directions. */
  set(change: Readonly<Record<string, unknown>>): void {
    this.forward.set(change);
    this.backward.set(change);
  }

  /** From now on nothing enters and nothing comes out; nobody is told. */
  cut(): void {
    this.forward.setCut(true);
    this.backward.setCut(true);
  }

  /** Ends a cut. What is still on its way comes out. */
  restore(): void {
    this.forward.setCut(false);
    this.backward.setCut(false);
  }

  /** Frees all packets inside; called by the network. */
  clear(): void {
    this.forward.clear();
    this.backward.clear();
  }
}
