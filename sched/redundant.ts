/** Everything on every subflow. */

import type { SchedulerPlugin } from "../core/plugin.ts";
import { lowestRtt } from "./min_rtt.ts";

/** It has no options. */
export const defaults: Readonly<Record<string, never>> = {};

/**
 * Sends each byte on all subflows that work: latency is that of the fastest path for each byte, throughput that of the best one. A subflow first
 * repeats what others carry and the peer has not acknowledged, then takes new data, so subflows may be at different places of the stream.
 */
export default function redundant(): SchedulerPlugin {
  return {
    kind: "scheduler",
    name: "redundant",
    create: () => ({ pick: lowestRtt, repeat: () => true }),
  };
}
