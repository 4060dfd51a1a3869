/** Answers SYNs in place of servers. */

import { u8 } from "../../../../wasm/mod.ts";
import type { Micros } from "../../../plugin.ts";
import type { Element, ElementContext } from "../elements/element.ts";
import { freePacket, type Packet } from "../elements/packet.ts";
import { type Middlebox, Outbox, twoSided } from "./box.ts";
import { FlowTable } from "./flow_table.ts";
import { Model } from "./forge.ts";
import { shiftAcknowledged } from "./renumber.ts";
import {
  ACK,
  get16,
  MSS,
  NOP,
  RST,
  SACK_PERMITTED,
  SYN,
  TcpSegment,
  WINDOW_SCALE,
} from "./segment.ts";
import { checkBoolean, checkInteger, checkNames } from "./select.ts";

/** What {@linkcode synProxy} says for the servers. */
export interface SynProxyOptions {
  /**
   * The MSS of servers, 88 to 65535.
   *
   * @default {1460}
   */
  readonly mss?: number;
  /**
   * Its window scale, 0 to 14, where a client has one.
   *
   * @default {7}
   */
  readonly windowScale?: number;
  /**
   * Whether servers take selective acknowledgements.
   *
   * @default {true}
   */
  readonly sack?: boolean;
}

/** First time that a server's answer is waited for; then twice as long each time. */
const WAIT: Micros = 1e6;
/** SYNs to a server. */
const TRIES = 6;
/** RFC 9293 §3.10.4: room for what a SYN says of a window, which is never scaled. */
const MOST_WINDOW = 65535;

/** What a client's SYN offers. */
interface Offer {
  readonly mss: number;
  /** -1: no scale. */
  readonly scale: number;
  readonly sack: boolean;
}

/** A connection: first the client is asked to prove its address, then the server is, and then both talk. */
class Flow {
  readonly offer: Offer;
  /** Sequence number of the client's SYN. */
  readonly clientIss: number;
  /** Ours in place of the server's. */
  readonly ourIss: number;
  readonly toClient: Model;
  readonly toServer: Model;
  #state: "asked" | "opening" | "open" = "asked";
  #shift = 0;
  #serverScale = 0;
  #window = 0;
  #cancel: (() => void) | null = null;

  constructor(offer: Offer, clientIss: number, ourIss: number, toClient: Model, toServer: Model) {
    this.offer = offer;
    this.clientIss = clientIss;
    this.ourIss = ourIss;
    this.toClient = toClient;
    this.toServer = toServer;
  }

  get state(): "asked" | "opening" | "open" {
    return this.#state;
  }

  /** What the server's sequence numbers lack to ours. */
  get shift(): number {
    return this.#shift;
  }

  /** By how much windows of the server are scaled. */
  get serverScale(): number {
    return this.#serverScale;
  }

  /** The client's window, as it last said. */
  get window(): number {
    return this.#window;
  }

  /** The client has proved its address. */
  proved(window: number): void {
    this.#state = "opening";
    this.#window = window;
  }

  /** Waits for the server; the result of the clock's `at`. */
  waits(cancel: () => void): void {
    this.#cancel = cancel;
  }

  /** The server has answered. */
  opened(serverIss: number, scale: number): void {
    this.rests();
    this.#state = "open";
    this.#shift = this.ourIss - serverIss;
    this.#serverScale = scale;
  }

  /** Waits no longer. */
  rests(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}

function offerOf(segment: TcpSegment): Offer {
  const mss = segment.option(MSS);
  const scale = segment.option(WINDOW_SCALE);
  return {
    mss: mss === 0 ? 536 : get16(mss + 2),
    scale: scale === 0 ? -1 : u8[scale + 2]!,
    sack: segment.option(SACK_PERMITTED) !== 0,
  };
}

function optionsOf({ mss, scale, sack }: Offer): number[] {
  return [
    MSS,
    4,
    mss >> 8,
    mss & 255,
    ...(scale < 0 ? [] : [NOP, WINDOW_SCALE, 3, scale]),
    ...(sack ? [NOP, NOP, SACK_PERMITTED, 2] : []),
  ];
}

class SynProxy {
  readonly #says: Offer;
  readonly #flows = new FlowTable<Flow>();
  #context: ElementContext | null = null;
  #toServer: Outbox | null = null;
  #toClient: Outbox | null = null;

  constructor(says: Offer) {
    this.#says = says;
  }

  up(context: ElementContext, output: (packet: Packet) => void): Element {
    const segment = new TcpSegment(context);
    const own = this.#toServer = new Outbox(context, output);
    this.#context = context;
    return {
      push: (packet) => {
        if (!segment.read(packet)) output(packet);
        else if (this.#fromClient(segment, packet)) output(packet);
        else freePacket(packet);
      },
      clear: () => {
        own.clear();
        this.#flows.sweep((flow) => {
          flow.rests();
          return true;
        });
      },
    };
  }

  down(context: ElementContext, output: (packet: Packet) => void): Element {
    const segment = new TcpSegment(context);
    const own = this.#toClient = new Outbox(context, output);
    return {
      push: (packet) => {
        if (!segment.read(packet)) output(packet);
        else if (this.#fromServer(segment)) output(packet);
        else freePacket(packet);
      },
      clear: () => own.clear(),
    };
  }

  /** Whether it goes on. */
  #fromClient(segment: TcpSegment, packet: Packet): boolean {
    if (segment.syn) {
      if (!segment.ack) this.#answer(segment, packet);
      return segment.ack;
    }
    const flow = this.#flows.find(segment, false);
    // What was open before the box was there is none of its business.
    if (flow === undefined) return true;
    if (flow.state === "open") {
      shiftAcknowledged(segment, flow.shift, true);
      segment.seal();
      return true;
    }
    if (segment.rst) this.#forget(segment, false, flow);
    else if (flow.state === "asked" && segment.ackNumber === (flow.ourIss + 1) >>> 0) {
      flow.proved(segment.window);
      this.#ask(flow, 0);
    }
    return false;
  }

  /** A SYN/ACK with a number that proves the client's address when it comes back, and no window: the server is not there yet. */
  #answer(segment: TcpSegment, packet: Packet): void {
    const before = this.#flows.find(segment, false);
    let flow = before;
    if (flow === undefined || flow.clientIss !== segment.seq) {
      flow?.rests();
      const offer = offerOf(segment);
      const iss = Math.floor(this.#context!.random() * 2 ** 32);
      const toClient = Model.of(segment, packet, true);
      flow = new Flow(offer, segment.seq, iss, toClient, Model.of(segment, packet, false));
      this.#flows.add(segment, false, flow);
    }
    if (flow.state !== "asked") return;
    const { mss, scale, sack } = this.#says;
    const options = optionsOf({
      mss,
      scale: flow.offer.scale < 0 ? -1 : scale,
      sack: sack && flow.offer.sack,
    });
    this.#toClient?.send(
      flow.toClient.make({
        seq: flow.ourIss,
        ack: flow.clientIss + 1,
        flags: SYN | ACK,
        window: 0,
        options,
      }),
    );
  }

  /** Sends the server a SYN as from the client, without what it does not know. */
  #ask(flow: Flow, tries: number): void {
    const context = this.#context!;
    if (tries >= TRIES) {
      const numbers = { seq: flow.ourIss + 1, ack: flow.clientIss + 1, flags: RST | ACK };
      this.#toClient?.send(flow.toClient.make(numbers));
      return;
    }
    const { offer } = flow;
    const options = optionsOf({ ...offer, sack: offer.sack && this.#says.sack });
    this.#toServer!.send(
      flow.toServer.make({ seq: flow.clientIss, ack: 0, flags: SYN, window: MOST_WINDOW, options }),
    );
    flow.waits(context.at(context.now + WAIT * 2 ** tries, () => this.#ask(flow, tries + 1)));
  }

  /** Whether it goes on. */
  #fromServer(segment: TcpSegment): boolean {
    const flow = this.#flows.find(segment, true);
    if (flow === undefined) return true;
    if (flow.state === "open") {
      // Our last ACK was lost, perhaps.
      if (segment.syn) this.#complete(flow, segment.seq);
      else this.#translate(segment, flow);
      return !segment.syn;
    }
    if (flow.state === "asked") return false;
    if (segment.rst) {
      // The server refuses: the client, for which the connection is open, hears of it.
      this.#forget(segment, true, flow);
      const numbers = { seq: flow.ourIss + 1, ack: flow.clientIss + 1, flags: RST | ACK };
      this.#toClient?.send(flow.toClient.make(numbers));
    } else if (segment.syn && segment.ack) {
      const scaled = flow.offer.scale >= 0 && segment.option(WINDOW_SCALE) !== 0;
      flow.opened(segment.seq, scaled ? u8[segment.option(WINDOW_SCALE) + 2]! : 0);
      this.#complete(flow, segment.seq);
      // What the server's SYN said of its window is not scaled; the client takes all for scaled.
      const window = this.#scaled(segment.window, flow, 0);
      this.#toClient?.send(
        flow.toClient.make({
          seq: flow.ourIss + 1,
          ack: flow.clientIss + 1,
          flags: ACK,
          window,
        }),
      );
    }
    return false;
  }

  /** The third ACK. */
  #complete(flow: Flow, serverIss: number): void {
    this.#toServer!.send(
      flow.toServer.make({
        seq: flow.clientIss + 1,
        ack: serverIss + 1,
        flags: ACK,
        window: flow.window,
      }),
    );
  }

  /** Makes a segment of the server one of ours. */
  #translate(segment: TcpSegment, flow: Flow): void {
    segment.seq += flow.shift;
    segment.window = this.#scaled(segment.window, flow, flow.serverScale);
    segment.seal();
  }

  /** A window that the server says, by its scale, as the client reads it, by ours. */
  #scaled(window: number, { offer }: Flow, scale: number): number {
    const ours = offer.scale < 0 ? 0 : this.#says.scale;
    return Math.min(MOST_WINDOW, Math.floor(window * 2 ** (scale - ours)));
  }

  #forget(segment: TcpSegment, back: boolean, flow: Flow): void {
    flow.rests();
    this.#flows.remove(segment, back);
  }
}

/**
 * Answers SYNs in place of the servers, and opens a connection to one when the client has shown that its address is its own, as firewalls do against
 * floods (RFC 4987 §3.7). Then it only changes sequence numbers and windows. What it says for a server has no options but MSS, window scale and SACK: no
 * MPTCP, no timestamps. Both ends fall back to plain TCP; where it stands on a further path, joins fail.
 *
 * @throws {TypeError} If an option is wrong.
 * @throws {RangeError} If a number is out of its range.
 * @example
 * ```ts
 * import { emulate, synProxy } from "@mptcp/mptcp";
 * import { assertEquals } from "@std/assert";
 *
 * const box = synProxy();
 * await using net = emulate({
 *   paths: { wifi: { rate: "20 Mbit/s", delay: "15 ms", up: [box.up], down: [box.down] } },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn, peer] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 *   net.sleep("1 s"), // the client is connected before the server knows
 * ]);
 * await conn.write(new Uint8Array(1000));
 * assertEquals(await peer.read(new Uint8Array(1000)), 1000);
 * assertEquals(conn.info().mptcp.flags & 1, 1); // plain TCP
 * assertEquals(peer.info().mptcp.flags & 1, 1);
 * ```
 */
export function synProxy(options: SynProxyOptions = {}): Middlebox {
  const doing = "make a SYN proxy";
  checkNames(doing, options, ["mss", "windowScale", "sack"]);
  const proxy = new SynProxy({
    mss: checkInteger(doing, "mss", options.mss ?? 1460, 88, 65535),
    scale: checkInteger(doing, "windowScale", options.windowScale ?? 7, 0, 14),
    sack: checkBoolean(doing, "sack", options.sack ?? true),
  });
  return twoSided(
    "synProxy",
    (context, output) => proxy.up(context, output),
    (context, output) => proxy.down(context, output),
  );
}
