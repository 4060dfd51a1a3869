/** The next way for a connection of ours to begin (race.ts), when time or a failure asks for it. */

import type { Micros } from "../plugin.ts";
import type { LeaveReason } from "../subflow/shared.ts";
import type { Subflow } from "../subflow/subflow.ts";
import { TIMER_RACE } from "./data_timer.ts";
import { firstSubflow } from "./establish.ts";
import { holdsData, openAnother } from "./fast_open.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { forget, rivals } from "./race.ts";

/** Files when the next way is due, from now. */
export function armRace(meta: MetaSocket, now: Micros): void {
  const { race } = meta;
  if (race !== null) meta.deadlines.set(TIMER_RACE, race.due(meta, now));
}

/** Nothing has answered in time, or what was tried has failed: the next way; false where there is none. */
export function tryNext(meta: MetaSocket, now: Micros): boolean {
  const { race, host, tcp, mptcp } = meta;
  if (race === null || meta.established || meta.over) return false;
  for (let way = race.take(); way !== null; way = race.take()) {
    const plan = host.planFirst(way, tcp.dscp, mptcp.enabled);
    const subflow = plan && firstSubflow(meta, plan);
    if (subflow === null || !host.register(subflow, meta)) {
      subflow?.release();
      race.settle(way, "none");
      continue;
    }
    host.count("ConnectRaceTries");
    meta.begin(subflow);
    openAnother(meta, subflow, now);
    armRace(meta, now);
    return true;
  }
  meta.deadlines.set(TIMER_RACE, Infinity);
  return false;
}

/**
 * The SYN of `subflow`, which is buried, has come to nothing: whether another may still be answered. A RST is the peer's own answer and ends what goes to the
 * same address, as to ask again by another path would only make it late; what a router says (ICMP) is of its path.
 */
export function goesOn(
  meta: MetaSocket,
  subflow: Subflow,
  reason: LeaveReason,
  now: Micros,
): boolean {
  const { race, host } = meta;
  if (race === null || meta.established) return false;
  const { fastOpen, trouble, remote } = subflow;
  race.settle(subflow, reason, trouble);
  const byPeer = reason === "refused" && trouble === null;
  if (!byPeer && reason !== "aborted") host.firstPaths.silent(subflow, now);
  if (byPeer) {
    race.drop(remote.address);
    for (const other of rivals(meta, subflow)) {
      if (other.remote.address !== remote.address) continue;
      race.settle(other, "late");
      forget(meta, other, now);
    }
  }
  if (fastOpen !== null && holdsData(subflow)) {
    // What its SYN had may be with the peer's application unless the peer, or a router at the first try, says otherwise.
    const routerSaid = trouble !== null && !subflow.handshakeRepeated;
    if (fastOpen.inSyn > 0 && !byPeer && !routerSaid) race.stop();
    else if (race.open) meta.writeFirst(fastOpen.rest, now);
  }
  return tryNext(meta, now) || meta.attempts.length > 0;
}
