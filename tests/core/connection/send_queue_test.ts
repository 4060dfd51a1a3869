import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SendQueue } from "../../../core/connection/send_queue.ts";
import { fixedBuffer } from "../../../core/subflow/settings.ts";
import type { Subflow } from "../../../core/subflow/subflow.ts";
import { PAGE, USAGE_PAGES } from "../../../wasm/layout.ts";
import { host_limit, host_new, host_usage, stream_at, u8 } from "../../../wasm/mod.ts";
import { comes, established } from "../../support/parts.ts";
import * as fc from "../../support/property.ts";

const HOST = host_new(1, 2);
const { subflow: SUBFLOW } = established();
const { subflow: OTHER } = established({ path: 2 });

describe("part B of the send queue (draft Fig. 2)", () => {
  it("finds each byte that is not DATA_ACKed, and no other", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 30 });
    fc.assert(fc.property(lengths, fc.nat({ max: 200 }), (lengths, acked) => {
      const queue = new SendQueue(HOST, fixedBuffer(1e6));
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

/** A queue of three sendings of 10 bytes: [1, 11), [11, 21), [21, 31). Each begins at the sequence offset of its data offset on the subflow named. */
function boundTo(...subflows: readonly Subflow[]): SendQueue {
  const queue = new SendQueue(HOST, fixedBuffer(1e6));
  subflows.forEach((subflow, i) => queue.bound(10, subflow, 1 + 10 * i));
  return queue;
}

/** The sending that holds the byte at `offset`. */
function holding(queue: SendQueue, offset: number): NonNullable<SendQueue["oldest"]> {
  const sent = queue.find(offset);
  assert(sent !== null);
  return sent;
}

/** What goes again, as ranges of data offsets. */
function again({ again }: SendQueue): number[][] {
  const ranges: number[][] = [];
  while (!again.empty) {
    ranges.push([again.first, again.firstEnd]);
    again.cut(0, again.firstEnd);
  }
  return ranges;
}

describe("the subflows that carry part B", () => {
  it("are those that a sending was bound to, and those that it was repeated on", () => {
    const queue = boundTo(SUBFLOW, SUBFLOW, OTHER);
    const sent = holding(queue, 11);
    assertEquals([sent.offset, sent.end, sent.length, sent.copies], [11, 21, 10, 1]);
    assertEquals([sent.givenTo(SUBFLOW, 11), sent.givenTo(OTHER, 11)], [true, false]);
    queue.repeated(sent, 11, 10, OTHER, 11);
    assertEquals([sent.copies, sent.givenTo(OTHER, 20)], [2, true]);
    assert(sent.copy(0) === SUBFLOW && sent.copy(1) === OTHER);
  });

  it("work on the bytes of a mapping until the last of them is acknowledged: the peer may want all for its checksum", () => {
    const { subflow, level } = established({ written: 20 });
    const queue = new SendQueue(HOST, fixedBuffer(1e6));
    const sent = queue.bound(10, subflow, 1);
    subflow.chunk(1, 10, false, 0);
    const worked = (): boolean[] =>
      [1, 4, 5, 10, 11].map((offset) => sent.workedOnBy(subflow, offset));
    assertEquals(worked(), [true, true, true, true, false]);
    assertEquals([sent.workedOnBy(OTHER, 1), sent.givenTo(OTHER, 1)], [false, false]);
    comes({ ack: 5, dss: { flags: level.dataAckFlags } });
    subflow.arrive(0);
    assertEquals(worked(), [true, true, true, true, false]);
    assertEquals(sent.doneOn(subflow, 4), -1);
    comes({ ack: 11, dss: { flags: level.dataAckFlags } });
    subflow.arrive(0);
    assertEquals(worked(), [false, false, false, false, false]);
    assertEquals([sent.givenTo(subflow, 10), sent.doneOn(subflow, 4)], [true, 10]);
    // A part of it once more, at the next sequence offset.
    queue.repeated(sent, 3, 2, subflow, 11);
    const again = [2, 3, 4, 5].map((offset) => sent.workedOnBy(subflow, offset));
    assertEquals(again, [false, true, true, false]);
  });

  it("lack the oldest that others have and they were not given, in order", () => {
    const queue = boundTo(SUBFLOW, OTHER, SUBFLOW);
    assertEquals(queue.firstNotOn(OTHER)?.offset, 1);
    queue.repeated(holding(queue, 1), 1, 10, OTHER, 1);
    assertEquals(queue.firstNotOn(OTHER)?.offset, 21);
    assertEquals(queue.firstNotOn(SUBFLOW)?.offset, 11);
    queue.acknowledge(25);
    assertEquals([queue.firstNotOn(OTHER)?.offset, queue.firstNotOn(SUBFLOW)], [25, null]);
  });

  it("lack what they were not given of one that they were given parts of", () => {
    const queue = boundTo(SUBFLOW, SUBFLOW);
    const sent = holding(queue, 1);
    queue.repeated(sent, 3, 2, OTHER, 1);
    const lacked = (): number[] => {
      const from = sent.lackedFrom(OTHER);
      return [queue.firstNotOn(OTHER)!.offset, from, sent.lackedEnd(OTHER, from)];
    };
    assertEquals(lacked(), [1, 1, 3]);
    queue.repeated(sent, 1, 2, OTHER, 3);
    assertEquals(lacked(), [1, 5, 11]);
    queue.repeated(sent, 9, 2, OTHER, 5);
    assertEquals(lacked(), [1, 5, 9]);
    queue.repeated(sent, 5, 4, OTHER, 7);
    assertEquals(queue.firstNotOn(OTHER)!.offset, 11);
  });

  it("tells what of a piece the same ones were given, in however many parts", () => {
    const queue = boundTo(SUBFLOW, SUBFLOW);
    const sent = holding(queue, 1);
    assertEquals(sent.alikeTo(1, 11), 11);
    queue.repeated(sent, 5, 2, OTHER, 3);
    queue.repeated(sent, 3, 2, OTHER, 1);
    queue.repeated(sent, 3, 1, SUBFLOW, 30);
    assertEquals([1, 2, 3, 4, 6, 7].map((at) => sent.alikeTo(at, 11)), [3, 3, 7, 7, 7, 11]);
    assertEquals(sent.alikeTo(7, 9), 9);
  });

  it("tells what of a piece a subflow lacks last, too", () => {
    const queue = boundTo(SUBFLOW, SUBFLOW);
    const sent = holding(queue, 1);
    const lacked = (): number[] => {
      const to = sent.lackedTo(OTHER);
      return [sent.lackedBefore(OTHER, to), to];
    };
    assertEquals(lacked(), [1, 11]);
    queue.repeated(sent, 3, 2, OTHER, 1);
    assertEquals(lacked(), [5, 11]);
    queue.repeated(sent, 9, 2, OTHER, 3);
    assertEquals(lacked(), [5, 9]);
    queue.repeated(sent, 5, 4, OTHER, 5);
    assertEquals(lacked(), [1, 3]);
    queue.repeated(sent, 1, 2, OTHER, 9);
    assertEquals(lacked(), [1, 1]);
  });

  it("look once at each sending, however often they ask", () => {
    const queue = new SendQueue(HOST, fixedBuffer(1e6));
    for (let i = 0; i < 1000; i++) queue.bound(1, SUBFLOW, 1 + i);
    const before = queue.steps;
    for (let i = 0; i < 100; i++) assertEquals(queue.firstNotOn(SUBFLOW), null);
    assertEquals(queue.steps - before, 1000);
  });

  it("lack what nobody has as soon as one has it again", () => {
    const queue = boundTo(OTHER, SUBFLOW);
    queue.forget(OTHER, true);
    const third = established({ path: 3 }).subflow;
    assertEquals(queue.firstNotOn(third)?.offset, 11); // passes [1, 11), which nobody has
    queue.repeated(holding(queue, 1), 1, 10, SUBFLOW, 11);
    assertEquals(queue.firstNotOn(third)?.offset, 1);
  });
});

describe("what goes again", () => {
  it("is, of a subflow that is gone, what nobody else was given", () => {
    const queue = boundTo(OTHER, SUBFLOW, OTHER);
    queue.repeated(holding(queue, 21), 21, 10, SUBFLOW, 11);
    queue.forget(OTHER, true);
    assertEquals(again(queue), [[1, 11]]);
    assertEquals([1, 11, 21].map((offset) => holding(queue, offset).copies), [0, 1, 1]);
    // Nobody had [1, 11) any more: it is not lost twice.
    queue.forget(SUBFLOW, true);
    assertEquals(again(queue), [[11, 31]]);
  });

  it("is nothing on plain TCP, where nobody else could carry it", () => {
    const queue = boundTo(SUBFLOW);
    queue.forget(SUBFLOW, false);
    assertEquals(again(queue), []);
  });

  it("is, of a subflow in trouble, all that it has in flight and that is not DATA_ACKed, SACKed or not", () => {
    const { subflow } = established({ written: 40 });
    const queue = new SendQueue(HOST, fixedBuffer(1e6));
    for (const dsn of [1, 11, 21, 31]) {
      queue.bound(10, dsn === 21 ? OTHER : subflow, subflow.sender.board.nxt);
      if (dsn !== 21) subflow.chunk(dsn, 10, false, 0);
    }
    comes({ ack: 4, sack: [[11, 21]] });
    subflow.arrive(0);
    queue.acknowledge(7);
    queue.reinject(subflow);
    assertEquals(again(queue), [[7, 21], [31, 41]]);
  });

  it("is, of a subflow in trouble, also what lies in one mapping with a part that another one has", () => {
    const { subflow } = established({ written: 20 });
    const queue = new SendQueue(HOST, fixedBuffer(1e6));
    const sent = queue.bound(20, subflow, 1);
    subflow.chunk(1, 20, false, 0);
    queue.repeated(sent, 1, 5, OTHER, 1);
    queue.reinject(subflow);
    assertEquals(again(queue), [[6, 21]]);
    queue.repeated(sent, 10, 4, OTHER, 6);
    queue.reinject(subflow);
    assertEquals(again(queue), [[6, 10], [14, 21]]);
  });

  it("is, of a subflow that is gone, also what others have not of what they were given in part", () => {
    const queue = boundTo(SUBFLOW);
    queue.repeated(holding(queue, 1), 1, 5, OTHER, 1);
    queue.forget(SUBFLOW, true);
    assertEquals([queue.orphaned, again(queue)], [5, [[6, 11]]]);
    queue.repeated(holding(queue, 1), 6, 5, OTHER, 6);
    assertEquals(queue.orphaned, 0);
    // Who had a part leaves nothing behind that the other one has.
    const other = boundTo(SUBFLOW);
    other.repeated(holding(other, 1), 1, 5, OTHER, 1);
    other.forget(OTHER, true);
    assertEquals(again(other), []);
  });
});

describe("our direction", () => {
  const ending = (written: number): SendQueue => {
    const queue = new SendQueue(HOST, fixedBuffer(1e6));
    queue.write(new Uint8Array(written), 0);
    queue.end(false);
    return queue;
  };

  it("takes bytes up to its limit, and none after its end", () => {
    const queue = new SendQueue(HOST, fixedBuffer(100));
    assertEquals([queue.room, queue.write(new Uint8Array(150), 0), queue.room], [100, 100, 0]);
    queue.bound(100, SUBFLOW, 1);
    queue.acknowledge(41);
    assertEquals([queue.room, queue.unsent, queue.unacked], [40, 0, 60]);
    queue.end(false);
    assertEquals([queue.room, queue.write(new Uint8Array(10), 0)], [0, 0]);
  });

  it("ends behind what was written, once", () => {
    const queue = ending(10);
    queue.end(true);
    assertEquals(queue.ours, { kind: "ending", fin: 11, second: false });
    assertEquals(new SendQueue(HOST, fixedBuffer(10)).ours, { kind: "open" });
  });

  it("has its end due when everything before it is sent, and not twice", () => {
    const queue = ending(10);
    assertEquals([queue.finDue, queue.finUnacked], [false, false]);
    queue.bound(10, SUBFLOW, 1);
    assertEquals([queue.finDue, queue.nxt], [true, 11]);
    queue.finSent();
    assertEquals([queue.finDue, queue.nxt, queue.unsent, queue.unacked], [false, 12, 0, 11]);
    assertEquals(queue.finUnacked, false); // data are out too
    queue.acknowledge(11);
    assertEquals(queue.finUnacked, true);
  });

  it("is done when its end is DATA_ACKed, which is told once", () => {
    const queue = ending(10);
    queue.bound(10, SUBFLOW, 1);
    queue.finSent();
    assertEquals([queue.acknowledge(11), queue.ours.kind], [false, "ending"]);
    assertEquals([queue.acknowledge(12), queue.ours], [true, {
      kind: "acked",
      fin: 11,
      second: false,
    }]);
    assertEquals([queue.finUnacked, queue.acknowledge(12)], [false, false]);
  });

  it("has another end take the place of one that was sent and not acknowledged", () => {
    const queue = ending(10);
    queue.bound(10, SUBFLOW, 1);
    assertEquals(queue.finAgain(), false); // not sent yet
    queue.finSent();
    assertEquals([queue.finAgain(), queue.nxt, queue.finDue], [true, 11, true]);
    queue.finSent();
    queue.acknowledge(12);
    assertEquals(queue.finAgain(), false);
  });

  it("has sent an end that is acknowledged, though another was to take its place", () => {
    const queue = ending(10);
    queue.bound(10, SUBFLOW, 1);
    queue.finSent();
    assertEquals(queue.finAgain(), true);
    assertEquals(queue.acknowledge(12), true);
    assertEquals([queue.nxt, queue.unacked, queue.finDue], [12, 0, false]);
  });

  it("without an end has none to send", () => {
    const queue = boundTo(SUBFLOW);
    queue.finSent();
    assertEquals([queue.nxt, queue.finDue, queue.finAgain()], [11, false, false]);
  });

  it("is let further by the peer's window, never back (RFC 8684 §3.3.4)", () => {
    const queue = boundTo(SUBFLOW);
    assertEquals([queue.windowEnd, queue.window], [1, 0]);
    assertEquals([queue.open(31), queue.open(31), queue.open(20)], [true, false, false]);
    assertEquals([queue.windowEnd, queue.window], [31, 20]);
  });
});

describe("the size of the send queue while memory is short", () => {
  it("is what it was as soon as an eighth of what it has shrunk to is acknowledged", () => {
    const host = host_new(3, 4);
    const queue = new SendQueue(host, { first: 1e6, most: 16e6 });
    queue.resize(16e6);
    assertEquals(queue.limit, 16e6);
    queue.write(new Uint8Array(4e6), 0);
    queue.open(8e6);
    queue.bound(4e6, SUBFLOW, 1);
    host_limit(host, 65536);
    queue.acknowledge(1 + 2e6);
    queue.resize(0);
    assertEquals(queue.limit, 65536);
    host_limit(host, 256e6);
    queue.acknowledge(1 + 2e6 + 8191);
    queue.resize(0);
    assertEquals(queue.limit, 65536);
    queue.acknowledge(1 + 2e6 + 8192);
    queue.resize(0);
    assertEquals(queue.limit, 16e6);
    queue.free();
  });
});

describe("room that is lent", () => {
  it("ends with its page, and holds what was filled and no more", () => {
    const queue = new SendQueue(HOST, fixedBuffer(PAGE + 100));
    const written: number[] = [];
    for (const bytes of [0, 1000, Infinity, 7, Infinity]) {
      const view = queue.lend()!;
      const part = Math.min(bytes, view.length);
      view.fill(0xee);
      for (let i = 0; i < part; i++) written.push(view[i] = written.length & 255);
      queue.filled(part);
    }
    assertEquals([queue.lend(), queue.room, queue.tail], [null, 0, 1 + written.length]);
    const held = written.map((_, i) => u8[stream_at(queue.stream, 1 + i)]);
    assertEquals(held, written);
    queue.free();
  });

  it("takes no page where nothing is filled, and none while the host has no memory", () => {
    const host = host_new(1, 2);
    const queue = new SendQueue(host, fixedBuffer(1e6));
    assert(queue.lend() !== null);
    assertEquals(host_usage(host, USAGE_PAGES), 1);
    queue.filled(0);
    assertEquals(host_usage(host, USAGE_PAGES), 0);
    host_limit(host, 1);
    assertEquals(queue.lend(), null);
    queue.free();
  });

  it("keeps its memory until it is back, though all before it is acknowledged or the queue is given back", () => {
    const queue = new SendQueue(HOST, fixedBuffer(1e6));
    const view = queue.lend()!;
    queue.filled(100);
    queue.bound(100, SUBFLOW, 1);
    const rest = queue.lend()!;
    queue.acknowledge(101);
    queue.free();
    const other = new SendQueue(HOST, fixedBuffer(1e6));
    assert(other.lend()!.byteOffset !== view.byteOffset);
    other.filled(0);
    rest.fill(1);
    queue.filled(rest.length);
    other.free();
    const after = new SendQueue(HOST, fixedBuffer(1e6));
    assertEquals(after.lend()!.byteOffset, view.byteOffset);
    after.filled(0);
    after.free();
  });
});
