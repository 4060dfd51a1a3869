/** What a congestion controller is told, and when. */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { AckSample, CongestionControlPlugin } from "../../../core/plugin.ts";
import { Dialogue } from "../../support/dialogue.ts";

const MSS = 1428;

/** A fixed window that notes what it hears. */
function listening(cwnd: number): {
  plugin: CongestionControlPlugin;
  acks: AckSample[];
  congestion: string[];
  flightSizes: number[];
} {
  const acks: AckSample[] = [];
  const congestion: string[] = [];
  const flightSizes: number[] = [];
  const plugin: CongestionControlPlugin = {
    kind: "congestion-control",
    name: "listening",
    create: () => ({
      join: () => ({
        cwnd,
        ssthresh: cwnd,
        onAck: (ack) => acks.push({ ...ack }),
        onCongestion: (cause, flightSize) => {
          congestion.push(cause);
          flightSizes.push(flightSize);
        },
      }),
    }),
  };
  return { plugin, acks, congestion, flightSizes };
}

describe("FlightSize: what is sent and not cumulatively acknowledged (RFC 5681 §2, eq. 4)", () => {
  const cases: [
    name: string,
    sack: boolean,
    acks: readonly string[],
    cause: string,
    size: number,
  ][] = [
    [
      "with SACK, one block after the other",
      true,
      [
        `1 sack ${1 + MSS}:${1 + 2 * MSS}`,
        `1 sack ${1 + MSS}:${1 + 3 * MSS}`,
        `1 sack ${1 + MSS}:${1 + 4 * MSS}`,
      ],
      "loss",
      10,
    ],
    ["with SACK, in one ACK", true, [`1 sack ${1 + MSS}:${1 + 4 * MSS}`], "loss", 10],
    [
      "with SACK behind what the same ACK acknowledges",
      true,
      [
        `${1 + 2 * MSS} sack ${1 + 3 * MSS}:${1 + 7 * MSS}`,
      ],
      "loss",
      8,
    ],
    [
      "with SACK, when the reordering window has passed",
      true,
      [
        `1 sack ${1 + MSS}:${1 + 3 * MSS}`,
      ],
      "loss",
      10,
    ],
    ["with SACK, at a timeout", true, [`1 sack ${1 + 9 * MSS}:${1 + 10 * MSS}`], "timeout", 10],
    ["without SACK", false, ["1", "1", "1"], "loss", 10],
  ];
  for (const [name, sack, lines, cause, size] of cases) {
    it(`${name}: ${size} of 10 segments`, () => {
      const { plugin, congestion, flightSizes } = listening(10 * MSS);
      using d = new Dialogue({ policies: { congestionControl: plugin } });
      const { peer, app } = d.opened({ sack });
      app.write(10 * MSS);
      assertEquals(peer.takeAll().length, 10);
      d.pass(20e3);
      for (const line of lines) {
        const [ack, block] = line.split(" sack ");
        peer.sends(`. ack ${ack} <dack8 ${ack}${block === undefined ? "" : `, sack ${block}`}>`);
      }
      if (cause === "timeout") {
        // The head alone is lost, and lost again.
        d.pass(10e6);
      } else if (congestion.length === 0) d.untilSent();
      assertEquals(flightSizes[congestion.indexOf(cause)], size * MSS);
    });
  }
});

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
