/**
 * A receiver and its stream, from segments to bytes that were read: WebAssembly against the plain reference
 * (`deno bench bench/reassembly_bench.ts`). One iteration is a batch of 64 segments.
 */

import { RECEIVER_NEXT } from "../wasm/layout.ts";
import {
  f64,
  host_new,
  packet_alloc,
  receiver_map,
  receiver_new,
  receiver_record,
  receiver_segment,
  stream_new,
  stream_release,
  sum,
  u8,
} from "../wasm/mod.ts";
import { sum as bytewise } from "../tests/reference/checksum.ts";
import { Receiver } from "../tests/reference/receiver.ts";
import { Stream } from "../tests/reference/stream.ts";

const SEGMENTS = 64;
const LIMIT = 2 ** 53;

/** In which order the segments of a batch come. */
const ORDERS: Record<string, (i: number) => number> = {
  "in order": (i) => i,
  "pairs swapped": (i) => i ^ 1,
  "first one last": (i) => (i + 1) % SEGMENTS,
};

const host = host_new(1, 2);
const address = packet_alloc(66_048);

for (const [name, size] of [["1460 B", 1460], ["16 KB", 16_384]] as const) {
  const payload = crypto.getRandomValues(new Uint8Array(size));
  u8.set(payload, address);
  const cases = Object.entries(ORDERS).map(([order, place]) => ({ order, place, summed: false }));
  cases.push({ order: "in order, DSS checksums", place: (i) => i, summed: true });
  for (const { order, place, summed } of cases) {
    const group = `${SEGMENTS} segments of ${name}, ${order}`;
    Deno.bench({
      name: "reference",
      group,
      baseline: true,
      fn() {
        const stream = new Stream(1);
        const receiver = new Receiver(stream);
        for (let i = 0; i < SEGMENTS; i++) {
          const at = 1 + place(i) * size;
          receiver.map(at, at, size, summed ? bytewise(payload) : -1, LIMIT);
          receiver.segment(at, payload, LIMIT);
        }
        stream.release(stream.next);
      },
    });
    const stream = stream_new(host, 1);
    const receiver = receiver_new(host, stream);
    const next = (receiver_record(receiver) >> 3) + RECEIVER_NEXT;
    Deno.bench({
      name: "WASM",
      group,
      fn() {
        const base = f64[next]!;
        for (let i = 0; i < SEGMENTS; i++) {
          const at = base + place(i) * size;
          receiver_map(receiver, at, at, size, summed ? sum(address, size) : -1, LIMIT);
          receiver_segment(receiver, at, address, size, LIMIT);
        }
        stream_release(stream, f64[next]!);
      },
    });
  }
}
