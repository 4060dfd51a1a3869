import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@4.10.2";
import { RetransmitQueue, SendQueue } from "../../../core/connection/send_queue.ts";
import { host_new } from "../../../wasm/mod.ts";
import type { Subflow } from "../../../core/subflow/subflow.ts";

const SUBFLOW = {} as Subflow;
const HOST = host_new(1, 2);

describe("the retransmit queue (draft SQ-5)", () => {
  it("holds exactly the bytes that were added and not taken away, oldest first", () => {
    const step = fc.tuple(fc.boolean(), fc.nat({ max: 60 }), fc.integer({ min: 1, max: 20 }));
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new RetransmitQueue();
      const bytes = new Set<number>();
      let floor = 0;
      for (const [add, offset, length] of steps) {
        if (add) {
          const from = Math.max(floor, offset);
          queue.add(from, from + length);
          for (let i = 0; i < length; i++) bytes.add(from + i);
        } else {
          floor = Math.max(floor, offset);
          queue.release(floor);
          for (const byte of bytes) if (byte < floor) bytes.delete(byte);
        }
        assertEquals(queue.empty, bytes.size === 0);
        if (bytes.size === 0) continue;
        const first = Math.min(...bytes);
        let end = first;
        while (bytes.has(end)) end++;
        assertEquals([queue.first, queue.firstEnd], [first, end]);
      }
    }));
  });
});

describe("part B of the send queue (draft Fig. 2)", () => {
  it("finds each byte that is not DATA_ACKed, and no other", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 30 });
    fc.assert(fc.property(lengths, fc.nat({ max: 200 }), (lengths, acked) => {
      const queue = new SendQueue(HOST, 1e6);
      let end = 1;
      for (const length of lengths) {
        queue.bound(length, SUBFLOW, end);
        end += length;
      }
      queue.acknowledge(acked);
      for (let offset = 0; offset < end + 5; offset++) {
        const sent = queue.find(offset);
        assertEquals(sent !== null, offset >= Math.max(1, acked) && offset < end, `${offset}`);
        if (sent !== null) assert(sent.offset <= offset && offset < sent.end);
      }
      queue.acknowledge(end);
      assertEquals(queue.oldest, null);
      queue.free();
    }));
  });
});
