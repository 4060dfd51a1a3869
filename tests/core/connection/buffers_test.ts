/** Buffers that fit themselves to the path: dialogues. Windows are those of the segments, `unit` bytes each. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  DEFAULT_SETTINGS,
  FIRST_RECEIVE_BUFFER,
  fixedBuffer,
} from "../../../core/subflow/settings.ts";
import { type App, Dialogue } from "../../support/dialogue.ts";
import { join, joined } from "../../support/joins.ts";
import type { Got, Peer } from "../../support/scripted_peer.ts";

const RTT = 20e3;

/** Sends `segments` full ones, read at once, a round trip after what came before; the ACKs. */
function flight(d: Dialogue, peer: Peer, app: App, segments: number, rtt = RTT): Got[] {
  d.pass(rtt);
  for (let i = 0; i < segments; i++) {
    if (app.socket.fallback) peer.sends("P. +1448 ack 1");
    else peer.data(1428);
    app.read(2000);
  }
  return peer.takeAll();
}

/** Window of a segment in bytes. */
function bytes(peer: Peer, got: Got): number {
  return got.win * 2 ** peer.theirScale;
}

function limit(app: App): number {
  return app.socket.receiveQueue.window.limit;
}

describe("the receive buffer", () => {
  it("RFC 7323 §2.3: the SYN's scale is that of the largest window, the first windows are small", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    assertEquals(peer.theirScale, 10);
    const [first] = flight(d, peer, app, 2);
    // Two segments were read, or are about to be: the edge moves in steps of two.
    assertEquals(bytes(peer, first!), 254 * 1024);
  });

  it("RFC 7323 §2.3: of a client too, and of a smaller maximum a smaller scale", () => {
    for (const [most, scale] of [[65536, 0], [65537, 1], [1 << 20, 4], [1 << 30, 14]] as const) {
      using d = new Dialogue({ tcp: { receiveBuffer: { first: 65536, most } } });
      const app = d.connect();
      d.called().gets(`S 0 win 65535 <ws ${scale}>`);
      assertEquals(limit(app), 65536);
    }
  });

  it("RFC 7323 §2.2: a peer without the option is offered what sixteen bits say, however much has come", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, scale: null });
    for (const segments of [10, 20, 40, 40, 40]) {
      for (const { win } of flight(d, peer, app, segments)) {
        assert(win <= 65535 && win > 60000, `${win}`);
      }
    }
  });

  it("RBF-2, RFC 9293 §3.8.6: keeps ahead of slow start: every window is twice what the flight before brought, and more", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, rtt: RTT });
    let before = 0;
    for (let segments = 10; segments <= 320; segments *= 2) {
      for (const got of flight(d, peer, app, segments)) {
        assert(bytes(peer, got) >= 2 * before, `${bytes(peer, got)} for ${before}`);
      }
      before = 1448 * segments;
    }
    // A constant rate takes it no further than the doubling would have.
    for (let i = 0; i < 4; i++) flight(d, peer, app, 320);
    assert(limit(app) >= 2 * before && limit(app) <= 4.1 * before, `${limit(app)} of ${before}`);
  });

  it("RBF-4: of a reader that stops stays as it is, and its window closes", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    let last: Got | undefined;
    let sent = 0;
    for (let i = 0; i < 200 && last?.win !== 0; i++) {
      if (i % 10 === 0) d.pass(RTT);
      const room = last === undefined ? 1448 : bytes(peer, last);
      const more = Math.min(1448, room);
      peer.sends(`P. +${more} ack 1`);
      sent += more;
      d.pass(50e3);
      last = peer.takeAll().at(-1) ?? last;
    }
    assertEquals([last?.win, limit(app)], [0, FIRST_RECEIVE_BUFFER]);
    // What was offered by rounding up is taken too (RFC 7323 §2.4).
    assert(sent >= FIRST_RECEIVE_BUFFER && sent < FIRST_RECEIVE_BUFFER + 1024, `${sent}`);
    assertEquals(app.read(), sent);
    assertEquals(limit(app), FIRST_RECEIVE_BUFFER);
    peer.gets(`. 1 ack ${sent + 1} win 256`);
  });

  it("RBF-4: of a reader that is slow stays as it is, however fast the peer would send", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false });
    let room = FIRST_RECEIVE_BUFFER;
    for (let i = 0; i < 60; i++) {
      d.pass(RTT);
      // As much as fits.
      while (room >= 1448) {
        peer.sends("P. +1448 ack 1");
        room -= 1448;
        for (const got of peer.takeAll()) {
          room = got.ack + bytes(peer, got) - peer.next;
        }
      }
      app.read(30_000);
      for (const got of peer.takeAll()) room = got.ack + bytes(peer, got) - peer.next;
    }
    assert(app.got > 1.5e6, `${app.got}`);
    assertEquals(limit(app), FIRST_RECEIVE_BUFFER);
  });

  it("RBF-3: what all subflows bring counts, in the longest of their round trips", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: RTT }, { rtt: 5 * RTT });
    // Each brings 40 segments in 100 ms.
    for (let i = 0; i < 15; i++) {
      for (let k = 0; k < 5; k++) {
        flight(d, first, app, 8);
        if (k === 4) {
          for (let j = 0; j < 40; j++) {
            second.data(1428);
            app.read(2000);
          }
          second.takeAll();
        }
      }
    }
    const each = 80 * 1428;
    assertEquals(app.socket.receiveQueue.space >= each, true);
    assert(limit(app) >= 2 * each && limit(app) <= 4.1 * each, `${limit(app)} of ${each}`);
  });

  it("RBF-1: a slower path that joins lets it grow at once: the fast one goes on while its data are on the way", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ rtt: RTT });
    for (const segments of [10, 20, 40, 80, 160, 160, 160]) flight(d, peer, app, segments);
    const alone = limit(app);
    assert(alone < 5 * 160 * 1428, `${alone}`);
    join(d, peer, 1, { rtt: 20 * RTT });
    flight(d, peer, app, 1);
    // Twice the rate of one path in the round trip of the other.
    const due = 2 * 20 * 160 * 1428;
    assert(limit(app) > 0.9 * due && limit(app) < 1.1 * due, `${limit(app)} for ${due}`);
  });

  it("RBF-3: a byte far behind a hole counts as one: who sends little makes it grow by nothing", () => {
    using d = new Dialogue();
    const { first, second, app } = joined(d, { rtt: RTT });
    const before = limit(app);
    for (let i = 0; i < 20; i++) {
      // At the end of the window, over each path in turns.
      const peer = i % 2 === 0 ? first : second;
      const ssn = 1 + (i >> 1);
      d.pass(RTT);
      peer.sends(`P. +1 <dack8 1, map8 ${before - 20 + i} ${ssn} 1>`);
      peer.takeAll();
    }
    assert(app.socket.receiveQueue.heldUp);
    assertEquals(limit(app), before);
  });

  it("RBF-3: what waits behind a hole of another path counts as read: the fast one goes on meanwhile", () => {
    for (const reads of [true, false]) {
      using d = new Dialogue();
      const { first, app } = joined(d, { rtt: RTT });
      for (const segments of [10, 20]) flight(d, first, app, segments);
      // The other path is to bring the next ten thousand bytes.
      if (!reads) first.data(1428);
      let [dsn, ssn] = [30 * 1428 + 10_001, 30 * 1428 + 1];
      if (!reads) [dsn, ssn] = [dsn + 1428, ssn + 1428];
      for (const segments of [40, 40, 40, 40]) {
        d.pass(RTT);
        for (let i = 0; i < segments; i++) {
          first.sends(`P. +1428 <dack8 1, map8 ${dsn} ${ssn} 1428>`);
          [dsn, ssn] = [dsn + 1428, ssn + 1428];
        }
        first.takeAll();
      }
      // Where nobody has read what is in order, that is what keeps the window shut.
      const [size] = [limit(app)];
      if (reads) assert(size > 2 * 40 * 1428 && size > FIRST_RECEIVE_BUFFER, `${size}`);
      else assertEquals(size, FIRST_RECEIVE_BUFFER);
    }
  });

  it("is never larger than asked for, and fixed where that is asked for", () => {
    for (const most of [300_000, FIRST_RECEIVE_BUFFER]) {
      using d = new Dialogue({ tcp: { receiveBuffer: { first: FIRST_RECEIVE_BUFFER, most } } });
      const { peer, app } = d.opened({ mptcp: false });
      for (const segments of [10, 40, 160, 160, 160]) flight(d, peer, app, segments);
      assertEquals(limit(app), most);
    }
    using d = new Dialogue({ tcp: { receiveBuffer: fixedBuffer(100_000) } });
    const { peer, app } = d.opened({ mptcp: false });
    for (const segments of [10, 40, 50]) flight(d, peer, app, segments);
    assertEquals(limit(app), 100_000);
  });
});

describe("a host whose memory runs short", () => {
  /** Connections that write what nobody takes, until a share of the host's memory is in use. */
  function hoard(d: Dialogue, total: number, share: number): App[] {
    const all: App[] = [];
    const block = new Uint8Array(65536);
    for (let port = 9000; d.stack.bytes < share * total; port++) {
      const listener = d.listen(port);
      const peer = d.peer({ port });
      peer.offers({ mptcp: false }, "S", []);
      peer.take();
      peer.sends(". 1 ack 1");
      const app = d.accept(listener);
      all.push(app);
      while (d.stack.bytes < share * total && app.socket.write(d.now, block, 0) > 0);
      assert(all.length < 100, `${d.stack.bytes}`);
    }
    d.stack.flush(d.now);
    d.sent.length = 0;
    return all;
  }

  function leave(d: Dialogue, all: readonly App[]): void {
    for (const each of all) {
      each.abort();
      each.close();
    }
    d.sent.length = 0;
  }

  const MEMORY = 8 << 20;
  const options = {
    memory: { host: MEMORY },
    experiments: { sendBuffer: MEMORY },
  };

  it("lets no receive buffer grow beyond half of what is left, and again when there is more", () => {
    using d = new Dialogue({ ...options, memory: { host: 1 << 20 } });
    const { peer, app } = d.opened({ mptcp: false, rtt: RTT });
    flight(d, peer, app, 10);
    const others = hoard(d, 1 << 20, 0.5);
    for (const segments of [20, 40, 80, 160, 160]) flight(d, peer, app, segments);
    assertEquals(limit(app), FIRST_RECEIVE_BUFFER);
    leave(d, others);
    flight(d, peer, app, 2);
    flight(d, peer, app, 2);
    assert(limit(app) > 400_000 && limit(app) <= 1 << 19, `${limit(app)}`);
  });

  it("offers less as its readers go on, without moving an edge to the left, and nothing is lost", () => {
    using d = new Dialogue({
      ...options,
      experiments: { sendBuffer: MEMORY, receiveBuffer: 1 << 20 },
    });
    const { peer, app } = d.opened({ mptcp: false, rtt: RTT });
    const unit = 2 ** peer.theirScale;
    let edge = 0;
    let last = 0;
    const look = (all: readonly Got[]): void => {
      for (const got of all) {
        const right = got.ack + bytes(peer, got);
        assert(right > edge - unit, `${right} after ${edge}`);
        edge = Math.max(edge, right);
        last = bytes(peer, got);
      }
    };
    look(flight(d, peer, app, 10));
    assert(last > 1e6, `${last}`);
    const others = hoard(d, MEMORY, 0.88);
    const share = d.stack.bytes / MEMORY;
    for (let i = 0; i < 40; i++) look(flight(d, peer, app, 20));
    const squeezed = last;
    const due = MEMORY * (1 - share) / 2;
    assert(squeezed < 1.05 * due && squeezed > 0.8 * due, `${squeezed} at ${share}`);
    leave(d, others);
    for (let i = 0; i < 6; i++) look(flight(d, peer, app, 20));
    assert(last > 900e3, `${last}`);
    assertEquals(app.got, peer.next - 1);
    assertEquals([d.counter("TCPRcvQDrop"), d.counter("OfoPruned")], [0, 0]);
  });
});

describe("the send queue", () => {
  /** Writes all that is taken. */
  function fill(app: App): number {
    return app.write(400_000);
  }

  // RFC 8684 §3.3.5: "The send buffer MUST, at a minimum, be as big as the receive buffer, to enable the sender to reach maximum throughput."
  it("may become as large as the receive buffer, and begins no smaller", () => {
    const { sendBuffer, receiveBuffer } = DEFAULT_SETTINGS;
    assert(sendBuffer.most >= receiveBuffer.most);
    assert(sendBuffer.first >= receiveBuffer.first);
  });

  it("SBF-1: is twice the window, and grows with it", () => {
    using d = new Dialogue({ tcp: { sendBuffer: { first: 20_000, most: 200_000 } } });
    const { peer, app } = d.opened({ mptcp: false, rtt: RTT, scale: 10 });
    assertEquals(fill(app), 2 * 14600);
    assertEquals(peer.takeAll().length, 10);
    d.pass(RTT);
    peer.acks();
    const { cwnd } = app.socket.subflows[0]!;
    assertEquals(cwnd > 14600 + 14480, true);
    // Ten segments of 1448 bytes and twenty have left, as far as the queue had them.
    assertEquals(peer.takeAll().at(-1)!.end, 1 + 2 * 14600);
    // A window is in flight, one waits behind it, and for what is acknowledged there is room.
    fill(app);
    assertEquals(app.socket.sendQueue.limit, 2 * cwnd);
    d.pass(RTT);
    for (let i = 0; i < 6; i++) {
      peer.acks();
      fill(app);
      peer.takeAll();
      d.pass(RTT);
    }
    assertEquals(app.socket.sendQueue.limit, 200_000);
  });

  it("begins with a megabyte: short windows ask for no more", () => {
    using d = new Dialogue();
    const { app } = d.opened({ mptcp: false });
    assertEquals(app.socket.write(d.now, new Uint8Array(5e6), 0), 1 << 20);
  });

  it("SBF-3: of two subflows holds what both send in the longer round trip", () => {
    using d = new Dialogue({ tcp: { sendBuffer: { first: 20_000, most: 10e6 } } });
    const { app } = joined(d, { rtt: RTT }, { rtt: 10 * RTT });
    const [fast, slow] = app.socket.subflows;
    assertEquals([fast!.srtt, slow!.srtt], [RTT, 10 * RTT]);
    assertEquals(fill(app), 22 * fast!.cwnd);
  });

  it("SBF-2: grows while the oldest bytes are still on the slow path, and the writer hears of it", () => {
    using d = new Dialogue({ tcp: { sendBuffer: { first: 20_000, most: 10e6 } } });
    const { peer: first, app } = d.opened({ rtt: RTT });
    assertEquals(fill(app), 2 * app.socket.subflows[0]!.cwnd);
    first.takeAll();
    const before = app.socket.tail;
    app.log.length = 0;
    const second = d.peer({ link: 1, session: first.session });
    second.offers({}, "S", ["join syn id 1"]);
    second.gets("S. 0 ack 1 <join synack>");
    d.pass(10 * RTT);
    second.sends(". 1 ack 1 <join ack>");
    // The fourth ACK rides on data.
    second.gets(". 1:1429 ack 1");
    second.takeAll();
    // All that was written is in flight on both: no DATA_ACK comes, and there is room to write.
    assertEquals(app.log, ["writable"]);
    assertEquals(app.socket.dataUna, 1);
    assert(fill(app) > 8 * before, `${app.socket.tail} after ${before}`);
  });

  it("keeps to what was asked for where that is fixed", () => {
    using d = new Dialogue({ tcp: { sendBuffer: fixedBuffer(16_000) } });
    const { peer, app } = d.opened({ mptcp: false, rtt: RTT });
    assertEquals(fill(app), 16_000);
    peer.takeAll();
    d.pass(RTT);
    peer.acks();
    assertEquals(fill(app), 14_480);
  });

  it("takes less while the host's memory runs short", () => {
    using d = new Dialogue({
      memory: { host: 1 << 20 },
      tcp: { sendBuffer: fixedBuffer(500_000) },
    });
    const { app: other } = d.opened({ mptcp: false, port: 8080 });
    const { peer, app } = d.opened({ mptcp: false, rtt: RTT });
    other.socket.write(d.now, new Uint8Array(1 << 20), 0);
    const share = Math.floor(((1 << 20) - d.stack.bytes) / 2);
    assert(share < 300_000, `${share}`);
    app.write(500_001);
    assertEquals(app.socket.sendQueue.limit, share);
    other.abort();
    other.close();
    for (let i = 0; i < 8; i++) {
      peer.takeAll();
      d.pass(RTT);
      peer.acks();
      app.write(500_001);
    }
    assert(app.socket.sendQueue.limit > 400_000, `${app.socket.sendQueue.limit}`);
  });
});
