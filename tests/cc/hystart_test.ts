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

/** Microseconds between two segments that leave the bottleneck, and those of the round trip while it is empty: 80 segments fill the path. */
const GAP = 500;
const EMPTY = 40e3;

/** One subflow over one bottleneck, of which each segment is acknowledged. */
class Bottleneck {
  readonly flow = new TestFlow(1, EMPTY);
  readonly #connection = new TestConnection(reno(), []);
  readonly #gap: number;
  #delivered = 0;
  /** Of the round before: segments, and what was delivered when it began. */
  #before = 0;
  #base = 0;

  constructor(gap: number = GAP) {
    this.#gap = gap;
    this.flow.controller = this.#connection.group.join(this.flow);
  }

  /** Segments of the window. */
  get window(): number {
    return this.flow.cwnd / MSS;
  }

  /** `segments` leave, so many microseconds `apart`, and come back; the round trip of each is longer by what `jitter` says, in turns. */
  round(
    segments: number,
    apart: number,
    jitter: readonly number[] = [0],
    more: Partial<AckSample> = {},
  ): void {
    const connection = this.#connection;
    const begin = connection.now;
    const base = this.#delivered;
    let left = begin;
    let back = begin;
    for (let i = 0; i < segments; i++) {
      const sent = begin + i * apart;
      left = Math.max(left, sent) + this.#gap;
      back = Math.max(back, left + EMPTY - this.#gap + jitter[i % jitter.length]!);
      connection.now = back;
      this.#delivered += MSS;
      // Each was let out by an acknowledgement of the round before.
      const prior = this.#before === 0 ? 0 : 1 + Math.floor(i * this.#before / segments);
      const priorDelivered = this.#base + prior * MSS;
      const [delivered, rtt] = [this.#delivered, back - sent];
      this.flow.controller!.onAck({
        ...SAMPLE,
        acked: MSS,
        rtt,
        delivered,
        priorDelivered,
        ...more,
      });
    }
    [this.#before, this.#base] = [segments, base];
  }

  /** Slow start that sends its windows in half a round trip, until one has left that does not fit. */
  fill(jitter?: readonly number[], more?: Partial<AckSample>): void {
    for (const segments of [10, 20, 40, 80]) {
      this.round(segments, EMPTY / 2 / segments, jitter, more);
    }
  }
}

describe("a train of acknowledgements in the first slow start (RFC 9406 §4.2)", () => {
  it("that takes longer to come back than to send ends it for now at what fills the path", () => {
    const path = new Bottleneck();
    path.fill();
    assertEquals(Math.round(path.flow.ssthresh / MSS), 81);
    assert(path.window > 81 && path.window < 120, `${path.window}`);
  });

  it("lets the window grow to a third more than that, by a quarter of what comes back", () => {
    const path = new Bottleneck();
    path.round(10, 2e3);
    path.round(20, 1e3);
    path.round(40, 500);
    assertEquals([path.window, path.flow.ssthresh], [80, Infinity]);
    // The window is enough from the first on; round trips have grown by 2.5 ms after ten, and eight in a row agree.
    path.round(18, 200);
    const { window } = path;
    path.round(4, 200);
    assertEquals(path.window, window + 1);
    for (let i = 0; i < 3; i++) path.round(80, 400);
    assertEquals(Math.round(path.window), Math.round(path.flow.ssthresh / MSS * 4 / 3));
  });

  it("ends it after five rounds in which a quarter more could have come back and has not", () => {
    const path = new Bottleneck();
    path.fill();
    const { ssthresh } = path.flow;
    // Fewer would not have shown it.
    for (let i = 0; i < 9; i++) path.round(80, 400);
    assertEquals(path.flow.ssthresh, ssthresh);
    for (let i = 0; i < 5; i++) path.round(106, 300);
    assertEquals(path.flow.ssthresh, ssthresh);
    path.round(106, 300);
    assert(path.flow.ssthresh > ssthresh && path.flow.ssthresh <= path.flow.cwnd);
    path.round(80, 400, [0], { deliveryRate: 1e9 });
    assert(path.flow.ssthresh < Infinity);
  });

  it("is halved with the window by a penalty, but where slow start goes on up to it", () => {
    const path = new Bottleneck();
    path.fill();
    const { window, flow: { ssthresh, controller } } = path;
    controller!.onCongestion("penalty", 0);
    assertEquals([path.window, path.flow.ssthresh], [
      Math.floor(window * MSS / 2) / MSS,
      Math.floor(ssthresh / 2),
    ]);
    // It does not come back within a round trip.
    path.round(Math.floor(path.window), 400);
    assert(path.window < 0.6 * window, `${window} ${path.window}`);
    const before = path.flow.ssthresh;
    controller!.onRestart!(10e6, 240e3);
    assert(path.flow.cwnd < before);
    controller!.onCongestion("penalty", 0);
    assertEquals(path.flow.ssthresh, before);
  });

  it("goes on, and makes up for what was held back, when more comes back than it said", () => {
    const path = new Bottleneck();
    path.fill();
    const { window } = path;
    path.round(40, 400);
    const slow = path.window - window;
    assert(slow < 11, `${slow}`);
    path.round(1, 1, [0], { deliveryRate: 1.2 * MSS * 1e6 / GAP });
    assert(path.flow.ssthresh < Infinity);
    const before = path.window;
    path.round(1, 1, [0], { deliveryRate: 1.3 * MSS * 1e6 / GAP });
    assertEquals(path.flow.ssthresh, Infinity);
    assert(path.window > before + 30 && path.window <= 2 * before + 1, `${path.window}`);
  });

  it("doubles up to what fills the path after a pause", () => {
    const path = new Bottleneck();
    path.fill();
    const { ssthresh } = path.flow;
    path.flow.controller!.onRestart!(10e6, 240e3);
    assertEquals(path.window, 10);
    path.round(10, 2e3);
    path.round(20, 1e3);
    path.round(40, 500);
    assertEquals([path.window, path.flow.ssthresh], [80, ssthresh]);
    path.round(40, 500);
    assert(path.window < 92, `${path.window}`);
  });

  it("grows to no more where one acknowledgement after a pause is of many segments", () => {
    const path = new Bottleneck();
    path.fill();
    const { ssthresh, controller } = path.flow;
    controller!.onRestart!(10e6, 240e3);
    path.round(10, 2e3);
    path.round(20, 1e3);
    path.round(39, 500);
    assertEquals(path.window, 79);
    path.round(1, 1, [0], { acked: 60 * MSS });
    assertEquals(path.flow.ssthresh, ssthresh);
    const most = (ssthresh + 60 * MSS / 4) / MSS;
    assert(path.window > ssthresh / MSS && path.window < most, `${path.window}`);
  });

  it("ends it also where the path holds few segments, of which a third is less than one", () => {
    for (const gap of [4500, 4900, 5400, 8200, 12e3]) {
      for (const shrink of ["pause", "penalty"]) {
        const path = new Bottleneck(gap);
        for (const segments of [10, 20, 40]) path.round(segments, EMPTY / 4 / segments);
        const { ssthresh, controller } = path.flow;
        assert(ssthresh < 10 * MSS, `${ssthresh}`);
        if (shrink === "pause") controller!.onRestart!(10e6, 240e3);
        else for (let i = 0; i < 4; i++) controller!.onCongestion("penalty", 0);
        for (let i = 0; i < 30; i++) path.round(Math.floor(path.window), gap);
        const { window } = path;
        for (let i = 0; i < 30; i++) path.round(Math.floor(path.window), gap);
        assert(path.window > window + 10, `${gap} ${shrink}: ${window} ${path.window}`);
      }
    }
  });

  it("is no threshold of less than two segments, however thin the path is", () => {
    const path = new Bottleneck(100e3);
    path.round(20, 1);
    assertEquals(path.flow.ssthresh, 2 * MSS);
  });

  it("tells nothing where round trips vary by as much from one to the next", () => {
    for (const jitter of [[0, 8e3], [6e3, 0, 9e3, 3e3], [0, 0, 0, 0, 12e3]]) {
      const path = new Bottleneck();
      for (const segments of [10, 20, 40]) path.round(segments, EMPTY / 2 / segments, jitter);
      assertEquals([path.window, path.flow.ssthresh], [80, Infinity], `${jitter}`);
    }
  });

  it("tells nothing where the application gave too little, nor by less than half of what counts of a round", () => {
    const starved = new Bottleneck();
    starved.fill([0], { appLimited: true });
    assertEquals([starved.window, starved.flow.ssthresh], [160, Infinity]);
    const short = new Bottleneck();
    for (const segments of [10, 20, 40, 80]) short.round(segments, 480);
    assertEquals([short.window, short.flow.ssthresh], [160, Infinity]);
  });

  it("spares a queue of little more than half of what fills the path its first overflow", async () => {
    const lost = async (hystart: boolean): Promise<number> => {
      await using net = emulate({
        paths: { only: { rate: "100 Mbit/s", delay: "10 ms", queue: { packets: 100 } } },
        congestionControl: cubic({ hystart }),
      });
      using listener = net.server.listen({ port: 80 });
      const [conn, peer] = await Promise.all([
        net.client.connect({ hostname: "server", port: 80 }),
        listener.accept(),
      ]);
      const written = conn.write(new Uint8Array(1e6)).then(() => conn.closeWrite());
      for await (const _ of peer.readable);
      await written;
      return conn.info().subflows[0]!.tcp.total_retrans;
    };
    assert(await lost(false) > 50);
    assertEquals(await lost(true), 0);
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
