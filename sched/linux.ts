/** What Linux's own MPTCP does (net/mptcp/protocol.c since 5.14): the path with the shortest linger time, a burst at a time. */

import type { Chunk, SchedulerPlugin, SubflowView } from "../core/plugin.ts";
import { checkOptions } from "./checks.ts";
import { bindable, isSilent, onlyBackups } from "./paths.ts";

/** Most bytes of a burst: 64 KiB without the headers of IPv6, TCP and their options. */
const BURST = 65428;

/** It has no options. */
export const defaults: Readonly<Record<string, never>> = {};

/** What a scheduler knows of a subflow. */
interface Known {
  readonly subflow: SubflowView;
  /** Bytes per second, averaged over what was sent by it. */
  rate: number;
}

/**
 * Of all paths that are not stale that with the shortest linger time: bytes on it, sent and unsent, by its average pacing rate. Backup paths are looked at only
 * where no other works. When that one has no room, nothing is sent: no other is tried. A burst of 65,428 bytes, or what the peer's window
 * allows, stays on the path; then its average becomes (average · bytes on it + pacing rate · burst) / (bytes on it + burst). Up to a burst is bound beyond the
 * congestion window, as the kernel fills the buffers of its subflows.
 *
 * What goes again takes an idle path, and where there is none, the one with the shortest linger time; the kernel waits there for its next timer.
 *
 * @example Usage
 * ```ts
 * import { linux } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(linux().quantum, 65428);
 * ```
 *
 * @throws {TypeError} It has no such option.
 */
export default function linux(
  options: Readonly<Record<string, never>> = {},
): SchedulerPlugin {
  checkOptions("linux", options, defaults);
  return {
    kind: "scheduler",
    name: "linux",
    quantum: BURST,
    lookAhead: BURST,
    create: (connection) => {
      const { subflows } = connection;
      const all: Known[] = [];
      let at: SubflowView | null = null;
      let burst = 0;
      let asked = 0;
      const known = (subflow: SubflowView): Known => {
        for (let i = 0; i < all.length; i++) if (all[i]!.subflow === subflow) return all[i]!;
        const made = { subflow, rate: subflow.pacingRate };
        all.push(made);
        return made;
      };
      /** The shortest linger time of those that may be used; null: there is none. */
      const shortest = (): SubflowView | null => {
        const backups = onlyBackups(subflows);
        let best: SubflowView | null = null;
        let least = Infinity;
        for (let i = 0; i < subflows.length; i++) {
          const subflow = subflows[i]!;
          if (subflow.stale || (subflow.backup && !backups)) continue;
          // What a timeout takes for lost stays in the kernel's buffer of that subflow, and lingers at a window of one segment: it is not the shortest.
          if (isSilent(subflow)) continue;
          const linger = (subflow.inFlight + subflow.queued) / known(subflow).rate;
          if (linger >= least) continue;
          best = subflow;
          least = linger;
        }
        return best;
      };
      const again = (ready: readonly SubflowView[], { sentOn }: Chunk): SubflowView | null => {
        for (let i = 0; i < ready.length; i++) {
          const { inFlight, queued } = ready[i]!;
          if (inFlight === 0 && queued === 0 && !sentOn.includes(ready[i]!)) return ready[i]!;
        }
        const best = shortest();
        if (best === null || ready.includes(best)) return best ?? ready[0] ?? null;
        // Before the new data that are bound to it already: else it would wait for all of these.
        const able = ready.length === 0 && !sentOn.includes(best) &&
          bindable(best, BURST, onlyBackups(subflows));
        return able ? best : ready[0] ?? null;
      };
      return {
        pick(ready, chunk) {
          if (chunk.sentOn.length > 0) return again(ready, chunk);
          if (chunk.offset > asked) burst -= chunk.offset - asked;
          asked = chunk.offset;
          if (burst <= 0 || at === null || at.stale || isSilent(at) || !subflows.includes(at)) {
            const best = shortest();
            // None works: whichever is ready.
            if (best === null) return ready[0] ?? null;
            at = best;
            burst = Math.min(BURST, Math.max(best.mss, connection.window));
            const one = known(best);
            const on = best.inFlight + best.queued;
            one.rate = (one.rate * on + best.pacingRate * burst) / (on + burst);
          }
          if (ready.includes(at)) return at;
          const able = bindable(at, BURST, onlyBackups(subflows));
          // It has no room: a wait, which an acknowledgement of its own ends; what has none due is in doubt.
          if (able || at.inFlight > 0) return at;
          burst = 0;
          return ready[0] ?? null;
        },
        onSubflow(subflow, change) {
          if (change !== "left") return;
          const index = all.findIndex((each) => each.subflow === subflow);
          if (index >= 0) all.splice(index, 1);
        },
      };
    },
  };
}
