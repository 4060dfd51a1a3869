/** The hot path is in WebAssembly: a transfer is run with every export counted. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";

const CORE = new URL("../../wasm/core.wasm", import.meta.url);
const MOD = new URL("../../mod.ts", import.meta.url);
const BYTES = 1_000_000;

/** A module with the exports of core.wasm, functions counted in `globalThis.calls`. */
async function countingModule(): Promise<string> {
  const exports = WebAssembly.Module.exports(
    await WebAssembly.compile(await Deno.readFile(CORE)),
  );
  const lines = [
    `import * as core from "${CORE.href}?counted";`,
    "const calls = globalThis.calls = {};",
  ];
  for (const { name, kind } of exports) {
    lines.push(
      kind === "function"
        ? `calls.${name} = 0; export const ${name} = (...values) => { calls.${name}++; return core.${name}(...values); };`
        : `export const ${name} = core.${name};`,
    );
  }
  return lines.join("\n");
}

const PROGRAM = `
import { emulate } from "${MOD.href}";
await using net = emulate({ paths: {
  wifi: { rate: "20 Mbit/s", delay: "15 ms", loss: 0.01 }, lte: { rate: "12 Mbit/s", delay: "40 ms" } },
  experiments: { client: { checksum: true } } });
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
console.log(JSON.stringify({ bytes: globalThis.bytes, calls: globalThis.calls }));
`;

describe("the WASM exports", () => {
  it("carry headers, checksums, mappings and reassembly of a transfer", async () => {
    const folder = await Deno.makeTempDir();
    try {
      const counting = `${folder}/counting.js`;
      await Deno.writeTextFile(counting, await countingModule());
      await Deno.writeTextFile(`${folder}/program.ts`, PROGRAM);
      const imports = { [CORE.href]: new URL(`file://${counting}`).href };
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
      const { bytes, calls } = JSON.parse(new TextDecoder().decode(stdout));
      assertEquals(bytes, BYTES);
      const segments = BYTES / 1460;
      for (const name of ["packet_parse", "header_build", "receiver_segment"]) {
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
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});
