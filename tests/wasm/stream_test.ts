import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import {
  OUT_0,
  PAGE,
  STREAM_NEXT,
  STREAM_PAGES,
  USAGE_BYTES,
  USAGE_PAGES,
} from "../../wasm/layout.ts";
import {
  f64,
  host_free,
  host_new,
  host_usage,
  stream_append,
  stream_at,
  stream_free,
  stream_new,
  stream_pin,
  stream_place,
  stream_record,
  stream_release,
  stream_unpin,
  u32,
  u8,
} from "../../wasm/mod.ts";
import { MOST_RANGES, Stream } from "../reference/stream.ts";
import * as fc from "../support/property.ts";
import { compareStreams, randomBytes, Scratch } from "./support.ts";

const scratch = new Scratch(131072);

/** Appends as `write()` does: to the end of a page, then the next. */
function append(stream: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    const at = stream_append(stream, bytes.length - done);
    const part = u32[OUT_0]!;
    u8.set(bytes.subarray(done, done + part), at);
    done += part;
  }
}

const first = fc.constantFrom(0, 1, PAGE - 1, PAGE, 2 ** 32 - 5, 2 ** 33 + PAGE - 3, 2 ** 52);
const scale = fc.constantFrom(1, 97, 4001);

describe("stream, receive side", () => {
  it("does what the reference does", () => {
    const move = fc.oneof(
      fc.record({ place: fc.integer({ min: -30, max: 120 }), length: fc.nat(16) }),
      fc.record({ place: fc.integer({ min: -30, max: 120 }), length: fc.nat(16) }),
      fc.record({ release: fc.integer({ min: -3, max: 30 }) }),
    );
    const moves = fc.array(move, { maxLength: 80 });
    fc.assert(
      fc.property(first, scale, moves, fc.nat(), (offset, unit, list, seed) => {
        const host = host_new(1, 2);
        const stream = stream_new(host, offset);
        const model = new Stream(offset);
        for (const [i, step] of list.entries()) {
          if ("place" in step) {
            const bytes = randomBytes(step.length * unit, seed + i);
            const at = Math.max(model.next + step.place * unit, 0);
            const placed = stream_place(stream, at, scratch.put(bytes), bytes.length);
            assertEquals(placed, model.place(at, bytes));
          } else {
            const to = model.head + step.release * unit;
            stream_release(stream, to);
            model.release(to);
          }
        }
        compareStreams(stream, model, scratch);
        assertEquals(host_usage(host, USAGE_PAGES), model.pages);
        stream_free(stream);
        assertEquals(host_usage(host, USAGE_BYTES), 0);
        host_free(host);
      }),
      { numRuns: 400 },
    );
  });

  it("keeps the first copy", () => {
    const host = host_new(1, 2);
    const stream = stream_new(host, 1);
    const put = (offset: number, value: string) =>
      stream_place(stream, offset, scratch.put(new TextEncoder().encode(value)), value.length);
    assertEquals(put(4, "def"), 3);
    assertEquals(put(9, "i"), 1);
    assertEquals(put(1, "ABCDEFGHIJ"), 6);
    assertEquals(new TextDecoder().decode(scratch.read(stream)), "ABCdefGHiJ");
    host_free(host);
  });

  it("takes no more ranges than it may, whatever it holds already", () => {
    const host = host_new(1, 2);
    const stream = stream_new(host, 0);
    const at = scratch.put(new Uint8Array(4000));
    for (let i = 1; i <= MOST_RANGES; i++) {
      assertEquals(stream_place(stream, 100 + 2 * i, at, 1), 1);
    }
    const bytes = host_usage(host, USAGE_BYTES);
    assertEquals(stream_place(stream, 50, at, 1), -1);
    assertEquals(host_usage(host, USAGE_BYTES), bytes);
    assertEquals(stream_place(stream, 0, at, 1), 1);
    assertEquals(stream_place(stream, 103, at, 1), 1);
    assertEquals(f64[(stream_record(stream) >> 3) + STREAM_NEXT], 1);
    host_free(host);
  });

  it("has no memory for bytes beyond 128 GB", () => {
    const host = host_new(1, 2);
    const stream = stream_new(host, 0);
    assertEquals(stream_place(stream, 0, scratch.address, 1), 1);
    assertEquals(stream_place(stream, 2 ** 40, scratch.address, 1), -1);
    assertEquals(host_usage(host, USAGE_PAGES), 1);
    host_free(host);
  });
});

describe("stream, send side", () => {
  it("does what the reference does", () => {
    const move = fc.oneof(
      fc.record({ append: fc.nat(30) }),
      fc.record({ release: fc.integer({ min: -3, max: 30 }) }),
      fc.record({ pin: fc.nat(60), length: fc.integer({ min: 1, max: 16 }) }),
      fc.record({ unpin: fc.nat(9) }),
    );
    const moves = fc.array(move, { maxLength: 80 });
    fc.assert(
      fc.property(first, scale, moves, fc.nat(), (offset, unit, list, seed) => {
        const host = host_new(1, 2);
        const stream = stream_new(host, offset);
        const model = new Stream(offset);
        const pins: { at: number; length: number; bytes: Uint8Array }[] = [];
        const unpin = (index: number) => {
          const pin = pins.splice(index % pins.length, 1)[0];
          if (!pin) return;
          // Still there, although perhaps released.
          for (let i = 0; i < pin.length; i += 1 + unit) {
            assertEquals(u8[stream_at(stream, pin.at + i)], pin.bytes[i]);
          }
          stream_unpin(stream, pin.at, pin.length);
          model.unpin(pin.at, pin.length);
        };
        for (const [i, step] of list.entries()) {
          if ("append" in step) {
            const bytes = randomBytes(step.append * unit, seed + i);
            append(stream, bytes);
            model.append(bytes);
          } else if ("release" in step) {
            const to = model.head + step.release * unit;
            stream_release(stream, to);
            model.release(to);
          } else if ("pin" in step) {
            const at = model.head + step.pin * unit;
            const length = Math.min(step.length * unit, model.next - at, 65535);
            if (length < 1) continue;
            pins.push({ at, length, bytes: model.bytes.get(at, at + length) });
            stream_pin(stream, at, length);
            model.pin(at, length);
          } else unpin(step.unpin);
          assertEquals(f64[(stream_record(stream) >> 3) + STREAM_PAGES], model.pages);
        }
        compareStreams(stream, model, scratch);
        while (pins.length > 0) unpin(0);
        stream_release(stream, model.next);
        assertEquals(host_usage(host, USAGE_PAGES), 0);
        host_free(host);
      }),
      { numRuns: 400 },
    );
  });

  it("appends up to the end of a page, nothing where nothing is asked for", () => {
    const host = host_new(1, 2);
    const stream = stream_new(host, PAGE - 3);
    const next = (stream_record(stream) >> 3) + STREAM_NEXT;
    for (const most of [0, -1]) {
      assertEquals(stream_append(stream, most), 0);
      assertEquals([f64[next], host_usage(host, USAGE_PAGES)], [PAGE - 3, 0]);
    }
    const parts = [2, 9, 9, 2 ** 31 - 1].map((most) => {
      const at = f64[next]!;
      assertEquals(stream_append(stream, most), stream_at(stream, at));
      assertEquals(f64[next]! - at, u32[OUT_0]);
      return u32[OUT_0];
    });
    assertEquals(parts, [2, 1, 9, PAGE - 9]);
    host_free(host);
  });

  it("gives back a page that is not full once nothing is left", () => {
    const host = host_new(1, 2);
    const stream = stream_new(host, 1);
    append(stream, randomBytes(10, 1));
    stream_pin(stream, 1, 10);
    stream_release(stream, 11);
    assertEquals(host_usage(host, USAGE_PAGES), 1);
    stream_unpin(stream, 1, 10);
    assertEquals(host_usage(host, USAGE_PAGES), 0);
    append(stream, randomBytes(3, 2));
    assertEquals(scratch.read(stream), randomBytes(3, 2));
    host_free(host);
  });

  it("knows a pinned page from a far later one", () => {
    const host = host_new(1, 2);
    const stream = stream_new(host, 0);
    append(stream, new Uint8Array([42]));
    stream_pin(stream, 0, 1);
    for (let i = 0; i < 300; i++) {
      append(stream, new Uint8Array(PAGE));
      stream_release(stream, 1 + i * PAGE);
    }
    assertEquals(u8[stream_at(stream, 0)], 42);
    assertEquals(stream_at(stream, PAGE), 0);
    stream_unpin(stream, 0, 1);
    assertEquals(stream_at(stream, 0), 0);
    host_free(host);
  });
});
