/** Many connections whose buffers would grow beyond what their host has: all go on, at like speeds, and nothing is lost. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type End, Topology } from "../support/topology.ts";

const MB = 2 ** 20;

describe("a host without the memory for all buffers", () => {
  it("gives each connection its share: 12 of them in 3 MB, where one alone takes more", () => {
    const path = { rate: "200 Mbit/s", delay: "40 ms", queue: 1400 } as const;
    const one = ((): number => {
      using t = new Topology({ paths: { a: path } });
      const pair = t.connect({ bytes: 0 }, { bytes: 12 * MB });
      t.complete(pair, 30);
      return pair.client.socket.receiveQueue.window.limit;
    })();
    assert(one > 3 * MB, `${one}`);
    using t = new Topology({ paths: { a: path }, memory: { host: 3 * MB } });
    const pairs: { client: End; server: () => End }[] = [];
    for (let i = 0; i < 12; i++) pairs.push(t.connect({ bytes: 0 }, { bytes: MB, keep: true }));
    const done: number[] = [];
    let most = 0;
    for (let at = 0.05; done.length < 12; at += 0.05) {
      assert(at < 60, `${done.length} are done`);
      t.runTo(at);
      most = Math.max(most, t.client.bytes, t.server.bytes);
      const count = pairs.filter(({ client }) => client.received === MB).length;
      while (done.length < count) done.push(at);
    }
    assert(most <= 3 * MB, `${most} bytes`);
    assert(done[11]! <= 3 * done[0]!, `${done}`);
    assertEquals(t.client.counters.get("OfoPruned"), 0);
    for (const { client } of pairs) client.socket.close(t.now);
  });

  it("is not kept from going on by those that stop reading: they keep what they have, the others more than half of their rate", () => {
    const path = { rate: "50 Mbit/s", delay: "10 ms", queue: 200 } as const;
    const seconds = [0, 10].map((stopped) => {
      using t = new Topology({ paths: { a: path }, memory: { host: 4 * MB } });
      // Each reads once, and then no more for an hour.
      const slow = Array.from(
        { length: stopped },
        () => t.connect({ bytes: 0 }, { bytes: MB }).client,
      );
      for (const end of slow) end.onReadable = () => {};
      t.runTo(3);
      const held = slow.map(({ socket }) => socket.readable);
      assertEquals(held.every((bytes) => bytes >= 65536), true);
      const time = t.complete(t.connect({ bytes: 0 }, { bytes: 8 * MB }), 60);
      assert(t.client.bytes <= 4 * MB);
      return time;
    });
    assert(seconds[1]! <= 2 * seconds[0]!, `${seconds}`);
  });
});
