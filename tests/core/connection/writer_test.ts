/** What a connection takes of what is written, and when its writer hears of room. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Writer } from "../../../core/connection/writer.ts";
import { connection, joinedBy } from "../../support/connections.ts";

/** The writer of a connection with one subflow, and whether it has been told of room since this was asked. */
function writing(lone = joinedBy()) {
  const { meta, host, told } = lone;
  const writer = new Writer(meta);
  const heard = () => {
    meta.notify();
    return told.splice(0).includes("writable");
  };
  const write = (bytes: number, cork = false) =>
    writer.write(0, new Uint8Array(bytes), 0, cork, 0, 0);
  /** Whether `action` asks for a pass. */
  const passes = (action: () => unknown): boolean => {
    meta.passing();
    host.queued = 0;
    action();
    return host.queued > 0;
  };
  return { meta, host, writer, heard, write, passes };
}

describe("a writer", () => {
  it("waits where a write is not taken whole, until one is", () => {
    const { meta, writer, write } = writing();
    const { room } = meta.sendQueue;
    assertEquals([write(10), writer.waits], [10, false]);
    assertEquals([write(room), writer.waits], [room - 10, true]);
    assertEquals([writer.awaitRoom(0), writer.waits], [0, true]);
  });

  it("asks for no pass where the last one was crowded, unless a cork is pulled", () => {
    const { writer, write, passes } = writing();
    assertEquals(passes(() => write(10)), true);
    writer.crowd();
    assertEquals(passes(() => write(10)), false);
    assertEquals(passes(() => write(10, true)), false);
    assertEquals(passes(() => write(0)), true);
    writer.passing();
    assertEquals(passes(() => write(10)), true);
  });

  it("hears of less that is unsent when that is half of what may be, and of a larger bound at once", () => {
    const { meta, writer, heard, write } = writing();
    heard();
    writer.setLowWater(1000);
    const { lowWater } = meta.sendQueue;
    assertEquals([write(3 * lowWater), writer.waits], [lowWater, true]);
    writer.passed();
    assertEquals(heard(), false);
    writer.setLowWater(10 * lowWater);
    assertEquals([meta.sendQueue.lowWater, writer.lowWater, heard()], [
      10 * lowWater,
      10 * lowWater,
      true,
    ]);
    writer.passed();
    assertEquals(heard(), true);
  });

  it("writes nothing before first data whose way is not known, and what is left of these before all else", () => {
    const { meta, writer, heard, write } = writing();
    heard();
    writer.awaitSyn();
    assertEquals([write(10), writer.lend(0), writer.awaitsFirst], [0, null, true]);
    assertEquals(writer.endsWithFirst(), true);
    writer.writeFirst(new Uint8Array(5), 0);
    // Nothing follows these.
    assertEquals([meta.sendQueue.tail, writer.awaitsFirst, heard()], [6, false, true]);
    assertEquals(meta.sendQueue.ours.kind, "ending");
  });

  it("is not asked for by who only receives", () => {
    const { meta } = connection();
    assertEquals([meta.writerWaits, meta.left], [false, 0]);
    meta.finish(0);
    assertEquals(meta.sendQueue.ours.kind, "ending");
  });
});
