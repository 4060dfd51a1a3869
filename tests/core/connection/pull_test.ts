import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { MetaSocket } from "../../../core/connection/meta_socket.ts";
import { Dialogue } from "../../support/dialogue.ts";
import { join, joined } from "../../support/joins.ts";
import { dataOffsets, type Got } from "../../support/scripted_peer.ts";

const MSS = 1428;
/** Initial window of RFC 6928, and the whole segments that fit it. */
const WINDOW = 10 * MSS;

function bytes(segments: readonly Got[]): number {
  return segments.reduce((sum, { seq, end }) => sum + end - seq, 0);
}

/** Bytes in flight on all subflows. */
function inFlight(socket: MetaSocket): number {
  return socket.subflows.reduce((sum, subflow) => sum + subflow.inFlight, 0);
}

describe("the shared send queue (draft §3.5.2)", () => {
  it("SQ-1: binds no byte to a subflow before it is sent", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    app.write(100000);
    assertEquals(app.socket.unsent, 100000 - 2 * WINDOW);
    assertEquals(inFlight(app.socket), 2 * WINDOW);
    for (const subflow of app.socket.subflows) assert(subflow.inFlight <= subflow.cwnd);
    assertEquals(bytes(first.takeAll()) + bytes(second.takeAll()), 2 * WINDOW);
    // What is left goes wherever an acknowledgement makes room.
    second.acks();
    assertEquals(first.pending, false);
    assertEquals(dataOffsets(second.takeAll())[0], 2 * WINDOW + 1);
  });

  it("SQ-2: each pull runs the scheduler over all subflows", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { scale: 0, win: 4 * MSS });
    app.write(100000);
    const sent = bytes(first.takeAll()) + bytes(second.takeAll());
    assert(sent <= 4 * MSS, `${sent}`);
    // The window, opened by an ACK on one of them, lets both send.
    second.window = 60000;
    second.sends(`. ack ${second.acked} <dack8 ${sent + 1}>`);
    first.sends(`. ack ${first.acked} win 60000`);
    assert(first.pending && second.pending);
  });

  it("SQ-3: has a part A and a part B; subflows have a part B only", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d);
    app.write(50000);
    const { socket } = app;
    assertEquals(socket.unsent + socket.unacked, 50000);
    assertEquals(inFlight(socket), socket.unacked);
    for (const subflow of socket.subflows) assertEquals(subflow.queued, 0);
    // Part B is in order and without holes.
    let next = 1;
    while (next < socket.dataNxt) {
      const sent = socket.sendQueue.find(next);
      assertEquals(sent?.offset, next);
      next = sent!.end;
    }
    assertEquals(next, socket.dataNxt);
    first.takeAll();
    second.takeAll();
  });

  // RFC 8684 §3.3.6: "The sender MUST keep data in its send buffer as long as the data has not been acknowledged both (1) at the connection level
  // and (2) on all subflows on which it has been sent"
  // RFC 8684 §3.3.2: "An MPTCP sender MUST NOT free data from the send buffer until it has been acknowledged by both a Data ACK received on any
  // subflow and at the subflow level by all subflows on which the data was sent"
  it("SQ-4: keeps one copy until it is DATA_ACKed and acknowledged on its subflow (RFC 8684 §3.3.6)", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 1e3 });
    const page = 65536;
    app.write(5000);
    assertEquals(d.usage.pages, 1);
    first.takeAll();
    second.takeAll();
    // DATA_ACKed, but not acknowledged on the subflow: still pinned.
    first.sends(`. ack 1 <dack8 5001>`);
    assertEquals(app.socket.unacked, 0);
    assertEquals(d.usage.pages, 1);
    first.sends(`. ack ${first.acked} <dack8 5001>`);
    second.sends(`. ack ${second.acked} <dack8 5001>`);
    assertEquals(d.usage.pages, 0);
    // Acknowledged on the subflow, not DATA_ACKed: kept.
    app.write(5000);
    first.takeAll();
    second.takeAll();
    first.sends(`. ack ${first.acked}`);
    second.sends(`. ack ${second.acked}`);
    assertEquals(inFlight(app.socket), 0);
    assertEquals(d.usage.pages, 1);
    first.sends(`. <dack8 10001>`);
    assertEquals(d.usage.pages, 0);
    assert(page > 10000);
  });

  it("SQ-4: gives a page back also where acknowledgements end in the middle of what was sent at once", () => {
    using d = new Dialogue({ maxSegments: 64 });
    const { peer, app } = d.opened({ rtt: 100 });
    // Far enough that one packet lies across the end of a page.
    for (let i = 0; i < 20; i++) {
      app.write(20000);
      while (peer.pending) {
        const { seq, end } = peer.takeAll().at(-1)!;
        const middle = seq + Math.floor((end - seq) * 0.9);
        peer.sends(`. ack ${middle} <dack8 ${middle}>`);
        if (!peer.pending) peer.acks();
      }
      assertEquals(app.socket.unacked, 0);
      assertEquals(d.usage.pages, 0);
    }
  });

  it("is as long as its buffer; room is told when a DATA_ACK makes it", () => {
    using d = new Dialogue({ experiments: { sendBuffer: 20000 } });
    const { peer, app } = d.opened();
    assertEquals(app.write(30000), 20000);
    assertEquals(app.write(10), 0);
    peer.takeAll();
    peer.sends(". ack 5001 <dack8 1>");
    assert(!app.log.includes("writable"));
    peer.sends(". ack 5001 <dack8 5001>");
    assertEquals(app.log.at(-1), "writable");
    assertEquals(app.write(30000), 5000);
  });
});

describe("the packet scheduler (draft §3.5.3.2)", () => {
  it("SCH-1: takes the oldest bytes first, in order", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    for (let i = 0; i < 20; i++) app.write(1000);
    const sent: Got[] = [];
    while (peer.pending) {
      sent.push(...peer.takeAll());
      peer.acks();
    }
    const all = dataOffsets(sent);
    assertEquals(all, [...all].sort((a, b) => a - b));
    assertEquals(bytes(sent), 20000);
  });

  it("SCH-2: fills all pipes as long as there are data", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 10e3 }, { rtt: 80e3 });
    app.write(1000000);
    for (let round = 0; round < 4; round++) {
      for (const subflow of app.socket.subflows) {
        assert(subflow.room < subflow.mss, `${subflow.path} has room for ${subflow.room}`);
      }
      for (const peer of [first, second]) {
        peer.takeAll();
        peer.acks();
      }
    }
    assert(app.socket.unsent > 0);
  });

  // Draft CC-1: those with room come first, then the choice among them.
  it("SCH-3: prefers the lowest round trip among those with room", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: 80e3 }, { rtt: 10e3 });
    app.write(1000);
    assertEquals([first.pending, second.pending], [false, true]);
    second.takeAll();
    second.acks();
    // More than its window: the rest goes the slower way.
    app.write(WINDOW + 5000);
    const fast = dataOffsets(second.takeAll());
    const slow = dataOffsets(first.takeAll());
    assert(fast.length > 0 && slow.length > 0);
    assert(Math.max(...fast) < Math.min(...slow));
  });

  it("sends about a millisecond's worth at once on a slow path, 64 KB on a fast one", () => {
    using d = new Dialogue({ maxSegments: 64 });
    const { peer, app } = d.opened({ rtt: 100e3 });
    app.write(WINDOW);
    const lengths = peer.takeAll().map(({ seq, end }) => end - seq);
    assert(Math.max(...lengths) <= 2 * MSS, `${lengths}`);
    using fast = new Dialogue({ maxSegments: 64 });
    const { peer: near, app: nearby } = fast.opened({ rtt: 100 });
    nearby.write(WINDOW);
    assertEquals(near.takeAll().map(({ seq, end }) => end - seq), [WINDOW]);
  });

  it("keeps eight small packets in flight for each segment of the window: later small writes go as one", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    for (let i = 0; i < 400; i++) app.write(3);
    // Of a window of 14,600 bytes, which is more than ten segments.
    assertEquals(peer.takeAll().length, Math.ceil(8 * 14600 / MSS));
    peer.acks();
    assertEquals(peer.take().end, 1201);
    peer.acks();
    assertEquals(app.socket.unacked, 0);
  });

  it("sends small writes as a segment when they make one, however many packets are in flight", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    for (let i = 0; i < 96; i++) app.write(100);
    const small = Math.ceil(8 * 14600 / 1448);
    assertEquals(peer.takeAll().slice(small).map(({ payload }) => payload.length), [1448, 52]);
  });

  it("lets a small write out where the window has no room for a segment, but for that", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    const { mss } = app.socket.subflows[0]!;
    app.write(9 * mss + 100);
    assertEquals(peer.takeAll().length, 10);
    app.write(200);
    peer.gets("P. +200");
    app.write(mss);
    d.silent();
  });

  it("waits with less than a segment while something is unacknowledged, where Nagle is asked for (RFC 9293 §3.7.4)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.socket.setNoDelay(false);
    app.write(100);
    peer.gets("P. 1:101");
    app.write(100);
    app.write(200);
    d.silent();
    app.write(2000);
    peer.gets(". 101:1529");
    peer.acks();
    peer.gets("P. 1529:2401");
    app.write(10);
    d.silent();
    app.finish();
    peer.gets("P. 2401:2411");
    assertEquals(peer.take().options.some((each) => each.endsWith("fin")), true);
  });

  it("makes no mapping longer than 65,535 octets, and no packet", () => {
    using d = new Dialogue({ maxSegments: 64 });
    const { peer, app } = d.opened({ rtt: 100, scale: 10 });
    app.write(4e6);
    let largest = 0;
    while (peer.pending) {
      for (const got of peer.takeAll()) largest = Math.max(largest, got.bytes.length);
      peer.acks();
    }
    assert(largest > 60000 && largest <= 65535, `${largest}`);
  });
});

describe("IMP-1: a DATA_ACK on one subflow unblocks another", () => {
  it("in the same event, also when the one that brought it is full", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { scale: 0, win: WINDOW }, { rtt: 80e3 });
    const [a, b] = app.socket.subflows;
    app.write(60000);
    // The first subflow is full, and so is the shared window: the second has an empty pipe and nothing to send.
    assertEquals(bytes(first.takeAll()), WINDOW);
    assertEquals(b!.inFlight, 0);
    d.silent();
    // The peer's application reads: the window opens, the first subflow stays full.
    first.sends(`. ack 1 win ${2 * WINDOW} <dack8 1>`);
    assert(a!.room < a!.mss);
    const sent = bytes(second.takeAll());
    assert(sent > 0, "the second subflow stands still although it has room and the window is open");
  });
});

describe("IMP-2: what is contiguous on a subflow but not in the data", () => {
  it("is never merged: each mapping is sent again in segments of its own", () => {
    using d = new Dialogue({ maxSegments: 64 });
    const { first, second, app } = joined(d, { rtt: 20e3 }, { rtt: 30e3 });
    // The first subflow takes the beginning, the second what follows, then the first again.
    app.write(WINDOW + 2000);
    first.takeAll();
    first.sends(`. ack ${1 + 2 * MSS} <dack8 1>`);
    app.write(3000);
    const mappings = first.takeAll().map(({ options }) => options.find((o) => o.startsWith("map")));
    assert(mappings.length > 0);
    second.takeAll();
    // Nothing of the rest arrives: the timer sends all of it again, and `gets` compares each byte with its place in the stream.
    d.untilSent();
    const again: Got[] = [];
    for (let i = 0; i < 12; i++) {
      again.push(...first.takeAll());
      first.sends(`. ack ${again.at(-1)!.end} <dack8 1>`);
    }
    assert(again.some(({ seq }) => seq > WINDOW));
    for (const { seq, end, options } of again) {
      const [, , ssn, length] = options.find((o) => o.startsWith("map"))!.split(" ").map(Number);
      assert(seq >= ssn! && end <= ssn! + length!, "a segment reaches beyond its mapping");
    }
  });
});

describe("backup paths (RFC 8684 §3.3.8)", () => {
  // RFC 8684 §3.3.8: "SHOULD NOT be used to send data unless there are no usable subflows where B=0"
  it("carry nothing while another works, and everything when none does", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ rtt: 50e3 });
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 1 backup"]);
    second.gets("S.");
    second.sends(". 1 ack 1 <join ack>");
    second.takeAll();
    app.write(100000);
    assertEquals(second.pending, false);
    peer.sends("R 1");
    assert(bytes(second.takeAll()) > 0);
  });
});

describe("a subflow that joins later", () => {
  it("is used at once for what waits", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    app.write(100000);
    peer.takeAll();
    const second = d.peer({ link: 1, session: peer.session });
    second.offers({}, "S", ["join syn id 1"]);
    second.gets("S.");
    second.sends(". 1 ack 1 <join ack>");
    assertEquals(dataOffsets(second.takeAll())[0], WINDOW + 1);
  });

  it("is no part of the pool when it is gone again", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened();
    const second = join(d, peer, 1);
    second.sends("R 1");
    app.write(1000);
    peer.gets("P. 1:1001");
    d.silent();
  });
});
