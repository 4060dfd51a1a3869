/** Connections between the same two ends, one after the other: TIME-WAIT of the one before gives way (RFC 6191, RFC 6528, RFC 7323 §5.4). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ConnectionObserver } from "../../core/connection/host.ts";
import type { Choices } from "../support/choices.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import { passive } from "../../pm/mod.ts";
import { Topology } from "../support/topology.ts";

const IDLE: ConnectionObserver = {
  onEstablished() {},
  onReadable() {},
  onWritable() {},
  onClosed() {},
};

/** Opens a connection from port 7000, has `first` end it first, and opens the next; milliseconds that the next takes. */
function reconnect(seed: number, client: Choices, first: "client" | "server"): number {
  using t = new Topology({
    paths: { a: { rate: "100 Mbit/s", delay: "5 ms" } },
    seed,
    client,
    policies: { pathManager: passive() },
  });
  const listener = t.server.listen(0, { port: 80, observer: { onConnection() {} } });
  const open = (): MetaSocket =>
    t.client.connect(t.now, {
      remote: { address: "10.0.0.1", port: 80 },
      local: { address: "10.0.1.1", port: 7000 },
      observer: IDLE,
    });
  const one = open();
  t.runTo(0.1);
  const other = listener.accept()!;
  other.discard(t.now);
  // More than the clock of sequence numbers counts meanwhile.
  one.write(t.now, new Uint8Array(1e6), 0);
  t.runTo(0.6);
  const [early, late] = first === "client" ? [one, other] : [other, one];
  early.finish(t.now);
  t.runTo(0.7);
  late.finish(t.now);
  t.runTo(0.8);
  for (const socket of [one, other]) socket.close(t.now);
  t.runTo(2);
  const waits = [t.client, t.server].map((stack) => stack.usage().flows);
  assertEquals(waits, first === "client" ? [1, 0] : [0, 1]);
  const next = open();
  const start = t.now;
  t.runUntil(() => next.established || next.closed, 100);
  assert(next.established);
  return (t.now - start) / 1000;
}

describe("a connection from the same port as one in TIME-WAIT", () => {
  for (const [kind, client] of [["plain TCP", { mptcp: false }], ["MPTCP", {}]] as const) {
    for (const first of ["server", "client"] as const) {
      it(`does not wait, 60 times: ${kind}, the ${first} ended first`, () => {
        for (let seed = 1; seed <= 60; seed++) {
          const time = reconnect(seed, client, first);
          assert(time < 11, `${time} ms with seed ${seed}`);
        }
      });
    }
  }
});

/** Opens and ends `count` connections one after the other, `first` first; how many a second there are of each thousand. */
function rates(count: number, client: Choices, first: "client" | "server"): number[] {
  using t = new Topology({
    paths: { a: { rate: "100 Mbit/s", delay: "0.1 ms" } },
    client: { ...client, timeWaits: 40_000 },
    server: { timeWaits: 40_000 },
    policies: { pathManager: passive() },
  });
  const listener = t.server.listen(0, { port: 80, observer: { onConnection() {} } });
  const remote = { address: "10.0.0.1", port: 80 };
  const result: number[] = [];
  let start = t.now;
  for (let i = 1; i <= count; i++) {
    const one = t.client.connect(t.now, { remote, observer: IDLE });
    let other: MetaSocket | null = null;
    t.runUntil(() => one.closed || (other ??= listener.accept()) !== null, 1e6);
    t.runUntil(() => one.established || one.closed, 1e6);
    assert(one.established);
    const [early, late] = first === "client" ? [one, other!] : [other!, one];
    early.finish(t.now);
    t.runUntil(() => late.atEnd, 1e6);
    late.finish(t.now);
    t.runUntil(() => early.atEnd, 1e6);
    assertEquals([one.code, other!.code], [null, null]);
    for (const socket of [one, other!]) socket.close(t.now);
    if (i % 1000 > 0) continue;
    result.push(1e9 / (t.now - start));
    start = t.now;
  }
  return result;
}

describe("connections to one peer, one after the other", () => {
  for (const [kind, client] of [["plain TCP", { mptcp: false }], ["MPTCP", {}]] as const) {
    for (const first of ["server", "client"] as const) {
      // There are fewer ports than that: the last ones meet TIME-WAIT.
      it(`come about as fast to the last of 30,000 as at the beginning: ${kind}, the ${first} ends first`, () => {
        const all = rates(30_000, client, first);
        const [, second] = all;
        const slowest = Math.min(...all);
        assert(slowest >= 0.8 * second!, `${slowest} a second, ${second} before`);
      });
    }
  }
});
