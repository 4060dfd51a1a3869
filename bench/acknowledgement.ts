/** What one acknowledgement costs a congestion control: the stack around it is a toy, so that nothing else is timed, or leaves something behind. */

import type { AckSample, CongestionController, CongestionControlPlugin } from "../core/plugin.ts";
import { MSS, type Mutable, toyConnection, toySubflow } from "./decision.ts";

/** Acknowledgements between two losses: growth and cuts balance about there. */
const BETWEEN_LOSSES = 2000;

/** Makes a function that tells `plugin` of one acknowledgement of two segments, on each of `paths` subflows in turn; now and then of a loss before it. */
export function acknowledgement(plugin: CongestionControlPlugin, paths: number): () => void {
  const subflows = Array.from({ length: paths }, (_, index) => toySubflow(index + 1));
  for (const subflow of subflows) subflow.ssthresh = Infinity;
  const connection = toyConnection(subflows);
  const group = plugin.create(connection);
  const controllers: CongestionController[] = subflows.map((subflow) => group.join(subflow));
  const samples: Mutable<AckSample>[] = subflows.map(() => ({
    acked: 2 * MSS,
    lost: 0,
    marked: 0,
    rtt: 20_000,
    inFlight: 0,
    cwndLimited: true,
    delivered: 0,
    priorDelivered: 0,
    deliveryRate: 2e6,
    appLimited: false,
  }));
  let turn = 0;
  return () => {
    const i = turn++ % paths;
    const subflow = subflows[i]!;
    const controller = controllers[i]!;
    const sample = samples[i]!;
    connection.now += 300;
    if (turn % BETWEEN_LOSSES < paths) controller.onCongestion("loss", subflow.cwnd);
    sample.inFlight = subflow.inFlight;
    sample.delivered += sample.acked;
    sample.priorDelivered = Math.max(0, sample.delivered - subflow.cwnd);
    sample.rtt = 20_000 * subflow.path + (turn * 7919) % 4_000;
    sample.deliveryRate = 2e6 + (turn * 7919) % 100_000;
    controller.onAck(sample);
    subflow.cwnd = controller.cwnd;
    subflow.ssthresh = controller.ssthresh;
    subflow.inFlight = Math.max(0, controller.cwnd - 2 * MSS);
  };
}
