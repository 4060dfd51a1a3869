/** The plugins of a host's connections, each behind its guard. */

import type {
  CongestionControlPlugin,
  Endpoint,
  PathManagerPlugin,
  SchedulerPlugin,
} from "../plugin.ts";
import { guardCongestionControl, type GuardedCongestionControlPlugin } from "./congestion.ts";
import { type GuardHost, thrown } from "./faults.ts";
import { guardPathManager } from "./paths.ts";
import { type GuardedSchedulerPlugin, guardScheduler } from "./scheduler.ts";

/** A plugin of each kind, as whoever chose them gave them. */
export interface Policies {
  /** Which subflow carries what. */
  readonly scheduler: SchedulerPlugin;
  /** Which paths are used. */
  readonly pathManager: PathManagerPlugin;
  /** How fast each subflow sends. */
  readonly congestionControl: CongestionControlPlugin;
}

/** The same behind their guards: what a connection is made with. */
export interface GuardedPolicies {
  /** Which subflow carries what. */
  readonly scheduler: GuardedSchedulerPlugin;
  /** Which paths are used. */
  readonly pathManager: PathManagerPlugin;
  /** How fast each subflow sends. */
  readonly congestionControl: GuardedCongestionControlPlugin;
}

/** Names of the plugins of a connection, as `info()` tells them. */
export interface PolicyNames {
  /** Which subflow carries what. */
  readonly scheduler: string;
  /** How fast each subflow sends. */
  readonly congestion_control: string;
  /** Which paths are used. */
  readonly path_manager: string;
}

/**
 * The boundary around plugins. A fault is an exception, an answer or a value that is none, an unknown or closed path, or a wait that nothing will
 * end. It is counted and reported with the plugin's name; the default decides that time, and for good after 100 of them. Plugins are trusted code: a
 * guard keeps a mistake from taking the connection down, nothing more.
 */
export class PolicyGuard {
  readonly #policies: Policies;
  readonly #fallbacks: Policies;
  readonly #host: GuardHost;
  /** The host's own: the same for all connections that name none. */
  readonly #usual: GuardedPolicies;

  /** @param policies Plugins where a connection names none. @param fallbacks What stands in for one that fails. @param host Told of faults; gives random numbers. */
  constructor(policies: Policies, fallbacks: Policies, host: GuardHost) {
    this.#policies = policies;
    this.#fallbacks = fallbacks;
    this.#host = host;
    this.#usual = this.#guarded(policies);
  }

  /** A guarded scheduler. */
  scheduler(plugin: SchedulerPlugin): GuardedSchedulerPlugin {
    return guardScheduler(plugin, this.#fallbacks.scheduler, this.#host);
  }

  /** A guarded congestion control. */
  congestionControl(plugin: CongestionControlPlugin): GuardedCongestionControlPlugin {
    return guardCongestionControl(plugin, this.#fallbacks.congestionControl, this.#host);
  }

  /** Guarded plugins of one connection: those named, else the host's. */
  all(named: Partial<Policies> | undefined): GuardedPolicies {
    for (const name in named) {
      if (Object.hasOwn(named, name)) return this.#guarded({ ...this.#policies, ...named });
    }
    return this.#usual;
  }

  #guarded({ scheduler, pathManager, congestionControl }: Policies): GuardedPolicies {
    const fallbacks = this.#fallbacks;
    return {
      scheduler: this.scheduler(scheduler),
      pathManager: guardPathManager(pathManager, fallbacks.pathManager, this.#host),
      congestionControl: this.congestionControl(congestionControl),
    };
  }

  /** Tells the host's path manager of a listener. */
  listener(change: "created" | "closed", { address, port }: Endpoint): void {
    const { pathManager } = this.#policies;
    try {
      pathManager.onListener?.(change, Object.freeze({ address, port }));
    } catch (error) {
      this.#host.report({
        kind: "path-manager",
        plugin: pathManager.name,
        ...thrown("onListener", error),
        count: 1,
        replaced: false,
      });
    }
  }

  /** A path manager's callback threw. */
  threw(plugin: string, error: unknown): void {
    this.#host.report({
      kind: "path-manager",
      plugin,
      ...thrown("after", error),
      what: "threw in a callback",
      count: 1,
      replaced: false,
    });
  }
}
