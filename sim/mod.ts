/**
 * Measures scenarios in virtual time: networks of several hosts, what happens to them, and what goes over them. The same as `mptcp sim` does with files.
 *
 * @example Two connections share a bottleneck
 * ```ts
 * import { jainIndex, measure } from "@mptcp/mptcp/sim";
 *
 * const result = measure({
 *   dumbbell: { pairs: 2, bottleneck: { rate: "10 Mbit/s", delay: "20 ms" } },
 *   duration: "10 s",
 *   traffic: {
 *     one: { kind: "bulk", client: "left1", server: "right1" },
 *     two: { kind: "bulk", client: "left2", server: "right2" },
 *   },
 * });
 * const rates = Object.values(result.traffic).map(({ goodput }) => goodput);
 * console.assert(jainIndex(rates) > 0.8);
 * ```
 *
 * @module
 */

import "../mod.ts";

export { type Profile, readMahimahi, readMinitopo, readNetem, readProfile } from "./import.ts";
export { loadPolicies, loadScenario, type LoadScenarioOptions } from "./load.ts";
export {
  type DataEvent,
  type DirectionFigures,
  measure,
  type Measurement,
  type MeasureOptions,
  type Sample,
} from "./measure.ts";
export type { Carried } from "./meter.ts";
export {
  type BulkTraffic,
  type CbrTraffic,
  type ConnectionTraffic,
  type HostPolicies,
  type MessageTraffic,
  type OnOffTraffic,
  type PageTraffic,
  type RequestTraffic,
  type Scenario,
  ScenarioError,
  type ScenarioEvent,
  type ScenarioHost,
  type ScenarioLink,
  type ScenarioRoute,
  type ScenarioShape,
  type Size,
  type Spacing,
  type Traffic,
  type TrafficBase,
  type VideoTraffic,
} from "./scenario.ts";
export { SCENARIOS } from "./scenarios.ts";
export { SCENARIO_SCHEMA, type Schema } from "./schema.ts";
export { jainIndex, meanOf, percentile, type Spread, spreadOf } from "./stats.ts";
export type { TrafficFigures } from "./traffic.ts";
export { VERSION } from "./version.ts";
