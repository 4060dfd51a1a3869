/** A path that is dead for long comes back, and an end that nobody hears of is found (RFC 9293 §3.8.3; RFC 8684 §3.4, §3.6). */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import { endOf } from "./traces_parts.ts";
import { Topology } from "../support/topology.ts";

const PATHS = {
  wifi: { rate: "20 Mbit/s", delay: "15 ms" },
  lte: { rate: "10 Mbit/s", delay: "30 ms" },
} as const;

/** A client that says 1,000 bytes each second. */
function talk(t: Topology, seconds: number): { socket: MetaSocket; received: () => number } {
  const quiet = { onEstablished() {}, onWritable() {}, onClosed() {} };
  let received = 0;
  const listener = t.server.listen(0, {
    port: 80,
    observer: {
      onConnection() {
        const peer = listener.accept()!;
        const onReadable = (): void => {
          received += peer.read(t.now, new Uint8Array(65536));
        };
        peer.observe({ ...quiet, onReadable });
      },
    },
  });
  const socket = t.client.connect(0, {
    remote: { address: "10.0.0.1", port: 80 },
    observer: { ...quiet, onReadable() {} },
  });
  for (let i = 1; i <= seconds; i++) t.at(i, () => socket.write(t.now, new Uint8Array(1000), 0));
  return { socket, received: () => received };
}

describe("a path that is dead for 20 minutes", () => {
  for (const name of ["wifi", "lte"] as const) {
    it(`is used again when it works: ${name}`, () => {
      using t = new Topology({ paths: PATHS });
      const { socket, received } = talk(t, 1600);
      t.at(10, () => t.paths[name]!.cut());
      t.at(1210, () => t.paths[name]!.restore());
      t.runTo(1200);
      assertEquals(socket.subflows.length, 1);
      // It is tried once a minute.
      t.runTo(1300);
      assertEquals(socket.subflows.length, 2);
      t.runTo(1700);
      assertEquals([socket.closed, received()], [false, 1600 * 1000]);
    });
  }
});

describe("both paths", () => {
  it("dead for 4 minutes cost nothing but time", () => {
    using t = new Topology({ paths: PATHS });
    const ends = t.connect({ bytes: 20_000_000 }, { bytes: 100_000 });
    for (const path of Object.values(t.paths)) {
      t.at(2, () => path.cut());
      t.at(242, () => path.restore());
    }
    t.complete(ends, 400);
  });

  it("taken down for 4 minutes too: the connection waits for its network as long as for its peer", () => {
    using t = new Topology({ paths: PATHS });
    const ends = t.connect({ bytes: 20_000_000 }, { bytes: 100_000 });
    for (const name of Object.keys(t.paths)) {
      const end = endOf(t, name);
      t.at(2, () => t.client.setLinkUp(t.now, end, false));
      t.at(242, () => t.client.setLinkUp(t.now, end, true));
    }
    t.complete(ends, 400);
  });

  it("dead for good end the connection on both sides, each after its user timeout", () => {
    using t = new Topology({ paths: PATHS });
    const ends = t.connect({ bytes: 20_000_000 }, { bytes: 20_000_000 });
    for (const path of Object.values(t.paths)) t.at(2, () => path.cut());
    t.runTo(310);
    assertEquals([ends.client.code, ends.server().code], ["TimedOut", "TimedOut"]);
    assertEquals(ends.client.socket.reason, "unanswered");
  });
});
