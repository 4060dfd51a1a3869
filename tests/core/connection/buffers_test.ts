import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { PAGE, USAGE_PAGES } from "../../../wasm/layout.ts";
import { host_free, host_new, host_usage, stream_at, stream_place, u8 } from "../../../wasm/mod.ts";
import { Buffers } from "../../../core/connection/buffers.ts";
import { randomBytes, readStream, Scratch } from "../../wasm/support.ts";

/** Runs with the buffers of a new connection, and how many pages they hold. */
function withBuffers(run: (buffers: Buffers, pages: () => number) => void): void {
  const host = host_new(1, 2);
  const buffers = new Buffers(host);
  run(buffers, () => host_usage(host, USAGE_PAGES));
  buffers.free();
  host_free(host);
}

describe("Buffers", () => {
  it("appends across pages, from any place of the source", () => {
    withBuffers((buffers, pages) => {
      const source = randomBytes(2 * PAGE + 100, 1);
      assertEquals(buffers.append(source, 7, 10), 10);
      assertEquals(buffers.append(source, 17, source.length - 17), source.length - 17);
      assertEquals(buffers.tail, 1 + source.length - 7);
      assertEquals(readStream(buffers.send, 1, buffers.tail), source.subarray(7));
      assertEquals(pages(), 3);
    });
  });

  it("gives back a page of the send queue once all of it is acknowledged", () => {
    withBuffers((buffers, pages) => {
      buffers.append(randomBytes(3 * PAGE, 2), 0, 3 * PAGE - 1); // data offsets 1 to 3 pages
      const held = [2, 1000, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE - 1].map((offset) => {
        buffers.releaseSent(offset);
        return pages();
      });
      assertEquals(held, [3, 3, 3, 2, 2, 1]);
    });
  });

  it("gives back the last page of the send queue when nothing is left, and takes another", () => {
    withBuffers((buffers, pages) => {
      buffers.append(randomBytes(100, 3), 0, 100);
      buffers.releaseSent(60);
      assertEquals(pages(), 1);
      buffers.releaseSent(102); // with the DATA_FIN
      assertEquals(pages(), 0);
      const next = randomBytes(10, 4);
      buffers.append(next, 0, 10);
      const at = stream_at(buffers.send, 101);
      assertEquals([pages(), u8.slice(at, at + 10)], [1, next]);
    });
  });

  it("hands out what has come in order, and keeps no page of it", () => {
    const scratch = new Scratch(2 * PAGE);
    withBuffers((buffers, pages) => {
      const bytes = randomBytes(PAGE + 500, 5);
      stream_place(buffers.receive, 1, scratch.put(bytes), bytes.length);
      const target = new Uint8Array(PAGE + 100);
      assertEquals(buffers.take(target), target.length);
      assertEquals(target, bytes.subarray(0, target.length));
      assertEquals([buffers.readOffset, pages()], [1 + target.length, 1]);
      assertEquals(buffers.take(target), 400);
      assertEquals(target.subarray(0, 400), bytes.subarray(PAGE + 100));
      assertEquals(pages(), 0);
    });
  });

  it("still knows its ends when both are freed", () => {
    withBuffers((buffers, pages) => {
      buffers.append(randomBytes(100, 6), 0, 100);
      buffers.free();
      buffers.releaseSent(50);
      assertEquals([buffers.tail, buffers.receivedNext, pages()], [101, 1, 0]);
    });
  });
});
