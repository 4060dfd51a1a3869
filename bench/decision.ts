/** What one decision of a scheduler costs: the stack around it is a toy, so that nothing else is timed. */

import type {
  Chunk,
  ConnectionView,
  Endpoint,
  SchedulerPlugin,
  SubflowView,
} from "../core/plugin.ts";

/** A view whose values may be set. */
export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Payload of its segments. */
export const MSS = 1424;

/** A subflow whose values a measurement sets. */
export function toySubflow(path: number): Mutable<SubflowView> {
  const end = (address: string): Endpoint => ({ address, port: 80 });
  return {
    path,
    local: end(`10.0.${path}.1`),
    remote: end("10.0.0.1"),
    backup: false,
    stale: false,
    srtt: 20_000 * path,
    mss: MSS,
    cwnd: 64 * MSS,
    ssthresh: 48 * MSS,
    inFlight: 32 * MSS,
    room: 32 * MSS,
    queued: 0,
    rttVar: 2_000,
    minRtt: 18_000 * path,
    bytesSent: 0,
    bytesRetrans: 0,
    bytesReceived: 0,
    localId: path,
    remoteId: path,
    delivered: 0,
    lost: 0,
    timeouts: 0,
    lastAck: 0,
    delayOut: 0,
    delayIn: 0,
    deliveryRate: 2e6,
    pacingRate: 4e6,
    peakRate: 3e6,
    burstRate: 0,
    initialWindow: 14_600,
    oldestSent: 0.99e6,
    inSlowStart: false,
    inRecovery: false,
  };
}

/** A connection of such subflows. */
export function toyConnection(subflows: readonly SubflowView[]): Mutable<ConnectionView> {
  return {
    role: "server",
    subflows,
    unsent: 4e6,
    left: 4e6,
    unacked: 256 * MSS,
    window: 4e6,
    mostWindow: 4e6,
    receiveBuffer: 4e6,
    receiveWindow: 4e6,
    readable: 0,
    tag: 0,
    acked: 1e6,
    repeated: 0,
    now: 1e6,
    random: () => 0.5,
    wake: () => {},
  };
}

/** Makes a function that asks a scheduler once: round trips, rooms and offsets change from call to call as in a transfer. */
export function decision(plugin: SchedulerPlugin, paths: number): () => void {
  const subflows = Array.from({ length: paths }, (_, index) => toySubflow(index + 1));
  const connection = toyConnection(subflows);
  const fresh: Mutable<Chunk> = {
    offset: 1e6,
    length: 2 * MSS,
    sentOn: [],
    sentAt: 0,
    hint: 0,
    written: 0,
  };
  const [slowest] = subflows.slice(-1);
  const carried: Mutable<Chunk> = { ...fresh, offset: 0.9e6, sentOn: slowest ? [slowest] : [] };
  const scheduler = plugin.create(connection);
  for (const view of subflows) scheduler.onSubflow?.(view, "joined");
  let turn = 0;
  return () => {
    const view = subflows[turn++ % paths];
    if (view === undefined) return;
    view.srtt = 20_000 * view.path + (turn * 7919) % 4_000;
    view.room = (turn & 3) * 8 * MSS + MSS;
    connection.now += 300;
    fresh.offset += MSS;
    if (scheduler.repeat?.(view, carried) === false) carried.offset += MSS;
    scheduler.pick(subflows, fresh);
    scheduler.onAck?.(view, MSS);
  };
}
