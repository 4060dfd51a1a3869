/** Super-segments go out as trains of datagrams and come in as they were, whatever the kernel has coupled or uncoupled of them on the way. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { HostDriver } from "../../../core/host/link.ts";
import type {
  DatagramReceiver,
  DatagramSocket,
  Sent,
} from "../../../core/link/udp/datagram_socket.ts";
import type { SocketAddress } from "../../../core/link/udp/socket_address.ts";
import { HEADER } from "../../../core/link/udp/datagram.ts";
import { UdpLink } from "../../../core/link/udp/udp.ts";
import { packetOut } from "../../../core/wire/packet.ts";
import { packet_alloc, u8 } from "../../../wasm/mod.ts";
import * as property from "../../support/property.ts";
import { end } from "../../support/udp_network.ts";

/** A train of datagrams as it was sent. */
interface Train {
  readonly bytes: Uint8Array;
  readonly size: number;
}

/** A socket that keeps what is sent, and takes no more in one go than it is told. */
class KeptSocket implements DatagramSocket {
  readonly segments = 64;
  readonly trains: Train[] = [];
  readonly local: SocketAddress;
  refuses = false;
  receiver!: DatagramReceiver;
  #pieces: Uint8Array[] = [];

  constructor(address: string) {
    this.local = end(address, 8684);
  }

  attach(receiver: DatagramReceiver): void {
    this.receiver = receiver;
  }

  piece(address: number, length: number): void {
    this.#pieces.push(u8.slice(address, address + length));
  }

  discard(): void {
    this.#pieces = [];
  }

  send(_to: SocketAddress, size: number): Sent {
    const bytes = Uint8Array.from(this.#pieces.flatMap((piece) => [...piece]));
    this.#pieces = [];
    if (size > 0 && this.refuses) return "refused";
    assert(bytes.length <= 65507 && (size === 0 || Math.ceil(bytes.length / size) <= 64));
    this.trains.push({ bytes, size: size || bytes.length });
    return "sent";
  }

  close(): void {}
}

/** What a host got. */
interface Got {
  readonly bytes: Uint8Array;
  readonly gsoSize: number;
}

/** A link attached to nothing but a list. */
function attach(address: string, options: { readonly port?: number; readonly mtu?: number }): {
  readonly link: UdpLink;
  readonly socket: KeptSocket;
  readonly got: Got[];
} {
  const socket = new KeptSocket(address);
  const got: Got[] = [];
  const link = new UdpLink("link", options, () => socket);
  link.configure([`${address}/24`]);
  const host: HostDriver = {
    now: 0,
    receive: (_link, { address: at, length, gsoSize }) =>
      void got.push({ bytes: u8.slice(at, at + length), gsoSize }),
    writable: () => {},
    at: () => () => {},
    timer: () => ({ arm: () => {}, disarm: () => {} }),
    random: () => Math.random,
  };
  link.attach(host);
  return { link, socket, got };
}

const SYN = 2;
const PSH = 8;
const ACK = 16;
const FIN = 1;
const BLOCK = packet_alloc(66048);
const [A, B] = [packet_alloc(66048), packet_alloc(66048)];

/** Sends a segment from 10.0.0.1 to 10.0.0.2: `payload` in two pieces, the second from `split` on. */
function send(
  link: UdpLink,
  seq: number,
  flags: number,
  payload: Uint8Array,
  split: number,
  gsoSize: number,
  options = 12,
): void {
  const header = BLOCK + 16;
  u8.fill(0, header, header + 80);
  u8.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], header);
  const tcp = new DataView(u8.buffer, header + 20, 20);
  tcp.setUint16(0, 1234);
  tcp.setUint16(2, 80);
  tcp.setUint32(4, seq);
  tcp.setUint32(8, 77);
  tcp.setUint8(12, (5 + options / 4) << 4);
  tcp.setUint8(13, flags);
  tcp.setUint16(14, 500);
  u8.fill(1, header + 40, header + 40 + options);
  u8.set(payload.subarray(0, split), A);
  u8.set(payload.subarray(split), B);
  const out = packetOut();
  out.header = header;
  out.headerLength = 40 + options;
  [out.a, out.aLength] = [A, Math.min(split, payload.length)];
  [out.b, out.bLength] = [B, payload.length - out.aLength];
  out.gsoSize = gsoSize;
  assert(link.send(out));
}

/** The payloads of what came, one behind the other by sequence numbers, each checked for its header. */
function reassemble(got: readonly Got[], seq: number, options = 12): number[] {
  const stream: number[] = [];
  for (const { bytes, gsoSize } of got) {
    const view = new DataView(bytes.buffer);
    assertEquals(view.getUint16(2), bytes.length);
    assertEquals([...bytes.subarray(9, 10), ...bytes.subarray(12, 20)], [
      6,
      10,
      0,
      0,
      1,
      10,
      0,
      0,
      2,
    ]);
    assertEquals(view.getUint32(24), (seq + stream.length) % 2 ** 32);
    assertEquals(view.getUint32(28), 77);
    const payload = bytes.subarray(40 + options);
    assert(gsoSize === 0 || (gsoSize < payload.length));
    stream.push(...payload);
  }
  return stream;
}

type End = ReturnType<typeof attach>;

/** Hands over what one end has sent. */
function hand(from: End, to: End): void {
  for (const { bytes, size } of from.socket.trains.splice(0)) take(to, from, bytes, size);
}

/** Hands over datagrams of one size. */
function take(to: End, from: End, bytes: Uint8Array, size: number): void {
  const { receiver } = to.socket;
  u8.set(bytes, receiver.buffer);
  receiver.received(bytes.length, size, from.socket.local, 0);
}

/** A client and a server with an association. */
function pair(mtu = 9000): { readonly client: End; readonly server: End } & Disposable {
  const client = attach("10.0.0.1", { mtu });
  const server = attach("10.0.0.2", { port: 8684, mtu });
  send(client.link, 1, SYN, new Uint8Array(0), 0, 0);
  hand(client, server);
  hand(server, client);
  server.got.length = 0;
  return {
    client,
    server,
    [Symbol.dispose]() {
      void client.link.close();
      void server.link.close();
    },
  };
}

/** Runs with warnings of the console in a list. */
function withWarnings(run: (warnings: string[]) => void): void {
  const { warn } = console;
  const warnings: string[] = [];
  // deno-lint-ignore no-console -- what is said there is looked at
  console.warn = (line: string) => warnings.push(line);
  try {
    run(warnings);
  } finally {
    // deno-lint-ignore no-console -- as it was
    console.warn = warn;
  }
}

describe("a super-segment", () => {
  it("comes as it was, however it was cut and coupled", () => {
    property.assert(property.property(
      property.record({
        length: property.integer({ min: 1, max: 20_000 }),
        gsoSize: property.integer({ min: 100, max: 2000 }),
        split: property.nat(20_000),
        seq: property.constantFrom(1, 2 ** 31 - 700, 2 ** 32 - 5000, 2 ** 32 - 1),
        flags: property.constantFrom(ACK, ACK | PSH, ACK | FIN, ACK | PSH | FIN),
        coupling: property.array(property.integer({ min: 1, max: 9 }), { minLength: 1 }),
        refuses: property.boolean(),
        seed: property.nat(255),
      }),
      ({ length, gsoSize, split, seq, flags, coupling, refuses, seed }) => {
        using it = pair();
        const { client, server } = it;
        const payload = Uint8Array.from({ length }, (_, i) => (i * 31 + seed) ^ (i >> 8));
        client.socket.refuses = refuses;
        withWarnings((warnings) => {
          send(client.link, seq, flags, payload, split, gsoSize);
          const singles = refuses && length > gsoSize;
          // Of the MTU of 9000 above that many make a train.
          assertEquals([warnings.length, client.link.maxSegments], singles ? [1, 1] : [0, 7]);
        });
        // The kernel couples datagrams of one size, and uncouples them, as it likes.
        const cars = client.socket.trains.splice(0).flatMap(({ bytes, size }) =>
          Array.from(
            { length: Math.ceil(bytes.length / size) },
            (_, i) => bytes.subarray(i * size, (i + 1) * size),
          )
        );
        assertEquals(cars.length, Math.ceil(length / gsoSize));
        for (let i = 0, turn = 0; i < cars.length; turn++) {
          const first = cars[i]!;
          let train = [first];
          const most = coupling[turn % coupling.length]!;
          while (train.length < most && cars[i + train.length] !== undefined) {
            train = [...train, cars[i + train.length]!];
            if (train.at(-1)!.length < first.length) break;
          }
          i += train.length;
          const bytes = Uint8Array.from(train.flatMap((car) => [...car]));
          take(server, client, bytes, first.length);
        }
        const got = server.got.splice(0);
        assertEquals(reassemble(got, seq), [...payload]);
        // RFC 9293 §3.5: the end comes with the last byte, and with no other.
        const ends = got.map(({ bytes }) => bytes[33]! & (FIN | PSH));
        assertEquals(ends.pop(), flags & (FIN | PSH));
        assert(ends.every((flag) => flag === 0));
      },
    ));
  });

  it("is coupled again where datagrams came as one train", () => {
    const payload = Uint8Array.from({ length: 30_000 }, (_, i) => i * 7);
    using it = pair();
    const { client, server } = it;
    send(client.link, 5, ACK, payload, 10_007, 1400);
    hand(client, server);
    const got = server.got.splice(0);
    assertEquals(got.map(({ bytes, gsoSize }) => [bytes.length, gsoSize]), [[30_052, 1400]]);
    assertEquals(reassemble(got, 5), [...payload]);
  });

  it("is not coupled with what does not follow it", () => {
    using it = pair();
    const { client, server } = it;
    const payload = new Uint8Array(1000).fill(9);
    for (const [seq, options] of [[3000, 12], [1001, 16]] as const) {
      send(client.link, 1, ACK, payload, 1000, 0);
      send(client.link, seq, ACK, payload.subarray(0, 1012 - options), 1000, 0, options);
      const bytes = Uint8Array.from(client.socket.trains.splice(0).flatMap((t) => [...t.bytes]));
      take(server, client, bytes, bytes.length / 2);
      assertEquals(server.got.splice(0).map(({ gsoSize }) => gsoSize), [0, 0]);
    }
  });

  it("is not coupled with what is unlike it in any octet but the checksum's", () => {
    using it = pair();
    const { client, server } = it;
    const payload = new Uint8Array(1000).fill(9);
    const headers = HEADER + 32;
    for (let octet = 0; octet < headers; octet++) {
      send(client.link, 1, ACK, payload, 1000, 0);
      send(client.link, 1001, ACK, payload, 1000, 0);
      const bytes = Uint8Array.from(client.socket.trains.splice(0).flatMap((t) => [...t.bytes]));
      const half = bytes.length / 2;
      assertEquals(half, headers + 1000);
      bytes[half + octet]! ^= 4;
      take(server, client, bytes, half);
      const [first, ...more] = server.got.splice(0).map((got) => got.bytes.length);
      const coupled = octet === HEADER + 16 || octet === HEADER + 17;
      assertEquals([octet, first], [octet, 52 + (coupled ? 2000 : 1000)]);
      assert(more.length <= (coupled ? 0 : 1));
    }
  });

  it("of as many segments as the link takes leaves as one train, at any MTU", () => {
    for (const mtu of [576, 1280, 1500, 9000, 65535]) {
      using it = pair(mtu);
      const { client: { link, socket } } = it;
      const payload = link.mtu - 60;
      send(link, 5, ACK, new Uint8Array(payload * link.maxSegments), 100, payload, 20);
      assertEquals(socket.trains.splice(0).length, 1);
      // One more would not be better.
      const more = Math.min(65535 - 60, payload * (link.maxSegments + 1));
      if (link.maxSegments === socket.segments || more <= payload * link.maxSegments) continue;
      send(link, 5, ACK, new Uint8Array(more), 100, payload, 20);
      assert(socket.trains.splice(0).length > 1, `${mtu}`);
    }
  });
});
