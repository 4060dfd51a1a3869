import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { cubic, lia, reno } from "../../cc/mod.ts";
import { emulate } from "../../mod.ts";
import type { AckSample, CongestionControlPlugin } from "../../core/plugin.ts";
import { MSS, TestConnection, TestFlow } from "./support.ts";

const SAMPLE: AckSample = {
  acked: 0,
  lost: 0,
  marked: 0,
  rtt: -1,
  inFlight: 0,
  cwndLimited: true,
  delivered: 0,
  priorDelivered: 0,
  deliveryRate: 0,
  appLimited: false,
};

/** Segments that begin anew after a pause. */
const FEW = 12;

/** A subflow whose rounds take the round trips given, one ACK a segment; before those of `paused` there was nothing to send, and little is. */
function rounds(
  plugin: CongestionControlPlugin,
  rtts: readonly number[],
  paused: readonly number[] = [],
): TestFlow {
  const flow = new TestFlow(1, 50e3);
  flow.controller = new TestConnection(plugin, []).group.join(flow);
  let delivered = 0;
  for (const [round, rtt] of rtts.entries()) {
    const segments = paused.includes(round) ? FEW : Math.floor(flow.cwnd / MSS);
    const priorDelivered = delivered;
    for (let i = 0; i < segments; i++) {
      delivered += MSS;
      flow.controller!.onAck({ ...SAMPLE, acked: MSS, rtt, delivered, priorDelivered });
    }
  }
  return flow;
}

describe("the first slow start (RFC 9406)", () => {
  it("doubles while round trips stay", () => {
    assertEquals(rounds(reno(), [40e3, 40e3, 41e3]).cwnd, 80 * MSS);
  });

  it("grows by a quarter once a round's least round trip is an eighth longer, and ends five rounds later", () => {
    const queueing = rounds(reno(), [40e3, 40e3, 46e3]);
    // Seven ACKs are too few to judge by; the others of the round count a quarter.
    assertEquals(Math.round(4 * queueing.cwnd / MSS) / 4, 40 + 7 + 33 / 4);
    const { cwnd, ssthresh } = rounds(reno(), [40e3, 40e3, 46e3, 47e3, 48e3, 49e3, 50e3, 51e3]);
    assertEquals(ssthresh < Infinity, true);
    assert(cwnd < 200 * MSS, `${cwnd}`);
  });

  it("goes on when the round trips fall again: it was no queue", () => {
    const flow = rounds(reno(), [40e3, 40e3, 46e3, 40e3, 40e3, 40e3]);
    assertEquals(flow.ssthresh, Infinity);
    assert(flow.cwnd > 300 * MSS, `${flow.cwnd}`);
  });

  it("takes no shorter round trip for a sign of that which comes after a pause, when less is in flight", () => {
    // The queue was seen with eight segments in flight, of those that come after the pause only the last have as much before them.
    for (const pause of [3, 4, 5]) {
      const rtts = [40e3, 40e3, 46e3, 47e3, 48e3, 49e3, 50e3, 51e3].with(pause, 40e3);
      const { cwnd, ssthresh } = rounds(reno(), rtts, [pause]);
      assertEquals(ssthresh < Infinity, true, `after ${pause} rounds`);
      assert(cwnd < 200 * MSS, `${cwnd}`);
    }
  });

  it("ignores growth below 4 ms", () => {
    assertEquals(rounds(reno(), [10e3, 10e3, 13.9e3]).cwnd, 80 * MSS);
  });

  it("doubles until a loss when it is switched off", () => {
    for (const plugin of [reno({ hystart: false }), lia({ hystart: false })]) {
      assertEquals(rounds(plugin, [40e3, 60e3, 80e3]).cwnd, 80 * MSS);
    }
  });

  it("spares a path more than half of the losses of its first overflow", async () => {
    const sentAgain = async (hystart: boolean): Promise<number> => {
      await using net = emulate({
        paths: { only: { rate: "20 Mbit/s", delay: "15 ms" } },
        congestionControl: reno({ hystart }),
      });
      using listener = net.server.listen({ port: 80 });
      const [conn, peer] = await Promise.all([
        net.client.connect({ hostname: "server", port: 80 }),
        listener.accept(),
      ]);
      const written = conn.write(new Uint8Array(2e6)).then(() => conn.closeWrite());
      for await (const _ of peer.readable);
      await written;
      return conn.info().subflows[0]!.tcp.total_retrans;
    };
    const [without, with_] = [await sentAgain(false), await sentAgain(true)];
    assert(with_ * 2 < without, `${with_} segments were sent again with it, ${without} without`);
  });
});

describe("the option 'hystart'", () => {
  it("is true or false, and nothing else", () => {
    for (const plugin of [cubic, lia, reno]) {
      for (const hystart of [undefined, true, false]) plugin({ hystart });
      for (const [hystart, shown] of [["false", '"false"'], [0, "0"], [null, "null"]] as const) {
        assertThrows(
          () => plugin({ hystart } as never),
          TypeError,
          `Cannot make ${plugin().name} as 'hystart' must be true or false: current value is ${shown}`,
        );
      }
    }
  });
});
