/** One cell run once in virtual time: a client asks, a server answers, both full stacks; over both paths by MPTCP, or over one by TCP. */

import { delay } from "../../core/link/sim/elements/delay.ts";
import type { ElementFactory } from "../../core/link/sim/elements/element.ts";
import { loss } from "../../core/link/sim/elements/loss.ts";
import { queue } from "../../core/link/sim/elements/queue.ts";
import { rate } from "../../core/link/sim/elements/rate.ts";
import { sayFaults } from "../../core/net/faults.ts";
import type { Micros } from "../../core/plugin.ts";
import { fixedBuffer } from "../../core/subflow/settings.ts";
import type { Policies } from "../../core/guard/policies.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import { Rig } from "../rig.ts";
import { type Cell, cellName, type CellPath } from "./cells.ts";

/** How a cell is run. */
export interface Way {
  /** By MPTCP over both paths; else by TCP. */
  readonly mptcp: boolean;
  /** The path of the first subflow. */
  readonly from: 1 | 2;
  /** The plugins at work. */
  readonly policies: Policies;
  readonly seed: number;
}

/** What came of it. */
export interface Exchange {
  /** From the request, of a fresh connection from its SYN, to the last byte of the response: the mean of those of a kept connection. */
  readonly time: Micros;
  /** Bytes that were sent on another path too, as a part of those that were asked for. */
  readonly repeated: number;
  /** Bytes that subflows sent again, likewise. */
  readonly retransmitted: number;
  /** What the plugins did wrong: the default decided in their place. */
  readonly faults: readonly string[];
}

/** Bytes of a request. */
const REQUEST = 200;
/** Requests on a kept connection that count, after one that does not. */
const KEPT = 3;
/** Between the end of a response and the next request. */
const PAUSE: Micros = 100e3;
/** Virtual time that no response may take. */
const MOST: Micros = 3600e6;
/** Bytes of the smallest queue, and of the smallest receive buffer: those of a path that a packet fills. */
const LEAST_QUEUE = 10 * 1500;
const LEAST_BUFFER = 16384;

/** Bytes that fill a path. */
function bdp({ mbit, rtt }: CellPath): number {
  return mbit * rtt * 125;
}

function elements({ queue: depth, loss: lost, ...cell }: Cell, path: 1 | 2): ElementFactory[] {
  const shape = cell.paths[path - 1]!;
  return [
    queue({ bytes: Math.max(LEAST_QUEUE, depth * bdp(shape)) }),
    rate(`${shape.mbit} Mbit/s`),
    loss(lost.path === path ? lost.share : 0),
    delay(`${shape.rtt / 2} ms`),
  ];
}

/** Bytes of the receive buffer of a cell; null: it grows. */
export function bufferOf({ buffer, paths: [one, other] }: Cell): number | null {
  if (buffer === "auto") return null;
  const slow = one.rtt > other.rtt || (one.rtt === other.rtt && one.mbit < other.mbit)
    ? one
    : other;
  return Math.max(LEAST_BUFFER, Math.ceil(buffer * bdp(slow)));
}

const source = new Uint8Array(1 << 16);
const target = new Uint8Array(1 << 18);

/** Reads all there is. */
function drain(socket: MetaSocket, now: Micros): number {
  let sum = 0;
  for (let count = 1; count > 0; sum += count) count = socket.read(now, target);
  return sum;
}

/** Runs `cell`; the same figures each time. */
export function exchange(cell: Cell, { mptcp, from, policies, seed }: Way): Exchange {
  const { size, connection } = cell;
  const kept = connection === "kept";
  const buffer = bufferOf(cell);
  const faults: string[] = [];
  using rig = new Rig({
    paths: { 1: elements(cell, 1), 2: elements(cell, 2) },
    policies,
    mptcp,
    seed,
    report: sayFaults((line) => faults.push(line)),
    ...(buffer !== null && { receiver: { receiveBuffer: fixedBuffer(buffer) } }),
  });
  let asked = 0;
  let written = 0;
  let read = 0;
  /** Bytes of all responses that were asked for. */
  const owed = (): number => Math.floor(asked / REQUEST) * size;
  const answer = (server: MetaSocket): void => {
    asked += drain(server, rig.now);
    while (written < owed()) {
      const piece = source.subarray(0, Math.min(source.length, owed() - written));
      const taken = server.write(rig.now, piece, 0, written + piece.length < owed());
      written += taken;
      if (taken < piece.length) return;
    }
    // A fresh connection carries one response, and ends with it.
    if (!kept && written === size) server.finish(rig.now);
  };
  const ask = (client: MetaSocket): void => {
    client.write(rig.now, source.subarray(0, REQUEST), 0);
  };
  const complete = (bytes: number): void => {
    const until = rig.now + MOST;
    rig.run(() => read >= bytes || rig.now > until);
    if (read < bytes) {
      throw new Error(
        `${cellName(cell)}: ${read} of ${bytes} bytes came in an hour, ${
          mptcp ? "MPTCP" : "TCP"
        } from path ${from}, seed ${seed}`,
      );
    }
  };
  rig.connect({
    onEstablished: ask,
    onWritable: answer,
    onServerReadable: answer,
    onReadable: (client) => read += drain(client, rig.now),
  }, `${from}`);
  complete(size);
  const { sender, receiver } = rig;
  const again = (): number =>
    sender.subflows.reduce((sum, { sender }) => sum + sender.bytesRetransmitted, 0);
  const longest = Math.max(...cell.paths.map(({ rtt }) => rtt)) * 1e3;
  // Repeats may still leave until the acknowledgement of the data has come.
  const settle = (): void => rig.runTo(rig.now + longest);
  if (!kept) {
    const time = rig.now;
    const retransmitted = again() / size;
    settle();
    return { time, repeated: sender.figures.repeated / size, retransmitted, faults };
  }
  // The second subflow has joined, and what it was late with is over.
  rig.runTo(rig.now + Math.max(PAUSE, 2 * longest));
  const before = { repeated: sender.figures.repeated, again: again() };
  let time = 0;
  for (let i = 0; i < KEPT; i++) {
    const start = rig.now;
    ask(receiver);
    complete((i + 2) * size);
    time += rig.now - start;
    rig.runTo(rig.now + PAUSE);
  }
  settle();
  return {
    time: time / KEPT,
    repeated: (sender.figures.repeated - before.repeated) / (KEPT * size),
    retransmitted: (again() - before.again) / (KEPT * size),
    faults,
  };
}
