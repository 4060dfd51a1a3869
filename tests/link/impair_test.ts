import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { HostDriver, Link } from "../../core/host/link.ts";
import { impair, type ImpairOptions } from "../../core/link/impair.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { Clock, type Timer } from "../../core/link/clock.ts";
import { delay } from "../../core/link/sim/elements/delay.ts";
import { loss } from "../../core/link/sim/elements/loss.ts";
import type { PacketIn, PacketOut } from "../../core/wire/packet.ts";
import { acknowledgeAndDrop } from "../../mod.ts";
import { packet_alloc, packet_free, u8 } from "../../wasm/mod.ts";
import { packetOf, readPacket } from "../support/boxed.ts";
import { bytesOf, cutPacket } from "../support/packets.ts";
import { checksumsAreGood, ipPacket } from "../support/sim.ts";

/** A link that keeps what is sent. */
class Device implements Link {
  readonly name = "dev";
  readonly mtu = 1400;
  readonly maxSegments = 44;
  readonly rxVerified = false;
  readonly sent: Uint8Array[] = [];
  offload = true;
  full = false;
  closed = false;
  addresses: readonly string[] = [];
  host!: HostDriver;

  constructor(readonly txChecksum: "full" | "partial" | "none" = "full") {}

  withoutOffload(): void {
    this.offload = false;
  }

  configure(addresses: readonly string[]): void {
    this.addresses = addresses;
  }

  send(packet: Readonly<PacketOut>): boolean {
    if (this.full) return false;
    this.sent.push(bytesOf(packet));
    // What belongs to the link by contract.
    u8.fill(0xee, packet.header - 16, packet.header);
    return true;
  }

  attach(host: HostDriver): void {
    this.host = host;
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

/** A host in virtual time that keeps what it receives. */
class FakeHost implements HostDriver {
  readonly clock = new Clock();
  readonly received: { link: Link; bytes: Uint8Array; verified: boolean; at: number }[] = [];

  get now(): number {
    return this.clock.now;
  }

  receive(link: Link, { address, length, verified }: Readonly<PacketIn>): void {
    const bytes = u8.slice(address, address + length);
    this.received.push({ link, bytes, verified, at: this.now });
  }

  writable(): void {}

  at(time: number, callback: () => void): () => void {
    return this.clock.at(time, callback);
  }

  timer(callback: () => void): Timer {
    return this.clock.timer(callback);
  }

  random(): () => number {
    let state = 1;
    return () => (state = state * 16807 % 2147483647) / 2147483647;
  }

  run(): void {
    while (this.clock.step());
  }
}

/** The device gets a packet. */
function arrive(device: Device, bytes: Uint8Array, verified: boolean): void {
  withBytes(bytes, (address) => {
    device.host.receive(device, { address, length: bytes.length, gsoSize: 0, verified });
  });
}

function withBytes(bytes: Uint8Array, use: (at: number) => void): void {
  const buffer = packet_alloc(bytes.length + 16);
  u8.set(bytes, buffer + 16);
  use(buffer + 16);
  packet_free(buffer);
}

/** Flips a bit of each packet, as a wire would. */
const damage: ElementFactory = {
  name: "damage",
  create: (context, output) => ({
    push(packet) {
      context.complete(packet);
      u8[packet.address + packet.length - 1]! ^= 1;
      packet.verified = false;
      output(packet);
    },
  }),
};

const PACKET = ipPacket("10.0.0.2", "10.0.0.1", 200, 5);

function send(link: Link, bytes: Uint8Array = PACKET): void {
  withBytes(bytes, (at) => {
    assert(link.send(cutPacket(at, bytes.length, [40, 100])));
  });
}

describe("impair()", () => {
  it("puts elements around a link, a chain of its own in each direction", () => {
    const host = new FakeHost();
    const device = new Device();
    const link = impair(device, { send: [delay("20 ms")], receive: [delay("5 ms")] });
    assertEquals(link.counts, null);
    link.configure(["10.0.0.2/24"]);
    link.attach(host);
    assertEquals(device.addresses, ["10.0.0.2/24"]);
    assertEquals([link.name, link.mtu, link.maxSegments], ["dev", 1400, 1]);
    assert(!device.offload);
    send(link);
    assertEquals(device.sent, []);
    arrive(device, PACKET, false);
    assertEquals(host.received, []);
    host.run();
    assertEquals(device.sent, [PACKET]);
    assertEquals(host.received, [{ link, bytes: PACKET, verified: false, at: 5000 }]);
    assertEquals(host.now, 20_000);
    link.set({ delay: "1 ms" });
    send(link);
    host.run();
    assertEquals(host.now, 21_000);
  });

  it("loses what its elements lose, and counts it", () => {
    const host = new FakeHost();
    const device = new Device();
    const link = impair(device, { send: [loss(0.5)] });
    link.attach(host);
    for (let i = 0; i < 1000; i++) send(link);
    const { send: { packets, delivered, dropped } } = link.counts!;
    assertEquals([packets, delivered + dropped.loss!], [1000, 1000]);
    assertEquals(device.sent.length, delivered);
    assertGreater(delivered, 400);
    assertLess(delivered, 600);
  });

  it("is cut in both directions", () => {
    const host = new FakeHost();
    const device = new Device();
    const link = impair(device, { send: [delay("1 ms")] });
    link.attach(host);
    const receive = (): void => arrive(device, PACKET, true);
    send(link);
    link.cut();
    send(link);
    receive();
    host.run();
    assertEquals([device.sent.length, host.received.length], [0, 0]);
    assertEquals(link.counts!.send.dropped.cut, 2);
    link.restore();
    send(link);
    receive();
    host.run();
    assertEquals([device.sent.length, host.received.length], [1, 1]);
  });

  it("may be cut and changed before it is attached", () => {
    const host = new FakeHost();
    const device = new Device();
    const link = impair(device, { send: [delay("20 ms")] });
    link.cut();
    link.set({ delay: "3 ms" });
    link.attach(host);
    send(link);
    host.run();
    assertEquals([device.sent.length, link.counts!.send.dropped.cut], [0, 1]);
    link.restore();
    send(link);
    host.run();
    assertEquals([device.sent.length, host.now], [1, 3000]);
  });

  it("refuses what would do nothing", () => {
    const device = new Device();
    const refused = (options: unknown, link: unknown = device): string =>
      assertThrows(() => impair(link as Link, options as ImpairOptions), TypeError).message;
    assertEquals(
      refused({}, "tun0"),
      'Cannot impair what is no link: give one, such as tun("mptcp0")',
    );
    assertStringIncludes(refused(undefined), 'give { send: [delay("20 ms")] }');
    assertEquals(refused({ sned: [] }), "Cannot impair dev by 'sned': there are send and receive");
    assertStringIncludes(refused({ send: [delay] }), ": delay is a function, call it");
    assertStringIncludes(
      refused({ receive: delay("1 ms") }),
      "'receive' must be a list of elements",
    );
    assertStringIncludes(refused({ send: ["20 ms"] }), "'send' must be a list of elements");
  });

  it("has what a middlebox answers come in in an event of its own, with the link's checksums", () => {
    for (const way of ["full", "none"] as const) {
      const host = new FakeHost();
      const device = new Device(way);
      const { up, down } = acknowledgeAndDrop({ every: 1, after: 0 });
      const link = impair(device, { send: [up], receive: [down] });
      link.attach(host);
      const bytes = packetOf({ from: "10.0.0.2 5000", to: "10.0.0.1 80", seq: 5, payload: [1, 2] });
      send(link, bytes);
      assertEquals([device.sent.length, host.received.length], [0, 0]);
      host.run();
      assertEquals(host.received.map((each) => readPacket(each.bytes).ack), [7]);
      assert(checksumsAreGood(host.received[0]!.bytes));
    }
  });

  it("keeps packets while the device is full", () => {
    const host = new FakeHost();
    const device = new Device();
    const link = impair(device, {});
    link.attach(host);
    device.full = true;
    for (let i = 0; i < 1002; i++) send(link);
    assertEquals(link.counts!.send.dropped.full, 2);
    device.full = false;
    device.host.writable(device);
    assertEquals(device.sent.length, 1000);
    send(link);
    assertEquals(device.sent.length, 1001);
  });

  it("lets no damage pass as good where packets carry no checksum", () => {
    const host = new FakeHost();
    const device = new Device("none");
    const link = impair(device, { send: [damage], receive: [damage] });
    link.attach(host);
    send(link);
    assertEquals(device.sent, []);
    assertEquals(link.counts!.send.dropped.full, 1);
    arrive(device, PACKET, true);
    assert(!host.received[0]!.verified);
    assert(!checksumsAreGood(host.received[0]!.bytes));
  });

  it("gives back what it holds", async () => {
    const host = new FakeHost();
    const device = new Device();
    const link = impair(device, { send: [delay("1 s")] });
    link.attach(host);
    for (let i = 0; i < 10; i++) send(link);
    await link.close();
    assert(device.closed);
    host.run();
    assertEquals(device.sent, []);
  });
});
