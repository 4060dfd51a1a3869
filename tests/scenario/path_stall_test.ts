/** A path stalls and loses nothing: the timeouts were needless, what they took for lost goes on its way, and the window comes back (RFC 5682, RFC 3522, RFC 4015). */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { reno } from "../../cc/mod.ts";
import type { Choices } from "../support/choices.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { DATA, HEADER } from "../../core/link/udp/datagram.ts";
import type { Packet } from "../../core/link/sim/elements/packet.ts";
import type { TcpSettings } from "../../core/subflow/settings.ts";
import { u8 } from "../../wasm/mod.ts";
import { OneWay } from "../support/one_way.ts";
import { Topology } from "../support/topology.ts";

const UDP = 17;

/** Where the TCP header of an IPv4 packet lies, behind those of UDP and of DATA where it is a datagram; 0: it has none. */
function tcpAt(packet: DataView): number {
  if (packet.getUint8(9) !== UDP) return 20;
  return (packet.getUint8(28) & 15) === DATA ? 28 + HEADER : 0;
}

/** Holds all packets while it is closed, and lets them go in their order; counts those of data that bring nothing new. */
class Gate {
  closed = false;
  /** Segments that had come before. */
  needless = 0;
  readonly #held: Packet[] = [];
  /** Sequence numbers of all that came: what is sent again begins where it did. */
  readonly #seen = new Set<number>();
  #out: (packet: Packet) => void = () => {};

  readonly element: ElementFactory = {
    name: "gate",
    create: (context, output) => {
      this.#out = output;
      return {
        push: (packet) => {
          context.complete(packet);
          this.#count(packet);
          if (this.closed) this.#held.push(packet);
          else output(packet);
        },
      };
    },
  };

  open(): void {
    this.closed = false;
    for (const packet of this.#held.splice(0)) this.#out(packet);
  }

  #count({ address, length }: Packet): void {
    const view = new DataView(u8.buffer, address, length);
    const tcp = tcpAt(view);
    if (tcp === 0) return;
    const payload = length - tcp - (view.getUint8(tcp + 12) >> 4) * 4;
    if (payload <= 0) return;
    const seq = view.getUint32(tcp + 4);
    if (this.#seen.has(seq)) this.needless++;
    this.#seen.add(seq);
  }
}

interface Result {
  readonly needless: number;
  readonly timeouts: number;
  readonly spurious: number;
  /** The window before the stall and as soon as ACKs have come after it, in segments. */
  readonly windows: readonly [before: number, after: number];
  /** So the thresholds. */
  readonly thresholds: readonly [before: number, after: number];
}

/** A bulk flow whose path stalls once, for `stall` milliseconds in the direction of `up`, or of ACKs. */
function stalled(
  client: Choices,
  stall: number,
  direction: Direction,
  tcp: Partial<TcpSettings> = {},
  roundTrip = 40,
  at = 2,
): Result {
  const up = new Gate();
  const down = new Gate();
  using t = new Topology({
    paths: {
      path: {
        rate: "20 Mbit/s",
        delay: `${roundTrip / 2} ms`,
        queue: 70,
        up: [up.element],
        down: [down.element],
      },
    },
    client,
    server: client,
    tcp,
    policies: { congestionControl: reno() },
  });
  const way = new OneWay(t);
  const write = (): void => void way.write(1 << 20);
  way.onRead = write;
  for (let second = 1; second < 6; second += 0.05) t.at(second, write);
  t.runTo(at);
  const [subflow] = way.socket.subflows;
  const { mss } = subflow!;
  const before = [subflow!.cwnd / mss, subflow!.ssthresh / mss] as const;
  const gate = direction === "up" ? up : down;
  const seen = up.needless;
  gate.closed = true;
  t.runTo(at + stall / 1000);
  gate.open();
  t.runTo(at + (stall + 0.75 * roundTrip) / 1000);
  const counter = (name: string): number => t.client.counters.get(name);
  return {
    needless: up.needless - seen,
    timeouts: counter("TCPTimeouts"),
    spurious: counter("TCPSpuriousRTOs"),
    windows: [before[0], subflow!.cwnd / mss],
    thresholds: [before[1], subflow!.ssthresh / mss],
  };
}

type Direction = "up" | "down";

const KINDS: readonly (readonly [string, Choices, number[], Direction[]])[] = [
  ["plain TCP", { mptcp: false }, [10, 40], ["up", "down"]],
  ["MPTCP", {}, [40], ["up"]],
  ["MPTCP with checksums", { checksum: true }, [40], ["up"]],
];

describe("a path that stalls without a loss", () => {
  for (const [kind, client, roundTrips, directions] of KINDS) {
    for (const direction of directions) {
      for (const stall of [300, 500, 1000, 1500]) {
        it(`RFC 3522: for ${stall} ms, ${direction}, ${kind}: at most two needless segments, and the window is back`, () => {
          for (const roundTrip of roundTrips) {
            const { needless, timeouts, spurious, windows, thresholds } = stalled(
              client,
              stall,
              direction,
              {},
              roundTrip,
            );
            const [before, after] = windows;
            const text = JSON.stringify({ roundTrip, needless, timeouts, spurious, before, after });
            assertEquals(thresholds[1], thresholds[0], text);
            assert(timeouts > 0 || stall < 500, text);
            assert(needless <= 2, text);
            assertEquals(spurious, Math.min(1, timeouts), text);
            assert(after >= before, text);
          }
        });
      }
    }
  }

  it("RFC 5681 §3.1: without F-RTO and undo the threshold is half of the flight after it", () => {
    const { spurious, windows, thresholds } = stalled({}, 1000, "up", { frto: false, undo: false });
    assertEquals(spurious, 0);
    assert(thresholds[1] < 0.6 * windows[0], `${thresholds} of ${windows}`);
  });
});
