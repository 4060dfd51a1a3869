import "../support/growing_memory.ts";
import { describe, it } from "@std/testing/bdd";
import { assertEquals, assertNotEquals } from "@std/assert";
import {
  PAGE,
  RX_SEQ,
  STREAM_NEXT,
  USAGE_BYTES,
  USAGE_FLOWS,
  USAGE_PAGES,
  USAGE_RECEIVERS,
  USAGE_STREAMS,
} from "../../wasm/layout.ts";
import * as wasm from "../../wasm/mod.ts";
import { f64, packet_alloc, packet_free, packet_gather, u32, u8 } from "../../wasm/mod.ts";
import * as fc from "../support/property.ts";

describe("memory", () => {
  it("hands out blocks that do not overlap, the last one freed first", () => {
    const request = fc.record({ bytes: fc.nat(2048), free: fc.boolean(), packet: fc.boolean() });
    fc.assert(fc.property(fc.array(request, { maxLength: 60 }), (list) => {
      const held: { at: number; end: number; free: () => void; mark: number }[] = [];
      list.forEach(({ bytes, free, packet }, i) => {
        const size = packet ? 1 + bytes * 32 : bytes;
        const at = packet ? packet_alloc(size) : wasm.memory_alloc(size);
        assertEquals(at % 16, 0);
        assertEquals(at >= PAGE, true);
        const end = at + size;
        assertEquals(held.some((other) => at < other.end && other.at < end), false);
        u8.fill(i, at, end);
        held.push({
          at,
          end,
          mark: i,
          free: () => packet ? packet_free(at) : wasm.memory_free(at),
        });
        if (free) {
          held.pop()!.free();
          const again = packet ? packet_alloc(size) : wasm.memory_alloc(size);
          assertEquals(again, at);
          packet ? packet_free(at) : wasm.memory_free(at);
        }
      });
      for (const { at, end, mark, free } of held) {
        assertEquals(u8.subarray(at, end).every((byte) => byte === mark), true);
        free();
      }
    }));
  });

  it("refuses blocks and packets that are too large, and ignores address 0", () => {
    assertEquals([wasm.memory_alloc(2049), wasm.memory_alloc(-1)], [0, 0]);
    assertEquals([packet_alloc(66_049), packet_alloc(-1)], [0, 0]);
    wasm.memory_free(0);
    packet_free(0);
    const address = packet_alloc(66_048);
    assertNotEquals(address, 0);
    packet_free(address);
  });

  it("gathers up to three pieces into a packet, and leaves the headroom to others", () => {
    const source = packet_alloc(66_048);
    for (let i = 0; i < 66_048; i++) u8[source + i] = i * 31 >> 3;
    const length = fc.oneof(fc.constant(0), fc.nat(100), fc.nat(21_000));
    const piece = fc.tuple(fc.nat(45_000), length).map(([skip, size]) => [source + skip, size]);
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 64 }), piece, piece, piece, (headroom, a, b, c) => {
        const bytes = [a, b, c].flatMap(([at, size]) => [...u8.subarray(at!, at! + size!)]);
        // The buffer that will be taken, with something in it.
        const free = packet_alloc(headroom + bytes.length);
        u8.fill(7, free + 4, free + headroom + bytes.length + 4);
        packet_free(free);
        const packet = packet_gather(headroom, a[0]!, a[1]!, b[0]!, b[1]!, c[0]!, c[1]!);
        assertEquals(packet, free);
        const start = packet + headroom;
        assertEquals([...u8.subarray(start, start + bytes.length)], bytes);
        assertEquals(u8.subarray(packet + 4, start).every((byte) => byte === 7), true);
        assertEquals([...u8.subarray(start + bytes.length, start + bytes.length + 4)], [
          7,
          7,
          7,
          7,
        ]);
        packet_free(packet);
      }),
    );
    assertEquals(packet_gather(16, source, 66_000, source, 30, source, 3), 0);
    packet_free(source);
  });

  it("keeps its views when it grows, also in the middle of a packet", () => {
    const packet = packet_alloc(2048);
    const window = u8.subarray(packet, packet + 4);
    window.set([1, 2, 3, 4]);
    u32[RX_SEQ] = 77;
    const size = u8.length;
    assertEquals(wasm.memory_reserve(8 * 1024 * 1024), 1);
    assertEquals(u8.length, size + 8 * 1024 * 1024);
    assertEquals([...window], [1, 2, 3, 4]);
    window[0] = 9;
    assertEquals(u8[packet], 9);
    assertEquals(u32[RX_SEQ], 77);
    u8[u8.length - 1] = 5;
    packet_free(packet);
  });

  it("refuses to grow beyond 2 GB and goes on", () => {
    assertEquals(wasm.memory_reserve(2 ** 31 - 1), 0);
    assertEquals(wasm.memory_reserve(2 ** 31), 0);
    const address = packet_alloc(2048);
    assertNotEquals(address, 0);
    packet_free(address);
  });
});

describe("a host", () => {
  it("gives back everything that hangs from it", () => {
    // What one round takes is what the next round takes: no block is lost.
    const host = () => wasm.host_new(1, 2);
    const packet = packet_alloc(66_048);
    const round = () => {
      const own = host();
      for (let i = 0; i < 5; i++) {
        const stream = wasm.stream_new(own, 1);
        const receiver = wasm.receiver_new(own, stream);
        wasm.receiver_map(receiver, 1, 1, 500_000, -1, 1e9);
        for (let at = 1; at < 300_000; at += 40_000) {
          wasm.receiver_segment(receiver, at, packet, 30_000, 1e9);
        }
        wasm.receiver_segment(receiver, 600_000, packet, 30_000, 1e9);
        for (let n = 0; n < 100; n++) wasm.stream_place(stream, 700_000 + 3 * n, packet, 1);
      }
      const used = [USAGE_STREAMS, USAGE_RECEIVERS, USAGE_PAGES, USAGE_FLOWS].map((what) =>
        wasm.host_usage(own, what)
      );
      assertEquals(used, [5, 5, 5 * 7, 0]);
      assertEquals(wasm.host_usage(own, USAGE_BYTES) > 5 * 7 * PAGE, true);
      wasm.host_free(own);
      assertEquals(wasm.host_usage(own, USAGE_BYTES), 0);
    };
    round();
    const size = u8.length;
    for (let i = 0; i < 200; i++) round();
    assertEquals(u8.length, size);
    packet_free(packet);
  });

  it("counts bytes back to none", () => {
    const host = wasm.host_new(1, 2);
    const stream = wasm.stream_new(host, 1);
    const receiver = wasm.receiver_new(host, stream);
    const packet = packet_alloc(2048);
    wasm.receiver_segment(receiver, 10, packet, 100, 1e9);
    wasm.receiver_map(receiver, 1, 10, 50, -1, 1e9);
    wasm.receiver_free(receiver);
    wasm.stream_free(stream);
    assertEquals(wasm.host_usage(host, USAGE_BYTES), 0);
    wasm.host_free(host);
    packet_free(packet);
  });
});

describe("a handle", () => {
  const calls = (stream: number, receiver: number, host: number, packet: number) => [
    wasm.stream_record(stream),
    wasm.stream_place(stream, 1, packet, 10),
    wasm.stream_append(stream, 5),
    wasm.stream_at(stream, 1),
    wasm.receiver_record(receiver),
    wasm.receiver_map(receiver, 1, 1, 10, -1, 1e9),
    wasm.receiver_segment(receiver, 1, packet, 10, 1e9),
    wasm.receiver_sack(receiver, 0, 4, 1, 2),
    wasm.receiver_new(host, stream),
    wasm.stream_new(host, 0),
    wasm.host_usage(host, USAGE_BYTES),
  ];
  const nothing = [0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0];

  it("that is stale, zero, of another kind or nonsense does nothing", () => {
    const packet = packet_alloc(2048);
    const [host, other] = [wasm.host_new(1, 2), wasm.host_new(3, 4)];
    const stream = wasm.stream_new(host, 1);
    const receiver = wasm.receiver_new(host, stream);
    assertEquals(wasm.receiver_new(other, stream), 0);
    const bad = (s: number, r: number, h: number) => {
      assertEquals(calls(s, r, h, packet), nothing);
      wasm.stream_release(s, 5);
      wasm.stream_pin(s, 1, 5);
      wasm.stream_unpin(s, 1, 5);
      wasm.receiver_skip(r);
      wasm.stream_free(s);
      wasm.receiver_free(r);
      wasm.host_free(h);
    };
    bad(0, 0, 0);
    bad(host, stream, receiver);
    bad(receiver, host, stream);
    fc.assert(fc.property(fc.integer(), (any) => {
      fc.pre(![host, other, stream, receiver].includes(any));
      bad(any, any, any);
    }));
    assertEquals(wasm.host_usage(host, USAGE_STREAMS), 1);
    wasm.receiver_free(receiver);
    wasm.stream_free(stream);
    bad(stream, receiver, 0);
    wasm.host_free(host);
    bad(stream, receiver, host);
    wasm.host_free(other);
    packet_free(packet);
  });

  it("stays stale although its place is used again many times", () => {
    const host = wasm.host_new(1, 2);
    const stale = wasm.stream_new(host, 1);
    wasm.stream_free(stale);
    const seen = new Set([stale]);
    for (let i = 0; i < 100_000; i++) {
      const stream = wasm.stream_new(host, 1);
      seen.add(stream);
      wasm.stream_free(stream);
      assertEquals(wasm.stream_record(stale), 0);
    }
    assertEquals(seen.size, 100_001);
    wasm.host_free(host);
  });

  it("of a receiver whose stream has gone takes no more", () => {
    const host = wasm.host_new(1, 2);
    const stream = wasm.stream_new(host, 1);
    const receiver = wasm.receiver_new(host, stream);
    const packet = packet_alloc(2048);
    wasm.receiver_map(receiver, 1, 1, 10, -1, 1e9);
    wasm.stream_free(stream);
    assertEquals(wasm.receiver_segment(receiver, 1, packet, 5, 1e9), 0);
    assertEquals(f64[(wasm.receiver_record(receiver) >> 3) + STREAM_NEXT], 1);
    wasm.host_free(host);
    packet_free(packet);
  });
});
