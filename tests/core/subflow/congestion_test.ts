/** What a congestion controller is told, and when. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { AckSample, CongestionControlPlugin } from "../../../core/plugin.ts";
import { Dialogue } from "../../support/dialogue.ts";

const MSS = 1424;

/** A fixed window that notes what it hears. */
function listening(cwnd: number): {
  plugin: CongestionControlPlugin;
  acks: AckSample[];
  congestion: string[];
} {
  const acks: AckSample[] = [];
  const congestion: string[] = [];
  const plugin: CongestionControlPlugin = {
    kind: "congestion-control",
    name: "listening",
    create: () => ({
      join: () => ({
        cwnd,
        ssthresh: cwnd,
        onAck: (ack) => acks.push({ ...ack }),
        onCongestion: (cause) => congestion.push(cause),
      }),
    }),
  };
  return { plugin, acks, congestion };
}

describe("a loss that shows when the reordering window has passed (RFC 8985 §6.3)", () => {
  it("is congestion like one that shows at once, and is repaired at once", () => {
    const { plugin, congestion } = listening(20 * MSS);
    using d = new Dialogue({ policies: { congestionControl: plugin } });
    const { peer, app } = d.opened();
    app.write(8 * MSS);
    peer.takeAll();
    // Two segments above the hole are too few to tell.
    d.pass(20e3);
    peer.sends(`. ack 1 <dack8 1, sack ${1 + MSS}:${1 + 3 * MSS}>`);
    d.silent();
    assertEquals(congestion, []);
    d.untilSent();
    peer.gets(`. 1:${1 + MSS}`);
    assertEquals(congestion, ["loss"]);
    assertEquals(app.socket.subflows[0]!.inRecovery, true);
    // It goes on: the rest of the flight shows the same way.
    peer.sends(`. ack ${1 + 3 * MSS} <dack8 ${1 + 3 * MSS}>`);
    assertEquals(congestion, ["loss"]);
  });
});

describe("a window of the peer smaller than the controller's", () => {
  it("is not the controller's limit: cwnd may not grow (RFC 7661 §4.4)", () => {
    const { plugin, acks } = listening(20 * MSS);
    using d = new Dialogue({ policies: { congestionControl: plugin } });
    const { peer, app } = d.opened({ scale: 0 });
    peer.sends(`. ack 1 win ${5 * MSS} <dack8 1>`);
    app.write(50 * MSS);
    assertEquals(peer.takeAll().length, 5);
    acks.length = 0;
    peer.sends(`. ack ${1 + 5 * MSS} win ${5 * MSS} <dack8 ${1 + 5 * MSS}>`);
    assertEquals(acks.map(({ cwndLimited }) => cwndLimited), [false]);
  });

  it("while the controller's own is", () => {
    const { plugin, acks } = listening(5 * MSS);
    using d = new Dialogue({ policies: { congestionControl: plugin } });
    const { peer, app } = d.opened({ scale: 0 });
    peer.sends(`. ack 1 win 60000 <dack8 1>`);
    app.write(50 * MSS);
    assertEquals(peer.takeAll().length, 5);
    peer.sends(`. ack ${1 + 5 * MSS} win 60000 <dack8 ${1 + 5 * MSS}>`);
    assert(acks.at(-1)!.cwndLimited);
  });
});

describe("a round-trip time", () => {
  it("is not taken from what was acknowledged by way of a retransmission (RFC 6298 §3)", () => {
    using d = new Dialogue();
    const { peer, app } = d.opened({ timestamps: false });
    app.write(4 * MSS);
    peer.takeAll();
    // All but the first have arrived; for a long time nothing gets through.
    d.pass(20e6);
    peer.takeAll();
    peer.acks();
    const { rtt } = app.socket.subflows[0]!.sender;
    assert(rtt.srtt < 100e3, `${rtt.srtt}`);
    assert(rtt.base < 1e6, `${rtt.base}`);
  });
});
