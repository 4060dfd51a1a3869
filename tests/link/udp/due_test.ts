/** A link looks at all of its associations when something is due, not when something comes or goes: that would cost most when there are many, and a flood. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { HostDriver } from "../../../core/host/link.ts";
import { datagram, PING } from "../../../core/link/udp/datagram.ts";
import type { DatagramReceiver, DatagramSocket } from "../../../core/link/udp/datagram_socket.ts";
import { UdpLink } from "../../../core/link/udp/udp.ts";
import { inOnePiece, packetOut } from "../../../core/wire/packet.ts";
import { packet_alloc, u8 } from "../../../wasm/mod.ts";
import { end } from "../../support/udp_network.ts";

const BLOCK = packet_alloc(256);

/** A link, what it sends, and how often it has looked. */
class End {
  readonly link: UdpLink;
  readonly sent: Uint8Array[] = [];
  looks = 0;
  readonly #address: readonly number[];
  readonly #from: string;
  #receiver!: DatagramReceiver;

  constructor(address: string, options: { readonly port?: number }) {
    this.#from = address;
    this.#address = address.split(".").map(Number);
    let pieces: number[] = [];
    const socket: DatagramSocket = {
      segments: 1,
      local: end(address, 8684),
      attach: (receiver) => this.#receiver = receiver,
      piece: (at, length) => pieces.push(...u8.subarray(at, at + length)),
      discard: () => pieces = [],
      send: () => {
        this.sent.push(Uint8Array.from(pieces));
        pieces = [];
        return "sent";
      },
      close: () => {},
    };
    const host: HostDriver = {
      now: 0,
      receive: () => {},
      writable: () => {},
      at: () => () => {},
      timer: () => ({ arm: () => void this.looks++, disarm: () => {} }),
      random: () => Math.random,
    };
    this.link = new UdpLink("link", options, () => socket);
    this.link.configure([`${address}/24`]);
    this.link.attach(host);
  }

  /** Sends a segment without payload. */
  send(to: End, flags: number): void {
    u8.fill(0, BLOCK, BLOCK + 40);
    u8.set([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, ...this.#address, ...to.#address], BLOCK);
    u8[BLOCK + 32] = 5 << 4;
    u8[BLOCK + 33] = flags;
    const packet = packetOut();
    packet.header = BLOCK;
    inOnePiece(packet, 40);
    this.link.send(packet);
  }

  /** Gets datagrams. */
  take(datagrams: readonly Uint8Array[], from: End): void {
    for (const bytes of datagrams) {
      u8.set(bytes, this.#receiver.buffer);
      this.#receiver.received(bytes.length, bytes.length, end(from.#from, 8684), 0);
    }
  }
}

describe("a link over UDP", () => {
  it("looks at all associations when one is new, not at each datagram", () => {
    const [client, server] = [new End("10.0.0.1", {}), new End("10.0.0.2", { port: 8684 })];
    const carry = (): void => {
      server.take(client.sent.splice(0), client);
      client.take(server.sent.splice(0), server);
    };
    client.send(server, 2);
    carry();
    client.send(server, 16);
    carry();
    const before = [client.looks, server.looks];
    const stray = datagram(PING, new Uint8Array(8));
    for (let i = 0; i < 100; i++) {
      client.send(server, 16);
      carry();
      server.send(client, 16);
      carry();
      server.take([stray, Uint8Array.of(0x2f), Uint8Array.of(0x1f)], client);
      server.sent.length = 0;
    }
    assertEquals(server.link.counters.InUnknownTags, 100);
    assertEquals([client.looks, server.looks], before);
    void client.link.close();
    void server.link.close();
  });
});
