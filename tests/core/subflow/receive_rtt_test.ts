/** The round trip as the receiver of data sees it. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type App, Dialogue } from "../../support/dialogue.ts";
import type { Peer } from "../../support/scripted_peer.ts";

/** One full segment, which is acknowledged with the next, or late; `wait` passes before each. */
function segments(d: Dialogue, peer: Peer, app: App, waits: readonly number[]): void {
  for (const wait of waits) {
    // What is of one flight has left before the ACKs of it came.
    if (wait > 0) peer.takeAll();
    d.pass(wait);
    peer.sends("P. +1448 ack 1");
    app.read();
  }
}

function estimate(app: App): number {
  return app.socket.subflows[0]!.receiveRtt;
}

describe("draft RBF-2, RFC 7323 §3: the receiver's round trip", () => {
  it("is that of the handshake before data come", () => {
    using d = new Dialogue();
    const { app } = d.opened({ mptcp: false, rtt: 35e3 });
    assertEquals(estimate(app), 35e3);
  });

  it("is the time from an ACK to the first data that echo it: data behind them, and delayed ACKs, tell nothing", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, rtt: 20e3 });
    for (let round = 0; round < 5; round++) {
      d.pass(20e3);
      peer.sends("P. +1448 ack 1");
      peer.sends("P. +1448 ack 1");
      app.read();
      // Later ones of the same flight, not caused by an ACK of ours; the last is acknowledged by the timer.
      d.pass(9e3);
      peer.sends("P. +100 ack 1");
      app.read();
      d.pass(2e3);
      const before = d.now;
      peer.takeAll();
      if (!peer.pending && d.stack.pollTimeout() < before + 40e3) d.untilSent();
      peer.takeAll();
    }
    assertEquals(estimate(app), 20e3);
  });

  it("comes down at once, and goes up by eighths", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, rtt: 100e3 });
    // The first data echo the SYN/ACK.
    segments(d, peer, app, [30e3, 0]);
    assertEquals(estimate(app), 100e3 + 30e3 / 8);
    segments(d, peer, app, [30e3, 0]);
    assertEquals(estimate(app), 30e3);
    segments(d, peer, app, [50e3, 0]);
    assertEquals(estimate(app), 30e3 + 20e3 / 8);
    for (let i = 0; i < 40; i++) segments(d, peer, app, [50e3, 0]);
    assert(Math.abs(estimate(app) - 50e3) < 500, `${estimate(app)}`);
  });

  it("of a peer that had nothing to send for a minute is hardly longer, and right with the next flight", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, rtt: 20e3 });
    segments(d, peer, app, [20e3, 0, 20e3, 0]);
    segments(d, peer, app, [59e6, 0]);
    assertEquals(estimate(app), 22.5e3);
    segments(d, peer, app, [20e3, 0]);
    assertEquals(estimate(app), 20e3);
  });

  it("is at least a tick, and a repeat of old data tells none", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, rtt: 20e3 });
    segments(d, peer, app, [200, 0, 200, 0]);
    assertEquals(estimate(app), 1000);
    d.pass(3e6);
    peer.sends("P. 1:1449 ack 1");
    assertEquals(estimate(app), 1000);
  });

  it("without timestamps is that of the handshake, or of what we send", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ mptcp: false, timestamps: false, rtt: 20e3 });
    segments(d, peer, app, [90e3, 0]);
    assertEquals(estimate(app), 20e3);
    app.write(100);
    peer.take();
    d.pass(60e3);
    peer.sends(". ack 101");
    assertEquals(estimate(app), 25e3);
  });
});
