/** Requests in virtual time: a client asks, a server answers, both full stacks; over all paths by MPTCP, or over one by TCP. */

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
import { type Cell, cellName, type CellPath, longAndShort } from "./cells.ts";

/** A path of a measurement. */
export interface Path {
  /** Mbit/s in each direction. */
  readonly mbit: number;
  /** Milliseconds of the round trip while it is empty. */
  readonly rtt: number;
  /** Bytes that wait at most in each direction. */
  readonly queue: number;
  /** Share of packets lost at random in each direction. @default {0} */
  readonly loss?: number;
}

/** Who asks for what over which paths. */
export interface Dialogue {
  /** What it is called in errors. */
  readonly name: string;
  readonly paths: readonly Path[];
  /** Bytes of a response. */
  readonly size: number;
  /** Requests on a connection that has carried one response already and stays open; 0: one on a new connection, which ends with the response. */
  readonly kept: number;
  /** Bytes of the receive buffer; null: it grows. */
  readonly buffer: number | null;
}

/** How it is run. */
export interface Way {
  /** By MPTCP over all paths; else by TCP. */
  readonly mptcp: boolean;
  /** The path of the first subflow, from 1. */
  readonly from: number;
  /** The plugins at work. */
  readonly policies: Policies;
  readonly seed: number;
}

/** Bytes of a response that had come, by microseconds since the request. */
export type Arrivals = readonly { readonly at: Micros; readonly bytes: number }[];

/** What came of it. */
export interface Exchange {
  /** From each request, of a new connection from its SYN, to the last byte of the response. */
  readonly times: readonly Micros[];
  /** What had come of each response by when. */
  readonly arrivals: readonly Arrivals[];
  /** Bytes that were sent on another path too, as a part of those that were asked for. */
  readonly repeated: number;
  /** Bytes that subflows sent again, likewise. */
  readonly retransmitted: number;
  /** What the plugins did wrong: the default decided in their place. */
  readonly faults: readonly string[];
}

/** Bytes of a request. */
const REQUEST = 200;
/** Requests on the kept connection of a cell. */
const KEPT = 3;
/** Between the end of a response and the next request. */
const PAUSE: Micros = 100e3;
/** Virtual time that no response may take. */
const MOST: Micros = 3600e6;
/** Bytes of the smallest queue, and of the smallest receive buffer: more than those of a path that a packet fills. */
const LEAST_QUEUE = 10 * 1500;
const LEAST_BUFFER = 16384;

/** Bytes that fill a path. */
export function bdp({ mbit, rtt }: CellPath): number {
  return mbit * rtt * 125;
}

/** What the packets of each direction pass. */
export function elementsOf({ mbit, rtt, queue: bytes, loss: share = 0 }: Path): ElementFactory[] {
  return [queue({ bytes }), rate(`${mbit} Mbit/s`), loss(share), delay(`${rtt / 2} ms`)];
}

/** What a cell is about. */
export function dialogueOf(cell: Cell): Dialogue {
  const { paths, queue: depth, loss: lost, size, connection, buffer } = cell;
  return {
    name: cellName(cell),
    paths: paths.map((path, i) => ({
      ...path,
      queue: Math.max(LEAST_QUEUE, depth * bdp(path)),
      loss: lost.path === i + 1 ? lost.share : 0,
    })),
    size,
    kept: connection === "kept" ? KEPT : 0,
    buffer: buffer === "auto"
      ? null
      : Math.max(LEAST_BUFFER, Math.ceil(buffer * bdp(longAndShort(cell).long))),
  };
}

/**
 * When a response would be complete if each of two paths went on as it does by itself, none waiting for the other: the second one begins `later`, as it is
 * joined. Nothing that a scheduler does is faster, unless the windows differ.
 */
export function atBest(
  size: number,
  one: Arrivals,
  other: Arrivals,
  later: Micros,
): Micros {
  let [i, j, first, second] = [0, 0, 0, 0];
  for (;;) {
    const [next, joined] = [one[i]?.at ?? Infinity, (other[j]?.at ?? Infinity) + later];
    if (next <= joined) first = one[i++]?.bytes ?? size;
    else second = other[j++]!.bytes;
    if (first + second >= size) return Math.min(next, joined);
  }
}

const source = new Uint8Array(1 << 16);
const target = new Uint8Array(1 << 18);

/** Reads all there is. */
function drain(socket: MetaSocket, now: Micros): number {
  let sum = 0;
  for (let count = 1; count > 0; sum += count) count = socket.read(now, target);
  return sum;
}

/**
 * Runs it; the same figures each time. Every path has the same random numbers whoever uses it.
 *
 * @throws {Error} a response did not come within an hour.
 */
export function exchange(
  { name, paths, size, kept, buffer }: Dialogue,
  { mptcp, from, policies, seed }: Way,
): Exchange {
  const faults: string[] = [];
  using rig = new Rig({
    paths: Object.fromEntries(paths.map((path, i) => [i + 1, elementsOf(path)])),
    policies,
    mptcp,
    seed,
    report: sayFaults((line) => faults.push(line)),
    ...(buffer !== null && { receiver: { receiveBuffer: fixedBuffer(buffer) } }),
  });
  let asked = 0;
  let written = 0;
  let read = 0;
  /** Of the response in hand: when it was asked for, what had been read before, and what has come of it. */
  let asking = rig.now;
  let before = 0;
  let coming: { at: Micros; bytes: number }[] = [];
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
    if (kept === 0 && written === size) server.finish(rig.now);
  };
  const ask = (client: MetaSocket): void => {
    client.write(rig.now, source.subarray(0, REQUEST), 0);
  };
  const complete = (bytes: number): void => {
    const until = rig.now + MOST;
    rig.run(() => read >= bytes || rig.now > until);
    if (read < bytes) {
      throw new Error(
        `${name}: ${read} of ${bytes} bytes came in an hour, ${
          mptcp ? "MPTCP" : "TCP"
        } from path ${from}, seed ${seed}`,
      );
    }
  };
  rig.connect({
    onEstablished: ask,
    onWritable: answer,
    onServerReadable: answer,
    onReadable(client) {
      read += drain(client, rig.now);
      coming.push({ at: rig.now - asking, bytes: read - before });
    },
  }, `${from}`);
  complete(size);
  const { sender, receiver } = rig;
  const again = (): number =>
    sender.subflows.reduce((sum, { sender }) => sum + sender.bytesRetransmitted, 0);
  const longest = Math.max(...paths.map(({ rtt }) => rtt)) * 1e3;
  // Repeats may still leave until the acknowledgement of the data has come.
  const settle = (): void => rig.runTo(rig.now + longest);
  if (kept === 0) {
    const times = [rig.now];
    const retransmitted = again() / size;
    settle();
    const { repeated } = sender.figures;
    return { times, arrivals: [coming], repeated: repeated / size, retransmitted, faults };
  }
  // The other subflows have joined, and what they were late with is over.
  rig.runTo(rig.now + Math.max(PAUSE, 2 * longest));
  const start = { repeated: sender.figures.repeated, again: again() };
  const times: Micros[] = [];
  const arrivals: Arrivals[] = [];
  for (let i = 0; i < kept; i++) {
    [asking, before, coming] = [rig.now, read, []];
    ask(receiver);
    complete((i + 2) * size);
    times.push(rig.now - asking);
    arrivals.push(coming);
    rig.runTo(rig.now + PAUSE);
  }
  settle();
  return {
    times,
    arrivals,
    repeated: (sender.figures.repeated - start.repeated) / (kept * size),
    retransmitted: (again() - start.again) / (kept * size),
    faults,
  };
}
