/** Numbers that are seldom reached: more than 2^32 bytes on one connection, and weeks of silence. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ConnectionObserver } from "../../core/connection/host.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import { pattern } from "../support/streams.ts";
import { Topology } from "../support/topology.ts";

const IDLE: ConnectionObserver = {
  onEstablished() {},
  onReadable() {},
  onWritable() {},
  onClosed() {},
};

describe("a long connection", () => {
  it("goes past 2^32 bytes on a subflow and in the data, with four octets of each on the wire", () => {
    using t = new Topology({
      paths: {
        a: { rate: "100 Gbit/s", delay: "100 us", queue: 100000 },
        b: { rate: "1 Gbit/s", delay: "150 us", queue: 100000 },
      },
      links: { maxSegments: 44 },
      client: { shortDss: true },
    });
    const total = 4.4e9;
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
    }, 2);
    assertEquals([got, wrong], [total, 0]);
    assert(client.subflows[0]!.sender.bytesSent > 2 ** 32);
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
