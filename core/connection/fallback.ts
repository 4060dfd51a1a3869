/** Falling back to plain TCP (RFC 8684 §3.7): one subflow, its sequence space is the data's. */

import { SEGMENT_ADVANCED, SEGMENT_STAGED } from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { RST_MIDDLEBOX } from "../wire/mptcp.ts";
import { rx } from "../wire/segment.ts";
import { TIMER_UNMAPPED } from "./data_timer.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { type Mode, TCP } from "./mode.ts";

/** How long bytes without a mapping wait for one: longer than a part of a segment takes to be sent again. */
const MAPPING_WAIT: Micros = 500e3;

/** Length of a mapping without end. */
const INFINITE = 2 ** 52;

/** From now on both directions go without mappings on `subflow`. Idempotent. */
export function startFallback(
  meta: MetaSocket,
  subflow: Subflow,
  now: Micros,
  mode: Mode = TCP,
): void {
  if (!meta.fallback) meta.leaveMptcp(mode, subflow, RST_MIDDLEBOX, now);
  if (!subflow.receiver.started) return;
  const shift = meta.mode.kind === "infinite" ? meta.mode.rx : 0;
  subflow.receiver.map(1 + shift, 1, INFINITE, -1, meta.receiveQueue.limit);
  subflow.output.resize();
  // What has been acknowledged so far was without a DATA_ACK.
  if (meta.established) fallbackAcknowledged(meta, subflow, now);
}

/** Whether `subflow` has carried everything so far, once, at data offset = sequence offset: only then the two spaces can become one. */
export function mayFallBack(meta: MetaSocket, subflow: Subflow): boolean {
  return !subflow.join && meta.subflowsTotal <= 1 && meta.repeated === 0;
}

/** Whether no DATA_ACK has told yet that our data arrives with its options. */
function unproved(meta: MetaSocket, subflow: Subflow): boolean {
  return subflow.trust.out === "unproved" && mayFallBack(meta, subflow);
}

/**
 * Falls back where a segment in `rx` without MPTCP options shows that the path, or the peer, takes them away (RFC 8684 §3.7): it comes right after the
 * handshake, or acknowledges the first data without a DATA_ACK. One that may have given way to SACK blocks tells nothing.
 */
export function missOptions(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  if (!unproved(meta, subflow) || rx.sacks > 0) return;
  if (subflow.sender.board.una <= 1 && (meta.confirmed || rx.length === 0)) return;
  const first = !meta.confirmed && meta.role === "server";
  meta.host.count(first ? "MPCapableDataFallback" : "DssFallback");
  startFallback(meta, subflow, now);
}

/**
 * Notes that data in order came without a mapping and without any MPTCP option: perhaps the peer, which has to send mappings until it sees a DATA_ACK,
 * fell back as it saw ours without. Linux does that without the infinite mapping that would tell. Or a middlebox has split a segment and left the
 * mapping on the part that is still to come. `bits` is what became of the segment.
 */
export function missMapping(meta: MetaSocket, subflow: Subflow, bits: number, now: Micros): void {
  const unmapped = (bits & SEGMENT_STAGED) !== 0 && (bits & SEGMENT_ADVANCED) !== 0 &&
    !rx.hasMptcp;
  const waiting = meta.deadlines.has(TIMER_UNMAPPED);
  if (!unmapped || waiting || !unproved(meta, subflow)) return;
  meta.deadlines.set(TIMER_UNMAPPED, now + MAPPING_WAIT);
  meta.dirty();
}

/** Bytes on `subflow` wanted a mapping, and none will come any more: they are plain TCP's. */
export function mappingMissed(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const { staged, mappings } = subflow.receiver;
  if (staged === 0 || mappings > 0 || !unproved(meta, subflow)) return;
  meta.host.count("DssFallback");
  startFallback(meta, subflow, now);
  meta.afterReceive(subflow, now);
}

/** Takes what the subflow's own acknowledgements tell for DATA_ACK and window. */
export function fallbackAcknowledged(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const { board, window } = subflow.sender;
  if (board.una < 1) return;
  const shift = meta.mode.kind === "infinite" ? meta.mode.tx : 0;
  const offset = board.una + shift;
  meta.dataAcknowledged(offset, offset + window.size, now);
}
