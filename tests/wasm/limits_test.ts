/** Limits of memory: what is farthest goes first, what is in order is always taken, and nothing acknowledged is lost. */

import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import {
  PAGE,
  RECEIVER_NEXT,
  RECEIVER_RANGES,
  SEGMENT_ADVANCED,
  SEGMENT_MEMORY,
  SEGMENT_PRUNED,
  STREAM_HEAD,
  STREAM_NEXT,
  USAGE_BYTES,
} from "../../wasm/layout.ts";
import * as wasm from "../../wasm/mod.ts";
import { f64, u8 } from "../../wasm/mod.ts";
import * as fc from "../support/property.ts";

const LIMIT = 2 ** 53;
const octet = (offset: number): number => (offset * 7 + (offset >> 8) * 13 + (offset >> 16)) & 255;

/** One direction of a connection in a host of its own, with as many subflows. */
class Side {
  readonly packet = wasm.packet_alloc(66_048);
  readonly host: number;
  readonly stream: number;
  readonly receivers: readonly number[];

  constructor(subflows: number, bytes: { host?: number; stream?: number }) {
    this.host = wasm.host_new(1, 2);
    if (bytes.host !== undefined) wasm.host_limit(this.host, bytes.host);
    this.stream = wasm.stream_new(this.host, 1);
    if (bytes.stream !== undefined) wasm.stream_limit(this.stream, bytes.stream);
    this.receivers = Array.from(
      { length: subflows },
      () => wasm.receiver_new(this.host, this.stream),
    );
  }

  [Symbol.dispose](): void {
    wasm.host_free(this.host);
    wasm.packet_free(this.packet);
  }

  get bytes(): number {
    return wasm.host_usage(this.host, USAGE_BYTES);
  }

  get next(): number {
    return f64[(wasm.stream_record(this.stream) >> 3) + STREAM_NEXT]!;
  }

  get head(): number {
    return f64[(wasm.stream_record(this.stream) >> 3) + STREAM_HEAD]!;
  }

  received(subflow: number, what: number): number {
    return f64[(wasm.receiver_record(this.receivers[subflow]!) >> 3) + what]!;
  }

  /** Maps bytes of a subflow, plainly. */
  map(subflow: number, dsn: number, ssn: number, length: number): number {
    return wasm.receiver_map(this.receivers[subflow]!, dsn, ssn, length, -1, LIMIT);
  }

  /** A segment at `ssn` that carries the data from `dsn` on. */
  segment(subflow: number, dsn: number, ssn: number, length: number): number {
    for (let i = 0; i < length; i++) u8[this.packet + i] = octet(dsn + i);
    return wasm.receiver_segment(this.receivers[subflow]!, ssn, this.packet, length, LIMIT);
  }

  /** Reads all that is in order. */
  read(): void {
    while (this.head < this.next) {
      const offset = this.head;
      const length = Math.min(this.next - offset, PAGE - offset % PAGE);
      const at = wasm.stream_at(this.stream, offset);
      for (let i = 0; i < length; i++) assertEquals(u8[at + i], octet(offset + i), `${offset + i}`);
      wasm.stream_release(this.stream, offset + length);
    }
  }
}

describe("the limit of a connection", () => {
  it("drops the farthest for what is nearer, and not the nearest for what is farther", () => {
    using it = new Side(1, { stream: 10.9 * PAGE });
    it.map(0, 1, 1, 2 ** 52);
    for (let page = 1; page <= 10; page++) {
      assertEquals(it.segment(0, page * PAGE, page * PAGE, 1) & SEGMENT_MEMORY, 0, `${page}`);
    }
    assertEquals(it.segment(0, 11 * PAGE, 11 * PAGE, 1), SEGMENT_MEMORY);
    assertEquals(it.received(0, RECEIVER_RANGES), 10);
    const bits = it.segment(0, 1, 1, 1000);
    assertEquals(bits & (SEGMENT_PRUNED | SEGMENT_ADVANCED), SEGMENT_PRUNED | SEGMENT_ADVANCED);
    assertEquals(it.received(0, RECEIVER_RANGES), 9);
    // The subflow has forgotten it: it is taken again.
    assertEquals(it.segment(0, 10 * PAGE, 10 * PAGE, 1), SEGMENT_MEMORY);
    it.segment(0, 1001, 1001, PAGE - 1001);
    it.read();
    assertEquals(it.segment(0, 10 * PAGE, 10 * PAGE, 1) & SEGMENT_MEMORY, 0);
  });

  it("counts lists too: a peer that sends every other byte", () => {
    using it = new Side(1, { stream: 2 * PAGE });
    it.map(0, 1, 1, 2 ** 52);
    for (let i = 1; i < 5000; i++) it.segment(0, 2 * i + 1, 2 * i + 1, 1);
    assert(it.bytes < 2 * PAGE + 8192, `${it.bytes}`);
    assertEquals(it.segment(0, 1, 1, 2) & SEGMENT_ADVANCED, SEGMENT_ADVANCED);
  });

  it("leaves a place for what is in order where mappings above holes have taken all", () => {
    using it = new Side(1, {});
    for (let i = 1; i <= 1100; i++) it.map(0, 1 + 2000 * i, 1 + 2000 * i, 1000);
    assertEquals(it.map(0, 1, 1, 1000) & SEGMENT_MEMORY, 0);
    assertEquals(it.segment(0, 1, 1, 1000) & SEGMENT_ADVANCED, SEGMENT_ADVANCED);
  });

  it("holds, whatever comes in whatever order: what is acknowledged on plain TCP is there, and all arrives in the end", () => {
    const TOTAL = 40 * PAGE;
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            at: fc.integer({ min: 0, max: TOTAL }),
            length: fc.integer({ min: 1, max: 3000 }),
          }),
          { minLength: 50, maxLength: 400 },
        ),
        fc.integer({ min: 4, max: 12 }),
        (segments, pages) => {
          using it = new Side(1, { stream: pages * PAGE });
          it.map(0, 1, 1, 2 ** 52);
          const send = (at: number, length: number): void => {
            it.segment(0, at, at, length);
            // On plain TCP the two spaces are one: a cumulative acknowledgement of what was dropped would lose it.
            assertEquals(it.received(0, RECEIVER_NEXT), it.next);
            assert(it.bytes <= pages * PAGE + 2048, `${it.bytes} bytes of ${pages} pages`);
          };
          for (const { at, length } of segments) {
            send(1 + at, length);
            it.read();
          }
          // In order there is always a place.
          for (let before = 0; it.next <= TOTAL; before = it.next) {
            send(it.next, 60_000);
            it.read();
            assert(it.next > before);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it("holds on several subflows: what is dropped after its acknowledgement there is kept back at the data level (RFC 8684 §3.3.2)", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(1), fc.nat(399)), { minLength: 100, maxLength: 500 }),
        (sent) => {
          using it = new Side(2, { stream: 8 * PAGE });
          const CHUNK = 5000;
          // Of each subflow: where it goes on, and what has not been taken there.
          const at = [1, 1];
          const waits: ({ dsn: number; late: boolean } | null)[] = [null, null];
          const give = (subflow: number, chunk: number, late: boolean): void => {
            const ssn = at[subflow]!;
            // What a subflow has begun to send it sends until it is taken.
            const one = waits[subflow] ??= { dsn: 1 + chunk * CHUNK, late };
            if ((it.map(subflow, one.dsn, ssn, CHUNK) & SEGMENT_MEMORY) !== 0) return;
            // Sometimes a hole is left on the subflow, and filled.
            const parts = one.late ? [[2000, 3000], [0, 2000]] : [[0, CHUNK]];
            for (const [from, length] of parts) {
              it.segment(subflow, one.dsn + from!, ssn + from!, length!);
            }
            if (it.received(subflow, RECEIVER_NEXT) < ssn + CHUNK) return;
            at[subflow] = ssn + CHUNK;
            waits[subflow] = null;
          };
          for (const [subflow, chunk] of sent) {
            give(subflow, chunk, chunk % 3 === 0);
            it.read();
            assert(it.bytes <= 8 * PAGE + 4096, `${it.bytes}`);
          }
          for (let chunk = 0; chunk < 400; chunk++) {
            for (let tries = 0; it.next < 1 + (chunk + 1) * CHUNK; tries++) {
              assert(tries < 6, `chunk ${chunk} is never taken`);
              give(tries & 1, chunk, false);
              it.read();
            }
          }
          assertEquals(it.next, 1 + 400 * CHUNK);
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe("the limit of a host", () => {
  const appendAll = (stream: number): number => {
    let bytes = 0;
    while (wasm.stream_append(stream, PAGE) !== 0) bytes += PAGE;
    return bytes;
  };

  it("leaves enough for those whose bytes move, however many hold all they get for ever", () => {
    const limit = 256 * 2 ** 20;
    const host = wasm.host_new(1, 2);
    wasm.host_limit(host, limit);
    const held = (): number => wasm.host_usage(host, USAGE_BYTES);
    for (let i = 0; i < 200; i++) {
      const stream = wasm.stream_new(host, 0);
      wasm.stream_limit(stream, 8 * 2 ** 20);
      appendAll(stream);
    }
    assert(held() < 0.75 * limit, `${held()} of ${limit}`);
    const stream = wasm.stream_new(host, 0);
    let end = 0;
    for (let rounds = 0; rounds < 8; rounds++) {
      const before = end;
      end += appendAll(stream);
      wasm.stream_release(stream, end);
      assert(end - before >= Math.min(2 ** 23, 2 ** (17 + rounds)), `${end - before} in ${rounds}`);
    }
    wasm.host_free(host);
  });

  it("is never passed", () => {
    const limit = 16 * 2 ** 20;
    const host = wasm.host_new(1, 2);
    wasm.host_limit(host, limit);
    let had = 0;
    for (let i = 0; i < 1000; i++) {
      if (appendAll(wasm.stream_new(host, 0)) > 0) had++;
      // But for the records of what holds nothing.
      assert(wasm.host_usage(host, USAGE_BYTES) <= limit + 128 * (i + 1));
    }
    assert(had > 100, `${had}`);
    wasm.host_free(host);
  });

  it("gives a first page to everybody as long as there is one", () => {
    const host = wasm.host_new(1, 2);
    wasm.host_limit(host, 20 * PAGE);
    let got = 0;
    for (let i = 0; i < 30; i++) {
      if (wasm.stream_append(wasm.stream_new(host, 0), 1) !== 0) got++;
    }
    assertEquals(got, 19);
    wasm.host_free(host);
  });

  it("is one of the process too: a host holds no more than is left for the others", () => {
    const hosts = Array.from({ length: 4 }, () => wasm.host_new(1, 2));
    for (const host of hosts) wasm.host_limit(host, 2 ** 30);
    let all = 0;
    for (const host of hosts) {
      for (let i = 0; i < 40; i++) {
        const stream = wasm.stream_new(host, 0);
        while (wasm.stream_append(stream, PAGE) !== 0);
      }
      all += wasm.host_usage(host, USAGE_BYTES);
    }
    assert(all <= 1792 * 2 ** 20, `${all}`);
    const last = wasm.host_usage(hosts[3]!, USAGE_BYTES);
    assert(last > 5 * 2 ** 20, `${last} for the last one`);
    for (const host of hosts) wasm.host_free(host);
  });
});

describe("what is next in the data", () => {
  it("finds a place, staged and then delivered, where half of a host's limit is in use, whatever its connection stages besides", () => {
    for (const told of ["first", "last"]) {
      using it = new Side(3, { host: 40 * PAGE });
      for (let i = 0; i < 21; i++) wasm.stream_append(wasm.stream_new(it.host, 0), 1);
      const summed = (subflow: number, dsn: number, ssn: number, length: number): number => {
        for (let i = 0; i < length; i++) u8[it.packet + i] = octet(dsn + i);
        const sum = wasm.sum(it.packet, length);
        return wasm.receiver_map(it.receivers[subflow]!, dsn, ssn, length, sum, LIMIT);
      };
      if (told === "last") assertEquals(it.segment(0, 1, 1, 3000) & SEGMENT_MEMORY, 0);
      // Parts of mappings that lie further on.
      for (const subflow of [1, 2]) {
        summed(subflow, 5000 * subflow, 1, 3000);
        it.segment(subflow, 5000 * subflow, 1, 1000);
      }
      if (told === "first") {
        summed(0, 1, 1, 3000);
        for (const from of [1000, 0]) {
          assertEquals(it.segment(0, 1 + from, 1 + from, 1000 + from) & SEGMENT_MEMORY, 0);
        }
      }
      if (told === "last") summed(0, 1, 1, 3000);
      assertEquals(it.next, 3001);
      it.read();
      // Not so what nobody waits for.
      assert(it.bytes <= 27 * PAGE, `${it.bytes / PAGE} pages`);
    }
  });

  it("leaves enough for those whose bytes move, however many never read, or send no mapping whole", () => {
    for (const summed of [false, true]) {
      const limit = 64 * 2 ** 20;
      const host = wasm.host_new(1, 2);
      wasm.host_limit(host, limit);
      const packet = wasm.packet_alloc(66_048);
      /** Has a new connection take what comes until it takes no more, or `most` bytes. */
      const take = (receiver: number, at: number, most: number): number => {
        const end = at + most;
        while (
          at < end && !(wasm.receiver_segment(receiver, at, packet, 1400, LIMIT) & SEGMENT_MEMORY)
        ) {
          at += 1400;
        }
        return at;
      };
      for (let i = 0; i < 400; i++) {
        const stream = wasm.stream_new(host, 1);
        wasm.stream_limit(stream, 8 * 2 ** 20);
        const receiver = wasm.receiver_new(host, stream);
        if (summed) wasm.receiver_map(receiver, 1, 1, 65_000, 1, LIMIT);
        wasm.receiver_map(receiver, summed ? 70_000 : 1, summed ? 70_000 : 1, 2 ** 40, -1, LIMIT);
        take(receiver, 1, summed ? 64_000 : 2 ** 23);
        if (summed) take(receiver, 70_000, 2 ** 23);
      }
      const stream = wasm.stream_new(host, 1);
      const receiver = wasm.receiver_new(host, stream);
      wasm.receiver_map(receiver, 1, 1, 2 ** 40, -1, LIMIT);
      let end = 1;
      for (let rounds = 0; rounds < 6; rounds++) {
        const before = end;
        end = take(receiver, end, 2 ** 20);
        wasm.stream_release(stream, end);
        assert(end - before >= 2 ** (15 + rounds), `${end - before} in ${rounds}, ${summed}`);
      }
      wasm.host_free(host);
      wasm.packet_free(packet);
    }
  });

  it("finds one mapping after mapping, at once or when what came before has been read", () => {
    for (const together of [1, 5]) {
      using it = new Side(3, { host: 40 * PAGE });
      for (let i = 0; i < 21; i++) wasm.stream_append(wasm.stream_new(it.host, 0), 1);
      for (const subflow of [1, 2]) {
        wasm.receiver_map(it.receivers[subflow]!, 2 ** 21 * subflow, 1, 3000, 1, LIMIT);
        it.segment(subflow, 2 ** 21 * subflow, 1, 1000);
      }
      let again = 0;
      for (let at = 1, times = 0; at < 60 * 20_000; times++) {
        const before = it.next;
        for (let i = 0; i < together; i++) {
          const from = at + i * 20_000;
          for (let i = 0; i < 20_000; i++) u8[it.packet + i] = octet(from + i);
          const sum = wasm.sum(it.packet, 20_000);
          wasm.receiver_map(it.receivers[0]!, from, from, 20_000, sum, LIMIT);
          it.segment(0, from, from, 10_000);
          it.segment(0, from + 10_000, from + 10_000, 10_000);
        }
        it.read();
        at = it.next;
        if (it.next === before) again++;
        assert(times < 200, `${at} after ${times}`);
      }
      assertEquals(again, 0);
    }
  });

  it("is no way for those who never read to hold all", () => {
    using it = new Side(3, { host: 40 * PAGE });
    for (let i = 0; i < 21; i++) wasm.stream_append(wasm.stream_new(it.host, 0), 1);
    const before = it.bytes;
    for (let at = 1; at < 18 * PAGE; at += 30_000) {
      for (let i = 0; i < 30_000; i++) u8[it.packet + i] = octet(at + i);
      const sum = wasm.sum(it.packet, 30_000);
      wasm.receiver_map(it.receivers[0]!, at, at, 30_000, sum, LIMIT);
      for (const from of [15_000, 0]) it.segment(0, at + from, at + from, 15_000);
      if (it.next < at + 30_000) break;
    }
    assert(it.bytes - before < 9 * PAGE, `${(it.bytes - before) / PAGE} pages`);
  });
});

describe("a stream that goes before its receivers", () => {
  it("takes what they hold with it, and leaves nothing charged", () => {
    const host = wasm.host_new(1, 2);
    const before = wasm.host_usage(host, USAGE_BYTES);
    const stream = wasm.stream_new(host, 1);
    const receivers = [0, 1, 2].map(() => wasm.receiver_new(host, stream));
    const packet = wasm.packet_alloc(2048);
    for (const receiver of receivers) {
      wasm.receiver_segment(receiver, 100, packet, 1000, LIMIT);
      wasm.receiver_map(receiver, 5000, 5000, 1000, -1, LIMIT);
    }
    wasm.receiver_free(receivers[1]!);
    wasm.stream_free(stream);
    assertEquals(wasm.receiver_segment(receivers[0]!, 1, packet, 100, LIMIT), 0);
    for (const receiver of receivers) wasm.receiver_free(receiver);
    assertEquals(wasm.host_usage(host, USAGE_BYTES), before);
    wasm.packet_free(packet);
    wasm.host_free(host);
  });
});
