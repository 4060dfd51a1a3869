/** The unsent low-water mark: TCP_NOTSENT_LOWAT. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SendQueue } from "../../../core/connection/send_queue.ts";
import { fixedBuffer } from "../../../core/subflow/settings.ts";
import type { Subflow } from "../../../core/subflow/subflow.ts";
import { host_free, host_new } from "../../../wasm/mod.ts";
import { Dialogue } from "../../support/dialogue.ts";
import * as fc from "../../support/property.ts";

const RTT = 20e3;
const NOBODY = {} as Subflow;

describe("a send queue with a mark", () => {
  it("takes what a model takes: so much that no more than the mark is unsent, nor more than the queue kept", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("write" as const), by: fc.nat({ max: 9000 }) }),
      fc.record({ kind: fc.constant("send" as const), by: fc.nat({ max: 6000 }) }),
      fc.record({ kind: fc.constant("acknowledge" as const), by: fc.nat({ max: 6000 }) }),
      fc.record({
        kind: fc.constant("mark" as const),
        by: fc.oneof(fc.integer({ min: 1, max: 9000 }), fc.constant(Infinity)),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const host = host_new(1, 2);
        const queue = new SendQueue(host, fixedBuffer(20_000));
        // The model has each byte as a letter: unsent, sent, acknowledged.
        let bytes = "";
        let mark = Infinity;
        const count = (letter: string): number => bytes.split(letter).length - 1;
        for (const { kind, by } of steps) {
          if (kind === "write") {
            let taken = 0;
            while (taken < by && count("u") < mark && count("u") + count("s") < 20_000) {
              const most = Math.min(
                by - taken,
                mark - count("u"),
                20_000 - count("u") - count("s"),
              );
              bytes += "u".repeat(most);
              taken += most;
            }
            assertEquals(queue.write(new Uint8Array(by), 0), taken);
          } else if (kind === "send") {
            const length = Math.min(by, count("u"));
            if (length === 0) continue;
            queue.bound(length, NOBODY, 1);
            bytes = bytes.replace("u".repeat(length), "s".repeat(length));
          } else if (kind === "acknowledge") {
            const length = Math.min(by, count("s"));
            if (length === 0) continue;
            queue.acknowledge(queue.una + length);
            bytes = bytes.replace("s".repeat(length), "a".repeat(length));
          } else {
            mark = by;
            queue.setLowWater(by);
          }
          assertEquals([queue.unsent, queue.unacked], [count("u"), count("s")]);
          const room = Math.min(mark - count("u"), 20_000 - count("u") - count("s"));
          assertEquals(queue.room, Math.max(0, room));
        }
        queue.free();
        host_free(host);
      }),
      { numRuns: 60 },
    );
  });
});

describe("TCP_NOTSENT_LOWAT, RFC 9293 §3.9.1.2: write() waits", () => {
  it("where more than the mark is unsent, and hears of it when that is half: what follows leaves in the same batch", () => {
    using d = new Dialogue({ tcp: { notSentLowWater: 8000 } });
    const { peer, app } = d.opened({ mptcp: false, rtt: RTT });
    // The queue takes the mark, the pass sends it, and there is room again, until the window is full.
    app.onWritable = () => void app.write(20_000);
    app.onWritable();
    assertEquals(peer.takeAll().at(-1)!.end, 14481);
    assertEquals([app.socket.unsent > 4000, app.socket.unsent <= 8000], [true, true]);
    for (let round = 0; round < 5; round++) {
      d.pass(RTT);
      peer.acks();
      // The window is full at each time: waiting has cost nothing.
      const { cwnd, mss, inFlight } = app.socket.subflows[0]!;
      assert(cwnd - inFlight < mss, `${cwnd} ${inFlight}`);
      assert(app.socket.unsent <= 8000, `${app.socket.unsent}`);
      peer.takeAll();
    }
    assert(app.written > 32 * 14_480, `${app.written}`);
  });

  it("not without a mark, for what the send queue holds", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, rtt: RTT });
    assertEquals(app.write(200_000), 200_000);
    peer.takeAll();
    assertEquals(app.socket.unsent, 200_000 - 14480);
  });

  it("and no mark cuts segments: it counts in whole ones, less than two as two", () => {
    using d = new Dialogue({ tcp: { notSentLowWater: 1 } });
    const { peer, app } = d.opened({ mptcp: false, rtt: RTT });
    app.onWritable = () => void app.write(Math.min(5000, 14_480 - app.written));
    app.onWritable();
    assertEquals(app.written, 14_480);
    for (const { seq, end } of peer.takeAll()) assertEquals(end - seq, 1448);
  });

  it("as long as a closed window holds back what is unsent, and goes on by the update that opens it (RFC 9293 §3.8.6.1)", () => {
    using d = new Dialogue({ tcp: { notSentLowWater: 4000 } });
    const { peer, app } = d.opened({ mptcp: false, rtt: RTT, win: 2000, scale: 0 });
    assertEquals(app.write(20_000), 2 * 1448);
    peer.takeAll();
    peer.sends(". ack 1449 win 0");
    app.log.length = 0;
    assertEquals(app.socket.unsent, 1448);
    assertEquals(app.write(20_000), 1448);
    assertEquals(app.write(20_000), 0);
    d.pass(1e6);
    peer.takeAll();
    assertEquals(app.log, []);
    // No byte is acknowledged by it.
    peer.sends(". ack 1449 win 60000");
    assertEquals(app.log, ["writable"]);
    assertEquals(app.socket.unsent, 0);
  });

  it("until another path takes what is unsent: no DATA_ACK has to come", () => {
    using d = new Dialogue({ tcp: { notSentLowWater: 8000 } });
    const { peer: first, app } = d.opened({ rtt: RTT });
    while (app.write(20_000) > 0);
    first.takeAll();
    assertEquals(app.socket.unsent, 5 * 1428);
    app.log.length = 0;
    const second = d.peer({ link: 1, session: first.session });
    second.offers({}, "S", ["join syn id 1"]);
    second.gets("S. 0 ack 1 <join synack>");
    d.pass(RTT);
    second.sends(". 1 ack 1 <join ack>");
    assertEquals(second.takeAll().reduce((n, { seq, end }) => n + end - seq, 0), 5 * 1428);
    assertEquals(app.log, ["writable"]);
    assertEquals(app.socket.dataUna, 1);
  });

  it("no longer when the mark is raised, or taken away; what is unsent stays when it is lowered", () => {
    for (const [mark, more] of [[10_000, 4 * 1448], [Infinity, 50_000]] as const) {
      using d = new Dialogue({ tcp: { notSentLowWater: 4000 } });
      const { peer, app } = d.opened({ mptcp: false, rtt: RTT });
      while (app.write(50_000) > 0);
      peer.takeAll();
      app.log.length = 0;
      app.socket.setNotSentLowWater(mark);
      d.stack.flush(d.now);
      assertEquals(app.log, ["writable"]);
      assertEquals(app.write(50_000), more);
      const { unsent } = app.socket;
      app.socket.setNotSentLowWater(3000);
      d.stack.flush(d.now);
      assertEquals([app.socket.unsent, app.write(1)], [unsent, 0]);
    }
  });
});
