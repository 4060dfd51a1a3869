/** Subflows whose windows tests set. */

import type {
  AckSample,
  CongestionControl,
  CongestionController,
  CongestionControlPlugin,
  ConnectionView,
  SubflowView,
} from "../../core/plugin.ts";

/** Payload of a segment in these tests. */
export const MSS = 1000;

/** A subflow that shows what its controller says. */
export class TestFlow implements SubflowView {
  readonly path: number;
  readonly local = { address: "10.0.0.1", port: 40000 };
  readonly remote = { address: "10.9.0.1", port: 80 };
  readonly backup = false;
  stale = false;
  mss = MSS;
  /** In use, whatever it has of its window. */
  inFlight = MSS;
  lastAck = 0;
  readonly queued = 0;
  srtt: number;
  readonly rttVar = 0;
  readonly minRtt = 1;
  readonly deliveryRate = 0;
  readonly peakRate = 0;
  readonly burstRate = 0;
  readonly initialWindow = 10 * MSS;
  readonly oldestSent = Infinity;
  readonly bytesSent = 0;
  readonly bytesRetrans = 0;
  readonly bytesReceived = 0;
  readonly localId = 0;
  readonly remoteId = 0;
  readonly delivered = 0;
  readonly lost = 0;
  readonly timeouts = 0;
  readonly delayOut = 0;
  readonly delayIn = 0;
  readonly pacingRate = 0;
  inRecovery = false;
  controller: CongestionController | null = null;

  constructor(path: number, srtt: number) {
    this.path = path;
    this.srtt = srtt;
  }

  get cwnd(): number {
    return this.controller?.cwnd ?? 10 * MSS;
  }

  get ssthresh(): number {
    return this.controller?.ssthresh ?? Infinity;
  }

  get room(): number {
    return Math.max(0, this.cwnd - this.inFlight);
  }

  get inSlowStart(): boolean {
    return this.cwnd < this.ssthresh;
  }
}

/** A connection of subflows with windows in segments and round trips in milliseconds, all in congestion avoidance. */
export class TestConnection implements ConnectionView {
  readonly role = "client";
  readonly subflows: TestFlow[];
  readonly mostWindow = 1e6;
  readonly receiveBuffer = 1e6;
  readonly receiveWindow = 1e6;
  readonly readable = 0;
  readonly tag = 0;
  readonly unsent = 0;
  readonly left = 0;
  readonly unacked = 0;
  readonly window = Infinity;
  readonly acked = 0;
  readonly repeated = 0;
  now = 0;
  readonly group: CongestionControl;

  constructor(
    plugin: CongestionControlPlugin,
    flows: readonly (readonly [window: number, rtt: number])[],
    mss = MSS,
  ) {
    this.subflows = flows.map(([, rtt], i) => new TestFlow(i + 1, rtt * 1e3));
    this.group = plugin.create(this);
    this.subflows.forEach((flow, i) => {
      const window = flows[i]![0] * mss;
      flow.mss = mss;
      flow.controller = this.group.join(flow);
      // From a large window down to the one wanted: as much as half of what was in flight.
      ack(flow, window * 2);
      flow.controller.onCongestion("loss", 2 * window);
    });
  }

  random(): number {
    return 0;
  }

  wake(): void {}
}

/** Acknowledges bytes on a subflow. */
export function ack(flow: TestFlow, acked: number, more: Partial<AckSample> = {}): void {
  flow.controller!.onAck({
    acked,
    lost: 0,
    marked: 0,
    rtt: flow.srtt,
    inFlight: flow.cwnd,
    cwndLimited: true,
    delivered: 0,
    priorDelivered: 0,
    deliveryRate: 0,
    appLimited: false,
    ...more,
  });
}
