/**
 * What a path that spoils MPTCP leads to (RFC 8684 §3.7): its subflow is reset where another one lives; the only one there ever was goes on as plain
 * TCP, its sequence space being the data's; else the connection ends with an error. Here is also how it is found out.
 */

import { SEGMENT_MEMORY } from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { MP_CAPABLE, RST_MIDDLEBOX, RST_RESOURCE } from "../wire/mptcp.ts";
import { rx } from "../wire/segment.ts";
import { fromWire } from "../wire/seq.ts";
import { TIMER_UNMAPPED } from "./data_timer.ts";
import type { EndReason } from "./host.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { type Mode, TCP } from "./mode.ts";
import type { Sent } from "./send_queue.ts";

/** How long bytes in order wait for a mapping: longer than a part of a segment takes to be sent again. */
const MAPPING_WAIT: Micros = 500e3;

/** Length of a mapping without end. */
const INFINITE = 2 ** 52;

/** Questions that the peer answers without heeding the DATA_FINs beside them, before something else takes their place though none is known to have arrived. */
const DATA_FINS = 3;

/**
 * Times that our DATA_FIN has gone again before it is asked about where nothing can take its place: minutes; as many more where no timestamp tells what has
 * arrived, so that a peer of which nothing else is heard has been given up by then.
 */
const UNHEEDED = 8;
/** Those known to have arrived that end it, or questions behind them that were answered: so many DATA_FINs were not all lost. */
const ARRIVED = 8;

/** Data-level timeouts, each with a question that the peer answers, before what it has room for and does not take counts as dropped: most of a minute. */
const UNTAKEN = 8;

/** From now on both directions go without mappings on `subflow`. Idempotent. An infinite mapping counts from the sequence offset `from` on. */
export function startFallback(
  meta: MetaSocket,
  subflow: Subflow,
  now: Micros,
  mode: Mode = TCP,
  from = 1,
): void {
  // RFC 8684 §3.7: "Once MPTCP falls back to regular TCP, it MUST NOT revert to MPTCP later in the connection."
  // RFC 8684 §6: "If this is dropped, MPTCP SHOULD fall back to regular TCP."
  if (!meta.fallback) meta.leaveMptcp(mode, subflow, RST_MIDDLEBOX, now);
  else if (meta.awaitsInfinite) meta.mapped(mode);
  const { receiver } = subflow;
  if (!receiver.started) return;
  subflow.sender.resize();
  const shift = receiveShift(meta);
  if (shift === null) {
    fallbackAcknowledged(meta, subflow, now);
    return;
  }
  // No checksum counts any more (RFC 8684 §3.7, "data can be altered by a middlebox without affecting MPTCP").
  receiver.forgetMappings(0);
  // What lies before an infinite mapping of other data goes where all has been received.
  if (from > 1) receiver.map(1 - from, 1, from - 1, -1, meta.receiveQueue.limit);
  // What has waited for a mapping may be more than the window: it was acknowledged, and is kept.
  const limit = Math.max(meta.receiveQueue.limit, receiver.end + shift);
  // Without memory for it what comes would be acknowledged, and wait for ever.
  if (receiver.map(from + shift, from, INFINITE, -1, limit) & SEGMENT_MEMORY) {
    meta.reset(subflow, RST_RESOURCE, now);
    return;
  }
  // What was acknowledged on the subflow and is nowhere was dropped for want of a place: nobody will send it again.
  if (meta.receiveQueue.next + receiver.staged < receiver.end + shift) {
    meta.giveUp(subflow, RST_MIDDLEBOX, "bytes-miscounted", now);
    return;
  }
  if (!meta.established) return;
  meta.afterReceive(subflow, now);
  // Our DATA_FIN has come through, a FIN says it again.
  if (meta.finAcked) subflow.finish(now);
  // What has been acknowledged so far was without a DATA_ACK.
  fallbackAcknowledged(meta, subflow, now);
}

/** Data offset less sequence offset of what comes on plain TCP; null: an infinite mapping has not told yet. */
function receiveShift({ mode }: MetaSocket): number | null {
  return mode.kind === "infinite" ? mode.rx : 0;
}

/**
 * Whether `subflow` has carried everything so far, once, at data offset = sequence offset: only then the two spaces can become one, and whoever has to
 * guess where bytes without a mapping belong cannot be wrong (RFC 8684 §3.7, "the first subflow and thus all data in flight is contiguous").
 */
function carriesAll(meta: MetaSocket, subflow: Subflow): boolean {
  return !subflow.join && meta.alone && meta.repeated === 0 && subflow.trust.straight;
}

/** Whether `subflow` can go on as plain TCP. Not while it is left: our FIN, that of a path, would be the end of the data. */
export function mayFallBack(meta: MetaSocket, subflow: Subflow): boolean {
  return !subflow.leaving && carriesAll(meta, subflow);
}

/** `subflow` does not let MPTCP through, or not any more. Nothing is done while a join decides what is left to do: what told this comes again. */
export function interfered(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  if (meta.over || meta.fallback || subflow.ended !== null) return;
  // What the peer was told of by MP_FAIL has a time limit of its own.
  if (meta.damage !== null && meta.damage.found >= 0) return;
  // RFC 8684 §3.7: "the subflow SHOULD be treated as broken and closed with a RST, since no data can be delivered to the application layer"
  // RFC 8684 §3.7: "This RST SHOULD include the MP_TCPRST option (Section 3.6) with a 'Middlebox interference' reason code."
  if (!mayFallBack(meta, subflow)) spoilt(meta, subflow, "options-removed", now);
  else if (meta.pendingJoins === 0) fallBack(meta, subflow, now);
}

function fallBack(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  meta.host.count("DssFallback");
  startFallback(meta, subflow, now);
}

/** `subflow` can go on neither with MPTCP nor without. */
export function spoilt(
  meta: MetaSocket,
  subflow: Subflow,
  reason: EndReason,
  now: Micros,
  rst = RST_MIDDLEBOX,
): void {
  if (meta.mayReplace(subflow)) return meta.replace(subflow, now);
  meta.host.count("FallbackFailed");
  meta.giveUp(subflow, rst, reason, now);
}

/**
 * A segment in `rx` without MPTCP options tells that the path, or the peer, takes them away (RFC 8684 §3.7), when it brings the first data after the
 * handshake, or acknowledges the first data without a DATA_ACK. One that may have given way to SACK blocks tells nothing. False when that ended the subflow.
 */
export function missOptions(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  const { trust, sender } = subflow;
  if (meta.over || rx.sacks > 0) return true;
  // RFC 8684 §3.1: "If this option is not present, the connection SHOULD fall back to regular TCP, as documented in Section 3.7."
  if (!meta.confirmed && !subflow.join && rx.length > 0 && mayFallBack(meta, subflow)) {
    meta.host.count(meta.role === "server" ? "MPCapableDataFallback" : "DssFallback");
    startFallback(meta, subflow, now);
    // RFC 8684 §3.7: "the host MUST close the subflow with a RST, which SHOULD contain an MP_TCPRST option"
    // RFC 8684 §3.7: "before any additional subflows are added, the implementation MUST drop out of MPTCP mode and fall back to regular TCP"
  } else if (trust.out === "unproved" && sender.board.una > 1 && sender.bytesSent > 0) {
    interfered(meta, subflow, now);
  }
  return subflow.ended === null;
}

/**
 * Looks whether the bytes in order on `subflow` are all mapped. Where they are not, a middlebox may have split a segment and left the mapping on the part
 * that is still to come, so they wait a while. Only the first data of a client must have a mapping of their own (RFC 8684 §3.1): without it they were
 * sent before MPTCP was agreed on, in the SYN, and do not belong to the data sequence space (appendix B.2).
 */
export function auditMappings(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const { trust, receiver } = subflow;
  const since = trust.audit(receiver.nxt, now);
  if (since === Infinity) return;
  // RFC 8684 §3.3.1: "Implementations MAY hold onto such unmapped data for a short while"
  const early = meta.role === "server" && trust.mapped === 1 && rx.hasMptcp &&
    !(rx.hasDss && rx.hasMapping) && rx.option(MP_CAPABLE) === 0;
  if (early && mayFallBack(meta, subflow)) {
    meta.host.count("MPCapableDataFallback");
    startFallback(meta, subflow, now);
  } else if (!meta.deadlines.has(TIMER_UNMAPPED)) {
    meta.deadlines.set(TIMER_UNMAPPED, since + MAPPING_WAIT);
    meta.dirty();
  }
}

/** Bytes in order have waited for a mapping: none will come any more. */
export function mappingsMissed(meta: MetaSocket, now: Micros): void {
  let next = Infinity;
  for (const subflow of meta.subflows) {
    if (meta.fallback || subflow.ended !== null) continue;
    const due = subflow.trust.unmappedSince + MAPPING_WAIT;
    if (due <= now) interfered(meta, subflow, now);
    if (subflow.ended === null) next = Math.min(next, due <= now ? now + MAPPING_WAIT : due);
  }
  meta.deadlines.set(TIMER_UNMAPPED, meta.fallback ? Infinity : next);
}

/**
 * The peer's FIN ends `subflow`, which still speaks MPTCP. Bytes without a mapping get none any more. On the only subflow, a FIN without any option is
 * that of a peer that has fallen back, and so the end of its data; or options are lost on the way, and with them whatever it says of ours.
 */
export function finWithoutOptions(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const { trust, receiver } = subflow;
  const unmapped = receiver.end > trust.mapped;
  if (!unmapped && !trust.bareFin) return;
  const only = carriesAll(meta, subflow);
  if (only && (subflow.leaving || !trust.bareFin)) {
    // The answer to our FIN, or that of a peer that speaks MPTCP: not the end of its data, which go on elsewhere if they can.
    if (unmapped) spoilt(meta, subflow, "options-removed", now);
    // Whoever falls back has given up its joins.
  } else if (only) fallBack(meta, subflow, now);
  else if (unmapped) interfered(meta, subflow, now);
  else meta.charge(subflow, "options-removed");
}

/** The peer's FIN on plain TCP: false when the bytes before it are not those that there must be. */
export function finAddsUp(meta: MetaSocket, subflow: Subflow): boolean {
  const { next, theirs } = meta.receiveQueue;
  const shift = receiveShift(meta);
  return shift !== null && next === subflow.receiver.end + shift &&
    (theirs.kind === "open" || theirs.fin === next);
}

/**
 * A DSS in `rx` after the fallback: of a peer that does not know yet. While what it maps lies where plain TCP puts it too, both agree; where it repeats
 * at the data level, or ends before what has come, the application would get bytes twice. False when that ended the connection.
 */
export function heedLateDss(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  const { high, low } = meta.keys.peer;
  // A DATA_FIN has no sequence number of its own: that it is not heeded tells its sender.
  if (rx.hasMapping && rx.dataFin) subflow.needAck();
  if (meta.over || !rx.hasMapping || meta.mode.kind !== "tcp" || (high === 0 && low === 0)) {
    return true;
  }
  const { nxt, end } = subflow.receiver;
  const dsn = rx.dsn(meta.remoteIdsn, meta.receiveQueue.next);
  const bytes = rx.dataFin ? rx.dataLength - 1 : rx.dataLength;
  if (!(dsn >= 0) || bytes < 0) return true;
  const shifted = bytes > 0 && dsn !== fromWire(rx.ssn, 0, nxt);
  if (shifted || (rx.dataFin && dsn + bytes < end)) {
    meta.host.count("DSSNoMatchTCP");
    meta.giveUp(subflow, RST_MIDDLEBOX, "options-removed", now);
    return false;
  }
  return true;
}

/**
 * The oldest byte, at `una` in `oldest`, was not DATA_ACKed in time, and no subflow has it in flight: whether it may go again. A middlebox that
 * acknowledges and drops is outdone by that (RFC 8684 §3.3.6). One that takes options away is not: there a second copy would be taken for new data by a
 * peer that goes on without mappings. While that may be, only what the peer itself says it lacks goes again on the same subflow. What it says it has is
 * waited for, and asked about: it may have no mapping for it, and will fall back itself; or no room, as Linux leaves on the subflow what its program is
 * slow to read. Falling back before it would put the two ends into different modes. Where it goes on with MPTCP for long, and has room, it has dropped
 * them, as it was short of memory: RFC 8684 §3.3.2 lets it until they are DATA_ACKed.
 */
export function mayRepair(meta: MetaSocket, oldest: Sent, una: number, now: Micros): boolean {
  let repair = true;
  for (const subflow of meta.subflows) {
    if (subflow.ended !== null) continue;
    const seq = oldest.doneOn(subflow, una);
    // The peer of a join that never came to be may have fallen back, although we may not.
    const only = mayFallBack(meta, subflow) || (!subflow.join && !meta.joinedOnce);
    if (seq < 0) {
      // It goes again as the subflow's own bytes: a copy beside them would count as new ones.
      if (only) repair = false;
      continue;
    }
    const testimony = subflow.trust.testimony(seq);
    if (testimony === "mute") interfered(meta, subflow, now);
    if (meta.fallback || meta.over) return false;
    const { trust, sender } = subflow;
    const untaken = testimony === "kept" && trust.answered && sender.window.size > 0 &&
      meta.timer.timeouts > UNTAKEN;
    if (only && testimony !== "lacking" && !untaken) repair = false;
    if (testimony === "lacking" || untaken || (testimony === "kept" && !only)) continue;
    subflow.trust.ask(true);
    subflow.probe(now);
    if (!meta.othersThan(subflow)) repair = false;
  }
  return repair;
}

/** Our DATA_FIN was not DATA_ACKed in time: whether it may go again. `tries`: how often it went before. */
export function mayRepeatFin(meta: MetaSocket, tries: number, now: Micros): boolean {
  for (const subflow of meta.subflows) {
    const { trust } = subflow;
    if (!subflow.usable) continue;
    // The first time may have gone into a silence, which ends with anything that comes: of that the peer cannot have heeded any.
    const heedable = tries > 1 && !meta.sendQueue.finShut;
    const unheeded = heedable && trust.answered && trust.finUnheeded(DATA_FINS);
    if (trust.mute || (unheeded && mayFallBack(meta, subflow))) interfered(meta, subflow, now);
    if (meta.fallback || meta.over) return false;
    if (subflow.ended !== null) continue;
    trust.ask(false);
  }
  return true;
}

/**
 * The peer is asked on every subflow whether its window is still closed. What it has answered without options since it was asked before allows nothing (RFC
 * 8684 §3.3.1: "The receive window is relative to the DATA_ACK."), and nothing else would be heard there.
 */
export function askForWindow(meta: MetaSocket, now: Micros): void {
  for (const subflow of meta.subflows) {
    // Before the third ACK a segment without options would end MPTCP; the SYN/ACK asks as well.
    if (!subflow.usable || subflow.early) continue;
    if (subflow.trust.mute) interfered(meta, subflow, now);
    if (meta.over) return;
    if (subflow.ended !== null) continue;
    subflow.trust.ask(true);
    subflow.probe(now);
  }
}

/**
 * Our DATA_FIN has gone again on `subflow`: who does not see it, as it travels on pure ACKs alone, answers a probe. So would a server that still waits
 * for the keys, without options. It goes behind the probe, too: where one of the two is lost the answer does not tell of a peer that sees neither. That one
 * has arrived is told by the echo of its timestamp: a probe, from before RCV.NXT, leaves none (RFC 7323 §5.3).
 */
export function probeBesideFin(
  meta: MetaSocket,
  subflow: Subflow,
  fin: number,
  tries: number,
  now: Micros,
): void {
  const replaceable = mayFallBack(meta, subflow);
  // Where no echo tells what has arrived, an answer may only put off the user timeout.
  const unheeded = subflow.timestamps.on ? UNHEEDED : 2 * UNHEEDED;
  const asks = replaceable ? tries > 0 : meta.timer.repeats >= unheeded;
  if (!asks || !meta.confirmed) return;
  subflow.trust.ask(true);
  if (!meta.sendQueue.finShut) subflow.trust.besideFin(now);
  subflow.probe(now);
  if (replaceable) subflow.repeatDataFin(fin, now);
}

/**
 * Whether a peer that goes on with MPTCP has got our DATA_FIN, again and again, and never heeds it, or answers what goes behind that: it wants for neither
 * room nor a reader. Something on every path drops the bare ACKs that it travels on, or strips them of their options; a FIN in its place would be that of a path.
 */
export function finUnseen(meta: MetaSocket): boolean {
  let arrived = 0;
  let unheeded = 0;
  for (const subflow of meta.subflows) {
    if (mayFallBack(meta, subflow)) return false;
    arrived += subflow.trust.finsArrived;
    unheeded = Math.max(unheeded, subflow.trust.finsUnheeded);
  }
  return arrived >= ARRIVED || unheeded >= ARRIVED;
}

/**
 * Takes what the subflow's own acknowledgements tell for DATA_ACK and window.
 *
 * RFC 8684 §3.7: "After a sender signals an infinite mapping, it MUST only use subflow ACKs to clear its send buffer."
 */
export function fallbackAcknowledged(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  const { board, window } = subflow.sender;
  if (board.una < 1) return;
  const shift = meta.mode.kind === "infinite" ? meta.mode.tx : 0;
  const offset = board.una + shift;
  meta.dataAcknowledged(offset, offset + window.size, now);
}
