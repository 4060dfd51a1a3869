/** Whatever a plugin does wrong, what was written is what is read, and somebody is told. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../cc/mod.ts";
import type { PluginFault } from "../../core/guard/faults.ts";
import type { Plugin } from "../../core/plugin.ts";
import { emulate } from "../../mod.ts";
import { fullMesh } from "../../pm/mod.ts";
import { minRtt } from "../../sched/mod.ts";
import { PLUGINS } from "./odd_plugins.js";

const SIZE = 200_000;
const PATHS = {
  wifi: { rate: "20 Mbit/s", delay: "15 ms" },
  lte: { rate: "12 Mbit/s", delay: "40 ms" },
} as const;

/** Sends {@linkcode SIZE} bytes from the server to the client; what both hosts' plugins did wrong. */
async function transfer(plugin: Plugin): Promise<PluginFault[]> {
  const faults: PluginFault[] = [];
  const policies = { scheduler: minRtt(), congestionControl: reno(), pathManager: fullMesh() };
  await using net = emulate({
    ...policies,
    ...(plugin.kind === "scheduler" ? { scheduler: plugin } : {}),
    ...(plugin.kind === "congestion-control" ? { congestionControl: plugin } : {}),
    ...(plugin.kind === "path-manager" ? { pathManager: plugin } : {}),
    paths: PATHS,
    linger: "1 ms",
    onPluginFault: (fault) => faults.push(fault),
  });
  using listener = net.server.listen({ port: 80 });
  const [conn, peer] = await Promise.all([
    net.client.connect({ hostname: "server", port: 80 }),
    listener.accept(),
  ]);
  const sent = Uint8Array.from({ length: SIZE }, (_, i) => i * 31 + (i >> 8));
  const signal = net.timeout("60 s");
  signal.addEventListener("abort", () => conn.abort());
  const writing = peer.write(sent).then(() => peer.closeWrite());
  const received: number[] = [];
  for await (const bytes of conn.readable) received.push(...bytes);
  await writing;
  assertEquals(received.length, SIZE);
  assert(received.every((byte, i) => byte === sent[i]));
  return faults;
}

describe("a plugin that", () => {
  for (const [does, [plugin, fault]] of Object.entries(PLUGINS)) {
    it(`${does} damages nothing`, async () => {
      const faults = await transfer(plugin);
      if (fault === null) return assertEquals(faults, []);
      assert(faults.length > 0);
      assertEquals([faults[0]!.what, faults[0]!.plugin, faults[0]!.kind], [
        fault,
        "odd",
        plugin.kind,
      ]);
    });
  }
});
