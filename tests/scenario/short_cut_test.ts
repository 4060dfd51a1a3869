/** The better path is cut for less than a timeout takes, with the default plugins: the other one carries on meanwhile, and while what was lost is repaired. */

import { assertGreater, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { elementsOf } from "../../bench/promise/exchange.ts";
import { policiesOf } from "../../bench/promise/policies.ts";
import { Rig } from "../../bench/rig.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";

const SIZE = 1e6;
const CUT = { from: 155e3, to: 311e3 };
const FOREVER = 5e6;

/** Megabytes over 20 Mbit/s 15 ms and 12 Mbit/s 40 ms; what the second has sent of them by the end of the cut, and when all has come. */
async function transfer(scheduler: string): Promise<{ other: number; time: number }> {
  const source = new Uint8Array(SIZE);
  const target = new Uint8Array(1 << 16);
  using rig = new Rig({
    paths: {
      1: elementsOf({ mbit: 20, rtt: 30, queue: 75e3 }),
      2: elementsOf({ mbit: 12, rtt: 80, queue: 120e3 }),
    },
    policies: await policiesOf(scheduler, "default"),
  });
  let written = 0;
  let read = 0;
  const write = (server: MetaSocket): void => {
    written += server.write(rig.now, source, written);
  };
  rig.connect({
    onWritable: write,
    onReadable(client) {
      for (let count = 1; count > 0; read += count) count = client.read(rig.now, target);
    },
  }, "1");
  rig.runTo(CUT.from);
  rig.links[1]!.cut();
  rig.runTo(CUT.to);
  rig.links[1]!.restore();
  const other = rig.sender.subflows[1]!.bytesSent;
  rig.run(() => read === SIZE || rig.now > FOREVER);
  return { other, time: rig.now };
}

describe("a path that is cut for less than a timeout", () => {
  it("is not waited for once its answers are late, nor what it lost before anything new is sent", async () => {
    const { other, time } = await transfer("default");
    // A trial, and the window that its answer opens.
    assertGreater(other, 15_000);
    assertLess(time, 1.02 * (await transfer("min_rtt")).time);
  });
});
