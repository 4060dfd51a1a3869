/** One direction of an impaired or bridged link: elements in the middle, a copy of each packet at the front, and a place where it comes out. */

import type { Link } from "../host/link.ts";
import { inOnePiece, type PacketIn, type PacketOut, packetOut } from "../wire/packet.ts";
import { Chain, type Surroundings } from "./sim/chain.ts";
import { completeChecksum } from "./sim/elements/checksum.ts";
import type { ElementFactory } from "./sim/elements/element.ts";
import {
  copyPacket,
  freePacket,
  gatherPacket,
  type Packet,
  PacketList,
} from "./sim/elements/packet.ts";

/** What packets pass in each direction. */
export interface ImpairOptions {
  /** For what leaves by the link, the first element at the host. */
  readonly send?: readonly ElementFactory[];
  /** For what comes in, the first element at the device. */
  readonly receive?: readonly ElementFactory[];
}

/** What passed in one direction so far. */
export interface LaneCounts {
  /** Packets that came in. */
  readonly packets: number;
  /** Packets that came out. */
  readonly delivered: number;
  /** Packets lost, by element; "cut" while the lane was cut, "memory" no memory, "full" the device behind took no more. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** One direction. */
export class Lane {
  #cut = false;
  readonly #chain: Chain;
  #packets = 0;
  #delivered = 0;
  #cutOff = 0;
  #noMemory = 0;
  #full = 0;

  /**
   * `name` names its streams of random numbers. `output` owns what comes out; false: it has freed it, as there was no room. `answer` owns what elements send
   * back: it is for the other lane.
   */
  constructor(
    name: string,
    factories: readonly ElementFactory[],
    surroundings: Surroundings,
    output: (packet: Packet) => boolean,
    answer: (packet: Packet) => void,
  ) {
    const out = (packet: Packet): void => {
      if (this.#cut) {
        this.#cutOff++;
        freePacket(packet);
      } else if (output(packet)) this.#delivered++;
      else this.#full++;
    };
    this.#chain = new Chain(name, factories, surroundings, out, undefined, answer);
  }

  /** While cut, nothing enters and nothing comes out. */
  get cut(): boolean {
    return this.#cut;
  }

  /** Cuts it, or ends the cut. */
  setCut(cut: boolean): void {
    this.#cut = cut;
  }

  /** Takes a copy of a packet that a host sends by `link`. */
  send(sent: Readonly<PacketOut>, link: Link): void {
    if (!this.#enters()) return;
    const packet = copyPacket(sent);
    const partial = link.txChecksum !== "full";
    this.#push(packet, partial, partial);
  }

  /** Takes a copy of a packet that has come in by `link`. */
  receive(received: Readonly<PacketIn>, link: Link): void {
    if (!this.#enters()) return;
    const { length, verified } = received;
    const packet = gatherPacket(received.address, length, 0, 0, 0, 0);
    if (packet !== null) packet.gsoSize = received.gsoSize;
    this.#push(packet, verified, verified && link.txChecksum !== "full");
  }

  /** Takes in what an element of the other lane sends back. */
  take(packet: Packet): void {
    if (this.#enters()) this.#chain.push(packet);
    else freePacket(packet);
  }

  #enters(): boolean {
    this.#packets++;
    if (this.#cut) this.#cutOff++;
    return !this.#cut;
  }

  #push(packet: Packet | null, verified: boolean, partial: boolean): void {
    if (packet === null) {
      this.#noMemory++;
      return;
    }
    packet.verified = verified;
    packet.partial = partial;
    this.#chain.push(packet);
  }

  /** Gives a change, such as `{ delay: "5 ms" }`, to each element. */
  set(change: Readonly<Record<string, unknown>>): void {
    this.#chain.set(change);
  }

  /** What passed so far. */
  get counts(): LaneCounts {
    const dropped: Record<string, number> = { ...this.#chain.dropped };
    if (this.#cutOff > 0) dropped.cut = this.#cutOff;
    if (this.#noMemory > 0) dropped.memory = this.#noMemory;
    if (this.#full > 0) dropped.full = this.#full;
    return { packets: this.#packets, delivered: this.#delivered, dropped };
  }

  /** Frees all packets inside. */
  clear(): void {
    this.#chain.clear();
  }
}

/** Packets that wait while a device is full. */
const WAITING = 1000;

/** Sends packets by a link, and keeps some while it is full. */
export class Outlet {
  readonly #link: Link;
  readonly #waiting = new PacketList();
  readonly #out = packetOut();

  /** Sends by `link`, which is attached. */
  constructor(link: Link) {
    this.#link = link;
  }

  /** Sends a packet and frees it. False: there was no room for it. */
  send(packet: Packet): boolean {
    if (this.#link.txChecksum === "full") completeChecksum(packet);
    // What vouches for its packets by other means, such as UDP's own checksum, loses those that were damaged on the way.
    else if (!packet.verified) return this.#lose(packet);
    if (this.#waiting.count > 0 || !this.#try(packet)) return this.#wait(packet);
    freePacket(packet);
    return true;
  }

  /** The link takes packets again. */
  writable(): void {
    for (let head = this.#waiting.head; head !== null; head = this.#waiting.head) {
      if (!this.#try(head)) return;
      this.#waiting.take();
      freePacket(head);
    }
  }

  /** Frees what waits. */
  clear(): void {
    this.#waiting.clear();
  }

  #try(packet: Packet): boolean {
    const out = this.#out;
    out.header = packet.address;
    inOnePiece(out, packet.length);
    out.gsoSize = packet.gsoSize;
    return this.#link.send(out);
  }

  #wait(packet: Packet): boolean {
    if (this.#waiting.count >= WAITING) return this.#lose(packet);
    this.#waiting.add(packet);
    return true;
  }

  #lose(packet: Packet): false {
    freePacket(packet);
    return false;
  }
}
