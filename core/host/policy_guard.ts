/** The plugins of a host's connections, each behind its guard. */

import type { Policies } from "../connection/meta_socket.ts";
import type { SchedulerPlugin } from "../plugin.ts";
import {
  type FaultReport,
  guardCongestionControl,
  guardPathManager,
  guardScheduler,
} from "./plugin_guard.ts";

/** Puts plugins behind guards that report to one place. */
export class PolicyGuard {
  readonly #policies: Policies;
  readonly #fallbacks: Policies;
  readonly #report: FaultReport;

  /** @param policies Plugins where a connection names none. @param fallbacks What stands in for one that fails. @param report Told of faults. */
  constructor(policies: Policies, fallbacks: Policies, report: FaultReport) {
    this.#policies = policies;
    this.#fallbacks = fallbacks;
    this.#report = report;
  }

  /** A guarded scheduler. */
  scheduler(plugin: SchedulerPlugin): SchedulerPlugin {
    return guardScheduler(plugin, this.#fallbacks.scheduler, this.#report);
  }

  /** Guarded plugins of one connection: those named, else the host's. */
  all(named: Partial<Policies> | undefined): Policies {
    const { scheduler, pathManager, congestionControl } = { ...this.#policies, ...named };
    const fallbacks = this.#fallbacks;
    return {
      scheduler: this.scheduler(scheduler),
      pathManager: guardPathManager(pathManager, fallbacks.pathManager, this.#report),
      congestionControl: guardCongestionControl(
        congestionControl,
        fallbacks.congestionControl,
        this.#report,
      ),
    };
  }

  /** A path manager's callback threw. */
  threw(plugin: string, error: unknown): void {
    const what = "threw in a callback";
    this.#report({ kind: "path-manager", plugin, what, error, count: 1, replaced: false });
  }
}
