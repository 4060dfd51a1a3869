/** Falling back to plain TCP (RFC 8684 §3.7): one subflow, its sequence space is the data's. */

import { f64, receiver_map, u32 } from "../../wasm/mod.ts";
import {
  OPTION_MPTCP,
  OPTION_SACK,
  RECEIVER_MAPPINGS,
  RECEIVER_STAGED,
  RX_LENGTH,
  RX_OPTIONS,
  SEGMENT_ADVANCED,
  SEGMENT_STAGED,
} from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import { reset } from "../subflow/close.ts";
import { updateMss } from "../subflow/send.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { RST_MIDDLEBOX } from "../wire/mptcp.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { afterReceive } from "./reassembly.ts";
import { dataAcknowledged } from "./reinject.ts";

/** How long bytes without a mapping wait for one: longer than a part of a segment takes to be sent again. */
const MAPPING_WAIT: Micros = 500e3;

/** Length of a mapping without end. */
const INFINITE = 2 ** 52;

/** From now on, and from data offset = sequence offset, both directions are plain TCP on `subflow`. Idempotent. */
export function startFallback(meta: MetaSocket, subflow: Subflow): void {
  if (!meta.fallback) {
    meta.fallback = true;
    meta.mappingFlags = 0;
    meta.dataAckFlags = 0;
    if (meta.capable) meta.host.releaseToken(meta.token);
    for (const other of [...meta.attempts]) {
      if (other !== subflow) reset(other, RST_MIDDLEBOX, meta.host.now);
    }
    meta.retransmitQueue.release(Infinity);
    meta.dataRetransmitAt = Infinity;
    if (meta.finOffset >= 0 && meta.dataNxt > meta.finOffset && !meta.finAcked) {
      // The DATA_FIN was not heard, or not heeded: the FIN takes its place.
      meta.dataNxt = meta.finOffset;
      meta.dirty();
    }
  }
  if (subflow.receiver === 0) return;
  receiver_map(subflow.receiver, 1, 1, INFINITE, -1, meta.dataLimit);
  updateMss(subflow);
  // What has been acknowledged so far was without a DATA_ACK.
  if (meta.established) fallbackAcknowledged(meta, subflow, meta.host.now);
}

/** Whether `subflow` has carried everything so far, once, at data offset = sequence offset: only then the two spaces can become one. */
export function mayFallBack(meta: MetaSocket, subflow: Subflow): boolean {
  return !subflow.join && meta.subflowsTotal <= 1 && meta.repeated === 0;
}

/** Whether no DATA_ACK has told yet that our data arrives with its options. */
function unproved(meta: MetaSocket, subflow: Subflow): boolean {
  return meta.dataUna === 1 && mayFallBack(meta, subflow);
}

/**
 * Falls back where a segment in RX_* without MPTCP options shows that the path, or the peer, takes them away (RFC 8684 §3.7): it comes right after the
 * handshake, or acknowledges the first data without a DATA_ACK. One that may have given way to SACK blocks tells nothing.
 */
export function missOptions(meta: MetaSocket, subflow: Subflow): void {
  if (!unproved(meta, subflow) || (u32[RX_OPTIONS]! & OPTION_SACK) !== 0) return;
  if (subflow.sndUna <= 1 && (meta.confirmed || u32[RX_LENGTH]! === 0)) return;
  const first = !meta.confirmed && meta.role === "server";
  meta.host.count(first ? "MPCapableDataFallback" : "DssFallback");
  startFallback(meta, subflow);
}

/**
 * Notes that data in order came without a mapping and without any MPTCP option: perhaps the peer, which has to send mappings until it sees a DATA_ACK,
 * fell back as it saw ours without. Linux does that without the infinite mapping that would tell. Or a middlebox has split a segment and left the
 * mapping on the part that is still to come. `bits` is what became of the segment.
 */
export function missMapping(meta: MetaSocket, subflow: Subflow, bits: number, now: Micros): void {
  const unmapped = (bits & SEGMENT_STAGED) !== 0 && (bits & SEGMENT_ADVANCED) !== 0 &&
    (u32[RX_OPTIONS]! & OPTION_MPTCP) === 0;
  if (!unmapped || meta.unmappedAt !== Infinity || !unproved(meta, subflow)) return;
  meta.unmappedAt = now + MAPPING_WAIT;
  meta.rearm();
}

/** No mapping will come any more for bytes that still want one: they are plain TCP's. */
export function mappingMissed(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const { record } = subflow;
  const unmapped = meta.unmappedAt !== Infinity && f64[record + RECEIVER_STAGED]! > 0 &&
    f64[record + RECEIVER_MAPPINGS] === 0;
  meta.unmappedAt = Infinity;
  if (!unmapped || !unproved(meta, subflow)) return;
  meta.host.count("DssFallback");
  startFallback(meta, subflow);
  afterReceive(meta, subflow, now);
}

/** Takes what the subflow's own acknowledgements tell for DATA_ACK and window. */
export function fallbackAcknowledged(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  if (subflow.sndUna < 1) return;
  dataAcknowledged(meta, subflow.sndUna, subflow.sndUna + subflow.sndWnd, now);
}
