/** A path that comes back with more to repeat than it is worth: it is reset and opened anew (RFC 8684 §3.6, reason 4). */

import type { Micros } from "../plugin.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { RST_OUTSTANDING } from "../wire/mptcp.ts";
import type { MetaSocket } from "./meta_socket.ts";

/** Bytes that `subflow` has still to bring to the peer though that has DATA_ACKed them: they went over others meanwhile. */
function needless(meta: MetaSocket, subflow: Subflow): number {
  const { board } = subflow.sender;
  const { una } = meta.sendQueue;
  let bytes = 0;
  for (let serial = board.firstChunk; serial < board.nextChunk; serial++) {
    const from = board.dataStart(serial);
    const to = Math.min(board.dataEnd(serial), una);
    if (from < to) bytes += to - from;
  }
  return Math.min(bytes, board.nxt - board.una - board.sacked);
}

/**
 * `subflow`, which was stale, is answered again. RFC 8684 §3.6, "there is an excessive amount of data that needs to be transmitted over the terminated subflow
 * while having already been acknowledged over one or more other subflows", excessive being half of what the send buffer holds: it cannot be given back
 * before. Only who opened a path can open it again. True when it was reset.
 */
export function startAnew(meta: MetaSocket, subflow: Subflow, now: Micros): boolean {
  if (meta.fallback || meta.over || !subflow.active || subflow.leaving) return false;
  if (!meta.subflows.some((other) => other !== subflow && other.usable && !other.stale)) {
    return false;
  }
  if (needless(meta, subflow) < meta.sendQueue.limit / 2) return false;
  meta.paths.replaced(subflow, true);
  meta.reset(subflow, RST_OUTSTANDING, now);
  return true;
}
