/** The deadlines of a subflow: many in name, one in the host's queue. */

import type { Micros } from "../plugin.ts";
import { finishTimeWait } from "./close.ts";
import { handshakeTimeout, repeatThirdAck } from "./handshake.ts";
import { reorderingTimeout, retransmissionTimeout } from "./recovery.ts";
import { MAX_RTO } from "./rtt.ts";
import { ESTABLISHED, type Subflow } from "./subflow.ts";

/** Files the nearest deadline; only one that moves earlier costs more than a comparison. */
export function rearm(subflow: Subflow): void {
  let nearest = subflow.rtoAt;
  if (subflow.ackAt < nearest) nearest = subflow.ackAt;
  if (subflow.rackAt < nearest) nearest = subflow.rackAt;
  if (subflow.probeAt < nearest) nearest = subflow.probeAt;
  if (subflow.endAt < nearest) nearest = subflow.endAt;
  if (nearest !== subflow.deadline) subflow.owner.host.timers.arm(subflow, nearest);
}

/** Starts the retransmission timer afresh (RFC 6298 §5.1, §5.3), backed off by the timeouts so far (§5.5). */
export function armRetransmission(subflow: Subflow, now: Micros): void {
  const list = subflow.inFlightList;
  subflow.rtoAt = list.head === null && subflow.state >= ESTABLISHED
    ? Infinity
    : now + Math.min(MAX_RTO, subflow.rtt.rto * 2 ** subflow.timeouts);
  rearm(subflow);
}

/** Handles every deadline that has passed. */
export function fireTimers(subflow: Subflow, now: Micros): void {
  if (subflow.endAt <= now) {
    finishTimeWait(subflow, now);
    return;
  }
  if (subflow.ackAt <= now) {
    subflow.ackAt = Infinity;
    subflow.ackNow = true;
    subflow.owner.dirty(subflow);
  }
  if (subflow.rackAt <= now) {
    subflow.rackAt = Infinity;
    reorderingTimeout(subflow, now);
  }
  if (subflow.probeAt <= now) {
    subflow.probeAt = Infinity;
    if (subflow.preEstablished) repeatThirdAck(subflow, now);
  }
  if (subflow.rtoAt <= now) {
    subflow.rtoAt = Infinity;
    if (subflow.state < ESTABLISHED) handshakeTimeout(subflow, now);
    else retransmissionTimeout(subflow, now);
  }
  if (!subflow.gone) rearm(subflow);
}
