import { describe, it } from "@std/testing/bdd";
import { assertEquals } from "@std/assert";
import { PAGE, USAGE_PAGES } from "../../../wasm/layout.ts";
import { host_free, host_new, host_usage, stream_at, stream_place, u8 } from "../../../wasm/mod.ts";
import { ReceiveQueue } from "../../../core/connection/receive_queue.ts";
import { fixedBuffer } from "../../../core/subflow/settings.ts";
import { SendQueue } from "../../../core/connection/send_queue.ts";
import { randomBytes, readStream, Scratch } from "../../wasm/support.ts";

/** Runs with the queues of a new connection, and how many pages they hold. */
function withQueues(
  run: (
    queues: { send: SendQueue; receive: ReceiveQueue; pages: () => number },
  ) => void,
): void {
  const host = host_new(1, 2);
  const send = new SendQueue(host, fixedBuffer(1e6));
  const receive = new ReceiveQueue(host, fixedBuffer(1e6));
  run({ send, receive, pages: () => host_usage(host, USAGE_PAGES) });
  send.free();
  receive.free();
  host_free(host);
}

describe("the queues of a connection", () => {
  // Draft MT-2: one kind of queue at both levels.
  it("appends across pages, from any place of the source", () => {
    withQueues(({ send, pages }) => {
      const source = randomBytes(2 * PAGE + 100, 1);
      assertEquals(send.write(source.subarray(0, 17), 7), 10);
      assertEquals(send.write(source, 17), source.length - 17);
      assertEquals(send.tail, 1 + source.length - 7);
      assertEquals(readStream(send.stream, 1, send.tail), source.subarray(7));
      assertEquals(pages(), 3);
    });
  });

  it("gives back a page of the send queue once all of it is acknowledged", () => {
    withQueues(({ send, pages }) => {
      send.write(randomBytes(3 * PAGE - 1, 2), 0); // data offsets 1 to 3 pages
      const held = [2, 1000, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE - 1].map((offset) => {
        send.acknowledge(offset);
        return pages();
      });
      assertEquals(held, [3, 3, 3, 2, 2, 1]);
    });
  });

  it("gives back the last page of the send queue when nothing is left, and takes another", () => {
    withQueues(({ send, pages }) => {
      send.write(randomBytes(100, 3), 0);
      send.acknowledge(60);
      assertEquals(pages(), 1);
      send.acknowledge(102); // with the DATA_FIN
      assertEquals(pages(), 0);
      const next = randomBytes(10, 4);
      send.write(next, 0);
      const at = stream_at(send.stream, 101);
      assertEquals([pages(), u8.slice(at, at + 10)], [1, next]);
    });
  });

  it("hands out what has come in order, and keeps no page of it", () => {
    const scratch = new Scratch(2 * PAGE);
    withQueues(({ receive, pages }) => {
      const bytes = randomBytes(PAGE + 500, 5);
      stream_place(receive.stream, 1, scratch.put(bytes), bytes.length);
      const target = new Uint8Array(PAGE + 100);
      assertEquals(receive.take(target), target.length);
      assertEquals(target, bytes.subarray(0, target.length));
      assertEquals([receive.read, pages()], [1 + target.length, 1]);
      assertEquals(receive.take(target), 400);
      assertEquals(target.subarray(0, 400), bytes.subarray(PAGE + 100));
      assertEquals(pages(), 0);
    });
  });

  it("still knows its ends when both are freed", () => {
    withQueues(({ send, receive, pages }) => {
      send.write(randomBytes(100, 6), 0);
      send.free();
      receive.free();
      send.acknowledge(50);
      assertEquals([send.tail, receive.next, pages()], [101, 1, 0]);
    });
  });
});
