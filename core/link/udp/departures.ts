/** What leaves by the socket of a link: segments behind headers of ours, alone or in trains, and messages. */

import { packet_alloc, packet_free, train_headers, u8 } from "../../../wasm/mod.ts";
import type { Micros } from "../../plugin.ts";
import type { PacketOut } from "../../wire/packet.ts";
import type { Counts } from "./counts.ts";
import { HEADER } from "./datagram.ts";
import type { DatagramSocket, Sent } from "./datagram_socket.ts";
import { trafficClassOf } from "./inner_packet.ts";
import type { Peer } from "./peer.ts";
import type { SocketAddress } from "./socket_address.ts";
import { TRAIN_HEADERS, trainLength } from "./trains.ts";

/** Octets of the longest message, HELLO with a segment. */
const MESSAGE = 65536 - TRAIN_HEADERS;

/** What became of a packet. */
export type Departed = Exclude<Sent, "refused">;

/** The way out of a link. */
export class Departures {
  readonly #name: string;
  readonly #socket: DatagramSocket;
  readonly #counts: Counts;
  readonly #block: number;
  /** Most datagrams of the largest size in one train. */
  readonly #segments: number;
  #singles: boolean;

  /**
   * By an open socket, datagrams of up to `largest` octets; `singles`: no trains.
   *
   * @throws {RangeError} There is no memory.
   */
  constructor(
    name: string,
    socket: DatagramSocket,
    counts: Counts,
    largest: number,
    singles: boolean,
  ) {
    this.#name = name;
    this.#socket = socket;
    this.#counts = counts;
    this.#segments = trainLength(largest, socket.segments);
    this.#singles = singles;
    this.#block = packet_alloc(TRAIN_HEADERS + MESSAGE);
    if (this.#block === 0) {
      throw new RangeError(`Cannot open ${name} as there is no memory for its datagrams`);
    }
  }

  /** Most datagrams that go at once: a super-segment of more would go in two trains, the second of few. */
  get segments(): number {
    return this.#singles ? 1 : this.#segments;
  }

  /** Gives back its memory. */
  free(): void {
    packet_free(this.#block);
  }

  /** Sends a message of ours; what does not leave is lost. */
  message(bytes: Uint8Array, to: SocketAddress): void {
    if (bytes.length > MESSAGE) return this.#counts.add("OutLost");
    const at = this.#block + TRAIN_HEADERS;
    u8.set(bytes, at);
    this.#socket.piece(at, bytes.length);
    this.#counts.add(this.#socket.send(to, 0, 0) === "sent" ? "OutDatagrams" : "OutLost");
  }

  /** Sends a packet whose TCP header is at `tcp`. */
  segment(peer: Peer, packet: Readonly<PacketOut>, tcp: number, now: Micros): Departed {
    return packet.gsoSize > 0
      ? this.#train(peer, packet, tcp, now)
      : this.#one(peer, packet, tcp, now);
  }

  #one(peer: Peer, packet: Readonly<PacketOut>, tcp: number, now: Micros): Departed {
    const { header, headerLength, a, aLength, b, bLength } = packet;
    const socket = this.#socket;
    const segment = headerLength - (tcp - header);
    if (!peer.maySend(HEADER + segment + aLength + bLength, now)) return this.#heldBack();
    const trafficClass = trafficClassOf(header);
    u8.set(peer.header(trafficClass), this.#block);
    socket.piece(this.#block, HEADER);
    socket.piece(tcp, segment);
    if (aLength > 0) socket.piece(a, aLength);
    if (bLength > 0) socket.piece(b, bLength);
    const sent = socket.send(peer.endpoint, 0, trafficClass);
    if (sent === "sent") this.#counts.add("OutDatagrams");
    else if (sent !== "full") this.#counts.add(sent === "too-big" ? "OutTooBig" : "OutLost");
    return sent === "refused" ? "lost" : sent;
  }

  /** Sends a super-segment in trains, or one by one where the kernel takes none. "full": nothing has left. */
  #train(peer: Peer, packet: Readonly<PacketOut>, tcp: number, now: Micros): Departed {
    const { header, headerLength, aLength, bLength, gsoSize } = packet;
    const trafficClass = trafficClassOf(header);
    const headers = headerLength - (tcp - header);
    const size = HEADER + headers + gsoSize;
    const length = aLength + bLength;
    let most = this.#singles ? 1 : trainLength(size, this.#socket.segments);
    let refused = false;
    for (let at = 0; at < length;) {
      const end = Math.min(length, at + most * gsoSize);
      const cars = this.#couple(peer, packet, tcp, at, end);
      if (!peer.maySend(end - at + cars * (HEADER + headers), now)) {
        this.#socket.discard();
        return this.#heldBack();
      }
      const sent = this.#socket.send(peer.endpoint, cars > 1 ? size : 0, trafficClass);
      if (sent === "refused" && cars > 1) {
        // What is too large for the device is refused, too: one by one it shows.
        most = 1;
        refused = true;
        continue;
      }
      if (sent === "sent") {
        this.#counts.add("OutDatagrams", cars);
        if (refused) this.#refused();
        refused = false;
      } else if (sent === "full" && at === 0) return "full";
      else if (sent === "too-big") {
        this.#counts.add("OutTooBig");
        return "too-big";
      } else this.#counts.add("OutLost", cars);
      at = end;
    }
    return "sent";
  }

  /** Adds the datagrams that carry the payload from `at` to `end` to what is sent next. How many they are. */
  #couple(
    peer: Peer,
    packet: Readonly<PacketOut>,
    tcp: number,
    at: number,
    end: number,
  ): number {
    const { header, headerLength, a, aLength, b, bLength, gsoSize } = packet;
    const socket = this.#socket;
    const headers = headerLength - (tcp - header);
    const block = this.#block;
    u8.set(peer.header(trafficClassOf(header)), block);
    let to = block + HEADER;
    const whole = aLength + bLength;
    const cars = train_headers(to, block, HEADER, tcp, headers, at, end, whole, gsoSize);
    for (let from = at; from < end; from += gsoSize) {
      const until = Math.min(from + gsoSize, end);
      socket.piece(to, HEADER + headers);
      to += HEADER + headers;
      if (from < aLength) socket.piece(a + from, Math.min(until, aLength) - from);
      if (until > aLength) {
        const begin = Math.max(from, aLength);
        socket.piece(b + begin - aLength, until - begin);
      }
    }
    return cars;
  }

  #heldBack(): "lost" {
    this.#counts.add("OutHeldBack");
    return "lost";
  }

  /** A train was refused, and its first datagram alone was taken: it is the kernel that takes no trains. */
  #refused(): void {
    this.#singles = true;
    // deno-lint-ignore no-console -- it costs most of the rate, and nobody would know why
    console.warn(
      `${this.#name}: this kernel refuses UDP_SEGMENT. Datagrams go one by one from now on.`,
    );
  }
}
