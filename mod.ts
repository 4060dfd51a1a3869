/**
 * Multipath TCP (RFC 8684) in user space: one connection over several paths, on an emulated network, or on real packets through Linux TUN devices.
 *
 * @example Two paths at once, on an emulated network in virtual time
 * ```ts
 * import { emulate } from "@mptcp/mptcp";
 *
 * await using net = emulate({
 *   paths: {
 *     wifi: { rate: "20 Mbit/s", delay: "15 ms" },
 *     lte: { rate: "12 Mbit/s", delay: "40 ms" },
 *   },
 * });
 * using listener = net.server.listen({ port: 80 });
 * const [conn, peer] = await Promise.all([
 *   net.client.connect({ hostname: "server", port: 80 }),
 *   listener.accept(),
 * ]);
 * await peer.write(new TextEncoder().encode("hello"));
 * await conn.read(new Uint8Array(5));
 * console.log(`${net.now} microseconds of virtual time`, conn.info().subflows.length);
 * ```
 *
 * @module
 */

import { cubic, lia } from "./cc/mod.ts";
import { provideDefaults } from "./core/net/policies.ts";
import { fullMesh } from "./pm/mod.ts";
import { earliest } from "./sched/mod.ts";

provideDefaults({ scheduler: earliest(), pathManager: fullMesh(), congestionControl: lia() });

export type { NetAddr } from "./core/net/address.ts";
export { type BufferPath, bufferSize } from "./core/net/buffer_size.ts";
export { MptcpConn, type WriteOptions } from "./core/net/conn.ts";
export {
  emulate,
  type EmulatedPath,
  type EmulateOptions,
  type Emulation,
  type PathChange,
  type PathOptions,
} from "./core/net/emulate.ts";
export {
  type ConnectOptions,
  Host,
  type HostConnection,
  type HostInterface,
  type HostOptions,
  type ListenOptions,
  type Waits,
} from "./core/net/host.ts";
export { type Control, type ControlEvent, serveControl } from "./core/net/control.ts";
export type {
  ConnInfo,
  FallbackReason,
  JoinInfo,
  LastResetInfo,
  MemoryInfo,
  MptcpInfo,
  PolicyNames,
  SubflowInfo,
  TcpInfo,
  TryInfo,
} from "./core/net/info.ts";
export type { Probe } from "./core/subflow/probe.ts";
export type {
  BufferLimit,
  KeepAliveOptions,
  MtuProbing,
  TcpOptions,
} from "./core/net/tcp_options.ts";
export type { MptcpOptions } from "./core/net/mptcp_options.ts";
export { MptcpListener } from "./core/net/listener.ts";
export {
  loadPlugin,
  type LoadPluginOptions,
  type OptionValue,
  type PluginFactory,
  type PluginKind,
  type PluginKinds,
  type PluginModule,
} from "./core/net/load_plugin.ts";
export {
  Network,
  type NetworkDirection,
  type NetworkHostOptions,
  type NetworkLink,
  type NetworkOptions,
} from "./core/net/network.ts";
export type { Policies } from "./core/net/policies.ts";
export type { Resolve } from "./core/net/resolve.ts";
export { type Bridge, bridge, type BridgeOptions } from "./core/link/bridge.ts";
export {
  impair,
  type ImpairedLink,
  type ImpairOptions,
  type LaneCounts,
} from "./core/link/impair.ts";
export { blackhole, type BlackholeOptions } from "./core/link/sim/elements/blackhole.ts";
export { codel, type CodelOptions } from "./core/link/sim/elements/codel.ts";
export { corrupt } from "./core/link/sim/elements/corrupt.ts";
export { delay } from "./core/link/sim/elements/delay.ts";
export { duplicate } from "./core/link/sim/elements/duplicate.ts";
export type {
  Element,
  ElementContext,
  ElementFactory,
  Packet,
} from "./core/link/sim/elements/element.ts";
export { filter } from "./core/link/sim/elements/filter.ts";
export {
  gilbertElliott,
  type GilbertElliottOptions,
} from "./core/link/sim/elements/gilbert_elliott.ts";
export { jitter, type JitterOptions } from "./core/link/sim/elements/jitter.ts";
export { loss } from "./core/link/sim/elements/loss.ts";
export { lossMask, type LossMaskOptions } from "./core/link/sim/elements/loss_mask.ts";
export { mark } from "./core/link/sim/elements/mark.ts";
export { mtu, type MtuOptions } from "./core/link/sim/elements/mtu.ts";
export { queue, type QueueLimit } from "./core/link/sim/elements/queue.ts";
export { rate } from "./core/link/sim/elements/rate.ts";
export {
  rateSchedule,
  type RateScheduleOptions,
  type RateStep,
} from "./core/link/sim/elements/rate_schedule.ts";
export { rateTrace, type RateTraceOptions } from "./core/link/sim/elements/rate_trace.ts";
export { red, type RedOptions } from "./core/link/sim/elements/red.ts";
export { reorder } from "./core/link/sim/elements/reorder.ts";
export type { DirectionCounts, LinkShape } from "./core/link/sim/link.ts";
export {
  acknowledgeAndDrop,
  type AcknowledgeAndDropOptions,
} from "./core/link/sim/middlebox/acknowledge_and_drop.ts";
export { bleachEcn, type BleachEcnOptions } from "./core/link/sim/middlebox/bleach_ecn.ts";
export type { Middlebox } from "./core/link/sim/middlebox/box.ts";
export {
  coalesceSegments,
  type CoalesceSegmentsOptions,
} from "./core/link/sim/middlebox/coalesce.ts";
export { injectReset, type InjectResetOptions } from "./core/link/sim/middlebox/inject_reset.ts";
export { type Nat, nat, type NatOptions } from "./core/link/sim/middlebox/nat.ts";
export { renumber, type RenumberOptions } from "./core/link/sim/middlebox/renumber.ts";
export {
  reorderOptions,
  type ReorderOptionsOptions,
} from "./core/link/sim/middlebox/reorder_options.ts";
export {
  repeatSegments,
  type RepeatSegmentsOptions,
} from "./core/link/sim/middlebox/repeat_segments.ts";
export { rewriteMss } from "./core/link/sim/middlebox/rewrite_mss.ts";
export {
  rewriteOptions,
  type RewriteOptionsOptions,
} from "./core/link/sim/middlebox/rewrite_options.ts";
export {
  rewritePayload,
  type RewritePayloadOptions,
  rewriteRepeats,
} from "./core/link/sim/middlebox/rewrite_payload.ts";
export { rewriteWindowScale } from "./core/link/sim/middlebox/rewrite_window_scale.ts";
export type { SeenSegment } from "./core/link/sim/middlebox/segment.ts";
export type {
  MptcpOptionName,
  OptionSelection,
  SegmentKind,
  SegmentSelection,
} from "./core/link/sim/middlebox/select.ts";
export { splitSegments, type SplitSegmentsOptions } from "./core/link/sim/middlebox/split.ts";
export {
  dropSegments,
  type DropSegmentsOptions,
  stripOptions,
  type StripOptionsOptions,
} from "./core/link/sim/middlebox/strip_options.ts";
export { synProxy, type SynProxyOptions } from "./core/link/sim/middlebox/syn_proxy.ts";
export { tcpProxy, type TcpProxyOptions } from "./core/link/sim/middlebox/tcp_proxy.ts";
export {
  dumbbell,
  type DumbbellOptions,
  fatTree,
  type FatTreeOptions,
  type Plan,
  type PlannedLink,
} from "./core/link/sim/plan.ts";
export type { Shape, ShapeChange } from "./core/link/sim/shape.ts";
export type { Trace, TraceEvent, TraceRecord } from "./core/link/sim/trace.ts";
export type { Duration, Rate } from "./core/link/units.ts";
export { tun, type TunLink, type TunOptions } from "./core/link/tun/tun.ts";
export { udp, type UdpLink, type UdpOptions, type UdpPeer } from "./core/link/udp/udp.ts";
export type { Experiments } from "./core/connection/host.ts";
export type { HostDriver, HostTimer, Link, PollSource } from "./core/host/link.ts";
export type { PacketIn, PacketOut } from "./core/wire/packet.ts";
export type { FaultReport, FaultRule, PluginFault } from "./core/guard/faults.ts";
export {
  balia,
  bbr,
  bbr3,
  coupled,
  coupledBbr,
  dctcp,
  ewtcp,
  olia,
  reno,
  semiCoupled,
  wvegas,
} from "./cc/mod.ts";
export { cubic, fullMesh, lia };
export * from "./pm/mod.ts";
export * from "./sched/mod.ts";
export type * from "./core/plugin.ts";
