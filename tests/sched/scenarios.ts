/** Scenarios of the kind that papers on schedulers have: what an application writes, over what, and how long that takes to arrive. */

import { lia } from "../../cc/mod.ts";
import type { ConnectionObserver } from "../../core/connection/host.ts";
import type { MetaSocket } from "../../core/connection/meta_socket.ts";
import type { CongestionControlPlugin, SchedulerPlugin } from "../../core/plugin.ts";
import { minRtt } from "../../sched/mod.ts";
import { type PathShape, Topology } from "../support/topology.ts";

/** What is written, and over what. */
export interface Scenario {
  readonly paths: Readonly<Record<string, PathShape>>;
  /** By time in seconds after the paths are there. */
  readonly writes: readonly { readonly at: number; readonly bytes: number }[];
  /** Of the receiver. @default {grows to 8 MiB} */
  readonly receiveBuffer?: number;
  /** @default {lia()} */
  readonly congestionControl?: CongestionControlPlugin;
  /** Things that happen to paths. */
  readonly events?: readonly { readonly at: number; readonly run: (t: Topology) => void }[];
}

/** What came of it. */
export interface Outcome {
  /** From each write to the arrival of its last byte, in milliseconds. */
  readonly delays: readonly number[];
  /** Until the last byte, in seconds. */
  readonly seconds: number;
  /** Bytes that each path carried. */
  readonly carried: readonly number[];
  /** Bytes that were sent again, on the same path or another. */
  readonly again: number;
}

/** Mean of the delays. */
export function mean({ delays }: Outcome): number {
  return delays.reduce((sum, each) => sum + each, 0) / delays.length;
}

/** A percentile of the delays: `share` of them are shorter. */
export function percentile({ delays }: Outcome, share: number): number {
  const sorted = [...delays].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

/** Seconds in which joins are established, before anything is written but a first few bytes. */
const BEGIN = 1;
const LIMIT = 300;

/** Runs it once; the same seed gives the same. Fails where the scheduler had a fault. */
export function run(scheduler: SchedulerPlugin, scenario: Scenario, seed: number): Outcome {
  const { paths, writes, receiveBuffer, congestionControl = lia(), events = [] } = scenario;
  using t = new Topology({
    paths,
    seed,
    policies: { scheduler, congestionControl },
    serverPolicies: { scheduler: minRtt() },
    ...(receiveBuffer === undefined ? {} : { server: { receiveBuffer } }),
  });
  const target = new Uint8Array(1e6);
  const ends: number[] = [];
  const times: number[] = [];
  const delays: number[] = [];
  let written = 1;
  let wanted = 1;
  let read = 0;
  let done = 0;
  let server: MetaSocket | null = null;
  const quiet = { onEstablished() {}, onWritable() {}, onReadable() {}, onClosed() {} };
  const reader: ConnectionObserver = {
    ...quiet,
    onReadable() {
      for (let count = 1; count > 0;) {
        count = server!.read(t.now, target);
        read += count;
      }
      for (; (ends[done] ?? Infinity) <= read; done++) delays.push((t.now - times[done]!) / 1e3);
    },
  };
  const listener = t.server.listen(t.now, {
    port: 80,
    observer: {
      onConnection() {
        server = listener.accept();
        server!.observe(reader);
        if (server!.readable > 0) reader.onReadable();
      },
    },
  });
  const source = new Uint8Array(65536);
  const put = (): void => {
    for (let taken = 1; taken > 0 && written < wanted;) {
      taken = client.write(t.now, source.subarray(0, Math.min(source.length, wanted - written)), 0);
      written += taken;
    }
  };
  const client = t.client.connect(t.now, {
    remote: { address: "10.0.0.1", port: 80 },
    observer: { ...quiet, onWritable: put },
  });
  t.at(0, () => client.write(t.now, new Uint8Array(1), 0));
  for (const { at, bytes } of writes) {
    t.at(BEGIN + at, () => {
      wanted += bytes;
      ends.push(wanted);
      times.push(t.now);
      put();
    });
  }
  for (const { at, run: event } of events) t.at(BEGIN + at, () => event(t));
  t.runUntil(() => done === writes.length, LIMIT);
  if (t.faults.length > 0) throw new Error(`${scheduler.name} ${t.faults[0]!.what}`);
  const subflows = [...client.subflows].sort((a, b) => a.path - b.path);
  if (subflows.length !== Object.keys(paths).length) throw new Error("A path has not joined");
  return {
    delays,
    seconds: t.seconds - BEGIN,
    carried: subflows.map(({ bytesSent }) => bytesSent),
    again: client.repeated + subflows.reduce((sum, { bytesRetrans }) => sum + bytesRetrans, 0),
  };
}

/** `count` writes of `bytes`, one each `every` seconds. */
export function each(every: number, bytes: number, count: number): Scenario["writes"] {
  return Array.from({ length: count }, (_, i) => ({ at: i * every, bytes }));
}
