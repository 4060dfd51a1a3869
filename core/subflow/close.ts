/** Ending a subflow: FIN, RST, TIME-WAIT (RFC 9293 §3.6). */

import type { Micros } from "../plugin.ts";
import { clearOptions, RST_UNSPECIFIED, writeTcpRst } from "../wire/mptcp.ts";
import { armRetransmission, rearm } from "./deadlines.ts";
import type { LeaveReason } from "./owner.ts";
import { sendAck, sendFin, sendReset } from "./send.ts";
import {
  CLOSE_WAIT,
  CLOSED,
  CLOSING,
  ESTABLISHED,
  FIN_WAIT_1,
  FIN_WAIT_2,
  LAST_ACK,
  type Subflow,
  SYN_SENT,
  TIME_WAIT,
} from "./subflow.ts";

/** Twice the longest life of a segment in the network, as Linux has it (RFC 9293 §3.4.2 speaks of 2 minutes for one). */
export const TIME_WAIT_LENGTH: Micros = 60e6;
/** Most subflows of a host in TIME-WAIT. */
const MOST_TIME_WAITS = 16384;
/** How long a FIN of the peer is awaited when ours is acknowledged, and nothing else is awaited from it. */
const FIN_WAIT_2_LENGTH: Micros = 60e6;

/** Wants a FIN after what was sent; it leaves in the next send pass. */
export function wantFin(subflow: Subflow, now: Micros): void {
  if (subflow.state === ESTABLISHED || subflow.state === CLOSE_WAIT) {
    subflow.finWanted = true;
    subflow.usable = false;
    subflow.owner.dirty(subflow);
  } else if (subflow.state !== CLOSED && subflow.state < ESTABLISHED) {
    reset(subflow, RST_UNSPECIFIED, now);
  }
}

/** Sends the FIN that is wanted, once (RFC 9293 §3.10.4). */
export function sendWantedFin(subflow: Subflow, now: Micros): void {
  if (!subflow.finWanted || subflow.finSent) return;
  if (!sendFin(subflow, subflow.sndNxt, now)) return;
  const range = subflow.inFlightList.begin();
  range.seq = subflow.sndNxt;
  range.end = subflow.sndNxt + 1;
  range.fin = true;
  range.time = now;
  range.sends = 1;
  range.priorDelivered = subflow.delivered;
  range.priorTime = subflow.deliveredTime;
  subflow.inFlightList.append(range);
  subflow.sndNxt++;
  subflow.finSent = true;
  subflow.state = subflow.state === CLOSE_WAIT ? LAST_ACK : FIN_WAIT_1;
  armRetransmission(subflow, now);
}

/** Our FIN was acknowledged (RFC 9293 §3.10.7.4, fifth). */
export function finAcknowledged(subflow: Subflow, now: Micros): void {
  if (subflow.state === FIN_WAIT_1) {
    subflow.state = FIN_WAIT_2;
    // On plain TCP the peer may send data as long as it likes (RFC 9293 §3.6, case 1).
    if (subflow.owner.closed) subflow.endAt = now + FIN_WAIT_2_LENGTH;
    rearm(subflow);
  } else if (subflow.state === CLOSING) {
    enterTimeWait(subflow, now);
  } else if (subflow.state === LAST_ACK) {
    leave(subflow, "closed", now);
  }
}

/** The peer's FIN is in order (RFC 9293 §3.10.7.4, eighth). */
export function finInOrder(subflow: Subflow, now: Micros): void {
  subflow.finReceived = true;
  if (subflow.state === ESTABLISHED) subflow.state = CLOSE_WAIT;
  else if (subflow.state === FIN_WAIT_1) subflow.state = CLOSING;
  subflow.owner.finArrived(subflow, now);
  if (subflow.state === FIN_WAIT_2) enterTimeWait(subflow, now);
}

/** TIME-WAIT holds no memory but its variables: it only answers what comes again. */
export function enterTimeWait(subflow: Subflow, now: Micros): void {
  const { host } = subflow.owner;
  const entered = subflow.state !== TIME_WAIT;
  subflow.state = TIME_WAIT;
  subflow.usable = false;
  subflow.rtoAt = subflow.rackAt = subflow.probeAt = Infinity;
  subflow.ackAt = Infinity;
  subflow.endAt = now + TIME_WAIT_LENGTH;
  sendAck(subflow, now);
  rearm(subflow);
  tell(subflow, "closed", now);
  subflow.release();
  if (!entered || ++host.timeWaits <= MOST_TIME_WAITS) return;
  // A peer that opens and closes without pause shall not fill memory; Linux gives up at tcp_max_tw_buckets too.
  host.count("TCPTimeWaitOverflow");
  leave(subflow, "closed", now);
}

/** TIME-WAIT, or the wait for a FIN that never came, is over. */
export function finishTimeWait(subflow: Subflow, now: Micros): void {
  leave(subflow, "closed", now);
}

/** Sends a RST with a reason (RFC 8684 §3.6) and ends at once. */
export function reset(subflow: Subflow, reason: number, now: Micros, transient = false): void {
  // Before its SYN is acknowledged the peer may know nothing of it.
  const known = subflow.state !== SYN_SENT || subflow.sndUna > 0;
  if (subflow.state !== CLOSED && subflow.state !== TIME_WAIT && known) {
    clearOptions();
    if (subflow.owner.mappingFlags !== 0) writeTcpRst(reason, transient);
    sendReset(subflow, now);
    if (subflow.owner.mappingFlags !== 0) subflow.owner.host.count("MPRstTx");
  }
  leave(subflow, "aborted", now);
}

/** Ends without a word on the wire. */
export function leave(subflow: Subflow, reason: LeaveReason, now: Micros): void {
  if (subflow.state === CLOSED && subflow.gone) return;
  if (subflow.state === TIME_WAIT) subflow.owner.host.timeWaits--;
  subflow.state = CLOSED;
  subflow.usable = false;
  subflow.rtoAt =
    subflow.rackAt =
    subflow.probeAt =
    subflow.endAt =
    subflow.ackAt =
      Infinity;
  tell(subflow, reason, now);
  subflow.destroy();
}

/** Gives everything back and tells nobody: the host itself ends. */
export function destroyQuietly(subflow: Subflow): void {
  subflow.gone = true;
  subflow.state = CLOSED;
  subflow.destroy();
}

function tell(subflow: Subflow, reason: LeaveReason, now: Micros): void {
  if (subflow.gone) return;
  subflow.gone = true;
  subflow.owner.left(subflow, reason, now);
}
