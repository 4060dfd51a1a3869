/** Everything on every subflow, or what is worth it (ReMP: Frömmgen, Erbshäußer, Buchmann, Zimmermann, Wehrle, "ReMP TCP: Low latency multipath TCP", ICC 2016). */

import type { Scheduler, SchedulerPlugin } from "../core/plugin.ts";
import { checkChoice, checkOptions } from "./checks.ts";
import { lowestRtt } from "./min_rtt.ts";

/** Options for {@linkcode redundant}. */
export interface RedundantOptions {
  /**
   * - "full": a subflow first repeats what others carry and the peer has not acknowledged, then takes new data, so subflows may be at different places of the
   *   stream
   * - "opportunistic": new data go at once to all that have room for them; nothing is repeated later
   * - "tail": the lowest round trip; once nothing is left to send, what is out is repeated
   *
   * @default {"full"}
   */
  readonly mode?: "full" | "opportunistic" | "tail";
}

/** What holds where no option says otherwise. */
export const defaults: Readonly<Required<RedundantOptions>> = { mode: "full" };

/**
 * Sends each byte on all subflows that work: latency is that of the fastest path for each byte, throughput that of the best one. Backup paths carry no copy
 * while another works.
 *
 * @example Usage
 * ```ts
 * import { redundant } from "@mptcp/mptcp/sched";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(redundant({ mode: "tail" }).name, "redundant");
 * ```
 *
 * @throws {TypeError} It has no such option.
 * @throws {RangeError} When `mode` is none of the three.
 */
export default function redundant(options: RedundantOptions = {}): SchedulerPlugin {
  checkOptions("redundant", options, defaults);
  const { mode = defaults.mode } = options;
  checkChoice("redundant", "mode", mode, ["full", "opportunistic", "tail"]);
  return {
    kind: "scheduler",
    name: "redundant",
    family: mode === "tail" ? "aggregate" : "redundant",
    create: (connection): Scheduler => {
      switch (mode) {
        case "full":
          return { pick: lowestRtt, repeat: () => true };
        case "opportunistic":
          return {
            pick: (ready, chunk) => chunk.sentOn.length > 0 ? lowestRtt(ready, chunk) : ready,
          };
        case "tail":
          return { pick: lowestRtt, repeat: () => connection.unsent === 0 };
      }
    },
  };
}
