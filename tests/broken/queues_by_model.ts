import { reno } from "../../cc/mod.ts";
import type { CongestionControlPlugin } from "../../core/plugin.ts";

/** Says that it has a model of the path, and fills every buffer. */
export default function queuesByModel(): CongestionControlPlugin {
  return { ...reno(), name: "queues_by_model", basis: "model" };
}
