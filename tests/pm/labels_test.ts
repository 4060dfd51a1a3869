import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { lia } from "../../cc/mod.ts";
import { Stack } from "../../core/host/stack.ts";
import { delay } from "../../core/link/sim/elements/delay.ts";
import { queue } from "../../core/link/sim/elements/queue.ts";
import { rate } from "../../core/link/sim/elements/rate.ts";
import { Network } from "../../core/link/sim/network.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import { fullMesh, labels } from "../../pm/mod.ts";
import { minRtt } from "../../sched/mod.ts";
import { toyLocal, ToyPaths } from "../kit/toy_paths.ts";
import { pattern } from "../support/streams.ts";

describe("labels", () => {
  it("opens a path for each label over the first pair, and more when their address has gone", () => {
    const toy = new ToyPaths(labels({ dscp: [10, 46] }), {
      locals: [toyLocal("10.1.0.1", "cellular")],
    });
    toy.connection.start();
    toy.events.run(1e6);
    assertEquals(toy.log, ["open 2 10.0.0.1>10.9.0.1", "open 3 10.0.0.1>10.9.0.1"]);
    assertEquals([2, 3].map((path) => toy.connection.spec(path)?.dscp), [10, 46]);
    toy.connection.localRemoved("10.0.0.1");
    toy.events.run(2e6);
    assertEquals(toy.paths.map(({ local }) => local.address), ["10.1.0.1", "10.1.0.1"]);
  });

  it("has the server open nothing, and says what is wrong with an option", () => {
    const toy = new ToyPaths(labels(), { role: "server" });
    toy.connection.start();
    assertEquals(toy.log, []);
    assertEquals(labels({ dscp: "10 46" }).name, "labels");
    for (const dscp of ["", "64", "1 1", "1 x", [], [1.5], [0, 1, 2, 3, 4, 5, 6, 7, 8]]) {
      assertThrows(() => labels({ dscp }), RangeError, "1 to 8 different integers from 0 to 63");
    }
    assertThrows(() => labels({ dscp: 7 as never }), TypeError, "current value is 7");
  });
});

/** A client and a server with one address each; between them two routers and two ways, the second for what has DSCP 10. */
function twoWays(family: 4 | 6) {
  const network = new Network({ seed: 1 });
  const [client, server] = [network.host("client"), network.host("server")];
  const [near, far] = [network.router("near"), network.router("far")];
  const elements = [queue(60), rate("8 Mbit/s"), delay("10 ms")];
  const access = network.link("access", client, near);
  const behind = network.link("behind", far, server);
  const ways = ["usual", "labelled"].map((name) => network.link(name, near, far, { elements }));
  const [a, b] = family === 4 ? ["10.0.1.1", "10.0.2.1"] : ["fd00:1::1", "fd00:2::1"];
  near.route(a!, access);
  far.route(b!, behind);
  near.route(b!, ways[0]!);
  near.route(b!, ways[1]!, 10);
  assertThrows(() => near.route(b!, ways[1]!, 64), RangeError, "'dscp' must be an integer");
  far.route(a!, ways[0]!);
  far.route(a!, ways[1]!, 10);
  const stack = (name: string, pathManager = labels()) =>
    new Stack({
      policies: { scheduler: minRtt(), pathManager, congestionControl: lia() },
      fallbacks: { scheduler: minRtt(), pathManager: fullMesh(), congestionControl: lia() },
      random: (stream) => network.randomSource(`${name}/${stream}`),
    });
  const stacks = { client: stack("client"), server: stack("server") };
  const bits = family === 4 ? 32 : 128;
  access.end(client).attach(client);
  behind.end(server).attach(server);
  stacks.client.addLink(0, access.end(client), [`${a}/${bits}`]);
  stacks.server.addLink(0, behind.end(server), [`${b}/${bits}`]);
  client.start(stacks.client);
  server.start(stacks.server);
  return { network, stacks, ways, remote: b!, flush: () => (client.flush(), server.flush()) };
}

describe("labels on emulated routers that route by DSCP (draft ALT-2)", () => {
  for (const family of [4, 6] as const) {
    it(`one pair of IPv${family} addresses, two ways in both directions; the transport is the same (ARC-1)`, () => {
      const { network, stacks, ways, remote, flush } = twoWays(family);
      const accepted: MetaSocket[] = [];
      let received = 0;
      const silent = { onEstablished() {}, onReadable() {}, onWritable() {}, onClosed() {} };
      const listener = stacks.server.listen(0, {
        port: 80,
        observer: {
          onConnection() {
            const socket = listener.accept()!;
            accepted.push(socket);
            const read = (): void => {
              const target = new Uint8Array(65536);
              for (let n = 1; n > 0;) received += n = socket.read(network.now, target);
            };
            socket.observe({ ...silent, onReadable: read });
            read();
          },
        },
      });
      const bytes = pattern(4e6, 4e6);
      let sent = 0;
      const write = (): void => {
        for (let n = 1; n > 0 && sent < bytes.length;) {
          sent += n = socket.write(network.now, bytes.subarray(sent), 0);
        }
      };
      const socket: MetaSocket = stacks.client.connect(0, {
        remote: { address: remote, port: 80 },
        observer: { ...silent, onEstablished: write, onWritable: write },
      });
      flush();
      network.runTo(4e6);
      // Alone either way takes 4 s for 4 MB; together they are done.
      assertEquals(received, bytes.length);
      for (const way of ways) {
        assert(way.forward.counts.bytes > 1.5e6, `${way.name} carried ${way.forward.counts.bytes}`);
        assert(way.backward.counts.bytes > 2e4, `${way.name} carried ${way.backward.counts.bytes}`);
      }
      const ends = socket.subflows.map(({ local: l, remote: r }) => `${l.address} ${r.address}`);
      assertEquals(new Set(ends).size, 1);
      assertEquals(ends.length, 2);
      assertEquals(accepted[0]!.subflows.length, 2);
      for (const stack of Object.values(stacks)) stack.free();
      network.close();
    });
  }
});
