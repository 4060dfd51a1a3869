/** The hot path is in WebAssembly, and crossing into it is not free: transfers are run with every export counted. */

import { assert, assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { core, COUNTING_MODULE } from "../counts/count.ts";

const ROOT = new URL("../../", import.meta.url);
const BYTES = 1_000_000;

/** A transfer with losses and checksums as an application makes it; prints how many bytes arrived, and the calls. */
const TRANSFER = `
import { emulate } from "${ROOT}mod.ts";
await using net = emulate({ paths: {
  wifi: { rate: "20 Mbit/s", delay: "15 ms", loss: 0.01 }, lte: { rate: "12 Mbit/s", delay: "40 ms" } },
  mptcp: { checksum: true } });
const listener = net.server.listen({ port: 80 });
const received = (async () => {
  using conn = await listener.accept();
  let bytes = 0;
  for await (const chunk of conn.readable) bytes += chunk.length;
  return bytes;
})();
{
  await using conn = await net.client.connect({ hostname: "server", port: 80 });
  const block = new Uint8Array(10_000);
  for (let sent = 0; sent < ${BYTES}; sent += block.length) await conn.write(block);
  await conn.closeWrite();
  globalThis.bytes = await received;
}
listener.close();
console.log(JSON.stringify({ bytes: globalThis.bytes, calls: globalThis.wasmCalls }));
`;

/** Bulk over paths of these elements, once it is under way; prints how many packets there were, and the calls. */
function bulk(paths: string): string {
  return `
import { Rig } from "${ROOT}bench/rig.ts";
import { delay } from "${ROOT}core/link/sim/elements/delay.ts";
import { loss } from "${ROOT}core/link/sim/elements/loss.ts";
import { rate } from "${ROOT}core/link/sim/elements/rate.ts";
const source = new Uint8Array(65536), target = new Uint8Array(262144);
using rig = new Rig({ paths: ${paths} });
let written = 0, wanted = 0, read = 0;
const write = () => {
  while (written < wanted) {
    const taken = rig.sender.write(rig.now, source.subarray(0, wanted - written), 0);
    if (taken === 0) return;
    written += taken;
  }
};
rig.connect({
  onWritable: write,
  onReadable(client) {
    for (let count = 1; count > 0; read += count) count = client.read(rig.now, target);
  },
});
const move = (bytes) => {
  wanted += bytes;
  write();
  rig.run(() => read >= wanted);
};
move(1_000_000);
const before = { ...globalThis.wasmCalls };
move(5_000_000);
const calls = {};
for (const name in before) calls[name] = globalThis.wasmCalls[name] - before[name];
console.log(JSON.stringify(calls));
`;
}

/** What a program prints whose calls are counted. */
async function run(program: string): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    const counting = `${folder}/counting.js`;
    await Deno.writeTextFile(counting, COUNTING_MODULE);
    await Deno.writeTextFile(`${folder}/program.ts`, program);
    const imports = { [core.href]: new URL(`file://${counting}`).href };
    await Deno.writeTextFile(`${folder}/map.json`, JSON.stringify({ imports }));
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-check",
        "--no-config",
        "--import-map",
        `${folder}/map.json`,
        `${folder}/program.ts`,
      ],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

describe("the WASM exports", () => {
  it("carry headers, checksums, mappings and reassembly of a transfer", async () => {
    const { bytes, calls } = JSON.parse(await run(TRANSFER));
    assertEquals(bytes, BYTES);
    const segments = BYTES / 1460;
    assertGreater(calls.header_build + calls.header_next, segments);
    for (const name of ["packet_parse", "receiver_segment"]) {
      assertGreater(calls[name], segments, `${name}: ${calls[name]} calls`);
    }
    for (const name of ["sum", "dss_checksum", "dss_expected_sum"]) {
      assertGreater(calls[name], 0, `${name} was not called`);
    }
    // One mapping a chunk, learned once; pages pinned while in flight and read in place.
    for (
      const name of [
        "receiver_map",
        "receiver_sack",
        "stream_pin",
        "stream_unpin",
        "stream_at",
        "stream_release",
        "stream_append",
      ]
    ) {
      assertGreater(calls[name], 0, `${name} was not called`);
    }
  });

  // Those of both ends and of the network between them, by packets built: segments with data and acknowledgements.
  for (
    const [name, most, paths] of [
      ["one path without limits", 7, "{ link: [] }"],
      [
        "two shaped paths",
        8,
        '{ a: [rate("100 Mbit/s"), delay("5 ms")], b: [rate("50 Mbit/s"), delay("20 ms")] }',
      ],
      [
        "two shaped paths with losses",
        8,
        '{ a: [loss(0.01), rate("100 Mbit/s"), delay("5 ms")], b: [loss(0.01), rate("50 Mbit/s"), delay("20 ms")] }',
      ],
    ] as const
  ) {
    it(`are called at most ${most} times a packet in bulk over ${name}`, async () => {
      const calls: Record<string, number> = JSON.parse(await run(bulk(paths)));
      const total = Object.values(calls).reduce((sum, each) => sum + each, 0);
      const packets = calls.header_build! + calls.header_next!;
      assertGreater(packets, 3000);
      assertLessOrEqual(total / packets, most, JSON.stringify(calls));
    });
  }
});
