/** How scenarios are written down. */

import type { Scenario } from "./scenario.ts";

/** A scenario within its group. */
export type Entry = Omit<Scenario, "group" | "name">;

/** The scenarios of a group, by name. */
export function group(name: string, entries: Readonly<Record<string, Entry>>): Scenario[] {
  return Object.entries(entries).map(([each, entry]) => ({ group: name, name: each, ...entry }));
}

/** Reasons why something is not run. */
export const NEEDS_ENDPOINTS = "the path manager of these tests does not do that";
export const NEEDS_PORTS = "no listener takes joins to an announced port";
export const NEEDS_C_FLAG = "no option sets the C flag";
