/** Groups that are not carried out yet, with the reason. */

import type { Scenario } from "./scenario.ts";

function unrun(group: string, reason: string, names: readonly string[]): Scenario[] {
  return names.map((name) => ({ group, name, not: reason }));
}

/** They are in the table, so that nobody takes it for whole. */
export const UNRUN: readonly Scenario[] = [
  ...unrun(
    "fail",
    "what makes a mapping wrong on its way is in damage_test.ts; its counters are not compared here yet",
    [
      "Infinite map",
      "MP_FAIL MP_RST",
    ],
  ),
  ...unrun("userspace", "the kernel's path manager in userspace is not driven yet", [
    "userspace pm type prevents add_addr",
    "userspace pm no echo w/o daemon",
    "userspace pm type rejects join",
    "userspace pm type does not send join",
    "userspace pm type prevents mp_prio",
    "userspace pm type prevents rm_addr",
    "userspace pm add & remove address",
    "userspace pm create destroy subflow",
    "userspace pm create id 0 subflow",
    "userspace pm remove initial subflow",
    "userspace pm send RM_ADDR for ID 0",
  ]),
];
