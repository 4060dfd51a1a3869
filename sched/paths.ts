/** What schedulers ask of subflows besides those that are ready. */

import type { Chunk, SubflowView } from "../core/plugin.ts";

/** Payload of a full segment at the usual MTU of 1,500 bytes, for quanta, which are named before there is a subflow. */
export const SEGMENT = 1460;

/**
 * A timeout has left it one segment of its window (RFC 5681 §3.1), which nothing has answered yet: it may be cut, and is known as stale only after several
 * timeouts, each twice as long as the one before. Nobody waits for it where another works.
 */
export function isSilent({ inRecovery, cwnd, mss }: SubflowView): boolean {
  return inRecovery && cwnd < 2 * mss;
}

/**
 * Whether `subflow` may be waited for where those of `ready` could carry the chunk: one of their kind, not stale or a backup where they are not, from
 * which an acknowledgement is due, and which has not fallen silent.
 */
export function awaitable(subflow: SubflowView, ready: readonly SubflowView[]): boolean {
  const like = ready[0];
  if (like === undefined) return false;
  return subflow.inFlight > 0 && subflow.stale === like.stale &&
    subflow.backup === like.backup && !isSilent(subflow);
}

/** The one with the lowest round trip of all that are in `ready` or may be waited for; null when `ready` is empty. */
export function fastestOf(
  subflows: readonly SubflowView[],
  ready: readonly SubflowView[],
): SubflowView | null {
  let best: SubflowView | null = null;
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[i]!;
    if (!ready.includes(subflow) && !awaitable(subflow, ready)) continue;
    if (best === null || subflow.srtt < best.srtt) best = subflow;
  }
  return best;
}

/**
 * Whether `subflow` may be bound data beyond its window by a scheduler that looks `ahead`: not stale, a backup only with `backups`; what has nothing out
 * and is not ready is left, or in doubt, and what a timeout has left a single segment (RFC 5681 §3.1) is as good as silent.
 */
export function bindable(subflow: SubflowView, ahead: number, backups: boolean): boolean {
  const { stale, backup, inFlight, queued, cwnd, mss, room } = subflow;
  if (stale || (backup && !backups) || (inFlight === 0 && queued === 0)) return false;
  return cwnd >= 2 * mss && room + ahead - queued >= mss;
}

/** No subflow that works is a regular one. */
export function onlyBackups(subflows: readonly SubflowView[]): boolean {
  for (let i = 0; i < subflows.length; i++) {
    if (!subflows[i]!.backup && !subflows[i]!.stale) return false;
  }
  return true;
}

/** Microseconds that put who carries a chunk already behind whoever does not. */
const CARRIES = 1e12;

/**
 * The subflow of the least `time` that the first segment of the chunk takes, which has `bytes`, of those that are `ready` or may be bound data that far `ahead`.
 * One that carries the chunk already comes behind all others.
 */
export function soonest(
  subflows: readonly SubflowView[],
  ready: readonly SubflowView[],
  { length, sentOn }: Chunk,
  ahead: number,
  time: (subflow: SubflowView, bytes: number) => number,
): SubflowView | null {
  const backups = onlyBackups(subflows);
  let best: SubflowView | null = null;
  let least = Infinity;
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[i]!;
    if (!ready.includes(subflow) && !bindable(subflow, ahead, backups)) continue;
    const takes = time(subflow, Math.min(length, subflow.mss)) +
      (sentOn.includes(subflow) ? CARRIES : 0);
    if (takes >= least) continue;
    best = subflow;
    least = takes;
  }
  return best;
}
