/** Ending a connection: DATA_FIN, subflow FINs, MP_FASTCLOSE (RFC 8684 §3.3.3, §3.5; draft §3.6). */

import type { Micros } from "../plugin.ts";
import { leave, reset, wantFin } from "../subflow/close.ts";
import type { LeaveReason } from "../subflow/owner.ts";
import { sendReset } from "../subflow/send.ts";
import { ESTABLISHED, type Subflow, TIME_WAIT } from "../subflow/subflow.ts";
import {
  clearOptions,
  MP_FASTCLOSE,
  MP_TCPRST,
  optionAt,
  RST_UNSPECIFIED,
  writeFastclose,
} from "../wire/mptcp.ts";
import type { NetworkCode } from "./host.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { mappingMissed } from "./fallback.ts";
import { closesFast } from "./options.ts";
import { forgetCarrier, reinjectFrom } from "./reinject.ts";

/** How long a connection without subflows waits for new ones (Linux net.mptcp.close_timeout). */
const CLOSE_TIMEOUT: Micros = 60e6;

/** No more is written: DATA_FIN takes its place behind what waits (IMP-3: no FIN while the queue holds data). */
export function finishWriting(meta: MetaSocket): void {
  if (meta.finOffset >= 0 || meta.closed) return;
  meta.finOffset = meta.tail;
  meta.closedSecond = meta.peerFinished;
  meta.dirty();
}

/** The application lets go. */
export function closeConnection(meta: MetaSocket, now: Micros): void {
  if (meta.appClosed) return;
  meta.appClosed = true;
  if (meta.closed) {
    if (meta.attempts.length === 0) remove(meta);
  } else if (!meta.established) {
    endAll(meta, null, now);
  } else if (meta.readable > 0) {
    abortConnection(meta, null, now);
  } else {
    finishWriting(meta);
    // A peer that never ends its direction, or takes nothing, holds the connection no longer than this.
    if (!meta.closed) armClose(meta, now);
  }
}

function armClose(meta: MetaSocket, now: Micros): void {
  meta.closeAt = now + (meta.host.experiments.closeTimeout ?? CLOSE_TIMEOUT);
  meta.closeUna = meta.dataUna;
  meta.rearm();
}

/** MP_FASTCLOSE as RSTs on every subflow (RFC 8684 §3.5, option R). */
export function abortConnection(meta: MetaSocket, code: NetworkCode | null, now: Micros): void {
  if (meta.closed) return;
  if (!meta.fallback && meta.established) {
    // First of all, so that no path is opened in place of those that end.
    finishConnection(meta, code);
    meta.host.count("MPFastcloseTx");
    for (const subflow of [...meta.attempts]) {
      if (subflow.state < ESTABLISHED || subflow.state === TIME_WAIT) continue;
      clearOptions();
      writeFastclose(meta.remoteKey);
      sendReset(subflow, now);
      leave(subflow, "aborted", now);
    }
  }
  endAll(meta, code, now);
}

/** Ends every subflow with a RST, and the connection. */
export function endAll(meta: MetaSocket, code: NetworkCode | null, now: Micros): void {
  finishConnection(meta, code);
  for (const subflow of [...meta.attempts]) reset(subflow, RST_UNSPECIFIED, now);
  if (meta.appClosed) remove(meta);
}

/** Both directions are done: the subflows close in order (draft TRM-5, the safe variant). */
export function maybeClosed(meta: MetaSocket, now: Micros): void {
  if (meta.closed || !meta.finAcked || !meta.peerFinished) return;
  finishConnection(meta, null);
  if (!meta.fallback) { for (const subflow of [...meta.attempts]) wantFin(subflow, now); }
  meta.dirty();
  if (meta.appClosed && meta.attempts.length === 0) remove(meta);
}

/** Nothing more will come or go at the data level. */
function finishConnection(meta: MetaSocket, code: NetworkCode | null): void {
  if (meta.closed) return;
  meta.closed = true;
  meta.code = code;
  meta.tellClosed = true;
  meta.tellReadable = true;
  meta.dataRetransmitAt =
    meta.persistAt =
    meta.closeAt =
    meta.wakeAt =
    meta.unmappedAt =
      Infinity;
  meta.paths.stop();
  if (meta.capable && !meta.fallback) meta.host.releaseToken(meta.token);
  meta.rearm();
  meta.dirty();
}

/** The peer's FIN on a subflow: the end of the data on plain TCP, the end of this subflow otherwise. */
export function subflowFin(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  mappingMissed(meta, subflow, now);
  if (meta.fallback) {
    meta.peerFinished = true;
    meta.tellReadable = true;
    maybeClosed(meta, now);
  } else {
    // The peer takes nothing on it any more: what it carries goes elsewhere, and our FIN follows.
    subflow.usable = false;
    if (!meta.closed) reinjectFrom(meta, subflow);
    wantFin(subflow, now);
  }
  meta.dirty();
}

const CODES: Record<LeaveReason, NetworkCode | null> = {
  closed: null,
  refused: "ConnectionRefused",
  reset: "ConnectionReset",
  timeout: "TimedOut",
  aborted: "ConnectionAborted",
  unreachable: "NetworkUnreachable",
};

/** A subflow is gone: what it carried goes again at once (draft SQ-5; RFC 8684 §3.3.6). */
export function subflowLeft(
  meta: MetaSocket,
  subflow: Subflow,
  reason: LeaveReason,
  now: Micros,
): void {
  const index = meta.subflows.indexOf(subflow);
  const byPeer = reason === "reset" || reason === "refused";
  if (byPeer && optionAt(MP_TCPRST) !== 0) meta.host.count("MPRstRx");
  const fast = reason === "reset" && optionAt(MP_FASTCLOSE) !== 0 && !meta.fallback &&
    closesFast(meta, optionAt(MP_FASTCLOSE));
  if (index >= 0) {
    if (!meta.closed) reinjectFrom(meta, subflow);
    meta.subflows.splice(index, 1);
    forgetCarrier(meta, subflow);
    meta.congestion.leave?.(subflow);
  }
  const attempt = meta.attempts.indexOf(subflow);
  if (attempt >= 0) meta.attempts.splice(attempt, 1);
  if (fast && !meta.closed) endAll(meta, "ConnectionReset", now);
  meta.subflowChanged(subflow, "left", reason);
  if (meta.closed) {
    if (meta.appClosed && meta.attempts.length === 0) remove(meta);
    return;
  }
  if (!meta.established || meta.fallback) {
    if (meta.attempts.length === 0) endAll(meta, CODES[reason], now);
  } else if (meta.attempts.length === 0 && byPeer && index < 0 && onlyEndOpen(meta)) {
    // A peer that refuses a join now has ended the connection: its DATA_ACK of our DATA_FIN has been lost.
    endAll(meta, null, now);
  } else if (meta.attempts.length === 0) {
    // Break before make (RFC 8684 §3.3.3): others may still join, for a while.
    if (meta.appClosed && (meta.finAcked || (meta.unacked === 0 && meta.unsent === 0))) {
      endAll(meta, CODES[reason], now);
    } else {
      // A join that came to nothing neither says why the connection is without subflows, nor gives it more time.
      if (index >= 0) meta.lastReason = CODES[reason] ?? "ConnectionReset";
      if (index >= 0 || meta.closeAt === Infinity) armClose(meta, now);
    }
  }
  meta.dirty();
}

/** Whether all data of both sides have arrived, and of our DATA_FIN alone that is not known. */
function onlyEndOpen(meta: MetaSocket): boolean {
  return meta.peerFinished && meta.finOffset >= 0 && meta.dataUna === meta.finOffset;
}

/** A connection without subflows, or one that the application left, has waited long enough. */
export function closeTimeout(meta: MetaSocket, now: Micros): void {
  if (meta.closed) return;
  if (meta.attempts.length === 0) endAll(meta, onlyEndOpen(meta) ? null : meta.lastReason, now);
  else if (meta.finAcked || meta.dataUna === meta.closeUna) abortConnection(meta, null, now);
  // The peer goes on taking what was written.
  else armClose(meta, now);
}

/** Gives everything back. */
export function remove(meta: MetaSocket): void {
  if (meta.removed) return;
  meta.removed = true;
  meta.host.timers.arm(meta, Infinity);
  meta.buffers.free();
  meta.host.closed(meta);
}

/** States of the data level (RFC 8684 appendix D, without the M_ of its names). */
export type DataState =
  | "CLOSED"
  | "SYN"
  | "ESTAB"
  | "FIN_WAIT_1"
  | "FIN_WAIT_2"
  | "CLOSING"
  | "CLOSE_WAIT"
  | "LAST_ACK"
  | "TIME_WAIT";

/** The state that follows from which DATA_FINs were sent, acknowledged and received. */
export function stateOf(meta: MetaSocket): DataState {
  if (meta.closed) return meta.code === null && meta.finished ? "TIME_WAIT" : "CLOSED";
  if (!meta.established) return "SYN";
  if (meta.finOffset < 0) return meta.peerFinished ? "CLOSE_WAIT" : "ESTAB";
  if (meta.finAcked) return meta.peerFinished ? "TIME_WAIT" : "FIN_WAIT_2";
  if (!meta.peerFinished) return "FIN_WAIT_1";
  return meta.closedSecond ? "LAST_ACK" : "CLOSING";
}
