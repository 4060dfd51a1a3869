/** Groups that are not carried out yet, with the reason. */

import type { Scenario } from "./scenario.ts";

function unrun(group: string, reason: string, names: readonly string[]): Scenario[] {
  return names.map((name) => ({ group, name, not: reason }));
}

/** They are in the table, so that nobody takes it for whole. */
export const UNRUN: readonly Scenario[] = [
  ...unrun(
    "fail",
    "in tests/interop/damage_test.ts, which passes as client and as server: it takes a middlebox that rewrites payload",
    [
      "Infinite map",
      "MP_FAIL MP_RST",
    ],
  ),
];
