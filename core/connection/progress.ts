/** The watch over a scheduler that waits: no answer of a plugin may leave data, window and room unused for long. */

import type { Micros } from "../plugin.ts";
import { INITIAL_RTO } from "../subflow/rtt.ts";
import { TIMER_PROGRESS } from "./data_timer.ts";
import type { MetaSocket } from "./meta_socket.ts";
import { works } from "./stale.ts";

/** Timeouts without new data after which a scheduler that could have sent is overruled. */
const PATIENCE = 2;

/**
 * A pass is over; `waits`: the scheduler was offered subflows with room, and chose to wait. The watch runs from the first such pass in a row. Copies
 * that `repeat` asked for, and what subflows send again, count for nothing.
 */
export function watchProgress(meta: MetaSocket, waits: boolean, now: Micros): void {
  if (waits === meta.deadlines.has(TIMER_PROGRESS)) return;
  meta.deadlines.set(TIMER_PROGRESS, waits ? now + PATIENCE * timeout(meta, now) : Infinity);
}

/** The watch has run out. Unless something has left meanwhile, or timeouts have grown, the pass that follows takes no wait for an answer. */
export function progressMissed(meta: MetaSocket, now: Micros): void {
  const due = Math.max(
    meta.figures.lastSent + PATIENCE * timeout(meta, now),
    nextTimeout(meta, now),
  );
  if (due > now) meta.deadlines.set(TIMER_PROGRESS, due);
  else if (holds(meta)) meta.deadlines.set(TIMER_PROGRESS, now + PATIENCE * timeout(meta, now));
  else meta.scheduler?.insist(now);
}

/**
 * The last of the retransmission timers of those that work: what it brings to light may be what is waited for. One that runs since before the round trip
 * was known is later than a timeout is by now.
 */
function nextTimeout(meta: MetaSocket, now: Micros): Micros {
  const { subflows } = meta;
  let last: Micros = 0;
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[i]!;
    const { timeoutAt } = subflow.sender;
    if (timeoutAt < Infinity && works(meta, subflow, now)) last = Math.max(last, timeoutAt);
  }
  return last;
}

/** Whether a subflow takes nothing for a time: it may be what is waited for. */
function holds({ subflows }: MetaSocket): boolean {
  for (let i = 0; i < subflows.length; i++) {
    const { usable, stale, sender } = subflows[i]!;
    if (usable && !stale && sender.held) return true;
  }
  return false;
}

/** Longest timeout of those that work, with its back-off: who awaits a path that has fallen silent may do so until it is stale. */
function timeout(meta: MetaSocket, now: Micros): Micros {
  const { subflows } = meta;
  let longest: Micros = 0;
  for (let i = 0; i < subflows.length; i++) {
    const subflow = subflows[i]!;
    if (works(meta, subflow, now)) longest = Math.max(longest, subflow.sender.rtt.rto);
  }
  return longest === 0 ? INITIAL_RTO : longest;
}
