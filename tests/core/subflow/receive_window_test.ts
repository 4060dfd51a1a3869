import { describe, it } from "@std/testing/bdd";
import { assert, assertEquals } from "@std/assert";
import { ReceiveWindow, windowField, windowScale } from "../../../core/subflow/receive_window.ts";
import * as fc from "../../support/property.ts";

describe("receive window", () => {
  it("offers the whole buffer first, from data offset 1", () => {
    const window = new ReceiveWindow(10_000);
    assertEquals([window.limit, window.edge, window.size(1)], [10_000, 10_001, 10_000]);
    assertEquals([window.size(10_000), window.size(10_001), window.size(10_002)], [1, 0, 0]);
  });

  it("moves its edge when two segments fit, or half a small buffer: no silly windows (RFC 9293 §3.8.6.2.2)", () => {
    const large = new ReceiveWindow(10_000);
    large.open(1 + 1999, 1000);
    assertEquals(large.edge, 10_001);
    large.open(1 + 2000, 1000);
    assertEquals(large.edge, 12_001);
    const small = new ReceiveWindow(3000);
    small.open(1 + 1499, 1000);
    assertEquals(small.edge, 3001);
    small.open(1 + 1500, 1000);
    assertEquals(small.edge, 4501);
  });

  it("owes the peer no word before its edge has moved, and none twice", () => {
    const window = new ReceiveWindow(10_000);
    assertEquals(window.owed(9000, 1000), "none");
    window.open(1 + 5000, 1000);
    assertEquals(window.owed(10_001, 1000), "all");
    window.told();
    assertEquals(window.owed(10_001, 1000), "none");
  });

  it("owes it to all where less than two segments were left, else to one, of half a buffer at least (draft DA-3)", () => {
    const opened = (by: number): ReceiveWindow => {
      const window = new ReceiveWindow(10_000);
      window.open(1 + by, 1000);
      return window;
    };
    assertEquals(opened(4999).owed(8002, 1000), "all");
    assertEquals(opened(4999).owed(8001, 1000), "none");
    assertEquals(opened(5000).owed(8001, 1000), "one");
  });

  it("owes nothing while the peer has sent more than the edge", () => {
    const window = new ReceiveWindow(10_000);
    window.open(1 + 5000, 1000);
    assertEquals(window.owed(15_001, 1000), "none");
    assertEquals(window.owed(15_000, 1000), "all");
  });

  it("RFC 9293 §3.8.6: has an edge that never moves left, and is that of a model: reads, growth, and memory that runs short", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("read" as const), bytes: fc.nat({ max: 20_000 }) }),
      fc.record({ kind: fc.constant("grow" as const), bytes: fc.integer({ min: 1, max: 60_000 }) }),
      fc.record({
        kind: fc.constant("squeeze" as const),
        bytes: fc.oneof(fc.integer({ min: 1000, max: 30_000 }), fc.constant(Infinity)),
      }),
      fc.record({ kind: fc.constant("tell" as const), bytes: fc.constant(0) }),
    );
    const mss = 1000;
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const window = new ReceiveWindow(10_000);
      // The model keeps all edges that were ever offered.
      const edges = [10_001];
      let [read, limit, most, told] = [1, 10_000, Infinity, 10_001];
      for (const { kind, bytes } of steps) {
        const edge = Math.max(...edges);
        if (kind === "read") {
          // Nobody reads what could not come.
          read = Math.min(edge, read + bytes);
          window.open(read, mss);
          const offer = Math.min(limit, most);
          if (read + offer >= edge + Math.min(offer / 2, 2 * mss)) edges.push(read + offer);
        } else if (kind === "grow") {
          limit = Math.max(limit, bytes);
          window.grow(bytes);
        } else if (kind === "squeeze") {
          most = bytes;
          window.squeeze(bytes);
        } else {
          told = edge;
          window.told();
        }
        assertEquals([window.edge, window.limit], [Math.max(...edges), limit]);
        assertEquals(window.size(read), Math.max(...edges) - read);
        // Who has read all can be sent something, and is told of it if he could not.
        if (kind === "read" && read === edge) assert(window.size(read) >= Math.min(limit, most));
        const owed = window.owed(read, mss);
        if (told - read >= 2 * mss || window.edge === told) assert(owed !== "all");
        if (window.edge > told && window.edge > read && told - read < 2 * mss) {
          assertEquals(owed, "all");
        }
      }
    }));
  });

  it("has the least scale that can tell it (RFC 7323 §2.3), its largest but for one unit", () => {
    for (
      const [bytes, scale] of [[1, 0], [65536, 0], [65537, 1], [2 ** 26, 10], [
        2 ** 31,
        14,
      ]] as const
    ) {
      assertEquals(windowScale(bytes), scale);
    }
    fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 30 }), (bytes) => {
      const scale = windowScale(bytes);
      assert(windowField(bytes, scale) * 2 ** scale >= bytes - 2 ** scale);
      assert(scale === 0 || 65535 * 2 ** (scale - 1) < bytes);
    }));
  });

  it("has an edge that never moves left, whatever is read", () => {
    fc.assert(fc.property(fc.array(fc.nat({ max: 30_000 })), (reads) => {
      const window = new ReceiveWindow(10_000);
      let edge = window.edge;
      for (const read of reads) {
        window.open(read, 1000);
        assert(window.edge >= edge);
        edge = window.edge;
      }
    }));
  });
});

describe("the window field", () => {
  it("is rounded up: rounding down would take back what was offered before (RFC 7323 §2.4)", () => {
    assertEquals([0, 1, 127, 128, 129].map((window) => windowField(window, 7)), [0, 1, 1, 1, 2]);
    assertEquals([0, 1, 65535].map((window) => windowField(window, 0)), [0, 1, 65535]);
  });

  it("holds no more than 16 bits", () => {
    assertEquals([windowField(65536, 0), windowField(65535 * 128 + 1, 7)], [65535, 65535]);
  });

  it("never says less than the edge that it said before, as bytes fill the window", () => {
    const bytes = fc.integer({ min: 1, max: 3000 });
    fc.assert(
      fc.property(
        fc.array(bytes, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 0, max: 14 }),
        (lengths, scale) => {
          let left = lengths.reduce((sum, length) => sum + length);
          let next = 0;
          const edge = left;
          let told = next + windowField(left, scale) * 2 ** scale;
          for (const length of lengths) {
            next += length;
            left -= length;
            const right = next + windowField(left, scale) * 2 ** scale;
            assert(right >= edge, `${right} is left of ${edge}`);
            assert(right > told - 2 ** scale);
            told = right;
          }
        },
      ),
    );
  });
});
