/** What connections leave behind: nothing. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { seededRandom } from "../../core/host/random.ts";
import { host_usage } from "../../wasm/mod.ts";
import { USAGE_BYTES } from "../../wasm/layout.ts";
import { type End, Topology } from "../support/topology.ts";

const NOTHING = { connections: 0, tokens: 0, flows: 0, timers: 0, handles: 0, pages: 0 };

const LOSSY = {
  a: { rate: "50 Mbit/s", delay: "5 ms", loss: 0.03, queue: 1000 },
  b: { rate: "30 Mbit/s", delay: "20 ms", loss: 0.03, queue: 1000 },
} as const;

describe("TRM-2, TRM-3: after a thousand connections with losses", () => {
  it("closed in order, nothing is left: no token, flow, timer, page or byte (seed 7)", () => {
    using t = new Topology({ paths: LOSSY, seed: 7 });
    const random = seededRandom(7)("sizes");
    const idle = [t.client, t.server].map(({ wasm }) => host_usage(wasm, USAGE_BYTES));
    const pairs: { client: End; server: () => End }[] = [];
    for (let i = 0; i < 1000; i++) {
      t.at(i * 0.02, () => {
        pairs.push(t.connect({ bytes: random.u32() % 5000 }, { bytes: random.u32() % 5000 }));
      });
    }
    t.runTo(20);
    t.runUntil(() => pairs.every(({ client, server }) => client.done && server()?.done), 80);
    for (const { client, server } of pairs) {
      assertEquals([server().digest, client.digest], [client.sentDigest, server().sentDigest]);
    }
    // TIME-WAIT, and FINs that were lost.
    t.runTo(t.seconds + 200);
    assertEquals(t.client.usage(), NOTHING);
    assertEquals(t.server.usage(), { ...NOTHING });
    assertEquals(
      [t.client, t.server].map(({ wasm }) => host_usage(wasm, USAGE_BYTES)),
      idle,
    );
    assertEquals(t.faults, []);
  });

  it("that end in every way there is, nothing is left (seed 8)", () => {
    using t = new Topology({ paths: LOSSY, seed: 8 });
    const random = seededRandom(8)("ends");
    const clients: End[] = [];
    const servers: (() => End)[] = [];
    for (let i = 0; i < 300; i++) {
      t.at(i * 0.02, () => {
        const { client, server } = t.connect({ bytes: random.u32() % 50000 }, {
          bytes: random.u32() % 50000,
        });
        clients.push(client);
        servers.push(server);
        // Some time in the middle somebody aborts, closes with unread data, or stops listening to the peer.
        t.at(t.seconds + random.float() * 0.2, () => {
          const side = random.float() < 0.5 ? client : server() ?? client;
          const kind = random.u32() % 5;
          if (kind === 0) side.socket.abort(t.now);
          else if (kind === 1) side.socket.close(t.now);
          else if (kind === 2) side.discard();
          else if (kind === 3) {
            side.socket.abort(t.now);
            side.socket.close(t.now);
          }
        });
      });
    }
    // A path goes and comes back, an address too.
    for (let i = 0; i < 6; i++) {
      t.at(i + 0.3, () => t.paths.b!.cut());
      t.at(i + 0.7, () => t.paths.b!.restore());
    }
    t.at(3.1, () => t.client.removeAddress(t.now, "10.0.2.1"));
    t.at(4.1, () => {
      t.client.addAddress(t.now, [...t.client.routes.outlets.keys()][1]!, "10.0.2.1/24");
    });
    t.runTo(120);
    for (const end of [...clients, ...servers.map((server) => server())]) {
      end?.socket.close(t.now);
    }
    t.runTo(1200);
    assertEquals(t.client.usage(), NOTHING);
    assertEquals(t.server.usage(), NOTHING);
    assertEquals(t.faults, []);
  });

  it("an idle connection holds no page", () => {
    using t = new Topology({ paths: LOSSY, seed: 9 });
    const pair = t.connect({ bytes: 200000, keep: true }, { bytes: 200000, keep: true });
    t.complete(pair, 5);
    t.runTo(t.seconds + 5);
    assertEquals(t.client.usage().pages, 0);
    assertEquals(t.server.usage().pages, 0);
    assert(host_usage(t.client.wasm, USAGE_BYTES) < 5000);
  });
});
