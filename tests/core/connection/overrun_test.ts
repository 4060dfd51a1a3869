import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";
import { joined } from "../../support/joins.ts";

describe("a peer that adds an old window to a new DATA_ACK, as Linux does", () => {
  it("loses nothing of what a subflow acknowledges beyond the shared window", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 20_000 } });
    const { first: peer, second, app } = joined(d);
    for (let at = 1; at < 20_000; at += 1000) {
      peer.sends(`. ${at}:${at + 1000} ack 1 <dack8 1, map8 ${at} ${at} 1000>`);
    }
    d.sent.length = 0;
    // On this subflow the window has never been said to be smaller.
    second.sends(". 1:5001 ack 1 <dack8 1, map8 20001 1 5000>");
    d.pass(50e3);
    second.gets(". 1 ack 5001 win 0 <dack8 25001>");
    d.sent.length = 0;
    assertEquals(app.read(10_000), 10_000);
    d.pass(50e3);
    assertEquals(app.read(), 15_000);
    assertEquals(d.counter("DuplicateData"), 0);
    peer.takeAll();
    second.takeAll();
    peer.sends(". 20001:21001 ack 1 <dack8 1, map8 25001 20001 1000>");
    assertEquals(app.read(), 1000);
  });

  it("says nothing of a window that is still closed while the reader catches up", () => {
    using d = new Dialogue({ experiments: { receiveBuffer: 20_000 } });
    const { first: peer, second, app } = joined(d);
    for (let at = 1; at < 20_000; at += 1000) {
      peer.sends(`. ${at}:${at + 1000} ack 1 <dack8 1, map8 ${at} ${at} 1000>`);
    }
    second.sends(". 1:10001 ack 1 <dack8 1, map8 20001 1 10000>");
    d.pass(50e3);
    d.sent.length = 0;
    assertEquals(app.read(9000), 9000);
    d.silent();
    assertEquals(app.read(9000), 9000);
    peer.gets(". ack 20001 win 8000 <dack8 30001>");
    second.gets(". ack 10001 win 8000 <dack8 30001>");
  });
});
