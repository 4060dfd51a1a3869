/** Numbers that are seldom reached: more than 2^32 bytes on one connection, and weeks of silence. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ConnectionObserver } from "../../core/connection/host.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import type { ElementFactory } from "../../mod.ts";
import { u8 } from "../../wasm/mod.ts";
import { pattern } from "../support/streams.ts";
import { Topology } from "../support/topology.ts";

const IDLE: ConnectionObserver = {
  onEstablished() {},
  onReadable() {},
  onWritable() {},
  onClosed() {},
};

/** What a path carries to the server. */
class Octets {
  /** Mappings, by the octets of their data sequence numbers. */
  four = 0;
  eight = 0;

  /** Counts them; they pass. */
  readonly element: ElementFactory = {
    name: "octets",
    create: (_, output) => ({
      push: (packet) => {
        this.#look(packet.address + 20);
        output(packet);
      },
    }),
  };

  #look(tcp: number): void {
    const end = tcp + (u8[tcp + 12]! >> 4) * 4;
    for (let at = tcp + 20; at < end && u8[at] !== 0; at += u8[at] === 1 ? 1 : u8[at + 1]!) {
      const flags = u8[at + 3]!;
      if (u8[at] !== 30 || u8[at + 2]! >> 4 !== 2 || (flags & 4) === 0) continue;
      if ((flags & 8) === 0) this.four++;
      else this.eight++;
    }
  }
}

/** Sends `total` bytes to the server, within so many seconds, and compares them; `along` is called as they come. */
function transfer(
  t: Topology,
  total: number,
  seconds: number,
  along: (got: number) => void = () => {},
): MetaSocket {
  const block = pattern(1 << 20, 7);
  let sent = 0;
  let writing = false;
  const write = (): void => {
    if (writing) return;
    writing = true;
    for (let taken = 1; taken > 0 && sent < total;) {
      const at = sent % block.length;
      taken = client.write(t.now, block.subarray(at, at + total - sent), 0);
      sent += taken;
    }
    if (sent === total) client.finish(t.now);
    writing = false;
  };
  const target = new Uint8Array(1 << 18);
  let got = 0;
  let wrong = 0;
  const read = (server: MetaSocket): void => {
    for (let length = 1; length > 0;) {
      length = server.read(t.now, target);
      // A sample: all of them would take longer than the transfer.
      for (let i = 0; i < length; i += 997) {
        if (target[i] !== block[(got + i) % block.length]) wrong++;
      }
      got += length;
    }
    along(got);
  };
  const listener = t.server.listen(0, { port: 80, observer: { onConnection() {} } });
  const client = t.client.connect(0, {
    remote: { address: "10.0.0.1", port: 80 },
    observer: { ...IDLE, onEstablished: () => write(), onWritable: () => write() },
  });
  let server: MetaSocket | null = null;
  t.runUntil(() => {
    if (server === null && (server = listener.accept()) !== null) {
      const accepted = server;
      accepted.observe({ ...IDLE, onReadable: () => read(accepted) });
      read(accepted);
    }
    return server?.atEnd === true;
  }, seconds);
  assertEquals([got, wrong], [total, 0]);
  return client;
}

describe("a long connection", () => {
  // RFC 8684 §3.3.1: "Implementations MUST accept a 32-bit DSN and implicitly promote it to a 64-bit quantity by incrementing the upper 32 bits of the
  // sequence number each time the lower 32 bits wrap."
  it("goes past 2^32 bytes on a subflow and in the data, with four octets of each on the wire", () => {
    const octets = new Octets();
    using t = new Topology({
      paths: {
        a: { rate: "120 Mbit/s", delay: "1 ms", up: [octets.element] },
        b: { rate: "2 Mbit/s", delay: "2 ms", up: [octets.element] },
      },
      links: { maxSegments: 44 },
    });
    const client = transfer(t, 4.5e9, 320);
    assert(client.subflows[0]!.sender.bytesSent > 2 ** 32);
    assert(octets.four > 1e5, `${octets.four}`);
    assertEquals(octets.eight, 0);
  });

  // RFC 8684 §3.3.1: "An implementation MUST send the full 64-bit data sequence number if it is transmitting at a sufficiently high rate that the
  // 32-bit value could wrap within the Maximum Segment Lifetime (MSL)"
  it("that could go past 2^32 bytes within two minutes has eight octets after 16 MB", () => {
    const octets = new Octets();
    using t = new Topology({
      paths: {
        a: { rate: "100 Gbit/s", delay: "100 us", queue: 100000, up: [octets.element] },
        b: { rate: "1 Gbit/s", delay: "150 us", queue: 100000, up: [octets.element] },
      },
      links: { maxSegments: 44 },
    });
    let before = 0;
    let after = 0;
    const client = transfer(t, 4.4e9, 2, (got) => {
      if (got < 2 ** 24) before = octets.eight;
      // What was sent before has come.
      else if (got > 64e6) after ||= octets.four;
    });
    assert(client.subflows[0]!.sender.bytesSent > 2 ** 32);
    assertEquals([before, octets.four - after], [0, 0]);
    assert(after > 0 && octets.eight > 1e4, `${after} ${octets.eight}`);
  });

  it("is there with what a path repeats of which more than a gigabyte was sent since, in eight octets", () => {
    const octets = new Octets();
    using t = new Topology({
      paths: {
        a: { rate: "100 Mbit/s", delay: "1 ms" },
        b: { rate: "20 Mbit/s", delay: "2 ms", up: [octets.element] },
      },
      links: { maxSegments: 44 },
    });
    let cut = false;
    let restored = false;
    let before = 0;
    transfer(t, 1.3e9, 120, (got) => {
      if (!cut && got > 1e7) {
        cut = true;
        t.paths.b!.cut();
      } else if (!restored && got > 1.2e9) {
        restored = true;
        before = octets.four;
        assertEquals(octets.eight, 0);
        t.paths.b!.restore();
      }
    });
    assert(octets.eight > 0, "the path repeats what it had in flight");
    assert(octets.four >= before);
  });

  it("keeps a path that repeats what 2^31 bytes were sent since, and is heard", () => {
    using t = new Topology({
      paths: {
        a: { rate: "1 Gbit/s", delay: "1 ms" },
        b: { rate: "20 Mbit/s", delay: "2 ms" },
      },
      links: { maxSegments: 44 },
    });
    let cut = false;
    let restored = false;
    transfer(t, 2.4e9, 120, (got) => {
      if (!cut && got > 1e7) {
        cut = true;
        t.paths.b!.cut();
      } else if (!restored && got > 2.2e9) {
        restored = true;
        t.paths.b!.restore();
      }
    });
    assert(restored);
    const { counters } = t.server;
    assertEquals([counters.get("DSSNotMatching"), counters.get("MPRstTx")], [0, 0]);
  });

  it("is there after six weeks of silence", () => {
    using t = new Topology({ paths: { a: { rate: "10 Mbit/s", delay: "10 ms" } } });
    const listener = t.server.listen(t.now, { port: 80, observer: { onConnection() {} } });
    const client = t.client.connect(t.now, {
      remote: { address: "10.0.0.1", port: 80 },
      observer: IDLE,
    });
    t.runTo(t.seconds + 1);
    const server = listener.accept()!;
    client.write(t.now, new Uint8Array(1000), 0);
    // Timestamps of a millisecond go half round in 25 days (RFC 7323 §5.5).
    t.runTo(t.seconds + 6 * 7 * 24 * 3600);
    assertEquals(server.readable, 1000);
    client.write(t.now, new Uint8Array(500), 0);
    server.write(t.now, new Uint8Array(300), 0);
    t.runTo(t.seconds + 1);
    assertEquals([server.readable, client.readable], [1500, 300]);
  });
});
