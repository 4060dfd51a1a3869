/** Transfers over several paths, each with a budget of virtual time: a stack that gets slower fails. The seed is part of each name. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../cc/mod.ts";
import type { PathContext, PathManagerPlugin } from "../../core/plugin.ts";
import { nDiffPorts } from "../../pm/mod.ts";
import { minRtt, redundant, roundRobin } from "../../sched/mod.ts";
import { type PathShape, Topology, type TopologyOptions } from "../support/topology.ts";

/*
 *          20 Mbit/s, 15 ms
 *          ┌──── wifi ────┐
 *   client ┤              ├ router ── server
 *          └──── lte ─────┘
 *          12 Mbit/s, 40 ms
 */
const WIFI: PathShape = { rate: "20 Mbit/s", delay: "15 ms" };
const LTE: PathShape = { rate: "12 Mbit/s", delay: "40 ms" };
const BOTH = { wifi: WIFI, lte: LTE };

const lossy = (loss: number): TopologyOptions["paths"] => ({
  wifi: { ...WIFI, loss },
  lte: { ...LTE, loss },
});

/** Bytes that a path carried up, and how many subflows the client had. */
function carried(t: Topology, name: string): number {
  return t.paths[name]!.forward.counts.bytes;
}

describe("two paths", () => {
  // Draft CFG-1, SCH-2.
  it("add up: 8 MB in little more than both rates allow", () => {
    using t = new Topology({ paths: BOTH });
    const seconds = t.complete(t.connect({ bytes: 8e6 }), 10);
    const ideal = 8e6 * 8 / 32e6;
    assert(seconds < 1.3 * ideal, `${seconds} s, ${ideal} s at full rate`);
    for (const name of ["wifi", "lte"]) assert(carried(t, name) > 1.5e6);
  });

  for (const seed of [1, 2, 3]) {
    it(`with losses of 2 % lose nothing, in both directions at once (seed ${seed})`, () => {
      using t = new Topology({ paths: lossy(0.02), seed });
      t.complete(t.connect({ bytes: 2e6 }, { bytes: 2e6 }), 10);
      assert(t.paths.wifi!.forward.counts.dropped.loss! > 0);
    });
  }

  it("with a loss of one in four still get there (seed 4)", () => {
    using t = new Topology({ paths: lossy(0.25), seed: 4 });
    t.complete(t.connect({ bytes: 1e5 }), 30);
  });

  it("work over IPv6, with checksums and super-segments", () => {
    using t = new Topology({
      paths: BOTH,
      family: 6,
      links: { checksums: true, maxSegments: 44 },
      client: { checksum: true },
    });
    const pair = t.connect({ bytes: 4e6 }, { bytes: 1e6 });
    t.complete(pair, 2.5);
    assertEquals(pair.client.socket.subflowsTotal, 2);
    assertEquals(pair.client.socket.dssChecksum, true);
  });

  it("work with eight-octet numbers at one end and four at the other", () => {
    using t = new Topology({ paths: lossy(0.01), client: { dsn: "long" } });
    t.complete(t.connect({ bytes: 1e6 }, { bytes: 1e6 }), 2.5);
  });

  it("need no memory beyond the buffers, whatever the reader does", () => {
    using t = new Topology({ paths: BOTH, server: { receiveBuffer: 100e3 } });
    const pair = t.connect({ bytes: 1e6 }, { bytes: 0 });
    let most = 0;
    const watch = (): void => {
      const { pages } = t.server.usage();
      most = Math.max(most, pages);
      if (t.seconds < 3) t.at(t.seconds + 0.01, watch);
    };
    watch();
    t.complete(pair, 1);
    assert(most * 65536 <= 100e3 + 3 * 65536, `${most} pages`);
  });

  it("serve a slow reader at its own pace, through a window that is mostly closed", () => {
    using t = new Topology({ paths: lossy(0.01), server: { receiveBuffer: 60e3 }, seed: 5 });
    // 3,000 bytes each 10 ms.
    const pair = t.connect({ bytes: 1e6 }, { bytes: 10, reads: () => 3000, pause: 0.01 });
    const seconds = t.complete(pair, 5);
    assert(seconds > 3.3, `${seconds}`);
  });
});

describe("a path cut in the middle", () => {
  it("and restored: nothing is lost, the other one goes on after the first timeout, the path is used again", () => {
    using t = new Topology({ paths: BOTH });
    const pair = t.connect({ bytes: 16e6 });
    const at: number[] = [];
    const watch = (): void => {
      at.push(pair.server()?.received ?? 0);
      t.at(t.seconds + 0.1, watch);
    };
    watch();
    let before = 0;
    t.at(1, () => t.paths.wifi!.cut());
    t.at(3.5, () => {
      before = carried(t, "wifi"); // timeouts put on it count too
      t.paths.wifi!.restore();
    });
    t.complete(pair, 9);
    // LTE alone carries 1.5 MB a second; from a second after the cut on nothing else holds it up.
    const alone = at[34]! - at[20]!;
    assert(alone > 0.8 * 1.5e6 * 1.4, `${alone} bytes in 1.4 s`);
    assert(pair.server().stall < 700e3, `${pair.server().stall} us without data`);
    assert(carried(t, "wifi") - before > 1e6, "the path is not used again");
  });

  it("for good: the transfer ends over the other", () => {
    using t = new Topology({ paths: BOTH });
    const pair = t.connect({ bytes: 4e6 }, { bytes: 1e6 });
    t.at(0.7, () => t.paths.wifi!.cut());
    t.complete(pair, 4);
  });

  it("ARC-5: the first one: the connection keeps its name and lives on the other", () => {
    using t = new Topology({ paths: BOTH });
    const pair = t.connect({ bytes: 8e6, keep: true }, { bytes: 10 });
    const { localEndpoint } = pair.client.socket;
    t.at(0.5, () => t.client.removeAddress(t.now, localEndpoint.address));
    t.complete(pair, 8);
    assertEquals(pair.client.socket.localEndpoint, localEndpoint);
  });

  it("both, and restored: everything arrives", () => {
    using t = new Topology({ paths: BOTH });
    const pair = t.connect({ bytes: 3e6 }, { bytes: 3e6 });
    t.at(0.4, () => {
      t.paths.wifi!.cut();
      t.paths.lte!.cut();
    });
    t.at(3, () => {
      t.paths.wifi!.restore();
      t.paths.lte!.restore();
    });
    t.complete(pair, 8);
  });

  it("each in turn, every half second", () => {
    using t = new Topology({ paths: BOTH });
    const pair = t.connect({ bytes: 8e6 });
    const names = ["wifi", "lte"];
    for (let i = 0; i < 20; i++) {
      t.at(0.5 + i / 2, () => {
        t.paths[names[i % 2]!]!.cut();
        t.paths[names[(i + 1) % 2]!]!.restore();
      });
    }
    t.complete(pair, 20);
  });
});

describe("policies", () => {
  /** Full mesh, with the second path a backup. */
  const backup: PathManagerPlugin = {
    kind: "path-manager",
    name: "with_backup",
    create: (context: PathContext) => ({
      onEvent({ type }) {
        if (type !== "start" || context.role !== "client") return;
        const [remote] = context.remotes;
        const paths = context.locals.map((local) => context.index({ local, remote: remote! }));
        for (const path of paths.slice(1)) context.setBackup(path, true);
        context.use([...new Set([1, ...paths])]);
      },
    }),
  };

  it("a backup path carries nothing until the other fails, then everything", () => {
    using t = new Topology({ paths: BOTH, policies: { pathManager: backup } });
    const pair = t.connect({ bytes: 6e6 });
    let before = 0;
    t.at(1, () => {
      before = carried(t, "lte");
      t.paths.wifi!.cut();
    });
    t.complete(pair, 7);
    assert(before < 20e3, `${before} bytes on the backup path`);
    assert(carried(t, "lte") > 2e6);
  });

  it("redundant: every byte is on both paths; the cut of one is not noticed", () => {
    using t = new Topology({
      paths: { a: { ...WIFI, rate: "8 Mbit/s" }, b: { ...WIFI, rate: "8 Mbit/s" } },
      policies: { scheduler: redundant() },
    });
    const pair = t.connect({ bytes: 2e6 });
    t.at(1, () => t.paths.a!.cut());
    t.complete(pair, 3);
    assert(pair.server().stall < 250e3, `${pair.server().stall} us without data`);
  });

  it("round-robin spreads what is sent with pauses", () => {
    using t = new Topology({ paths: BOTH, policies: { scheduler: roundRobin() } });
    t.complete(t.connect({ bytes: 4e6 }), 2);
    assert(carried(t, "lte") > 1e6);
  });

  it("a scheduler swapped on the living connection, ten times a second, loses nothing (seed 6)", () => {
    using t = new Topology({
      paths: lossy(0.01),
      seed: 6,
      policies: { congestionControl: reno() },
    });
    const pair = t.connect({ bytes: 3e6 }, { bytes: 1e6 });
    const all = [redundant(), roundRobin(), minRtt()];
    for (let i = 0; i < 60; i++) {
      t.at(0.1 + i / 10, () => {
        const { socket } = pair.client;
        if (!socket.closed) socket.setScheduler(t.now, all[i % 3]!);
      });
    }
    t.complete(pair, 5);
    assertEquals(t.faults, []);
  });

  it("several subflows over one pair of addresses", () => {
    using t = new Topology({
      paths: { only: WIFI },
      policies: { pathManager: nDiffPorts({ subflows: 4 }) },
    });
    const pair = t.connect({ bytes: 4e6 });
    t.complete(pair, 3);
    assertEquals(pair.client.socket.subflowsTotal, 4);
  });

  it("an address added in the middle is used", () => {
    using t = new Topology({ paths: BOTH });
    t.client.removeAddress(t.now, "10.0.2.1");
    const pair = t.connect({ bytes: 8e6 });
    t.at(1, () => {
      assertEquals(pair.client.socket.subflows.length, 1);
      const link = [...t.client.routes.outlets.keys()][1]!;
      t.client.addAddress(t.now, link, "10.0.2.1/24");
    });
    t.complete(pair, 4);
    assert(carried(t, "lte") > 1e6);
  });

  it("a link taken down and up again is used again", () => {
    using t = new Topology({ paths: BOTH });
    const pair = t.connect({ bytes: 12e6 });
    const link = [...t.client.routes.outlets.keys()][1]!;
    let before = 0;
    t.at(0.5, () => t.client.setLinkUp(t.now, link, false));
    t.at(1.5, () => {
      before = carried(t, "lte");
      t.client.setLinkUp(t.now, link, true);
    });
    t.complete(pair, 6);
    assert(carried(t, "lte") - before > 1e6);
  });
});
