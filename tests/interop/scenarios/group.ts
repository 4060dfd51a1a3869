/** How scenarios are written down. */

import type { Scenario } from "./scenario.ts";

/** A scenario within its group. */
export type Entry = Omit<Scenario, "group" | "name">;

/** The scenarios of a group, by name. */
export function group(name: string, entries: Readonly<Record<string, Entry>>): Scenario[] {
  return Object.entries(entries).map(([each, entry]) => ({ group: name, name: each, ...entry }));
}
