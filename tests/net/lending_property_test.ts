/** However bytes are written and read, by copies or where they lie: what comes is what was written, and nothing stays behind. */

import "../support/growing_memory.ts";
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../cc/mod.ts";
import type { MptcpConn } from "../../core/net/conn.ts";
import { emulate, type Emulation } from "../../core/net/emulate.ts";
import { provideDefaults } from "../../core/net/policies.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { mtu } from "../../core/link/sim/elements/mtu.ts";
import { fullMesh } from "../../pm/mod.ts";
import { minRtt } from "../../sched/mod.ts";
import { memory_reserve } from "../../wasm/mod.ts";
import * as fc from "../support/property.ts";
import { pattern } from "../support/streams.ts";

provideDefaults({ scheduler: minRtt(), pathManager: fullMesh(), congestionControl: reno() });

/** One step of a writer or a reader: how, at most how many bytes, and what else happens. */
interface Step {
  readonly by: string;
  readonly bytes: number;
  readonly beside: string;
}

const step: fc.Arbitrary<Step> = fc.record({
  by: fc.constantFrom("lend", "lend", "lend", "copy", "parts"),
  bytes: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 70_000 })),
  beside: fc.constantFrom("", "", "throw", "grow", "sleep", "cork"),
});
const steps = fc.array(step, { minLength: 1, maxLength: 12 });

const SIZE = 300_000;
const LEAST = 3000;
const mine = new Error("mine");

/** Grows the memory under the views; at most so often, as it never shrinks. */
let growth = 40;
function grow(): void {
  if (growth-- > 0) memory_reserve(65536);
}

/** A path that takes packets of `before` bytes up to `at`, then `after`. */
function changing(before: number, after: number, at: number): ElementFactory {
  return {
    name: "changing_mtu",
    create(context, output) {
      const [first, then] = [mtu(before), mtu(after)].map((one) => one.create(context, output));
      return { push: (packet) => (context.now < at ? first! : then!).push(packet) };
    },
  };
}

/** Small ones once each: the rest is to end. */
function sizeOf(bytes: number, index: number, plan: Step[]): number {
  return index < plan.length ? bytes : Math.max(bytes, LEAST);
}

async function write(net: Emulation, conn: MptcpConn, data: Uint8Array, plan: Step[]) {
  for (let at = 0, i = 0; at < data.length; i++) {
    const { by, bytes, beside } = plan[i % plan.length]!;
    const cork = beside === "cork";
    const part = data.subarray(at, at + sizeOf(bytes, i, plan));
    if (beside === "sleep") await net.sleep("1 ms");
    if (by === "copy") at += await conn.write(part, { cork });
    else if (by === "parts") {
      const [a, b] = [part.length >> 2, part.length >> 1];
      at += await conn.writev([part.subarray(0, a), part.subarray(a, b), part.subarray(b)], {
        cork,
      });
    } else {
      await conn.untilWritable();
      try {
        const count = conn.fill((view) => {
          const piece = part.subarray(0, view.length);
          view.set(piece);
          if (beside === "grow") grow();
          // What lies behind what was written, and all of what was not, must not come.
          view.fill(0xee, piece.length);
          if (beside === "throw" && i < plan.length) throw mine;
          return piece.length;
        }, { cork });
        assert(count <= part.length);
        at += count;
      } catch (error) {
        if (error !== mine) throw error;
      }
    }
  }
  await conn.write(new Uint8Array());
  await conn.closeWrite();
}

async function read(net: Emulation, conn: MptcpConn, plan: Step[]): Promise<[number, string]> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(70_000);
  let received = 0;
  for (let i = 0;; i++) {
    const { by, bytes, beside } = plan[i % plan.length]!;
    const most = sizeOf(bytes, i, plan);
    if (beside === "sleep") await net.sleep("5 ms");
    if (by !== "lend") {
      const count = await conn.read(buffer.subarray(0, most));
      if (count === null) break;
      hash.update(buffer.subarray(0, count));
      received += count;
      continue;
    }
    if (await conn.untilReadable() === null) break;
    try {
      received += conn.drain((view) => {
        if (beside === "grow") grow();
        if (beside === "throw" && i < plan.length) throw mine;
        const part = view.subarray(0, most);
        hash.update(part);
        return part.length;
      })!;
    } catch (error) {
      if (error !== mine) throw error;
    }
  }
  return [received, hash.digest("hex")];
}

describe("fill(), drain(), writev(), write() and read() mixed", () => {
  it("move the same bytes, in pages and in copies, with MPTCP and plain TCP, while memory grows and the MTU changes", async () => {
    const network = fc.record({
      views: fc.constantFrom("pages", "copies"),
      mptcp: fc.boolean(),
      before: fc.constantFrom(1500, 9000),
      after: fc.constantFrom(576, 1400),
      loss: fc.constantFrom(0, 0.01),
    });
    await fc.assert(
      fc.asyncProperty(network, steps, steps, fc.nat(), async (shape, writes, reads, seed) => {
        const { views, mptcp, before, after, loss } = shape;
        const path = {
          rate: "200 Mbit/s" as const,
          loss,
          elements: [changing(before, after, 40e3)],
        };
        await using net = emulate({
          paths: { a: { ...path, delay: "5 ms" }, b: { ...path, delay: "2 ms" } },
          links: { mtu: before },
          views,
          mptcp,
          seed,
          tcp: { receiveBuffer: { max: 131072 } },
        });
        using listener = net.server.listen({ port: 80 });
        using conn = await net.client.connect({ hostname: "server", port: 80 });
        using peer = await listener.accept();
        const data = pattern(SIZE, seed);
        const [, [received, sum]] = await Promise.all([
          write(net, conn, data, writes),
          read(net, peer, reads),
        ]);
        assertEquals(received, SIZE);
        assertEquals(sum, createHash("sha256").update(data).digest("hex"));
      }),
      { numRuns: 10 },
    );
  });
});

describe("fill() of nothing", () => {
  it("holds nothing back, as write() of nothing does not", async () => {
    await using net = emulate({ paths: { a: { rate: "20 Mbit/s", delay: "5 ms" } } });
    using listener = net.server.listen({ port: 80 });
    using conn = await net.client.connect({ hostname: "server", port: 80 });
    using peer = await listener.accept();
    const took = async (nothing: () => unknown): Promise<number> => {
      const before = net.now;
      conn.fill((view) => view.subarray(0, 5).fill(7).length);
      await nothing();
      assertEquals(await peer.read(new Uint8Array(9)), 5);
      return Math.round(net.now - before);
    };
    const cork = { cork: true };
    // The keys ride on the first, and take more than a DSS.
    await took(() => {});
    const alone = await took(() => {});
    assertEquals(await took(() => conn.write(new Uint8Array(), cork)), alone);
    assertEquals(await took(() => conn.fill(() => 0, cork)), alone);
    const failed = await took(() => {
      try {
        conn.fill(() => {
          throw mine;
        }, cork);
      } catch (error) {
        assertEquals(error, mine);
      }
    });
    assertEquals(failed, alone);
  });
});
