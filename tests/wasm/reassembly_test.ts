import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import {
  MAPPING_CONFLICT,
  MAPPING_NEW,
  RECEIVER_DUPLICATE_FROM,
  RECEIVER_DUPLICATE_TO,
  RECEIVER_FAILED,
  RECEIVER_MAPPINGS,
  RECEIVER_NEXT,
  RECEIVER_RANGES,
  RECEIVER_STAGED,
  RECEIVER_TOP,
  SEGMENT_ADVANCED,
  SEGMENT_BEYOND,
  SEGMENT_CHECKSUM,
  SEGMENT_DATA,
  SEGMENT_DATA_DUPLICATE,
  SEGMENT_DUPLICATE,
  SEGMENT_FILLED,
  SEGMENT_GAP,
  SEGMENT_MEMORY,
  SEGMENT_MERGED,
  SEGMENT_PRUNED,
  SEGMENT_STAGED,
  SEGMENT_TAIL,
  TX_SACK,
  USAGE_BYTES,
  USAGE_PAGES,
} from "../../wasm/layout.ts";
import {
  f64,
  host_free,
  host_new,
  host_usage,
  receiver_forget,
  receiver_free,
  receiver_map,
  receiver_new,
  receiver_record,
  receiver_sack,
  receiver_segment,
  receiver_skip,
  stream_new,
  stream_record,
  stream_release,
  u32,
} from "../../wasm/mod.ts";
import { sum } from "../reference/checksum.ts";
import { Receiver } from "../reference/receiver.ts";
import { MOST_RANGES, Stream } from "../reference/stream.ts";
import * as fc from "../support/property.ts";
import { compareStreams, randomBytes, Scratch } from "./support.ts";

const NO_LIMIT = 2 ** 53;
const NONE = -1;

const scratch = new Scratch(131072);
let host = 0;
let stream = 0;
let receiver = 0;

function segment(seq: number, bytes: Uint8Array, limit = NO_LIMIT): number {
  return receiver_segment(receiver, seq, scratch.put(bytes), bytes.length, limit);
}

function record(index: number, of = receiver): number {
  return f64[(receiver_record(of) >> 3) + index]!;
}

function data(): Uint8Array {
  return scratch.read(stream);
}

const text = (value: string) => new TextEncoder().encode(value);
const shown = () => new TextDecoder().decode(data());

describe("a subflow's receiver", () => {
  beforeEach(() => {
    host = host_new(1, 2);
    stream = stream_new(host, 1);
    receiver = receiver_new(host, stream);
  });

  afterEach(() => host_free(host));

  it("places bytes in order under one long mapping", () => {
    assertEquals(receiver_map(receiver, 1, 1, 1000, NONE, NO_LIMIT), MAPPING_NEW);
    assertEquals(segment(1, text("abc")), SEGMENT_ADVANCED | SEGMENT_DATA);
    assertEquals(receiver_map(receiver, 1, 1, 1000, NONE, NO_LIMIT), 0);
    assertEquals(segment(4, text("def")), SEGMENT_ADVANCED | SEGMENT_DATA);
    assertEquals(shown(), "abcdef");
    assertEquals(record(RECEIVER_NEXT), 7);
  });

  it("places a mapped segment at once although the subflow has a hole", () => {
    receiver_map(receiver, 1, 4, 3, NONE, NO_LIMIT);
    assertEquals(segment(4, text("abc")), SEGMENT_GAP | SEGMENT_DATA);
    assertEquals(shown(), "abc");
    assertEquals(record(RECEIVER_NEXT), 1);
    receiver_map(receiver, 4, 1, 3, NONE, NO_LIMIT);
    assertEquals(segment(1, text("def")), SEGMENT_ADVANCED | SEGMENT_DATA | SEGMENT_FILLED);
    assertEquals(shown(), "abcdef");
    assertEquals(record(RECEIVER_NEXT), 7);
    assertEquals(record(RECEIVER_MAPPINGS), 0);
  });

  it("keeps the first copy of every byte, on the subflow and between subflows", () => {
    const other = receiver_new(host, stream);
    receiver_map(receiver, 1, 1, 100, NONE, NO_LIMIT);
    receiver_map(other, 1, 1, 100, NONE, NO_LIMIT);
    segment(3, text("CD"));
    assertEquals(segment(1, text("abxyef")) & SEGMENT_DUPLICATE, SEGMENT_DUPLICATE);
    assertEquals(shown(), "abCDef");
    const bits = receiver_segment(other, 1, scratch.put(text("ABCDEFGH")), 8, NO_LIMIT);
    assertEquals(bits, SEGMENT_ADVANCED | SEGMENT_DATA | SEGMENT_DATA_DUPLICATE);
    assertEquals(shown(), "abCDefGH");
  });

  // Draft RQ-3.
  it("stages bytes that no mapping covers until one comes", () => {
    assertEquals(segment(1, text("abcd")), SEGMENT_ADVANCED | SEGMENT_STAGED);
    assertEquals(record(RECEIVER_STAGED), 4);
    // A middlebox left the mapping on the second half only.
    assertEquals(receiver_map(receiver, 1, 1, 8, NONE, NO_LIMIT), MAPPING_NEW | SEGMENT_DATA);
    assertEquals(segment(5, text("efgh")), SEGMENT_ADVANCED | SEGMENT_DATA);
    assertEquals(shown(), "abcdefgh");
    assertEquals(record(RECEIVER_STAGED), 0);
    assertEquals(host_usage(host, USAGE_PAGES), 1);
  });

  it("delivers nothing of a mapping with a checksum before all of it is verified", () => {
    const bytes = new Uint8Array([0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6]);
    receiver_map(receiver, 1, 1, 6, 0xeaed, NO_LIMIT);
    assertEquals(segment(1, bytes.slice(0, 3)), SEGMENT_ADVANCED | SEGMENT_STAGED);
    assertEquals(data().length, 0);
    assertEquals(segment(4, bytes.slice(3)), SEGMENT_ADVANCED | SEGMENT_DATA);
    assertEquals(data(), bytes);
  });

  it("keeps the bytes of a mapping that fails its checksum staged, of no mapping, and goes on", () => {
    receiver_map(receiver, 1, 1, 4, 0x1234, NO_LIMIT);
    assertEquals(segment(1, text("ab")), SEGMENT_ADVANCED | SEGMENT_STAGED);
    assertEquals(segment(3, text("cd")), SEGMENT_ADVANCED | SEGMENT_CHECKSUM);
    receiver_map(receiver, 5, 5, 4, 0x1234, NO_LIMIT);
    assertEquals(segment(5, text("efgh")), SEGMENT_ADVANCED | SEGMENT_CHECKSUM);
    assertEquals([record(RECEIVER_STAGED), record(RECEIVER_FAILED)], [8, 1]);
    assertEquals(data().length, 0);
    // Staged without a mapping first.
    segment(9, text("ijkl"));
    assertEquals(
      receiver_map(receiver, 9, 9, 4, 0x1234, NO_LIMIT),
      MAPPING_NEW | SEGMENT_CHECKSUM,
    );
    assertEquals(record(RECEIVER_STAGED), 12);
    receiver_map(receiver, 1, 13, 4, sum(text("mnop")), NO_LIMIT);
    assertEquals(segment(13, text("mnop")), SEGMENT_ADVANCED | SEGMENT_DATA);
    assertEquals(shown(), "mnop");
    // A mapping without a checksum may still tell what they are.
    assertEquals(receiver_map(receiver, 5, 1, 12, -1, NO_LIMIT) & SEGMENT_DATA, SEGMENT_DATA);
    assertEquals([shown(), record(RECEIVER_STAGED)], ["mnopabcdefghijkl", 0]);
    assertEquals(host_usage(host, USAGE_PAGES), 1);
  });

  it("forgets mappings from a place on: what is staged of them stays", () => {
    receiver_map(receiver, 1, 1, 4, sum(text("abcd")), NO_LIMIT);
    receiver_map(receiver, 5, 5, 4, sum(text("efgh")), NO_LIMIT);
    segment(1, text("ab"));
    segment(5, text("ef"));
    receiver_forget(receiver, 5);
    segment(3, text("cd"));
    segment(7, text("gh"));
    assertEquals([shown(), record(RECEIVER_STAGED)], ["abcd", 4]);
    // The same may be learned again.
    receiver_map(receiver, 5, 5, 4, sum(text("efgh")), NO_LIMIT);
    assertEquals(shown(), "abcdefgh");
  });

  it("takes all ones and all zeroes for the same sum", () => {
    receiver_map(receiver, 1, 1, 2, 0xffff, NO_LIMIT);
    assertEquals(segment(1, new Uint8Array(2)), SEGMENT_ADVANCED | SEGMENT_DATA);
    receiver_map(receiver, 3, 3, 2, 0, NO_LIMIT);
    assertEquals(
      segment(3, new Uint8Array([0xff, 0xff])),
      SEGMENT_ADVANCED | SEGMENT_DATA,
    );
  });

  it("does not keep data at or above the limit, but acknowledges it on the subflow", () => {
    receiver_map(receiver, 1, 1, 100, NONE, 4);
    assertEquals(segment(1, text("abcdef"), 4), SEGMENT_ADVANCED | SEGMENT_DATA | SEGMENT_BEYOND);
    assertEquals(segment(7, text("gh"), 4), SEGMENT_ADVANCED | SEGMENT_BEYOND);
    assertEquals(shown(), "abc");
    assertEquals(record(RECEIVER_NEXT), 9);
  });

  it("refuses a mapping that contradicts one held", () => {
    receiver_map(receiver, 1, 1, 100, NONE, NO_LIMIT);
    assertEquals(receiver_map(receiver, 2, 1, 100, NONE, NO_LIMIT), MAPPING_CONFLICT);
    assertEquals(receiver_map(receiver, 51, 51, 100, NONE, NO_LIMIT), MAPPING_NEW);
    assertEquals(receiver_map(receiver, 1, 1, 100, 7, NO_LIMIT), MAPPING_CONFLICT);
    segment(1, text("ab"));
    assertEquals(shown(), "ab");
  });

  it("takes an infinite mapping", () => {
    receiver_map(receiver, 1, 1, 2 ** 52, NONE, NO_LIMIT);
    segment(1, text("ab"));
    segment(3, text("cd"));
    assertEquals(shown(), "abcd");
    receiver_skip(receiver);
    assertEquals(record(RECEIVER_NEXT), 6);
  });

  it("reports SACK blocks from the latest to the oldest, at most three or four", () => {
    receiver_map(receiver, 1, 1, 1000, NONE, NO_LIMIT);
    for (const seq of [11, 31, 51, 71, 91]) segment(seq, text("0123456789"));
    segment(35, text("5")); // a duplicate says most of its own block
    segment(21, text("0123"));
    assertEquals(receiver_sack(receiver, 0xfffffff0, 3, 0, 0), 3);
    const blocks = Array.from(u32.subarray(TX_SACK, TX_SACK + 6));
    assertEquals(blocks, [11, 25, 31, 41, 91, 101].map((offset) => (offset + 0xfffffff0) >>> 0));
    assertEquals(receiver_sack(receiver, 0, 9, 0, 0), 4);
    assertEquals(receiver_sack(receiver, 0, 0, 0, 0), 0);
  });

  it("takes as many holes as there are, and fills them from below", () => {
    receiver_map(receiver, 1, 1, 1e6, NONE, NO_LIMIT);
    const empty = host_usage(host, USAGE_BYTES);
    for (let i = 0; i < 20_000; i++) segment(3 + 2 * i, text("x"));
    assertEquals(record(RECEIVER_RANGES), 20_000);
    assertEquals(receiver_sack(receiver, 0, 3, 0, 0), 3);
    const latest = [40_001, 40_002, 39_999, 40_000, 39_997, 39_998];
    assertEquals([...u32.subarray(TX_SACK, TX_SACK + 6)], latest);
    for (let i = 0; i < 20_000; i++) segment(2 * i + (i === 0 ? 1 : 2), text(i === 0 ? "yy" : "y"));
    assertEquals([record(RECEIVER_NEXT), record(RECEIVER_RANGES)], [40_002, 0]);
    // The list is given back.
    stream_release(stream, 40_002);
    assertEquals(host_usage(host, USAGE_BYTES) <= empty + 8192, true);
  });

  it("finds the latest ranges where those before were joined", () => {
    receiver_map(receiver, 1, 1, 1e6, NONE, NO_LIMIT);
    for (let i = 0; i < 40; i++) segment(3 + 2 * i, text("x"));
    // All of the last thirty become one.
    for (let i = 10; i < 39; i++) segment(4 + 2 * i, text("y"));
    assertEquals(receiver_sack(receiver, 0, 4, 0, 0), 4);
    assertEquals([...u32.subarray(TX_SACK, TX_SACK + 8)], [23, 82, 21, 22, 19, 20, 17, 18]);
  });

  it("drops the farthest range for one too many that is nearer, and refuses it when it is the farthest", () => {
    receiver_map(receiver, 1, 1, 1e6, NONE, NO_LIMIT);
    for (let i = 0; i < MOST_RANGES; i++) {
      assertEquals(segment(9 + 2 * i, text("x")), SEGMENT_GAP | (i === 0 ? 0 : SEGMENT_TAIL));
    }
    const top = record(RECEIVER_TOP);
    const before = host_usage(host, USAGE_BYTES);
    assertEquals(segment(500_000, text("y")), SEGMENT_MEMORY);
    assertEquals([record(RECEIVER_RANGES), record(RECEIVER_TOP)], [MOST_RANGES, top]);
    assertEquals(host_usage(host, USAGE_BYTES), before);
    // What joins ranges is welcome.
    assertEquals(segment(10, text("z")), SEGMENT_GAP | SEGMENT_FILLED | SEGMENT_MERGED);
    assertEquals(segment(500_000, text("y")), SEGMENT_GAP | SEGMENT_TAIL);
    // A nearer one makes the end of it go, a page at a time; plain TCP has it sent again (RFC 2018 §8).
    assertEquals(segment(4, text("w")), SEGMENT_GAP | SEGMENT_FILLED | SEGMENT_PRUNED);
    assertEquals(record(RECEIVER_TOP), top);
    assertEquals(segment(1, text("abc")), SEGMENT_ADVANCED | SEGMENT_DATA | SEGMENT_FILLED);
    assertEquals(record(RECEIVER_NEXT), 5);
  });

  it("holds no page when everything was read", () => {
    receiver_map(receiver, 1, 1, 1e6, NONE, NO_LIMIT);
    for (let seq = 1; seq < 200_000; seq += 1460) segment(seq, randomBytes(1460, seq));
    stream_release(stream, record(RECEIVER_NEXT));
    assertEquals(host_usage(host, USAGE_PAGES), 0);
  });

  it("leaves nothing behind", () => {
    const empty = host_new(3, 4);
    assertEquals(host_usage(empty, USAGE_BYTES), 0);
    host_free(empty);
    segment(100_000, randomBytes(3000, 1));
    receiver_map(receiver, 1, 100_500, 100, NONE, NO_LIMIT);
    receiver_free(receiver);
    assertEquals(receiver_segment(receiver, 1, scratch.put(text("a")), 1, NO_LIMIT), 0);
    assertEquals(host_usage(host, USAGE_PAGES), 1);
  });
});

/** A connection's data and how it was cut over a subflow's sequence space. */
const traffic = fc.record({
  seed: fc.nat(),
  length: fc.integer({ min: 1, max: 400 }),
  scale: fc.constantFrom(1, 7, 641), // larger ones go over several pages
  limit: fc.double({ min: 0.3, max: 1.5, noNaN: true }),
  checksums: fc.constantFrom("none", "all", "some", "wrong"),
  cuts: fc.array(fc.integer({ min: 1, max: 399 }), { maxLength: 8 }),
  moves: fc.array(
    fc.oneof(
      fc.record({ map: fc.nat(9), subflow: fc.nat(1) }),
      fc.record({ map: fc.nat(9), subflow: fc.nat(1), shift: fc.integer({ min: -9, max: 9 }) }),
      fc.record({ at: fc.nat(399), size: fc.integer({ min: 1, max: 60 }), subflow: fc.nat(1) }),
      fc.record({ follow: fc.integer({ min: 1, max: 60 }), subflow: fc.nat(1) }),
      fc.record({ read: fc.nat(100) }),
    ),
    { maxLength: 60 },
  ),
});

describe("two receivers and their stream against the reference", () => {
  it("agree on every bit, counter and byte", () => {
    fc.assert(
      fc.property(traffic, ({ seed, length, scale, limit: part, checksums, cuts, moves }) => {
        const ownHost = host_new(5, 6);
        const own = stream_new(ownHost, 1);
        const receivers = [receiver_new(ownHost, own), receiver_new(ownHost, own)];
        const model = new Stream(1);
        const models = [new Receiver(model), new Receiver(model)];
        const all = randomBytes(length * scale, seed);
        const limit = 1 + Math.floor(all.length * part);
        const edges = [0, ...new Set(cuts.filter((cut) => cut < length)), length]
          .sort((a, b) => a - b).map((edge) => edge * scale);
        // On the second subflow the mappings lie in another order, as if it had been given them by a scheduler.
        const places = edges.slice(1).map((end, i) => ({ dsn: edges[i]!, end, ssn: edges[i]! }));
        const turned = [...places].reverse();
        let cursor = 0;
        const second = turned.map(({ dsn, end }) => {
          const ssn = cursor;
          cursor += end - dsn;
          return { dsn, end, ssn };
        });
        const payloads = [all, new Uint8Array(all.length)];
        for (const { dsn, end, ssn } of second) payloads[1]!.set(all.subarray(dsn, end), ssn);

        for (const move of moves) {
          if ("read" in move) {
            const to = model.head + move.read * scale;
            stream_release(own, to);
            model.release(to);
            continue;
          }
          const [handle, reference] = [receivers[move.subflow]!, models[move.subflow]!];
          if ("map" in move) {
            const list = move.subflow === 0 ? places : second;
            const { dsn, end, ssn } = list[move.map % list.length]!;
            const bytes = all.subarray(dsn, end);
            const summed = checksums === "all" || checksums === "wrong" ||
              (checksums === "some" && (seed + dsn) % 2 === 0);
            const wrong = checksums === "wrong" && (seed + dsn) % 3 === 0 ? 1 : 0;
            const expected = summed ? (sum(bytes) + wrong) % 0x10000 : -1;
            const args = [1 + dsn, 1 + ssn, end - dsn] as [number, number, number];
            if ("shift" in move) args[move.subflow] = Math.max(args[move.subflow]! + move.shift, 0);
            assertEquals(
              receiver_map(handle, ...args, expected, limit),
              reference.map(...args, expected, limit),
            );
          } else {
            const at = "at" in move ? move.at * scale : reference.next - 1;
            const size = ("at" in move ? move.size : move.follow) * scale;
            const bytes = payloads[move.subflow]!.subarray(at, Math.min(at + size, at + 65535));
            // A retransmission that differs must not change what came first.
            const sent = model.next % 3 === 0
              ? bytes
              : bytes.map((byte, i) => i % 5 === 0 && checksums === "none" ? byte ^ 1 : byte);
            assertEquals(
              receiver_segment(handle, 1 + at, scratch.put(sent), sent.length, limit),
              reference.segment(1 + at, sent, limit),
            );
          }
          const now = receiver_record(handle) >> 3;
          assertEquals([...f64.subarray(now, now + 4)], [
            reference.next,
            reference.top,
            reference.received.list.length,
            reference.staged.held.count(0, Infinity),
          ]);
          const again = [
            f64[now + RECEIVER_DUPLICATE_FROM]!,
            f64[now + RECEIVER_DUPLICATE_TO]!,
          ] as const;
          assertEquals(again, reference.again);
          for (const [from, to] of [again, [0, 0]] as const) {
            const blocks = receiver_sack(handle, seed, 4, from, to);
            const expectedBlocks = reference.sack(seed, 4, from, to);
            assertEquals(blocks, expectedBlocks.length);
            assertEquals(
              Array.from(u32.subarray(TX_SACK, TX_SACK + 2 * blocks)),
              expectedBlocks.flat(),
            );
          }
        }
        compareStreams(own, model, scratch);
        for (const handle of receivers) receiver_free(handle);
        assertEquals(host_usage(ownHost, USAGE_PAGES), model.pages);
        host_free(ownHost);
      }),
      { numRuns: 600 },
    );
  });

  it("deliver all of it whatever the order, the loss and the repeats", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 1, max: 200_000 }),
        fc.integer({ min: 1, max: 30_000 }),
        fc.integer({ min: 1, max: 30_000 }),
        fc.boolean(),
        (seed, length, mappingSize, segmentSize, summed) => {
          const ownHost = host_new(5, 6);
          const own = stream_new(ownHost, 1);
          const handle = receiver_new(ownHost, own);
          const size = Math.max(mappingSize, Math.ceil(length / 50));
          const all = randomBytes(length, seed);
          const steps: (() => void)[] = [];
          for (let at = 0; at < length; at += size) {
            const bytes = all.subarray(at, Math.min(at + size, length));
            const expected = summed ? sum(bytes) : -1;
            steps.push(() =>
              receiver_map(handle, 1 + at, 1 + at, bytes.length, expected, NO_LIMIT)
            );
          }
          const step = Math.max(segmentSize, Math.ceil(length / 50));
          for (let at = 0; at < length; at += step) {
            const bytes = all.subarray(at, Math.min(at + step, length));
            steps.push(() =>
              receiver_segment(handle, 1 + at, scratch.put(bytes), bytes.length, NO_LIMIT)
            );
          }
          const order = randomBytes(steps.length * 2, seed ^ 1);
          steps.map((run, i) => ({ run, key: order[2 * i]! * 256 + order[2 * i + 1]! }))
            .sort((a, b) => a.key - b.key).forEach(({ run }) => run());
          assertEquals(f64[(stream_record(own) >> 3) + 1], 1 + length);
          assertEquals(record(RECEIVER_NEXT, handle), 1 + length);
          assertEquals(record(RECEIVER_STAGED, handle), 0);
          assertEquals(record(RECEIVER_MAPPINGS, handle), 0);
          assertEquals(scratch.read(own), all);
          host_free(ownHost);
        },
      ),
      { numRuns: 60 },
    );
  });
});
