/** How long subflows live: with the connection (draft TRM-1). */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Topology } from "../support/topology.ts";

const paths = {
  a: { rate: "10 Mbit/s", delay: "10 ms" },
  b: { rate: "2 Mbit/s", delay: "100 ms" },
} as const;

describe("TRM-1: subflows end with the connection", () => {
  it("not while it is idle, however slow one is, and all of them at its end", () => {
    using t = new Topology({ paths });
    const { client, server } = t.connect({ bytes: 300_000, writes: () => 100_000, pace: 120 });
    for (const seconds of [1, 60, 119, 200]) {
      t.runTo(seconds);
      assertEquals(client.socket.subflows.map(({ path }) => path), [1, 2]);
      assertEquals(server().socket.subflows.length, 2);
      assertEquals(client.socket.subflowsTotal, 2);
    }
    t.runUntil(() => client.done && server().done, 400);
    t.runTo(500);
    assertEquals(client.socket.attempts.length, 0);
    assertEquals(server().socket.attempts.length, 0);
  });

  it("but for one whose address is taken back, which the peer hears of", () => {
    using t = new Topology({ paths });
    const { client, server } = t.connect({ bytes: 300_000, writes: () => 100_000, pace: 20 });
    t.runTo(1);
    t.client.removeAddress(t.now, "10.0.2.1");
    t.wake();
    t.runTo(10);
    assertEquals(client.socket.subflows.map(({ path }) => path), [1]);
    assertEquals(server().socket.subflows.length, 1);
    t.runUntil(() => client.done && server().done, 100);
  });
});
