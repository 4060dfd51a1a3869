/** Which plugins a host uses: what the caller names, else the defaults that mod.ts hands over. */

import type {
  CongestionControlPlugin,
  PathManagerPlugin,
  Plugin,
  SchedulerPlugin,
} from "../plugin.ts";

/** The plugins of a host or a connection. */
export interface Policies {
  /**
   * Decides which path carries what.
   *
   * @default {minRtt()}
   */
  readonly scheduler?: SchedulerPlugin | undefined;
  /**
   * Decides which paths are opened and which addresses announced.
   *
   * @default {fullMesh()}
   */
  readonly pathManager?: PathManagerPlugin | undefined;
  /**
   * Sets the windows of the paths.
   *
   * @default {lia()}
   */
  readonly congestionControl?: CongestionControlPlugin | undefined;
}

/** A plugin of each kind. */
export interface CompletePolicies {
  /** Decides which path carries what. */
  readonly scheduler: SchedulerPlugin;
  /** Decides which paths are opened. */
  readonly pathManager: PathManagerPlugin;
  /** Sets the windows. */
  readonly congestionControl: CongestionControlPlugin;
}

const NAMES: Readonly<Record<Plugin["kind"], string>> = {
  "scheduler": "a scheduler",
  "path-manager": "a path manager",
  "congestion-control": "a congestion control",
};

let provided: CompletePolicies | null = null;

/** Hands over the plugins that are used where none is named. Called by mod.ts: this layer imports no plugin. */
export function provideDefaults(policies: CompletePolicies): void {
  provided = policies;
}

/** The defaults; throws Error when nothing handed them over. */
export function defaultPolicies(): CompletePolicies {
  if (provided === null) {
    throw new Error("Cannot choose default plugins as none were provided: import mod.ts");
  }
  return provided;
}

/**
 * Checks that `value`, given as option `name`, is a plugin of `kind`.
 *
 * @throws {TypeError} it is not; says what to write.
 */
export function checkPlugin(value: unknown, kind: Plugin["kind"], name: string): void {
  const what = NAMES[kind];
  if (typeof value === "function") {
    const called = value.name === "" || value.name === "default" ? "myPlugin" : value.name;
    throw new TypeError(
      `Cannot use ${called} as ${what} as it is a function: call it, ${name}: ${called}()`,
    );
  }
  if (typeof value === "string") {
    throw new TypeError(
      `Cannot use "${value}" as ${what} as it is a string: import the plugin and call it, or use loadPlugin("${value}")`,
    );
  }
  const plugin = value as Partial<Plugin> | null;
  if (typeof plugin !== "object" || plugin === null || typeof plugin.create !== "function") {
    throw new TypeError(
      `Cannot use ${
        describe(value)
      } as ${what} as '${name}' must be { kind: "${kind}", name, create }`,
    );
  }
  if (plugin.kind !== kind) {
    const own = plugin.kind === undefined ? undefined : NAMES[plugin.kind];
    throw new TypeError(
      `Cannot use ${plugin.name} as ${what} as ` +
        (own === undefined
          ? `its kind must be "${kind}": current value is ${describe(plugin.kind)}`
          : `it is ${own}`),
    );
  }
}

/** The plugins of `policies`, checked, and defaults for those it does not name. */
export function completePolicies(policies: Policies): CompletePolicies {
  const { scheduler, pathManager, congestionControl } = policies;
  if (scheduler !== undefined) checkPlugin(scheduler, "scheduler", "scheduler");
  if (pathManager !== undefined) checkPlugin(pathManager, "path-manager", "pathManager");
  if (congestionControl !== undefined) {
    checkPlugin(congestionControl, "congestion-control", "congestionControl");
  }
  if (scheduler && pathManager && congestionControl) {
    return { scheduler, pathManager, congestionControl };
  }
  const defaults = defaultPolicies();
  return {
    scheduler: scheduler ?? defaults.scheduler,
    pathManager: pathManager ?? defaults.pathManager,
    congestionControl: congestionControl ?? defaults.congestionControl,
  };
}

/** A value as an error message names it. */
export function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) {
    return value.length === 0 ? "[]" : `[${value.map(describe).join(", ")}]`;
  }
  if (typeof value === "function") return `function ${value.name}`.trimEnd();
  if (typeof value === "object" && value !== null) {
    const name = value.constructor?.name;
    return name === undefined || name === "Object" ? "an object" : `a ${name}`;
  }
  return String(value);
}
