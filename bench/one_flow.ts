/** One endless flow over one bottleneck in virtual time: how much of the bottleneck it uses, or how large its window is where packets are lost at random. */

import { delay } from "../core/link/sim/elements/delay.ts";
import type { ElementFactory } from "../core/link/sim/elements/element.ts";
import { loss } from "../core/link/sim/elements/loss.ts";
import { queue } from "../core/link/sim/elements/queue.ts";
import { rate } from "../core/link/sim/elements/rate.ts";
import type { CongestionControlPlugin } from "../core/plugin.ts";
import type { MetaSocket } from "../core/connection/meta_socket.ts";
import { passive } from "../pm/mod.ts";
import { Rig } from "./rig.ts";

/** Bytes of a packet on these paths. */
export const PACKET = 1500;

/** A bottleneck and who uses it. */
export interface Bottleneck {
  /** Megabits per second that it carries. */
  readonly mbit: number;
  /** Milliseconds of the round trip while it is empty. */
  readonly rtt: number;
  /** Packets that wait at it, as a part of those that fill the path. */
  readonly queue: number;
  /** Share of packets lost at random in front of it. @default {0} */
  readonly loss?: number;
  /** The other direction is full, too. @default {false} */
  readonly both?: boolean;
  /** Bytes of the buffers at both ends. @default {those of the stack} */
  readonly buffer?: number;
  /** What rules the window. */
  readonly congestionControl: CongestionControlPlugin;
  /** @default {1} */
  readonly seed?: number;
}

/** What came of it between two times. */
export interface Use {
  /** Bytes that left the bottleneck, as a part of what it carries: of the fuller direction where both are full last. */
  readonly share: number;
  /** Of the other direction; 0 where it has only acknowledgements. */
  readonly back: number;
  /** Bytes of payload acknowledged. */
  readonly acked: number;
  /** Segments sent again. */
  readonly retransmits: number;
  /** Timeouts and recoveries. */
  readonly timeouts: number;
  readonly recoveries: number;
  /** Payload of a segment. */
  readonly mss: number;
}

/** Counts the bytes that pass. */
class Meter {
  bytes = 0;

  element(): ElementFactory {
    return {
      name: "meter",
      create: (_, output) => ({
        push: (packet) => {
          this.bytes += packet.length;
          output(packet);
        },
      }),
    };
  }
}

const source = new Uint8Array(1 << 18);
const target = new Uint8Array(1 << 20);

/** Writes as much as there is room for. */
function fill(socket: MetaSocket, now: number): void {
  while (socket.write(now, source, 0) === source.length);
}

/** Reads all there is. */
function drain(socket: MetaSocket, now: number): void {
  while (socket.read(now, target) > 0);
}

/** Runs a flow from `from` to `to`, in seconds. */
export function useOf(bottleneck: Bottleneck, from: number, to: number): Use {
  const { mbit, rtt, loss: lost = 0, both = false, buffer, seed = 1 } = bottleneck;
  const bdp = mbit * 1e3 * rtt / 8;
  const packets = Math.max(1, Math.round(bdp / PACKET * bottleneck.queue));
  const [down, up] = [new Meter(), new Meter()];
  const shaped = (meter: Meter): ElementFactory[] => [
    queue(packets),
    rate(`${mbit} Mbit/s`),
    meter.element(),
    delay(`${rtt / 2} ms`),
  ];
  using rig = new Rig({
    paths: { path: both ? shaped(up) : [delay(`${rtt / 2} ms`)] },
    down: { path: [loss(lost), ...shaped(down)] },
    policies: { congestionControl: bottleneck.congestionControl, pathManager: passive() },
    mptcp: false,
    ...(buffer === undefined ? {} : { experiments: { sendBuffer: buffer, receiveBuffer: buffer } }),
    seed,
  });
  rig.connect({
    onWritable: (server) => fill(server, rig.now),
    onReadable: (client) => drain(client, rig.now),
    ...(both && {
      onClientWritable: (client: MetaSocket) => fill(client, rig.now),
      onServerReadable: (server: MetaSocket) => drain(server, rig.now),
    }),
  });
  rig.runTo(from * 1e6);
  const { sender } = rig;
  const [subflow] = sender.subflows;
  if (subflow === undefined) throw new Error("The flow has ended");
  const [before, first, other] = [subflow.sender.board.una, down.bytes, up.bytes];
  const { retransmits } = subflow.sender;
  rig.runTo(to * 1e6);
  const capacity = mbit * 1e6 / 8 * (to - from);
  return {
    share: (down.bytes - first) / capacity,
    back: (up.bytes - other) / capacity,
    acked: subflow.sender.board.una - before,
    retransmits: subflow.sender.retransmits - retransmits,
    timeouts: rig.senderCount("TCPTimeouts"),
    recoveries: rig.senderCount("TCPSackRecovery"),
    mss: subflow.mss,
  };
}

/** Milliseconds of the round trip that windows are measured over. */
const LOSSY_RTT = 20;

/** Mean window in segments, payload acknowledged in a round trip, where each packet is lost with probability `loss` and nothing else limits. */
export function windowOf(
  loss: number,
  congestionControl: CongestionControlPlugin,
  seconds: number,
): number {
  const path = { mbit: 1000, rtt: LOSSY_RTT, queue: 1, loss };
  const { acked, mss } = useOf({ ...path, congestionControl }, 5, 5 + seconds);
  return acked / mss * LOSSY_RTT / 1e3 / seconds;
}

/** The same from the formula of Padhye et al. (RFC 5348 §3.1), which knows of timeouts; the timeout is 200 ms longer than the round trip. */
export function padhye(loss: number): number {
  const timeout = (LOSSY_RTT + 200) / LOSSY_RTT;
  return 1 / (Math.sqrt(2 * loss / 3) +
    timeout * 3 * Math.sqrt(3 * loss / 8) * loss * (1 + 32 * loss ** 2));
}
