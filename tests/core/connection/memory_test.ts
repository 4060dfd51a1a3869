/** What limits of memory mean to a connection: nothing acknowledged is lost, and nobody waits for ever. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { stream_free } from "../../../wasm/mod.ts";
import { joined } from "../../support/joins.ts";
import type { Peer } from "../../support/scripted_peer.ts";

const PAGE = 65536;
const MB = 2 ** 20;
/** Where a peer may send far apart. */
const WIDE = { receiveBuffer: 8 * MB };

/** Sends everything from `from` to `to` in order, as far as the stack acknowledges it. */
function sendAll(d: Dialogue, peer: Peer, app: App, from: number, to: number): void {
  for (let at = from; at < to;) {
    const end = Math.min(to, at + 20_000);
    peer.sends(`P. ${at}:${end} ack 1`);
    d.pass(50e3);
    const [last] = peer.takeAll().slice(-1);
    assert(last !== undefined && last.ack > at, `${at} is never acknowledged`);
    at = last.ack;
    app.read();
  }
}

describe("bytes far apart", () => {
  it("take no more than the connection's limit: the farthest go first, and are reported no more (RFC 2018 §8)", () => {
    using d = new Dialogue({ memory: { receive: MB }, experiments: WIDE });
    const { peer, app } = d.opened({ mptcp: false });
    // The SYN offers no more than 64 KB.
    peer.sends("P. 0:1 ack 1");
    peer.gets(". 1 ack 1");
    const before = d.stack.bytes;
    for (let page = 100; page > 0; page--) {
      peer.sends(`P. ${page * PAGE}:${page * PAGE + 1} ack 1`);
      assert(d.stack.bytes - before <= MB, `${d.stack.bytes - before} bytes`);
      const { options } = peer.take();
      const block = options.find((each) => each.startsWith("sack"))!.split(" ")[1];
      assertEquals(block, `${page * PAGE}:${page * PAGE + 1}`);
      peer.takeAll();
    }
    assert(d.counter("OfoPruned") >= 84, `${d.counter("OfoPruned")}`);
    assertEquals(d.counter("TCPRcvQDrop"), 0);
    const { ranges } = app.socket.subflows[0]!.receiver;
    assert(ranges >= 14 && ranges <= 16, `${ranges} ranges`);
    // One that is farther than all is not taken, and heard of.
    peer.sends(`P. ${90 * PAGE}:${90 * PAGE + 1} ack 1`);
    assertEquals(d.counter("TCPRcvQDrop"), 1);
    peer.gets(". 1 ack 1");
    // All of it comes again, and is right.
    sendAll(d, peer, app, 1, 30 * PAGE);
    assertEquals(app.got, 30 * PAGE - 1);
  });

  it("are dropped at the data level where the subflow has acknowledged them, and taken when they come again (RFC 8684 §3.3.2)", () => {
    using d = new Dialogue({ memory: { receive: MB }, experiments: WIDE });
    const { first, second, app } = joined(d);
    // On both subflows in order, in the data far apart.
    let at = 1;
    for (let page = 1; page <= 40; page++) {
      second.sends(`. ${at}:${at + 1000} ack 1 <dack8 1, map8 ${page * PAGE} ${at} 1000>`);
      at += 1000;
    }
    assert(d.stack.bytes < 1.2 * MB);
    d.pass(50e3);
    assertEquals(second.takeAll().at(-1)!.ack, at);
    first.takeAll();
    let ssn = 1;
    for (let dsn = 1; dsn < 40 * PAGE;) {
      const length = Math.min(20_000, 40 * PAGE - dsn);
      first.sends(`. ${ssn}:${ssn + length} ack 1 <dack8 1, map8 ${dsn} ${ssn} ${length}>`);
      ssn += length;
      dsn += length;
      app.read();
    }
    assert(app.got >= 40 * PAGE - 1, `${app.got}`);
  });

  it("of which nobody knows the place wait within the limit too", () => {
    using d = new Dialogue({ memory: { receive: MB }, experiments: WIDE });
    const { peer } = d.opened();
    const before = d.stack.bytes;
    for (let page = 1; page < 100; page++) peer.sends(`P. ${page * PAGE}:${page * PAGE + 1} ack 1`);
    assert(d.stack.bytes - before <= MB, `${d.stack.bytes - before} bytes`);
  });

  it("with checksums wait within the limit too, and what is in order gets through", () => {
    using d = new Dialogue({ memory: { receive: MB }, experiments: { ...WIDE, checksum: true } });
    const { peer, app } = d.opened({ checksum: true });
    const before = d.stack.bytes;
    for (let page = 1; page < 60; page++) {
      const ssn = 1 + page * 66_000;
      peer.sends(`. ${ssn}:${ssn + 1000} ack 1 <dack8 1, map8 ${ssn} ${ssn} 1000 csum>`);
      assert(d.stack.bytes - before <= MB, `${d.stack.bytes - before} bytes`);
    }
    for (let at = 1; at < 5 * PAGE; at += 1000) {
      peer.sends(`. ${at}:${at + 1000} ack 1 <dack8 1, map8 ${at} ${at} 1000 csum>`);
      app.read();
    }
    assert(app.got >= 5 * PAGE - 1, `${app.got}`);
  });
});

describe("plain TCP whose one mapping there is no memory for", () => {
  it("is reset: what came on it would be acknowledged, and wait for ever", () => {
    using d = new Dialogue();
    const app = d.connect();
    const peer = d.called();
    peer.gets("S 0");
    // No record can be made for a stream that is gone.
    stream_free(app.socket.receiveQueue.stream);
    peer.offers({}, "S.", []);
    peer.gets(". 1 ack 1");
    peer.gets("R.");
    assertEquals([app.code, app.log.includes("established")], ["ConnectionAborted", false]);
    app.close();
    assertEquals(d.usage.flows, 0);
  });
});

describe("a write that the host has no memory for", () => {
  it("is told when there is some, though nothing of its own is out", () => {
    using d = new Dialogue({ memory: { host: 4 * MB }, experiments: { sendBuffer: 64 * MB } });
    const { peer, app } = d.opened({ mptcp: false });
    const others = Array.from({ length: 80 }, (_, i) => {
      const listener = d.listen(100 + i);
      const other = d.peer({ port: 100 + i });
      other.offers({ mptcp: false }, "S", []);
      other.take();
      other.sends(". 1 ack 1");
      return { peer: other, app: d.accept(listener) };
    });
    for (const other of others) while (other.app.write(PAGE) > 0);
    assert(d.stack.bytes <= 4 * MB, `${d.stack.bytes}`);
    assertEquals(app.write(1000), 0);
    assert(d.counter("TCPMemoryPressures") > 0);
    d.sent.length = 0;
    d.pass(5e6);
    assertEquals(app.log.at(-1), "writable");
    app.log.length = 0;
    assertEquals(app.write(1000), 0);
    for (const other of others) other.app.abort();
    for (const other of others) other.app.close();
    d.sent.length = 0;
    d.pass(20e3);
    assertEquals(app.log, ["writable"]);
    assertEquals(app.write(1000), 1000);
    peer.gets("P. 1:1001");
  });
});
