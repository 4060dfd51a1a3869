/**
 * Path managers: which paths a connection uses.
 *
 * @example Usage
 * ```ts
 * import { fullMesh } from "@mptcp/mptcp/pm";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(fullMesh({ copies: 2 }).name, "full_mesh");
 * ```
 *
 * @module
 */

export {
  default as endpoints,
  type EndpointEntry,
  type EndpointFlags,
  type EndpointLimits,
  type EndpointOptions,
  Endpoints,
  type EndpointsOptions,
} from "./endpoints.ts";
export { default as fullMesh, type FullMeshOptions } from "./full_mesh.ts";
export { default as handover, type HandoverOptions } from "./handover.ts";
export { default as labels, type LabelsOptions } from "./labels.ts";
export {
  type AnnouncedEvent,
  type ClosedEvent,
  type ConnectionEvent,
  default as manual,
  type ListenerEvent,
  type ManualEnd,
  type ManualEvent,
  ManualPathManager,
  type RemovedEvent,
  type SubflowEvent,
} from "./manual.ts";
export { default as nDiffPorts, type NDiffPortsOptions } from "./n_diff_ports.ts";
export { default as passive } from "./passive.ts";
export type * from "../core/plugin.ts";
