/** Subflows and chunks for decisions by hand. */

import type { Chunk, ConnectionView, SubflowView } from "../../core/plugin.ts";

/** A subflow with room, of `rtt` milliseconds. */
export function subflow(path: number, rtt: number, more: Partial<SubflowView> = {}): SubflowView {
  return {
    path,
    local: { address: `10.${path}.0.1`, port: 40000 },
    remote: { address: "10.9.0.1", port: 80 },
    backup: false,
    stale: false,
    srtt: rtt * 1e3,
    mss: 1400,
    cwnd: 14000,
    ssthresh: Infinity,
    inFlight: 0,
    room: 14000,
    queued: 0,
    rttVar: 1,
    minRtt: rtt * 1e3,
    deliveryRate: 0,
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
    pacingRate: 0,
    peakRate: 0,
    burstRate: 0,
    initialWindow: 14_600,
    oldestSent: Infinity,
    inSlowStart: true,
    inRecovery: false,
    ...more,
  };
}

/** A chunk that `sentOn` carry. */
export function chunk(...sentOn: SubflowView[]): Chunk {
  return { offset: 1, length: 1400, sentOn, sentAt: 0, hint: 0, written: 0 };
}

/** A connection of `subflows` in which nothing is in flight. */
export function connection(
  subflows: readonly SubflowView[],
  more: Partial<ConnectionView> = {},
): ConnectionView {
  return {
    role: "client",
    subflows,
    unsent: 1e6,
    left: 1e6,
    unacked: 0,
    window: 1e6,
    mostWindow: 1e6,
    receiveBuffer: 1e6,
    receiveWindow: 1e6,
    readable: 0,
    tag: 0,
    acked: 0,
    repeated: 0,
    now: 0,
    random: () => 0,
    wake: () => {},
    ...more,
  };
}
