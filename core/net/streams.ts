/** A connection as web streams. */

import type { Channel } from "./channel.ts";

/** Most bytes of one chunk for a reader that brings no buffer. */
const CHUNK = 65536;
/** Bytes of chunks that may wait in front of the send queue. */
const AHEAD = 65536;

/** The incoming bytes as a byte stream; nothing is read before somebody asks. Its end leaves the writing side open. */
export function readableOf(channel: Channel): ReadableStream<Uint8Array<ArrayBuffer>> {
  let cancelled = false;
  return new ReadableStream({
    type: "bytes",
    start(controller) {
      channel.onFailure((reason) => {
        // A reader that waits learns it from its read(); data that came before a reset can still be read.
        if (channel.aborted && !cancelled) controller.error(reason);
      });
    },
    async pull(controller) {
      const request = controller.byobRequest;
      const view = request?.view;
      if (request && view) {
        const target = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
        const count = await channel.read(target);
        if (cancelled) return;
        if (count === null) controller.close();
        request.respond(count ?? 0);
      } else {
        const chunk = await channel.readChunk(CHUNK);
        if (cancelled) return;
        if (chunk !== null) return controller.enqueue(chunk);
        controller.close();
        controller.byobRequest?.respond(0);
      }
    },
    cancel() {
      cancelled = true;
      channel.discard();
    },
  }) as ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** The outgoing bytes; a write is done when all of it is in the send queue, so that a full queue holds the writer back. */
export function writableOf(channel: Channel): WritableStream<Uint8Array<ArrayBufferLike>> {
  return new WritableStream({
    start(controller) {
      const { signal } = controller;
      // abort() below comes only after a write under way has ended, which a peer that does not read may hold up for ever.
      signal.addEventListener("abort", () => channel.abort(signal.reason));
      channel.onFailure((reason) => {
        // An abort() of the stream errs it anyway; done twice, its promise would reject.
        if (!signal.aborted) controller.error(reason);
      });
    },
    async write(chunk) {
      await channel.write(chunk);
    },
    async close() {
      await channel.closeWrite();
    },
    abort(reason) {
      channel.abort(reason);
    },
  }, {
    highWaterMark: AHEAD,
    // What is no bytes is refused by the write, which names it.
    size: (chunk) => chunk?.byteLength ?? 1,
  });
}
