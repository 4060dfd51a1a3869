/**
 * Subflows that have fallen silent while another one works: given up after some unanswered timeouts, asked whether they are back, used again as soon as they
 * are (RFC 8684 §3.3.6, §3.3.8; Linux net.mptcp.stale_loss_cnt).
 */

import type { Micros } from "../plugin.ts";
import type { Subflow } from "../subflow/subflow.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { startAnew } from "./outstanding.ts";

/** Looks at all that are silent: gives up those that have been for long enough, asks those that are given up, and sets when to look again. */
export function watchSilence(meta: MetaSocket, now: Micros): void {
  const { subflows } = meta;
  const { staleLossCount } = meta.mptcp;
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[i]!;
    if (!subflow.silent) {
      subflow.watchSilence(Infinity);
      continue;
    }
    const lives = subflow.usable && staleLossCount > 0 && anotherWorks(meta, subflow, now);
    if (subflow.stale) {
      if (lives) subflow.askBack(now);
      else subflow.watchSilence(Infinity);
      continue;
    }
    const due = subflow.silentFor(staleLossCount);
    if (!lives || due > now) {
      subflow.watchSilence(lives ? due : Infinity);
    } else if (subflow.sender.shut) {
      // It answers, and takes nothing.
      subflow.answered(now);
    } else {
      subflow.giveUp();
      meta.host.count("SubflowStale");
      meta.reinject(subflow);
      meta.subflowChanged(subflow, "stale");
      // A path manager may have ended it.
      if (subflow.ended === null) subflow.askBack(now);
    }
  }
}

/** Timeouts, or keepalives, in a row without an answer: a path that is only slow has had time to answer the first. */
const UNHEARD = 3;

/** Whether `subflow` has not been heard for long. Another one on its path would do no better where segments are too large for that. */
export function unheard(subflow: Subflow, now: Micros): boolean {
  const { sender, keepaliveProbes, stale } = subflow;
  if (keepaliveProbes >= UNHEARD) return true;
  if (sender.rtt.timeouts < UNHEARD || sender.shut || sender.sizeInDoubt) return false;
  // Timeouts may be so short that three of them are over before anybody could have answered.
  return stale || !subflow.silent || subflow.silentFor(UNHEARD) <= now;
}

/** Something is acknowledged on a subflow that was silent. */
export function answered(meta: MetaSocket, subflow: Subflow, now: Micros): void {
  if (subflow.stale && startAnew(meta, subflow, now)) return;
  meta.paths.heardAgain(subflow);
  const revived = subflow.answered(now);
  if (revived) {
    meta.host.count("SubflowRecover");
    meta.subflowChanged(subflow, "revived");
    meta.answerFins(now);
  }
  // Others may be given up now, or are worth a question again.
  if (revived || !subflow.silent) watchSilence(meta, now);
}

/** Whether `subflow` may carry data, and is neither stale nor would be if another one worked. */
export function works({ mptcp }: MetaSocket, subflow: Subflow, now: Micros): boolean {
  if (!subflow.usable || subflow.stale) return false;
  return mptcp.staleLossCount === 0 || subflow.silentFor(mptcp.staleLossCount) > now;
}

/** Whether one that is not `but` does. */
export function anotherWorks(meta: MetaSocket, but: Subflow, now: Micros): boolean {
  const { subflows } = meta;
  for (let i = 0; i < subflows.length; i++) {
    const other = subflows[i]!;
    if (other !== but && works(meta, other, now)) return true;
  }
  return false;
}

/** Whether what one of them is to carry alone goes on `subflow` rather than on `best`; null: on nobody so far. */
export function worksBetter(subflow: Subflow, best: Subflow | null): boolean {
  if (best === null) return true;
  return subflow.stale === best.stale ? subflow.srtt < best.srtt : best.stale;
}
