/** Data order, DATA_ACK and the shared receive window (draft §3.4; RFC 8684 §3.3.1, §3.3.4). */

import { f64, receiver_segment } from "../../wasm/mod.ts";
import {
  RECEIVER_STAGED,
  SEGMENT_ADVANCED,
  SEGMENT_CHECKSUM,
  SEGMENT_DATA,
  SEGMENT_DATA_DUPLICATE,
  SEGMENT_MEMORY,
  SEGMENT_STAGED,
} from "../../wasm/layout.ts";
import type { Micros } from "../plugin.ts";
import { reset } from "../subflow/close.ts";
import { sendAck } from "../subflow/send.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { RST_MIDDLEBOX, RST_MPTCP } from "../wire/mptcp.ts";
import { abortConnection, maybeClosed } from "./close.ts";
import { missMapping } from "./fallback.ts";
import type { MetaSocket } from "./meta_socket.ts";

/** Of these only SEGMENT_ADVANCED is set where new data lie above a hole. */
const OUT_OF_ORDER_BITS = SEGMENT_ADVANCED | SEGMENT_DATA | SEGMENT_STAGED | SEGMENT_DATA_DUPLICATE;

/** Places the payload of a segment; returns SEGMENT_* bits. */
export function payload(
  meta: MetaSocket,
  subflow: Subflow,
  seq: number,
  address: number,
  length: number,
  now: Micros,
): number {
  const bits = receiver_segment(
    subflow.receiver,
    seq,
    address,
    length,
    meta.dataLimit,
  );
  if (bits & SEGMENT_MEMORY) return bits;
  meta.lastDataReceived = now;
  if (bits & SEGMENT_DATA_DUPLICATE) meta.host.count("DuplicateData");
  if (bits & SEGMENT_CHECKSUM) {
    checksumFailed(meta, subflow, now);
    return bits;
  }
  if (
    (bits & SEGMENT_STAGED) !== 0 && f64[subflow.record + RECEIVER_STAGED]! > meta.receiveBuffer
  ) {
    meta.host.count("NoDSSInWindow");
    reset(subflow, RST_MPTCP, now);
    return bits;
  }
  // In order on the subflow, above a hole in the data.
  if ((bits & OUT_OF_ORDER_BITS) === SEGMENT_ADVANCED) meta.host.count("OFOQueue");
  if (bits & SEGMENT_DATA) afterReceive(meta, subflow, now);
  if (bits & SEGMENT_STAGED) missMapping(meta, subflow, bits, now);
  return bits;
}

/** Data that did not come as it was sent never reaches the application (RFC 8684 §3.7). */
export function checksumFailed(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  meta.host.count("DataCsumErr");
  meta.host.count("DSSCorruptionReset");
  reset(subflow, RST_MIDDLEBOX, now);
}

/** Something moved at the data level: tell the reader, look whether the DATA_FIN is reached. */
export function afterReceive(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  if (meta.discarding) {
    meta.buffers.drop();
    updateWindow(meta, now);
  } else if (meta.readable > 0) {
    if (meta.appClosed) {
      // Nobody will read it: the peer is told, as in Linux (RFC 8684 §3.5). A repeat of what was read does not come here.
      abortConnection(meta, null, now);
      return;
    }
    meta.tellReadable = true;
  }
  if (meta.peerFin >= 0 && !meta.peerFinished && meta.receivedNext >= meta.peerFin) {
    meta.peerFinished = true;
    meta.tellReadable = true;
    subflow.ackNow = true;
    maybeClosed(meta, now);
  }
  meta.dirty(subflow);
}

/**
 * Moves the right edge as the reader takes bytes, in steps that avoid silly windows (RFC 9293 §3.8.6.2.2), and tells the peer when it matters:
 * out of a zero window on every subflow (draft DA-3), else when half the buffer is free again.
 */
export function updateWindow(meta: MetaSocket, now: Micros): void {
  const edge = meta.readOffset + meta.receiveBuffer;
  const { receiveBuffer } = meta;
  let mss = 1;
  for (const subflow of meta.subflows) mss = Math.max(mss, subflow.mss);
  if (edge - meta.rcvEdge >= Math.min(receiveBuffer / 2, 2 * mss)) meta.rcvEdge = edge;
  const gain = meta.rcvEdge - meta.rcvEdgeSent;
  // Where the peer sent more than it was offered there is nothing to tell before the edge is beyond that.
  if (gain <= 0 || meta.rcvEdge <= meta.receivedNext || meta.peerFinished) return;
  const closed = meta.rcvEdgeSent - meta.receivedNext < 2 * mss;
  if (!closed && gain < receiveBuffer / 2) return;
  for (const subflow of meta.subflows) {
    if (sendAck(subflow, now) && !closed) break;
  }
  meta.rcvEdgeSent = meta.rcvEdge;
}
