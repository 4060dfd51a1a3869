/** What is left to send, as far as it can be known. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Outlook } from "../../../core/connection/outlook.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";

/** A write of `length` bytes at `tail`, of which `taken` find room; everything below `una` is acknowledged. */
interface Write {
  readonly tail: number;
  readonly una: number;
  readonly length: number;
  readonly taken: number;
  readonly from?: number;
  readonly message?: number;
}

function after(...writes: readonly Write[]): Outlook {
  const outlook = new Outlook();
  for (const { tail, una, length, from = 0, taken, message = 0 } of writes) {
    outlook.wrote(tail, una, length, from, taken, message);
  }
  return outlook;
}

describe("what is left to send", () => {
  it("is what was written, where all of it has found room", () => {
    const outlook = after({ tail: 1, una: 1, length: 1000, taken: 1000 });
    assertEquals(outlook.left(1000, 1001), 1000);
    assertEquals(outlook.left(0, 1001), 0);
  });

  it("is the rest of a large write too, and no more than that", () => {
    const outlook = after({ tail: 1, una: 1, length: 1e6, taken: 2e5 });
    assertEquals(outlook.left(1e5, 2e5 + 1), 9e5);
    outlook.wrote(2e5 + 1, 1e5, 1e6, 2e5, 3e5, 0);
    assertEquals(outlook.left(1e5, 5e5 + 1), 6e5);
  });

  it("is as much again as was written in pieces, where the last of many waits", () => {
    const pieces = [0, 1, 2, 3].map((i) => ({
      tail: 1 + i * 1e5,
      una: 1,
      length: 1e5,
      taken: i < 3 ? 1e5 : 4e4,
    }));
    // 340,000 bytes so far, of which 50,000 are unsent.
    assertEquals(after(...pieces).left(5e4, 340_001), 390_000);
    // It has found room, and nothing follows.
    const last = { tail: 340_001, una: 1e5, length: 1e5, from: 4e4, taken: 6e4 };
    assertEquals(after(...pieces, last).left(5e4, 400_001), 5e4);
  });

  it("is counted from where everything before was acknowledged", () => {
    const before = { tail: 1, una: 1, length: 8e5, taken: 8e5 };
    const next = { tail: 800_001, una: 800_001, length: 1e5, taken: 4e4 };
    // It is all of the new burst: the rest of the write is what is left.
    assertEquals(after(before, next).left(1e4, 840_001), 7e4);
  });

  it("is to the end of a message that was announced, whatever was written of it", () => {
    const outlook = after({ tail: 1, una: 1, length: 100, taken: 100, message: 5000 });
    assertEquals(outlook.left(100, 101), 5000);
    assertEquals(outlook.left(0, 101), 4900);
    outlook.wrote(101, 101, 4900, 0, 4900, 0);
    assertEquals(outlook.left(4900, 5001), 4900);
  });

  it("is what was written again, where more was written than was announced", () => {
    const outlook = after(
      { tail: 1, una: 1, length: 100, taken: 100, message: 200 },
      { tail: 101, una: 1, length: 300, taken: 300 },
    );
    assertEquals(outlook.left(400, 401), 400);
  });
});

describe("what a scheduler is told is left", () => {
  it("counts the announced message until the end is written, and then what is unsent", () => {
    using d = new Dialogue();
    const { app } = joined(d);
    const { socket } = app;
    socket.write(d.now, new Uint8Array(2000), 0, false, 0, 50_000);
    d.stack.flush(d.now);
    assertEquals([socket.unsent, socket.left], [0, 48_000]);
    socket.finish(d.now);
    assertEquals(socket.left, 0);
  });

  it("is never less than what is unsent", () => {
    using d = new Dialogue();
    const { app } = joined(d);
    app.write(100_000);
    assertEquals(app.socket.left, app.socket.unsent);
  });
});
