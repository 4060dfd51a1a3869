/** The guard around a path manager. */

import type { PathContext, PathEvent, PathManager, PathManagerPlugin } from "../plugin.ts";
import { type FaultReport, Faults } from "./plugin_faults.ts";

/** `plugin` behind a guard; `fallback` decides where it fails. */
export function guardPathManager(
  plugin: PathManagerPlugin,
  fallback: PathManagerPlugin,
  report: FaultReport,
): PathManagerPlugin {
  return {
    kind: "path-manager",
    name: plugin.name,
    create: (context) => new GuardedPathManager(plugin, fallback, report, context),
  };
}

class GuardedPathManager implements PathManager {
  readonly #faults: Faults;
  readonly #context: PathContext;
  readonly #fallbackPlugin: PathManagerPlugin;
  #manager: PathManager | null = null;
  #fallback: PathManager | null = null;

  constructor(
    plugin: PathManagerPlugin,
    fallback: PathManagerPlugin,
    report: FaultReport,
    context: PathContext,
  ) {
    this.#faults = new Faults(plugin, report);
    this.#context = context;
    this.#fallbackPlugin = fallback;
    try {
      this.#manager = plugin.create(this.#guardContext());
    } catch (error) {
      this.#faults.replaced = true;
      this.#faults.add("threw in create", error);
    }
  }

  onEvent(event: PathEvent): void {
    if (this.#faults.replaced) return this.#other().onEvent(event);
    try {
      this.#manager!.onEvent(event);
    } catch (error) {
      this.#faults.add("threw in onEvent", error);
      this.#other().onEvent(event);
    }
  }

  refuse(...ends: Parameters<NonNullable<PathManager["refuse"]>>): number | null {
    if (!this.#faults.replaced) {
      try {
        const reason = this.#manager!.refuse?.(...ends) ?? null;
        if (reason === null || (Number.isInteger(reason) && reason >= 0 && reason <= 255)) {
          return reason;
        }
        this.#faults.add(`refused a join with reason ${reason}`);
      } catch (error) {
        this.#faults.add("threw in refuse", error);
      }
    }
    return this.#other().refuse?.(...ends) ?? null;
  }

  #other(): PathManager {
    return this.#fallback ??= this.#fallbackPlugin.create(this.#context);
  }

  /** The same context, with timers whose callbacks are guarded too. */
  #guardContext(): PathContext {
    const context = this.#context;
    const { role, locals, remotes, paths, index, use, setBackup, announce, withdraw } = context;
    return {
      role,
      locals,
      remotes,
      paths,
      get peerDeniesJoinToInitial() {
        return context.peerDeniesJoinToInitial;
      },
      index,
      use,
      setBackup,
      announce,
      withdraw,
      after: (delay, callback) =>
        context.after(delay, () => {
          if (this.#faults.replaced) return;
          try {
            callback();
          } catch (error) {
            this.#faults.add("threw in a callback of after", error);
          }
        }),
    };
  }
}
