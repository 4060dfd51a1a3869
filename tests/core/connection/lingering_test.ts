/** How a connection ends: nothing that was written is lost, nothing that is missing looks like the end, and nothing stays for ever. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Dialogue } from "../../support/dialogue.ts";
import { join } from "../../support/joins.ts";

const MINUTE = 60e6;

describe("a peer that still sends", () => {
  it("is heard for as long as it takes after our FIN on plain TCP (RFC 9293 §3.6, case 1)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    app.finish();
    peer.gets("F. 1 ack 1");
    peer.sends(". ack 2");
    for (let minute = 0; minute < 5; minute++) {
      d.pass(MINUTE);
      peer.sends("P. +100 ack 2");
      d.pass(1e6);
      peer.takeAll();
      assertEquals(app.read(), 100);
    }
    assertEquals(app.code, undefined);
    peer.sends("F. ack 2");
    assertEquals(app.code, null);
  });

  it("and whose last subflow ends without DATA_FIN has not ended its data", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.finish();
    peer.gets(". 1 ack 1 <map8 1 0 1 fin>");
    peer.sends(". ack 1 <dack8 2>");
    peer.data(100);
    peer.sends("F. ack 1 <dack8 2>");
    peer.takeAll();
    peer.sends(". ack 2");
    assertEquals(app.read(), 100);
    assertEquals(app.socket.atEnd, false);
    d.pass(2 * MINUTE);
    assertEquals(app.code, "ConnectionReset");
    assertEquals(app.socket.atEnd, false);
  });
});

describe("what was written before close()", () => {
  it("is not given up for data of the peer that come a second time", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    peer.data(200);
    d.pass(40e3);
    assertEquals(app.read(), 200);
    peer.takeAll();
    app.write(20000);
    app.close();
    peer.takeAll();
    // Our acknowledgement was lost.
    peer.sends("P. 1:201 ack 1 <dack8 1, map8 1 1 200>");
    peer.gets(". ack 201 <dack8 201>");
    peer.acks();
    peer.takeAll();
    peer.acks();
    peer.takeAll();
    peer.acks();
    assertEquals(peer.dataAcked, 1 + 20000 + 1);
    assertEquals(app.code, undefined);
  });

  it("is not given up for data that come again on another subflow", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = join(d, peer, 1);
    peer.data(200);
    d.pass(40e3);
    assertEquals(app.read(), 200);
    peer.takeAll();
    app.write(20000);
    app.close();
    second.sends("P. 1:201 ack 1 <dack8 1, map8 1 1 200>");
    assertEquals(app.code, undefined);
    // New data are for nobody.
    second.sends("P. 201:301 ack 1 <dack8 1, map8 201 201 100>");
    assertEquals(d.counter("MPFastcloseTx"), 1);
  });

  it("reaches a peer that reads slowly, with its window closed for most of the time", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ scale: 0 });
    peer.sends(". ack 1 win 10000 <dack8 1>");
    app.write(40000);
    app.close();
    for (let minute = 0; peer.dataAcked < 40002; minute++) {
      assert(minute < 30);
      peer.takeAll();
      const { dataAcked, acked } = peer;
      peer.sends(`. ack ${acked} win 0 <dack8 ${dataAcked}>`);
      d.pass(50e6);
      peer.takeAll();
      peer.sends(`. ack ${acked} win 10000 <dack8 ${dataAcked}>`);
      peer.takeAll();
    }
    assertEquals(app.code, undefined);
  });

  it("is given up when a peer acknowledges nothing for as long as close() waits", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ scale: 0 });
    app.write(1000);
    peer.takeAll();
    peer.sends(". ack 1001 win 0 <dack8 1001>");
    app.write(1000);
    app.close();
    for (let i = 0; i < 40 && d.usage.connections > 0; i++) {
      d.pass(5e6);
      peer.takeAll();
      if (d.usage.connections > 0) peer.sends(". ack 1001 win 0 <dack8 1001>");
    }
    assertEquals(d.usage.connections, 0);
  });
});

describe("close()", () => {
  it("ends a connection whose peer acknowledges our DATA_FIN on the subflow only, for ever", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.close();
    for (let i = 0; i < 60 && d.usage.connections > 0; i++) {
      d.pass(5e6);
      peer.takeAll();
    }
    assertEquals(d.usage.connections, 0);
  });

  it("is not put off by joins that come after it", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.close();
    peer.gets(". 1 ack 1 <map8 1 0 1 fin>");
    peer.sends(". ack 1 <dack8 2>");
    d.pass(30e6);
    const second = join(d, peer, 1);
    d.pass(90e6);
    peer.takeAll();
    second.takeAll();
    assertEquals(d.usage.connections, 0);
    assertEquals(d.usage.tokens, 0);
  });
});
