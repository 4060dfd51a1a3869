/** Payload that is read straight to its place: whatever is guessed wrong, each byte is the one that was sent. */

import "../support/growing_memory.ts";
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  OUT_0,
  OUT_1,
  OUT_2,
  OUT_3,
  PAGE,
  PARSE_OK,
  RX_LENGTH,
  RX_PAYLOAD,
  SEGMENT_ADVANCED,
  SEGMENT_DATA,
  SEGMENT_LANDED,
  SEGMENT_MEMORY,
  STREAM_HEAD,
  STREAM_NEXT,
  USAGE_PAGES,
} from "../../wasm/layout.ts";
import {
  f64,
  host_free,
  host_new,
  host_usage,
  memory_reserve,
  packet_alloc,
  packet_expect,
  packet_free,
  packet_landed,
  packet_parse,
  packet_settle,
  packet_unexpect,
  receiver_free,
  receiver_map,
  receiver_new,
  receiver_segment,
  stream_at,
  stream_free,
  stream_limit,
  stream_new,
  stream_record,
  stream_release,
  sum,
  u32,
  u8,
} from "../../wasm/mod.ts";
import * as fc from "../support/property.ts";
import { pattern } from "../support/streams.ts";
import { Scratch } from "./support.ts";

const HEADROOM = 16;
const scratch = new Scratch(PAGE);

/** A segment of `bytes` behind headers of `words` words of options; `protocol` other than 6: not of TCP. */
function packetOf(bytes: Uint8Array, words: number, version: 4 | 6, protocol = 6): Uint8Array {
  const ip = version === 4 ? 20 : 40;
  const packet = new Uint8Array(ip + 20 + 4 * words + bytes.length).fill(1); // NOP
  const view = new DataView(packet.buffer);
  packet.fill(0, 0, ip + 20);
  if (version === 4) {
    packet[0] = 0x45;
    view.setUint16(2, packet.length);
    packet[9] = protocol;
  } else {
    packet[0] = 0x60;
    view.setUint16(4, packet.length - 40);
    packet[6] = protocol;
  }
  packet[ip + 12] = 5 + words << 4;
  packet[ip + 13] = 16;
  packet.set(bytes, ip + 20 + 4 * words);
  return packet;
}

/** What a device does: it scatters one packet over a buffer and the places that are expected. */
class Device {
  readonly buffer = packet_alloc(66048);

  /** Reads `packet`; `verified`: nobody has to look at its checksum. */
  read(packet: Uint8Array, verified = true): void {
    const expected = packet_expect();
    const ip = this.buffer + HEADROOM;
    if (expected === 0 || packet.length <= expected) u8.set(packet, ip);
    else {
      u8.set(packet.subarray(0, expected), ip);
      const first = u32[OUT_1]!;
      assertEquals(first + u32[OUT_3]!, PAGE);
      u8.set(packet.subarray(expected, expected + first), u32[OUT_0]!);
      u8.set(packet.subarray(expected + first), u32[OUT_2]!);
      packet_landed(ip, packet.length - expected, verified ? 1 : 0);
    }
    assertEquals(packet_parse(0, ip, packet.length, 1), PARSE_OK);
  }

  [Symbol.dispose](): void {
    packet_unexpect();
    packet_free(this.buffer);
  }
}

/** A subflow: where it is in its sequence, and the last segment that it has carried. */
class Path {
  readonly receiver: number;
  ssn = 1;
  lastDelta = NaN;
  lastLength = 0;

  constructor(host: number, stream: number) {
    this.receiver = receiver_new(host, stream);
  }
}

/** One connection of two subflows. */
class Connection {
  readonly stream: number;
  readonly paths: readonly [Path, Path];
  readonly bytes: Uint8Array;
  readonly #record: number;
  readonly #checksum: boolean;
  #checked = 1;

  constructor(host: number, bytes: Uint8Array, checksum = false) {
    this.stream = stream_new(host, 1);
    this.paths = [new Path(host, this.stream), new Path(host, this.stream)];
    this.bytes = bytes;
    this.#record = stream_record(this.stream) >> 3;
    this.#checksum = checksum;
  }

  /** `path` takes the segment that has been read, the bytes from `from` on, at its sequence number `ssn`. */
  take(from: number, path: Path = this.paths[0], ssn = 1 + from): number {
    const [at, length] = [u32[RX_PAYLOAD]!, u32[RX_LENGTH]!];
    let expected = -1;
    if (this.#checksum) {
      expected = sum(scratch.put(this.bytes.subarray(from, from + length)), length);
    }
    receiver_map(path.receiver, 1 + from, ssn, length, expected, Infinity);
    return receiver_segment(path.receiver, ssn, at, length, Infinity);
  }

  /** What has come in order is what was sent. */
  check(): void {
    const next = f64[this.#record + STREAM_NEXT]!;
    for (let at = this.#checked; at < next;) {
      const length = Math.min(next - at, PAGE - (at & (PAGE - 1)));
      const address = stream_at(this.stream, at);
      const held = u8.subarray(address, address + length);
      const sent = this.bytes.subarray(at - 1, at - 1 + length);
      const wrong = held.findIndex((byte, i) => byte !== sent[i]);
      assert(wrong < 0, `byte ${at - 1 + wrong} is not the one that was sent`);
      at += length;
    }
    this.#checked = next;
  }

  get received(): number {
    return f64[this.#record + STREAM_NEXT]! - 1;
  }

  /** The application reads `bytes`. */
  read(bytes: number): void {
    stream_release(this.stream, f64[this.#record + STREAM_HEAD]! + bytes);
  }

  free(): void {
    for (const { receiver } of this.paths) receiver_free(receiver);
    stream_free(this.stream);
  }
}

describe("payload that is read to its place", () => {
  it("lies there from the third segment on, over the ends of pages, and needs no copy", () => {
    using device = new Device();
    const host = host_new(1, 2);
    const connection = new Connection(host, pattern(400_000, 1));
    const landed: boolean[] = [];
    for (let from = 0; from < 400_000; from += 50_000) {
      device.read(packetOf(connection.bytes.subarray(from, from + 50_000), 7, 4));
      // Were it copied, these would come.
      if (from > 50_000) u8.fill(0, u32[RX_PAYLOAD]!, u32[RX_PAYLOAD]! + 50_000);
      const bits = connection.take(from);
      assertEquals(bits & ~SEGMENT_LANDED, SEGMENT_ADVANCED | SEGMENT_DATA);
      landed.push((bits & SEGMENT_LANDED) !== 0);
      connection.check();
      connection.read(50_000);
    }
    assertEquals(landed, [false, false, ...Array(6).fill(true)]);
    packet_unexpect();
    assertEquals(host_usage(host, USAGE_PAGES), 0);
    connection.free();
    host_free(host);
  });

  it("lies behind what its device has brought before, also above a hole that another one fills", () => {
    using device = new Device();
    const host = host_new(1, 2);
    const connection = new Connection(host, pattern(350_000, 1));
    const { bytes, paths: [near, far] } = connection;
    const landed: boolean[] = [];
    const bring = (path: Path, from: number): void => {
      device.read(packetOf(bytes.subarray(from, from + 50_000), 7, 4));
      const bits = connection.take(from, path, path.ssn);
      path.ssn += 50_000;
      landed.push((bits & SEGMENT_LANDED) !== 0);
      connection.check();
    };
    for (const from of [0, 50_000, 100_000, 150_000]) bring(near, from);
    // Another device: the first one is expected where the stream goes on.
    packet_unexpect();
    for (const from of [250_000, 300_000]) bring(far, from);
    packet_unexpect();
    bring(near, 200_000);
    assertEquals(landed, [false, false, true, true, false, true, false]);
    assertEquals(connection.received, 350_000);
    connection.read(350_000);
    packet_unexpect();
    assertEquals(host_usage(host, USAGE_PAGES), 0);
    connection.free();
    host_free(host);
  });

  it("is not expected over what is held", () => {
    using device = new Device();
    const host = host_new(1, 2);
    const connection = new Connection(host, pattern(170_000, 1));
    const { bytes, paths: [near, far] } = connection;
    for (const from of [0, 50_000]) {
      device.read(packetOf(bytes.subarray(from, from + 50_000), 7, 4));
      connection.take(from);
    }
    assert(packet_expect() > 0);
    device.read(packetOf(bytes.subarray(120_000), 7, 4));
    connection.take(120_000, far, 1);
    packet_unexpect();
    assertEquals(packet_expect(), 0);
    device.read(packetOf(bytes.subarray(100_000, 120_000), 7, 4));
    connection.take(100_000, near, 100_001);
    connection.check();
    assertEquals(connection.received, 170_000);
    connection.free();
    host_free(host);
  });

  it("is brought together for who reads it elsewhere", () => {
    using device = new Device();
    const host = host_new(1, 2);
    const connection = new Connection(host, pattern(150_000, 1));
    for (const from of [0, 50_000]) {
      device.read(packetOf(connection.bytes.subarray(from, from + 50_000), 7, 4));
      connection.take(from);
    }
    device.read(packetOf(connection.bytes.subarray(100_000), 7, 4));
    packet_settle();
    const at = u32[RX_PAYLOAD]!;
    assertEquals(u8.slice(at, at + 50_000), connection.bytes.slice(100_000));
    assertEquals(connection.take(100_000) & SEGMENT_LANDED, 0);
    connection.check();
    connection.free();
    host_free(host);
  });

  it("takes no memory from what came instead", () => {
    // As guessed, unverified, or with other headers than was guessed.
    for (const [words, verified] of [[7, true], [7, false], [10, true]] as const) {
      using device = new Device();
      const host = host_new(1, 2);
      const connection = new Connection(host, pattern(4 * PAGE, 1));
      stream_limit(connection.stream, 2 * PAGE + 4096);
      for (const [from, to] of [[0, 20_000], [20_000, PAGE - 1000]] as const) {
        device.read(packetOf(connection.bytes.subarray(from, to), 7, 4));
        connection.take(from);
      }
      // Two pages are the limit: the one that is ready for what comes next is in the way of what lies above a hole.
      const far = connection.bytes.subarray(3 * PAGE, 3 * PAGE + 10_000);
      device.read(packetOf(far, words, 4), verified);
      assertEquals(connection.take(3 * PAGE) & SEGMENT_MEMORY, 0);
      connection.free();
      host_free(host);
    }
  });

  it("is kept when a page under it is given back before it is taken", () => {
    // The page that it begins on, and the one that it ends on.
    for (const [before, page] of [[PAGE - 1, "first"], [PAGE - 20_001, "second"]] as const) {
      using device = new Device();
      const host = host_new(1, 2);
      const connection = new Connection(host, pattern(before + 50_000, 1));
      const [, { receiver }] = connection.paths;
      receiver_segment(receiver, 1, scratch.put(pattern(4000, 2)), 4000, Infinity);
      const half = before >> 1;
      for (const [from, to] of [[0, half], [half, before]] as const) {
        device.read(packetOf(connection.bytes.subarray(from, to), 7, 4));
        connection.take(from);
      }
      connection.check();
      device.read(packetOf(connection.bytes.subarray(before), 7, 4));
      if (page === "first") connection.read(before);
      else {
        // A mapping of what waits on the other subflow finds no memory, and gives back all that holds nothing.
        stream_limit(connection.stream, 1);
        const bits = receiver_map(receiver, 10 * PAGE, 1, 4000, -1, Infinity);
        assertEquals(bits & SEGMENT_MEMORY, SEGMENT_MEMORY);
        stream_limit(connection.stream, Infinity);
      }
      assertEquals(connection.take(before) & SEGMENT_MEMORY, 0);
      connection.check();
      assertEquals(connection.received, before + 50_000);
      connection.free();
      host_free(host);
    }
  });

  it("is no place for what the same packet's mapping brings from elsewhere", () => {
    using device = new Device();
    const host = host_new(1, 2);
    const connection = new Connection(host, pattern(154_000, 1));
    const { paths: [, { receiver }], bytes } = connection;
    // On the second subflow a middlebox has taken the options of a segment away: it waits for its mapping.
    device.read(packetOf(bytes.subarray(100_000, 104_000), 7, 4));
    receiver_segment(receiver, 1, u32[RX_PAYLOAD]!, 4000, Infinity);
    for (const from of [0, 50_000]) {
      device.read(packetOf(bytes.subarray(from, from + 50_000), 7, 4));
      connection.take(from);
    }
    device.read(packetOf(bytes.subarray(104_000), 7, 4));
    receiver_map(receiver, 100_001, 1, 54_000, -1, Infinity);
    receiver_segment(receiver, 4001, u32[RX_PAYLOAD]!, 50_000, Infinity);
    connection.check();
    assertEquals(connection.received, 154_000);
    connection.free();
    host_free(host);
  });

  it("is not expected under checksums, which are looked at where all others are", () => {
    using device = new Device();
    const host = host_new(1, 2);
    const connection = new Connection(host, pattern(400_000, 1), true);
    for (let from = 0; from < 400_000; from += 50_000) {
      device.read(packetOf(connection.bytes.subarray(from, from + 50_000), 7, 4));
      connection.take(from);
      assertEquals(packet_expect(), 0);
    }
    connection.check();
    connection.free();
    host_free(host);
  });

  it("is what was sent, whatever comes in place of what was expected", () => {
    const step = fc.record({
      connection: fc.constantFrom(0, 0, 0, 0, 0, 1),
      bytes: fc.oneof(
        fc.integer({ min: 1, max: 65_000 }),
        fc.integer({ min: 8192, max: 65_000 }),
        fc.constantFrom(8192, 57_920, 65_000),
      ),
      // What comes first: itself, the one behind it, several, one that has come, half of one that has, something else.
      order: fc.oneof(
        { weight: 6, arbitrary: fc.constant("") },
        {
          weight: 1,
          arbitrary: fc.constantFrom("swap", "split", "ahead", "again", "overlap", "icmp", "ack"),
        },
      ),
      second: fc.constantFrom(false, false, false, false, true),
      words: fc.constantFrom(7, 7, 7, 7, 7, 7, 0, 8, 10),
      verified: fc.constantFrom(true, true, true, true, true, false),
      beside: fc.constantFrom("", "", "read", "read", "grow", "pause"),
    });
    let growth = 20;
    let landed = 0;
    let above = 0;
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 5, maxLength: 25 }),
        fc.constantFrom(4, 6),
        fc.boolean(),
        fc.nat(),
        (steps, version, checksum, seed) => {
          using device = new Device();
          const host = host_new(1, 2);
          const sizes = [0, 0];
          for (const { connection, bytes } of steps) sizes[connection]! += bytes;
          const connections = sizes.map((size, i) =>
            new Connection(host, pattern(size, seed + i), checksum && i === 0)
          );
          const sent = [0, 0];
          type Doing = typeof steps[0];
          const send = (
            index: number,
            path: Path,
            from: number,
            ssn: number,
            bytes: number,
            step: Doing,
          ) => {
            const one = connections[index]!;
            const part = one.bytes.subarray(from, from + bytes);
            device.read(packetOf(part, step.words, version as 4 | 6), step.verified);
            const bits = one.take(from, path, ssn);
            assertEquals(bits & SEGMENT_MEMORY, 0);
            if (bits & SEGMENT_LANDED) landed++;
            if (bits & SEGMENT_LANDED && (bits & SEGMENT_DATA) === 0) above++;
            for (const each of connections) each.check();
          };
          for (const step of steps) {
            const { connection: index, bytes, order, beside } = step;
            const from = sent[index]!;
            const { paths } = connections[index]!;
            const [path, other] = step.second ? [paths[1], paths[0]] : paths;
            const { ssn } = path;
            const half = bytes >> 1;
            let carried = bytes;
            if (order === "swap" && half > 0) {
              send(index, path, from + half, ssn + half, bytes - half, step);
              send(index, path, from, ssn, half, step);
            } else if (order === "split" && half > 0) {
              // In order on its own subflow, and not in the data.
              carried = half;
              send(index, other, from + half, other.ssn, bytes - half, step);
              send(index, path, from, ssn, half, step);
              other.ssn += bytes - half;
              other.lastLength = 0;
            } else if (order === "ahead" && half > 0) {
              // The same, by several segments of the other subflow.
              const first = bytes >> 3;
              carried = first;
              for (let at = first; at < bytes;) {
                const part = Math.min(bytes - at, Math.max(8192, bytes >> 2));
                send(index, other, from + at, other.ssn, part, step);
                other.ssn += part;
                at += part;
              }
              if (first > 0) send(index, path, from, ssn, first, step);
              other.lastLength = 0;
            } else if (
              order === "overlap" && path.lastDelta === from - ssn && !(checksum && index === 0)
            ) {
              const back = Math.max(0, Math.min(path.lastLength, 65_000 - bytes, 3000));
              send(index, path, from - back, ssn - back, bytes + back, step);
            } else {
              if (order === "icmp" || order === "ack") {
                const protocol = order === "ack" ? 6 : version === 4 ? 1 : 58;
                const none = pattern(order === "ack" ? 0 : 500, 3);
                device.read(packetOf(none, step.words, version as 4 | 6, protocol));
              }
              send(index, path, from, ssn, bytes, step);
              if (order === "again") send(index, path, from, ssn, bytes, step);
            }
            path.ssn = ssn + carried;
            path.lastDelta = from - ssn;
            path.lastLength = order === "swap" ? 0 : carried;
            sent[index] = from + bytes;
            if (beside === "read") connections[index]!.read(bytes);
            if (beside === "grow" && growth-- > 0) memory_reserve(65536);
            if (beside === "pause") packet_unexpect();
          }
          assertEquals(connections.map((one) => one.received), sizes);
          for (const one of connections) one.free();
          packet_unexpect();
          assertEquals(host_usage(host, USAGE_PAGES), 0);
          host_free(host);
        },
      ),
      { numRuns: 150 },
    );
    assert(landed > 20, `only ${landed} segments were where they go`);
    assert(above > 5, `only ${above} of these lay above a hole`);
  });
});
