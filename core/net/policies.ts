/** Which plugins a host uses: what the caller names, else the defaults that mod.ts hands over. */

import type { CongestionControlPlugin, PathManagerPlugin, SchedulerPlugin } from "../plugin.ts";
import { checkPlugin } from "./load_plugin.ts";
import { DEFAULT_SETTINGS } from "../subflow/settings.ts";

/** The plugins of a host or a connection. */
export interface Policies {
  /**
   * Decides which path carries what.
   *
   * @default {earliest()}
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

/** The plugins that `policies` names, checked. Throws TypeError, saying what to write instead. */
export function namedPolicies(policies: Policies): Partial<CompletePolicies> {
  const { scheduler, pathManager, congestionControl } = policies;
  return {
    ...(scheduler !== undefined && { scheduler: checkPlugin("scheduler", scheduler) }),
    ...(pathManager !== undefined && { pathManager: checkPlugin("path-manager", pathManager) }),
    ...(congestionControl !== undefined && {
      congestionControl: checkPlugin("congestion-control", congestionControl),
    }),
  };
}

/** The plugins of `policies`, checked, and defaults for those it does not name. */
export function completePolicies(policies: Policies): CompletePolicies {
  return { ...defaultPolicies(), ...namedPolicies(policies) };
}

/**
 * Checks that `options` is an object with none but the known options: a misspelt one would do nothing, without a word, as programs run unchecked.
 *
 * @throws {TypeError} it is none, or has another.
 */
export function checkOptions<T extends object>(
  verb: string,
  options: T,
  known: Readonly<Record<keyof T, true>>,
): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(
      `Cannot ${verb} as its options must be an object: current value is ${describe(options)}`,
    );
  }
  for (const key of Object.keys(options)) {
    if (Object.hasOwn(known, key)) continue;
    if (Object.hasOwn(known, "tcp") && Object.hasOwn(DEFAULT_SETTINGS, key)) {
      throw new TypeError(
        `Cannot ${verb} as there is no option '${key}': it is one of 'tcp', { tcp: { ${key}: … } }`,
      );
    }
    throw new TypeError(
      `Cannot ${verb} as there is no option '${key}': the options are ${
        Object.keys(known).join(", ")
      }`,
    );
  }
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
    if (typeof name !== "string" || name === "" || name === "Object") return "an object";
    // A Uint8Array, a URL: no class begins with another U.
    return `${/^[aeio]/i.test(name) ? "an" : "a"} ${name}`;
  }
  return String(value);
}
