/** One transfer in virtual time, with what the draft argues about: where data were bound, what stalled, what it cost whom, how large the buffers were. */

import type { MetaSocket } from "../core/connection/meta_socket.ts";
import { ProgressEstimate, windowsAsk } from "../core/connection/autotune.ts";
import type { Experiments } from "../core/connection/host.ts";
import { delay } from "../core/link/sim/elements/delay.ts";
import { queue } from "../core/link/sim/elements/queue.ts";
import { rate } from "../core/link/sim/elements/rate.ts";
import { bufferSize } from "../core/net/buffer_size.ts";
import type { SchedulerPlugin } from "../core/plugin.ts";
import { type ByContext, WorkMeter } from "./draft_meter.ts";
import { Rig } from "./rig.ts";

/** A path from the server to the client, and back. */
export interface DraftPath {
  /** Mbit/s. */
  readonly mbit: number;
  /** Milliseconds of the round trip while its queue is empty. */
  readonly rtt: number;
  /** Packets that wait at most. */
  readonly queue: number;
}

/** From `at` seconds on the path `name` carries `mbit`, and has `rtt`. */
export interface Step {
  readonly at: number;
  readonly name: string;
  readonly mbit?: number;
  readonly rtt?: number;
}

/** A transfer. */
export interface DraftRun {
  readonly paths: Readonly<Record<string, DraftPath>>;
  readonly steps?: readonly Step[];
  readonly bytes: number;
  readonly scheduler: SchedulerPlugin;
  readonly experiments?: Experiments;
  /** Compares both estimates of the send queue each 50 ms. */
  readonly estimates?: boolean;
}

/** What came of it. */
export interface DraftFigures {
  /** Seconds. */
  readonly time: number;
  /** Mbit/s that the application got. */
  readonly goodput: number;
  /** Seconds in which a subflow had room, data waited, and nothing could leave on it. */
  readonly stalled: number;
  readonly reallocations: number;
  /** Bytes taken back. */
  readonly reallocated: number;
  /** Bytes repeated on another subflow. */
  readonly repeated: number;
  /** Share of the segments with data that came above a hole in the data. */
  readonly outOfOrder: number;
  /** Calls of the scheduler. */
  readonly calls: ByContext;
  /** Milliseconds of real time in the sending stack, and in the scheduler: these alone differ from run to run. */
  readonly work: ByContext;
  readonly schedulerWork: ByContext;
  /** Bytes of the receive buffer and the send queue in the end. */
  readonly receiveBuffer: number;
  readonly sendBuffer: number;
  /** What the windows, and the progress of sequence numbers, asked of the send queue. */
  readonly estimates: readonly {
    readonly at: number;
    readonly windows: number;
    readonly progress: number;
  }[];
}

/** 2·ΣBW·RTT_max of the paths. */
export function formula(paths: Readonly<Record<string, DraftPath>>): number {
  return bufferSize(
    Object.values(paths).map(({ mbit, rtt }) => ({ rate: `${mbit} Mbit/s`, rtt: `${rtt} ms` })),
  );
}

/** Whether a subflow of `socket` could send, had it what waits. */
function stalls({ sendQueue, subflows }: MetaSocket): boolean {
  if (sendQueue.unsent === 0) return false;
  for (let i = 0; i < subflows.length; i++) {
    const { room, mss, doubted } = subflows[i]!;
    if (room >= mss && !doubted) return true;
  }
  return false;
}

const source = new Uint8Array(1 << 16);
const target = new Uint8Array(1 << 20);

/** Runs it; the same figures each time, but for `work` and `schedulerWork`. */
export function runDraft(run: DraftRun): DraftFigures {
  const { paths, steps = [], bytes, scheduler, experiments } = run;
  const meter = new WorkMeter();
  using rig = new Rig({
    paths: Object.fromEntries(
      Object.entries(paths).map(([name, { rtt, mbit, queue: packets }]) => [
        name,
        [queue(packets), rate(`${mbit} Mbit/s`), delay(`${rtt / 2} ms`)],
      ]),
    ),
    policies: { scheduler: meter.watch(scheduler) },
    ...(experiments && { experiments }),
    meter,
  });
  let written = 0;
  let read = 0;
  rig.connect({
    onWritable(socket) {
      meter.within("write", () => {
        while (written < bytes) {
          const piece = source.subarray(0, Math.min(source.length, bytes - written));
          const taken = socket.write(rig.now, piece, 0);
          written += taken;
          if (taken < piece.length) break;
        }
      });
    },
    onReadable(socket) {
      for (let count = 1; count > 0; read += count) count = socket.read(rig.now, target);
    },
  });
  const begin = rig.now;
  for (const { at, name, mbit, rtt } of steps) {
    rig.network.clock.at(begin + at * 1e6, () =>
      rig.links[name]!.set({
        ...(mbit && { rate: `${mbit} Mbit/s` }),
        ...(rtt && { delay: `${rtt / 2} ms` }),
      }));
  }
  const estimates: { at: number; windows: number; progress: number }[] = [];
  const { sender } = rig;
  const second = new ProgressEstimate();
  const acked: number[] = [];
  let since = rig.now;
  let stalled = 0;
  let stalling = false;
  let next = 0;
  rig.run(() => {
    const { now } = rig;
    if (now > since) {
      if (stalling) stalled += now - since;
      since = now;
    }
    stalling = stalls(sender);
    if (run.estimates) {
      sender.subflows.forEach((subflow, i) => {
        const { una } = subflow.sender.board;
        if (una !== acked[i]) second.heard(subflow, now);
        acked[i] = una;
      });
      if (now >= begin + next * 5e4) {
        next = Math.floor((now - begin) / 5e4) + 1;
        const at = (now - begin) / 1e6;
        estimates.push({
          at,
          windows: windowsAsk(sender.subflows),
          progress: second.ask(sender.subflows),
        });
      }
    }
    return read >= bytes;
  });
  const time = (rig.now - begin) / 1e6;
  const { figures, sendQueue } = sender;
  const segments = sender.subflows.reduce((sum, each) => sum + each.bytesSent / each.mss, 0);
  return {
    time,
    goodput: bytes * 8 / time / 1e6,
    stalled: stalled / 1e6,
    reallocations: figures.reallocations,
    reallocated: figures.reallocated,
    repeated: figures.repeated,
    outOfOrder: rig.receiverCount("OFOQueue") / segments,
    calls: meter.calls,
    work: meter.time,
    schedulerWork: meter.schedulerTime,
    receiveBuffer: rig.receiver.receiveQueue.window.limit,
    sendBuffer: sendQueue.limit,
    estimates,
  };
}
