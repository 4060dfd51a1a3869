/** The Internet checksum: WebAssembly SIMD against the best plain JavaScript (`deno bench bench/internet_checksum_bench.ts`). */

import { copy, copy_sum, packet_alloc, sum, u8 } from "../wasm/mod.ts";
import { fastSum, sum as bytewise } from "../tests/reference/checksum.ts";

const from = packet_alloc(66_048);
const to = packet_alloc(66_048);

for (const [name, length] of [["64 B", 64], ["1460 B", 1460], ["64 KB", 65_536]] as const) {
  const bytes = new Uint8Array(length);
  crypto.getRandomValues(bytes);
  u8.set(bytes, from);
  const words = new Uint32Array(bytes.buffer, 0, length >> 2);
  const tail = bytes.subarray(length & ~3);
  const target = new Uint8Array(length);

  Deno.bench({
    name: "JavaScript, 32-bit words",
    group: `sum ${name}`,
    baseline: true,
    fn: () => void fastSum(words, tail),
  });
  Deno.bench({
    name: "JavaScript, bytes (reference)",
    group: `sum ${name}`,
    fn: () => void bytewise(bytes),
  });
  Deno.bench({ name: "WASM", group: `sum ${name}`, fn: () => void sum(from, length) });

  Deno.bench({
    name: "JavaScript, set() then sum",
    group: `copy and sum ${name}`,
    baseline: true,
    fn() {
      target.set(bytes);
      fastSum(words, tail);
    },
  });
  Deno.bench({
    name: "WASM, copy() then sum()",
    group: `copy and sum ${name}`,
    fn() {
      copy(to, from, length);
      sum(to, length);
    },
  });
  Deno.bench({
    name: "WASM, copy_sum()",
    group: `copy and sum ${name}`,
    fn: () => void copy_sum(to, from, length),
  });
}
