import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { Acks } from "../../../core/subflow/acks.ts";
import {
  SEGMENT_ADVANCED,
  SEGMENT_DATA,
  SEGMENT_DUPLICATE,
  SEGMENT_FILLED,
  SEGMENT_GAP,
} from "../../../wasm/layout.ts";

const IN_ORDER = SEGMENT_ADVANCED | SEGMENT_DATA;

describe("acknowledgements owed to the peer", () => {
  it("wait for the second full segment, a byte more than one is enough (RFC 5681 §4.2)", () => {
    const acks = new Acks();
    assertEquals(acks.received(1000, IN_ORDER, 1400, 0), true);
    assertEquals(acks.now, false);
    assertEquals(acks.received(1, IN_ORDER, 1400, 0), false);
    assertEquals(acks.now, true);
  });

  it("count small segments by their bytes: 536 of them wait, 537 do not", () => {
    const acks = new Acks();
    assertEquals(acks.received(500, IN_ORDER, 1400, 0), true);
    assertEquals(acks.received(36, IN_ORDER, 1400, 0), true);
    assertEquals(acks.received(1, IN_ORDER, 1400, 0), false);
  });

  it("do not wait for a super-segment: no segment is larger than there can be", () => {
    const acks = new Acks();
    assertEquals(acks.received(2801, IN_ORDER, 1400, 0), false);
    acks.settled();
    assertEquals(acks.received(1400, IN_ORDER, 1400, 0), true);
  });

  it("leave for each full segment on a slow path, 5 to 40 ms behind the one before", () => {
    const acks = new Acks();
    let now = 1e6;
    const comes = (length: number, pause: number): boolean => {
      acks.settled();
      return acks.received(length, IN_ORDER, 1400, now += pause);
    };
    assertEquals(comes(1400, 0), true);
    assertEquals([comes(1400, 4999), comes(1400, 5000), comes(1400, 40e3)], [true, false, false]);
    // A request behind a pause may well be answered with data; a small one is no bulk.
    assertEquals([comes(1400, 40_001), comes(1399, 5000), comes(1400, 5000)], [true, true, false]);
  });

  it("wait for nothing where there is no delay", () => {
    const acks = new Acks(0);
    assertEquals([acks.delay, acks.received(1, IN_ORDER, 1400, 0), acks.now], [0, false, true]);
  });

  it("leave at once where a segment is out of order, a duplicate, or fills a hole (RFC 5681 §4.2)", () => {
    for (const bit of [SEGMENT_GAP, SEGMENT_DUPLICATE, SEGMENT_FILLED]) {
      const acks = new Acks();
      assertEquals(acks.received(1, SEGMENT_ADVANCED | bit, 1400, 0), false);
      assertEquals(acks.now, true);
    }
  });

  it("leave for each second full segment of those that come at once, the last with the end of the batch", () => {
    const acks = new Acks();
    let left = 0;
    const batch = (segments: number, length: number, now: number): number => {
      acks.settled();
      left = 0;
      for (let i = 0; i < segments; i++) {
        if (acks.precede(now)) {
          left++;
          acks.settled();
        }
        acks.received(length, IN_ORDER, 1400, now);
      }
      if (acks.now) {
        left++;
        acks.settled();
      }
      return left;
    };
    assertEquals([1, 2, 3, 4, 5, 10].map((n, i) => batch(n, 1400, 100 + i)), [0, 1, 1, 2, 2, 5]);
    // What comes so fast is merged by others, too.
    assertEquals(batch(64, 1400, 200), 5);
    assertEquals(batch(64, 1400, 201), 5);
    // A super-segment shows that fewer are wanted.
    assertEquals([batch(2, 14000, 300), batch(16, 64000, 301), batch(16, 1401, 302)], [1, 1, 1]);
    // Small ones count by their bytes.
    assertEquals(batch(8, 700, 400), 2);
  });

  it("are owed until one has left, and then are counted anew", () => {
    const acks = new Acks();
    acks.need();
    assertEquals(acks.received(1000, IN_ORDER, 1400, 0), false);
    assertEquals(acks.now, true);
    acks.settled();
    assertEquals(acks.now, false);
    assertEquals(acks.received(1000, IN_ORDER, 1400, 0), true);
  });

  it("remember what the last one told; one without a DATA_ACK tells nothing of the data", () => {
    const acks = new Acks();
    acks.begin();
    assertEquals([acks.last, acks.dataAck], [1, 0]);
    acks.sent(101, 51);
    acks.sent(201, -1);
    assertEquals([acks.last, acks.dataAck], [201, 51]);
  });

  it("never move the edge of the window to the left (RFC 9293 §3.8.6.2)", () => {
    const acks = new Acks();
    for (const edge of [500, 499, 501, 0]) acks.offered(edge);
    assertEquals(acks.edge, 501);
  });
});
