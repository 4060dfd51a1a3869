/** Observers and the verbs that they call. */

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ConnectionObserver } from "../../../core/connection/host.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { stream } from "../../support/segment_codec.ts";

describe("an observer that writes", () => {
  it("is not called again before its write() has returned, which tells how far it came", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(100);
    peer.takeAll();
    let written = 100;
    let depth = 0;
    const write = (): void => {
      assertEquals(depth++, 0);
      const bytes = stream("stack", 1 + written, 100);
      written += app.socket.write(d.now, bytes, 0);
      depth--;
    };
    const observer: ConnectionObserver = {
      onEstablished() {},
      onReadable: write,
      onWritable: write,
      onClosed() {},
    };
    app.socket.observe(observer);
    // Something to read, and room to write, in one batch.
    peer.sends("P. +10 ack 101 <dack8 101, map8 1 1 10>");
    assertEquals(written, 300);
    // What both wrote leaves at once, at the end of the batch.
    peer.gets("P. 101:301");
  });
});
