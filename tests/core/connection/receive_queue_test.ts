import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { ReceiveQueue } from "../../../core/connection/receive_queue.ts";
import { fixedBuffer } from "../../../core/subflow/settings.ts";
import { PAGE, USAGE_PAGES } from "../../../wasm/layout.ts";
import { host_new, host_usage, stream_place } from "../../../wasm/mod.ts";
import { randomBytes, Scratch } from "../../wasm/support.ts";

const LIMIT = 10_000;
const HOST = host_new(1, 2);
const SCRATCH = new Scratch(2 * PAGE);
/** The byte at data offset n is BYTES[n]. */
const BYTES = randomBytes(2 * PAGE, 1);

/** A queue to which the data offsets [from, to) of each of `ranges` have come. */
function received(...ranges: readonly (readonly [number, number])[]): ReceiveQueue {
  const queue = new ReceiveQueue(HOST, fixedBuffer(LIMIT));
  for (const range of ranges) place(queue, ...range);
  return queue;
}

function place(queue: ReceiveQueue, from: number, to: number): void {
  stream_place(queue.stream, from, SCRATCH.put(BYTES.subarray(from, to)), to - from);
}

describe("receive queue", () => {
  it("has nothing to read before something has come in order", () => {
    const queue = received([101, 201]);
    assertEquals([queue.read, queue.next, queue.readable], [1, 1, 0]);
    assertEquals(queue.take(new Uint8Array(10)), 0);
    place(queue, 1, 101);
    assertEquals([queue.next, queue.readable], [201, 200]);
  });

  it("hands out bytes in order, as many as there is room for", () => {
    const queue = received([1, 201]);
    const target = new Uint8Array(150);
    assertEquals([queue.take(target), queue.read, queue.readable], [150, 151, 50]);
    assertEquals(target, BYTES.slice(1, 151));
    assertEquals([queue.take(target), queue.readable, queue.take(target)], [50, 0, 0]);
    assertEquals(target.subarray(0, 50), BYTES.slice(151, 201));
  });

  it("lends what is in order, piece by piece, and goes on behind what was used", () => {
    const end = PAGE + 101;
    const queue = received([1, end], [end + 100, end + 200]);
    const all: number[] = [];
    for (const part of [0, 100, Infinity, Infinity]) {
      const view = queue.lend()!;
      const bytes = Math.min(part, view.length);
      all.push(...view.subarray(0, bytes));
      queue.used(bytes);
    }
    assertEquals(all, [...BYTES.slice(1, end)]);
    assertEquals([queue.lend(), queue.read, queue.readable], [null, end, 0]);
  });

  it("keeps its memory while it is lent, though it is given back meanwhile", () => {
    const queue = received([1, 201]);
    const pages = host_usage(HOST, USAGE_PAGES);
    const view = queue.lend()!;
    queue.free();
    const other = received([1, 201]);
    assertEquals(view.slice(), BYTES.slice(1, 201));
    queue.used(200);
    other.free();
    assertEquals(host_usage(HOST, USAGE_PAGES), pages - 1);
  });

  it("passes over bytes that nobody looks at, those that came with the SYN first", () => {
    const queue = received([1, 201], [301, 401]);
    queue.takeEarly(BYTES.slice(0, 100));
    assertEquals([queue.skip(60), queue.read, queue.readable], [60, 1, 240]);
    assertEquals([queue.skip(60), queue.read, queue.readable], [60, 21, 180]);
    assertEquals([queue.skip(1000), queue.readable, queue.skip(1000)], [180, 0, 0]);
    place(queue, 201, 301);
    assertEquals([queue.skip(1000), queue.read], [200, 401]);
  });

  it("keeps nothing of bytes that came with the SYN once they are read, nor looks for some again", () => {
    for (const way of ["take", "skip", "used", "drop"] as const) {
      const queue = received([1, 201]);
      const early = BYTES.slice(0, 100);
      queue.takeEarly(early);
      const target = new Uint8Array(50);
      const { subarray } = Uint8Array.prototype;
      // A view of nothing holds all that it is of.
      let views = 0;
      Uint8Array.prototype.subarray = function (
        this: Uint8Array,
        ...args: Parameters<typeof subarray>
      ) {
        const view = subarray.apply(this, args);
        if (view.buffer === early.buffer && view.length === 0) views++;
        return view;
      } as typeof subarray;
      try {
        for (let i = 0; i < 4 && queue.readable > 0; i++) {
          if (way === "take") queue.take(target);
          else if (way === "skip") queue.skip(50);
          else if (way === "used") queue.used(Math.min(50, queue.lend()!.length));
          else queue.drop();
        }
      } finally {
        Uint8Array.prototype.subarray = subarray;
      }
      assertEquals([views, queue.earlyBytes], [0, 100], way);
      assertEquals(queue.read, way === "drop" ? 201 : 101);
      queue.free();
    }
  });

  it("drops what nobody wants", () => {
    const queue = received([1, 201], [301, 401]);
    queue.drop();
    assertEquals([queue.read, queue.readable], [201, 0]);
    queue.drop();
    place(queue, 201, 301);
    assertEquals(queue.readable, 200);
  });

  it("keeps data one buffer beyond the edge of its window (Linux adds old windows to new DATA_ACKs)", () => {
    const queue = received();
    assertEquals([queue.window.edge, queue.limit], [1 + LIMIT, 1 + 2 * LIMIT]);
    queue.window.open(1 + LIMIT, 1000);
    assertEquals(queue.limit, 1 + 3 * LIMIT);
  });
});

describe("the peer's end", () => {
  it("is known first, reached when everything before it is there, and reached once", () => {
    const queue = received([101, 201]);
    assertEquals([queue.theirs.kind, queue.takeFin()], ["open", false]);
    assertEquals(queue.announce(201), true);
    assertEquals([queue.theirs, queue.takeFin()], [{ kind: "announced", fin: 201 }, false]);
    place(queue, 1, 101);
    assertEquals([queue.reached, queue.takeFin(), queue.takeFin()], [false, true, false]);
    assertEquals([queue.reached, queue.theirs], [true, { kind: "reached", fin: 201 }]);
  });

  it("lets nothing behind it in", () => {
    const queue = received([1, 101]);
    queue.announce(201);
    assertEquals(queue.limit, 201);
    place(queue, 101, 201);
    queue.takeFin();
    assertEquals(queue.limit, 201);
  });

  it("lies neither below what has come, nor in two places", () => {
    const queue = received([101, 201]);
    assertEquals([queue.announce(200), queue.theirs.kind], [false, "open"]);
    assertEquals([queue.announce(201), queue.announce(201), queue.announce(202)], [
      true,
      true,
      false,
    ]);
    place(queue, 1, 101);
    queue.takeFin();
    assertEquals([queue.announce(201), queue.announce(202)], [true, false]);
  });

  it("is behind what is in order where a FIN of plain TCP tells it", () => {
    const queue = received([1, 101], [201, 301]);
    queue.end();
    assertEquals([queue.reached, queue.theirs], [true, { kind: "reached", fin: 101 }]);
    assertEquals(queue.takeFin(), false);
  });
});

describe("a receive queue whose memory was given back", () => {
  it("still knows where it ended, and has nothing to read", () => {
    const queue = received([1, 101]);
    queue.take(new Uint8Array(40));
    const before = host_usage(HOST, USAGE_PAGES);
    queue.free();
    queue.free();
    assertEquals(host_usage(HOST, USAGE_PAGES), before - 1);
    assertEquals([queue.read, queue.next, queue.readable], [101, 101, 0]);
    queue.drop();
    assertEquals([queue.announce(100), queue.announce(101), queue.takeFin()], [false, true, true]);
  });
});
