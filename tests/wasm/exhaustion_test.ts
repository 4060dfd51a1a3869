import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals, assertGreater } from "@std/assert";
import {
  PAGE,
  RECEIVER_MAPPINGS,
  RECEIVER_NEXT,
  RECEIVER_STAGED,
  RECEIVER_TOP,
  SEGMENT_ADVANCED,
  SEGMENT_DATA,
  SEGMENT_MEMORY,
  SEGMENT_STAGED,
  STREAM_NEXT,
  USAGE_BYTES,
  USAGE_PAGES,
} from "../../wasm/layout.ts";
import * as wasm from "../../wasm/mod.ts";
import { f64 } from "../../wasm/mod.ts";

const LIMIT = 2 ** 53;

describe("without memory", () => {
  it("a segment is refused before anything changes, and everything goes on afterwards", () => {
    const packet = wasm.packet_alloc(66_048);
    const host = wasm.host_new(1, 2);
    const stream = wasm.stream_new(host, 1);
    const receiver = wasm.receiver_new(host, stream);
    const record = wasm.receiver_record(receiver) >> 3;
    const state = () =>
      [RECEIVER_NEXT, RECEIVER_TOP, RECEIVER_STAGED, RECEIVER_MAPPINGS]
        .map((index) => f64[record + index]!)
        .concat(f64[(wasm.stream_record(stream) >> 3) + STREAM_NEXT]!);
    // The small blocks that it needs are there; pages will not be.
    wasm.receiver_segment(receiver, 5, packet, 5, LIMIT);
    wasm.receiver_map(receiver, 1, 5, 5, -1, LIMIT);
    wasm.stream_release(stream, 6);

    const other = wasm.host_new(3, 4);
    const hog = wasm.stream_new(other, 0);
    while (wasm.stream_append(hog, PAGE) !== 0);
    assertGreater(wasm.host_usage(other, USAGE_PAGES), 30_000);
    const pages = wasm.host_usage(other, USAGE_PAGES);
    assertEquals(wasm.stream_append(hog, 1), 0);
    assertEquals(wasm.host_usage(other, USAGE_PAGES), pages);
    assertEquals(f64[(wasm.stream_record(hog) >> 3) + STREAM_NEXT], pages * PAGE);

    const before = state();
    const bytes = wasm.host_usage(host, USAGE_BYTES);
    const next = f64[record + RECEIVER_NEXT]!;
    assertEquals(wasm.stream_place(stream, 6, packet, 100), -1);
    // Unmapped, mapped, and a mapping of which a checksum is expected.
    assertEquals(wasm.receiver_segment(receiver, next, packet, 4, LIMIT), SEGMENT_MEMORY);
    assertEquals(state(), before);
    wasm.receiver_map(receiver, 100, 100, 1000, -1, LIMIT);
    wasm.receiver_map(receiver, 2000, 2000, 100, 7, LIMIT);
    const mapped = state();
    assertEquals(wasm.receiver_segment(receiver, 100, packet, 1000, LIMIT), SEGMENT_MEMORY);
    assertEquals(wasm.receiver_segment(receiver, 90, packet, 2000, LIMIT), SEGMENT_MEMORY);
    assertEquals(wasm.receiver_segment(receiver, 2000, packet, 50, LIMIT), SEGMENT_MEMORY);
    assertEquals(state(), mapped);
    assertEquals(wasm.host_usage(host, USAGE_PAGES), 0);
    assert(wasm.host_usage(host, USAGE_BYTES) <= bytes + 512);

    wasm.host_free(other);
    const staged = wasm.receiver_segment(receiver, next, packet, 4, LIMIT);
    assertEquals(staged & (SEGMENT_ADVANCED | SEGMENT_STAGED), SEGMENT_ADVANCED | SEGMENT_STAGED);
    assertEquals(wasm.receiver_segment(receiver, 100, packet, 1000, LIMIT) & SEGMENT_MEMORY, 0);
    assertEquals(wasm.receiver_map(receiver, 6, 1, 4, -1, LIMIT) & SEGMENT_DATA, SEGMENT_DATA);
    wasm.host_free(host);
    wasm.packet_free(packet);
  });
});

/** What becomes of the memory in an engine that `engine` makes: its bytes, whether it grew, its bytes then, and a byte far inside. */
async function memoryOf(engine: string): Promise<number[]> {
  const mod = new URL("../../wasm/mod.ts", import.meta.url).href;
  const program = `
    ${engine}
    const wasm = await import(${JSON.stringify(mod)});
    const { u8 } = wasm;
    const size = u8.length;
    const host = wasm.host_new(1, 2);
    const stream = wasm.stream_new(host, 0);
    for (let i = 0; i < 500; i++) wasm.stream_append(stream, 65536);
    const at = wasm.stream_at(stream, 499 * 65536);
    u8[at] = 7;
    console.log(JSON.stringify([size, wasm.memory_reserve(65536), u8.length, u8[at]]));`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", program],
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** No more than 128 MB at once, or none. */
const SHORT = `
  const { grow } = WebAssembly.Memory.prototype;
  WebAssembly.Memory.prototype.grow = function (pages) {
    if (pages > 2048) throw new RangeError("mine");
    return grow.call(this, pages);
  };`;
const UNSIZED = "delete WebAssembly.Memory.prototype.toResizableBuffer;";
const WINDOWS = `Object.defineProperty(navigator, "platform", { value: "Win32" });`;

describe("the memory", () => {
  it("has all its room at once, as views of what cannot change its size are read faster", async () => {
    assertEquals(await memoryOf(""), [2 ** 31, 0, 2 ** 31, 7]);
    assertEquals(await memoryOf(UNSIZED), [2 ** 31, 0, 2 ** 31, 7]);
    assertEquals(await memoryOf(UNSIZED + WINDOWS), [2 ** 31, 0, 2 ** 31, 7]);
  });

  it("grows under its views where so much is refused, or counts as taken at once", async () => {
    for (const engine of [SHORT, WINDOWS]) {
      const [size, reserved, after, byte] = await memoryOf(engine);
      assertGreater(2 ** 26, size!);
      assertEquals([reserved, byte], [1, 7]);
      assertGreater(after!, 500 * 65536);
    }
  });

  it("has what it gets at once where it could not grow under a view", async () => {
    const [size, reserved, after, byte] = await memoryOf(SHORT + UNSIZED);
    assertGreater(size!, 2 ** 26 - 1);
    assertGreater(2 ** 28, size!);
    assertEquals([reserved, after, byte], [0, size, 7]);
  });
});
